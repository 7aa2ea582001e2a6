"""Contents and config as google-genai takes them -> messages, attachments and model parameters as Maxim takes them.

Pure: nothing here talks to a logger or to the network, and nothing that was passed in is changed.
"""

from __future__ import annotations

import base64
import io
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from google.genai import types

from ._parts import (
    ATTACHMENT_LIMIT,
    Attachment,
    as_json,
    as_text,
    mapping,
    marker,
    placeholder,
    size_of,
    unwritten,
)
from ._schemas import declarations, schema_of
from ._secrets import redacted, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Message: TypeAlias = dict[str, Any]

_ROLES: Final = {"model": "assistant"}

# Said elsewhere (the system instruction is a message), or nobody's business (headers, keys, clients).
_NOT_PARAMETERS: Final = frozenset({"system_instruction", "http_options"})

# maxim-py puts no parameter on the wire that is longer than this, in characters.
_LONGEST_PARAMETER: Final = 64 * 1024


class FunctionAnswer(NamedTuple):
    """What the application says a function returned; *call* is the call in the contents that it answers."""

    call: types.FunctionCall | None
    response: types.FunctionResponse


class Request:
    """One request to the model, in Maxim's terms.

    Its *answers* are those to the function calls of the model's last turn; earlier ones were new in an earlier request.
    """

    __slots__ = ("answers", "attachments", "messages")

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.attachments: list[Attachment] = []
        self.answers: list[FunctionAnswer] = []

    @property
    def input(self) -> str:
        """What the application said last: the user's text, or the results of functions."""
        by_user: list[str] = []
        by_any: list[str] = []
        for message in reversed(self.messages):
            if message["role"] in ("assistant", "system"):
                break
            by_any.append(message["content"])
            if message["role"] == "user" and message["content"]:
                by_user.append(message["content"])
        return "\n".join(reversed(by_user or by_any))


def read_request(contents: Any, system: Any, id_of: Callable[[types.FunctionCall], str | None]) -> Request:
    """Return what *contents* and *system* instruction say; *id_of* knows the ids of calls that Gemini gave none."""
    if system is None and isinstance(contents, str):
        return Request({"role": "user", "content": contents})
    reader = _Reader(id_of)
    if system is not None:
        reader.read_system(system)
    for content in _contents(contents):
        reader.read(content)
    return reader.request


class _Reader:
    """Reads one content after the other."""

    __slots__ = ("_id_of", "_open", "request")

    def __init__(self, id_of: Callable[[types.FunctionCall], str | None]) -> None:
        self.request = Request()
        self._id_of = id_of
        self._open: list[tuple[str, types.FunctionCall]] = []

    def read_system(self, system: Any) -> None:
        texts = [text for content in _contents(system) for part in _parts(content) if (text := self._described(part))]
        if texts:
            self.request.messages.append({"role": "system", "content": "\n".join(texts)})

    def read(self, content: Any) -> None:
        role = content.role or "user"
        if role == "model":
            self._open = []
            self.request.answers.clear()
        message: Message = {"role": _ROLES.get(role, role), "content": ""}
        pieces: list[str] = []
        for part in _parts(content):
            if isinstance(part, str):
                pieces.append(part)
            elif part.function_response is not None:
                self._flush(message, pieces)
                self._read_answer(part.function_response)
            elif part.function_call is not None:
                self._read_call(message, part.function_call)
            elif text := self._described(part):
                if part.thought:
                    message["thoughts"] = message.get("thoughts", "") + text
                else:
                    pieces.append(text)
        self._flush(message, pieces)

    def _flush(self, message: Message, pieces: list[str]) -> None:
        if pieces or len(message) > 2:
            self.request.messages.append({**message, "content": "".join(pieces)})
        pieces.clear()
        for key in list(message)[2:]:
            del message[key]

    def _read_call(self, message: Message, call: types.FunctionCall) -> None:
        call_id = self._id_of(call) or call.id or f"call_{len(self.request.messages)}_{len(self._open)}"
        self._open.append((call_id, call))
        message.setdefault("tool_calls", []).append(tool_call(call_id, call.name, call.args))

    def _read_answer(self, response: types.FunctionResponse) -> None:
        call_id, call = self._answered(response)
        self.request.answers.append(FunctionAnswer(call, response))
        content = answer_text(response, self.request.attachments)
        if failure_in(response.response) is not None:
            content = redacted(content)
        message: Message = {"role": "tool", "content": content}
        if call_id := call_id or response.id:
            message["tool_call_id"] = call_id
        if response.name:
            message["name"] = response.name
        self.request.messages.append(message)

    def _answered(self, response: types.FunctionResponse) -> tuple[str | None, types.FunctionCall | None]:
        for place, (_, call) in enumerate(self._open):
            if (response.id == call.id) if response.id and call.id else (response.name == call.name):
                return self._open.pop(place)
        return None, None

    def _described(self, part: str | types.Part) -> str:
        """Return what *part* says as text; put what it carries beside it."""
        if isinstance(part, str):
            return part
        if part.text is not None:
            return part.text
        if attachment := attached(part):
            self.request.attachments.append(attachment)
            return described(attachment)
        return placeholder(part)


