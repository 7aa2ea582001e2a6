"""Write a reply to a request as status, headers and body, in the format of the requested backend.

Deterministic: ids, signatures and times are derived from the request and from its place in the script, so that
recording twice gives the same.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.exchange import COMPLETE, Chunk, Response
from maxim_gemini.testing.exceptions import ScriptError

from .composing import composed
from .documents import document_json
from .failures import error_body
from .model import Disconnect, Document, Event, Failure, Hold, Pause, Reply, Step, Verbatim
from .ordering import answer_json
from .style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini.testing._json_types import JsonDict

    from .request import GeminiRequest

Heads: TypeAlias = tuple[tuple[str, str], ...]
"""Headers, in order."""

Sent: TypeAlias = bytes | Pause | Hold | Disconnect
"""The actions of a server after the head, in order."""

JSON_TYPE: Final = "application/json; charset=UTF-8"
EVENTS_TYPE: Final = "text/event-stream"
BROKEN: Final = "RemoteProtocolError"
"""The end of an answer whose connection broke."""

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its head, and the data and waits after it."""

    status: int
    headers: Heads
    sent: tuple[Sent, ...]

    @property
    def body(self) -> bytes:
        """All data that are sent."""
        return b"".join(piece for piece in self.sent if isinstance(piece, bytes))

    def response(self) -> Response:
        """Return it as a recorded answer; pauses become the times of chunks, and gates count as open."""
        chunks: list[Chunk] = []
        now, ended = 0.0, COMPLETE
        for piece in self.sent:
            match piece:
                case bytes():
                    chunks.append(Chunk(piece, now))
                case Pause(seconds=seconds):
                    now += seconds
                case Disconnect():
                    ended = BROKEN
                case Hold():
                    pass
        return Response(self.status, self.headers, tuple(chunks), ended=ended)


def write(reply: Reply, request: GeminiRequest, *, ordinal: int = 0) -> Answer:
    """Write *reply* as the answer to *request*, the *ordinal*-th of its script; raise `ScriptError` on a misfit."""
    reason = misfit(reply, request)
    if reason:
        raise ScriptError(f"{reply!r} can't answer {request!r}: {reason}")
    style = Style.of(request.model, reply.wire or request.backend)
    match _whole(reply):
        case Failure() as failure:
            return _failed(reply, failure, request, style)
        case Verbatim() as verbatim:
            return _verbatim(reply, verbatim, request, style)
        case Document() as document:
            value = document_json(document, request)
            body = wire.dump_json(value) if value is not None else b""
            heads = _overridden(json_headers(style), document.headers)
            return Answer(200, heads, (*_waits(reply), body))
        case _:
            return _generated(reply, request, style, ordinal)


def misfit(reply: Reply, request: GeminiRequest) -> str:
    """Return why *reply* can't answer *request*; empty if it can."""
    if reply.needs_interactions:
        return "it has steps that only an interaction has"
    if reply.needs_live:
        return "it has steps that only a live session has"
    whole = _whole(reply)
    if isinstance(whole, Document):
        wanted = {"tokens": ("countTokens",), "embedding": ("embedContent", "batchEmbedContents", "predict")}
        fits = request.action in wanted.get(whole.kind, ()) if whole.kind != "resource" else not request.generates
        return "" if fits else f"it answers {whole.kind}, and {request.action or request.resource} was requested"
    if reply.events and not request.generates:
        return f"it holds candidates, and {request.action or request.resource} was requested"
    parts = [part for event in reply.events for candidate in event.candidates for part in candidate.parts or ()]
    in_pieces = not reply.exact and any("willContinue" in part.get("functionCall", ()) for part in parts)
    if in_pieces and not (request.streams and request.backend == "vertex"):
        return "arguments of a call only come piece by piece in a stream of Vertex"
    if reply.events and reply.failure and not request.streams:
        return "an error after content can only come in a stream"
    return ""


def json_headers(style: Style) -> Heads:
    """Return the headers of a plain answer."""
    return (("content-type", JSON_TYPE), *common_headers(style))


def _events_headers(style: Style) -> Heads:
    return (("content-type", EVENTS_TYPE), ("content-disposition", "attachment"), *common_headers(style))


