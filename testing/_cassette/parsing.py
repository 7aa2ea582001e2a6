"""YAML, safely: data only, whoever wrote the file, and one error that names file and line.

Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from maxim_gemini.testing.exceptions import CassetteBroken

from .layout import Attachment
from .requests import as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    _SafeLoader = yaml.SafeLoader
else:  # a PyYAML that was built without libyaml has no fast loader
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class VcrLoader(_SafeLoader):
    """Safe YAML, plus the harmless tags that vcrpy has written over the years, plus our own."""


class OurLoader(VcrLoader):
    """The same with the scalars of JSON, which our files hold: no dates, no `yes`, no octal, but `1e5`."""


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


def parsed(text: str, name: str, loader: type[VcrLoader]) -> Any:
    """Return the value that *text*, of the file *name*, holds.

    Raises:
        CassetteBroken: it holds none; the message names file and line.
    """
    try:
        if text.startswith("{"):
            return json.loads(text)  # vcrpy's JSON serializer
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _sentence(error.problem or error.context or "it is not YAML")
        raise broken(name, mark.line + 1 if mark else None, problem) from None
    except yaml.reader.ReaderError as error:
        line = line_of(text, int(error.position))
        raise broken(name, line, f"it has a character that YAML does not allow: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        raise broken(name, getattr(error, "lineno", None), _sentence(getattr(error, "msg", str(error)))) from None


def _sentence(problem: str) -> str:
    if "could not determine a constructor for the tag" in problem:
        tag = problem.rpartition("tag ")[2]
        return f"the tag {tag} is not read: a cassette is data only. Remove it, or record again"
    return f"{problem}. Restore the file, or record again"


def line_of_item(text: str, index: int) -> int | None:
    """Return the line where the interaction with that index starts."""
    document: Any = yaml.compose(text, Loader=VcrLoader)
    for key, value in getattr(document, "value", []):
        if key.value == "interactions":
            return int(value.value[index].start_mark.line) + 1
    return None


def line_with(text: str, key: str) -> int | None:
    """Return the line of the top-level *key*."""
    match = re.search(rf"^['\"]?{key}['\"]?\s*:", text, re.MULTILINE)
    return line_of(text, match.start()) if match else None


def line_of(text: str, position: int) -> int:
    """Return the line of a position in *text*."""
    return text.count("\n", 0, position) + 1


def broken(name: str, line: int | None, problem: str) -> CassetteBroken:
    """Return the error for a file that can't be read."""
    place = name if line is None else f"{name}:{line}"
    return CassetteBroken(f"{place}: {problem}")


T = TypeVar("T")


def tried(reader: Callable[[Any], T], values: Any, name: str, line: Callable[[], int | None]) -> T:
    """Return what *reader* makes of *values*, which may be anything that a file can hold.

    Raises:
        CassetteBroken: it can't; the message names file and line.
    """
    try:
        return reader(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise broken(name, line(), f"this interaction can't be read: {problem}") from None
