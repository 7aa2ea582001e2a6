"""`GeminiServer`: a Gemini server on 127.0.0.1 that plays a script or a cassette, over real HTTP.

For applications in other processes and languages (`GOOGLE_GEMINI_BASE_URL` points there), and for recordings over real
sockets.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import socket
import threading
import traceback
import zlib
from contextlib import ExitStack, suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

import uvicorn
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from maxim_gemini.testing._clock import monotonic
from maxim_gemini.testing._http import sdk, wire
from maxim_gemini.testing._http.routing import plainly_served
from maxim_gemini.testing._http.websocket import ABNORMAL, Close, PeerClosed
from maxim_gemini.testing._json_types import is_list, is_object
from maxim_gemini.testing.exceptions import ScriptError, TestKitError

from .cassette_player import CassettePlayer, Pace
from .certificate import Certificate
from .failures import error_body
from .interaction_writing import PLAIN_TYPE, error_json
from .model import Disconnect, Failure, Hold, Pause
from .player import KEEP_BYTES, KEEP_REQUESTS, RequestLog
from .render import EVENTS_TYPE, JSON_TYPE, Answer, Heads, Sent
from .request import GeminiRequest
from .script import Answering, Script, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike
    from pathlib import Path
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from maxim_gemini.testing._cassette import Cassette
    from maxim_gemini.testing._http.websocket import Message

T = TypeVar("T")

_TICK: Final = 0.002
"""Seconds between two checks of a gate."""
_PATIENCE: Final = 10.0
"""Seconds that a server may take to start or to stop."""
_IDLE: Final = 3600
"""Seconds for which an idle connection is kept open: longer than clients keep theirs."""
_UNPROCESSABLE: Final = 422
_DEBUG_INFO: Final = "type.googleapis.com/google.rpc.DebugInfo"


class GeminiServer(Scripted):
    """A Gemini server on 127.0.0.1, in a thread of its own.

    ```python
    with GeminiServer(reply.text("Paris.")) as server:
        client = genai.Client(api_key="any", http_options={"base_url": server.url})
        client.models.generate_content(model="gemini-2.5-flash", contents="The capital of France?")
        assert server.requests[0].text == "The capital of France?"
    ```

    At the end of the block it raises the error of a reply function, or a `ScriptError` if a request had no reply, or a
    reply had no request.
    """

    __test__ = False

    def __init__(
        self,
        *replies: Answering,
        cassette: Cassette | str | PathLike[str] | None = None,
        pace: Pace = "instant",
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        strict: bool = True,
        max_body: int = 100 * 2**20,
        keep_requests: int = KEEP_REQUESTS,
        keep_bytes: int = KEEP_BYTES,
    ) -> None:
        """Prepare to serve *replies* in order, or a *cassette*.

        *pace*: of a cassette: `instant`, `recorded`, or a factor by which recorded times are multiplied.
        *port*: 0 takes a free port.
        *tls*: speak HTTPS and secure websockets, with a new certificate that clients with `http_options` trust.
        *strict*: call `check()` at the end of the block.
        *max_body*: the most bytes of a request; larger ones are refused.
        *keep_requests*, *keep_bytes*: how many of the latest requests are kept for `requests`, and how many bytes of
        their bodies, and of uploaded files.
        """
        if replies and cassette is not None:
            raise ScriptError("a server plays either replies or a cassette: make two servers")
        if max_body < 1:
            raise ValueError(f"max_body must be 1 or more, got {max_body}")
        log = RequestLog(keep_requests=keep_requests, keep_bytes=keep_bytes)
        self._player = Script(*replies, log=log) if cassette is None else CassettePlayer(cassette, pace=pace, log=log)
        self._address = (host, port)
        self._tls = tls
        self._strict = strict
        self._max_body = max_body
        self._running: _Running | None = None
        self._plain = ExitStack()

    def __repr__(self) -> str:
        state = self.url if self._running else "not started"
        return f"<GeminiServer {state}, {self._player.log.count} requests>"

    @property
    def url(self) -> str:
        """The address: the `base_url` of a client, or the value of `GOOGLE_GEMINI_BASE_URL`."""
        return self._started.url

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._started.socket.getsockname()[1])

    @property
    def http_options(self) -> dict[str, Any]:
        """The options of a client for this server: `genai.Client(api_key="any", http_options=server.http_options)`."""
        certificate = self._started.certificate
        return {"base_url": self.url, **(sdk.options_with_tls(certificate.trust) if certificate else {})}

    @property
    def ca_file(self) -> Path:
        """The file of the certificate that clients have to trust; in other processes, set it as `SSL_CERT_FILE`."""
        if (certificate := self._started.certificate) is None:
            raise TestKitError("this server has no TLS: make it with tls=True")
        return certificate.ca_file

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            self.explain(error)
        elif self._strict:
            self.check()

    def start(self) -> None:
        """Start to listen; raise `TestKitError` if the port is in use."""
        if self._running is not None:
            raise TestKitError(f"{self!r} is running already")
        listening = _listening(*self._address)
        certificate = Certificate(self._address[0]) if self._tls else None
        self._running = _Running(self._serve, listening, self._max_body, certificate)
        if certificate is None:
            self._plain.enter_context(plainly_served(self.port))
        self._running.start()

    def stop(self) -> None:
        """Close every connection and the socket; may be called twice."""
        running, self._running = self._running, None
        self._plain.close()
        if running is not None:
            running.stop()

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise TestKitError("this server is not running: use it in a with block, or call start()")
        return self._running

    async def _serve(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._speak(running, scope, receive, send)
            return
        delivery = _Delivery(running, scope, receive, send)
        if scope["method"] in {"HEAD", "OPTIONS"}:  # questions about a resource, not to Gemini
            await delivery.deliver(Answer(200, (("content-type", JSON_TYPE), ("content-length", "0")), ()))
            return
        try:
            request = await self._request(scope, receive)
        except ClientDisconnect:
            return
        if len(request.body) > self._max_body:
            limit = f"{self._max_body} bytes. (GeminiServer's max_body is the limit.)"
            message = f"Request payload size exceeds the limit: {limit}"
            await delivery.deliver(_failed(Failure(413, message, "INVALID_ARGUMENT"), request))
            return
        try:
            answer = await running.in_thread(self._writing(request))
            await delivery.deliver(_compressed(answer, request))
        except Exception as error:  # the answer can't be sent as HTTP: a header with a line end, for example
            self._player.errors.append(error)
            delivery.break_off()

    async def _speak(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        url = f"{scope['scheme']}://{dict(headers).get('host', '')}{scope['raw_path'].decode('ascii')}"
        url += f"?{query.decode('latin-1')}" if (query := scope["query_string"]) else ""
        socket = _Socket(running, scope, receive, send)
        try:
            handshake = GeminiRequest.of("WEBSOCKET", url, headers, None)
            if (refusal := await running.in_thread(lambda: self._player.refusal(handshake))) is not None:
                await socket.refuse(refusal)
                return
            await socket.accept()
            request = GeminiRequest.of("WEBSOCKET", url, headers, await socket.receive())
        except PeerClosed:
            return
        await self._player.hold(socket, request, running.in_thread)

    async def _request(self, scope: Scope, receive: Receive) -> GeminiRequest:
        """Read a request; stop reading its body when it is too large."""
        request = Request(scope, receive)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > self._max_body:
                break
        target = scope["raw_path"].decode("ascii") + (
            f"?{query.decode('latin-1')}" if (query := scope["query_string"]) else ""
        )
        # A client that takes this server for its proxy sends whole addresses.
        url = target if target.startswith("http") else f"{scope['scheme']}://{request.headers.get('host')}{target}"
        return GeminiRequest.of(scope["method"], url, request.headers.items(), bytes(body))

    def _writing(self, request: GeminiRequest) -> Callable[[], Answer]:
        """Return a function that writes the answer to *request*; the reply is chosen now, in the order of requests."""
        try:
            write = self._player.take(request)
        except TestKitError as error:
            return partial(_failed, Failure(501, str(error)), request)  # no client tries again after a 501
        except BaseException as error:
            return partial(_failed, _broken(error), request)

        def written() -> Answer:
            try:
                return write()
            except BaseException as error:
                return _failed(_broken(error), request)

        return written


def _broken(error: BaseException) -> Failure:
    """Return the answer for *error*: a status 500 with its text, and the place where it was raised."""
    if isinstance(error, TestKitError):
        return Failure(500, str(error))
    summary = "".join(traceback.format_exception_only(error)).strip()
    stack = [line for entry in traceback.format_exception(error) for line in entry.splitlines()]
    return Failure(500, summary, details=({"@type": _DEBUG_INFO, "stackEntries": stack, "detail": summary},))


def _failed(failure: Failure, request: GeminiRequest) -> Answer:
    if request.interaction_call:
        # google-genai sends a request for an interaction again after every 5xx.
        message = str(_without_surrogates(failure.message or ""))
        body = error_json(Failure(_UNPROCESSABLE, message, "script_error"), request)
        return Answer(_UNPROCESSABLE, (("content-type", JSON_TYPE),), (body,))
    body = wire.dump_json(_without_surrogates(error_body(failure, request)))
    return Answer(failure.code, (("content-type", JSON_TYPE),), (body,))


def _without_surrogates(value: object) -> Any:
    """Return *value* with lone surrogates, which texts of errors may have, as escapes: UTF-8 has none."""
    if is_object(value):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if is_list(value):
        return [_without_surrogates(item) for item in value]
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose timers run in a test with a frozen clock, too."""

    def time(self) -> float:
        return monotonic()


