"""Read cassette files: by their layout if they were not edited, otherwise by a safe YAML parser.

Whoever wrote the file, reading takes memory and time in proportion to its size, makes data and nothing else, and ends
in values or in one error that names file and line. Pure: bytes and values.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import yaml

from maxim_gemini.testing._json_types import JsonDict, is_list, is_object
from maxim_gemini.testing.exceptions import CassetteBroken

from . import yaml_format
from .json_text import is_shallow
from .requests import as_bytes
from .yaml_format import Attachment, Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _SafeLoader = yaml.SafeLoader
else:  # a PyYAML that was built without libyaml has no fast loader
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONFLICT: Final = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)
_DEEPEST: Final = 150
"""Most levels of a file; a JSON value in it has at most 100."""
_LONGEST_NUMBER: Final = 400
"""Most characters of a number: no float has more, and Python takes quadratic time for long integers."""
_REPEATED: Final = 1_000_000
"""Characters that aliases may add to a file, in addition to ten times its size."""


class Document(NamedTuple):
    """The content of a file."""

    head: JsonDict
    blocks: list[Block]
    """The interactions of a file that was not edited, as they stand there."""
    items: list[Any]
    """The interactions of any other file, as values."""
    ours: bool
    """`True` if this project wrote it, so that bodies are in their stored forms; otherwise it is in vcrpy's format."""
    sessions: list[Any]
    """The websocket sessions: in the form of the file if it was not edited, otherwise as values."""
    is_sealed: bool
    """`True` if it was not edited since this project wrote it."""


def read(data: bytes, name: str = "the cassette") -> Document:
    """Return what is in *data*, the content of the file *name*.

    Raises:
        CassetteBroken: it is no version-1 cassette, or is incomplete; the message names file and line.
    """
    seal = yaml_format.seal_of(data)
    if seal is not None:
        return _by_layout(data, seal, name)
    text = text_of(data, name)
    if not text or text.isspace():
        raise broken(name, None, "the file is empty. Delete it, then record it again")
    if "<<<<<<< " in text and (match := _CONFLICT.search(text)):
        line = line_of(text, match.start())
        raise broken(name, line, f"it has the merge conflict marker {match[0].strip()!r}. Resolve it, or record again")
    if text.startswith(yaml_format.SIGNATURE) and not text.rstrip().rpartition("\n")[2].startswith("..."):
        problem = "the file ends too early: its last line should start with '...'. Restore it, or record again"
        raise broken(name, text.count("\n") + 1, problem)
    return _by_yaml(text, name)


def text_of(data: bytes, name: str) -> str:
    """Return *data*, the content of the file *name*, as text.

    Raises:
        CassetteBroken: it is not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise broken(name, line, "it is not UTF-8. Restore the file, or record again") from None


def broken(name: str, line: int | None, problem: str) -> CassetteBroken:
    """Return the error for a file that can't be read."""
    return CassetteBroken(f"{name if line is None else f'{name}:{line}'}: {problem}")


def line_of(text: str, position: int) -> int:
    """Return the line of a position in *text*."""
    return text.count("\n", 0, position) + 1


T = TypeVar("T")
_WRONG: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def tried(reader: Callable[[Any], T], values: object, name: str, line: Callable[[], int | None]) -> T:
    """Return the result of *reader* for *values*, which may be any data of a file.

    Raises:
        CassetteBroken: it can't; the message names file and line.
    """
    try:
        return reader(values)
    except _WRONG as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise broken(name, line(), f"this interaction can't be read: {problem:.300}") from None


# By its layout


def _by_layout(data: bytes, end: int, name: str) -> Document:
    """Return what is in *data* up to *end*. Only halves of interactions are copied: there may be many megabytes."""
    request, session = b"\n" + yaml_format.REQUEST, b"\n" + yaml_format.WEBSOCKETS + yaml_format.SESSION
    end -= 1  # the last line end
    sockets = data.find(session, 0, end)
    below = end if sockets < 0 else sockets
    first = data.find(b"interactions:" + request, 0, below)
    start = data[: below if first < 0 else first].removeprefix(yaml_format.START).removesuffix(b"interactions: []")
    head = tried(load, start.removesuffix(b"\n"), name, lambda: 3)
    blocks: list[Block] = []
    for begin, stop in (
        _between(data, request, first + len(b"interactions:") + len(request), below) if first >= 0 else ()
    ):
        middle = data.find(yaml_format.RESPONSE, begin, stop)
        middle = stop if middle < 0 else middle
        blocks.append(Block(data[begin:middle], data[middle + len(yaml_format.RESPONSE) : stop]))
    pieces = _between(data, b"\n" + yaml_format.SESSION, sockets + len(session), end) if sockets >= 0 else ()
    sessions = [data[begin - len(yaml_format.SESSION) : stop] for begin, stop in pieces]
    return Document(head["metadata"], blocks, [], ours=True, sessions=sessions, is_sealed=True)


