"""One call of the application and the generations in it: opened, fed, ended exactly once."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ._maxim import FileDataAttachment, Logger, UrlAttachment, new_id
from ._parts import ATTACHMENT_LIMIT, Attachment, as_text, words_of
from ._request import Request, read_parameters, read_request, system_of
from ._response import Answer
from ._secrets import redacted
from ._tools import Conversation, ToolRuns

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from google.genai import types

    from ._maxim import Log
    from ._scope import Scope


class Start:
    """When a request was made."""

    __slots__ = ("at", "clock")

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.clock = time.perf_counter()


KEPT_ARRIVALS: Final = 128
"""Arrivals of a stream's chunks that are told to Maxim at the most; an even number."""


class Arrivals:
    """When the chunks of a stream came: each of the first ones, of a long stream every second, fourth, eighth ...

    So they are spread over the whole stream, and take no more room however long it is.
    """

    __slots__ = ("_step", "_times", "count")

    def __init__(self) -> None:
        self.count = 0
        self._times: list[float] = []
        self._step = 1

    def note(self) -> None:
        """Take note of a chunk."""
        if self.count % self._step == 0:
            if len(self._times) == KEPT_ARRIVALS:
                del self._times[1::2]
                self._step *= 2
            self._times.append(time.perf_counter())
        self.count += 1

    def since(self, start: float) -> list[float]:
        """Return the kept times in milliseconds after *start*."""
        return [round((at - start) * 1000, 3) for at in self._times]


class Recording:
    """The life of one generation: from the request to the last chunk, ended exactly once."""

    __slots__ = (
        "_answer",
        "_arrivals",
        "_call",
        "_is_open",
        "_log",
        "_model",
        "_sent_at",
        "id",
    )

    def __init__(self, call: Call, generation_id: str, model: str, *, streamed: bool, start: Start | None) -> None:
        self.id = generation_id
        self._call = call
        self._log = call.log
        self._model = model
        self._answer = Answer(call.new_id)
        self._is_open = True
        self._arrivals = Arrivals() if streamed else None
        self._sent_at = start.clock if start else time.perf_counter()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)

    @contextmanager
    def until_read(self) -> Generator[None]:
        """End the generation if its stream can't be opened; else it goes on."""
        try:
            yield
        except BaseException as error:
            self.end(error)
            raise

    def add(self, response: types.GenerateContentResponse) -> types.GenerateContentResponse:
        """Take in a response, or one chunk of it, and give it back."""
        if self._is_open:
            if self._arrivals is not None:
                self._arrivals.note()
            if asked := self._log.attempt("read what the model answered", self._answer.add, response):
                self._call.tools.ask(asked)
        return response

    def end(self, error: BaseException | None = None) -> None:
        """Tell Maxim how it went; *error* is what the SDK raised, also where that is only the end of the stream."""
        if not self._is_open:
            return
        self._is_open = False
        self._log.attempt("end the generation", self._end, error)

    def _end(self, error: BaseException | None) -> None:
        if asked := self._answer.finish():
            self._call.tools.ask(asked)
        self._call.heard(self._answer)
        for attachment in self._answer.attachments:
            self._call.attach(self.id, attachment, "output")
        for attachment in self._answer.thought_attachments:
            self._call.attach(self.id, attachment, "thoughts")
        about = self._log.attempt("read the answer's metadata", self._about, error) or {}
        result = self._log.attempt("read the answer", self._answer.result, self.id, self._model)
        result = result or {"id": self.id, "object": "chat.completion", "created": int(time.time()), "choices": []}
        if error is not None and (failure := describe_error(error)):
            result["error"] = failure
        self._log.say.end_generation(self.id, result, about)

    def _about(self, error: BaseException | None) -> dict[str, Any]:
        about: dict[str, Any] = {}
        metadata = self._answer.metadata()
        if error is not None:
            metadata |= manner_of_end(error)
        if self._arrivals is not None and self._arrivals.count:
            times = self._arrivals.since(self._sent_at)
            about["metrics"] = {"time_to_first_chunk_ms": times[0], "chunks": self._arrivals.count}
            if len(times) > 1:
                metadata["chunk_times_ms"] = times
        if metadata:
            about["metadata"] = {name: as_text(value) for name, value in metadata.items()}
        return about


