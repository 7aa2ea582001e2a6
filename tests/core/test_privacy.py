"""What a policy lets leave: by capture, by mask, by sample."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import errors, types
from maxim.logger import Logger
from support.maxim_backend import Backend
from support.own_log import own_messages
from support.planting import MARK

from maxim_gemini import MaximGeminiClient, Privacy, instrument, mask_secrets, span, trace
from maxim_gemini.testing import FakeLogger, GeminiMock, Reply, TextReceived, reply
from maxim_gemini.testing._http.sdk import closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


KEY = "AIzaSy" + "Dq7xT2m9" * 4 + "b"
MODEL = "gemini-2.5-flash"


def hide(text: str, where: str) -> str:
    assert where
    return text.replace(MARK, "*")


HIDING = {
    "no-content": Privacy(capture="no-content"),
    "mask": Privacy(mask=hide),
    "mask and attachments": Privacy(mask=hide, attachments=True),
}


@pytest.fixture
def bare() -> Iterator[genai.Client]:
    with closing(genai.Client(api_key="test-key")) as client:
        yield client


def look_up(query: str) -> str:
    """Look something up."""
    raise ValueError(f"nothing about {query}: {MARK}")


def part(**fields: Any) -> types.Part:
    return types.Part(**fields)


def everything(client: MaximGeminiClient) -> None:
    """Put the mark into all that an application sends, and have it come back in all that Gemini answers."""
    contents: list[Any] = [
        part(text=MARK),
        types.Part.from_uri(file_uri="gs://" + MARK, mime_type="image/png"),
        part(inline_data=types.Blob(data=MARK.encode(), mime_type="text/plain", display_name=MARK)),
        types.Content(role="model", parts=[part(function_call=types.FunctionCall(name="f", args={"a": MARK}))]),
        part(function_response=types.FunctionResponse(name="f", response={"r": MARK})),
    ]
    config = types.GenerateContentConfig(
        system_instruction=MARK,
        stop_sequences=[MARK],
        temperature=0.5,
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name="f", description=MARK)])],
    )
    client.models.generate_content(model=MODEL, contents=contents, config=config)
    client.models.generate_content(model=MODEL, contents=MARK, config={"tools": [look_up]})
    list(client.models.generate_content_stream(model=MODEL, contents=MARK))
    with pytest.raises(errors.ClientError):
        client.models.generate_content(model=MODEL, contents=MARK)
    chat = client.chats.create(model=MODEL)
    chat.send_message(MARK)
    chat.end_trace()


def answers() -> list[Reply]:
    return [
        reply.text(MARK) + reply.thought(MARK) + reply.function_call("g", a=MARK, b=[{"c": MARK}]),
        reply.function_call("look_up", query=MARK),
        reply.text(MARK),
        reply.stream("a", MARK, "b"),
        reply.error(400, message=MARK),
        reply.text(MARK),
    ]


def received(bare: genai.Client, privacy: Privacy | None) -> FakeLogger:
    """Return what Maxim receives of all that under a policy."""
    logger = FakeLogger()
    with GeminiMock(*answers()):
        everything(MaximGeminiClient(bare, logger, privacy=privacy))
    logger.assert_complete()
    return logger


def ask(bare: genai.Client, privacy: Privacy | None, *replies: Reply, text: str = "Hi", logger: Any = None) -> Any:
    """Return a logger that took one call, or as many as there are replies; an error is the application's to catch."""
    logger = logger or FakeLogger()
    client = MaximGeminiClient(bare, logger, privacy=privacy)
    with GeminiMock(*(replies or [reply.text("Hello")])):
        for _ in replies or [None]:
            with contextlib.suppress(errors.APIError):
                client.models.generate_content(model=MODEL, contents=text)
    return logger


