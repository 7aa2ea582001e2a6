"""Gemini traffic, recorded once and replayed: `GeminiRecorder`.

with GeminiRecorder("cassettes/hello.yaml") as recorder:
    reply = recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Say hi")
    assert recorder.logger.trace.output == reply.text
"""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, get_args

from vcr.record_mode import RecordMode as VcrMode

from maxim_gemini.testing._cassette import Cassette, json_paths
from maxim_gemini.testing._http import sdk
from maxim_gemini.testing._http.delivery import Chunking, Fault, Pace, check
from maxim_gemini.testing._http.routing import routed
from maxim_gemini.testing._http.websocket import Close
from maxim_gemini.testing._replies.live_user import LiveRequest
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import CassetteError, CassetteMiss, RequestNotCaught

from . import ended as _ended
from .decorating import decorate_tests, decorated
from .traffic import Outcome, RecordMode, Settings, Traffic

if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

    from google.genai import Client
    from vcr.request import Request

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing._cassette.cassette import Recorded
    from maxim_gemini.testing._logs.fake_logger import FakeLogger
    from maxim_gemini.testing._logs.maxim import Logger

F = TypeVar("F", bound=Callable[..., Any])
_claiming = threading.Lock()


class GeminiRecorder:
    """Records the Gemini traffic of a `with` block once, and replays it offline afterwards.

    It records all requests that google-genai sends in the block, whichever client sends them.

    *record*: a record mode, by default `once`.
    *client*: a client, or a function that makes one, for `recorder.client`; by default one is made to fit the cassette.
    *pace*: `instant`, `recorded`, or a factor by which recorded times are multiplied.
    *chunking*: how replayed bodies are cut: `events`, `recorded`, `whole`, `torn`, or sizes in bytes.
    *strict*: a recorded answer that is not used is an error.
    *base_url*, *hosts*: addresses that are recorded in addition to Google's.
    *everywhere*: record requests of threads and tasks that began before the block, too.
    *advice*: what to do if an answer is missing, for the error: a text, or a function of the request.
    *ignore*: JSON paths in the bodies of requests that are not compared, such as `generationConfig.seed` or
    `contents[].parts[].inlineData`.
    *allow_missing*: a missing file is an error of the first request, and not of the block.
    *autosave*: write the file at the end of the block; without it, call `save`.
    *instrument*: trace all clients of the process by `logger`, including those that the application makes.
    """

    def __init__(
        self,
        cassette: str | PathLike[str],
        *,
        record: RecordMode = "none",
        client: Client | Callable[[], Client] | None = None,
        logger: Logger | None = None,
        pace: Pace = "instant",
        chunking: Chunking = "events",
        strict: bool = False,
        base_url: str | None = None,
        hosts: Sequence[str] = (),
        ignore: Sequence[str] = (),
        description: str | None = None,
        source: str | None = None,
        everywhere: bool = False,
        advice: str | Callable[[Request | None], str] | None = None,
        allow_missing: bool = False,
        autosave: bool = True,
        instrument: bool = False,
        cassette_options: Mapping[str, Any] | None = None,
    ) -> None:
        if record not in get_args(RecordMode):
            raise ValueError(f"record must be one of {', '.join(get_args(RecordMode))}, got {record!r}")
        check(pace, chunking)
        self.path = Path(cassette)
        self._file = self.path.absolute()  # of the folder now, whatever it is in the block
        self.record: RecordMode = record
        self.pace: Pace = pace
        self.chunking: Chunking = chunking
        self.instrument = instrument
        self.strict = strict
        self.base_url = base_url
        self.hosts: frozenset[str] = frozenset(hosts) | frozenset([base_url] if base_url else [])
        self.description = description
        self.source = source
        self.everywhere = everywhere
        self._advice = advice
        self.allow_missing = allow_missing
        self.autosave = autosave
        for path in ignore:
            json_paths.parsed(path)
        self.cassette_options = {"ignore": tuple(ignore), **(cassette_options or {})}
        self._given_client = client
        self._given_logger = logger
        self._stack: ExitStack | None = None
        self._traffic: Traffic | None = None
        self._claimed = False  # by a call of what it decorates, until it is entered
        self._discarded = False
        self._failed = False

    def __repr__(self) -> str:
        state = self.outcome if self._traffic else "not entered"
        return f"<GeminiRecorder {self.path.as_posix()!r} record={self.record} {state}>"

    # The block

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError(f"{self!r} is in use: make a second GeminiRecorder for a second block")
        try:
            self._discarded = self._failed = False
            for made in ("client", "bare_client", "default_client", "logger"):  # each block has its own
                self.__dict__.pop(made, None)
            settings = self._settings()
            self._traffic = Traffic(settings, self._load(settings))
            # On a stack, so that what was patched is undone where the second of both fails.
            with ExitStack() as stack:
                stack.enter_context(routed(self._traffic, everywhere=self.everywhere))
                if self.instrument:
                    from maxim_gemini import instrument

                    stack.enter_context(instrument(self.logger))
                self._stack = stack.pop_all()
        finally:
            self._claimed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        stack, self._stack = self._stack, None
        if stack is None:
            return
        try:
            if (made := self.__dict__.get("default_client")) is not None:
                sdk.close(made)
        finally:
            stack.close()
        try:
            self._conclude(error)
        finally:
            if self.autosave:
                _ended(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        made = self.__dict__.get("default_client")
        try:
            if made is not None:
                await sdk.aclose(made)
        finally:
            self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate a function, a generator or a test class: each call is a new block, from the start of the cassette.

        Calls may overlap, in tasks or threads, or call each other. Generators that are open at the same time in one
        task share the block of the last one. The recorder itself shows the traffic of a call that began when no other
        was running. The block of a generator, sync or async, lasts as long as the generator. In a class, all methods
        whose names begin with `test` are decorated.
        """
        if isinstance(function, type):
            decorate_tests(self._of_one_call, function)
            return cast("F", function)
        return cast("F", decorated(self._of_one_call, function))

    def save(self) -> None:
        """Write the recorded traffic of the block, unless it failed or was discarded. Only needed without *autosave*.

        Raises:
            CassetteError: it can't be written, or a secret is in it; the old file is still there.
        """
        traffic = self._entered()
        if self._failed or self._discarded or traffic.errors or not traffic.records:
            return
        try:
            traffic.save()
        except CassetteError:
            self.discard()
            raise

    def discard(self) -> None:
        """Do not save this block: the file stays unchanged."""
        self._discarded = True

    @property
    def discarded(self) -> bool:
        """`True` if `discard` was called for this block."""
        return self._discarded

    # What the test uses

    @functools.cached_property
    def logger(self) -> FakeLogger:
        """The logger of the wrapped clients: a `FakeLogger`, unless another one was given."""
        if self._given_logger is not None:
            return cast("FakeLogger", self._given_logger)
        from maxim_gemini.testing._logs.fake_logger import FakeLogger

        return FakeLogger()

    @functools.cached_property
    def bare_client(self) -> Client:
        """The client that `client` wraps: the given one, or one that fits the cassette."""
        given = self._given_client
        if given is None:
            return self.default_client
        return cast("Client", given if hasattr(given, "models") else cast("Any", given)())

    @functools.cached_property
    def default_client(self) -> Client:
        """An unwrapped client for the cassette: with the environment's key to record, a made-up one to replay."""
        from google import genai

        traffic = self._entered()
        options: dict[str, Any] = {"base_url": self.base_url} if self.base_url else {}
        if not traffic.sends or (self.base_url or "").startswith("http://"):
            options |= sdk.options_without_tls()
        return genai.Client(http_options=options or None, **traffic.credentials())  # type: ignore[arg-type]

    @functools.cached_property
    def client(self) -> MaximGeminiClient:
        """A wrapped client whose calls are traced by `logger`."""
        return self.wrap(self.bare_client)

    def wrap(self, client: Client) -> MaximGeminiClient:
        """Return *client* wrapped, so that its calls are traced by `logger`."""
        from maxim_gemini import MaximGeminiClient

        if base_url := sdk.base_url_of(client):
            self._entered().hosts.add(base_url)
        return MaximGeminiClient(client, self.logger)

    # What happened

    @property
    def cassette(self) -> Cassette:
        """The cassette in use."""
        return self._entered().cassette

    @property
    def requests(self) -> list[GeminiRequest]:
        """All Gemini requests of the block, in order; a live session is one request, with all its messages."""
        return [
            one.request
            if isinstance(one, LiveRequest)
            else GeminiRequest.of(one.method, one.uri, one.headers.items(), one.body)
            for one in self._entered().requests
        ]

    @property
    def waits(self) -> list[float]:
        """The seconds that google-genai would have waited before each retry; a replay does not wait."""
        return list(self._entered().waits)

    @property
    def misses(self) -> list[CassetteMiss]:
        """The errors of requests that are not in the cassette, including those that the application swallowed."""
        return self._traffic.misses if self._traffic else []

    @property
    def errors(self) -> list[CassetteError]:
        """The errors of all requests without an answer: misses, and parts of the cassette that can't be read."""
        return list(self._traffic.errors) if self._traffic else []

    @property
    def unused(self) -> list[Recorded]:
        """The recorded answers that were not used."""
        return self._entered().unused()

    @property
    def drifts(self) -> list[str]:
        """Differences in shape between live and recorded answers, one a line (mode `verify`)."""
        return list(self._entered().drifts)

    @property
    def outcome(self) -> Outcome:
        """The numbers of requests of the block, by how they were answered."""
        traffic = self._traffic
        if traffic is None:
            return Outcome(0, 0, 0, 0, 0)
        return Outcome(traffic.replayed, traffic.recorded, traffic.live, len(traffic.unused()), len(traffic.misses))

    # Faults

    def disconnect_after(
        self,
        events: int,
        *,
        bytes: int = 0,
        times: int | None = None,
        code: int | None = None,
        reason: str = "",
    ) -> Fault:
        """Break the connection of replayed answers after *events* events, and *bytes* bytes of the next one.

        A plain answer counts as one event. On a websocket, each message of the server is an event, and with a *code*
        the server closes the connection. *times* limits the number of answers with the fault. The fault ends with the
        block, or earlier if it is used as a context manager.
        """
        _not_negative(events=events, bytes=bytes, times=times)
        close = {} if code is None else {"close": Close(code, reason)}
        fault = Fault(disconnect_after=events, disconnect_bytes=bytes, least_events=events, times=times, **close)
        return self._add(fault)

    def stall(self, seconds: float, *, before: int = 0, times: int | None = None) -> Fault:
        """Pause replayed answers for *seconds* before the event with the index *before*."""
        _not_negative(seconds=seconds, before=before, times=times)
        return self._add(Fault(stall={before: seconds}, least_events=before + 1, times=times))

    def corrupt(self, *events: int, times: int | None = None) -> Fault:
        """Damage the JSON of the events with these indexes, by default of the first one, in replayed answers."""
        _not_negative(events=min(events, default=0), times=times)
        damaged = frozenset(events or (0,))
        return self._add(Fault(corrupt=damaged, least_events=min(damaged) + 1, times=times))

    # Inside

    def _of_one_call(self) -> GeminiRecorder:
        """Return a recorder for the block of one call: this one, or a copy if this one is in use."""
        # Threads may call the decorated function at the same time, and one of them alone gets this recorder.
        with _claiming:
            if not self._claimed and self._stack is None:
                self._claimed = True
                return self
        other = copy.copy(self)
        other._stack = other._traffic = None
        other._claimed = False
        return other

    def _settings(self) -> Settings:
        return Settings(
            path=self.path,
            record=self.record,
            pace=self.pace,
            chunking=self.chunking,
            strict=self.strict,
            base_url=self.base_url,
            hosts=self.hosts,
            description=self.description,
            source=self.source,
            advice=self._advice,
        )

    def _add(self, fault: Fault) -> Fault:
        self._entered().faults.append(fault)
        return fault

    def _entered(self) -> Traffic:
        if self._traffic is None:
            raise RuntimeError(f"{self!r}: enter it first: `with GeminiRecorder(...) as recorder:`")
        return self._traffic

    def _load(self, settings: Settings) -> Cassette:
        vcr_mode = VcrMode.ALL if self.record == "all" else VcrMode.NONE
        options: dict[str, Any] = {"record_mode": vcr_mode, **self.cassette_options}
        if self.record == "rewrite":
            return Cassette(self._file, **options)
        allow_missing = self.allow_missing or self.record in ("once", "new_episodes", "all")
        try:
            return Cassette.load(self._file, allow_missing=allow_missing, **options)
        except CassetteError as error:
            # One that is there and can't be read says by itself what to do.
            if not self._file.exists():
                error.add_note(settings.advice_for(None))
            raise

    def _conclude(self, error: BaseException | None) -> None:
        traffic = self._entered()
        traffic.close()
        self._failed = error is not None
        if self.autosave:
            self.save()
        problem = traffic.problem()
        if traffic.passed:
            not_caught = (
                f"requests to {', '.join(dict.fromkeys(traffic.passed))} went past {self!r}: sent by a thread, a task "
                "or a context that is older than its block. To catch them, too: everywhere=True"
            )
            if error is None and problem is None:
                warnings.warn(not_caught, RequestNotCaught, stacklevel=3)
            else:
                (error or cast("CassetteError", problem)).add_note(not_caught)
        if problem is None or error is problem:
            return
        if error is None:
            raise problem
        # The application's own error goes first; what the recorder found is a note on it.
        if error not in traffic.errors:
            error.add_note(str(problem))


def _not_negative(**numbers: float | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 0:
            raise ValueError(f"{name}={number!r} must not be negative")
