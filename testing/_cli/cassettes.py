"""`maxim-gemini cassettes`: list, show, check and scrub."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing import cassettes as bundled
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.store import Shelf
from maxim_gemini.testing.exceptions import CassetteError, CassetteNotFound, TestKitError

from . import checking, console, describing, session_describing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from maxim_gemini.testing._cassette import Interaction
    from maxim_gemini.testing._cassette.sessions import WebsocketSession
    from maxim_gemini.testing._json_types import JsonDict

_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True)
class Row:
    """One cassette in the list."""

    name: str
    source: str
    recorded_at: str
    sdk: str
    interactions: int
    description: str
    path: str


# ---- files


def cassette_files(paths: Sequence[Path]) -> list[Path]:
    """Return the cassettes in *paths*, sorted; without any, the bundled ones.

    Raises:
        CassetteNotFound: a path is not there.
    """
    if not paths:
        return [bundled.path(name) for name in bundled.names()]
    if missing := next((path for path in paths if not path.exists()), None):
        raise CassetteNotFound(f"there is no file or folder {missing}")
    return sorted({file for path in paths for file in (_below(path) if path.is_dir() else [path])})


def named(name: str) -> Path:
    """Return the file *name*, or the bundled cassette with that name."""
    path = Path(name)
    return path if path.suffix in checking.SUFFIXES or path.is_file() else bundled.path(name)


def _below(folder: Path) -> Iterator[Path]:
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        yield from filter(checking.is_cassette, (Path(base, name) for name in files))


def _shown_name(path: Path) -> str:
    return path.stem if path.parent == bundled.FOLDER else str(path)


# ---- list


def list_all(paths: Sequence[Path], *, as_json: bool) -> None:
    """Print one line for each cassette; return 1 if a file can't be read."""
    rows: list[Row] = []
    broken: list[CassetteError] = []
    for path in cassette_files(paths):
        try:
            rows.append(_row(path))
        except CassetteError as error:
            broken.append(error)
    if as_json:
        console.show_json([asdict(row) for row in rows])
    else:
        _print_table(rows)
    for problem in broken:
        console.error(problem)
    if broken:
        raise SystemExit(1)


def _row(path: Path) -> Row:
    cassette = Cassette.load(path)
    head = cassette.head
    return Row(
        name=_shown_name(path),
        source=head.source,
        recorded_at=head.recorded_at,
        sdk=head.sdk,
        interactions=len(cassette.interactions) + len(cassette.websockets),
        description=head.description,
        path=str(path),
    )


def _print_table(rows: Sequence[Row]) -> None:
    out = console.out()
    if not rows:
        console.note("no cassettes here")
    elif out.is_terminal:
        from rich.padding import Padding

        # Names are long and descriptions longer: beside each other they fit no usual terminal.
        for row in rows:
            count = f"{row.interactions} call{'s' * (row.interactions != 1)}"
            facts = filter(None, (count, row.source, row.recorded_at[:10]))
            out.print(row.name, style="cyan", end="  ", soft_wrap=True)
            out.print(", ".join(facts), style="dim", soft_wrap=True)
            if row.description:
                out.print(Padding(row.description, (0, 0, 0, 4)))
        console.note(f"{len(rows)} cassettes; `maxim-gemini cassettes show NAME` prints one")
    else:
        for row in rows:
            fields = (row.name, row.source, row.recorded_at[:10], row.sdk, str(row.interactions), row.description)
            console.plain("\t".join(fields))


# ---- show


def show(name: str, *, full: bool, as_json: bool) -> None:
    """Print one cassette."""
    path = named(name)
    cassette = Cassette.load(path)
    if as_json:
        console.show_json(_as_data(path, cassette))
        return
    out, head = console.out(), cassette.head
    out.print(_shown_name(path), style="bold", soft_wrap=True)
    if head.description:
        out.print(head.description, soft_wrap=True)
    facts = [f"recorded from {head.source}", head.recorded_at[:10] and f"on {head.recorded_at[:10]}", head.sdk]
    out.print(", ".join(filter(None, facts)), style="dim", soft_wrap=True)
    for index, interaction in enumerate(cassette.interactions, 1):
        _print_interaction(index, interaction, full=full)
    for index, session in enumerate(cassette.websockets, 1):
        _print_session(index, session, full=full)


def _as_data(path: Path, cassette: Cassette) -> JsonDict:
    interactions = [
        {
            "method": interaction.request.method,
            "uri": interaction.request.uri,
            "request": describing.loaded(interaction.request.body),
            "status": interaction.response.status,
            "headers": interaction.response.headers,
            "answer": describing.events(interaction),
            "ended": interaction.response.ended,
        }
        for interaction in cassette.interactions
    ]
    sessions = [
        {
            "uri": session.uri,
            "frames": session.values.session["frames"],
            "ended": session.head.get("ended"),
            **({"refused": session.head["refused"]} if session.refused else {}),
        }
        for session in cassette.websockets
    ]
    return {**asdict(_row(path)), "interactions": interactions, **({"websockets": sessions} if sessions else {})}


def _print_interaction(index: int, interaction: Interaction, *, full: bool) -> None:
    out = console.out()
    out.print()
    out.print(f"{index}  {interaction.request.method} {describing.target(interaction.request)}", style="bold", end="  ")
    out.print(describing.outcome(interaction), style="red" if interaction.response.status >= 400 else "green")
    if full:
        for body in (describing.loaded(interaction.request.body), *describing.events(interaction)):
            out.print(json.dumps(body, ensure_ascii=False, indent=2), soft_wrap=True)
        return
    for line in describing.lines(interaction):
        out.print(f"{line.who:>9}  ", style="cyan", end="")
        out.print(_beginning(line.text), soft_wrap=True)


