"""Chats, sync and async: the session or trace that their turns belong to, and how a turn begins."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

from .._core.call import Call, NoCall
from .._core.generation import STOPPED_EARLY
from .._core.headers import (
    NO_LABELS,
    Labels,
    checked_id,
    has_labels,
    headers_in,
    labels_in,
    split_labels,
    without_labels,
)
from .._core.logger import new_id, silent_log
from .._core.proxy import OMITTED, Unrecorded, Wrapper
from .._core.surroundings import is_suppressed, labels_around
from .._core.tool_calls import Conversation
from .._core.trace import Trace
from . import sdk
from .call import ContentCall

if TYPE_CHECKING:
    from .._core.logger import Log


class TracedChat(Wrapper):
    """The base of sync and async chats."""

    _recorded: ClassVar[Any]
    _conversation: Chatting

    def _converse(self, labels: Labels, *, is_local_trace: bool = False) -> None:
        """Decide which session or trace the chat's turns belong to."""
        self._conversation = Chatting(self._log, self._wrapped, labels, is_local_trace=is_local_trace)

    def _begin(
        self, message: object, config: Any, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, tuple[Any, ...]]:
        """Return the chat to call, the turn to record, and the arguments."""
        # maxim-py's chats have the generation's name as the second argument.
        if isinstance(config, str):
            config, generation_name = OMITTED, generation_name or config
        given = None if config is OMITTED else config
        begun = self._log.attempt("begin the turn", self._begin_turn, message, given, generation_name)
        chat, turn, given = begun or (Unrecorded(self._wrapped, self._replaced), NoCall(), given)
        return chat, turn, (message,) if config is OMITTED else (message, given)

    def _begin_turn(self, message: object, config: object, generation_name: str | None) -> Any:
        chat = self._wrapped
        if is_suppressed():
            sent = headers_in(config), headers_in(sdk.config_of(chat)), sdk.headers_of(sdk.models_of(chat))
            if not any(map(has_labels, sent)):
                return None
            trace = Trace(silent_log(), NO_LABELS, "")
            turn = ContentCall(trace, Conversation(), set(), message, config)
            return self._recorded(chat, turn, self._replaced), turn, without_labels(config)
        turn, config = self._conversation.begin_turn(message, config, sdk.config_of(chat), generation_name)
        return self._recorded(chat, turn, self._replaced), turn, config

    @property
    def trace_id(self) -> str | None:
        """The id of the trace of the current or latest turn."""
        return self._conversation.trace_id

    @property
    def session_id(self) -> str | None:
        """The id of the session that the turns belong to."""
        return self._conversation.session_id

    def end_trace(self) -> None:
        """End a turn that is still open, and the session if the chat has one of its own. May be called twice."""
        self._conversation.end()


class TracedChats(Wrapper):
    """The base of `client.chats` and `client.aio.chats`."""

    _session: ClassVar[Any]

    def _create(self, model: str, config: object, history: object, trace_id: str | None, session_id: str | None) -> Any:
        """Create a chat by the SDK, and return it wrapped."""
        read = self._log.attempt("read the headers", split_labels, config, self._log)
        of_headers, config = read or (NO_LABELS, config)
        chat = self._wrapped.create(model=model, config=config, history=history)
        ids = checked_id(self._log, "trace_id", trace_id), checked_id(self._log, "session_id", session_id)
        session = self._part(chat, self._session)
        session._converse(Labels(*ids).over(of_headers))
        return session


class Chatting:
    """The session or trace that the turns of one chat belong to."""

    __slots__ = (
        "_attached",
        "_conversation",
        "_first_trace_id",
        "_has_own_session",
        "_is_over",
        "_labels",
        "_log",
        "_trace",
        "_turns",
    )

    def __init__(self, log: Log, chat: object, labels: Labels, *, is_local_trace: bool) -> None:
        of_chat = labels_in(headers_in(sdk.config_of(chat)), log)
        labels = labels.over(of_chat, labels_in(sdk.headers_of(sdk.models_of(chat)), log))
        self._log = log
        self._first_trace_id = labels.trace_id if is_local_trace else None
        self._labels = labels._replace(trace_id=None) if is_local_trace else labels
        # A chat in a session or trace of the caller's has no session of its own.
        self._has_own_session = labels.session_id is None and self._labels.trace_id is None
        self._conversation = Conversation(is_one_chat=True, beyond=log.shared(Conversation))
        self._attached: set[str | bytes | None] = set()
        self._turns: WeakSet[ContentCall] = WeakSet()
        self._trace: Trace | None = None
        self._begin_session()

    def _begin_session(self) -> None:
        self._is_over = False
        if self._has_own_session:
            self._labels = self._labels._replace(session_id=new_id())

    @property
    def trace_id(self) -> str | None:
        """The id of the trace of the current or latest turn; before the first one, the id that the caller gave."""
        return self._trace.id if self._trace else self._first_trace_id or self._labels.trace_id

    @property
    def session_id(self) -> str | None:
        """The id of the session of the current or latest turn."""
        return self._labels.session_id

    def begin_turn(
        self, message: object, config: object, own_config: object, generation_name: str | None
    ) -> tuple[ContentCall, Any]:
        """Return the call of one turn, and the config to send with the message."""
        if self._is_over:
            self._begin_session()
        of_headers, config = split_labels(config, self._log)
        labels = Labels(generation_name=generation_name).over(of_headers, self._labels)
        first, self._first_trace_id = self._first_trace_id, None
        trace_id = first if first is not None and of_headers.trace_id is None else ""
        # A turn with an id of its own is no part of a trace around it.
        if not trace_id:
            labels = labels_around(labels, self._log)
        self._trace = Trace(self._log, labels, "Chat turn", trace_id)
        turn = ContentCall(self._trace, self._conversation, self._attached, message, config or own_config)
        self._turns.add(turn)
        return turn, config

    def end(self) -> None:
        """End the turns that are still open, and the session if the chat has one of its own."""
        for turn in list(self._turns):
            turn.end(STOPPED_EARLY)
        session_id = self.session_id
        if self._has_own_session and not self._is_over and session_id and self._log.knows(session_id):
            self._is_over = True
            self._log.attempt("end the session", lambda: self._log.logger.session_end(session_id))


class KnownChats:
    """The chats of clients that are not wrapped but instrumented, with the session or trace of each."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._places: WeakKeyDictionary[Any, Chatting] = WeakKeyDictionary()

    def resume(self, chat: Any, session: TracedChat) -> None:
        """Let *session*, which wraps *chat* for one turn, continue where the last turn ended."""
        with self._lock:
            known = self._places.get(chat)
            if known is None:
                session._converse(NO_LABELS)  # pyright: ignore[reportPrivateUsage]  # of this module
                self._places[chat] = session._conversation  # pyright: ignore[reportPrivateUsage]
            else:
                session._conversation = known  # pyright: ignore[reportPrivateUsage]
