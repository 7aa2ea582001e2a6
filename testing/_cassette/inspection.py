"""What there is to know about cassettes on the disk: is each of them whole, clean, and what is in it?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from maxim_gemini.testing._http.wire import event_data
from maxim_gemini.testing._json_types import is_list, is_object
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError

from . import format, json_text
from .cassette import Cassette, Head
from .store import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from .interaction import Interaction
    from .scrubbing import Scrubber


class Problem(NamedTuple):
    """Something that is wrong with a cassette."""

    path: Path
    text: str
    fatal: bool = True
    """Whether it can't be replayed or must not be shared; else it is only untidy."""

    def __str__(self) -> str:
        return self.text if self.text.startswith(str(self.path)) else f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    """One interaction, in short."""

    number: int
    method: str
    path: str
    status: int
    ended: str
    """`complete`, or how it ended."""
    events: int
    """Pieces in which the answer comes: the events of a stream, else 1; 0 where it is empty."""
    size: int
    """Bytes of the answer."""
    seconds: float
    """When the last of it arrived."""
    asked: str
    """The text of the last message."""
    answered: str
    """The text of the answer, or its error."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A cassette, in short."""

    path: Path
    head: Head
    lines: tuple[Line, ...]
    size: int
    """Bytes of the file."""
    files: tuple[str, ...]
    """Names of the large binaries beside it."""


def find(folder: str | PathLike[str]) -> Iterator[Path]:
    """Yield the cassettes in *folder* and below it, by name."""
    for path in sorted(Path(folder).rglob("*.yaml")):
        if path.is_file() and "interactions" in path.read_text(encoding="utf-8", errors="replace"):
            yield path


def check(path: str | PathLike[str], scrubber: Scrubber | None = None) -> list[Problem]:
    """Return what is wrong with a cassette: what can't be read, secrets, files that are missing or not needed."""
    path = Path(path)
    try:
        cassette = Cassette.load(path, scrubber=scrubber)
    except CassetteError as error:
        return [Problem(path, str(error))]
    problems = [problem for interaction in cassette.interactions for problem in _of(cassette, interaction)]
    problems += [Problem(path, str(secret)) for secret in cassette.scrubber.found(cassette.head.metadata(), "the head")]
    return problems + [Problem(path, text, fatal=False) for text in _untidy(path)]


def scrub(path: str | PathLike[str], scrubber: Scrubber | None = None) -> bool:
    """Write a cassette anew without secrets, in our layout; return whether that changed anything.

    Raises:
        CassetteError: it can't be read or written, or has a secret that can't be taken out.
    """
    return Cassette.load(path, scrubber=scrubber).rewrite()


def show(path: str | PathLike[str]) -> Summary:
    """Return what is in a cassette.

    Raises:
        CassetteError: it can't be read.
    """
    path = Path(path)
    cassette = Cassette.load(path)
    lines = tuple(_line(interaction) for interaction in cassette.interactions)
    return Summary(path, cassette.head, lines, path.stat().st_size, tuple(sorted(Shelf(path).attachments())))


def _of(cassette: Cassette, interaction: Interaction) -> Iterator[Problem]:
    place = f"interaction {interaction.index + 1}"
    try:
        values, _ = interaction.values, interaction.response
    except CassetteBroken as error:
        yield Problem(cassette.path, str(error))
        return
    for part, found in values._asdict().items():
        yield from (
            Problem(cassette.path, str(secret)) for secret in cassette.scrubber.found(found, f"{place}, {part}")
        )


def _untidy(path: Path) -> Iterator[str]:
    text = Shelf(path).read()
    if not text.startswith(format.SIGNATURE):
        yield "another tool wrote it: `maxim-gemini cassettes scrub` rewrites it in our layout"
    for name in sorted(Shelf(path).attachments()):
        if json.dumps(name, ensure_ascii=False) not in text:
            yield f"the file {name!r} beside it is not needed"


def _line(interaction: Interaction) -> Line:
    request, response, meaning = interaction.request, interaction.response, interaction.meaning
    return Line(
        number=interaction.index + 1,
        method=meaning.method,
        path=meaning.path,
        status=response.status,
        ended=response.ended,
        events=len(response.chunks),
        size=len(response.body),
        seconds=response.chunks[-1].at if response.chunks else 0.0,
        asked=_asked(json_text.value_of(request.body or b"")),
        answered=_answered([_value(chunk.data) for chunk in response.chunks]),
    )


def _value(data: bytes) -> Any:
    line = event_data(data) if data.startswith(b"data:") else None
    return json_text.value_of(data if line is None else line.encode())


def _asked(body: Any) -> str:
    contents = _list(body, "contents")
    return _text(contents[-1]) if contents else ""


def _answered(values: list[Any]) -> str:
    errors = [
        str(value["error"].get("message", "")) for value in values if is_object(value) and is_object(value.get("error"))
    ]
    candidates = [candidate for value in values for candidate in _list(value, "candidates")]
    return "".join(_text(candidate.get("content")) for candidate in candidates if is_object(candidate)) + "".join(
        errors
    )


def _text(content: Any) -> str:
    parts = [part for part in _list(content, "parts") if is_object(part) and not part.get("thought")]
    return "".join(str(part.get("text", "")) for part in parts)


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if is_object(value) else None
    return found if is_list(found) else []
