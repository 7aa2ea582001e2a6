"""Problems of a cassette: it can't be read, has secrets in it, or its attachments are missing or not needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._cassette import Cassette, last_scan
from maxim_gemini.testing._cassette.store import Shelf, content_of
from maxim_gemini.testing._cassette.yaml_format import seal_of
from maxim_gemini.testing._cassette.yaml_reader import VcrLoader, parsed, text_of
from maxim_gemini.testing.exceptions import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maxim_gemini.testing._cassette.last_scan import Finding
    from maxim_gemini.testing._cassette.scrubbing import Scrubber

SUFFIXES: Final = (".yaml", ".yml", ".json")
_FOLDERS: Final = frozenset({"cassettes", "recordings"})
_MARK: Final = re.compile(
    rb"^[\"']?interactions[\"']?[ \t]*:|\"interactions\"\s*:|^# Recorded by maxim-gemini", re.MULTILINE
)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#(.*)$", re.MULTILINE)


def is_cassette(path: Path) -> bool:
    """Return whether *path* is a cassette, or looks like one that is damaged."""
    if not path.name.endswith(SUFFIXES):
        return False
    try:
        data = content_of(path)
    except OSError:  # named with the reason by whoever opens it
        return path.suffix != ".json"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:64]:
        data = data.replace(b"\x00", b"")
    if _MARK.search(data.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")):
        return True
    return path.suffix != ".json" and bool(_FOLDERS.intersection(path.parts[:-1]))


def problems(path: Path) -> Iterator[str]:
    """Yield the problems of the cassette at *path*, one line each."""
    shelf = Shelf(path)
    try:
        content = shelf.read()
        cassette = Cassette.load(path)
        findings = [*_in_values(cassette)]
    except CassetteError as error:
        yield str(error).removeprefix(f"{path}: ")
        yield from _lines(_in_bytes(path, "the file", Cassette(path).scrubber))
        return
    if seal_of(content) is None:
        findings += _in_rest(
            text_of(content, str(path)), str(path), cassette.scrubber, {finding.kind for finding in findings}
        )
    needed = {name for name in shelf.attachments() if name.encode() in content}
    for name in sorted(shelf.attachments() - needed):
        findings += _in_bytes(path.parent / name, f"the file {name!r} beside it", cassette.scrubber)
        yield f"the file {name!r} beside it is not needed: `maxim-gemini cassettes scrub` removes it"
    yield from _lines(findings)


def _lines(findings: Iterator[Finding] | list[Finding]) -> Iterator[str]:
    """Yield a line for each path with a finding."""
    by_path = {finding.where: finding for finding in reversed([*findings])}
    for finding in reversed(by_path.values()):
        yield f"{finding}: revoke it, then run `maxim-gemini cassettes scrub`"


def _in_values(cassette: Cassette) -> Iterator[Finding]:
    """Yield the secrets in the interactions, and in the head."""
    for number, interaction in enumerate(cassette.interactions, 1):
        for part, values in interaction.values._asdict().items():
            yield from _by_both(values, f"interaction {number}, {part}", cassette.scrubber)
        _ = interaction.response  # whether it can be read
    for number, session in enumerate(cassette.websockets, 1):
        yield from _by_both(session.values.session, f"websocket session {number}", cassette.scrubber)
        _ = session.conversation
    yield from _by_both(cassette.head.metadata(), "the head", cassette.scrubber)


def _in_rest(text: str, name: str, scrubber: Scrubber, known: set[str]) -> Iterator[Finding]:
    """Yield secrets of kinds other than the *known* in parts that are never played: comments, unknown members."""
    for comment in _COMMENT.finditer(text):
        line = text.count("\n", 0, comment.start()) + 1
        yield from (one for one in _by_both(comment[1], f"line {line}", scrubber) if one.kind not in known)
    data: Any = parsed(text, name, VcrLoader)
    yield from (one for one in _by_both(data, "the file", scrubber) if one.kind not in known)


def _by_both(value: object, where: str, scrubber: Scrubber) -> Iterator[Finding]:
    """Yield secrets that the scrubber would replace, and those that the last scan would refuse."""
    yield from scrubber.replaceable(value, where)
    yield from scrubber.remaining(value, where)


def _in_bytes(path: Path, where: str, scrubber: Scrubber) -> Iterator[Finding]:
    try:
        data = content_of(path)
    except OSError:
        return
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = data.decode(encoding, errors="replace")
    yield from (last_scan.Finding(where, kind) for kind in scrubber.kinds(text))
    yield from last_scan.in_text(text, where, scrubber.secrets)
