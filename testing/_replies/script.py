"""Choose the reply to each request: by order, by rules, or by a function."""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from maxim_gemini.testing.exceptions import ScriptError

from .interaction_memory import Interactions
from .interaction_writing import write_interaction
from .live_player import failure, play
from .model import Document, Reply, Turn
from .player import Player, RequestLog
from .render import Answer, misfit, write
from .request import GeminiRequest
from .resources import Resources
from .validation import refusal

if TYPE_CHECKING:
    from .live_channel import Channel, InThread

ReplyFunction: TypeAlias = Callable[[GeminiRequest], Reply | Awaitable[Reply]]
Answering: TypeAlias = Reply | ReplyFunction
"""A reply, or a function that makes one from the request; an async function runs in an event loop of its own."""


@dataclass
class Rule:
    """Replies for the requests that match it."""

    shown: str
    matches: Callable[[GeminiRequest], bool]
    waiting: deque[Answering] = field(default_factory=deque[Answering])
    standing: Answering | None = None

    def reply(self, *replies: Answering) -> Rule:
        """Add *replies*, which are used in order, each once."""
        self.waiting.extend(map(_checked, replies))
        return self

    def always(self, reply: Answering) -> Rule:
        """Set the reply that is used when all others are used up. It does not have to be used."""
        self.standing = _checked(reply)
        return self

    @property
    def next(self) -> Answering | None:
        """The next reply, or `None`."""
        return self.waiting[0] if self.waiting else self.standing

    def take(self) -> Answering:
        """Return the next reply, and mark it as used."""
        answering = self.waiting.popleft() if self.waiting else self.standing
        assert answering is not None
        return answering


class Scriptable(ABC):
    """A script, or something that plays one: replies can be added to it."""

    @property
    @abstractmethod
    def script(self) -> Script:
        """The script."""

    def reply(self, *replies: Answering) -> None:
        """Add *replies* for any requests; they are used in order, each once."""
        self.script.order.reply(*replies)

    def always(self, reply: Answering) -> None:
        """Set the reply for all requests that no other reply answers."""
        self.script.order.always(reply)

    def when(
        self,
        predicate: Callable[[GeminiRequest], bool] | None = None,
        *,
        model: str | None = None,
        text: str | None = None,
        path: str | None = None,
    ) -> Rule:
        """Return a rule, to which you add replies, for requests that fulfil all given conditions.

        *predicate*: a function of the request that returns whether the rule applies.
        *model*: the name of the model.
        *text*: a part of the text of the last content.
        *path*: a part of the path.

        Rules come before the replies in order; the first rule that matches and has a reply left is used.

        Raises `ScriptError` without any condition.
        """
        wanted = {"model": model, "text": text, "path": path, "predicate": predicate and _name(predicate)}
        shown = ", ".join(f"{key} {value!r}" for key, value in wanted.items() if value is not None)
        if not shown:
            raise ScriptError("when() needs a predicate, model=, text= or path=")

        def matches(request: GeminiRequest) -> bool:
            return (
                (predicate is None or predicate(request))
                and (model is None or request.model == model)
                and (text is None or text in request.text)
                and (path is None or path in request.path)
            )

        rule = Rule(shown, matches)
        self.script.rules.append(rule)
        return rule


