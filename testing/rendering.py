"""What was received, for people: a tree of text, coloured on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .views import Attachment, Generation, Retrieval, Span, ToolCall, Trace, View, view_of

if TYPE_CHECKING:
    from datetime import timedelta

    from .folding import Node, Tree

Piece = tuple[str, str]
"""Some text and its style."""

MARK: Final = "✗"
_PLAIN_WIDTH: Final = 120
_MESSAGES_SHOWN: Final = 6


class Branch(NamedTuple):
    """One entity of the tree: its first line, the lines about it, what is below it."""

    head: list[Piece]
    notes: list[list[Piece]]
    below: list[Branch]


def render(
    tree: Tree, *, title: str = "", color: bool | None = None, width: int | None = None, marks: Marks | None = None
) -> str:
    """Return the tree as text; *color* and *width* (columns) default to what standard output can show."""
    colored = _on_terminal() if color is None else color
    columns = width or (shutil.get_terminal_size().columns if _on_terminal() else _PLAIN_WIDTH)
    lines = [_cut(line, columns) for line in _lines(tree, title, marks or {})]
    return "\n".join(map(_colored if colored else _uncolored, lines))


Marks = Mapping[tuple[str, str], Sequence[str]]
"""What is wrong, by kind and id of the entity."""


def _on_terminal() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _lines(tree: Tree, title: str, marks: Marks) -> Iterator[list[Piece]]:
    if title:
        yield [(title, "bold"), (f"  {_contents(tree)}", "dim")]
    for root in tree.roots:
        yield from _drawn(_branch(root, marks), "", "", "")
    for commit, reason in tree.dropped:
        yield [
            (f"{MARK} dropped ", "bold red"),
            (f"{commit.entity} {commit.id} {commit.action}", "red"),
            (f"  {reason}", "dim"),
        ]


def _contents(tree: Tree) -> str:
    counts: dict[str, int] = {}
    for node in tree.walk():
        counts[node.kind] = counts.get(node.kind, 0) + 1
    return ", ".join(_count(kind.replace("_", " "), number) for kind, number in counts.items()) or "nothing logged"


def _count(noun: str, number: int) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _drawn(branch: Branch, prefix: str, joint: str, stem: str) -> Iterator[list[Piece]]:
    yield [(prefix + joint, "dim"), *branch.head]
    inner = prefix + stem
    for note in branch.notes:
        yield [(inner + ("│  " if branch.below else "   "), "dim"), *note]
    for child in branch.below[:-1]:
        yield from _drawn(child, inner, "├─ ", "│  ")
    for child in branch.below[-1:]:
        yield from _drawn(child, inner, "└─ ", "   ")


def _branch(node: Node, marks: Marks) -> Branch:
    view = view_of(node)
    wrong = marks.get((node.kind, node.id), ())
    head = [*([(f"{MARK} ", "bold red")] if wrong else []), *_head(view)]
    notes: list[list[Piece]] = [[(f"{MARK} {reason}", "bold red")] for reason in wrong]
    return Branch(head, [*notes, *_notes(view)], [_branch(child, marks) for child in node.children])


def _head(view: View) -> list[Piece]:
    pieces: list[Piece] = [(view.kind.replace("_", " ").capitalize(), "bold cyan"), (f" {_short_id(view.id)}", "dim")]
    if view.name:
        pieces.append((f" {view.name}", "bold"))
    pieces += [(f"  {text}", style) for text, style in _facts(view) if text]
    return pieces


def _short_id(id: str) -> str:
    return f"{id[:8]}…" if len(id) >= 32 else id


def _facts(view: View) -> Iterator[Piece]:
    if isinstance(view, Generation):
        yield "/".join(filter(None, (view.provider, view.model))), "green"
    if not view.created:
        yield "never created", "red"
    elif view.duration is not None:
        yield _span_of(view.duration), "yellow"
    elif not view.ended:
        yield "open", "yellow"
    if isinstance(view, Generation):
        yield _tokens(view.usage), "magenta"
        yield view.finish_reason or "", "dim"
    yield ", ".join(f"{key}={value}" for key, value in view.tags.items()), "blue"


def _span_of(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if abs(seconds) < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _tokens(usage: Mapping[str, Any]) -> str:
    sent, received, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if sent is None and received is None and total is None:
        return ""
    return f"{sent or 0:,} → {received or 0:,} tokens" + (
        "" if total in (None, (sent or 0) + (received or 0)) else f" ({total:,})"
    )


def _notes(view: View) -> Iterator[list[Piece]]:
    for label, value in _content(view):
        yield [(f"{label:<9} ", "dim"), (_line_of(value), "")]
    for attachment in view.attachments:
        yield [("attached  ", "dim"), (_attachment(attachment), "")]
    for name, value in view.metrics.items():
        yield [("metric    ", "dim"), (f"{name} = {value}", "")]
    for name, value in view.metadata.items():
        yield [("metadata  ", "dim"), (f"{name} = {_line_of(value)}", "")]
    for event in getattr(view, "events", ()):
        yield [("event     ", "dim"), (event.name or event.id, "")]
    for feedback in getattr(view, "feedback", ()):
        yield [
            ("feedback  ", "dim"),
            (" ".join(str(part) for part in (feedback.score, feedback.comment) if part is not None), ""),
        ]
    for evaluation in view.evaluations:
        yield [("evaluate  ", "dim"), (", ".join(evaluation.evaluators), "")]
    for error in (*filter(None, [view.error]), *view.noted_errors):
        yield [("error     ", "red"), (" ".join(filter(None, (error.code, error.type, error.message))), "red")]


def _content(view: View) -> Iterator[tuple[str, Any]]:
    if isinstance(view, Generation):
        yield from _messages(view)
    elif isinstance(view, ToolCall):
        yield from _filled(arguments=view.arguments, result=view.result)
    elif isinstance(view, (Trace, Span, Retrieval)):
        yield from _filled(input=view.input, output=view.output)


def _filled(**values: Any) -> Iterator[tuple[str, Any]]:
    return ((label, value) for label, value in values.items() if value not in (None, "", [], {}))


def _messages(generation: Generation) -> Iterator[tuple[str, Any]]:
    messages = generation.messages
    left_out = len(messages) - _MESSAGES_SHOWN
    if left_out > 0:
        yield "…", f"{_count('earlier message', left_out)}"
    for message in messages[max(left_out, 0) :]:
        yield str(message.get("role", "?")), _said(message)
    for choice in generation.choices:
        message = choice.get("message") or {}
        yield f"→ {message.get('role', '?')}"[:9], _said(message)


def _said(message: Mapping[str, Any]) -> str:
    calls = [_called(call) for call in message.get("tool_calls") or ()]
    content = message.get("content")
    return "  ".join([*([_line_of(content)] if content else []), *calls])


def _called(call: Mapping[str, Any]) -> str:
    function: Mapping[str, Any] = call.get("function") or {}
    return f"{function.get('name')}({function.get('arguments') or ''})"


def _attachment(attachment: Attachment) -> str:
    size = "" if attachment.size is None else f"{attachment.size:,} bytes"
    return "  ".join(filter(None, (attachment.name, attachment.mime_type, attachment.url, size))) or attachment.type


def _line_of(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ↵ ".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def _cut(line: list[Piece], columns: int) -> list[Piece]:
    """Shorten a line to *columns*, saying how many characters were left out."""
    too_many = sum(len(text) for text, _ in line) - columns
    if too_many <= 0:
        return line
    text, style = line[-1]
    ending = f"… +{too_many + 10:,}"
    kept = max(len(text) - too_many - len(ending), 12)
    return [*line[:-1], (text[:kept] + ending, style)] if kept < len(text) else line


def _uncolored(line: Iterable[Piece]) -> str:
    return "".join(text for text, _ in line).rstrip()


def _colored(line: Iterable[Piece]) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, color_system="standard", width=10_000, highlight=False)
    with console.capture() as captured:
        console.print(Text.assemble(*line), end="", soft_wrap=True)
    return captured.get().rstrip()