class Call:
    """One call of the application: its trace, one generation for each remote call, and the functions run in between."""

    __slots__ = (
        "__weakref__",
        "_attached",
        "_config",
        "_contents",
        "_conversation",
        "_current",
        "_is_open",
        "_output",
        "_parameters",
        "_so_far",
        "generations",
        "log",
        "scope",
        "tools",
    )

    def __init__(
        self, scope: Scope, conversation: Conversation, attached: set[Any], contents: Any, config: Any
    ) -> None:
        self.log: Log = scope.log
        self.scope = scope
        self.tools = ToolRuns(scope, conversation)
        self._conversation = conversation
        self._attached = attached
        self._contents = contents
        self._config = config
        self._parameters: dict[str, str] | None = {} if config is None else None
        self._current: Recording | None = None
        self._is_open: bool | None = None  # None: nothing has happened yet
        self._output = ""
        self._so_far = ""
        self.generations = 0

    def __enter__(self) -> Call:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):
            self.abandon()
        else:
            self.end(error)

    def __del__(self) -> None:
        if getattr(self, "_is_open", False) is not False:
            with suppress(Exception):
                self.abandon()

    @contextmanager
    def ending_on_error(self) -> Generator[None]:
        """End the call if what is done inside fails; else it goes on."""
        try:
            yield
        except BaseException as error:
            self.end(error)
            raise

    def generation(
        self, model: str, contents: Any, config: Any, *, streamed: bool = False, start: Start | None = None
    ) -> Recording:
        """Begin a generation: one request is about to be sent, or was at *start*."""
        self.generations += 1
        if self._current is not None:
            self._current.end()  # where the SDK went on without reading it to its end
            self._so_far = self._output if is_continuation(config) else ""
        if self._is_open is False:  # the application has ended its chat, and reads on
            self.scope.renew()
            self._is_open = None
        generation_id = new_id()
        self.log.attempt("begin the generation", self._begin, generation_id, model, contents, config, start)
        self._current = Recording(self, generation_id, model, streamed=streamed, start=start)
        return self._current

    def _begin(self, generation_id: str, model: str, contents: Any, config: Any, start: Start | None) -> None:
        request = self._read(contents, config)
        self._open(request, start)
        if request.answers:
            self.tools.answered(request.answers)
        scope = self.scope
        about: Any = {
            "id": generation_id,
            "provider": "google",
            "model": model,
            "messages": request.messages,
            "model_parameters": self._read_parameters(config),
        }
        if start is not None:
            about["start_timestamp"] = start.at
        if scope.labels.generation_name is not None:
            about["name"] = scope.labels.generation_name
        if scope.labels.generation_tags:
            about["tags"] = dict(scope.labels.generation_tags)
        self.log.attempt("begin the generation", self.log.say.begin_generation, scope.trace_id, about)
        for attachment in request.attachments:
            self.attach(generation_id, attachment, "input")

    def _read(self, contents: Any, config: Any) -> Request:
        request = self.log.attempt(
            "read the request", read_request, contents, system_of(config), self._conversation.known_id
        )
        return request or Request({"role": "user", "content": f"[{type(contents).__name__} that could not be read]"})

    def _read_parameters(self, config: Any) -> dict[str, str]:
        """Return the parameters as the caller set them; the tools as sent, since only then MCP sessions are known."""
        if self._parameters is None:
            self._parameters = self.log.attempt("read the config", read_parameters, self._config, config) or {}
        return self._parameters

    def _open(self, request: Request, start: Start | None = None) -> None:
        if self._is_open is None:
            self._is_open = True
            self.scope.open(request.input, start.at if start else None)
            self._contents = None

    def attach(self, generation_id: str, attachment: Attachment, side: str) -> None:
        """Put *attachment* beside the generation, once in a conversation."""
        if attachment.data is not None and len(attachment.data) > ATTACHMENT_LIMIT:
            return
        key = attachment.uri if attachment.data is None else attachment.data
        if key in self._attached:
            return
        self._attached.add(key)
        self.log.attempt("add an attachment", add_attachment, self.log.logger, generation_id, attachment, side)

    def new_id(self, call: types.FunctionCall) -> str:
        """Return the id under which Maxim is to know *call*."""
        return self._conversation.new_id(self.log, call)

    def heard(self, answer: Answer) -> None:
        """Take note of the latest answer."""
        self._output = self._so_far + answer.text

    def end(self, error: BaseException | None = None) -> None:
        """End what is still open: the generation, then the trace. It may be called again, and does nothing then."""
        if self._is_open is False:
            return
        self.log.attempt("end the call", self._end, error)
        if self._is_open:  # what has not begun may still begin: a chat ends, and its stream is read later
            self._is_open = False
        self._current = None  # it refers to the call: without this, only the garbage collector could free the two

    def _end(self, error: BaseException | None) -> None:
        if self._current is not None:
            self._current.end(error)
        if self._is_open is None:
            self._end_unsent(error)
        if self._is_open:
            self.tools.leave()
            self.scope.close(self._output)

    def abandon(self) -> None:
        """End the call as one whose rest is not read: closed, or dropped, at the hands of the garbage collector."""
        if self._is_open is not False:
            self.log.when_free(lambda: self.end(GeneratorExit()))

    def _end_unsent(self, error: BaseException | None) -> None:
        """Nothing was sent: a stream that nobody read is nothing; an error before the request is one on the trace."""
        failure = describe_error(error)
        if failure is not None:
            self._open(self._read(self._contents, None))
            noted: Any = failure
            self.log.attempt("add the error", lambda: self.log.logger.trace_add_error(self.scope.trace_id, noted))


