"""Replies that functions make: what they raise, what they return instead, how long they take."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import errors
from support.clients import asking

from maxim_gemini.testing import GeminiMock, GeminiServer, reply
from maxim_gemini.testing._http.sdk import aclose
from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from google import genai

    from maxim_gemini.testing._replies.request import GeminiRequest

MODEL = "gemini-2.5-flash"


def ask(client: genai.Client, text: str = "hi") -> str | None:
    return client.models.generate_content(model=MODEL, contents=text).text


def fails(request: GeminiRequest) -> Any:
    raise KeyError("my mistake")


def answered_with_500(*replies: Any, prepare: Any = lambda _: None) -> tuple[GeminiServer, errors.ServerError]:
    """Ask a server of *replies* once; return it, stopped, and the error that the client got."""
    with GeminiServer(*replies, strict=False) as server, asking(server.url) as client:
        prepare(server)
        with pytest.raises(errors.ServerError) as answered:
            ask(client)
    assert answered.value.code == 500
    return server, answered.value


def test_what_a_reply_function_raises_is_raised_at_the_end_even_if_the_application_swallows_its_500() -> None:
    server, answered = answered_with_500(prepare=lambda server: server.always(fails))
    with pytest.raises(KeyError, match="my mistake") as raised:
        server.check()
    assert "fails" in [entry.name for entry in raised.traceback]
    note = f"The reply function fails raised this for <POST {server.requests[0].path} 'hi'>."
    assert raised.value.__notes__ == [note]
    body = answered.details["error"]
    assert (body["status"], body["message"]) == ("INTERNAL", f"KeyError: 'my mistake'\n{note}")
    [debug] = body["details"]
    assert any('raise KeyError("my mistake")' in line for line in debug["stackEntries"])


def test_leaving_the_block_raises_it() -> None:
    server = GeminiServer(fails)
    server.start()
    with asking(server.url) as client, pytest.raises(errors.ServerError):
        ask(client)
    with pytest.raises(KeyError, match="my mistake"):
        server.__exit__(None, None, None)


def test_in_the_mock_it_is_raised_in_the_application_and_at_the_end() -> None:
    with GeminiMock(fails, strict=False) as mock, asking() as client, pytest.raises(KeyError):
        ask(client)
    with pytest.raises(KeyError, match="my mistake"):
        mock.check()


def test_a_test_that_fails_for_another_reason_names_it() -> None:
    server = GeminiServer(fails)
    server.start()
    with asking(server.url) as client, pytest.raises(errors.ServerError):
        ask(client)
    error = ZeroDivisionError()
    server.__exit__(ZeroDivisionError, error, None)
    [note] = error.__notes__
    assert "Traceback" in note
    assert "KeyError: 'my mistake'" in note


@pytest.mark.parametrize(
    ("returned", "shown"),
    [(None, "got None"), ("Paris.", "got 'Paris.'"), ((reply.text("a") for _ in ()), "got <generator")],
    ids=["None", "str", "generator"],
)
def test_a_function_that_returns_no_reply_is_an_error_that_says_what_it_returned(returned: Any, shown: str) -> None:
    server, answered = answered_with_500(lambda _: returned)
    assert shown in str(answered)
    with pytest.raises(ScriptError, match=rf"<lambda> must return a reply such as reply\.text\(\.\.\.\), {shown}"):
        server.check()


def test_an_iterator_that_ends_is_one_clear_error() -> None:
    replies: Any = iter([])
    server, answered = answered_with_500(lambda _: next(replies))
    assert "its iterator ended" in str(answered)
    with pytest.raises(ScriptError, match="its iterator ended"):
        server.check()


def test_an_empty_reply_of_a_function_is_refused_as_one_in_the_script_is() -> None:
    server, _ = answered_with_500(lambda _: reply.response(model_version="x"))
    with pytest.raises(ScriptError, match="this reply is empty"):
        server.check()


def test_half_a_surrogate_pair_is_refused_where_it_is_written() -> None:
    server, answered = answered_with_500(lambda request: reply.text("half \ud83d"))
    assert "half a surrogate pair" in str(answered)
    with pytest.raises(ScriptError, match="half a surrogate pair"):
        server.check()


def says_hello(request: GeminiRequest) -> Any:
    assert request.text == "hello"


@pytest.mark.parametrize(
    "prepare",
    [lambda server: server.reply(says_hello), lambda server: server.when(says_hello).always(reply.text("x"))],
    ids=["function", "predicate"],
)
def test_a_failed_assertion_fails_the_test(prepare: Any) -> None:
    server, _ = answered_with_500(prepare=prepare)
    with pytest.raises(AssertionError, match="hello"):
        server.check()


def test_pytest_fail_in_a_function_fails_the_test() -> None:
    server, _ = answered_with_500(lambda _: pytest.fail("not this"))
    with pytest.raises(pytest.fail.Exception, match="not this"):
        server.check()


async def test_an_async_function_is_awaited() -> None:
    async def later(request: GeminiRequest) -> reply.Reply:
        await asyncio.sleep(0.001)
        return reply.text(f"late {request.text}")

    with GeminiServer(later, later) as server, asking(server.url) as client:
        assert (await client.aio.models.generate_content(model=MODEL, contents="hi")).text == "late hi"
        assert ask(client) == "late hi"
        await aclose(client)
    with GeminiMock(later, later), asking() as client:
        assert (await client.aio.models.generate_content(model=MODEL, contents="hi")).text == "late hi"
        assert ask(client) == "late hi"
        await aclose(client)


def test_a_function_that_blocks_holds_up_no_other_client() -> None:
    together = threading.Barrier(12, timeout=60)

    def waits(request: GeminiRequest) -> reply.Reply:
        together.wait()
        return reply.text(request.text)

    with GeminiServer() as server, asking(server.url) as client:
        server.always(waits)
        answers: list[str | None] = []
        threads = [threading.Thread(target=lambda at=at: answers.append(ask(client, str(at)))) for at in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(map(str, answers), key=int) == [str(at) for at in range(12)]


def test_a_function_may_look_at_the_server_and_add_replies() -> None:
    with GeminiServer() as server, asking(server.url) as client:

        def first(request: GeminiRequest) -> reply.Reply:
            server.reply(reply.text(f"after {len(server.requests)}"))
            return reply.text("first")

        server.reply(first)
        assert [ask(client), ask(client)] == ["first", "after 1"]


@pytest.mark.parametrize("replies", [[reply.text("a")], (reply.text("a") for _ in range(2))], ids=["list", "generator"])
def test_replies_in_a_row_are_refused_with_what_to_write(replies: Any) -> None:
    with pytest.raises(ScriptError, match=r"separate arguments, got (list|generator): write \.reply\(\*replies\)"):
        GeminiServer(replies)
