"""Which reply answers which request, and what was asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from maxim_gemini.testing.exceptions import ScriptError

from .model import Document, Event, Reply
from .render import Answer, misfit, write
from .request import GeminiRequest
from .resources import Resources

Answering: TypeAlias = Reply | Callable[[GeminiRequest], Reply]
"""A reply, or a function that makes one of the request."""


class Player(Protocol):
    """Whatever answers requests: a script, a cassette."""

    requests: list[GeminiRequest]

    def answer(self, request: GeminiRequest) -> Answer:
        """Return the answer to *request*; raise `TestKitError` where there is none."""
        ...

    def check(self) -> None:
        """Raise `ScriptError` where something was asked in vain, or was left over."""
        ...


@dataclass
class Rule:
    """Replies for the requests that it matches."""

    shown: str
    matches: Callable[[GeminiRequest], bool]
    waiting: deque[Answering] = field(default_factory=deque[Answering])
    standing: Answering | None = None

    def reply(self, *replies: Answering) -> Rule:
        """Answer with *replies*, in order, each once."""
        self.waiting.extend(map(_checked, replies))
        return self

    def always(self, reply: Answering) -> Rule:
        """Answer with *reply* whenever its other replies are used up; it need not be used."""
        self.standing = _checked(reply)
        return self

    @property
    def next(self) -> Answering | None:
        """What it would answer now."""
        return self.waiting[0] if self.waiting else self.standing

    def take(self) -> Answering:
        """Return what it answers now, and go on to the next."""
        answering = self.waiting.popleft() if self.waiting else self.standing
        assert answering is not None
        return answering


class Script:
    """Replies by order, by model, by what is asked. Safe to use from several threads.

    ```python
    script = Script(reply.text("first"), reply.error(429))
    script.when(model="gemini-2.5-pro").reply(reply.text("from the big one"))
    script.when(lambda request: "weather" in request.text).always(reply.function_call("weather", city="Paris"))
    ```
    """

    def __init__(self, *replies: Answering) -> None:
        self.requests: list[GeminiRequest] = []
        self.misses: list[str] = []
        self._lock = threading.Lock()
        self._resources = Resources()
        self._rules: list[Rule] = []
        self._order = Rule("in order", lambda _: True)
        self.reply(*replies)

    def __repr__(self) -> str:
        return f"<Script {len(self.requests)} asked, {len(self.unused)} replies left>"

    def reply(self, *replies: Answering) -> None:
        """Add *replies* for whoever asks, in order, each once."""
        self._order.reply(*replies)

    def always(self, reply: Answering) -> None:
        """Answer with *reply* whatever nothing else answers."""
        self._order.always(reply)

    def when(
        self,
        predicate: Callable[[GeminiRequest], bool] | None = None,
        *,
        model: str | None = None,
        text: str | None = None,
        path: str | None = None,
    ) -> Rule:
        """Return a rule for requests that *predicate* accepts, of *model*, with *text* in the last content, to *path*.

        Rules come before the replies in order; the first one that matches and has a reply left answers.
        """
        wanted = {"model": model, "text": text, "path": path, "predicate": predicate and _name(predicate)}
        shown = ", ".join(f"{key} {value!r}" for key, value in wanted.items() if value is not None)
        if not shown:
            raise ScriptError("when() needs to know which requests: a predicate, model=, text= or path=")

        def matches(request: GeminiRequest) -> bool:
            return (
                (predicate is None or predicate(request))
                and (model is None or request.model == model)
                and (text is None or text in request.text)
                and (path is None or path in request.path)
            )

        rule = Rule(shown, matches)
        self._rules.append(rule)
        return rule

    @property
    def unused(self) -> list[str]:
        """The replies that nobody has asked for, with whom they wait for."""
        waiting = [(rule, answering) for rule in (*self._rules, self._order) for answering in rule.waiting]
        return [f"{_shown(answering)} ({rule.shown})" for rule, answering in waiting]

    def answer(self, request: GeminiRequest) -> Answer:
        """Return the answer to *request*; raise `ScriptError` where the script has none."""
        with self._lock:
            self.requests.append(request)
            ordinal = len(self.requests)
            try:
                return write(self._picked(request), request, ordinal=ordinal)
            except ScriptError as error:
                self.misses.append(str(error))
                raise

    def check(self) -> None:
        """Raise `ScriptError` where a request had no reply, or a reply no request."""
        if self.misses:
            raise ScriptError("\n".join(self.misses))
        if self.unused:
            lines = "\n  ".join(self.unused)
            raise ScriptError(f"the script was not used up, nobody asked for:\n  {lines}\nasked was: {self._asked}")

    @property
    def _asked(self) -> str:
        return ", ".join(map(repr, self.requests)) or "nothing"

    def _picked(self, request: GeminiRequest) -> Reply:
        for rule in self._rules:
            if rule.next is not None and rule.matches(request):
                return _said(rule.take(), request)
        head = self._order.next
        if head is not None and _is_for(head, request):
            return _said(self._order.take(), request)
        built_in = self._resources.answer(request)
        if built_in is not None:
            return built_in
        raise ScriptError(self._nothing_left(request))

    def _nothing_left(self, request: GeminiRequest) -> str:
        if request.generates:
            served = f"after {len(self.requests) - 1} requests" if len(self.requests) > 1 else "from the start"
            return f"no reply is left for {request!r} ({served}): add one with .reply(...) or .always(...)"
        return (
            f"nothing answers {request!r}: add a rule with .when(path={request.resource!r}).reply(reply.resource(...))"
        )


def _is_for(answering: Answering, request: GeminiRequest) -> bool:
    """Whether the next reply in order is meant for *request*: models take any, other methods what fits them."""
    if request.generates:
        return True
    if not isinstance(answering, Reply) or not request.action:
        return isinstance(answering, Reply) and _is_document(answering) and not misfit(answering, request)
    return not any(isinstance(step, Event) for step in answering.steps) and not misfit(answering, request)


def _is_document(reply: Reply) -> bool:
    return any(isinstance(step, Document) for step in reply.steps)


def _said(answering: Answering, request: GeminiRequest) -> Reply:
    return answering if isinstance(answering, Reply) else answering(request)


def _checked(answering: Answering) -> Answering:
    if isinstance(answering, Reply) and not answering.steps:
        raise ScriptError("this reply says nothing: add content to it, or use reply.empty() for an empty answer")
    if not isinstance(answering, Reply) and not callable(answering):
        raise ScriptError(f"a script holds replies, not {answering!r}: write reply.text({answering!r})")
    return answering


def _shown(answering: Answering) -> str:
    return repr(answering) if isinstance(answering, Reply) else _name(answering)


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", repr(function))


class Scripted:
    """What plays for a test, and shows what was asked of it."""

    _player: Player

    @property
    def requests(self) -> list[GeminiRequest]:
        """What was asked, in order."""
        return self._player.requests

    @property
    def script(self) -> Script:
        """The script that it plays."""
        if not isinstance(self._player, Script):
            raise ScriptError(f"this server plays {self._player!r}, not a script: it takes no replies")
        return self._player

    def reply(self, *replies: Answering) -> None:
        """Add *replies* for whoever asks, in order, each once."""
        self.script.reply(*replies)

    def always(self, reply: Answering) -> None:
        """Answer with *reply* whatever nothing else answers."""
        self.script.always(reply)

    def when(self, predicate: Callable[[GeminiRequest], bool] | None = None, **wanted: str) -> Rule:
        """Return a rule for some requests, as `Script.when` does."""
        return self.script.when(predicate, **wanted)

    def check(self) -> None:
        """Raise `ScriptError` where a request had no reply, or a reply no request."""
        self._player.check()
