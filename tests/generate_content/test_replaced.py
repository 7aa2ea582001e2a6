"""Methods replaced on a wrapper, on what it wraps, on the SDK's classes: what is there runs, and is traced once.

Tracers and mocks do that; each program here is run on the bare client, too, and must see the same.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from google.genai import types
from support.clients import SDK_MAJOR
from support.functions import add
from support.script import call, chunks, response
from support.sides import MODEL

from maxim_gemini import MaximGeminiClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from google import genai
    from support.script import Gemini
    from support.sides import Sync

    from maxim_gemini.testing import FakeLogger

WAYS = ["models", "models streamed", "chat", "chat streamed"]

Answer = types.GenerateContentResponse


def name_of(how: str) -> str:
    name = "generate_content" if how.startswith("models") else "send_message"
    return f"{name}_stream" if how.endswith("streamed") else name


def owner(side: Sync, client: Any, how: str) -> Any:
    return side.models(client) if how.startswith("models") else side.chats(client).create(model=MODEL)


async def use(side: Sync, target: Any, how: str, **more: Any) -> list[str]:
    """Make one call in one of four ways on models or a chat; return the texts."""
    given = {"model": MODEL, "contents": "Hi", **more} if how.startswith("models") else {"message": "Hi", **more}
    answer = getattr(target, name_of(how))(**given)
    if side.is_async:
        answer = await answer
    got = await side.read(answer) if how.endswith("streamed") else [answer]
    return [one.text for one in got]


@pytest.fixture(params=WAYS)
def how(request: pytest.FixtureRequest, gemini: Gemini) -> str:
    way: str = request.param
    for _ in range(2):
        if way.endswith("streamed"):
            gemini.streams(*chunks("a", "b"))
        else:
            gemini.says(response("ab"))
    return way


def calls_the_old(target: Any, name: str, seen: list[Any]) -> None:
    """Put a function in place that calls what was read before, as langsmith and opik do."""
    old = getattr(target, name)

    @functools.wraps(old)
    def new(*args: Any, **kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return old(*args, **kwargs)

    setattr(target, name, new)


def is_wrapped_by_a_mock(target: Any, name: str, seen: list[Any]) -> None:
    def note(*args: Any, **kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return mock.DEFAULT

    setattr(target, name, mock.Mock(wraps=getattr(target, name), side_effect=note))


def is_replaced_twice(target: Any, name: str, seen: list[Any]) -> None:
    calls_the_old(target, name, seen)
    calls_the_old(target, name, [])


REPLACING: dict[str, Callable[[Any, str, list[Any]], None]] = {
    "calls the old": calls_the_old,
    "a mock that wraps": is_wrapped_by_a_mock,
    "twice": is_replaced_twice,
}


@pytest.mark.parametrize("replacing", REPLACING.values(), ids=REPLACING)
async def test_a_method_replaced_by_one_that_calls_the_old_one_runs_and_is_traced_once(
    side: Sync,
    raw: genai.Client,
    client: MaximGeminiClient,
    gemini: Gemini,
    logger: FakeLogger,
    how: str,
    replacing: Callable[[Any, str, list[Any]], None],
) -> None:
    outcomes = []
    for either in (raw, client):
        seen: list[Any] = []
        target = owner(side, either, how)
        replacing(target, name_of(how), seen)
        outcomes.append((await use(side, target, how), seen, len(gemini.requests)))
        vars(target).pop(name_of(how))
        gemini.requests.clear()
    assert outcomes[0] == outcomes[1]
    assert outcomes[1][0] == (["a", "b"] if how.endswith("streamed") else ["ab"])
    assert (logger.trace.generation.text, logger.trace.output) == ("ab", "ab")
    logger.assert_complete()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_chat_comes_to_models_that_were_replaced_before_or_after_wrapping(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger, when: str, streamed: bool
) -> None:
    """The SDK's chat talks through its client's models: whoever put something there sees each of its requests."""
    for one in (call("add", left=1, right=2), "three"):
        gemini.streams(response(one)) if streamed else gemini.says(response(one))
    how = "chat streamed" if streamed else "chat"
    name = "generate_content_stream" if streamed else "generate_content"
    seen: list[Any] = []
    wrapped = MaximGeminiClient(raw, logger)
    calls_the_old(side.models(raw if when == "before" else wrapped), name, seen)
    chat = side.chats(wrapped).create(model=MODEL, config={"tools": [add]})
    assert (await use(side, chat, how))[-1] == "three"
    assert logger.trace.output == "three"
    logger.assert_complete()
    if SDK_MAJOR < 2:  # one call of the models makes all requests that its functions lead to
        assert [kwargs["model"] for _, kwargs in seen] == [MODEL]
        return
    assert [kwargs["model"] for _, kwargs in seen] == [MODEL] * 2
    assert [len(one.messages) for one in logger.trace.generations] == [1, 3]
    assert logger.trace.tool_call.result == "3"
    assert len(gemini.requests) == 2


async def test_two_wrappers_over_one_client_trace_a_replaced_method_once_each(
    side: Sync, raw: genai.Client, gemini: Gemini, logger: FakeLogger
) -> None:
    from maxim_gemini.testing import FakeLogger as Other

    gemini.says(response("a"))
    other = Other()
    first, second, third = MaximGeminiClient(raw, logger), MaximGeminiClient(raw, other), MaximGeminiClient(raw, logger)
    seen: list[Any] = []
    calls_the_old(side.models(first), "generate_content", seen)
    for client in (second, third):
        assert await use(side, side.models(client), "models") == ["a"]
        gemini.says(response("a"))
    assert len(seen) == 2
    assert [len(one.generations) for one in (logger, other)] == [2, 1]
    logger.assert_complete()
    other.assert_complete()


async def test_a_replaced_attribute_is_what_is_read(side: Sync, client: MaximGeminiClient, how: str) -> None:
    target = owner(side, client, how)
    original = getattr(target, name_of(how))
    fake = mock.Mock(return_value=None)
    setattr(target, name_of(how), fake)
    assert getattr(target, name_of(how)) is fake
    assert getattr(target._wrapped, name_of(how)) is fake
    delattr(target, name_of(how))
    assert getattr(target, name_of(how)) == original
    assert name_of(how) not in vars(target._wrapped)


async def test_patches_of_a_mock_nest_and_undo(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger, how: str
) -> None:
    target = owner(side, client, how)
    patch = functools.partial(mock.patch.object, target, name_of(how), new_callable=mock.Mock)
    with patch() as outer:
        with patch() as inner:
            getattr(target, name_of(how))("Hi", config=None)
            inner.assert_called_once_with("Hi", config=None)
        getattr(target, name_of(how))("Hi")
        outer.assert_called_once_with("Hi")
    assert await use(side, target, how)
    assert (logger.trace.output, name_of(how) in vars(target._wrapped)) == ("ab", False)
    logger.assert_complete()


async def test_an_autospec_of_a_method_has_its_signature(side: Sync, client: MaximGeminiClient, how: str) -> None:
    target = owner(side, client, how)

    async def with_wrong_arguments() -> None:
        """Mock refuses at the call, or, from Python 3.13 on, when it is awaited."""
        reply = getattr(target, name_of(how))(nonsense=1)
        if inspect.isawaitable(reply):
            await reply

    with mock.patch.object(target, name_of(how), autospec=True) as method:
        with pytest.raises(TypeError):
            await with_wrong_arguments()
        method.assert_not_called()


@pytest.mark.parametrize("depth", [1, 2])
async def test_what_pytest_puts_back_is_the_wrappers_own(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger, how: str, depth: int
) -> None:
    """It sets what it has read, where another would delete what it has set."""
    target = owner(side, client, how)
    with ExitStack() as stack:
        for _ in range(depth):
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(target, name_of(how), lambda *_, **__: None)
    assert name_of(how) not in vars(target._wrapped)
    assert await use(side, target, how)
    assert len(logger.traces) == 1


async def test_replacements_are_undone_in_any_order(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """One through the wrapper, one beside it: each takes back its own."""
    ours, theirs = side.models(client), side.models(raw)
    through, beside = mock.Mock(name="through"), mock.Mock(name="beside")
    ours.generate_content = through
    theirs.generate_content = beside
    del ours.generate_content
    assert theirs.generate_content is beside
    del theirs.generate_content
    theirs.generate_content = beside
    ours.generate_content = through
    del ours.generate_content
    assert theirs.generate_content is beside


# Patches on the SDK's classes: what the public method gives is recorded, whoever gives it.


def made(*texts: str) -> list[Answer]:
    return [Answer.model_validate(one) for one in chunks(*texts)]


def patched(side: Sync, how: str, **more: Any) -> Any:
    return mock.patch.object(side.kinds.models if how.startswith("models") else side.kinds.chat, name_of(how), **more)


async def test_what_a_mock_of_the_sdks_class_answers_is_recorded(
    side: Sync, client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger, how: str
) -> None:
    given = made("a", "b")
    answer: Any = given if how.endswith("streamed") else given[1]
    if how.endswith("streamed") and side.is_async:

        async def stream() -> Any:
            for one in given:
                yield one

        answer = stream()
    target = owner(side, client, how)
    with patched(side, how, return_value=answer) as method:
        assert await use(side, target, how) == (["a", "b"] if how.endswith("streamed") else ["b"])
    called = {"model": MODEL, "contents": "Hi"}
    assert method.mock_calls[0] == (mock.call(**called) if how.startswith("models") else mock.call("Hi"))
    assert gemini.requests == []
    generation = logger.trace.generation
    assert generation.messages == [{"role": "user", "content": "Hi"}]
    assert (generation.model, generation.text, logger.trace.input) == (MODEL, logger.trace.output, "Hi")
    logger.assert_complete()


async def test_the_error_of_a_mock_of_the_sdks_class_is_the_generations(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    target = owner(side, client, "models")
    with patched(side, "models", side_effect=OSError("gone")), pytest.raises(OSError, match="gone"):
        await use(side, target, "models")
    assert logger.trace.generation.error is not None
    assert logger.trace.generation.error.message == "gone"
    logger.assert_complete()


async def test_the_time_that_a_method_of_another_kind_takes_is_the_generations(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """It begins when the method is called, though only its answer shows that no remote call was recorded below."""

    def slowly(self: Any, **_: Any) -> Answer:
        time.sleep(0.03)
        return made("a")[0]

    async def slowly_async(self: Any, **_: Any) -> Answer:
        await asyncio.sleep(0.03)
        return made("a")[0]

    with patched(side, "models", new=slowly_async if side.is_async else slowly):
        await use(side, client.aio.models if side.is_async else client.models, "models")
    for one in (logger.trace, logger.trace.generation):
        assert one.duration is not None
        assert one.duration.total_seconds() >= 0.03


class Iterable:
    """Can be read, but not by `next`: such a stream comes from OpenInference."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_closed = False

    def __iter__(self) -> Any:
        yield from self.stream

    async def __aiter__(self) -> Any:
        async for chunk in self.stream:
            yield chunk

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("how", ["models streamed", "chat streamed"])
@pytest.mark.parametrize("end", ["read", "closed"])
async def test_a_stream_that_is_iterable_but_no_iterator_is_read(
    side: Sync,
    client: MaximGeminiClient,
    gemini: Gemini,
    logger: FakeLogger,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    end: str,
) -> None:
    given: list[Iterable] = []
    original = side.kinds.models.generate_content_stream

    def open_stream(self: Any, **request: Any) -> Iterable:
        given.append(Iterable(original(self, **request)))
        return given[-1]

    async def open_stream_async(self: Any, **request: Any) -> Iterable:
        given.append(Iterable(await original(self, **request)))
        return given[-1]

    monkeypatch.setattr(
        side.kinds.models, "generate_content_stream", open_stream_async if side.is_async else open_stream
    )
    gemini.streams(*chunks("a", "b"))
    target = owner(side, client, how)
    if end == "read":
        assert await use(side, target, how) == ["a", "b"]
    else:
        stream = await (side.open(client) if how.startswith("models") else side.open_turn(target, "Hi"))
        await side.next(stream)
        await side.close(stream)
        assert given[0].is_closed or how.startswith("chat")  # the SDK's chat reads by a loop, and closes nothing
    assert logger.trace.output == ("ab" if end == "read" else "a")
    assert len(logger.generations) == 1
    logger.assert_complete()