def _print_session(index: int, session: WebsocketSession, *, full: bool) -> None:
    out = console.out()
    out.print()
    out.print(f"{index}  {session.request.method} {session.path.path}", style="bold", end="  ")
    out.print(session_describing.outcome(session), style="red" if session_describing.is_broken(session) else "green")
    for line in session_describing.messages(session) if full else session_describing.lines(session):
        out.print(f"{line.who:>24}  ", style="cyan", end="")
        out.print(line.text if full else _beginning(line.text), soft_wrap=True)


def _beginning(text: str, limit: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


# ---- rename


def rename(old: Path, new: Path) -> None:
    """Rename the cassette *old*, with its attachments."""
    target = new if new.suffix in {".yaml", ".yml"} else new.with_name(f"{new.name}.yaml")
    Shelf(old).rename(target)
    console.out().print(f"{old} is now {target}", soft_wrap=True)


# ---- check


def check(paths: Sequence[Path], *, max_age: str | None, as_json: bool) -> int:
    """Print the problems of cassettes; return 1 if there are any."""
    oldest = datetime.now(UTC) - age(max_age) if max_age else None
    files = cassette_files(paths)
    if not files:
        return _none_in(paths)
    problems = {path: list(_problems(path, oldest)) for path in console.progress(files, "checking", len(files))}
    wrong = {path: listed for path, listed in problems.items() if listed}
    if as_json:
        console.show_json({"checked": len(files), "problems": {str(path): listed for path, listed in wrong.items()}})
    else:
        for path, listed in wrong.items():
            for problem in listed:
                console.out().print(f"{path}: ", style="bold", end="", soft_wrap=True)
                console.out().print(problem, soft_wrap=True)
        noun = "cassette" if len(files) == 1 else "cassettes"
        console.note(f"{len(files)} {noun} checked, {len(wrong)} with problems")
    return 1 if wrong else 0


def _problems(path: Path, oldest: datetime | None) -> Iterator[str]:
    """Yield the problems of a cassette, including its age."""
    yield from checking.problems(path)
    with suppress(CassetteError):
        recorded = _recorded(Cassette.load(path)) if oldest else None
        if oldest and recorded and recorded < oldest:
            yield f"recorded {(datetime.now(UTC) - recorded).days} days ago: record it again"


def _none_in(paths: Sequence[Path]) -> int:
    """Report that there is no cassette. It is a failure: the folder is wrong, or its files are lost."""
    console.error(f"no cassettes in {', '.join(map(str, paths))}: name the folder or the file")
    return 1


def _recorded(cassette: Cassette) -> datetime | None:
    try:
        recorded = datetime.fromisoformat(cassette.head.recorded_at)
    except ValueError:
        return None
    return recorded if recorded.tzinfo else recorded.replace(tzinfo=UTC)


# ---- scrub


def scrub(paths: Sequence[Path], *, dry_run: bool, as_json: bool) -> int:
    """Rewrite cassettes without secrets; return 1 if one can't be rewritten, or if a dry run would change one."""
    files = cassette_files(paths)
    if not files:
        return _none_in(paths)
    states = {path: _scrubbed(path, dry_run=dry_run) for path in console.progress(files, "scrubbing", len(files))}
    if as_json:
        console.show_json({str(path): state for path, state in states.items()})
    else:
        console.show_states({str(path): state for path, state in states.items()})
    failed = any(state.startswith("failed") for state in states.values())
    return 1 if failed or (dry_run and set(states.values()) - {"unchanged"}) else 0


def _scrubbed(path: Path, *, dry_run: bool) -> str:
    try:
        cassette = Cassette.load(path)
        if not cassette.interactions and not cassette.websockets:
            problem = next(checking.problems(path), None)
            return f"failed: {problem}. It has no interactions: delete it" if problem else "unchanged"
        with tempfile.TemporaryDirectory() as folder:
            copy = Shelf(Path(folder, path.name))
            _copy(cassette, copy.path)
            idle = Shelf(path).attachments() - copy.attachments()
            if copy.path.read_bytes() == path.read_bytes() and not idle:
                return "unchanged"
            if not dry_run:
                Shelf(path).write(copy.read(), {name: copy.fetch(name) for name in copy.attachments()})
    except CassetteError as error:
        return f"failed: {error}"
    return "to be scrubbed" if dry_run else "scrubbed"


def _copy(cassette: Cassette, target: Path) -> None:
    """Write all interactions of *cassette* to *target*, as if they were recorded now."""
    copy = Cassette(target)
    copy.head = cassette.head
    for interaction in cassette.interactions:
        copy.record(interaction.request, interaction.response)
    for session in cassette.websockets:
        copy.record_websocket(session.conversation)
    copy.dirty = True  # one without interactions is written, too
    copy.save()


def age(text: str) -> timedelta:
    """Return an age such as `90d`, `12w` or `1y`, in the syntax of the pytest plugin."""
    from maxim_gemini.testing._pytest.options import duration

    try:
        return duration(text)
    except ValueError as error:
        raise TestKitError(f"--max-age: {error}") from None
