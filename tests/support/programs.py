"""Programs: what an application does with a client, step by step, noted so that two runs can be compared."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import re
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import hypothesis.strategies as st
from google.genai import types
from pydantic import BaseModel

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import FakeLogger, reply, strategies
from support.in_memory import FAULTS, InMemoryGemini, ScriptedAnswer
from support.noting_functions import FAULTS as FUNCTION_FAULTS
from support.noting_functions import NAMES, PLAIN_NAMES, functions
from support.tally import count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from google import genai
    from maxim.logger.components.types import CommitLog

    from support.sides import Sync

_ADDRESS: Final = re.compile(r"0x[0-9a-f]{6,}")


class Finding(BaseModel):
    """What an answer may be asked to look like."""

    name: str
    size: int = 0


class Stop(Exception):
    """What the application raises while it reads."""


class Step(NamedTuple):
    """One step: a method of `Run`, and what it is given."""

    name: str
    given: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.given.items())})"


class Program(NamedTuple):
    """Steps, and what Gemini says to them."""

    steps: list[Step]
    answers: list[ScriptedAnswer]


@dataclass(frozen=True)
class Setup:
    """A config as the application would write it, made anew for each run."""

    base: types.GenerateContentConfig | None = None
    tools: tuple[str, ...] = ()
    rounds: int | None = None
    """How many remote calls automatic function calling may make; 0: none."""
    as_dict: bool = False
    schema: bool = False
    headers: bool = False

    def made(self, own: dict[str, Any], labels: dict[str, str]) -> Any:
        """Return the config with the run's own functions; *labels* are what only a wrapped client is told."""
        more: dict[str, Any] = {}
        if self.tools:
            more["tools"] = [own[name] for name in self.tools] + list((self.base and self.base.tools) or ())
        if self.rounds is not None:
            limit = {"disable": True} if self.rounds == 0 else {"maximum_remote_calls": self.rounds}
            more["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(**limit)
        if self.schema:
            more |= {"response_mime_type": "application/json", "response_schema": Finding}
        if self.headers:
            more["http_options"] = types.HttpOptions(headers={"x-user": "1", **labels})
        if self.base is None and not more:
            return None
        base = copy.deepcopy(self.base) or types.GenerateContentConfig()
        made = base.model_copy(update=more)
        return {name: getattr(made, name) for name in made.model_fields_set} if self.as_dict else made


CALLERS: Final = frozenset({"caller-1", "caller-2"})
"""Traces of the application's own, which ends them itself."""

LABELS: Final = {
    "x-maxim-trace-tags": '{"team": "search"}',
    "x-maxim-generation-tags": '{"step": 1, "who": null}',
    "x-maxim-generation-name": "labelled",
}


@dataclass
class Run:
    """One run of a program on one client, bare or wrapped."""

    gemini: InMemoryGemini
    client: Any
    side: Sync
    logger: FakeLogger | None = None
    """Where a wrapped client logs to; `None` for a bare one."""
    streams: list[Any] = field(default_factory=list)
    chats: list[Any] = field(default_factory=list)
    generations: dict[int, str] = field(default_factory=dict)
    """The generation that was the latest when each request went out."""

    def __post_init__(self) -> None:
        self.functions = functions(self.gemini.note)
        self.is_wrapped = self.logger is not None

    def restart(self, answers: Iterable[ScriptedAnswer] = ()) -> None:
        """Begin anew, with *answers*."""
        self.gemini.restart(answers)
        if self.logger is not None:
            self.gemini.on_request = self._note_generation

    @property
    def _logs(self) -> Sequence[CommitLog]:
        """What the logger was told; one that lacks its writer shows nothing."""
        return getattr(self.logger, "logs", ())

    def _note_generation(self, request: int) -> None:
        begun = (log.data["id"] for log in reversed(self._logs) if log.action == "add-generation" and log.data)
        if (latest := next(begun, None)) is not None:
            self.generations[request] = latest

    async def take(self, step: Step) -> None:
        """Take one step."""
        with self.gemini.watching():
            await getattr(self, step.name)(**step.given)

    # What a program may do.

    async def generate(self, contents: Any, setup: Setup, labels: dict[str, str], *, cancelled: bool = False) -> None:
        request = self._request(contents, setup, labels)
        await self._see("answered", lambda: self.side.generate(self.client, **request), cancelled=cancelled)
        self._check_untouched(request, contents, setup)

    async def open(self, contents: Any, setup: Setup, labels: dict[str, str]) -> None:
        request = self._request(contents, setup, labels)
        await self._see("opened", lambda: self.side.open(self.client, **request), keep=self.streams)
        self._check_untouched(request, contents, setup)

    async def chat(self, setup: Setup, history: Any, labels: dict[str, str]) -> None:
        more = {key: value for key, value in labels.items() if key != "generation_name"} if self.is_wrapped else {}
        request = {"config": self._config(setup), "history": copy.deepcopy(history), **more}

        async def create() -> Any:
            return self.side.chats(self.client).create(model="gemini-2.5-flash", **request)

        await self._see("began", create, keep=self.chats)

    async def send(self, chat: int, message: Any, setup: Setup | None, *, cancelled: bool = False) -> None:
        if (session := _pick(self.chats, chat)) is not None:
            arguments = self._message(message, setup)
            await self._see("answered", lambda: self.side.send(session, *arguments), cancelled=cancelled)
            self._look_back(session)

    async def open_turn(self, chat: int, message: Any, setup: Setup | None) -> None:
        if (session := _pick(self.chats, chat)) is not None:
            arguments = self._message(message, setup)
            await self._see("opened", lambda: self.side.open_turn(session, *arguments), keep=self.streams)

    async def end_trace(self, chat: int) -> None:
        if self.is_wrapped and (session := _pick(self.chats, chat)) is not None:
            session.end_trace()

    async def forget(self, chat: int) -> None:
        if self.chats:
            self.chats.pop(chat % len(self.chats))

    async def read(self, stream: int, chunks: int, *, cancelled: bool = False) -> None:
        if (opened := _pick(self.streams, stream)) is not None:
            for _ in range(chunks):
                await self._see("chunk", lambda: self.side.next(opened), cancelled=cancelled)

    async def read_all(self, stream: int) -> None:
        if (opened := _pick(self.streams, stream)) is not None:
            await self._see("chunks", lambda: self.side.read(opened))

    async def close(self, stream: int) -> None:
        if (opened := _pick(self.streams, stream)) is not None:
            await self._see("closed early", lambda: self.side.close(opened))

    async def drop(self, stream: int) -> None:
        if self.streams:
            del self.streams[stream % len(self.streams)]
            await self._settle()
            self.gemini.note("dropped")

    async def throw(self, stream: int) -> None:
        if (opened := _pick(self.streams, stream)) is not None:
            await self._see("thrown into", lambda: self.side.throw(opened, Stop("thrown")))

    async def stop(self, stream: int, chunks: int) -> None:
        """Read in a loop whose body fails."""
        if self.streams:
            await self._see("stopped", lambda: self._fail_reading(self.streams.pop(stream % len(self.streams)), chunks))
            await self._settle()

    # How it is noted.

    async def _fail_reading(self, stream: Any, chunks: int) -> None:
        left = chunks
        while True:
            chunk = await self.side.next(stream)
            self.gemini.note("chunk", chunk, self.gemini.is_the_sdks(chunk))
            left -= 1
            if left <= 0:
                raise Stop("enough")

    async def _see(
        self, what: str, do: Callable[[], Awaitable[Any]], *, keep: list[Any] | None = None, cancelled: bool = False
    ) -> None:
        try:
            value = await (self._cut_short(do) if cancelled and self.side.is_async else do())
        except BaseException as error:
            self.gemini.note(what, *described(error))
            _let_go(error)
        else:
            if keep is not None:
                keep.append(value)
                value = None
            each = value if isinstance(value, list) else [value]
            self.gemini.note(what, value, [self.gemini.is_the_sdks(one) for one in each])

    async def _cut_short(self, do: Callable[[], Awaitable[Any]]) -> Any:
        """Cancel what is done as soon as it waits for the network."""
        self.gemini.hangs = True
        task = asyncio.ensure_future(do())
        while not task.done() and not self.gemini.waits:  # noqa: ASYNC110  # turn by turn: both runs stop at one place
            await asyncio.sleep(0)
        self.gemini.hangs = self.gemini.waits = False
        task.cancel()
        return await task

    async def _settle(self) -> None:
        for _ in range(12 if self.side.is_async else 0):
            await asyncio.sleep(0)

    def _request(self, contents: Any, setup: Setup, labels: dict[str, str]) -> dict[str, Any]:
        request = {"contents": copy.deepcopy(contents), "config": self._config(setup)}
        return {**request, **labels} if self.is_wrapped else request

    def _config(self, setup: Setup) -> Any:
        return setup.made(self.functions, LABELS if self.is_wrapped else {})

    def _message(self, message: Any, setup: Setup | None) -> tuple[Any, ...]:
        message = copy.deepcopy(message)
        return (message,) if setup is None else (message, self._config(setup))

    def _check_untouched(self, request: dict[str, Any], contents: Any, setup: Setup) -> None:
        same = request["contents"] == contents, request["config"] == self._config(setup)
        self.gemini.note("left", *same)

    def _look_back(self, chat: Any) -> None:
        self.gemini.note("history", chat.get_history(), chat.get_history(curated=True))

    async def finish(self) -> None:
        """Let go of everything that is still open."""
        self.streams.clear()
        for chat in self.chats:
            self._look_back(chat)
        self.chats.clear()
        for _ in range(2):
            await self._settle()
            gc.collect()
        await self._settle()
        if self.logger is not None:
            for trace_id in {log.entity_id for log in self._logs} & CALLERS:
                with contextlib.suppress(Exception):  # the application's own call, which trouble may hit
                    self.logger.trace_end(trace_id)


def _pick(among: list[Any], index: int) -> Any:
    return among[index % len(among)] if among else None


def described(error: BaseException) -> tuple[Any, ...]:
    """Say what *error* is, where it came from, and what it came of."""
    message = _ADDRESS.sub("0x", str(error))
    chain = [type(one).__name__ for one in _behind(error)]
    return type(error), message, getattr(error, "code", None), _origin(error), chain


def _origin(error: BaseException) -> str:
    """Return the line that raised *error*: no line of the SDK raised the end of a stream, or what was thrown in."""
    if isinstance(error, (StopIteration, StopAsyncIteration, Stop)):
        return "nowhere"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno} {frame.name}"


