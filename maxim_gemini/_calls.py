"""How a call begins, the same for sync and async: its place in Maxim, and the config that the SDK is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakSet

from . import _sdk
from ._maxim import new_id
from ._opaque import call_above
from ._recording import Call, NoCall
from ._scope import NO_LABELS, Labels, Scope, checked_id, headers_in, labels_in, split_labels
from ._tools import Conversation
from ._wrapping import OMITTED, Wrapper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._maxim import Log
    from ._wrapping import Replaced


class TracedModels(Wrapper):
    """What sync and async models have in common."""

    _recorded: ClassVar[Any]
    _conversation: Conversation

    def _wrap(self, wrapped: Any, log: Log, keep: Any = None) -> None:
        """Stand in for models; all the single calls over one logger are one conversation."""
        super()._wrap(wrapped, log, keep)
        self._conversation = log.shared(Conversation)

    def _begin(
        self, model: str, contents: Any, config: Any, trace_id: str | None, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, dict[str, Any]]:
        """Return the models to call, the call, and the request to make."""
        request: dict[str, Any] = {"model": model, "contents": contents}
        if config is not OMITTED:
            request["config"] = config
        begun = self._log.attempt("begin the call", self._begin_call, request, trace_id, generation_name)
        return begun or (Unrecorded(self._wrapped, self._replaced), NoCall(), request)

    def _begin_call(
        self, request: dict[str, Any], trace_id: str | None, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, dict[str, Any]]:
        log, models = self._log, self._wrapped
        said, config = split_labels(request.get("config"), log)
        if "config" in request:
            request = {**request, "config": config}
        if (above := call_above(models, log)) is not None:  # which ends it, too
            return self._recorded(models, above, self._replaced), NoCall(), request
        labels = Labels(checked_id(log, "trace_id", trace_id), None, generation_name)
        labels = labels.over(said).over(labels_in(_sdk.headers_of(models), log))
        call = Call(Scope(log, labels, "Gemini call"), self._conversation, set(), request["contents"], config)
        return self._recorded(models, call, self._replaced, records_tools=True), call, request


class TracedChat(Wrapper):
    """What sync and async chats have in common."""

    _recorded: ClassVar[Any]
    _conversation: Chatting

    @classmethod
    def _in(cls, labels: Labels, chat: Any, chats: Wrapper) -> Self:
        """Return the session of a *chat* that *chats* made, at the place in Maxim that *labels* name."""
        session = cls._around(chat, chats._log, chats)
        session._converse(labels)
        return session

    def _converse(self, labels: Labels, *, is_local_trace: bool = False) -> None:
        """Begin the chat's place in Maxim."""
        self._conversation = Chatting(self._log, self._wrapped, labels, is_local_trace=is_local_trace)

    def _begin(
        self, message: Any, config: Any, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, tuple[Any, ...]]:
        """Return the chat to send to, the turn, and what to send."""
        if isinstance(config, str):
            config, generation_name = OMITTED, generation_name or config
        given = None if config is OMITTED else config
        begun = self._log.attempt("begin the turn", self._begin_turn, message, given, generation_name)
        chat, turn, given = begun or (Unrecorded(self._wrapped, self._replaced), NoCall(), given)
        return chat, turn, (message,) if config is OMITTED else (message, given)

    def _begin_turn(self, message: Any, config: Any, generation_name: str | None) -> Any:
        chat = self._wrapped
        turn, config = self._conversation.begin_turn(message, config, _sdk.config_of(chat), generation_name)
        return self._recorded(chat, turn, self._replaced), turn, config

    @property
    def trace_id(self) -> str | None:
        """The trace of the current or latest turn."""
        return self._conversation.trace_id

    @property
    def session_id(self) -> str | None:
        """The session that the turns belong to."""
        return self._conversation.session_id

    def end_trace(self) -> None:
        """End a turn that is still open, and the session if it is the chat's own; it may be called again."""
        self._conversation.end()


class TracedChats(Wrapper):
    """What the makers of sync and async chats have in common."""

    _session: ClassVar[Any]

    def _create(self, model: str, config: Any, history: Any, trace_id: str | None, session_id: str | None) -> Any:
        """Return the session of a chat that the SDK has created."""
        read = self._log.attempt("read the headers", split_labels, config, self._log)
        said, config = read or (NO_LABELS, config)
        chat = self._wrapped.create(model=model, config=config, history=history)
        ids = checked_id(self._log, "trace_id", trace_id), checked_id(self._log, "session_id", session_id)
        return self._session._in(Labels(*ids).over(said), chat, self)


class Unrecorded:
    """The methods of what is wrapped, where a call could not begin: it goes on without a trace."""

    def __init__(self, wrapped: Any, replaced: Mapping[str, Replaced]) -> None:
        self._wrapped = wrapped
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        replaced = self._replaced.get(name)
        return replaced.method if replaced else getattr(self._wrapped, name)


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
        "_scope",
        "_turns",
    )

    def __init__(self, log: Log, chat: Any, labels: Labels, *, is_local_trace: bool) -> None:
        labels = labels.over(labels_in(headers_in(_sdk.config_of(chat)), log))
        labels = labels.over(labels_in(_sdk.headers_of(_sdk.models_of(chat)), log))
        self._log = log
        self._first_trace_id = labels.trace_id if is_local_trace else None
        self._labels = labels._replace(trace_id=None) if is_local_trace else labels
        self._has_own_session = labels.session_id is None and self._labels.trace_id is None
        self._conversation = Conversation(is_one_chat=True)
        self._attached: set[Any] = set()
        self._turns: WeakSet[Call] = WeakSet()
        self._scope: Scope | None = None
        self._begin_session()

    def _begin_session(self) -> None:
        self._is_over = False
        if self._has_own_session:
            self._labels = self._labels._replace(session_id=new_id())

    @property
    def trace_id(self) -> str | None:
        """The trace of the current or latest turn; before the first one, the trace that it is to be in."""
        return self._scope.trace_id if self._scope else self._first_trace_id or self._labels.trace_id

    @property
    def session_id(self) -> str | None:
        """The session of the current or latest turn."""
        return self._labels.session_id

    def begin_turn(self, message: Any, config: Any, own_config: Any, generation_name: str | None) -> tuple[Call, Any]:
        """Return the call of one turn, and the config to send with the message."""
        if self._is_over:
            self._begin_session()
        said, config = split_labels(config, self._log)
        labels = Labels(generation_name=generation_name).over(said).over(self._labels)
        self._scope = self._scope_of(labels, said)
        turn = Call(self._scope, self._conversation, self._attached, message, config or own_config)
        self._turns.add(turn)
        return turn, config

    def _scope_of(self, labels: Labels, said: Labels) -> Scope:
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
            self._log.attempt("end the session", lambda: self._log.logger.session_end(session_id))
