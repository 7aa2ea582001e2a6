"""Read cassettes of vcrpy, and of tools based on it, and provide a serializer and a persister for vcrpy.

`serialize` and `deserialize` are for `vcr.VCR.register_serializer`, `Persister` is for `register_persister`.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vcr import serialize as vcr_serialize
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.request import Request

from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._json_types import JsonDict, is_object
from maxim_gemini.testing.exceptions import CassetteNotFound

from . import bodies, json_text, yaml_format, yaml_reader
from .content_encoding import Room, decoded
from .interaction import Interaction, Stored, checked, pairs, request_of, response_of, stored_headers, stored_of
from .requests import as_bytes
from .sessions import WebsocketSession, checked_session
from .store import Shelf
from .yaml_format import Block

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .interaction import Origin
    from .yaml_reader import Document


def read(origin: Origin) -> tuple[list[Interaction], list[WebsocketSession]]:
    """Return the interactions and websocket sessions of a cassette's file; set the other settings in *origin*.

    Raises:
        CassetteError: there is none, or it can't be read; the message names file and line.
    """
    data, name = origin.shelf.read(), origin.shelf.name
    document = yaml_reader.read(data, name)
    origin.head, origin.is_edited = document.head, not document.is_sealed
    contents = document.blocks or _values_of(document, data, name)
    interactions = [
        yaml_reader.tried(
            partial(Interaction, origin, index), content, name, partial(yaml_reader.line_of_item, data, index)
        )
        for index, content in enumerate(contents)
    ]
    sessions = [
        yaml_reader.tried(
            partial(checked_session, origin, index, is_sealed=document.is_sealed),
            content,
            name,
            partial(yaml_reader.line_of_item, data, index, "websockets"),
        )
        for index, content in enumerate(document.sessions)
    ]
    return interactions, sessions


def _values_of(document: Document, data: bytes, name: str) -> list[Stored]:
    """Return the stored values of a *document* that was read as YAML."""
    form = checked if document.ours else partial(from_vcr, room=Room())
    return [
        yaml_reader.tried(form, item, name, partial(yaml_reader.line_of_item, data, index))
        for index, item in enumerate(document.items)
    ]


def from_vcr(item: Any, room: Room | None = None) -> Stored:
    """Return the stored values of an interaction of vcrpy, or of a tool based on it; *room* is that of its file."""
    request, response = dict(item["request"]), dict(item["response"])
    headers = pairs(response.get("headers"))
    encoding = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    body = decoded(_vcr_body(response), encoding, room or Room())
    # The body is kept as it is read, and a client would decode it once more.
    kept = [(name, value) for name, value in headers if name.lower() not in _ABOUT_THE_ENCODING]
    status = response.get("status") or {"code": response["status_code"], "message": ""}
    answer = Response(int(status["code"]), tuple(kept), (Chunk(body),) if body else (), status.get("message") or "")
    sent = Request(
        str(request["method"]).upper(),
        str(request["uri"]),
        _vcr_request_body(request),
        dict(pairs(request.get("headers"))),
    )
    return stored_of(sent, answer)


_ABOUT_THE_ENCODING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _vcr_request_body(request: JsonDict) -> bytes | None:
    if "parsed_body" in request:
        return json.dumps(request["parsed_body"]).encode()
    body = request.get("body")
    if is_object(body):
        return bodies.raw(body, json_text.REQUEST)
    return None if body is None else as_bytes(body)


def _vcr_body(response: JsonDict) -> bytes:
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"]).encode()
    if "content" in response:
        return as_bytes(response["content"] or b"")
    body = response.get("body")
    if is_object(body):
        if "base64_string" in body:
            return as_bytes(body["base64_string"])
        if "string" in body:
            return as_bytes(body["string"] or b"")
        return bodies.raw(body, json_text.ANSWER)
    return as_bytes(body or b"")


def vcr_response(response: Response) -> JsonDict:
    """Return *response* as the mapping that vcrpy's stubs replay."""
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": stored_headers(response.headers),
        "body": {"string": response.body},
    }


# The slot for a serializer


def serialize(data: Mapping[str, Any]) -> str:
    """Write vcrpy's version-1 *data* as a cassette; large binaries stay inside."""
    blocks = [Block.of(*from_vcr(item)) for item in data["interactions"]]
    return yaml_format.write(data.get("metadata") or {}, blocks).decode()


def deserialize(text: str) -> JsonDict:
    """Return the version-1 data that vcrpy works on, bodies as bytes."""
    content = text.encode(errors="surrogatepass")
    document = yaml_reader.read(content)
    blocks = [Stored(*(yaml_reader.load(half, yaml_format.INDENT) for half in block)) for block in document.blocks]
    items = blocks or _values_of(document, content, "the cassette")
    data: JsonDict = {"version": yaml_format.VERSION, "interactions": [_item(item) for item in items]}
    return data | ({"metadata": document.head} if document.head else {})


def _item(item: Stored) -> JsonDict:
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


# The slot for a persister


class Persister:
    """Files that are replaced in one step, whatever serializer writes them."""

    @classmethod
    def load_cassette(cls, cassette_path: str | os.PathLike[str], serializer: object) -> Any:
        """Return requests and responses."""
        try:
            text = Shelf(Path(cassette_path)).text()
        except CassetteNotFound as error:
            raise CassetteNotFoundError(str(error)) from None
        return vcr_serialize.deserialize(text, serializer)

    @staticmethod
    def save_cassette(cassette_path: str | os.PathLike[str], cassette_dict: object, serializer: object) -> None:
        """Write requests and responses."""
        Shelf(Path(cassette_path)).write(vcr_serialize.serialize(cassette_dict, serializer).encode(), {})
