"""One generation: one request to the model and its answer, begun and ended exactly once."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar, cast

from .logger import FileDataAttachment, UrlAttachment, new_id
from .secrets import redacted
from .values import ATTACHMENT_LIMIT, JsonDict, as_text, mapping, words_of
from .wav import as_wav, joined

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from .logger import Log
    from .tool_calls import FunctionAnswer, RequestedCall
    from .trace import Trace
    from .values import Attachment

R = TypeVar("R")
Message: TypeAlias = JsonDict


class Start:
    """The time of a request or a frame: `at` for logs, `clock` (seconds) to measure from."""

    __slots__ = ("at", "clock")

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.clock = time.perf_counter()


KEPT_ARRIVALS: Final = 128
"""Most arrival times of one stream that are logged; an even number."""


class Arrivals:
    """The arrival times of a stream's chunks: of every chunk and, as the stream grows, of every 2nd, 4th, 8th ...

    So the times are spread over the whole stream, in bounded memory.
    """

    __slots__ = ("_step", "_times", "count")

    def __init__(self) -> None:
        self.count = 0
        self._times: list[float] = []
        self._step = 1

    def note(self, at: float | None = None) -> None:
        """Count a chunk that arrives now, or has arrived *at* a time of `time.perf_counter`."""
        if self.count % self._step == 0:
            # An even number, so that dropping every second time leaves those at multiples of the new step.
            if len(self._times) == KEPT_ARRIVALS:
                del self._times[1::2]
                self._step *= 2
            self._times.append(time.perf_counter() if at is None else at)
        self.count += 1

    def since(self, start: float) -> list[float]:
        """Return the arrival times in milliseconds after *start*."""
        return [round((at - start) * 1000, 3) for at in self._times]


class Request:
    """One request to the model, in Maxim's terms.

    Its *answers* are the results of the functions that the model's last turn has called. Earlier results, which are in
    the messages, too, were new in an earlier request.
    """

    __slots__ = ("answers", "attachments", "messages")

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.attachments: list[Attachment] = []
        self.answers: list[FunctionAnswer] = []

    @property
    def input(self) -> str:
        """The latest user text, or else the results of functions: the messages after the model's last turn."""
        by_user: list[str] = []
        by_any: list[str] = []
        for message in reversed(self.messages):
            if message["role"] in ("assistant", "system"):
                break
            by_any.append(message["content"])
            if message["role"] == "user" and message["content"]:
                by_user.append(message["content"])
        return "\n".join(reversed(by_user or by_any))


class Answer(Protocol):
    """The model's answer so far; each surface has its own class for it."""

    @property
    def text(self) -> str:
        """The answer's text."""
        ...

    @property
    def attachments(self) -> list[tuple[Attachment, str]]:
        """Media of the answer, each with the part that it is attached to: `output` or `thoughts`."""
        ...

    def add(self, response: Any) -> list[RequestedCall]:
        """Add a response, or a chunk of one; return the functions that it requests."""
        ...

    def finish(self) -> list[RequestedCall]:
        """Complete what the last chunk has left incomplete; return the functions that this adds."""
        ...

    def result(self, response_id: str, model: str) -> JsonDict:
        """Return the result in OpenAI's form; *response_id* and *model* are used where the API gave none."""
        ...

    def metadata(self) -> JsonDict:
        """Return the metadata of the answer: all that the result has no field for."""
        ...


class Outcome:
    """The outcome of a generation or of a whole call."""

    __slots__ = ("at", "error", "manner")

    def __init__(self, manner: str = "", error: dict[str, str] | None = None, at: datetime | None = None) -> None:
        self.manner = manner
        """`stopped_early` or `cancelled`; empty for a success and for an error."""
        self.error = error
        """The error, in Maxim's form."""
        self.at = at
        """When it ended; `None` for now."""

    @property
    def is_success(self) -> bool:
        """`True` if there was no error, and it was read to the end."""
        return not self.manner and self.error is None

    @classmethod
    def of(cls, error: BaseException | None) -> Outcome:
        """Return the outcome for *error*, raised by the SDK or thrown into a stream; `None` is a success."""
        if error is None:
            return SUCCESS
        if isinstance(error, GeneratorExit):
            return STOPPED_EARLY
        if isinstance(error, asyncio.CancelledError):
            return CANCELLED
        refused = getattr(getattr(error, "response", None), "status_code", None)  # of the websockets library
        code = getattr(error, "code", getattr(error, "status_code", refused))
        status = getattr(error, "status", None) or _status_in(getattr(error, "body", None))
        message = getattr(error, "message", None) or words_of(error)
        described = {
            "message": redacted(str(message)),
            "code": "" if code is None else str(code),
            "type": status if isinstance(status, str) and status else type(error).__name__,
        }
        return cls(error=described)


def _status_in(body: Any) -> Any:
    """Return the status that an error's *body* names, such as `invalid_request`: the API has two forms of it."""
    if isinstance(body, list):
        body = next(iter(cast("list[object]", body)), None)
    error = mapping((mapping(body) or {}).get("error")) or {}
    return error.get("status") or error.get("code")


