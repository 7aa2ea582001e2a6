"""Group calls of the application: `trace()`, `span()` and `suppress()`.

with trace(logger, name="Answer a customer", input=question) as work:
    documents = search(question)              # calls in it are part of the trace, whatever framework makes them
    with span("Write"):
        work.output = write(question, documents)
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeVar, cast

from ._core import surroundings
from ._core.generation import SUCCESS, Outcome
from ._core.headers import NO_LABELS, Labels, checked_id, labels_in
from ._core.logger import WARNINGS, Log, new_id
from ._core.surroundings import Surroundings, Work
from ._core.trace import Holder, begin_session
from ._core.values import as_text, readable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
    from types import TracebackType

    from ._core.logger import Logger
    from ._core.privacy import Privacy

F = TypeVar("F", bound="Callable[..., Any]")

_SAMPLED: Final = "x-maxim-sampled"


class Evaluation(Protocol):
    """The result of maxim-py's `evaluate()`."""

    def with_evaluators(self, *evaluators: str) -> Any:
        """Let the named evaluators evaluate it."""
        ...

    def with_variables(self, variables: dict[str, str], for_evaluators: list[str]) -> Any:
        """Give evaluators the values of their variables."""
        ...


class _Block:
    """A block around calls: used in `with`, in `async with`, or as a decorator."""

    _is_entered = False
    _inner: Surroundings | None = None

    def _copy(self, function: Callable[..., Any]) -> Self:
        """Return a block for one run of the decorated *function*."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Log the beginning, and enter the block."""
        raise NotImplementedError

    def _end(self, outcome: Outcome) -> None:
        """Log the end."""

    def _returned(self, value: object) -> None:
        """Get the return value of a decorated function."""

    def __enter__(self) -> Self:
        if self._is_entered:
            raise RuntimeError(f"{self!r} was entered before: make a new one for each block")
        self._is_entered = True
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        surroundings.leave(self)
        self._end(Outcome.of(error))

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Return *function* with a new block around each run; that of a generator lasts until it is read to its end."""
        if isinstance(function, (staticmethod, classmethod)):
            return cast("F", type(function)(self(function.__func__)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        if isinstance(function, type):
            raise TypeError(f"{type(self).__name__} decorates functions and methods, not the class {function.__name__}")
        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            def run_async_generator(*args: Any, **kwargs: Any) -> Any:
                return self._for_call(function)._step_async(function(*args, **kwargs))

            return cast("F", run_async_generator)
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def run_generator(*args: Any, **kwargs: Any) -> Any:
                return self._for_call(function)._step(function(*args, **kwargs))

            return cast("F", run_generator)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self._copy(function) as block:
                    value = await function(*args, **kwargs)
                    block._returned(value)
                    return value

            return cast("F", run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._copy(function) as block:
                value = function(*args, **kwargs)
                block._returned(value)
                return value

        return cast("F", run)

    # The block of a generator is around its body, and not around the code that reads it. It is inside the blocks in
    # which the generator was called.

    def _for_call(self, function: Callable[..., Any]) -> Self:
        block = self._copy(function)
        block._inner = surroundings.current()
        return block

    @contextmanager
    def _inside(self) -> Generator[None]:
        """Run one step of the body in the blocks that it had at the end of the last step."""
        outer = surroundings.current()
        surroundings.restore(self._inner)
        try:
            if not self._is_entered:
                self.__enter__()
            yield
        finally:
            # A context variable must not stay set over a `yield`: the reader's code would run in this block.
            self._inner = surroundings.current()
            surroundings.restore(outer)

    @contextmanager
    def _until_end(self) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            self._end(Outcome.of(error))
            raise
        self._end(SUCCESS)

    def _step(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Yield the items of *generator*, with this block around each of its steps."""
        texts: list[str] = []
        following: Callable[[], Any] = partial(next, generator)
        with self._until_end():
            while True:
                try:
                    with self._inside():
                        item = following()
                except StopIteration as stop:
                    self._returned(stop.value if stop.value is not None else "".join(texts) or None)
                    return stop.value
                if isinstance(item, str):
                    texts.append(item)
                try:
                    following = partial(generator.send, (yield item))
                except GeneratorExit:
                    with self._inside():
                        generator.close()
                    raise
                except BaseException as error:
                    following = partial(generator.throw, error)

    async def _step_async(self, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
        """Do the same with an async generator."""
        texts: list[str] = []
        following: Callable[[], Awaitable[Any]] = partial(anext, generator)
        with self._until_end():
            while True:
                try:
                    with self._inside():
                        item = await following()
                except StopAsyncIteration:
                    self._returned("".join(texts) or None)
                    return
                if isinstance(item, str):
                    texts.append(item)
                try:
                    following = partial(generator.asend, (yield item))
                except GeneratorExit:
                    with self._inside():
                        await generator.aclose()
                    raise
                except BaseException as error:
                    following = partial(generator.athrow, error)


class _Handle(_Block):
    """The base of traces and spans: the methods of maxim-py's own, which never raise here."""

    _kind: ClassVar[str]
    _add_event: ClassVar[str]
    """The second half of the name of the logger's method for events, which differs by kind."""

    def __init__(
        self, name: str | None, input: object, tags: Mapping[str, str] | None, metadata: Mapping[str, Any] | None
    ) -> None:
        self.id = new_id()
        self.name = name
        self._input = input
        self._tags = dict(tags or {})
        self._metadata = dict(metadata or {})
        self._work: Work | None = None  # `None` if nothing is logged
        self._is_over = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, id={self.id!r})"

    def _do(self, method: str, *args: Any) -> Any:
        """Call a method of the logger with this entity's id."""
        if (work := self._work) is None:
            return None
        log, call = work.log, f"{self._kind}_{method}"
        return log.attempt(call.replace("_", " "), lambda: getattr(log.logger, call)(self.id, *args))

    def add_tag(self, key: str, value: str) -> None:
        """Add a tag."""
        self._do("add_tag", key, value)

    def add_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Add metadata; values of any type are accepted."""
        self._do("add_metadata", dict(metadata))

    def add_attachment(self, attachment: Any) -> None:
        """Add an attachment of maxim-py: `FileAttachment`, `FileDataAttachment` or `UrlAttachment`."""
        self._do("add_attachment", attachment)

    def add_error(self, error: Any) -> None:
        """Add an error: an exception, or a dict with `message`, `code` and `type`, all text."""
        described = Outcome.of(error).error if isinstance(error, BaseException) else error
        if described is not None:
            self._do("add_error", described)

    def add_event(
        self,
        event_id: str,
        event: str,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an event with the id *event_id* and the name *event*."""
        self._do(self._add_event, event_id, event, dict(tags or {}), dict(metadata or {}))

    def evaluate(self) -> Evaluation | None:
        """Return maxim-py's evaluation, to call `with_evaluators` on; `None` if nothing is logged."""
        evaluation: Evaluation | None = self._do("evaluate")
        return evaluation

    def headers(self) -> dict[str, str]:
        """Return `x-maxim-*` headers, with which another process, or a single call, continues this trace or span."""
        if self._work is None:
            return {_SAMPLED: "0"} if surroundings.is_suppressed() else {}
        log, labels = self._work.log, self._work.labels
        ids = ("trace-id", labels.trace_id), ("span-id", labels.span_id), ("session-id", labels.session_id)
        headers = {f"x-maxim-{name}": value for name, value in ids if value}
        if log.privacy is not None and log.privacy.sample < 1 and labels.trace_id is not None:
            if log.keeps(labels.trace_id):
                headers[_SAMPLED] = "1"
            elif not log.privacy.keep_errors:  # with `keep_errors`, the other process holds its part back, too
                headers[_SAMPLED] = "0"
        return headers

    def end(self) -> None:
        """End it before its block is left; if a call in it is still open, it ends with that call."""
        self._end(SUCCESS)

    def _end(self, outcome: Outcome) -> None:
        if self._is_over or self._work is None:
            return
        self._is_over = True
        if outcome.error is not None:
            self._do("add_error", outcome.error)
        elif outcome.manner:
            self.add_metadata({outcome.manner: True})
        log = self._work.log
        self._work.leave(lambda: log.when_free(self._finish))

    def _finish(self) -> None:
        """Log the end: the block was left, and the last call has ended."""
        self._do("end")