def _between(data: bytes, mark: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each of the pieces that *mark* separates begins and ends."""
    while (stop := data.find(mark, start, end)) >= 0:
        yield start, stop
        start = stop + len(mark)
    yield start, end


def load(data: bytes, indent: int = 0) -> JsonDict:
    """Return the value that `yaml_format.dump` has written as *text*.

    Raises:
        ValueError, LookupError, RecursionError: it has not.
    """
    text = data.decode()
    layout = _Layout(text, indent)
    members = layout.members(indent)
    if layout.at <= len(text):
        raise ValueError(f"{text[layout.at :]!r:.60} is not where it belongs")
    return members


_decode: Final = json.JSONDecoder().raw_decode
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
# For matching alone: searching with it would take quadratic time.
_key: Final = re.compile(r"""(?:([A-Za-z_][\w-]*)|("(?:[^"\\]|\\.)+")):(?: |\n|\Z)""", re.ASCII).match


def _cut(line: str) -> tuple[str, str | None]:
    """Return the key of *line*, and the text after it."""
    match = _key(line)
    if match is None:
        raise ValueError(f"{line!r:.60} has no key")
    plain, quoted = match.groups()
    return plain or json.loads(quoted), line[match.end() :] or None


# Every interaction of a cassette has many lines in common with the others. Long ones are not: they would only be held.
_cut_before: Final = lru_cache(maxsize=1024)(_cut)


@lru_cache
def _below(column: int) -> Callable[[str, int], re.Match[str] | None]:
    """Return what finds the first line end behind which a line starts left of *column*."""
    return re.compile(rf"\n(?!\n| {{{column}}})").search


class _Layout:
    """A position in a text: where a line starts, or behind its indentation and the marks of lists."""

    __slots__ = ("at", "text")

    def __init__(self, text: str, indent: int) -> None:
        self.text = text
        self.at = indent

    def line(self) -> str:
        """Return the rest of the line, and go to the next."""
        end = self.text.find("\n", self.at)
        line = self.text[self.at : end if end >= 0 else None]
        self.at += len(line) + 1
        return line

    def members(self, column: int) -> JsonDict:
        members: JsonDict = {}
        pad = " " * column
        while True:
            line = self.line()
            key, rest = (_cut if len(line) > yaml_format.WIDTH else _cut_before)(line)
            members[key] = self.block(column + 2) if rest is None else self.value(rest, column + 2)
            if not self.text.startswith(pad, self.at):
                return members
            self.at += column

    def block(self, column: int) -> Any:
        self.at += column
        return self.inner(column)

    def inner(self, column: int) -> Any:
        return self.items(column) if self.text.startswith("- ", self.at) else self.members(column)

    def items(self, column: int) -> list[Any]:
        items: list[Any] = []
        mark = " " * column + "- "
        while True:
            self.at += 2
            # The mark is two columns wide, and behind it a block may begin.
            is_block = self.text.startswith("- ", self.at) or _key(self.text, self.at)
            items.append(self.inner(column + 2) if is_block else self.value(self.line(), column + 2))
            if not self.text.startswith(mark, self.at):
                return items
            self.at += column

    def value(self, rest: str, column: int) -> Any:
        first = rest[0]
        if first in '"{-0123456789':
            return _decode(rest)[0]
        if first == "[":
            return _decode(rest if rest.endswith("]") else rest + self.up_to(self.text.index("]", self.at) + 1))[0]
        if first == "|":
            self.at += column
            end = _below(column)(self.text, self.at)
            # All lines are moved at once: there may be a hundred thousand of them.
            lines = self.up_to(end.start() if end else len(self.text)).replace("\n" + " " * column, "\n")
            return lines if rest == "|-" else lines + "\n"
        if first == "!":
            tag, _, text = rest.partition(" ")
            value = _decode(text)[0]
            return base64.b64decode(value) if tag == "!!binary" else Attachment(value, tag[1:])
        return _CONSTANTS.get(rest, rest)

    def up_to(self, end: int) -> str:
        """Return the text up to *end*, where a line ends, and go to the next."""
        text = self.text[self.at : end]
        self.at = end + 1
        return text


# As YAML


class VcrLoader(_SafeLoader):
    """Safe YAML, with the harmless tags of vcrpy and of this project."""


class OurLoader(VcrLoader):
    """The same with the scalars of JSON, as in this project's files: no dates, no `yes`, no octal, but `1e5`."""


OurLoader.yaml_implicit_resolvers = {}


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


VcrLoader.add_constructor("tag:yaml.org,2002:python/str", _scalar)
VcrLoader.add_constructor("tag:yaml.org,2002:python/unicode", _scalar)
VcrLoader.add_constructor("tag:yaml.org,2002:python/tuple", _sequence)
VcrLoader.add_constructor("tag:yaml.org,2002:python/object/new:_io.BytesIO", _pickled_file)
VcrLoader.add_constructor("tag:yaml.org,2002:python/object/apply:builtins.iter", _pickled_iterator)
for _form in ("file", "base64", "base64url"):
    VcrLoader.add_constructor(f"!{_form}", _attachment)