SUCCESS: Final = Outcome()
STOPPED_EARLY: Final = Outcome("stopped_early")
CANCELLED: Final = Outcome("cancelled")


class Requested(Protocol):
    """Keeps the functions that a model requests until they run."""

    def expect(self, calls: list[RequestedCall], at: datetime | None = None) -> None:
        """Keep the functions that the model requests now, or requested *at* a time."""


class Generation:
    """The life of one generation, from the request to the last chunk; it is ended exactly once."""

    __slots__ = ("_arrivals", "_attached", "_log", "_model", "_sent_at", "_tools", "answer", "ended", "id")

    def __init__(
        self,
        trace: Trace,
        model: str,
        answer: Answer,
        tools: Requested,
        attached: set[str | bytes | None],
        *,
        streamed: bool,
    ) -> None:
        self.id = new_id()
        self._log: Log = trace.log
        self._model = model
        self.answer = answer
        self._tools = tools
        self._attached = attached
        self._arrivals = Arrivals() if streamed else None
        self.ended: Outcome | None = None
        self._sent_at = 0.0

    def __enter__(self) -> Generation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(SUCCESS if error is None else Outcome.of(error))

    @contextmanager
    def until_read(self) -> Generator[None]:
        """End the generation if the block, which opens its stream, fails; otherwise the stream will end it."""
        try:
            yield
        except BaseException as error:
            self.end(Outcome.of(error))
            raise

    def open(self, trace: Trace, request: Request, parameters: dict[str, str], start: Start | None) -> None:
        """Log the request, which is sent next, or was sent at *start*."""
        about: JsonDict = {
            "id": self.id,
            "provider": "google",
            "model": self._model,
            "messages": request.messages,
            "model_parameters": parameters,
        }
        if start is not None:
            about["start_timestamp"] = start.at
        if trace.labels.generation_name is not None:
            about["name"] = trace.labels.generation_name
        if trace.labels.generation_tags:
            about["tags"] = dict(trace.labels.generation_tags)
        self._sent_at = start.clock if start else time.perf_counter()
        if trace.span_id is None:
            self._log.commits.begin_generation(trace.id, about)
        else:
            trace.holder.add(self._log, "generation", about)
        for attachment in request.attachments:
            self._attach(attachment, "input")

    def add(self, response: R, at: Start | None = None) -> R:
        """Add a response, or a chunk of one, that arrives now or has arrived *at* a time; return it unchanged."""
        if self.ended is None:
            if self._arrivals is not None:
                self._arrivals.note(at.clock if at else None)
            if calls := self._log.attempt("read the model's answer", self.answer.add, response):
                self._tools.expect(calls, at.at if at else None)
        return response

    def end(self, outcome: Outcome) -> None:
        """Log the result and the *outcome*, once."""
        if self.ended is None:
            self.ended = outcome
            self._log.attempt("end the generation", self._end, outcome)

    def _end(self, outcome: Outcome) -> None:
        if calls := self.answer.finish():
            self._tools.expect(calls)
        if pieces := self.answer.attachments:
            for attachment, side in joined(pieces, ATTACHMENT_LIMIT):
                self._attach(attachment, side)
            # A chat sends them again with its history, each as a piece.
            self._attached.update(piece.data for piece, _ in pieces if piece.data)
        about = self._log.attempt("read the answer's metadata", self._about, outcome) or {}
        result = self._log.attempt("read the answer", self.answer.result, self.id, self._model)
        # The generation has to end even if the answer could not be read.
        result = result or {"id": self.id, "object": "chat.completion", "created": int(time.time()), "choices": []}
        if outcome.error is not None:
            result["error"] = outcome.error
        self._log.commits.end_generation(self.id, result, about, outcome.at)

    def _about(self, outcome: Outcome) -> JsonDict:
        about: JsonDict = {}
        metadata = self.answer.metadata()
        if outcome.manner:
            metadata[outcome.manner] = True
        if self._arrivals is not None and self._arrivals.count:
            times = self._arrivals.since(self._sent_at)
            about["metrics"] = {"time_to_first_chunk_ms": times[0], "chunks": self._arrivals.count}
            if len(times) > 1:
                metadata["chunk_times_ms"] = times
        if metadata:
            about["metadata"] = {name: as_text(value) for name, value in metadata.items()}
        return about

    def _attach(self, attachment: Attachment, side: str) -> None:
        """Attach a URI, or bytes within the limit, to the generation; each only once in a conversation."""
        if attachment.data is not None and len(attachment.data) > ATTACHMENT_LIMIT:
            return
        key = attachment.uri if attachment.data is None else attachment.data
        # Each turn of a chat sends the whole history again, with the files in it.
        if key in self._attached:
            return
        self._attached.add(key)
        attachment = as_wav(attachment)
        about: JsonDict = {"mime_type": attachment.mime_type, "name": attachment.name}
        about["tags"] = {"attach-to": side}
        if attachment.data is None:
            added: Any = UrlAttachment(url=attachment.uri or "", **about)
        else:
            added = FileDataAttachment(data=attachment.data, **about)
        self._log.attempt("add an attachment", lambda: self._log.logger.generation_add_attachment(self.id, added))