class TraceHandle(_Handle):
    """A trace made by `trace()`: used in `with`, in `async with`, or as a decorator."""

    _kind = "trace"
    _add_event = "add_event"

    def __init__(
        self,
        logger: Logger | None,
        name: str | None,
        input: object,
        session_id: str | None,
        tags: Mapping[str, str] | None,
        metadata: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        privacy: Privacy | None = None,
    ) -> None:
        super().__init__(name, input, tags, metadata)
        self._privacy = privacy
        self._logger = logger
        self._headers = headers
        self._output: object = None
        self._part: SpanHandle | None = None  # the span of this block, in a trace of another process
        self._is_joined = False
        self.session_id = session_id

    @property
    def input(self) -> object:
        """The input: text unchanged, any other value as JSON."""
        return self._input

    @input.setter
    def input(self, value: object) -> None:
        self._input = value
        self._do("set_input", readable(value))

    @property
    def output(self) -> object:
        """The output: text unchanged, any other value as JSON. A decorated function sets it by its return value."""
        return self._output

    @output.setter
    def output(self, value: object) -> None:
        self._output = value
        if self._work is not None and self._work.is_over:
            self._do("set_output", readable(value))

    def add_feedback(self, feedback: Mapping[str, Any]) -> None:
        """Add the feedback of a user: a dict with `score` and `comment`."""
        self._do("add_feedback", dict(feedback))

    def add_metric(self, name: str, value: float) -> None:
        """Add a metric."""
        self._do("add_metric", name, value)

    def headers(self) -> dict[str, str]:
        """Return `x-maxim-*` headers, with which another process continues the innermost span here.

        Send them to a service, or keep them with a job: `trace(logger, headers=...)` and single calls accept them.
        """
        inner = surroundings.current()
        while inner is not None and inner.owner is not self:
            if isinstance(inner.owner, SpanHandle) and inner.work is not None and self._holds(inner.work):
                return inner.owner.headers()
            inner = inner.outer
        return super().headers()

    def _holds(self, work: Work) -> bool:
        return self._work is not None and work.labels.trace_id == self.id and work.log.shares(self._work.log)

    def _copy(self, function: Callable[..., Any]) -> Self:
        name = self.name or function.__name__
        settings = self._tags, self._metadata, self._headers, self._privacy
        return type(self)(self._logger, name, self._input, self.session_id, *settings)

    def _begin(self) -> None:
        if surroundings.is_suppressed():
            return
        if self._logger is None:
            _warn_once("trace() was called without a logger: it traces nothing")
            return
        log = Log(self._logger, self._privacy)
        if (
            log.attempt("read the headers", self._sampled) == "0"
        ):  # the trace is not logged, so no part of it is, either
            surroundings.enter(None, self)
            return
        given = log.attempt("read the headers", labels_in, self._headers, log) or NO_LABELS
        labels = Labels(session_id=checked_id(log, "session_id", self.session_id)).over(given)
        if given.trace_id is None:
            self._work = log.attempt("begin the trace", self._open, log, labels)
        else:
            self._work = log.attempt("continue the trace", self._join, log, labels)
        if self._work is not None:
            surroundings.enter(self._work, self)
            if self._part is not None:
                self._part.__enter__()

    def _sampled(self) -> str | None:
        """Return `1` if the process that began the trace logs it, `0` if it does not, `None` if it is not known."""
        headers = self._headers or {}
        value = next((headers[name] for name in headers if name.lower() == _SAMPLED), None)
        return {"1": "1", "true": "1", "0": "0", "false": "0"}.get(str(value).lower())

    def _open(self, log: Log, labels: Labels) -> Work:
        if labels.session_id is None:
            around = surroundings.labels_around(NO_LABELS, log)
            labels = Labels(session_id=around.session_id)
        work = Work(log, Labels(self.id, labels.session_id))
        self.session_id = labels.session_id
        config: dict[str, object] = {"id": self.id, "name": self.name}
        if self._input is not None:
            config["input"] = readable(self._input)
        if self._tags:
            config["tags"] = {str(key): as_text(value) for key, value in self._tags.items()}
        if labels.session_id is not None:
            begin_session(log, labels.session_id, "Session")
            config["session_id"] = labels.session_id
        log.commits.begin_trace(config)
        if self._metadata:
            log.attempt("add the metadata", lambda: log.logger.trace_add_metadata(self.id, self._metadata))
        return work

    def _join(self, log: Log, labels: Labels) -> Work:
        """Continue a trace of another process, which has begun it and will end it."""
        assert labels.trace_id is not None
        self._is_joined = True
        log.place(labels.span_id, labels.trace_id)
        if self._sampled() == "1":
            log.keep(labels.trace_id)
        self.id, self.session_id = labels.trace_id, labels.session_id
        for known in (self.id, self.session_id):
            if known is not None:
                log.is_new(known)  # so that it is not begun again
        if self.name or self._input is not None or self._tags or self._metadata:
            self._part = SpanHandle(self.name or "Work", self._input, self._tags, self._metadata)
        return Work(log, Labels(self.id, self.session_id, span_id=labels.span_id))

    def _returned(self, value: object) -> None:
        # Other objects, such as responses, have no readable form.
        if self._output is None and isinstance(value, (str, int, float, dict, list, tuple)):
            self._output = cast("object", value)

    def _end(self, outcome: Outcome) -> None:
        if self._part is not None:
            surroundings.leave(self._part)
            self._part._end(outcome)
            outcome = SUCCESS  # the error belongs to the span; the other process decides about the trace
        super()._end(outcome)

    def _finish(self) -> None:
        if self._output is not None:
            self._do("set_output", readable(self._output))
        if not self._is_joined:
            self._do("end")