class Script(Scriptable, Player):
    """Replies in order, by model, or by any property of the request. Safe to use from several threads.

    ```python
    script = Script(reply.text("first"), reply.error(429))
    script.when(model="gemini-2.5-pro").reply(reply.text("from the big one"))
    script.when(lambda request: "weather" in request.text).always(reply.function_call("weather", city="Paris"))
    ```
    """

    def __init__(self, *replies: Answering, log: RequestLog | None = None) -> None:
        super().__init__(log)
        self._lock = threading.RLock()  # a predicate may look at the script
        self._resources = Resources(self.log.keep_bytes)
        self.interactions = Interactions(keep=self.log.keep_requests, keep_bytes=self.log.keep_bytes)
        """The interactions that were created, by id."""
        self.rules: list[Rule] = []
        self._standing: list[GeminiRequest] = []
        """Live sessions that do not have to be played to their end."""
        self.order = Rule("in order", lambda _: True)
        self.reply(*replies)

    def __repr__(self) -> str:
        return f"<Script {self.log.count} requests, {len(self.unused)} replies left>"

    @property
    def script(self) -> Script:
        """The script itself."""
        return self

    @property
    def unused(self) -> list[str]:
        """The replies that no request has used, with their rules."""
        waiting = [(rule, answering) for rule in (*self.rules, self.order) for answering in rule.waiting]
        return [f"{_shown(answering)} ({rule.shown})" for rule, answering in waiting]

    def check(self) -> None:
        """Raise the error of a reply function, or a `ScriptError` for a request without a reply or an unused reply."""
        super().check()
        if self.unused:
            raise ScriptError("unused replies:\n  " + "\n  ".join(self.unused) + f"\nrequests: {self.log.shown}")

    def _take(self, request: GeminiRequest, ordinal: int) -> Callable[[], Answer]:
        with self._lock:
            answering = self._picked(request)
        return partial(self._written, answering, request, ordinal)

    def turn(self, turn: Turn, request: GeminiRequest) -> Reply:
        """Return the reply of a live session to the latest message of *request*."""
        with self._keeping_errors():
            return turn if isinstance(turn, Reply) else _returned(turn, request)

    def left_over(self, turns: Sequence[Turn], request: GeminiRequest) -> None:
        """Note that the live session of *request* ended before these *turns* were used."""
        if not any(request is standing for standing in self._standing):
            shown = "\n  ".join(map(_shown, turns))
            self.errors.append(ScriptError(f"unused turns of the live session {request!r}:\n  {shown}"))

    def _refusal(self, request: GeminiRequest) -> Answer | None:
        with self._lock:
            rules = (*self.rules, self.order)
            if not any(_refuses(rule.next) for rule in rules):
                return None  # no predicate sees a request that has no message yet
            rule = self._rule_for(request)
            reply = None if rule is None or not _refuses(rule.next) else rule.take()
        if not isinstance(reply, Reply) or reply.refusal is None:
            return None
        return write(Reply((reply.refusal,)), request)

    def converse(self, request: GeminiRequest) -> Reply:
        """Return the reply for the live session that *request* opens; keep an error for `check`, and raise it."""
        with self._keeping_errors():
            self.log.add(request)
            return self._session(request)

    async def hold(self, channel: Channel, request: GeminiRequest, in_thread: InThread) -> None:
        """Serve the live session that *request* opens until it ends; keep errors for `check`."""
        try:
            session = await in_thread(lambda: self.converse(request))
        except Exception as error:
            await channel.close(failure(error))
        else:
            await play(self, channel, request, session, in_thread)

    def _session(self, request: GeminiRequest) -> Reply:
        with self._lock:
            rule = self._rule_for(request)
            if rule is None:
                raise ScriptError(self._nothing_left(request))
            if not rule.waiting:
                self._standing.append(request)
            answering = rule.take()
        reply = answering if isinstance(answering, Reply) else _returned(answering, request)
        if reply.session is None and any(isinstance(step, Document) for step in reply.steps):
            raise ScriptError(f"{reply!r} can't be a live session: write reply.live(...)")
        return reply

    def _rule_for(self, request: GeminiRequest) -> Rule | None:
        rules = (*self.rules, self.order)
        return next((rule for rule in rules if rule.next is not None and rule.matches(request)), None)

    def _written(self, answering: Answering, request: GeminiRequest, ordinal: int) -> Answer:
        reply = answering if isinstance(answering, Reply) else _returned(answering, request)
        match request.interaction_call:
            case "":
                return write(reply, request, ordinal=ordinal)
            case "create":
                return self.interactions.create(reply, request, ordinal)
            case _:
                return write_interaction(reply, request, ordinal=ordinal)

    def _picked(self, request: GeminiRequest) -> Answering:
        refused = refusal(request)
        if refused is not None:
            return Reply((refused,))
        # Refusals come first, as at real servers, and rules before the replies in order.
        for rule in self.rules:
            if rule.next is not None and rule.matches(request):
                return rule.take()
        head = self.order.next
        if head is not None and _is_for(head, request):
            return self.order.take()
        built_in = self.interactions.answer(request) or self._resources.answer(request)
        if built_in is not None:
            return built_in
        raise ScriptError(self._nothing_left(request))

    def _nothing_left(self, request: GeminiRequest) -> str:
        if request.generates or request.is_live or request.interaction_call == "create":
            served = f"after {self.log.count - 1} requests" if self.log.count > 1 else "from the start"
            return f"no reply is left for {request!r} ({served}): add one with .reply(...) or .always(...)"
        return (
            f"nothing answers {request!r}: add a rule with .when(path={request.resource!r}).reply(reply.resource(...))"
        )