_add_resolver: Any = OurLoader.add_implicit_resolver  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_NUMBER = r"-?(?:0|[1-9][0-9]*)"
for _tag, _pattern, _starts in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", _NUMBER, list("-0123456789")),
    ("float", rf"{_NUMBER}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _add_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _starts)


def _by_yaml(text: str, name: str) -> Document:
    ours = text.startswith(yaml_format.SIGNATURE)
    data = parsed(text, name, OurLoader if ours else VcrLoader)
    _check_version(data, text, name)
    items = data["interactions"]
    if not is_list(items):
        raise broken(name, _line_with(text, "interactions"), "'interactions' is not a list")
    metadata = data.get("metadata")
    # Dates and the like are text in our files.
    head: JsonDict = {}
    if is_object(metadata):
        head = json.loads(json.dumps(metadata, default=str, skipkeys=True))
    sessions = data.get("websockets") if ours else None
    if sessions is not None and not is_list(sessions):
        raise broken(name, _line_with(text, "websockets"), "'websockets' is not a list")
    return Document(head, [], items, ours, sessions or [], is_sealed=False)


def parsed(text: str, name: str, loader: type[VcrLoader]) -> Any:
    """Return the value in *text*, of the file *name*.

    Raises:
        CassetteBroken: there is none; the message names file and line.
    """
    try:
        if text.startswith("{"):
            return _json(text)  # vcrpy's JSON serializer
        reading: Any = loader(text)
        try:
            node: Any = reading.get_single_node()
            _check_size(node, len(text))
            return None if node is None else reading.construct_document(node)
        finally:
            reading.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _sentence(error.problem or error.context or "it is not YAML")
        raise broken(name, mark.line + 1 if mark else None, problem) from None
    except yaml.reader.ReaderError as error:
        line = line_of(text, int(error.position))
        raise broken(name, line, f"it has a character that YAML does not allow: {error.reason}") from None
    except RecursionError:
        raise broken(name, None, _sentence(f"it is nested more than {_DEEPEST} levels deep")) from None
    except _WRONG as error:
        raise broken(name, getattr(error, "lineno", None), _sentence(getattr(error, "msg", str(error)))) from None


def _json(text: str) -> Any:
    value = json.loads(text)
    if not is_shallow(value, _DEEPEST):
        raise RecursionError
    return value


def _check_size(root: object, size: int) -> None:
    """Refuse a document that is too deep, too long or, by its aliases, too large, before any value is made."""
    sizes: dict[int, int] = {}
    path: set[int] = set()

    def measured(node: Any, depth: int) -> int:
        if (known := sizes.get(id(node))) is not None:
            return known
        if isinstance(node, yaml.ScalarNode):
            if len(node.value) > _LONGEST_NUMBER and node.tag.endswith((":int", ":float")):
                raise _error("a number has too many digits", node)
            return len(node.value) + 1
        if id(node) in path:
            raise _error("an alias stands for what it is in", node)
        if depth > _DEEPEST:
            raise _error(f"it is nested more than {_DEEPEST} levels deep", node)
        path.add(id(node))
        total = 1
        for item in node.value:
            children: Any = item if isinstance(item, tuple) else (item,)  # pyright: ignore[reportUnknownVariableType]
            total += sum(measured(child, depth + 1) for child in children)
        path.discard(id(node))
        sizes[id(node)] = total
        if total > 10 * size + _REPEATED:
            raise _error("its aliases stand for more than can be read", node)
        return total

    if root is not None:
        measured(root, 0)


def _error(problem: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _sentence(problem: str) -> str:
    if "could not determine a constructor for the tag" in problem:
        tag = problem.rpartition("tag ")[2]
        return f"the tag {tag} is not read: a cassette is data only. Remove it, or record again"
    return f"{problem}. Restore the file, or record again"


def _check_version(data: object, text: str, name: str) -> None:
    if is_list(data):
        raise broken(name, 1, "it is from before version 1 of vcrpy's format. Record it again")
    if not is_object(data):
        kind = "nothing" if data is None else f"a {type(data).__name__}"
        raise broken(name, 1, f"it is not a cassette but {kind}")
    if data.get("interactions") is None:
        raise broken(name, None, "it has no 'interactions': the file is not a cassette, or is incomplete")
    version = data.get("version", "none")
    if version != yaml_format.VERSION:
        problem = (
            f"its version is {version!r:.60}, and only {yaml_format.VERSION} can be read. "
            "If the file is incomplete, record again"
        )
        raise broken(name, _line_with(text, "version"), problem)


def _line_with(text: str, key: str) -> int | None:
    match = re.search(rf"^['\"]?{key}['\"]?[ \t]*:", text, re.MULTILINE)
    return line_of(text, match.start()) if match else None


def line_of_item(data: bytes, index: int, within: str = "interactions") -> int | None:
    """Return the line where the item of the list *within* with that index starts."""
    try:
        document: Any = yaml.compose(data, Loader=VcrLoader)
        for key, value in document.value:
            if key.value == within:
                return int(value.value[index].start_mark.line) + 1
    except (yaml.YAMLError, *_WRONG):
        pass
    return None
