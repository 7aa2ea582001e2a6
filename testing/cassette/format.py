"""Cassette files: text that a reviewer reads, a version-1 file of vcrpy's, and interactions that are read when needed.

A file that this module wrote is cut into interactions by its layout, without parsing them. Any other file, and one that
was edited by hand into another layout, goes through a safe YAML parser as a whole. Pure: text and values.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import yaml
from vcr.request import Request

from maxim_gemini.testing.cassette import bodies, layout
from maxim_gemini.testing.cassette.layout import Attachment, NotOurLayout
from maxim_gemini.testing.cassette.requests import as_bytes, body_of
from maxim_gemini.testing.cassette.values import is_array, is_object
from maxim_gemini.testing.exceptions import CassetteBroken
from maxim_gemini.testing.exchange import COMPLETE, Chunk, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

VERSION: Final = 1
SIGNATURE: Final = "# Recorded by maxim-gemini; `maxim-gemini cassettes check` verifies it.\n"
_END: Final = "...\n"
_FIRST: Final = "- request:\n"
_SECOND: Final = "\n  response:\n"
_CONFLICT: Final = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_TIMES: Final = re.compile(r"^    times: [^\]]*\]\n", re.MULTILINE)

T = TypeVar("T")


class Block(NamedTuple):
    """The text of one interaction in a file of ours, without the last line end of either half."""

    request: str
    response: str

    @property
    def text(self) -> str:
        """The interaction as it stands in the file."""
        return f"{_FIRST}{self.request}{_SECOND}{self.response}\n"

    @property
    def timeless(self) -> Block:
        """The same without the times at which its parts arrived."""
        return self._replace(response=_TIMES.sub("", self.response, count=1))


class Stored(NamedTuple):
    """The values of one interaction: the two members of a version-1 file, bodies in their stored forms."""

    request: dict[str, Any]
    response: dict[str, Any]


class Document(NamedTuple):
    """What is in a file."""

    head: dict[str, Any]
    blocks: list[Block]
    """The interactions of a file that has our layout."""
    values: list[Stored]
    """The interactions of any other."""
    line: int = 1
    """The line where the first block starts."""


def write(head: Mapping[str, Any], blocks: Iterable[Block]) -> str:
    """Return the text of a file."""
    metadata = f"metadata:\n{layout.dump(dict(head), 2)}\n" if head else "metadata: {}\n"
    start = f"{SIGNATURE}version: {VERSION}\n{metadata}interactions:"
    body = "".join(block.text for block in blocks)
    return f"{start}\n{body}{_END}" if body else f"{start} []\n{_END}"


def block(stored: Stored) -> Block:
    """Return the text of an interaction."""
    return Block(layout.dump(stored.request, 4), layout.dump(stored.response, 4))


def read(text: str, name: str = "the cassette") -> Document:
    """Return what is in *text*, the content of the file *name*.

    Raises:
        CassetteBroken: it is no version-1 cassette, or not a whole one; the message names file and line.
    """
    _refuse_damage(text, name)
    return _by_layout(text) or _by_yaml(text, name)


def request_values(read_block: Block) -> dict[str, Any]:
    """Return the request of an interaction of ours.

    Raises:
        NotOurLayout: somebody has edited it into another layout.
    """
    return layout.load(read_block.request, 4)


def response_values(read_block: Block, place: Callable[[], tuple[str, int]]) -> dict[str, Any]:
    """Return the answer of an interaction of ours, which starts in the file and line of *place*.

    Raises:
        CassetteBroken: somebody has edited it, and it can't be read any more; the message names file and line.
    """
    try:
        return layout.load(read_block.response, 4)
    except NotOurLayout:
        # Empty lines in front, so that the parser counts the lines of the file.
        name, line = place()
        before = line + read_block.request.count("\n") + 2
        values: dict[str, Any] = _parsed("\n" * before + read_block.response, name, _OurLoader)
        _tried(_checked_response, values, name, lambda: before)
        return values


def read_edited(text: str, name: str) -> Document:
    """Return what is in *text* by way of a YAML parser, whatever its layout."""
    return _by_yaml(text, name)


def broken(name: str, line: int | None, problem: str) -> CassetteBroken:
    """Return the error for a file that can't be read."""
    place = name if line is None else f"{name}:{line}"
    return CassetteBroken(f"{place}: {problem}")


