"""A client's request to Gemini, read from the HTTP request."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from maxim_gemini.testing._json_types import JsonDict, refuse_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Backend = Literal["gemini", "vertex"]
InteractionCall = Literal["", "create", "get", "cancel", "delete"]

GENERATING: Final = frozenset({"generateContent", "streamGenerateContent"})
"""The methods whose answer has candidates."""

_CONTENTS: Final = frozenset({"text", "image", "audio", "video", "document"})
"""The types of contents in an interaction."""

TOO_DEEP: Final = "Message too deep. Max recursion depth reached"

_VERTEX: Final = re.compile(r"/(projects|publishers)/|aiplatform\.googleapis\.com|\.rep\.googleapis\.com")
_ACTION: Final = re.compile(r"/(?P<resource>[^:/]+):(?P<action>\w+)$")
_INTERACTION: Final = re.compile(
    r"/(?:projects/[^/]+/locations/[^/]+/)?interactions(?:/(?P<id>[^/:]+)(?P<cancel>/cancel)?)?"
)
_INTERACTION_CALLS: Final[dict[tuple[str, bool, bool], InteractionCall]] = {
    ("POST", False, False): "create",
    ("GET", True, False): "get",
    ("POST", True, True): "cancel",
    ("DELETE", True, False): "delete",
}
"""The calls of the Interactions API, by method, and whether the path has an id and `/cancel`."""
_VERSION: Final = re.compile(r"^(/upload)?/v\d\w*(?=/)")


@dataclass(frozen=True)
class GeminiRequest:
    """One request to Gemini, to the Developer API or to Vertex."""

    method: str
    """The HTTP method, in upper case."""
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """The headers, by names in lower case."""
    body: bytes = b""
    """The body; of a live session, its first message."""
    messages: list[JsonDict] = field(default_factory=list[JsonDict], repr=False, compare=False)
    """The client's messages in a live session so far, without the pieces of sound and video."""
    media_bytes: dict[str, int] = field(default_factory=dict[str, int], repr=False, compare=False)
    """The bytes of sound and video that the client has sent in a live session, by MIME type."""

    @classmethod
    def of(cls, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | str | None) -> GeminiRequest:
        """Return a request made from the parts of an HTTP request."""
        text = body.encode() if isinstance(body, str) else body or b""
        return cls(method.upper(), url, {name.lower(): value for name, value in headers}, text)

    def __repr__(self) -> str:
        return f"<{self.method} {self.path}{f' {self.text!r}' if self.text else ''}>"

    @cached_property
    def path(self) -> str:
        """The path, decoded, with the API version."""
        return unquote(urlsplit(self.url).path)

    @cached_property
    def resource(self) -> str:
        """The path without the API version and without `/upload`: `/models/gemini-2.5-flash:generateContent`."""
        return _VERSION.sub("", self.path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The values of the query, by name."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc}"

    @property
    def backend(self) -> Backend:
        """`vertex` for Vertex AI, `gemini` for the Gemini Developer API."""
        return "vertex" if _VERTEX.search(self.url) else "gemini"

    @property
    def action(self) -> str:
        """The method of the model: `generateContent`, `countTokens` ...; empty for other resources."""
        match = _ACTION.search(self.path)
        return match["action"] if match else ""

    @property
    def model(self) -> str:
        """The short name of the model; empty for other resources, and for an interaction with an agent."""
        if self.interaction_call == "create":
            return str(self.field("model") or "").rpartition("/")[2]
        if self.is_live:
            return str(self.setup.get("model") or "").rpartition("/")[2]
        match = _ACTION.search(self.path)
        return match["resource"] if match else ""

    @property
    def is_live(self) -> bool:
        """`True` if it opens a websocket: a live session, live music, or a live interaction."""
        return self.method == "WEBSOCKET"

    @property
    def setup(self) -> JsonDict:
        """The setup of a live session, as sent; empty for every other request."""
        return _fields(self.field("setup")) if self.is_live else {}

    @property
    def agent(self) -> str:
        """The agent of an interaction; empty if it has a model."""
        return str(self.field("agent") or "") if self.interaction_call == "create" else ""

    @cached_property
    def interaction_call(self) -> InteractionCall:
        """The call of the Interactions API: `create`, `get`, `cancel` or `delete`; empty for every other request."""
        match = _INTERACTION.fullmatch(self.resource)
        return _INTERACTION_CALLS.get((self.method, bool(match["id"]), bool(match["cancel"])), "") if match else ""

    @property
    def interaction_id(self) -> str:
        """The id of the interaction in the path; empty if there is none."""
        match = _INTERACTION.fullmatch(self.resource)
        return (match["id"] or "") if match else ""

    @property
    def generates(self) -> bool:
        """`True` if the answer has candidates."""
        return self.method == "POST" and self.action in GENERATING

    @property
    def streams(self) -> bool:
        """`True` if a stream is requested."""
        if self.interaction_call:
            if self.interaction_call == "create":
                return self.field("stream") is True
            return self.query.get("stream") == "true"
        return self.action == "streamGenerateContent" and self.query.get("alt") == "sse"

    @cached_property
    def json(self) -> Any:
        """The body as JSON; `None` if it is empty, or no JSON."""
        try:
            return read_json(self.body) if self.body else None
        except ValueError:
            return None

    def field(self, name: str) -> Any:
        """Return the top-level field *name* of the body. Write it in camelCase; the SDK may have written snake_case."""
        fields = _fields(self.json)
        return fields.get(name, fields.get(snake(name)))

    @property
    def contents(self) -> list[JsonDict]:
        """The contents as sent."""
        return _items(self.field("contents"))

    @property
    def text(self) -> str:
        """The text of the last content: the latest message of the user, or the result of a tool.

        For a live session, the text of the latest message.
        """
        if self.is_live:
            return text_of_message(self.messages[-1]) if self.messages else ""
        if self.interaction_call:
            return text_of({"parts": self.input_steps[-1].get("content")}) if self.input_steps else ""
        return text_of(self.contents[-1]) if self.contents else ""

    @cached_property
    def input_steps(self) -> list[JsonDict]:
        """The input of an interaction as steps; a text, or contents, become one step of the user."""
        return _input_steps(self.field("input"))

    @property
    def system(self) -> str:
        """The system instruction's text."""
        if isinstance(instruction := self.field("systemInstruction"), str):
            return instruction
        return text_of(self.field("systemInstruction"))

    @property
    def config(self) -> JsonDict:
        """The generation config as sent."""
        return _fields(self.field("generationConfig"))

    @property
    def tools(self) -> list[str]:
        """The names of the declared functions, in order."""
        if self.interaction_call:
            return [str(tool["name"]) for tool in _items(self.field("tools")) if tool.get("type") == "function"]
        declared = [
            declaration
            for tool in _items(self.field("tools"))
            for declaration in _items(tool.get("functionDeclarations", tool.get("function_declarations")))
        ]
        return [str(declaration["name"]) for declaration in declared if "name" in declaration]


def read_json(body: bytes) -> Any:
    """Return *body* as JSON; raise `ValueError` if it is no JSON in UTF-8, or nested too deep for Python."""
    try:
        return json.loads(body.decode(), parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def text_of(content: object) -> str:
    """Return the text in the parts of a content, joined."""
    texts = (part.get("text") for part in parts_of(content))
    return "".join(text for text in texts if isinstance(text, str))


def parts_of(content: object) -> list[JsonDict]:
    """Return the parts of a content as sent."""
    return _items(_fields(content).get("parts"))


def text_of_message(message: JsonDict) -> str:
    """Return the text in a message of a live client."""
    fields = {snake(name): value for name, value in message.items()}
    turns = _items(_fields(fields.get("client_content")).get("turns"))
    realtime = _fields(fields.get("realtime_input")).get("text")
    texts = (content.get("text") for content in _items(fields.get("content")))
    return "".join([*map(text_of, turns[-1:]), *filter(None, [realtime, *texts])])


def _input_steps(value: object) -> list[JsonDict]:
    if isinstance(value, str):
        return _input_steps([{"text": value, "type": "text"}])
    items = _items(value)
    contents = [item for item in items if item.get("type") in _CONTENTS]
    if contents:
        return [{"type": "user_input", "content": contents}]
    return [_step_of_turn(item) if "role" in item else item for item in items]


def _step_of_turn(turn: JsonDict) -> JsonDict:
    """Return a turn of the older schema as a step."""
    content = turn.get("content")
    contents: Any = [{"text": content, "type": "text"}] if isinstance(content, str) else content
    return {"type": "user_input" if turn["role"] == "user" else "model_output", "content": contents}


def _fields(value: object) -> JsonDict:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _items(value: Any) -> list[JsonDict]:
    """Return the objects of a repeated field; real servers accept a single object in place of a list."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [_fields(cast("object", item)) for item in values if isinstance(item, dict)]


def snake(name: str) -> str:
    """Return *name*, given in camelCase, in snake_case."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)