class _Running:
    """A running server: its socket, its thread, and the answers that are being sent."""

    def __init__(
        self,
        serve: Callable[[_Running, Scope, Receive, Send], Any],
        listening: socket.socket,
        max_message: int,
        certificate: Certificate | None,
    ) -> None:
        self.socket = listening
        self.certificate = certificate
        self.url = _url(listening, "https" if certificate else "http")
        self._fork_safe = listening.dup()  # uvicorn closes the other one
        self.deliveries: set[_Delivery] = set()
        self._process = os.getpid()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        config = uvicorn.Config(
            partial(serve, self),
            interface="asgi3",
            http="h11",
            ws="websockets-sansio",
            ws_max_size=max_message,
            ws_ping_interval=None,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate.file if certificate else None,
        )
        config.load()  # it imports modules, which the thread must not do while a test changes what can be imported
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"GeminiServer {self.url}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(_PATIENCE):
            raise TestKitError(f"the server at {self.url} did not start within {_PATIENCE:g} s")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            self._loop = runner.get_loop()
            self._loop.call_soon(self._ready.set)
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._server.serve(sockets=[self.socket])
        self._abort(lambda _: True)  # those to clients that don't read
        await asyncio.sleep(0)

    def stop(self) -> None:
        if os.getpid() != self._process:  # a fork has the socket, but the thread is its parent's
            self.socket.close()
            self._fork_safe.close()
            return
        self._server.should_exit = True
        with suppress(RuntimeError):  # the loop has ended by itself
            assert self._loop
            self._loop.call_soon_threadsafe(self._leave)
        self._thread.join(_PATIENCE)
        with suppress(OSError), self._fork_safe as listening:
            listening.shutdown(socket.SHUT_RDWR)  # a fork that holds the socket would keep the port
        self.socket.close()  # uvicorn 0.30 leaves it open
        if self.certificate is not None:
            self.certificate.close()

    def _leave(self) -> None:
        for delivery in self.deliveries:
            delivery.over.set()

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run *function* in a thread of its own: a reply function may block, and must not stop other clients."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def finish(settle: Callable[[], None]) -> None:
            if not done.cancelled():
                settle()

        def run() -> None:
            try:
                settle = partial(done.set_result, function())
            except BaseException as error:
                settle = partial(done.set_exception, error)
            with suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(finish, settle)

        # No pool: a reply that waits at a gate would keep others from their turn.
        threading.Thread(target=run, name="GeminiServer reply", daemon=True).start()
        return await done

    def break_connection(self, client: tuple[str, int]) -> None:
        """Cut the connection of the peer *client*, a host and a port."""
        self._abort(lambda peer: peer[:2] == client)

    def _abort(self, chosen: Callable[[tuple[Any, ...]], bool]) -> None:
        for connection in list(self._server.server_state.connections):
            # ASGI has no word for a connection that breaks; uvicorn's protocol objects hold the transport.
            transport: asyncio.Transport | None = getattr(connection, "transport", None)
            if transport is not None and chosen(transport.get_extra_info("peername") or ()):
                transport.abort()