class TestCaptureAndMask:
    def test_without_a_policy_all_is_logged(self, bare: genai.Client) -> None:
        logger = received(bare, None)
        with pytest.raises(TextReceived) as refused:
            logger.assert_no_text(MARK)
        places = ["input", "output", "messages[0].content", "error.message", "metadata.thoughts"]
        places += ["modelParameters.stop_sequences[0]", "args.a", "name", "an attachment", "url"]
        places += ["result.choices[0].message.tool_calls[0].function.arguments.a"]
        assert not [place for place in places if f"{place} contains" not in str(refused.value)], refused.value

    @pytest.mark.parametrize("how", HIDING)
    def test_what_is_hidden_is_nowhere(self, bare: genai.Client, how: str, caplog: pytest.LogCaptureFixture) -> None:
        open_, logger = received(bare, None), received(bare, HIDING[how])
        logger.assert_no_text(MARK)
        assert not [message for message in own_messages(caplog) if MARK in message]
        for one, other in zip(logger.generations, open_.generations, strict=True):
            assert (one.usage, one.finish_reason, one.model) == (other.usage, other.finish_reason, other.model)
        assert [(one.code, one.type) for one in logger.errors] == [(one.code, one.type) for one in open_.errors]
        assert [one.name for one in logger.tool_calls] == [one.name for one in open_.tool_calls]

    def test_no_content_says_so_and_keeps_numbers_and_names(self, bare: genai.Client) -> None:
        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=Privacy(capture="no-content"))
        config: Any = {"temperature": 0.5, "seed": 7, "stop_sequences": ["x"], "system_instruction": "Be kind"}
        headers = {"x-maxim-trace-tags": '{"team": "search"}', "x-maxim-generation-name": "greeting"}
        with GeminiMock(reply.thought("Hm") + reply.text("Hello")):
            client.models.generate_content(
                model=MODEL, contents="Hi", config=config | {"http_options": {"headers": headers}}
            )
        generation = logger.generation
        assert (logger.trace.input, logger.trace.output) == ("[not captured]", "[not captured]")
        assert [(one["role"], one["content"]) for one in generation.messages] == [
            ("system", "[not captured]"),
            ("user", "[not captured]"),
        ]
        parameters = generation.model_parameters
        assert (parameters["temperature"], parameters["seed"]) == (0.5, 7)
        assert parameters["stop_sequences"] == "[not captured]"
        assert (logger.trace.tags, generation.name) == ({"team": "search"}, "greeting")
        assert generation.metadata["thoughts"] == "[not captured]"
        assert generation.metadata["response_id"]

    @pytest.mark.parametrize(
        "policy", [Privacy(capture="no-media"), Privacy(attachments=False)], ids=["no-media", "off"]
    )
    def test_texts_without_attachments(self, bare: genai.Client, policy: Privacy) -> None:
        image = types.Part.from_bytes(data=b"\x89PNG" + bytes(9), mime_type="image/png")
        logger = FakeLogger()
        with GeminiMock(reply.text("A cat")):
            client = MaximGeminiClient(bare, logger, privacy=policy)
            contents: list[Any] = ["What is it?", image]
            client.models.generate_content(model=MODEL, contents=contents)
        assert logger.generation.attachments == ()
        assert logger.trace.input == "What is it?[image/png, 13 bytes]"
        assert logger.trace.output == "A cat"

    def test_beside_a_mask_attachments_are_left_out_unless_they_are_wanted(self, bare: genai.Client) -> None:
        kept = {}
        for wanted in (None, True):
            logger = FakeLogger()
            with GeminiMock(reply.text("A cat")):
                client = MaximGeminiClient(bare, logger, privacy=Privacy(mask=hide, attachments=wanted))
                blobs = [types.Blob(data=b"\x89PNG", mime_type="image/png")]
                blobs += [types.Blob(data=f"a {MARK} b".encode(), mime_type="text/csv; charset=utf-8")]
                contents: list[Any] = [part(inline_data=one) for one in blobs]
                client.models.generate_content(model=MODEL, contents=contents)
            kept[wanted] = [one.content for one in logger.generation.attachments]
        assert kept == {None: [], True: [b"\x89PNG", b"a * b"]}

    def test_a_mask_gets_each_text_with_its_place(self, bare: genai.Client) -> None:
        seen: dict[str, str] = {}

        def note(text: str, where: str) -> str:
            seen[where] = text
            return text

        config: Any = {"system_instruction": "Be kind", "temperature": 0.5, "tools": [look_up]}
        logger = FakeLogger()
        with GeminiMock(reply.function_call("look_up", query="tea"), reply.thought("Hm") + reply.text("Hello")):
            client = MaximGeminiClient(bare, logger, privacy=Privacy(mask=note))
            client.models.generate_content(model=MODEL, contents="Hi", config=config)
        expected = {
            "trace.input": "Hi",
            "trace.output": "Hello",
            "generation.messages[0].content": "Be kind",
            "generation.messages[1].content": "Hi",
            "generation.modelParameters.temperature": "0.5",
            "generation.metadata.thoughts": "Hm",
            "generation.result.choices[0].message.content": "Hello",
            "tool_call.name": "look_up",
            "tool_call.description": "Look something up.",
            "tool_call.args.query": "tea",
            "tool_call.error.message": f"nothing about tea: {MARK}",
        }
        assert {where: seen.get(where) for where in expected} == expected

    def test_tags_and_names_are_masked_too(self, bare: genai.Client) -> None:
        headers = {
            "x-maxim-trace-tags": '{"user": "ann@x.org"}',
            "x-maxim-generation-tags": '{"ann@x.org": "1"}',
            "x-maxim-generation-name": "for ann@x.org",
        }
        logger = FakeLogger()
        policy = Privacy(mask=lambda text, where: text.replace("ann@x.org", "[mail]"))
        with GeminiMock(reply.text("Hello")):
            client = MaximGeminiClient(bare, logger, privacy=policy)
            client.models.generate_content(model=MODEL, contents="Hi", config={"http_options": {"headers": headers}})
        assert logger.trace.tags == {"user": "[mail]"}
        assert (logger.generation.name, logger.generation.tags) == ("for [mail]", {"[mail]": "1"})

    @pytest.mark.parametrize(
        "given", [ValueError, KeyError, SystemExit, RecursionError], ids=lambda kind: kind.__name__
    )
    def test_a_mask_that_raises_hides_all(
        self, bare: genai.Client, given: type[BaseException], caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(text: str, where: str) -> str:
            raise given(text)

        logger = ask(bare, Privacy(mask=broken), text="secret")
        logger.assert_no_text("secret", "Hello")
        assert (logger.trace.input, logger.trace.output) == ("[masked]", "[masked]")
        assert logger.generation.usage["total_tokens"]
        (warning,) = own_messages(caplog)
        assert f"The mask raised {given.__name__}" in warning
        assert "secret" not in warning

    @pytest.mark.parametrize("given", [None, 3, b"x", ["x"]], ids=repr)
    def test_a_mask_that_gives_no_text_hides_all(
        self, bare: genai.Client, given: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        logger = ask(bare, Privacy(mask=lambda text, where: given), text="secret")
        logger.assert_no_text("secret", "Hello")
        assert [f"returned {type(given).__name__}, not str" in one for one in own_messages(caplog)] == [True]

    def test_text_of_a_class_of_its_own_is_logged_as_plain_text(self, bare: genai.Client) -> None:
        class Odd(str):
            def __str__(self) -> str:
                raise ValueError

        logger = ask(bare, Privacy(mask=lambda text, where: Odd("masked")))
        assert logger.trace.input == "masked"

    def test_the_ready_mask_replaces_what_the_recorder_scrubs(self, bare: genai.Client) -> None:
        text = f"my key is {KEY}, and Authorization: Bearer abcdefghijklmnopqrstuvwx123"
        logger = ask(bare, Privacy(mask=mask_secrets), reply.text(text), text=text)
        logger.assert_no_text(KEY, "abcdefghijklmnopqrstuvwx123")
        assert "my key is [redacted]" in logger.trace.input

    def test_json_inside_of_json_is_masked_inside(self, bare: genai.Client) -> None:
        inner = json.dumps({"a": json.dumps([MARK])})
        logger = ask(bare, Privacy(mask=hide), reply.function_call("f", x=inner), reply.text(json.dumps({"k": inner})))
        logger.assert_no_text(MARK)
        assert logger.tool_calls[0].arguments == {"x": json.dumps({"a": '["*"]'})}


class TestSample:
    def test_it_goes_by_trace_and_is_the_same_everywhere(self, bare: genai.Client) -> None:
        policy = Privacy(sample=0.3)
        ids = [f"trace-{number}" for number in range(2000)]
        kept = [one for one in ids if policy.keeps(one)]
        assert 500 < len(kept) < 700
        assert set(kept) < {one for one in ids if Privacy(sample=0.6).keeps(one)}
        assert kept[:4] == ["trace-2", "trace-6", "trace-10", "trace-14"]

    def test_a_trace_is_logged_whole_or_not_at_all(self, bare: genai.Client) -> None:
        replies = [reply.function_call("f", x=1), reply.text("b")] * 30
        logger = ask(bare, Privacy(sample=0.5), *replies)
        logger.assert_complete()
        assert 10 < len(logger.traces) < 50
        assert len(logger.traces) == len(logger.generations)
        assert all(Privacy(sample=0.5).keeps(one.id) for one in logger.traces)

    @pytest.mark.parametrize("sample", [0, 0.0])
    def test_nothing_of_a_sample_of_none(self, bare: genai.Client, sample: float) -> None:
        assert ask(bare, Privacy(sample=sample), reply.text("a"), reply.error(400)).logs == ()

    def test_calls_of_one_trace_agree_with_every_wrapper(self, bare: genai.Client) -> None:
        for trace_id in ("trace-2", "trace-3"):
            logger = FakeLogger()
            with GeminiMock(reply.text("a"), reply.text("b")):
                for _ in range(2):
                    client = MaximGeminiClient(bare, logger, privacy=Privacy(sample=0.3))
                    client.models.generate_content(model=MODEL, contents="Hi", trace_id=trace_id)
            assert len(logger.generations) == (2 if trace_id == "trace-2" else 0)

    def test_errors_are_kept_on_request_with_all_that_came_before(self, bare: genai.Client) -> None:
        def fails(x: int) -> int:
            raise ValueError(x)

        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=Privacy(sample=0, keep_errors=True))
        call = reply.function_call("fails", x=1)
        with GeminiMock(reply.text("fine"), call, reply.text("sorry"), reply.error(400), reply.text("fine")):
            for name in ("fine", "tool", "error", "fine"):
                config: Any = {"tools": [fails]} if name == "tool" else None
                with contextlib.suppress(errors.ClientError):
                    client.models.generate_content(model=MODEL, contents=name, config=config)
        logger.assert_complete()
        assert [(one.input, one.output, len(one.generations)) for one in logger.traces] == [
            ("tool", "sorry", 2),
            ("error", "", 1),
        ]
        assert "ValueError" in str(logger.traces[0].tool_calls[0].error)

    def test_a_session_comes_with_its_first_trace(self, bare: genai.Client) -> None:
        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=Privacy(sample=0, keep_errors=True))
        with GeminiMock(reply.text("a"), reply.error(400), reply.text("b")):
            for turns in (1, 2):
                chat = client.chats.create(model=MODEL, session_id=f"session-{turns}")
                for _ in range(turns):
                    with contextlib.suppress(errors.ClientError):
                        chat.send_message("Hi")
        assert [one.id for one in logger.sessions] == ["session-2"]
        assert [one.session_id for one in logger.traces] == ["session-2"]
        logger.assert_complete()

    def test_what_is_held_back_is_bounded(self, bare: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        from maxim_gemini._core import private_writer

        monkeypatch.setattr(private_writer, "HELD_BYTES", 100_000)
        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=Privacy(sample=0, keep_errors=True))
        sample = client._log._ledger.shared(private_writer.Sample, client._log.privacy)
        with GeminiMock(*(reply.text("x" * 3000) for _ in range(100))):
            streams = []
            for _ in range(100):
                streams.append(client.models.generate_content_stream(model=MODEL, contents="x" * 3000))
                next(streams[-1])
            assert 50_000 < sample._held_bytes <= 100_000
            for stream in streams:
                stream.close()
        assert (sample._held_bytes, dict(sample._held)) == (0, {})
        assert logger.logs == ()