class SpanHandle(_Handle):
    """A span made by `span()`: used in `with`, in `async with`, or as a decorator."""

    _kind = "span"
    _add_event = "event"

    @property
    def input(self) -> object:
        """The input; it is set by `span()`."""
        return self._input

    def _copy(self, function: Callable[..., Any]) -> Self:
        return type(self)(self.name or function.__name__, self._input, self._tags, self._metadata)

    def _begin(self) -> None:
        if surroundings.is_suppressed():
            return
        log = surroundings.logger_around()
        labels = NO_LABELS if log is None else surroundings.labels_around(NO_LABELS, log)
        if log is None or labels.trace_id is None:
            _warn_once("span() outside of a trace logs nothing: use it inside `with maxim_gemini.trace(logger):`")
            return
        self._work = log.attempt("begin the span", self._open, log, labels)
        if self._work is not None:
            surroundings.enter(self._work, self)

    def _open(self, log: Log, labels: Labels) -> Work:
        assert labels.trace_id is not None
        holder = Holder("trace", labels.trace_id) if labels.span_id is None else Holder("span", labels.span_id)
        config: dict[str, object] = {"id": self.id, "name": self.name}
        if self._tags:
            config["tags"] = {str(key): as_text(value) for key, value in self._tags.items()}
        span = holder.add_span(log, config)
        if self._input is not None:
            log.attempt("set the input", lambda: span.input(readable(self._input)))
        if self._metadata:
            log.attempt("add the metadata", lambda: log.logger.span_add_metadata(self.id, self._metadata))
        return Work(log, labels._replace(span_id=self.id))


