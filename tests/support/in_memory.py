"""A Gemini in memory: no socket, no thread. It notes on one timeline what it is asked and what it sends."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, chain, cycle, pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

from google import genai
from google.genai import types

from maxim_gemini.testing import reply
from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.delivery import TORN
from maxim_gemini.testing._http.sdk import options_without_tls
from maxim_gemini.testing._replies.interaction_memory import Interactions
from maxim_gemini.testing._replies.interaction_writing import write_interaction
from maxim_gemini.testing._replies.model import Disconnect
from maxim_gemini.testing._replies.render import Answer, write
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import ScriptError
from support.clients import SDK_MAJOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

library: Any = importlib.import_module("httpx2" if SDK_MAJOR >= 3 else "httpx")

FAULTS: Final = ("torn", "corrupt", "disconnect", "stall", "interrupt", "refused")
"""What the network may do to one answer."""

_BREAKING: Final = frozenset({"disconnect", "stall", "interrupt"})


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """An answer, and what befalls it on its way, at which of its events."""

    reply: reply.Reply
    fault: str = ""
    at_event: int = 0


@dataclass
class InMemoryGemini:
    """Answers requests in order, then says `ok` to whatever else is asked."""

    answers: deque[ScriptedAnswer] = field(default_factory=deque)
    timeline: list[tuple[Any, ...]] = field(default_factory=list)
    requests: list[tuple[Any, ...]] = field(default_factory=list)
    bodies: list[bytearray] = field(default_factory=list)
    """What was sent of each answer."""
    made: list[list[Any]] = field(default_factory=list)
    """What the SDK made of each answer."""
    faults: Counter[str] = field(default_factory=Counter)
    hangs: bool = False
    """Whether the next thing that an async client waits for never comes."""
    waits: bool = False
    rewrite: Callable[[bytes], bytes] = bytes
    """What is sent in place of each piece of an answer."""
    on_request: Callable[[int], None] = lambda _: None
    """Called with the number of each request as it comes in."""
    interactions: Interactions = field(default_factory=lambda: _memory())
    _latest: int = 0

    def note(self, *what: Any) -> None:
        self.timeline.append(what)

    def restart(self, answers: Iterable[ScriptedAnswer] = ()) -> None:
        """Forget everything, and answer anew."""
        self.answers = deque(answers)
        self.timeline, self.requests, self.bodies, self.made = [], [], [], []
        self.hangs = self.waits = False
        self.on_request = lambda _: None
        self.interactions = _memory()
        self._latest = 0

    def take(self, request: Any) -> Body:
        number = len(self.bodies)
        headers = sorted(request.headers.multi_items())
        received = (request.method, str(request.url), headers, bytes(request.content))
        self.requests.append(received)
        self.bodies.append(bytearray())
        self.made.append([])
        self._latest = number
        self.note("asked", number, *received)
        self.on_request(number)
        read = GeminiRequest.of(request.method, str(request.url), headers, bytes(request.content))
        kept = self.interactions.answer(read)  # of an interaction that is read again
        scripted = (
            ScriptedAnswer(kept)
            if kept
            else self.answers.popleft()
            if self.answers
            else ScriptedAnswer(reply.text("ok"))
        )
        if scripted.fault == "refused":
            self.faults["refused"] += 1
            raise library.ConnectError("refused", request=request)
        answer = self._written(scripted.reply, read, number)
        if answer.status >= 400:
            self.faults[f"status {answer.status // 100}xx"] += 1
        return Body(self, number, request, scripted, answer)

    def _written(self, scripted: reply.Reply, request: GeminiRequest, number: int) -> Answer:
        try:
            if request.interaction_call == "create":
                return self.interactions.create(scripted, request, number)
            if request.interaction_call:
                return write_interaction(scripted, request, ordinal=number)
            return write(scripted, request, ordinal=number)
        except ScriptError:  # an error in mid-stream, and a plain answer was asked for
            return write(reply.error(500), request, ordinal=number)

    def sends(self, number: int, piece: bytes) -> bytes:
        self.bodies[number] += piece
        self._latest = number
        self.note("sent", number, len(piece))
        return piece

    async def pause(self) -> None:
        """Let others run; for ever, if this is where it hangs."""
        if self.hangs:
            self.waits = True
            self.faults["hang"] += 1
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    def spoken(self, number: int) -> list[dict[str, Any]]:
        """Return the raw JSON of all that the SDK could read of an answer."""
        body = bytes(self.bodies[number])
        events = [wire.event_data(block) for block in wire.split_events(body)]
        texts = [text for text in events if text] or [
            body.decode(errors="replace")
        ]  # torn inside of a character, perhaps
        return [json.loads(text) for text in texts[: len(self.made[number])]]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep every response that the SDK makes, and of which answer."""
        kind: Any = types.GenerateContentResponse
        original = kind._from_response.__func__
        before = vars(kind).get("_from_response")

        def spying(cls: Any, /, **given: Any) -> Any:
            response = original(cls, **given)
            self.made[self._latest].append(response)
            return response

        kind._from_response = classmethod(spying)
        try:
            yield
        finally:
            if before is None:
                del kind._from_response
            else:
                kind._from_response = before

    def is_the_sdks(self, response: Any) -> bool:
        """Say whether *response* is the very object that the SDK made."""
        return any(response is one for one in chain.from_iterable(self.made))

    def client(self, **more: Any) -> genai.Client:
        """Return a client of this Gemini, sync and async, with *more* options."""
        options: dict[str, Any] = options_without_tls() | more
        options["client_args"]["transport"] = SyncTransport(self)
        options["async_client_args"]["transport"] = AsyncTransport(self)
        return genai.Client(api_key="test-key", http_options=options)  # type: ignore[arg-type]


