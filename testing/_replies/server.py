"""`GeminiServer`: a Gemini on 127.0.0.1 that plays a script or a cassette, over real HTTP.

For applications in other processes and languages (`GOOGLE_GEMINI_BASE_URL` points there), and for recordings over real
sockets.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import socket
import threading
import time
from math import inf
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from starlette.requests import ClientDisconnect, Request

from maxim_gemini.testing._http import wire
from maxim_gemini.testing.exceptions import ScriptError, TestKitError

from .cassette_player import CassettePlayer, Pace
from .model import Disconnect, Hold, Pause
from .render import JSON_TYPE, Answer, Sent
from .request import GeminiRequest
from .script import Answering, Script, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from maxim_gemini.testing._cassette import Cassette

_TICK: Final = 0.002
"""Seconds between two looks at a gate or at the clock."""
_START: Final = 10.0
"""Seconds that a server may take to start or to stop."""


class GeminiServer(Scripted):
    """A loopback Gemini, in a thread of its own.

    ```python
    with GeminiServer(reply.text("Paris.")) as server:
        client = genai.Client(api_key="any", http_options={"base_url": server.url})
        client.models.generate_content(model="gemini-2.5-flash", contents="The capital of France?")
        assert server.requests[0].text == "The capital of France?"
    ```

    On leaving the block it raises `ScriptError` where a request had no reply, or a reply no request.
    """

    __test__ = False

    def __init__(
        self,
        *replies: Answering,
        cassette: Cassette | str | PathLike[str] | None = None,
        pace: Pace = "instant",
        host: str = "127.0.0.1",
        port: int = 0,
        strict: bool = True,
    ) -> None:
        """Prepare to serve *replies* in order, or a *cassette* at its recorded *pace* or at once.

        *port* 0 takes a free one; *strict* False leaves it to you to call `check()`.
        """
        if replies and cassette is not None:
            raise ScriptError("a server plays replies or a cassette, not both: make two servers")
        self._player = Script(*replies) if cassette is None else CassettePlayer(cassette, pace=pace)
        self._address = (host, port)
        self._strict = strict
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = self.url if self._socket else "not started"
        return f"<GeminiServer {state}, {len(self.requests)} asked>"

    @property
    def url(self) -> str:
        """Where it listens: the `base_url` of a client, or `GOOGLE_GEMINI_BASE_URL`."""
        return "http://{}:{}".format(*self._listening.getsockname()[:2])

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self._strict:
            self.check()

    def start(self) -> None:
        """Listen; raise `TestKitError` where the port is in use."""
        if self._socket is not None:
            raise TestKitError(f"{self!r} is running already")
        self._socket = _listening(*self._address)
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"GeminiServer {self.url}", daemon=True)
        self._thread.start()
        _wait(lambda: bool(self._server and self._server.started), f"{self!r} did not start")

    def stop(self) -> None:
        """Close every connection and the socket; may be called twice."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(_START)
        self._socket.close()
        self._socket = self._server = self._thread = None

    @property
    def _listening(self) -> socket.socket:
        if self._socket is None:
            raise TestKitError("this server is not running: use it in a with block, or call start()")
        return self._socket

    def _run(self) -> None:
        assert self._server is not None
        with asyncio.Runner() as runner:
            runner.run(self._server.serve(sockets=[self._listening]))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        asked = GeminiRequest.of(request.method, str(request.url), request.headers.items(), body)
        await _Delivery(self, scope, receive, send).deliver(self._answer(asked), asked)

    def _answer(self, asked: GeminiRequest) -> Answer:
        """Return the player's answer; where it has none, an error that no client retries."""
        try:
            return self._player.answer(asked)
        except TestKitError as error:
            said = {"error": {"code": 501, "message": str(error), "status": "UNIMPLEMENTED"}}
            return Answer(501, (("content-type", JSON_TYPE),), (wire.dump_json(said),))

    @property
    def closing(self) -> bool:
        """Whether it is about to stop."""
        return self._server is None or self._server.should_exit

    def break_connection(self, client: object) -> None:
        """Cut the connection of the peer *client*, a host and a port."""
        assert self._server is not None
        for connection in self._server.server_state.connections:
            # ASGI has no word for a connection that breaks; uvicorn's protocol objects hold the transport.
            transport: asyncio.Transport | None = getattr(connection, "transport", None)
            if transport is not None and transport.get_extra_info("peername") == client:
                transport.abort()


class _Delivery:
    """One answer on its way to one client."""

    def __init__(self, server: GeminiServer, scope: Scope, receive: Receive, send: Send) -> None:
        self._server = server
        self._client = scope.get("client")
        self._receive = receive
        self._send = send
        self._begun = False
        self._gone = False

    async def deliver(self, answer: Answer, asked: GeminiRequest) -> None:
        """Send the head and every piece in its time; end the answer, unless it breaks off."""
        answer = _compressed(answer, asked)
        watch = asyncio.create_task(self._watch())
        try:
            for piece in answer.sent:
                if self._gone or self._server.closing or not await self._send_piece(piece, answer):
                    return self._break()
            await self._send_body(b"", answer, more=False)
        finally:
            watch.cancel()

    async def _send_piece(self, piece: Sent, answer: Answer) -> bool:
        """Send or await *piece*; return whether the answer goes on."""
        match piece:
            case bytes():
                await self._send_body(piece, answer, more=True)
            case Pause(seconds=seconds):
                return await self._pass(time.monotonic() + seconds if seconds != inf else inf)
            case Hold(gate=gate):
                gate.reach()
                return await self._pass(inf, lambda: gate.is_open)
            case Disconnect():
                # What was sent before has to be on its way, or the client never sees it.
                await asyncio.sleep(_TICK)
                return False
        return True

    async def _pass(self, moment: float, opened: Callable[[], bool] = lambda: False) -> bool:
        """Wait for *moment* or until it is *opened*; return whether anybody is there still."""
        # The gate belongs to threads, so an event of asyncio can't be waited for.
        while not opened() and time.monotonic() < moment and not self._gone and not self._server.closing:  # noqa: ASYNC110
            await asyncio.sleep(_TICK)
        return not self._gone and not self._server.closing

    async def _watch(self) -> None:
        """Notice that the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True

    async def _send_body(self, body: bytes, answer: Answer, *, more: bool) -> None:
        if not self._begun:
            heads = [(name.encode(), value.encode()) for name, value in answer.headers]
            await self._send({"type": "http.response.start", "status": answer.status, "headers": heads})
            self._begun = True
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _break(self) -> None:
        if self._client is not None:
            self._server.break_connection(tuple(self._client))


def _compressed(answer: Answer, asked: GeminiRequest) -> Answer:
    """Return *answer* as real servers send it to a client that takes gzip: plain JSON compressed, streams never."""
    takes = "gzip" in asked.headers.get("accept-encoding", "")
    if not takes or dict(answer.headers).get("content-type") != JSON_TYPE or Disconnect() in answer.sent:
        return answer
    waits = tuple(piece for piece in answer.sent if not isinstance(piece, bytes))
    body = gzip.compress(answer.body, mtime=0)
    return Answer(answer.status, (*answer.headers, ("content-encoding", "gzip")), (*waits, body))


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        reason = "is in use: stop what listens there, or take port=0 for a free one"
        said = reason if error.errno == errno.EADDRINUSE else f"can't be listened on: {error.strerror}"
        raise TestKitError(f"{host}:{port} {said}") from None
    return listening


def _wait(done: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + _START
    while not done():
        if time.monotonic() > end:
            raise TestKitError(f"{complaint} within {_START:g} s")
        time.sleep(_TICK)