def _refuse_damage(text: str, name: str) -> None:
    if not text or text.isspace():
        raise broken(name, None, "the file is empty. Delete it, then record it again")
    if "\n<<<<<<< " in text and (match := _CONFLICT.search(text)):
        line = _line_of(text, match.start())
        raise broken(name, line, f"it has the merge conflict marker {match[0].strip()!r}. Resolve it, or record again")
    if text.startswith(SIGNATURE) and not text.endswith("\n...\n") and not text.rstrip().endswith("\n..."):
        line = text.count("\n") + 1
        raise broken(
            name, line, "the file ends too early: it should end with a line '...'. Restore it, or record again"
        )


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# Our layout


def _by_layout(text: str) -> Document | None:
    start = text.find(f"\ninteractions:\n{_FIRST}")
    if start < 0 or not text.startswith(f"{SIGNATURE}version: {VERSION}\n") or not text.endswith(f"\n{_END}"):
        return None
    body = text[start + len(f"\ninteractions:\n{_FIRST}") : -len(_END) - 1]
    try:
        metadata = layout.load(text[:start].removeprefix(f"{SIGNATURE}version: {VERSION}\n"))
        blocks = [_cut(piece) for piece in body.split(f"\n{_FIRST}")]
    except NotOurLayout:
        return None
    if set(metadata) != {"metadata"} or not isinstance(metadata["metadata"], dict):
        return None
    return Document(metadata["metadata"], blocks, [], text.count("\n", 0, start) + 3)


def _cut(piece: str) -> Block:
    request, found, response = piece.partition(_SECOND)
    if not found:
        raise NotOurLayout(piece)
    return Block(request, response)


# Any YAML


if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:  # a PyYAML that was built without libyaml has no fast loader
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _VcrLoader(_SafeLoader):
    """Safe YAML, plus the harmless tags that vcrpy has written over the years, plus our own."""


class _OurLoader(_VcrLoader):
    """The same with the scalars of JSON, which our files hold: no dates, no `yes`, no octal, but `1e5`."""


_OurLoader.yaml_implicit_resolvers = {}


def _scalar(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node)


def _sequence(loader: Any, node: Any) -> Any:
    return tuple(loader.construct_sequence(node, deep=True))


def _pickled_file(loader: Any, node: Any) -> bytes:
    state = loader.construct_mapping(node, deep=True).get("state") or (b"",)
    return as_bytes(state[0] or b"")


def _pickled_iterator(loader: Any, node: Any) -> bytes:
    arguments: Any = loader.construct_mapping(node, deep=True).get("args") or ([],)
    return as_bytes(arguments[0])


def _attachment(loader: Any, node: Any) -> Attachment:
    return Attachment(loader.construct_scalar(node), node.tag.removeprefix("!"))


_VcrLoader.add_constructor("tag:yaml.org,2002:python/str", _scalar)
_VcrLoader.add_constructor("tag:yaml.org,2002:python/unicode", _scalar)
_VcrLoader.add_constructor("tag:yaml.org,2002:python/tuple", _sequence)
_VcrLoader.add_constructor("tag:yaml.org,2002:python/object/new:_io.BytesIO", _pickled_file)
_VcrLoader.add_constructor("tag:yaml.org,2002:python/object/apply:builtins.iter", _pickled_iterator)
for _form in ("file", "base64", "base64url"):
    _VcrLoader.add_constructor(f"!{_form}", _attachment)