async def test_an_exception_thrown_into_a_stream_over_a_list_comes_out_of_it(
    side: Sync, client: MaximGeminiClient, logger: FakeLogger
) -> None:
    """What is no generator takes no exception: it is raised where the application reads."""

    class Read:
        def __init__(self) -> None:
            self.left = made("a", "b")

        def __aiter__(self) -> Read:
            return self

        async def __anext__(self) -> Answer:
            return self.left.pop(0)

    with patched(side, "models streamed", return_value=Read() if side.is_async else made("a", "b")):
        stream = await side.open(client)
    await side.next(stream)
    with pytest.raises(KeyError, match="stop"):
        await side.throw(stream, KeyError("stop"))
    generation = logger.trace.generation
    assert (generation.text, generation.error is not None) == ("a", True)
    assert await side.read(stream) == []
    logger.assert_complete()


async def test_what_is_no_stream_is_given_as_it_is(side: Sync, client: MaximGeminiClient, logger: FakeLogger) -> None:
    """A mock that nobody told what to give."""
    answer = object()
    with patched(side, "models streamed", return_value=answer):
        assert await side.open(client) is answer
    assert logger.logs == ()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
async def test_a_remote_call_replaced_on_the_object_is_recorded(
    side: Sync, client: MaximGeminiClient, gemini: Gemini, logger: FakeLogger, streamed: bool
) -> None:
    answer: Any = made("a", "b")
    if streamed and side.is_async:

        async def stream() -> Any:
            for one in made("a", "b"):
                yield one

        answer = stream()
    name = "_generate_content_stream" if streamed else "_generate_content"
    kind = mock.AsyncMock if side.is_async else mock.Mock
    with mock.patch.object(side.models(client), name, kind(return_value=answer if streamed else answer[1])) as method:
        got = await use(side, side.models(client), "models streamed" if streamed else "models")
    assert got == (["a", "b"] if streamed else ["b"])
    method.assert_called_once()
    assert (logger.trace.generation.text, gemini.requests) == ("".join(got), [])
    logger.assert_complete()


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": {"seed": 1}}], ids=repr)
async def test_a_mock_sees_the_config_that_was_given_and_no_other(
    side: Sync, client: MaximGeminiClient, how: str, config: dict[str, Any]
) -> None:
    target = owner(side, client, how)
    answer = object()
    with patched(side, how, return_value=answer) as method:
        begun = getattr(target, name_of(how))(
            **({"model": MODEL, "contents": "Hi"} if "models" in how else {"message": "Hi"}), **config
        )
        assert (await begun if side.is_async else begun) is answer
    if how.startswith("models"):
        method.assert_called_once_with(model=MODEL, contents="Hi", **config)
    else:
        method.assert_called_once_with("Hi", *config.values())


@pytest.mark.parametrize("how", WAYS)
async def test_a_misspelt_keyword_is_an_error_as_on_the_bare_client(
    side: Sync, raw: genai.Client, client: MaximGeminiClient, how: str
) -> None:
    for either in (raw, client):
        target = owner(side, either, how)
        with pytest.raises(TypeError, match="confg"):
            await use(side, target, how, confg={})


def test_a_replacement_that_is_undone_leaves_nothing_behind(
    side: Sync, raw: genai.Client, client: MaximGeminiClient
) -> None:
    """pytest's monkeypatch puts back what it has read, which was not there before."""
    wrapped = side.models(client)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrapped, "generate_content", print)
        assert wrapped.generate_content is side.models(raw).generate_content is print
    assert "generate_content" not in vars(side.models(raw))
    assert "generate_content" not in vars(wrapped)
