"""The words that only interactions need; the others are those of every reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing.exceptions import ScriptError

from .model import InteractionEvent, InteractionSettings, InteractionStep, Json, KeepAlive, Reply, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

STATUSES: Final = (
    "in_progress", "queued", "requires_action", "completed", "failed", "cancelled", "incomplete", "budget_exceeded",
    "idle", "requires_continuation",
)  # fmt: skip
"""The statuses that an interaction is known to have."""


def interaction(
    *,
    status: str | None = None,
    interaction_id: str | None = None,
    polls: int | None = None,
    continuation_token: str | None = None,
    errors: Sequence[Json] | None = None,
    schema: Schema = "steps",
    **fields: Any,
) -> Reply:
    """Say what only an interaction says of itself; *fields* are the wire's own words, `None` leaves one out.

    *polls* is how often a background interaction is still in progress when it is asked for. With a
    *continuation_token* the next request goes on where this answer stops. *errors*, `{"code": ..., "message": ...}`,
    make it a failed one. *schema* `outputs` is how it was written until May 2026.
    """
    if status is not None and status not in STATUSES:
        raise ScriptError(f"no interaction has the status {status!r}: take one of {', '.join(STATUSES)}")
    if polls is not None and polls < 0:
        raise ScriptError(f"polls is 0 or more, not {polls}")
    named = {"id": interaction_id, "status": status, "continuation_token": continuation_token}
    named["errors"] = [dict(error) for error in errors] if errors is not None else None  # type: ignore[assignment]
    own = {name: value for name, value in named.items() if value is not None}
    return Reply((), interaction=InteractionSettings({**own, **fields}, polls, schema))


def step(fields: Json, *, deltas: Sequence[Json] | None = None) -> Reply:
    """Add a step of any kind in the wire's own words: `{"type": "processing_call", "id": "a1"}`.

    *deltas* are those in which it streams, where they are not to be as real servers cut it.
    """
    if "type" not in fields:
        raise ScriptError(f"a step has a type, and {dict(fields)!r} has none")
    return Reply((InteractionStep(dict(fields), None if deltas is None else tuple(map(dict, deltas))),))


def google_search(*queries: str, suggestions: str | None = None) -> Reply:
    """Search the web for *queries*; *suggestions* is the HTML that an application is to show.

    `grounding` says besides where the answer has what from, and answers `generate_content`, too.
    """
    shown = suggestions if suggestions is not None else f"<div>{', '.join(queries)}</div>"
    arguments = {"queries": list(queries)}
    return server_tool("google_search", arguments, [{"search_suggestions": shown}], search_type="web_search")


def server_tool(
    kind: str, arguments: Json | None = None, result: Any = None, *, is_error: bool = False, **named: str
) -> Reply:
    """Run a tool on the server: `file_search`, `google_maps`, `retrieval`, `mcp_server_tool`, `tool_search` ...

    ```python
    reply.server_tool("mcp_server_tool", {"query": "whales"}, "12 hits", name="find", server_name="library")
    ```

    *named* stands in the call beside its id, `name` and `server_name` in the result, too.
    """
    if not kind or kind.endswith(("_call", "_result")):
        raise ScriptError(f"a server tool is named without _call and _result, not {kind!r}")
    both: dict[str, Any] = {name: named[name] for name in ("name", "server_name") if name in named}
    call: dict[str, Any] = {"id": None, "type": f"{kind}_call", **both}
    call |= {} if arguments is None else {"arguments": dict(arguments)}
    answer: dict[str, Any] = {"call_id": None, "type": f"{kind}_result", **both}
    answer |= ({} if result is None else {"result": result}) | ({"is_error": True} if is_error else {})
    return Reply((InteractionStep({**call, **named}), InteractionStep(answer)))


def keep_alive(count: int = 1) -> Reply:
    """Send *count* comments that keep a stream open, as the Interactions API does while a model thinks."""
    return Reply((KeepAlive(),) * count)


def interaction_event(fields: Json) -> Reply:
    """Add an event to an interaction's stream in the wire's own words; a plain answer is without it.

    One that a stream begins or ends with takes the place of the usual one.
    """
    return Reply((InteractionEvent(dict(fields)),))