class Spy(Logger):
    """A logger with a method of its own, which sees what it is given."""

    seen: list[Any]

    def trace_set_output(self, trace_id: str, output: Any) -> Any:
        self.seen.append(output)
        return super().trace_set_output(trace_id, output)


class TestLoggers:
    def test_a_replaced_method_does_not_see_what_is_hidden(
        self, bare: genai.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        logger = FakeLogger()
        spy: Any = Spy.__new__(Spy)
        vars(spy).update(vars(logger), seen=[])
        ask(bare, Privacy(capture="no-content"), text="secret", logger=spy)
        assert spy.seen == []
        assert logger.trace.output == "[not captured]"
        assert "they are bypassed" in own_messages(caplog)[0]

    def test_a_logger_of_another_make_gets_nothing(self, bare: genai.Client, caplog: pytest.LogCaptureFixture) -> None:
        class Other:
            def __getattr__(self, name: str) -> Callable[..., None]:
                assert name in ("writer",), name
                raise AttributeError(name)

        ask(bare, Privacy(mask=hide), logger=Other())
        assert "nothing is logged" in own_messages(caplog)[0]

    def test_two_policies_over_one_logger(self, bare: genai.Client) -> None:
        logger = FakeLogger()
        ask(bare, None, text="open", logger=logger)
        ask(bare, Privacy(capture="no-content"), text="hidden", logger=logger)
        assert [one.input for one in logger.traces] == ["open", "[not captured]"]

    def test_a_mask_costs_the_application_no_time(
        self, bare: genai.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The thread that delivers runs it, where there is one."""
        monkeypatch.setenv("MAXIM_GEMINI_SPOOL", str(tmp_path))
        masking: set[threading.Thread] = set()

        def slow(text: str, where: str) -> str:
            masking.add(threading.current_thread())
            return text.replace("secret", "*")

        with Backend() as backend:
            logger = backend.logger()
            ask(bare, Privacy(mask=slow), text="secret", logger=logger)
            logger.cleanup()
            received = "".join(backend.lines)
        assert masking
        assert threading.current_thread() not in masking
        assert "Hello" in received
        assert "secret" not in received


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"capture": "nothing"}, "capture must be one of all, no-media, no-content, got 'nothing'"),
            ({"capture": None}, "capture must be one of"),
            ({"mask": "secret"}, "mask must be a function of a text and the name of its field, got 'secret'"),
            ({"sample": 1.5}, "sample must be a number from 0 to 1, got 1.5"),
            ({"sample": -0.1}, "sample must be a number from 0 to 1"),
            ({"sample": float("nan")}, "sample must be a number from 0 to 1"),
            ({"sample": "0.1"}, "sample must be a number from 0 to 1, got '0.1'"),
            ({"sample": True}, "sample must be a number from 0 to 1, got True"),
            ({"capture": "no-content", "attachments": True}, "attachments=True contradicts capture='no-content'"),
        ],
    )
    def test_what_can_not_be_meant_is_refused(self, given: dict[str, Any], problem: str) -> None:
        with pytest.raises((ValueError, TypeError)) as refused:
            Privacy(**given)
        assert problem in str(refused.value)

    def test_the_environment_sets_it(self, bare: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAXIM_GEMINI_CAPTURE", " No-Content ")
        assert ask(bare, None).trace.input == "[not captured]"
        assert ask(bare, Privacy()).trace.input == "Hi"
        monkeypatch.setenv("MAXIM_GEMINI_SAMPLE", "0")
        assert ask(bare, None).logs == ()

    def test_a_capture_that_is_misspelt_captures_no_content(
        self, bare: genai.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("MAXIM_GEMINI_CAPTURE", "nocontent")
        assert ask(bare, None).trace.input == "[not captured]"
        warning = "MAXIM_GEMINI_CAPTURE must be one of all, no-media, no-content, got 'nocontent'"
        assert warning in own_messages(caplog)[0]

    @pytest.mark.parametrize("value", ["10%", "2", "nan", "-1"])
    def test_a_sample_that_is_no_number_keeps_all(
        self, bare: genai.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
    ) -> None:
        monkeypatch.setenv("MAXIM_GEMINI_SAMPLE", value)
        assert ask(bare, None).trace.input == "Hi"
        assert f"MAXIM_GEMINI_SAMPLE must be a number from 0 to 1, got '{value}'" in own_messages(caplog)[0]

    def test_every_wrapper_takes_it(self, bare: genai.Client) -> None:
        from maxim_gemini import MaximGeminiChats, MaximGeminiChatSession, MaximGeminiModels

        logger, policy = FakeLogger(), Privacy(capture="no-content")
        with GeminiMock(*[reply.text("secret")] * 3):
            MaximGeminiModels(bare.models, logger, privacy=policy).generate_content(model=MODEL, contents="secret")
            MaximGeminiChats(bare.chats, logger, privacy=policy).create(model=MODEL).send_message("secret")
            MaximGeminiChatSession(bare.chats.create(model=MODEL), logger, privacy=policy).send_message("secret")
        logger.assert_no_text("secret")
        assert len(logger.traces) == 3


class TestTraces:
    def test_a_trace_of_the_applications_own_has_its_policy(self, bare: genai.Client) -> None:
        logger = FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=Privacy(capture="no-content"))
        metadata = {"words": "secret", "count": 3}
        with (
            GeminiMock(reply.text("secret")),
            trace(
                logger, name="Work", input="secret", metadata=metadata, privacy=Privacy(capture="no-content")
            ) as work,
            span("Part", input="secret"),
        ):
            client.models.generate_content(model=MODEL, contents="secret")
            work.output = "secret"
        logger.assert_no_text("secret")
        logger.assert_complete()
        assert (logger.trace.name, logger.span.name) == ("Work", "Part")
        assert logger.trace.metadata["count"] == 3

    def test_all_of_a_trace_is_in_the_sample_or_out(self, bare: genai.Client) -> None:
        policy, logger = Privacy(sample=0.5), FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=policy)
        with GeminiMock(*[reply.text("a")] * 40):
            for _ in range(20):
                with trace(logger, privacy=policy), span("Part"):
                    client.models.generate_content(model=MODEL, contents="Hi")
                    client.models.generate_content(model=MODEL, contents="Hi")
        logger.assert_complete()
        assert 2 < len(logger.traces) < 18
        assert len(logger.spans) == len(logger.traces)
        assert len(logger.generations) == 2 * len(logger.traces)

    @pytest.mark.parametrize("here", [0, 0.3, 1], ids=str)
    @pytest.mark.parametrize("there", [0, 0.6, 1], ids=str)
    @pytest.mark.parametrize("in_a_span", [False, True])
    def test_another_process_logs_what_this_one_does(
        self, bare: genai.Client, here: float, there: float, in_a_span: bool
    ) -> None:
        for _ in range(20):
            ours, theirs = FakeLogger(), FakeLogger()
            with trace(ours, privacy=Privacy(sample=here)) as work, span("Part") as part:
                headers = part.headers() if in_a_span else work.headers()
            policy = Privacy(sample=there)
            client = MaximGeminiClient(bare, theirs, privacy=policy)
            with GeminiMock(reply.text("a")), trace(theirs, headers=headers, privacy=policy), span("Part"):
                client.models.generate_content(model=MODEL, contents="Hi")
            if here < 1:  # who logs all says nothing of a sample
                assert bool(ours.logs) == bool(theirs.logs), headers
                own = [one for one in theirs.spans if one.name == "Part"]
                assert len(theirs.generations) == len(own) == len(ours.traces)

    def test_errors_are_kept_of_a_trace_with_many_calls(self, bare: genai.Client) -> None:
        policy, logger = Privacy(sample=0, keep_errors=True), FakeLogger()
        client = MaximGeminiClient(bare, logger, privacy=policy)
        with GeminiMock(reply.text("a"), reply.error(400), reply.text("b")), trace(logger, privacy=policy):
            client.models.generate_content(model=MODEL, contents="Hi")
            with contextlib.suppress(errors.ClientError):
                client.models.generate_content(model=MODEL, contents="Hi")
            client.models.generate_content(model=MODEL, contents="Hi")
        logger.assert_complete()
        assert len(logger.trace.generations) == 3

    def test_every_client_of_the_process_has_the_policy(self, bare: genai.Client) -> None:
        logger = FakeLogger()
        with instrument(logger, privacy=Privacy(capture="no-content")), GeminiMock(reply.text("secret")):
            bare.models.generate_content(model=MODEL, contents="secret")
        assert logger.trace.input == "[not captured]"
        logger.assert_no_text("secret")
