"""Programs with interactions: what an application does with `client.interactions`, noted as in `programs`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import hypothesis.strategies as st

from maxim_gemini import MaximGeminiClient
from maxim_gemini.testing import reply, strategies
from support.in_memory import FAULTS, ScriptedAnswer
from support.interaction_calls import CALLS, MODEL, SyncCalls
from support.programs import CALLERS, Program, Run, Step, Stop

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini.testing import FakeLogger
    from support.in_memory import InMemoryGemini
    from support.sides import Sync

AGENT: Final = "deep-research-preview-04-2026"


@dataclass
class InteractionRun(Run):
    """One run of such a program on one client, bare or wrapped."""

    ids: list[str] = field(default_factory=list)
    """The interactions that were answered."""
    labels: dict[int, dict[str, str]] = field(default_factory=dict)
    """The ids and names that the application gave for each request."""

    @property
    def calls(self) -> SyncCalls:
        """The calls of this side."""
        return CALLS[self.side.is_async]

    def _note_generation(self, request: int) -> None:
        method, url = self.gemini.requests[request][:2]
        if method == "POST" and url.endswith("/interactions"):
            super()._note_generation(request)
            self.labels[request] = self._labels

    # What a program may do.

    async def create(
        self, content: Any, options: dict[str, Any], before: int, labels: dict[str, str], **how: Any
    ) -> None:
        """Create an interaction, whole or as a stream; it may go on with an earlier one."""
        request = self._asking(content, options, before, labels)
        keep = self.streams if options.get("stream") else None
        await self._see(
            "answered", lambda: self._keeping_id(self.calls.call(self.client, "create", **request)), keep=keep, **how
        )

    async def raw(self, content: Any, options: dict[str, Any], *, parses: bool) -> None:
        """Create one by way of the raw response."""
        request = self._asking(content, options, 0, {})

        async def look() -> Any:
            response = await self.calls.raw(self.client, **request)
            self.gemini.note("raw", type(response).__name__, response.http_response.status_code)
            return await self._parsed(response) if parses else None

        await self._see("raw answer", look)

    async def streaming(self, content: Any, options: dict[str, Any], *, parses: bool, fails: bool) -> None:
        """Create one whose body is read inside a context."""
        request = self._asking(content, options, 0, {})
        manager = self.calls.of(self.client).with_streaming_response.create(**request)

        async def look(response: Any) -> Any:
            self.gemini.note("raw", type(response).__name__, response.http_response.status_code)
            if fails:
                raise Stop("inside")
            return await self._parsed(response) if parses else None

        async def enter() -> Any:
            if self.side.is_async:
                async with manager as response:
                    return await look(response)
            with manager as response:
                return await look(response)

        await self._see("streamed answer", enter)

    async def get(self, which: int, *, stream: bool, cancelled: bool = False) -> None:
        """Read one again."""
        keep = {"keep": self.streams} if stream else {}
        more = {"stream": True} if stream else {}
        await self._see(
            "got", lambda: self.calls.call(self.client, "get", self._id(which), **more), cancelled=cancelled, **keep
        )

    async def cancel(self, which: int) -> None:
        """Cancel one."""
        await self._see("cancelled", lambda: self.calls.call(self.client, "cancel", self._id(which)))

    async def delete(self, which: int) -> None:
        """Delete one."""
        await self._see("deleted", lambda: self.calls.call(self.client, "delete", self._id(which)))

    async def close(self, stream: int) -> None:
        """Close a stream."""
        if self.streams:
            opened = self.streams[stream % len(self.streams)]
            await self._see("closed early", lambda: self.calls.close(opened))

    async def finish(self) -> None:
        """Let go of everything, and give up what still runs."""
        await super().finish()
        if self.logger is not None:
            self.logger.cleanup()

    async def _parsed(self, response: Any) -> Any:
        parsed = response.parse()
        parsed = await parsed if hasattr(parsed, "__await__") else parsed
        return await self.calls.read(parsed) if hasattr(parsed, "generator") else parsed

    async def _keeping_id(self, answering: Any) -> Any:
        answer = await answering
        if getattr(answer, "id", None):
            self.ids.append(answer.id)
        return answer

    def _id(self, which: int) -> str:
        is_unknown = which == _UNKNOWN or not self.ids
        return "v1_never" if is_unknown else self.ids[which % len(self.ids)]

    def _asking(self, content: Any, options: dict[str, Any], before: int, labels: dict[str, str]) -> dict[str, Any]:
        request = {"input": content, **options}
        if before:
            request["previous_interaction_id"] = self._id(before)
        if "agent" not in options:
            request["model"] = MODEL
        self._labels = labels
        return {**request, **labels} if self.is_wrapped else request


def interaction_run(
    gemini: InMemoryGemini, raw: genai.Client, side: Sync, logger: FakeLogger | None = None
) -> InteractionRun:
    """Return a run on *raw*, or on a wrapped client that logs to *logger*."""
    return InteractionRun(gemini, raw if logger is None else MaximGeminiClient(raw, logger), side, logger)


# Strategies.

_UNKNOWN: Final = 7
"""The index of an interaction that was never created."""

_indices = st.integers(0, 7)
_rarely = st.sampled_from([False] * 6 + [True])
_where = st.fixed_dictionaries(
    {},
    optional={
        "trace_id": st.sampled_from([*sorted(CALLERS), "not valid!"]),
        "generation_name": st.sampled_from(["named", ""]),
        "session_id": st.sampled_from(["user-7"]),
    },
)
_RESULT: Final = {"type": "function_result", "call_id": "call-1", "name": "add", "result": {"sum": 3}}
_inputs = st.sampled_from(
    [
        "Hi",
        "\u2028 x \x00 Zoë",
        [{"type": "text", "text": "Hi"}, {"type": "image", "mime_type": "image/png", "data": "aWJt"}],
        [{"type": "user_input", "content": [{"type": "text", "text": "Hi"}]}],
        [_RESULT],
        [],
    ]
)
_usual = st.sampled_from([{}, {}, {"generation_config": {"temperature": 0.5}}, {"system_instruction": "Be brief."}])
_options = st.one_of(
    _usual,
    st.just({"stream": True}),
    st.just({"stream": True}),
    st.just({"background": True}),
    st.sampled_from([{"agent": AGENT, "background": True}, {"agent": AGENT}, {"agent": AGENT, "stream": True}]),
    st.sampled_from([{"automatic_continuation": False}, {"store": False}, {"extra_headers": {"x-user": "1"}}]),
)
_plain_options = st.one_of(_usual, st.just({"stream": True}))

INTERACTION_STEPS: Final[dict[str, dict[str, st.SearchStrategy[Any]]]] = {
    "create": {"content": _inputs, "options": _options, "before": _indices, "labels": _where, "cancelled": _rarely},
    "raw": {"content": _inputs, "options": _plain_options, "parses": st.booleans()},
    "streaming": {"content": _inputs, "options": _plain_options, "parses": st.booleans(), "fails": _rarely},
    "get": {"which": _indices, "stream": _rarely, "cancelled": _rarely},
    "cancel": {"which": _indices},
    "delete": {"which": _indices},
    "read": {"stream": _indices, "chunks": st.integers(1, 4), "cancelled": _rarely},
    "read_all": {"stream": _indices},
    "close": {"stream": _indices},
    "drop": {"stream": _indices},
    "stop": {"stream": _indices, "chunks": st.integers(1, 3)},
}
"""Every step, and how what it is given is generated."""

_USUAL: Final = ("create", "create", "get", "read_all", "read")


def interaction_answers() -> st.SearchStrategy[ScriptedAnswer]:
    """Generate any answer to a request for an interaction, and what befalls it on its way."""
    called = reply.function_call("add", left=1, right=2, call_id="call-1")
    hop = reply.text("Once ") + reply.interaction(continuation_token="t")
    answer = st.one_of(
        st.just(reply.stream("one ", "two ", "three") + reply.usage(prompt=3, candidates=2)),
        st.just(reply.text("ok") + reply.interaction(polls=1)),
        st.just(called),
        st.just(hop),
        strategies.interactions(),
        strategies.interaction_streams(),
        strategies.interaction_streams(broken=True),
        strategies.errors(),
    )
    fault = st.one_of(st.just(""), st.just(""), st.just(""), st.sampled_from(FAULTS))
    return st.builds(ScriptedAnswer, answer, fault, _indices)


def interaction_programs() -> st.SearchStrategy[Program]:
    """Generate programs that create interactions and do something with them."""
    step = st.sampled_from([*_USUAL, *_USUAL, *INTERACTION_STEPS]).flatmap(
        lambda name: st.fixed_dictionaries(INTERACTION_STEPS[name]).map(lambda given: Step(name, given))
    )
    first = st.fixed_dictionaries(INTERACTION_STEPS["create"]).map(lambda given: Step("create", given))
    steps = st.builds(lambda one, then: [one, *then], first, st.lists(step, min_size=3, max_size=9))
    return st.builds(Program, steps, st.lists(interaction_answers(), min_size=4, max_size=8))


def rich_interaction_programs() -> list[Program]:
    """Return programs for every run: a chain with functions, hops, streams left, background, early stops."""
    ask: dict[str, Any] = {"content": "Hi", "before": 0, "labels": {}}
    stream = reply.stream("one ", "two ", "three") + reply.usage(prompt=3, candidates=2)
    called = reply.function_call("add", left=1, right=2, call_id="call-1")
    hop = reply.text("Once ") + reply.interaction(continuation_token="t")
    return [
        Program(
            [
                Step("create", {**ask, "options": {}}),
                Step("create", {**ask, "content": [_RESULT], "before": 1, "options": {"stream": True}}),
                Step("read_all", {"stream": 0}),
                Step("create", {**ask, "options": {"stream": True}}),
                Step("read", {"stream": 1, "chunks": 4}),
                Step("close", {"stream": 1}),
                Step("raw", {"content": "Hi", "options": {"stream": True}, "parses": True}),
                Step("streaming", {"content": "Hi", "options": {}, "parses": True, "fails": False}),
            ],
            [
                ScriptedAnswer(called),
                ScriptedAnswer(stream),
                ScriptedAnswer(stream),
                ScriptedAnswer(stream),
                ScriptedAnswer(stream),
            ],
        ),
        Program(
            [
                Step("create", {**ask, "options": {}}),
                Step("create", {**ask, "options": {"stream": True}}),
                Step("read_all", {"stream": 0}),
                Step("create", {**ask, "options": {"background": True}}),
                Step("get", {"which": 1, "stream": False}),
                Step("get", {"which": 1, "stream": True}),
                Step("read_all", {"stream": 1}),
                Step("create", {**ask, "options": {"background": True, "agent": AGENT}}),
                Step("cancel", {"which": 2}),
                Step("create", {**ask, "options": {"background": True}}),
                Step("get", {"which": 3, "stream": True}),
                Step("read_all", {"stream": 2}),
                Step("delete", {"which": 0}),
                Step("create", {**ask, "options": {"background": True}}),
            ],
            [
                ScriptedAnswer(hop),
                ScriptedAnswer(stream),
                ScriptedAnswer(hop),
                ScriptedAnswer(stream),
                ScriptedAnswer(reply.text("Done.")),
            ],
        ),
        Program(
            [
                Step("create", {**ask, "options": {"automatic_continuation": False}}),
                Step("create", {**ask, "options": {"automatic_continuation": False, "stream": True}}),
                Step("read_all", {"stream": 0}),
            ],
            [ScriptedAnswer(hop), ScriptedAnswer(hop)],
        ),
    ]