def tool_call(call_id: str, name: str | None, args: Any) -> dict[str, Any]:
    """Return a function call in OpenAI's form."""
    return {"id": call_id, "type": "function", "function": {"name": name or "", "arguments": arguments_text(args)}}


def arguments_text(args: Any) -> str:
    """Return the arguments of a function call as JSON."""
    try:
        return as_json(args or {})
    except Exception:  # nested too deep
        return as_json(unwritten(args))


def returned(response: Any) -> Any:
    """Return what a function returned: google-genai's convention is one key, `output` or `result`."""
    said = mapping(response)
    if said is not None and len(said) == 1:
        return said.get("result", said.get("output", response))
    return response


def answer_text(response: types.FunctionResponse, attachments: list[Attachment]) -> str:
    """Return what the application says a function returned, as text; add the media in it to *attachments*."""
    parts = getattr(response, "parts", None) or ()  # not in every google-genai
    media = [attachment for attachment in map(attached, parts) if attachment]
    texts = [result_text(returned(response.response), attachments)] if response.response or not media else []
    attachments += media
    return "\n".join([*texts, *map(described, media)])


def result_text(value: Any, attachments: list[Attachment]) -> str:
    """Return what a function returned, as text; add the media in it to *attachments*."""
    try:
        return as_text(without_media(value, attachments))
    except Exception:
        return unwritten(value)


def without_media(value: Any, attachments: list[Attachment]) -> Any:
    """Return *value* with a description in place of images, files and the like; add them to *attachments*.

    They are the SDK's types, dicts of their form, and what an MCP server returns, which is base64.
    """
    if attachment := _carried(value):
        attachments.append(attachment)
        return described(attachment)
    if (members := mapping(value)) is not None:
        return {name: without_media(item, attachments) for name, item in members.items()}
    if isinstance(value, (list, tuple)):
        return [without_media(item, attachments) for item in cast("list[Any]", value)]
    if type(value).__module__.partition(".")[0] == "mcp" and callable(dump := getattr(value, "model_dump", None)):
        return without_media(dump(mode="json", exclude_none=True, by_alias=True), attachments)
    return value


def _carried(value: Any) -> Attachment | None:
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


def failure_in(response: Any) -> Any:
    """Return the error in what a function returned, where that is all it says."""
    members = mapping(response)
    return members["error"] if members is not None and list(members) == ["error"] else None


def attached(part: types.Part) -> Attachment | None:
    """Return the bytes or the file that *part* carries."""
    if (blob := part.inline_data) is not None:
        return Attachment(blob.mime_type, data=blob.data or b"", name=blob.display_name)
    if (file := part.file_data) is not None:
        uri = file.file_uri and redacted(file.file_uri)  # a signed URL opens the file for whoever reads it
        return Attachment(file.mime_type, uri=uri, name=file.display_name)
    return None


def described(attachment: Attachment) -> str:
    """Return what stands for *attachment* in the text."""
    if attachment.data is None:
        return f"[{attachment.mime_type or 'file'}, {attachment.uri}]"
    if len(attachment.data) > ATTACHMENT_LIMIT:
        return marker(attachment.data, attachment.mime_type)
    return f"[{attachment.mime_type or 'data'}, {size_of(attachment.data)}]"


def count_of(contents: Any) -> int:
    """Return how many contents the SDK makes of *contents*."""
    return sum(1 for _ in _contents(contents))


def _contents(contents: Any) -> Iterator[types.Content]:
    """Give *contents* as the SDK would send them: parts that stand alone are grouped into turns."""
    if contents is None:
        return
    together: list[Any] = []
    for item in _listed(contents):
        content = _content(item)
        if content is not None:
            yield from _grouped(together)
            together = []
            yield content
        else:
            together.append(_part(item))
    yield from _grouped(together)