def _refuses(answering: Answering | None) -> bool:
    return isinstance(answering, Reply) and answering.refusal is not None


def _returned(function: ReplyFunction, request: GeminiRequest) -> Reply:
    """Return the reply of *function* to *request*; if it raises, note the function and the request on the error."""
    try:
        reply: Any = function(request)
        if inspect.isawaitable(reply):
            reply = _awaited(reply)
    except StopIteration:
        raise ScriptError(
            f"the reply function {_name(function)} has no reply left for {request!r}: its iterator ended"
        ) from None
    except BaseException as error:
        error.add_note(f"The reply function {_name(function)} raised this for {request!r}.")
        raise
    if not isinstance(reply, Reply):
        raise ScriptError(
            f"the reply function {_name(function)} must return a reply such as reply.text(...), got {reply!r}"
        )
    return _checked_reply(reply)


def _awaited(reply: Awaitable[Any]) -> Any:
    """Run the coroutine *reply* in a new event loop in another thread: the caller may be in a running one."""

    async def awaited() -> Any:
        return await reply

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, awaited()).result()


def _is_for(answering: Answering, request: GeminiRequest) -> bool:
    """Return whether the next reply in order fits *request*; a request to a model fits any."""
    if request.generates or request.interaction_call == "create":
        return True
    if request.interaction_call:
        return False
    if not isinstance(answering, Reply) or misfit(answering, request):
        return False
    if not request.action:
        return any(isinstance(step, Document) for step in answering.steps)
    return not answering.events


def _checked(answering: Answering) -> Answering:
    if isinstance(answering, Reply):
        return _checked_reply(answering)
    if isinstance(answering, Generator | list | tuple):
        kind = type(answering).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise ScriptError(f"replies must be separate arguments, got {kind}: write .reply(*replies)")
    if not callable(answering):
        raise ScriptError(f"a reply must be a Reply or a function, got {answering!r}: write reply.text({answering!r})")
    return answering


def _checked_reply(reply: Reply) -> Reply:
    if not reply.steps:
        raise ScriptError("this reply is empty: add content to it, or use reply.empty() for an empty answer")
    return reply


def _shown(answering: Answering) -> str:
    return repr(answering) if isinstance(answering, Reply) else _name(answering)


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", repr(function))


class Scripted(Scriptable):
    """The base of `GeminiMock` and `GeminiServer`: plays a script, and shows the requests."""

    _player: Player

    @property
    def requests(self) -> list[GeminiRequest]:
        """The requests, in order. Raises `ScriptError` if some are no longer kept."""
        return self._player.log.all()

    @property
    def log(self) -> RequestLog:
        """The latest requests, and the number of all."""
        return self._player.log

    @property
    def errors(self) -> list[BaseException]:
        """The errors that requests got instead of an answer, including those that the application swallowed."""
        return list(self._player.errors)

    @property
    def script(self) -> Script:
        """The script."""
        if not isinstance(self._player, Script):
            raise ScriptError(f"this server plays {self._player!r}: replies can only be added to a script")
        return self._player

    def check(self) -> None:
        """Raise the error of a reply function, or a `ScriptError` for a request without a reply or an unused reply."""
        self._player.check()

    def explain(self, error: BaseException) -> None:
        """Add a note to *error*, which failed the test, of errors in the script: they may be the reason."""
        for reason in self._player.errors[:3]:
            if reason is not error:
                error.add_note("".join(traceback.format_exception(reason)))