def common_headers(style: Style) -> Heads:
    """Return the headers of all answers."""
    shared = (
        ("vary", "Origin"),
        ("vary", "X-Origin"),
        ("vary", "Referer"),
        ("server", "scaffolding on HTTPServer2"),
        ("x-xss-protection", "0"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("alt-svc", 'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000'),
    )
    return shared if style.on_vertex else (*shared, ("server-timing", "gfet4t7; dur=412"))


def _whole(reply: Reply) -> Step | None:
    """Return the step that is the whole answer, if there is one."""
    steps = [step for step in reply.steps if not isinstance(step, Pause | Hold)]
    return steps[0] if steps and isinstance(steps[0], Failure | Verbatim | Document) else None


def _waits(reply: Reply) -> Iterator[Pause | Hold]:
    return (step for step in reply.steps if isinstance(step, Pause | Hold))


def _failed(reply: Reply, failure: Failure, request: GeminiRequest, style: Style) -> Answer:
    body = wire.dump_json(error_body(failure, _in_style_of(request, style)))
    heads = json_headers(style) if style.on_vertex else (*json_headers(style), ("x-gemini-service-tier", "standard"))
    if style.on_vertex and failure.code == 401:
        heads = (*heads, ("www-authenticate", 'Bearer realm="https://accounts.google.com/"'))
    if request.streams:
        heads = (("content-type", EVENTS_TYPE), *heads[1:], ("content-length", str(len(body))))
    return Answer(failure.code, heads, (*_waits(reply), body))


def _in_style_of(request: GeminiRequest, style: Style) -> GeminiRequest:
    """Return *request* as a client sends it to *style*'s backend, for the words of its errors."""
    if style.backend == request.backend:
        return request
    resource = f"models/{request.model}:{request.action}"
    prefix = "v1beta1/publishers/google/" if style.on_vertex else "v1beta/"
    return replace(request, url=f"{request.origin}/{prefix}{resource}")


def _verbatim(reply: Reply, verbatim: Verbatim, request: GeminiRequest, style: Style) -> Answer:
    heads = _events_headers(style) if request.streams and verbatim.status == 200 else json_headers(style)
    heads = _overridden(heads, verbatim.headers)
    if verbatim.body is not None:
        bodies = [verbatim.body]
    elif request.streams:
        bodies = [wire.dump_event(event) for event in verbatim.events]
    else:
        bodies = [wire.dump_json(verbatim.only_value(request))]
    return Answer(verbatim.status, heads, (*_waits(reply), *bodies))


def _overridden(heads: Heads, own: Heads) -> Heads:
    names = {name.lower() for name, _ in own}
    return (*(pair for pair in heads if pair[0] not in names), *own)


def _generated(reply: Reply, request: GeminiRequest, style: Style, ordinal: int) -> Answer:
    identity = _identity(reply, request, style, ordinal)
    steps = composed(reply, request, style, str(identity.get("responseId", "")))
    written = [answer_json(step, identity, style) if isinstance(step, Event) else step for step in steps]
    heads = _events_headers(style) if request.streams else json_headers(style)
    if not request.streams and not style.on_vertex:
        heads = (*heads, ("x-gemini-service-tier", "standard"))
    return Answer(200, heads, tuple(_sent(written, request, style)))


def _sent(written: list[Any], request: GeminiRequest, style: Style) -> Iterator[Sent]:
    """Write the answers among the steps of *written*; a plain answer that breaks off is cut in the middle."""
    if request.action == "streamGenerateContent" and not request.streams:
        yield from _array(written)
        return
    breaks = any(isinstance(step, Disconnect) for step in written)
    for step in written:
        if isinstance(step, dict):
            data = wire.dump_event(step) if request.streams else wire.dump_json(step)  # pyright: ignore[reportUnknownArgumentType]
            yield data[: len(data) // 2] if breaks and not request.streams else data
        elif isinstance(step, Failure):
            yield wire.dump_json(error_body(step, _in_style_of(request, style)))
        else:
            yield step


def _array(written: list[Any]) -> Iterator[Sent]:
    """Write a stream without `alt=sse`: an array, element by element."""
    opened = False
    for step in written:
        if isinstance(step, dict):
            yield (b",\r\n" if opened else b"[") + wire.dump_json(step)
            opened = True
        elif isinstance(step, Pause | Hold | Disconnect):
            yield step
    yield b"]"


def _identity(reply: Reply, request: GeminiRequest, style: Style, ordinal: int) -> JsonDict:
    if reply.exact:
        return dict(reply.identity)
    seed = hashlib.sha256(request.resource.encode() + request.body + str(ordinal).encode()).digest()
    made: JsonDict = {
        "modelVersion": request.model,
        "responseId": base64.urlsafe_b64encode(seed[:17]).decode().rstrip("="),
    }
    if style.on_vertex:
        moment = _EPOCH + timedelta(seconds=ordinal, microseconds=int.from_bytes(seed[17:19], "big"))
        made["createTime"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {**made, **reply.identity}