def _grouped(parts: Sequence[Any]) -> Iterator[types.Content]:
    turn: list[Any] = []
    for part in parts:
        if turn and _is_a_call(part) != _is_a_call(turn[0]):
            yield _turn(turn)
            turn = []
        turn.append(part)
    if turn:
        yield _turn(turn)


def _is_a_call(part: Any) -> bool:
    return getattr(part, "function_call", None) is not None


class _Turn(NamedTuple):
    """A content that the SDK would build, without its validation."""

    role: str | None
    parts: list[Any]


def _turn(parts: list[Any]) -> Any:
    return _Turn("model" if _is_a_call(parts[0]) else "user", parts)


def _content(item: Any) -> Any:
    """Return *item* if it is a whole content, as an object; `None` for a part."""
    if isinstance(item, types.Content):
        return item
    if isinstance(item, list):
        return _Turn("user", [_part(part) for part in _listed(item)])
    content = mapping(item)
    if content is not None and ("parts" in content or "role" in content):
        return _Turn(content.get("role"), [_part(part) for part in _listed(content.get("parts"))])
    return None


def _listed(parts: Any) -> Iterable[Any]:
    if isinstance(parts, (list, tuple)):
        return parts  # pyright: ignore[reportUnknownVariableType]
    return () if parts is None else (parts,)


def _parts(content: Any) -> Iterable[Any]:
    return content.parts or ()


def _part(item: Any) -> str | types.Part:
    """Return *item* as a part, or as the text that stands for it; never fail."""
    if isinstance(item, (str, types.Part)):
        return item
    try:
        return _converted(item)
    except Exception:
        return f"[{type(item).__name__} that could not be read]"


def _converted(item: Any) -> str | types.Part:
    if isinstance(item, types.File):
        return types.Part(file_data=types.FileData(file_uri=item.uri or item.name, mime_type=item.mime_type))
    if (said := mapping(item)) is not None:
        return _part_of(said)
    if callable(getattr(item, "save", None)) and hasattr(item, "mode"):
        return _image(item)
    return f"[{type(item).__name__}]"


def _part_of(item: dict[str, Any]) -> str | types.Part:
    for shape in (types.Part, types.File, types.FileData):
        try:
            found = shape.model_validate(item)
        except ValueError:
            continue
        if isinstance(found, types.FileData):
            return types.Part(file_data=found)
        return _converted(found) if isinstance(found, types.File) else found
    return f"[part with {', '.join(item)}]"


def _image(image: Any) -> types.Part:
    kind = image.format if image.format in ("JPEG", "WEBP", "GIF") else "PNG"
    stream = io.BytesIO()
    image.save(stream, kind)
    return types.Part(inline_data=types.Blob(data=stream.getvalue(), mime_type=f"image/{kind.lower()}"))


def system_of(config: Any) -> Any:
    """Return the system instruction of *config*."""
    if config is None:
        return None
    settings = mapping(config)
    if settings is None:
        return getattr(config, "system_instruction", None)
    return settings.get("system_instruction", settings.get("systemInstruction"))


def read_parameters(config: Any, sent: Any = None) -> dict[str, str]:
    """Return the config's own values in Maxim's wire form: strings as they are, the rest as JSON.

    Tools are read from *sent*, the config that the SDK made of it, which knows what an MCP session offers.
    """
    if config is None:
        return {}
    settings = dict(_settings(config))
    if "tools" in settings:
        settings["tools"] = getattr(sent, "tools", None) or settings["tools"]
    return {name: _written(name, value) for name, value in settings.items()}


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    given = mapping(config)
    if given is None and config is not None:
        given = {name: getattr(config, name) for name in sorted(config.model_fields_set)}
    for key, value in (given or {}).items():
        name = _snake(key)
        if value is not None and name not in _NOT_PARAMETERS:
            yield name, value


def _snake(name: str) -> str:
    return name if name.islower() else "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _written(name: str, value: Any) -> str:
    try:
        if name in ("response_schema", "response_json_schema"):
            value = schema_of(value)
        else:
            value = without_credentials({name: declarations(value) if name == "tools" else value})[name]
        return _redacted(_within_limits(as_text(value.value if isinstance(value, Enum) else value)))
    except Exception:
        return unwritten(value)


@lru_cache(maxsize=64)
def _redacted(text: str) -> str:
    """Return *text* without secrets, worked out once: an application sends the same tools with every request."""
    return redacted(text)


def _within_limits(text: str) -> str:
    return text if len(text) <= _LONGEST_PARAMETER else f"[{len(text)} characters, left out]"