class _Socket:
    """One websocket to one client: a `Channel`."""

    def __init__(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        self._running = running
        self._client: tuple[str, int] | None = scope.get("client")
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        await self._receive()  # ASGI's `websocket.connect`, which comes first
        await self._send({"type": "websocket.accept"})

    async def refuse(self, answer: Answer) -> None:
        await self._receive()
        heads = [(name.encode(), value.encode()) for name, value in answer.headers]
        await self._send({"type": "websocket.http.response.start", "status": answer.status, "headers": heads})
        await self._send({"type": "websocket.http.response.body", "body": answer.body})

    async def receive(self) -> Message:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise PeerClosed(Close(event.get("code") or ABNORMAL, event.get("reason") or "", "client"))
        text: str | None = event.get("text")
        return text if text is not None else event["bytes"]

    async def send(self, message: Message) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: message})
        except OSError:  # the client has gone
            raise PeerClosed(Close(ABNORMAL, "", "client")) from None
        await asyncio.sleep(0)  # for other clients, and to notice that this one has gone

    async def close(self, close: Close) -> None:
        if close.code != ABNORMAL:
            await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        elif self._client is not None:
            await asyncio.sleep(_TICK)  # what was sent before has to be on its way
            self._running.break_connection(self._client)


class _Delivery:
    """One answer on its way to one client."""

    def __init__(self, running: _Running, scope: Scope, receive: Receive, send: Send) -> None:
        self.over = asyncio.Event()
        """Set when the client has gone, or the server stops."""
        self._running = running
        self._client: tuple[str, int] | None = scope.get("client")
        self._receive = receive
        self._send = send
        self._shared = _cross_origin(Headers(scope=scope))
        self._begun = False

    async def deliver(self, answer: Answer) -> None:
        """Send the head, and each piece at its time; end the answer, unless it breaks off."""
        watch = asyncio.create_task(self._watch())
        self._running.deliveries.add(self)
        try:
            for piece in answer.sent:
                if not await self._send_piece(piece, answer):
                    return self.break_off()
            await self._send_body(b"", answer, more=False)
        finally:
            self._running.deliveries.discard(self)
            watch.cancel()

    def break_off(self) -> None:
        """Cut the connection."""
        if self._client is not None:
            self._running.break_connection(self._client)

    async def _send_piece(self, piece: Sent, answer: Answer) -> bool:
        """Send *piece*, or wait for it; return whether the answer continues."""
        match piece:
            case bytes():
                await self._send_body(piece, answer, more=True)
                await asyncio.sleep(0)  # for other clients, and to notice that this one has gone
            case Pause(seconds=seconds):
                await self._pass(seconds)
            case Hold(gate=gate):
                gate.reach()
                while not gate.is_open and not self.over.is_set():  # threads open it: there is no event to wait for
                    await self._pass(_TICK)
            case Disconnect():
                # What was sent before has to be on its way, or the client never sees it.
                await asyncio.sleep(_TICK)
                return False
        return not self.over.is_set()

    async def _pass(self, seconds: float) -> None:
        """Wait for *seconds*, or until the client has gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self.over.wait()

    async def _watch(self) -> None:
        """Notice that the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.over.set()

    async def _send_body(self, body: bytes, answer: Answer, *, more: bool) -> None:
        if not self._begun:
            heads = [(name.encode(), value.encode()) for name, value in (*answer.headers, *self._shared)]
            await self._send({"type": "http.response.start", "status": answer.status, "headers": heads})
            self._begun = True
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _cross_origin(request: Headers) -> Heads:
    """Return CORS headers, which allow a page of any origin to send the request and read the answer."""
    if "origin" not in request:
        return ()
    heads = (("access-control-allow-origin", request["origin"]), ("access-control-expose-headers", "*"))
    if "access-control-request-method" not in request:
        return heads
    return (
        *heads,
        ("access-control-allow-methods", "GET, POST, PATCH, DELETE"),
        ("access-control-allow-headers", request.get("access-control-request-headers", "*")),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "3600"),
        ("vary", "Origin"),
    )


