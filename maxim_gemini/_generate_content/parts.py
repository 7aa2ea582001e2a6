"""Convert one part of a content, in all forms that google-genai accepts, to text and attachments.

Pure: no logger and no network, and arguments are never changed.
"""

from __future__ import annotations

import base64
import io
from typing import Any, Final, cast

from google.genai import types

from .._core.secrets import redacted
from .._core.values import Attachment, as_json, as_text, described, mapping, unwritten

# Fields of a part that only describe another field.
_REMARKS: Final = frozenset({"thought", "thought_signature", "video_metadata", "media_resolution", "part_metadata"})


def part_of(item: object) -> str | types.Part:
    """Return *item* as a part, or as text that describes it; never raise."""
    if isinstance(item, (str, types.Part)):
        return item
    try:
        return _converted(item)
    except Exception:
        return f"[{type(item).__name__} that could not be read]"


def _converted(item: Any) -> str | types.Part:
    if (members := mapping(item)) is not None:
        for shape in (types.Part, types.File, types.FileData):
            try:
                item = shape.model_validate(members)
                break
            except ValueError:
                continue
        else:
            return f"[part with {', '.join(members)}]"
    if isinstance(item, types.Part):
        return item
    if isinstance(item, types.File):
        item = types.FileData(file_uri=item.uri or item.name, mime_type=item.mime_type)
    if isinstance(item, types.FileData):
        return types.Part(file_data=item)
    if callable(getattr(item, "save", None)) and hasattr(item, "mode"):  # a Pillow image; Pillow may not be installed
        kind = item.format if item.format in ("JPEG", "WEBP", "GIF") else "PNG"
        stream = io.BytesIO()
        item.save(stream, kind)
        return types.Part(inline_data=types.Blob(data=stream.getvalue(), mime_type=f"image/{kind.lower()}"))
    return f"[{type(item).__name__}]"


def attached(part: types.Part) -> Attachment | None:
    """Return the data or the file in *part*."""
    if (blob := part.inline_data) is not None:
        return Attachment(blob.mime_type, data=blob.data or b"", name=blob.display_name)
    if (file := part.file_data) is not None:
        uri = file.file_uri and redacted(file.file_uri)  # anybody who reads a signed URL can open the file
        return Attachment(file.mime_type, uri=uri, name=file.display_name)
    return None


def placeholder(part: types.Part) -> str:
    """Return text for a part of another kind: code, a tool that the server ran, or an unknown kind."""
    if code := part.executable_code:
        return f"[code {_name(code.language)}]\n{code.code or ''}\n[/code]"
    if outcome := part.code_execution_result:
        return f"[code result {_name(outcome.outcome)}]\n{outcome.output or ''}\n[/code result]"
    fields = {
        name: value for name, value in part.model_dump(mode="json", exclude_none=True).items() if name not in _REMARKS
    }
    return f"[{', '.join(f'{name} {as_json(value)}' for name, value in fields.items())}]" if fields else ""


def _name(member: object) -> str:
    return str(getattr(member, "value", member) or "").removeprefix("OUTCOME_").lower()


def returned(response: object) -> object:
    """Return the function's return value in *response*: google-genai puts it under the key `output` or `result`."""
    members = mapping(response)
    if members is not None and len(members) == 1:
        return members.get("result", members.get("output", response))
    return response


def failure_in(response: object) -> object:
    """Return the error in *response* if there is nothing else in it."""
    members = mapping(response)
    return members["error"] if members is not None and list(members) == ["error"] else None


def answer_text(response: types.FunctionResponse, attachments: list[Attachment]) -> str:
    """Return the function's return value in *response* as text; add the media in it to *attachments*."""
    parts = getattr(response, "parts", None) or ()  # older releases of google-genai have no `parts`
    media = [attachment for attachment in map(attached, parts) if attachment]
    texts = [result_text(returned(response.response), attachments)] if response.response or not media else []
    attachments += media
    return "\n".join([*texts, *map(described, media)])


def result_text(value: object, attachments: list[Attachment]) -> str:
    """Return *value*, which a function returned, as text; add the media in it to *attachments*."""
    try:
        return as_text(without_media(value, attachments))
    except Exception:
        return unwritten(value)


def without_media(value: object, attachments: list[Attachment]) -> object:
    """Return *value* with images, files and other media replaced by a description; add them to *attachments*.

    Media are objects of the SDK's types, dicts of the same form, and results of MCP servers, which are base64.
    """
    if attachment := _carried(value):
        attachments.append(attachment)
        return described(attachment)
    if (members := mapping(value)) is not None:
        return {name: without_media(item, attachments) for name, item in members.items()}
    if isinstance(value, (list, tuple)):
        return [without_media(item, attachments) for item in cast("list[object]", value)]
    # By name, because mcp may not be installed.
    if type(value).__module__.partition(".")[0] == "mcp" and callable(dump := getattr(value, "model_dump", None)):
        return without_media(dump(mode="json", exclude_none=True, by_alias=True), attachments)
    return value


def _carried(value: object) -> Attachment | None:
    if isinstance(value, types.Part):
        return attached(value)
    if isinstance(value, types.Blob):
        return attached(types.Part(inline_data=value))
    if isinstance(value, types.FileData):
        return attached(types.Part(file_data=value))
    if isinstance(value, types.File):
        return attached(cast("types.Part", _converted(value)))
    if isinstance(value, types.Image) and value.image_bytes:
        return Attachment(value.mime_type, data=value.image_bytes)
    members = mapping(value) or {}
    mime_type = members.get("mime_type") or members.get("mimeType")
    data = members.get("data", members.get("blob"))
    if not isinstance(mime_type, str) or not isinstance(data, (bytes, str)):
        return None
    if isinstance(data, str):
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError:
            return None
    return Attachment(mime_type, data=data)
