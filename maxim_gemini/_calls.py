"""How a call begins, the same for sync and async: its place in Maxim, and the config that the SDK is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from . import _sdk
from ._maxim import new_id
from ._recording import Call
from ._scope import Labels, Scope, checked_id, headers_in, labels_in, split_labels
from ._tools import Conversation, with_recorded_tools

if TYPE_CHECKING:
    from ._maxim import Log


def begin_call(
    log: Log, models: Any, contents: Any, config: Any, *, trace_id: str | None, generation_name: str | None
) -> tuple[Call, Any]:
    """Return the call, and the config to send: without our headers, with tools that record their runs."""
    said, config = split_labels(config, log)
    labels = Labels(checked_id(log, "trace_id", trace_id), None, generation_name)
    labels = labels.over(said).over(labels_in(_sdk.headers_of(models), log))
    call = Call(Scope(log, labels, "Gemini call"), log.shared(Conversation), {}, contents, config)
    return call, with_recorded_tools(config, call.tools) if _sdk.is_plain(models) else config


class Chatting:
    """A chat's place in Maxim, from its creation on: the session or the trace that its turns belong to."""

    __slots__ = (
        "_attached",
        "_conversation",
        "_first_trace_id",
        "_has_own_session",
        "_is_over",
        "_labels",
        "_log",
        "_turns",
        "trace_id",
    )

    def __init__(self, log: Log, chat: Any, labels: Labels, *, is_local_trace: bool) -> None:
        labels = labels.over(labels_in(headers_in(_sdk.config_of(chat)), log))
        labels = labels.over(labels_in(_sdk.headers_of(_sdk.models_of(chat)), log))
        self._log = log
        self._first_trace_id = labels.trace_id if is_local_trace else None
        self._labels = labels._replace(trace_id=None) if is_local_trace else labels
        self._has_own_session = labels.session_id is None and self._labels.trace_id is None
        self._conversation = Conversation()
        self._attached: dict[Any, Any] = {}
        self._turns: WeakSet[Call] = WeakSet()
        self.trace_id: str | None = labels.trace_id
        self._begin_session()

    def _begin_session(self) -> None:
        self._is_over = False
        if self._has_own_session:
            self._labels = self._labels._replace(session_id=new_id())

    @property
    def session_id(self) -> str | None:
        """The session of the current or latest turn."""
        return self._labels.session_id

    def begin_turn(
        self, message: Any, config: Any, own_config: Any, *, generation_name: str | None, is_plain: bool
    ) -> tuple[Call, Any]:
        """Return the call of one turn, and the config to send with the message."""
        if self._is_over:
            self._begin_session()
        said, config = split_labels(config, self._log)
        labels = Labels(generation_name=generation_name).over(said).over(self._labels)
        scope = self._scope(labels, said)
        self.trace_id = scope.trace_id
        turn = Call(scope, self._conversation, self._attached, message, config or own_config)
        self._turns.add(turn)
        return turn, with_recorded_tools(config, turn.tools) if is_plain else config

    def _scope(self, labels: Labels, said: Labels) -> Scope:
        first, self._first_trace_id = self._first_trace_id, None
        if first is None or said.trace_id is not None:
            return Scope(self._log, labels, "Chat turn")
        return Scope(self._log, labels, "Chat turn", first)

    def end(self) -> None:
        """End the turns that are still open, and the session if it is the chat's own."""
        for turn in list(self._turns):
            turn.end(GeneratorExit())
        session_id = self.session_id
        if self._has_own_session and not self._is_over and session_id and self._log.knows(session_id):
            self._is_over = True
            self._log.attempt("end the session", self._log.logger.session_end, session_id)