_add_resolver: Any = _OurLoader.add_implicit_resolver  # pyright: ignore[reportUnknownMemberType]
_NUMBER = r"-?(?:0|[1-9][0-9]*)"
for _tag, _pattern, _starts in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", _NUMBER, list("-0123456789")),
    ("float", rf"{_NUMBER}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _add_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _starts)


def _by_yaml(text: str, name: str) -> Document:
    ours = text.startswith(SIGNATURE)
    data = _parsed(text, name, _OurLoader if ours else _VcrLoader)
    _check_version(data, text, name)
    items = data["interactions"]
    if not is_array(items):
        raise broken(name, _line_with(text, "interactions"), "'interactions' is not a list")
    reader = _from_item if ours else from_vcr
    values = [_tried(reader, item, name, partial(_line_of_item, text, at)) for at, item in enumerate(items)]
    metadata = data.get("metadata")
    return Document(metadata if is_object(metadata) else {}, [], values)


def _parsed(text: str, name: str, loader: Any) -> Any:
    try:
        if text.startswith("{"):
            return json.loads(text)  # vcrpy's JSON serializer
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _sentence(error.problem or error.context or "it is not YAML")
        raise broken(name, mark.line + 1 if mark else None, problem) from None
    except yaml.reader.ReaderError as error:
        line = _line_of(text, int(error.position))
        raise broken(name, line, f"it has a character that YAML does not allow: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        raise broken(name, getattr(error, "lineno", None), str(error)) from None


def _sentence(problem: str) -> str:
    if "could not determine a constructor for the tag" in problem:
        tag = problem.rpartition("tag ")[2]
        return f"the tag {tag} is not read: a cassette is data only. Remove it, or record again"
    return f"{problem}. Restore the file, or record again"


def _check_version(data: Any, text: str, name: str) -> None:
    if is_array(data):
        raise broken(name, 1, "it is from before version 1 of vcrpy's format. Record it again")
    if not is_object(data):
        raise broken(name, 1, f"it is not a cassette but {_kind(data)}")
    if data.get("interactions") is None:
        raise broken(name, None, "it has no 'interactions': the file is not a cassette, or not a whole one")
    version = data.get("version", "none")
    if version != VERSION:
        problem = f"its version is {version!r}, and only {VERSION} can be read. Is the file whole? Else record again"
        raise broken(name, _line_with(text, "version"), problem)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _line_with(text: str, key: str) -> int | None:
    match = re.search(rf"^['\"]?{key}['\"]?\s*:", text, re.MULTILINE)
    return _line_of(text, match.start()) if match else None


def _tried(reader: Callable[[Any], T], item: Any, name: str, line: Callable[[], int | None]) -> T:
    try:
        return reader(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise broken(name, line(), f"this interaction can't be read: {problem}") from None


def _line_of_item(text: str, index: int) -> int | None:
    document: Any = yaml.compose(text, Loader=_VcrLoader)
    for key, value in getattr(document, "value", []):
        if key.value == "interactions":
            return int(value.value[index].start_mark.line) + 1
    return None


# A version-1 interaction, ours or another tool's


def _from_item(item: Any) -> Stored:
    found = Stored(dict(item["request"]), dict(item["response"]))
    request_of(bodies.attached(found.request, _no_file))
    _checked_response(found.response)
    return found


def _checked_response(values: dict[str, Any]) -> Response:
    return response_of(bodies.attached(values, _no_file))


def _no_file(name: str) -> bytes:
    return b""


def from_vcr(item: Any) -> Stored:
    """Return the stored values of an interaction as vcrpy, or a tool on top of it, keeps it."""
    request, response = dict(item["request"]), dict(item["response"])
    headers = _pairs(response.get("headers"))
    encoding = ", ".join(value for name, value in headers if name.lower() == "content-encoding")
    body = bodies.decoded(_vcr_body(response), encoding)
    kept = [(name, value) for name, value in headers if name.lower() not in _ABOUT_THE_ENCODING]
    status = response.get("status") or {"code": response["status_code"], "message": ""}
    answer = Response(int(status["code"]), tuple(kept), _chunks(body), status.get("message") or "")
    asked = Request(
        str(request["method"]).upper(),
        str(request["uri"]),
        _vcr_request_body(request),
        dict(_pairs(request.get("headers"))),
    )
    return stored_of(asked, answer)


_ABOUT_THE_ENCODING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _vcr_request_body(request: dict[str, Any]) -> bytes | None:
    if "parsed_body" in request:
        return json.dumps(request["parsed_body"]).encode()
    body = request.get("body")
    if is_object(body):
        return bodies.raw(body, bodies.REQUEST)
    return None if body is None else as_bytes(body)


def _vcr_body(response: dict[str, Any]) -> bytes:
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
        return bodies.raw(body, bodies.ANSWER)
    return as_bytes(body or b"")


def _pairs(headers: Any) -> list[tuple[str, str]]:
    items: Iterable[tuple[Any, Any]] = headers.items() if is_object(headers) else headers or ()
    return [(str(name), value) for name, values in items for value in _values(values)]


def _values(values: Any) -> Iterator[str]:
    for value in values if is_array(values) else (values,):
        yield value.decode("latin-1") if isinstance(value, bytes) else str(value)


# Between stored values and what is sent over HTTP


def stored_of(request: Request, response: Response) -> Stored:
    """Return the stored values of an exchange."""
    asked = {"method": request.method.upper(), "uri": request.uri} | _headers_form(request.headers.items())
    body = bodies.stored_request(body_of(request))
    answer: dict[str, Any] = {"status": {"code": response.status, "message": response.reason}}
    answer |= _headers_form(response.headers)
    if response.ended != COMPLETE:
        answer["ended"] = response.ended
    answer["body"] = bodies.stored_answer(response.body)
    times = _times(response, answer["body"])
    if any(times):
        answer = {key: answer[key] for key in answer if key != "body"} | {"times": times, "body": answer["body"]}
    return Stored(asked if body is None else asked | {"body": body}, answer)


def _headers_form(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return {"headers": dict(sorted(found.items()))} if found else {}


def _times(response: Response, body: Any) -> list[float]:
    """Return, for every piece of the stored *body*, the second in which the last byte of it arrived."""
    times: list[float] = []
    received = iter(response.chunks)
    have, now = 0, 0.0
    need = 0
    for piece in bodies.pieces(body, bodies.ANSWER):
        need += len(piece)
        while have < need:
            chunk = next(received)
            have, now = have + len(chunk.data), chunk.at
        times.append(round(now, 3))
    return times


def _chunks(data: bytes) -> tuple[Chunk, ...]:
    return (Chunk(data),) if data else ()


def request_of(values: Mapping[str, Any]) -> Request:
    """Return a request from its stored values."""
    body = values.get("body")
    data = None if body is None else bodies.raw(body, bodies.REQUEST)
    return Request(values["method"], values["uri"], data, dict(_pairs(values.get("headers"))))


def response_of(values: Mapping[str, Any]) -> Response:
    """Return an answer from its stored values, one chunk for each event."""
    parts = bodies.pieces(values["body"], bodies.ANSWER)
    times = values.get("times") or [0.0] * len(parts)
    chunks = tuple(Chunk(part, at) for part, at in zip(parts, times, strict=True))
    status = values["status"]
    ended = values.get("ended", COMPLETE)
    return Response(status["code"], tuple(_pairs(values.get("headers"))), chunks, status.get("message", ""), ended)


# vcrpy's slot for a serializer


def serialize(data: Mapping[str, Any]) -> str:
    """Write vcrpy's version-1 *data* as a cassette; large binaries stay inside."""
    blocks = [block(from_vcr(item)) for item in data["interactions"]]
    return write(data.get("metadata") or {}, blocks)


def deserialize(text: str) -> dict[str, Any]:
    """Return the version-1 data that vcrpy works on, bodies as bytes."""
    document = read(text)
    items = document.values or read_edited(text, "the cassette").values
    data: dict[str, Any] = {"version": VERSION, "interactions": [_vcr_item(item) for item in items]}
    return data | ({"metadata": document.head} if document.head else {})


def _vcr_item(item: Stored) -> dict[str, Any]:
    request = request_of(bodies.attached(item.request, _no_file))
    return {
        "request": {
            "method": request.method,
            "uri": request.uri,
            "body": request.body,
            "headers": dict(item.request.get("headers", {})),
        },
        "response": vcr_response(_checked_response(item.response)),
    }


def vcr_response(response: Response) -> dict[str, Any]:
    """Return *response* as the mapping that vcrpy's stubs replay."""
    headers = _headers_form(response.headers).get("headers", {})
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": headers,
        "body": {"string": response.body},
    }