class NoCall:
    """What stands in for a call that could not begin: the SDK's call goes on without a trace."""

    def __enter__(self) -> NoCall:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def end(self, error: BaseException | None = None) -> None:
        """Do nothing."""

    def ending_on_error(self) -> NoCall:
        """Do nothing."""
        return self


def is_continuation(config: Any) -> bool:
    """Say whether a request goes on with an answer that was cut short."""
    return not isinstance(config, dict) and getattr(config, "continuation_token", None) is not None


def manner_of_end(error: BaseException) -> dict[str, Any]:
    """Return how a generation ended, where that is neither success nor an error."""
    if isinstance(error, GeneratorExit):
        return {"stopped_early": True}
    return {"cancelled": True} if isinstance(error, asyncio.CancelledError) else {}


def describe_error(error: BaseException | None) -> dict[str, str] | None:
    """Return what the SDK raised in Maxim's form; `None` where it is not an error that a stream ends."""
    if error is None or isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError)):
        return None
    code, status = getattr(error, "code", None), getattr(error, "status", None)
    message = getattr(error, "message", None) or words_of(error)
    return {
        "message": redacted(str(message)),
        "code": "" if code is None else str(code),
        "type": status if isinstance(status, str) and status else type(error).__name__,
    }


def add_attachment(logger: Logger, generation_id: str, attachment: Attachment, side: str) -> None:
    """Put a file, or bytes that are not too large, beside a generation; *side* is `input`, `output` or `thoughts`."""
    about: dict[str, Any] = {"mime_type": attachment.mime_type, "name": attachment.name, "tags": {"attach-to": side}}
    if attachment.data is None:
        logger.generation_add_attachment(generation_id, UrlAttachment(url=attachment.uri or "", **about))
    else:
        logger.generation_add_attachment(generation_id, FileDataAttachment(data=attachment.data, **about))