def _compressed(answer: Answer, request: GeminiRequest) -> Answer:
    """Return *answer* in gzip, if real servers compress it for this client: JSON, and streams of interactions."""
    takes = "gzip" in request.headers.get("accept-encoding", "")
    kind = dict(answer.headers).get("content-type")
    if takes and kind == EVENTS_TYPE and request.interaction_call:
        return Answer(answer.status, (*answer.headers, ("content-encoding", "gzip")), tuple(_in_gzip(answer.sent)))
    if not takes or kind not in (JSON_TYPE, PLAIN_TYPE) or Disconnect() in answer.sent:
        return answer
    waits = tuple(piece for piece in answer.sent if not isinstance(piece, bytes))
    body = gzip.compress(answer.body, mtime=0)
    return Answer(answer.status, (*answer.headers, ("content-encoding", "gzip")), (*waits, body))


def _in_gzip(sent: tuple[Sent, ...]) -> Iterator[Sent]:
    """Yield the pieces of a stream compressed, each at once."""
    deflater = zlib.compressobj(wbits=31)
    for piece in sent:
        yield deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) if isinstance(piece, bytes) else piece
    if Disconnect() not in sent:
        yield deflater.flush()


def _listening(host: str, port: int) -> socket.socket:
    host = host.removeprefix("[").removesuffix("]")
    listening: socket.socket | None = None
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With its protocol named, asyncio switches off Nagle's delay of 40 ms on each connection.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        if listening is not None:
            listening.close()
        in_use = error.errno == errno.EADDRINUSE
        reason = (
            "is in use: stop what listens there, or take port=0 for a free one"
            if in_use
            else f"can't be listened on: {error.strerror}"
        )
        raise TestKitError(f"{f'[{host}]' if ':' in host else host}:{port} {reason}") from None
    return listening


def _url(listening: socket.socket, scheme: str) -> str:
    """Return the address of *listening* for clients on this machine."""
    address: tuple[str, int] = listening.getsockname()[:2]
    host, port = address
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{quote(local, safe=':')}]:{port}" if ":" in local else f"{scheme}://{local}:{port}"
