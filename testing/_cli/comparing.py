"""`maxim-gemini cassettes diff`: changes in requests and answers."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from maxim_gemini.testing._cassette import Cassette, Interaction
from maxim_gemini.testing._cassette.differences import between, differences, nearest
from maxim_gemini.testing._cassette.sessions import WebsocketSession
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from . import console, describing, session_describing
from .cassettes import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maxim_gemini.testing._cassette.cassette import Recorded
    from maxim_gemini.testing._cassette.matching import Meaning

R = TypeVar("R", Interaction, WebsocketSession)

_ANOTHER_EACH_TIME: Final = frozenset({"responseId", "createTime", "thoughtSignature", "signature", "call_id"})
_OF_AN_INTERACTION: Final = _ANOTHER_EACH_TIME | {"id", "created", "updated", "previous_interaction_id"}
_ARGUMENTS: Final = frozenset({"args", "arguments"})


class Pair(NamedTuple):
    """An interaction of the old cassette and its counterpart in the new one; either may be missing."""

    old: Recorded | None
    new: Recorded | None


def diff(old: str, new: str, *, as_json: bool) -> int:
    """Print the changes from *old* to *new*; return 1 if there are any."""
    cassettes = [Cassette.load(named(name)) for name in (old, new)]
    pairs = _pairs(*(cassette.interactions for cassette in cassettes))
    pairs += _pairs(*(cassette.websockets for cassette in cassettes))
    compared = [(pair, list(_changes(pair))) for pair in pairs]
    changed = [(pair, changes) for pair, changes in compared if changes]
    if as_json:
        console.show_json([_as_data(pair, changes) for pair, changes in changed])
    else:
        for pair, changes in changed:
            interaction = pair.new or pair.old
            if interaction is not None:
                numbers = " -> ".join(str(one.index + 1) for one in pair if one)
                head = f"{numbers}  {interaction.request.method} {describing.target(interaction.request)}"
                console.out().print(head, style="bold")
            for change in changes:
                console.out().print(f"  {change}", soft_wrap=True)
        noun = "interaction" if len(compared) == 1 else "interactions"
        console.note(f"{len(compared)} {noun}, {len(changed)} changed" if changed else "no difference")
    return 1 if changed else 0


def _pairs(old: Sequence[R], new: Sequence[R]) -> list[Pair]:
    """Pair equal requests, then the most similar ones; in the order of the new cassette, then those that are gone."""
    waiting: defaultdict[str, deque[R]] = defaultdict(deque)
    for interaction in old:
        waiting[interaction.key].append(interaction)
    same: dict[int, R] = {one.index: waiting[one.key].popleft() for one in new if waiting[one.key]}
    rest: list[R] = [interaction for queue in waiting.values() for interaction in queue]
    for interaction in new:
        if interaction.index in same:
            continue
        alike = [one for one in rest if one.meaning.path == interaction.meaning.path]
        at = nearest(interaction.meaning, [one.meaning for one in alike])
        if at is not None:
            same[interaction.index] = alike[at]
            rest.remove(alike[at])
    return [*(Pair(same.get(one.index), one) for one in new), *(Pair(one, None) for one in rest)]


def _changes(pair: Pair) -> Iterator[str]:
    if pair.old is None or pair.new is None:
        yield "added" if pair.new else "removed"
        return
    yield from (f"request   {change.as_change()}" for change in between(_question(pair.old), _question(pair.new)))
    yield from (f"answer    {change.as_change()}" for change in differences(_answer(pair.old), _answer(pair.new)))


def _question(recorded: Recorded) -> Meaning:
    return recorded.meaning if isinstance(recorded, Interaction) else recorded.whole_meaning


def _answer(interaction: Recorded) -> JsonDict:
    """Return the parts of an answer to compare: the whole body, or the texts of a stream, however it was cut."""
    if not isinstance(interaction, Interaction):
        return session_describing.answer(interaction)
    response = interaction.response
    about = {"http_status": response.status, "ended": response.ended}
    if describing.is_stream(interaction):
        texts: dict[str, str] = {}
        for line in describing.answer_lines(interaction):
            texts[line.who] = line.text if line.who == "ended" else texts.get(line.who, "") + line.text
        return about | {"stream": texts}
    body = _lasting(describing.loaded(response.body))
    return about | (body if is_object(body) else {"body": body})


def _lasting(value: object, name: str = "") -> Any:
    """Return *value*, the member *name* of an answer, without fields that differ in every answer."""
    if name in _ARGUMENTS:
        return value  # the application's own names
    if is_list(value):
        return [_lasting(item) for item in value]
    if not is_object(value):
        return value
    dropped = _ANOTHER_EACH_TIME
    if value.get("object") == "interaction":
        dropped = _OF_AN_INTERACTION
    elif name == "functionCall" or str(value.get("type")).endswith("_call"):
        dropped = _ANOTHER_EACH_TIME | {"id"}
    return {key: _lasting(member, key) for key, member in value.items() if key not in dropped}


def _as_data(pair: Pair, changes: list[str]) -> JsonDict:
    numbers = {side: one.index + 1 for side, one in (("old", pair.old), ("new", pair.new)) if one}
    return {**numbers, "changes": changes}
