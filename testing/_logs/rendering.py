"""Render what was received as a readable tree, in color on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._json_types import JsonDict, decoded, filled, is_list, is_object, mapping, sequence
from maxim_gemini.testing._printable import printable

from .view import View, view_of
from .views import Generation, Retrieval, Span, ToolCall, Trace

if TYPE_CHECKING:
    from datetime import timedelta

    from .records import Attachment, Error
    from .tree import Node, Tree

MARK: Final = "✗"
_PLAIN_COLUMNS: Final = 120
_MESSAGES_SHOWN: Final = 6
_ENTITIES_SHOWN: Final = 50

Piece = tuple[str, str]
"""A text, and its style."""

Line = list[Piece]

Marks = Mapping[tuple[str, str], Sequence[str]]
"""The problems of an entity, by its kind and id."""


class _Branch(NamedTuple):
    """An entity: its first line, further lines, and the entities in it."""

    head: Line
    notes: list[Line]
    below: list[_Branch]


def render(
    tree: Tree,
    *,
    title: str = "",
    color: bool | None = None,
    width: int | None = None,
    marks: Marks | None = None,
) -> str:
    """Return the tree as text.

    By default *color* and *width* (in columns) are those of standard output. *marks* has the problems to show.
    """
    terminal = sys.stdout.isatty()
    columns = width or (shutil.get_terminal_size().columns if terminal else _PLAIN_COLUMNS)
    if color is None:  # FORCE_COLOR is for CI logs, which are no terminal
        can_show = terminal and os.environ.get("TERM") != "dumb"
        color = not os.environ.get("NO_COLOR") and (can_show or bool(os.environ.get("FORCE_COLOR")))
    all_lines = _lines(tree, title, marks or {}, columns)
    lines = [_cut([(printable(text), style) for text, style in line], columns) for line in all_lines]
    return _colored(lines) if color else "\n".join(map(_text, lines))


def _lines(tree: Tree, title: str, marks: Marks, columns: int) -> Iterator[Line]:
    if title:
        yield from _flowing([(title, "bold"), *_contents(tree)], [], [("  ", "")], columns)
    blamed = {node for key in marks if key in tree.nodes for node in tree.nodes[key].upwards()}
    for branch in _branches(tree.roots, marks, blamed):
        yield from _drawn(branch, "", "", "", columns)
    for commit, reason in tree.dropped:
        what = f"{commit.entity} {commit.id} {commit.action}"
        head: Line = [
            (f"{MARK} dropped ", "bold red"),
            (what, "red"),
            *((f" {word}", "dim") for word in reason.split()),
        ]
        yield from _flowing(head, [], [("  ", "")], columns)


def _contents(tree: Tree) -> Line:
    counts = Counter(node.kind for node in tree.walk())
    texts = [_count(kind.replace("_", " "), number) for kind, number in counts.items()] or ["nothing"]
    return [(f"  {texts[0]}", "dim"), *((f", {text}", "dim") for text in texts[1:])]


def _count(noun: str, number: int) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _drawn(branch: _Branch, prefix: str, joint: str, stem: str, columns: int) -> Iterator[Line]:
    inner = prefix + stem
    margin: Piece = (inner + ("│  " if branch.below else "   "), "dim")
    yield from _flowing(branch.head, [(prefix + joint, "dim")], [margin, ("  ", "")], columns)
    for note in branch.notes:
        yield [margin, *note]
    for child in branch.below[:-1]:
        yield from _drawn(child, inner, "├─ ", "│  ", columns)
    for child in branch.below[-1:]:
        yield from _drawn(child, inner, "└─ ", "   ", columns)


def _flowing(pieces: Line, first: Line, further: Line, columns: int) -> Iterator[Line]:
    """Yield lines of *pieces*: the first line begins with *first*, and all others with *further*."""
    line, room = list(first), columns - _width(first)
    started = False
    for text, style in pieces:
        if started and _cells(text) > room:
            yield line
            line, room = list(further), columns - _width(further)
            text = text.lstrip(" ,")
        line.append((text, style))
        room -= _cells(text)
        started = True
    yield line


def _branches(nodes: Sequence[Node], marks: Marks, blamed: Set[Node]) -> list[_Branch]:
    """Return a branch for each entity; if there are many, only for the first ones and for those with problems."""
    few = nodes if len(nodes) <= _ENTITIES_SHOWN + 1 else nodes[:_ENTITIES_SHOWN]
    shown = [*few, *(node for node in nodes[len(few) :] if node in blamed)]
    branches = [_branch(node, marks, blamed) for node in shown]
    hidden = len(nodes) - len(shown)
    return [*branches, *([_Branch([(f"… {hidden:,} more", "dim")], [], [])] if hidden else [])]


def _branch(node: Node, marks: Marks, blamed: Set[Node]) -> _Branch:
    view = view_of(node)
    wrong = marks.get((node.kind, node.id), ())
    mark: Line = [(f"{MARK} ", "bold red")] if wrong else []
    reasons: list[Line] = [[(f"{MARK} {reason}", "bold red")] for reason in wrong]
    notes: list[Line] = [[(f"{label:<9} ", style or "dim"), (text, style)] for label, text, style in _notes(view)]
    return _Branch([*mark, *_head(view)], [*reasons, *notes], _branches(node.children, marks, blamed))


def _head(view: View) -> Line:
    facts = [(f"  {text}", style) for text, style in _facts(view) if text]
    name: Line = [(f" {view.name}", "bold")] if view.name else []
    id = f"{view.id[:8]}…" if len(view.id) >= 32 else view.id
    return [(view.kind.replace("_", " ").capitalize(), "bold cyan"), *name, (f"  {id}", "dim"), *facts]


def _facts(view: View) -> Iterator[Piece]:
    if isinstance(view, Generation):
        yield "/".join(filter(None, (view.provider, view.model))), "green"
    if not view.created:
        yield "never created", "red"
    elif view.duration is None:
        yield ("ended" if view.ended else "open"), "yellow"
    else:
        yield _duration(view.duration) + ("" if view.ended else ", open"), "yellow"
    if isinstance(view, Generation):
        yield _tokens(view.usage), "magenta"
        yield view.finish_reason or "", "dim"
    yield " ".join(f"{key}={value}" for key, value in view.tags.items()), "blue"


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if abs(seconds) < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _tokens(usage: JsonDict) -> str:
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    completion = usage.get("completion_tokens", usage.get("output_tokens"))
    return "" if prompt is None and completion is None else f"{prompt or 0:,} → {completion or 0:,} tokens"


Note = tuple[str, str, str]


def _notes(view: View) -> Iterator[Note]:
    for label, value in _content(view):
        yield label, _one_line(value), ""
    for error in chain([view.error] if view.error else [], view.noted_errors):
        yield "error", _error(error), "red"
    yield from _several("attached", map(_attachment, view.attachments))
    yield from _several("metric", (f"{name} = {value}" for name, value in view.metrics.items()))
    yield from _several("metadata", (f"{name} = {_one_line(value)}" for name, value in view.metadata.items()))
    yield from _several("evaluate", (", ".join(evaluation.evaluators) for evaluation in view.evaluations))
    if isinstance(view, Trace | Span) or view.kind == "session":
        yield from _several("event", (event.name or event.id for event in getattr(view, "events", ())))
        opinions = ((one.score, one.comment) for one in getattr(view, "feedback", ()))
        yield from _several("feedback", (" ".join(str(part) for part in one if part is not None) for one in opinions))


def _several(label: str, texts: Iterator[str]) -> Iterator[Note]:
    """Label only the first of several lines."""
    return ((label if index == 0 else "", text, "") for index, text in enumerate(texts))


def _content(view: View) -> Iterator[tuple[str, Any]]:
    if isinstance(view, Generation):
        yield from _messages(view)
        yield from _answers(view)
    elif isinstance(view, ToolCall):
        yield from filled({"arguments": view.arguments, "result": view.result}).items()
    elif isinstance(view, Trace | Span | Retrieval):
        yield from filled({"input": view.input, "output": view.output}).items()


def _messages(generation: Generation) -> Iterator[tuple[str, str]]:
    messages = generation.messages
    hidden = max(len(messages) - _MESSAGES_SHOWN, 0)
    if hidden:
        yield "…", f"{_count('earlier message', hidden)} not shown"
    for message in messages[hidden:]:
        yield str(message.get("role", "?")), _message_text(message)


def _answers(generation: Generation) -> Iterator[tuple[str, str]]:
    choices = generation.choices
    for number, choice in enumerate(choices, 1):
        label = "answer" if len(choices) == 1 else f"answer {number}"
        yield label, _message_text(mapping(choice.get("message"))) or f"nothing ({choice.get('finish_reason')})"


def _message_text(message: JsonDict) -> str:
    """Return the text of a message, with the type of each part that is not text, and the calls."""
    content = message.get("content") or ""
    if is_list(content):
        parts = map(mapping, content)
        content = " ".join(str(part.get("text") or f"[{part.get('type', '?')}]") for part in parts)
    calls = [_called(mapping(mapping(call).get("function"))) for call in sequence(message.get("tool_calls"))]
    return " ".join(filter(None, [_one_line(content), ", ".join(calls)]))


def _called(function: JsonDict) -> str:
    arguments = decoded(function.get("arguments"))
    if is_object(arguments):
        arguments = ", ".join(f"{key}={_json(value)}" for key, value in arguments.items())
    return f"{function.get('name')}({arguments or ''})"


def _error(error: Error) -> str:
    return " ".join(filter(None, (error.code, error.type, error.name, _one_line(error.message))))


def _attachment(attachment: Attachment) -> str:
    size = "" if attachment.size is None else f"{attachment.size:,} bytes"
    return "  ".join(filter(None, (attachment.name, attachment.mime_type, attachment.url, size))) or attachment.type


def _one_line(value: object) -> str:
    text = value if isinstance(value, str) else _json(value)
    line = " ↵ ".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    return printable(line)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _width(line: Line) -> int:
    return sum(_cells(text) for text, _ in line)


def _cells(text: str) -> int:
    """Return the width of *text* on a terminal: two columns for an East Asian character, none for a combining mark."""
    if text.isascii():
        return len(text)
    # Imported late: it takes longer than the rest, and most logs are ASCII.
    from rich.cells import cell_len

    return cell_len(text)


def _cut(line: Line, columns: int) -> Line:
    """Cut a line that is too long, and show the number of missing characters."""
    if _width(line) <= columns:
        return line
    room = columns - len(f"… +{sum(len(text) for text, _ in line):,}")
    ending = room > 0
    room = room if ending else columns - 1
    kept: Line = []
    for text, style in line:
        fits = _beginning(text, room)
        kept.append((fits, style))
        room -= _cells(fits)
        if fits != text:
            break
    hidden = sum(len(text) for text, _ in line) - sum(len(text) for text, _ in kept)
    return [*kept, (f"… +{hidden:,}" if ending else "…", kept[-1][1])]


def _beginning(text: str, columns: int) -> str:
    """Return the beginning of *text* that fits into *columns*."""
    text = text[: max(4 * columns, 0)]  # more than fit, and enough for marks without a width
    return text[: bisect_right(range(len(text)), columns, key=lambda end: _cells(text[: end + 1]))]


def _text(line: Line) -> str:
    return "".join(text for text, _ in line).rstrip()


def _colored(lines: Sequence[Line]) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, color_system="standard", highlight=False, width=1_000_000)
    with console.capture() as captured:
        for line in lines:
            console.print(Text.assemble(*line), soft_wrap=True)
    return captured.get().rstrip("\n")
