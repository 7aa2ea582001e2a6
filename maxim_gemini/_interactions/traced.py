"""Interactions, sync and async: how a call begins and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._core import surroundings
from .._core.connection import ConnectionLog
from .._core.generation import SUCCESS
from .._core.headers import NO_LABELS, Labels, checked_id, has_labels, labels_in, without_labels_in
from .._core.logger import new_id, silent_log
from .._core.proxy import Unrecorded, Wrapper
from .._core.surroundings import is_suppressed, labels_around
from .._core.tool_calls import Conversation
from .._core.trace import Trace
from . import sdk
from .call import RUNNING, InteractionCall, InteractionChains
from .connection import LiveInteraction
from .steps import plain

if TYPE_CHECKING:
    from .._core.logger import Log

R = TypeVar("R")


class TracedInteractions(Wrapper):
    """The base of sync and async interactions."""

    _conversation: Conversation

    def _wrap(self, wrapped: Any, log: Log, keep: Any = None) -> None:
        """Wrap interactions; all interactions of one logger share one conversation, in which ids identify calls."""
        super()._wrap(wrapped, log, keep)
        self._conversation = log.shared(Conversation)

    def _begin(
        self, request: dict[str, Any], trace_id: str | None, session_id: str | None, generation_name: str | None
    ) -> InteractionCall | None:
        """Return the call to record for *request*, and remove `x-maxim-*` headers from the request."""
        of_headers: Labels = NO_LABELS
        headers: Any = request.get("extra_headers")
        if has_labels(headers):
            request["extra_headers"] = without_labels_in(headers)
            of_headers = self._log.attempt("read the headers", labels_in, headers, self._log) or NO_LABELS
        if is_suppressed():
            if not has_labels(sdk.headers_of(self._wrapped)):
                return None
            return InteractionCall(Trace(silent_log(), NO_LABELS, ""), Conversation(), _body_of(request))
        ids = checked_id(self._log, "trace_id", trace_id), checked_id(self._log, "session_id", session_id)
        of_client = labels_in(sdk.headers_of(self._wrapped), self._log)
        labels = Labels(*ids, generation_name).over(of_headers, of_client)
        return self._log.attempt("begin the call", self._begin_call, request, labels)

    def _begin_call(self, request: dict[str, Any], labels: Labels) -> InteractionCall:
        body = _body_of(request)
        labels = labels_around(labels, self._log)
        if labels.trace_id is None and labels.session_id is None:
            before = body.get("previous_interaction_id")
            labels = labels._replace(session_id=self._chains.session_of(before) or new_id())
        agent = f"Agent: {body['agent']}" if body.get("agent") else None
        trace = Trace(self._log, labels, "Interaction", session_name="Interactions", span_name=agent)
        return InteractionCall(trace, self._conversation, body)

    def _connect(self, interaction_id: str, request: dict[str, Any], *labels: str | None) -> Any:
        """Return the SDK's connection to an interaction, recorded."""
        # In this form it belongs to the session of that interaction.
        body = {**request, "previous_interaction_id": interaction_id}
        call = self._begin(body, *labels)
        request = {**request, **({"extra_headers": body["extra_headers"]} if "extra_headers" in request else {})}
        here = object()
        surroundings.enter(None, here)  # under `instrument()`, it must not be traced twice
        try:
            context = self._unrecorded.connect(interaction_id, **request)
        finally:
            surroundings.leave(here)
        self._log.attempt("watch the connection", sdk.quieten, context)
        if call is not None:
            call.configure({"previous_interaction_id": None})
            running = self._chains.running(interaction_id)
            interaction = LiveInteraction(running or call, interaction_id, is_own=running is None)
            self._log.attempt("watch the connection", sdk.watch, context, ConnectionLog(call.log, interaction))
        return context

    @property
    def _unrecorded(self) -> Unrecorded:
        """The methods of the wrapped object, without a trace."""
        return Unrecorded(self._wrapped, self._replaced)

    @property
    def _is_plain(self) -> bool:
        """`True` if `create` is the SDK's own, so that each remote call can be recorded."""
        return "create" not in getattr(self._wrapped, "__dict__", ()) and sdk.hooks_remote_calls(self._wrapped)

    @property
    def _unhooked(self) -> Any:
        """The object whose `create` is called if it is recorded as a whole."""
        is_replaced = "create" in getattr(self._wrapped, "__dict__", ())
        return self._unrecorded if is_replaced else sdk.sending_no_labels(self._wrapped)

    def _answered(self, response: R, call: InteractionCall) -> R:
        """End *call*, whose answer is complete, unless the interaction runs on in the background."""
        if not self._log.attempt("read the status", call.goes_on):
            call.end(SUCCESS)
        return response

    def _answered_raw(self, response: Any, call: InteractionCall, end_with: Any) -> Any:
        """End *call* with a raw response; a stream ends it later, when the application parses and reads that."""
        if call.is_streamed:
            return sdk.parsed_by(response, call, end_with)
        return self._answered(call.received(response), call)

    @property
    def _life(self) -> tuple[Any, Any]:
        """The functions that begin and end a call of a raw accessor."""
        return self._begin, self._answered_raw

    def _seen(self, interaction: R) -> R:
        """If *interaction*, which was read again, has ended, end its background call; return *interaction*."""
        self._log.attempt("read an interaction", self._see, interaction)
        return interaction

    def _see(self, interaction: Any) -> None:
        status, interaction_id = getattr(interaction, "status", None), getattr(interaction, "id", None)
        if not interaction_id or status in RUNNING:
            return
        call = self._chains.end(str(interaction_id))
        if call is not None:
            call.add(interaction)
            call.end(SUCCESS)

    def _resume(self, interaction_id: str, request: dict[str, Any]) -> None:
        """Prepare for a stream of an interaction, if *request* continues an earlier one."""
        call = self._chains.running(interaction_id)
        if call is not None and request.get("last_event_id"):
            call.resume()

    def _saw_event(self, interaction_id: str, event: Any) -> None:
        """Record an event of a stream that reads a running interaction again."""
        self._log.attempt("read an event", self._see_event, interaction_id, event)

    def _see_event(self, interaction_id: str, event: Any) -> None:
        call = self._chains.running(interaction_id)
        if call is None:
            return
        call.add(event)
        if getattr(event, "event_type", None) == "interaction.completed":
            self._chains.end(interaction_id)
            call.end(SUCCESS)

    @property
    def _chains(self) -> InteractionChains:
        return self._log.shared(InteractionChains)


def _body_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are sent: the keywords in *request*, or the fields of a request object in it."""
    given = request.get("request")
    if given is not None:
        body: dict[str, Any] = plain(given)
        return dict(body.get("body") or body)
    return {name: value for name, value in request.items() if name not in _NOT_SENT}


_NOT_SENT = frozenset(
    {"api_version", "extra_headers", "extra_query", "extra_body", "timeout", "automatic_continuation"}
)
