"""vcrpy's slot for a serializer: `serialize` and `deserialize`, as `vcr.VCR.register_serializer` takes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from . import bodies, yaml_format, yaml_reader
from .content_encoding import Room
from .foreign import from_vcr
from .stored import Stored, checked, request_of, response_of, vcr_response
from .yaml_format import Block

if TYPE_CHECKING:
    from collections.abc import Mapping


def serialize(data: Mapping[str, Any]) -> str:
    """Write vcrpy's version-1 *data* as a cassette; large binaries stay inside."""
    blocks = [Block.of(*from_vcr(item)) for item in data["interactions"]]
    return yaml_format.write(data.get("metadata") or {}, blocks)


def deserialize(text: str) -> dict[str, Any]:
    """Return the version-1 data that vcrpy works on, bodies as bytes."""
    document = yaml_reader.read(text)
    form = checked if document.ours else partial(from_vcr, room=Room())
    items = [Stored(*(yaml_reader.load(half, yaml_format.INDENT) for half in block)) for block in document.blocks] or [
        yaml_reader.tried(form, item, "the cassette", partial(yaml_reader.line_of_item, text, index))
        for index, item in enumerate(document.items)
    ]
    data: dict[str, Any] = {"version": yaml_format.VERSION, "interactions": [_item(item) for item in items]}
    return data | ({"metadata": document.head} if document.head else {})


def _item(item: Stored) -> dict[str, Any]:
    request = request_of(bodies.attached(item.request, _no_file))
    return {
        "request": {
            "method": request.method,
            "uri": request.uri,
            "body": request.body,
            "headers": dict(item.request.get("headers", {})),
        },
        "response": vcr_response(response_of(bodies.attached(item.response, _no_file))),
    }


def _no_file(name: str) -> bytes:
    return b""