def _memory() -> Interactions:
    return Interactions(keep=1_000, keep_bytes=1_000_000)


class Body(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
    """The body of one answer, piece by piece."""

    def __init__(
        self, gemini: InMemoryGemini, number: int, request: Any, scripted: ScriptedAnswer, answer: Answer
    ) -> None:
        self._gemini = gemini
        self._number = number
        self._request = request
        self._scripted = scripted
        self._sent = [gemini.rewrite(step) if isinstance(step, bytes) else step for step in answer.sent]
        self._head = answer.status, list(answer.headers)
        self._timeline = gemini.timeline  # of this program, also if it is closed in a later one

    def response(self) -> Any:
        status, headers = self._head
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return library.Response(status, headers=kept, stream=self)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._steps():
            yield self._gemini.sends(self._number, piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._steps():
            await self._gemini.pause()
            yield self._gemini.sends(self._number, piece)

    def close(self) -> None:
        self._timeline.append(("closed", self._number))

    async def aclose(self) -> None:
        self.close()

    def _steps(self) -> Iterator[bytes]:
        pieces = [step for step in self._sent if isinstance(step, bytes)]
        fault, at_event = self._scripted.fault, self._scripted.at_event % (len(pieces) + 1)
        for index, piece in enumerate(pieces):
            if index == at_event:
                self._break(fault)
                if fault:
                    self._gemini.faults[fault] += 1
            yield from _harmed(piece, fault, hit=index == at_event)
        if at_event == len(pieces):
            self._break(fault)
        if any(isinstance(step, Disconnect) for step in self._sent):
            self._break("disconnect")

    def _break(self, fault: str) -> None:
        if fault in _BREAKING:
            self._gemini.faults[fault] += 1
        if fault == "disconnect":
            raise library.RemoteProtocolError("gone", request=self._request)
        if fault == "stall":
            raise library.ReadTimeout("silent", request=self._request)
        if fault == "interrupt":
            raise KeyboardInterrupt("by hand")


def _harmed(piece: bytes, fault: str, *, hit: bool) -> Iterator[bytes]:
    if fault == "torn":
        ends = takewhile(lambda end: end < len(piece), accumulate(cycle(TORN)))
        yield from (piece[start:end] for start, end in pairwise([0, *ends, len(piece)]))
    elif fault == "corrupt" and hit:
        half = len(piece.rstrip()) // 2
        yield piece[:half] + b"#" * (len(piece.rstrip()) - half) + piece[len(piece.rstrip()) :]
    else:
        yield piece


class SyncTransport(library.BaseTransport):  # type: ignore[misc]
    """What a sync client sends through."""

    def __init__(self, gemini: InMemoryGemini) -> None:
        self._gemini = gemini

    def handle_request(self, request: Any) -> Any:
        request.read()
        return self._gemini.take(request).response()


class AsyncTransport(library.AsyncBaseTransport):  # type: ignore[misc]
    """What an async client sends through."""

    def __init__(self, gemini: InMemoryGemini) -> None:
        self._gemini = gemini

    async def handle_async_request(self, request: Any) -> Any:
        await request.aread()
        body = self._gemini.take(request)
        await self._gemini.pause()
        return body.response()