class Suppression(_Block):
    """A block made by `suppress()`: used in `with`, in `async with`, or as a decorator."""

    def __repr__(self) -> str:
        return "suppress()"

    def _copy(self, function: Callable[..., Any]) -> Self:
        return type(self)()

    def _begin(self) -> None:
        surroundings.enter(None, self)


def trace(
    logger: Logger | None,
    *,
    name: str | None = None,
    input: object = None,
    session_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    privacy: Privacy | None = None,
) -> TraceHandle:
    """Put all traced calls in a block into one trace. Use it in `with`, in `async with`, or as a decorator.

    An exception that leaves the block becomes the trace's error. The trace ends when the block was left and the last
    call in it has ended. *session_id* defaults to the session of a trace around it. With *headers* of a trace of
    another process (see `TraceHandle.headers`), the block continues that trace: as a span of it, if it has a name, an
    input, tags or metadata. Without a *logger* it traces nothing, and warns once. *privacy* applies to the trace and
    its spans; each call in it follows the policy of its own client.
    """
    return TraceHandle(logger, name, input, session_id, tags, metadata, headers, privacy)


def span(
    name: str | None = None,
    *,
    input: object = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> SpanHandle:
    """Put all traced calls in a block into one span of the trace around it. Use it like `trace()`.

    The trace may also be one of maxim-py's decorators. Outside of a trace it logs nothing, and warns once.
    """
    return SpanHandle(name, input, tags, metadata)


def suppress() -> Suppression:
    """Trace no call in a block, whatever client or logger makes it. Use it like `trace()`."""
    return Suppression()


def current_trace() -> TraceHandle | None:
    """Return the innermost `trace()` around the running code, or `None`."""
    return _innermost(TraceHandle)


def current_span() -> SpanHandle | None:
    """Return the innermost `span()` of the innermost trace around the running code, or `None`."""
    handle = _innermost(_Handle)
    return handle if isinstance(handle, SpanHandle) else None


H = TypeVar("H", bound=_Handle)


def _innermost(kind: type[H]) -> H | None:
    one = surroundings.current()
    while one is not None and one.work is not None:
        if isinstance(one.owner, kind):
            return one.owner
        one = one.outer
    return None


_warned: Final = set[str]()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        WARNINGS.warning(message)
