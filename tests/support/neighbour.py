"""What has to work beside other tools of the same process, whichever came and goes first."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import httpx
from google import genai

from maxim_gemini.testing import GeminiRecorder
from maxim_gemini.testing._http.sdk import closing
from support.gemini import ASK, plain
from support.loopback import ReceivedRequest, Reply, loopback
from support.patched import patched
from support.recordings import call, cassette, says, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

ORDERS = (
    ("they come", "we come", "we go", "they go"),
    ("they come", "we come", "they go", "we go"),
    ("we come", "they come", "they go", "we go"),
    ("we come", "they come", "we go", "they go"),
)


@contextmanager
def recorded() -> Iterator[None]:
    """Replay calls to an address that can't be reached, over and over."""
    from pathlib import Path

    with TemporaryDirectory() as folder:
        path = cassette(
            Path(folder) / "a.yaml", (call(), says("recorded")), (call(stream=True), streams("rec", "orded"))
        )
        with GeminiRecorder(path, cassette_options={"allow_playback_repeats": True}):
            yield


def asked_in_every_way(*, with_asyncio: bool = True) -> None:
    """Ask Gemini here, in threads, pools and event loops; all have to get the recorded answer."""
    options = {"base_url": "http://127.0.0.1:1"}

    def ask() -> str | None:
        with closing(genai.Client(api_key="any", http_options=options)) as client:  # type: ignore[arg-type]
            streamed = "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ASK))
            assert streamed == "recorded", streamed
            return client.models.generate_content(**ASK).text

    async def ask_async() -> list[str | None]:
        client = genai.Client(api_key="any", http_options=options)  # type: ignore[arg-type]
        answers = [(await client.aio.models.generate_content(**ASK)).text, await asyncio.to_thread(ask)]
        await client.aio.aclose()
        return answers

    answers = [ask(), in_thread(ask), in_thread(lambda: in_thread(ask))]
    with ThreadPoolExecutor(1) as pool:
        answers += [pool.submit(ask).result(60), *pool.map(lambda _: ask(), range(2))]
    if with_asyncio:
        answers += asyncio.run(ask_async())
    assert answers == ["recorded"] * len(answers), answers


def others_are_answered(*, with_asyncio: bool = True) -> None:
    """Send requests that are none of Gemini's: they have to come back as they are."""

    async def get(url: str) -> bytes:
        async with httpx.AsyncClient() as client:
            return (await client.get(url)).content

    def serve(request: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain("live"))

    with loopback(serve) as server:
        assert httpx.get(server.url).content == plain("live")
        if with_asyncio:
            assert asyncio.run(get(server.url)) == plain("live")
    assert in_thread(lambda: "ran") == "ran"


def in_thread(function: Callable[[], T]) -> T | None:
    answers: list[T] = []
    thread = threading.Thread(target=lambda: answers.append(function()))
    thread.start()
    thread.join(60)
    return answers[0] if answers else None


def run_in_order(order: tuple[str, ...], come: Callable[[], object], go: Callable[[], object]) -> None:
    """Have them and us come and go in *order*; everything works at every step, and is restored at the end."""
    before, block = patched(), recorded()
    we_are_there = False
    for step in order:
        match step:
            case "they come":
                come()
            case "they go":
                go()
            case "we come":
                block.__enter__()
                we_are_there = True
            case _:
                block.__exit__(None, None, None)
                we_are_there = False
        if we_are_there:
            asked_in_every_way()
        others_are_answered()
    assert patched() == before


def has(*modules: str) -> bool:
    """Return whether all of *modules* are installed."""
    return all(importlib.util.find_spec(module) for module in modules)