def _behind(error: BaseException) -> Iterator[BaseException]:
    while (before := error.__cause__ or error.__context__) is not None:
        yield before
        error = before


def _let_go(error: BaseException) -> None:
    """Forget the frames that hold what was being read."""
    for one in (error, *_behind(error)):
        with contextlib.suppress(RuntimeError):
            traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None


async def run_program(run: Run, program: Program) -> list[tuple[Any, ...]]:
    """Run *program*; return all that happened, in order."""
    run.restart(program.answers)
    for step in program.steps:
        await run.take(step)
    await run.finish()
    return run.gemini.timeline


def wrapped_run(gemini: InMemoryGemini, raw: genai.Client, side: Sync, logger: FakeLogger) -> Run:
    """Return a run on a wrapped client."""
    return Run(gemini, MaximGeminiClient(raw, logger), side, logger)


def without_closings(timeline: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return *timeline* without the moments of letting connections go: async, the garbage collector sets them."""
    return [event for event in timeline if event[0] != "closed"]


def closings(timeline: Sequence[tuple[Any, ...]]) -> list[int]:
    """Return the numbers of the answers whose connection was let go."""
    return sorted({event[1] for event in timeline if event[0] == "closed"})


def count_function_faults(timeline: Sequence[tuple[Any, ...]]) -> None:
    """Count the functions that ran and were not simple."""
    for event in timeline:
        if event[0] == "ran" and event[1] in FUNCTION_FAULTS:
            count(f"faults: function {FUNCTION_FAULTS[event[1]]}")


def first_difference(bare: Sequence[Any], wrapped: Sequence[Any]) -> str:
    """Return the first place at which two timelines differ; empty where they are the same."""
    for index, (one, other) in enumerate(zip(bare, wrapped, strict=False)):
        if one != other:
            return f"event {index}:\n  bare    {one!r}\n  wrapped {other!r}"
    if len(bare) == len(wrapped):
        return ""
    longer = bare if len(bare) > len(wrapped) else wrapped
    return f"{len(bare)} events, wrapped {len(wrapped)}; then {longer[min(len(bare), len(wrapped))]!r}"


async def seen_as_by_the_bare_one(wrapped: Run, raw: genai.Client, program: Program) -> list[tuple[Any, ...]]:
    """Return what *wrapped* sees of *program*; fail where *raw*, bare, sees or leaves behind anything else."""
    bare = await run_program(type(wrapped)(wrapped.gemini, raw, wrapped.side), program)
    seen = await run_program(wrapped, program)
    assert closings(seen) == closings(bare), (seen, bare)
    if wrapped.side.is_async:
        bare, seen = without_closings(bare), without_closings(seen)
    assert not (difference := first_difference(bare, seen)), difference
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return seen


# Strategies.

_places = st.integers(0, 7)
_where = st.fixed_dictionaries(
    {},
    optional={
        "trace_id": st.sampled_from([*sorted(CALLERS), "not valid!"]),
        "generation_name": st.sampled_from(["named", ""]),
    },
)
_texts = st.sampled_from(["Hi", "Add 1 and 2", "\u2028 x \x00", "Zoë 👩‍👩‍👧"])


def tool_calls() -> st.SearchStrategy[reply.Reply]:
    """Generate answers that ask for one to three of the functions, with arguments that may not fit."""
    words = st.fixed_dictionaries({"text": st.sampled_from(["a", "b", 3])})
    sums = st.fixed_dictionaries({"left": st.sampled_from([1, 2, "x"])}, optional={"right": st.just(3)})
    call_ids = st.none() | st.sampled_from(["call-1", "call-2", "not valid!"])
    args = dict.fromkeys(NAMES, words) | {"add": sums, "file": st.just({"paper": "p"})}
    call = st.one_of(*(st.builds(reply.function_call, st.just(name), args[name], call_id=call_ids) for name in NAMES))
    return st.lists(call, min_size=1, max_size=3).map(lambda calls: sum(calls[1:], calls[0]))


def answers() -> st.SearchStrategy[ScriptedAnswer]:
    """Generate any answer, and what befalls it on its way."""
    scripted = st.one_of(
        tool_calls(),
        strategies.streams(),
        tool_calls(),
        strategies.responses(),
        tool_calls(),
        st.just(reply.stream("one ", "two ", "three")),
        tool_calls(),
        strategies.errors(),
        strategies.streams(broken=True),
        st.just(reply.text('{"name": "tea", "size": 2}')),
    )
    fault = st.one_of(st.just(""), st.just(""), st.sampled_from([*FAULTS, *FAULTS[:-1], *FAULTS[:-1]]))
    return st.builds(ScriptedAnswer, scripted, fault, _places)


def setups() -> st.SearchStrategy[Setup]:
    """Generate any config, with and without functions."""
    return st.builds(
        Setup,
        base=st.one_of(st.none(), st.none(), strategies.configs()),
        tools=st.sampled_from([(), PLAIN_NAMES, NAMES])
        | st.just(PLAIN_NAMES)
        | st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple),
        rounds=st.sampled_from([None, None, None, None, 0, 2]),
        as_dict=st.booleans(),
        schema=st.sampled_from([False, False, False, True]),
        headers=st.sampled_from([False, False, True]),
    )


def contents() -> st.SearchStrategy[Any]:
    """Generate whatever may be asked, and what may not."""
    return st.one_of(
        _texts,
        strategies.contents(),
        _texts,
        strategies.contents(),
        st.sampled_from([None, [], [""], {"no": "part"}, 3]),
    )


def histories() -> st.SearchStrategy[Any]:
    """Generate what a chat may begin with."""
    turns = [types.UserContent("Hi"), types.ModelContent("Hello")]
    dicts = [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}]
    return st.sampled_from([None, [], turns, dicts])


def _step(name: str, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.fixed_dictionaries(given).map(lambda drawn: Step(name, drawn))


_rarely = st.sampled_from([False] * 9 + [True])

STEPS: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "generate": {"contents": contents(), "setup": setups(), "labels": _where, "cancelled": _rarely},
    "open": {"contents": contents(), "setup": setups(), "labels": _where},
    "chat": {"setup": setups(), "history": histories(), "labels": _where},
    "send": {"chat": _places, "message": contents(), "setup": st.none() | setups(), "cancelled": _rarely},
    "open_turn": {"chat": _places, "message": contents(), "setup": st.none() | setups()},
    "read": {"stream": _places, "chunks": st.integers(1, 4), "cancelled": _rarely},
    "read_all": {"stream": _places},
    "close": {"stream": _places},
    "drop": {"stream": _places},
    "throw": {"stream": _places},
    "stop": {"stream": _places, "chunks": st.integers(1, 3)},
    "end_trace": {"chat": _places},
    "forget": {"chat": _places},
}
"""Every step, and how what it is given is generated."""

_BEGINNINGS = ("generate", "open", "chat")
_USUAL = ("generate", "send", "open_turn", "read_all")
_REST = (*_USUAL, *_USUAL, *_USUAL, *STEPS)
"""What is usual comes more often: else most of a program has nothing to work on, and few functions run."""


def _one_of(names: Iterable[str]) -> st.SearchStrategy[Step]:
    return st.one_of(*(_step(name, **STEPS[name]) for name in names))


def programs() -> st.SearchStrategy[Program]:
    """Generate programs that open something and do something with it."""
    rest = st.lists(_one_of(_REST), min_size=4, max_size=12)
    steps = st.builds(lambda first, then: [first, *then], _one_of(_BEGINNINGS), rest)
    return st.builds(Program, steps, st.lists(answers(), min_size=5, max_size=12))


def rich_programs() -> list[Program]:
    """Return programs that are tried in every run: a function that runs, a stream with thoughts and growing counts."""
    stream = (
        (reply.thought("Hm. ") + reply.usage(prompt=3, candidates=1))
        + (reply.event(reply.text("one ")) + reply.usage(prompt=3, candidates=2, thoughts=4))
        + (reply.event(reply.text("two")) + reply.usage(prompt=3, candidates=5, thoughts=4))
    )
    called = reply.text("Let me add. ") + reply.function_call("add", left=1, right=2)
    plain, tools = Setup(headers=True), Setup(tools=PLAIN_NAMES)
    ask = {"contents": "Hi", "labels": {}}
    return [
        Program(
            [Step("open", {**ask, "setup": plain}), Step("read_all", {"stream": 0})],
            [ScriptedAnswer(stream)],
        ),
        Program(
            [
                Step("generate", {**ask, "setup": tools}),
                Step("chat", {"setup": tools, "history": None, "labels": {}}),
                Step("open_turn", {"chat": 0, "message": "Hi", "setup": None}),
                Step("read_all", {"stream": 0}),
            ],
            [ScriptedAnswer(called), ScriptedAnswer(stream), ScriptedAnswer(called), ScriptedAnswer(stream)],
        ),
    ]
