"""One recording or replay of Gemini traffic: `GeminiRecorder`.

with GeminiRecorder("cassettes/hello.yaml") as recorder:
    reply = recorder.client.models.generate_content(model="gemini-2.5-flash", contents="Say hi")
    assert recorder.logger.trace.output == reply.text
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Self, TypeVar, cast, get_args
from urllib.parse import urlsplit

from vcr.record_mode import RecordMode

from maxim_gemini.testing import _watchers
from maxim_gemini.testing.cassette import Cassette, Interaction
from maxim_gemini.testing.edge import LEFT_BY_READER, Delivery, Live, Route, routed, sdk
from maxim_gemini.testing.edge.scope import is_gemini_host, is_gemini_traffic, is_token_exchange
from maxim_gemini.testing.exceptions import CassetteDrift, CassetteError, CassetteMiss, CassetteUnused
from maxim_gemini.testing.exchange import Faults, Response
from maxim_gemini.testing.faults import Chunking, Pace, deliver, events_of
from maxim_gemini.testing.shapes import drift

if TYPE_CHECKING:
    from types import TracebackType

    from google.genai import Client
    from vcr.request import Request

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing._maxim import Logger
    from maxim_gemini.testing.fake_logger import FakeLogger

Mode = Literal["none", "once", "new_episodes", "all", "rewrite", "verify"]
"""VCR's record modes.

`none` replays and never sends; `once` records where there is no file and else replays; `new_episodes` replays and
records what is not there; `all` sends everything, and keeps of the file what was not asked for; `rewrite` sends
everything and starts the file anew; `verify` sends everything, keeps nothing, and fails where the shape of an answer
has drifted.
"""

F = TypeVar("F", bound=Callable[..., Any])

_DUMMY_KEY: Final = "replayed-key"
_KEY_VARIABLES: Final = ("GOOGLE_API_KEY", "GEMINI_API_KEY")


class Outcome(NamedTuple):
    """What became of the requests of one recording or replay."""

    replayed: int
    recorded: int
    live: int
    unused: int
    missed: int


class GeminiRecorder:
    """Records the Gemini traffic of a `with` block once, and replays it offline ever after.

    Everything that google-genai sends in the block is caught, by whatever client. *client* is a client, or a function
    that makes one, for `recorder.client`; by default one is made to fit the cassette. *pace* is `instant`, `recorded`
    or a factor; *chunking* is `events`, `recorded`, `whole`, `torn` or sizes in bytes. With *strict*, what is recorded
    and not asked for is an error. *base_url* and *hosts* are in scope besides Google's. *everywhere* also catches
    requests of threads and tasks that began before the block. *record_command* is what an error says would record it.
    With *allow_missing* a file that is not there is an error of the first request, not of the block.
    """

    def __init__(
        self,
        cassette: str | PathLike[str],
        *,
        mode: Mode = "none",
        client: Client | Callable[[], Client] | None = None,
        logger: Logger | None = None,
        pace: Pace = "instant",
        chunking: Chunking = "events",
        strict: bool = False,
        base_url: str | None = None,
        hosts: Sequence[str] = (),
        description: str | None = None,
        source: str | None = None,
        everywhere: bool = False,
        record_command: str | None = None,
        allow_missing: bool = False,
        cassette_options: Mapping[str, Any] | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"mode={mode!r}: say one of {', '.join(get_args(Mode))}")
        self.path = Path(cassette)
        self.mode: Mode = mode
        self.pace: Pace = pace
        self.chunking: Chunking = chunking
        self.strict = strict
        self.base_url = base_url
        self.hosts = frozenset([*hosts, *_hosts(base_url)])
        self.description = description
        self.source = source
        self.everywhere = everywhere
        self.record_command = record_command or f'GeminiRecorder("{self.path.as_posix()}", mode="new_episodes")'
        self.allow_missing = allow_missing
        self.cassette_options = dict(cassette_options or {})
        self._given_client = client
        self._given_logger = logger
        self._stack: ExitStack | None = None
        self._tape: _Tape | None = None
        self._spells: list[Spell] = []
        self._discarded = False

    def __repr__(self) -> str:
        state = self.outcome if self._tape else "not entered"
        return f"<GeminiRecorder {self.path.as_posix()!r} mode={self.mode} {state}>"

    # The block

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError(f"{self!r} is in use: make a second GeminiRecorder for a second block")
        self._forget()
        self._tape = _Tape(self, self._load())
        with ExitStack() as stack:
            stack.enter_context(routed(self._tape, everywhere=self.everywhere))
            self._stack = stack.pop_all()
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
            _watchers.ended(self)

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
        """Decorate *function*: each call of it is a block of its own, from the start of the cassette."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def recorded_async(*args: Any, **kwargs: Any) -> Any:
                async with self:
                    return await function(*args, **kwargs)

            return cast("F", recorded_async)

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast("F", recorded)

    def discard(self) -> None:
        """Keep nothing of this block: the file stays as it is."""
        self._discarded = True

    @property
    def discarded(self) -> bool:
        """Whether nothing of this block is kept."""
        return self._discarded

    # What the test uses

    @functools.cached_property
    def logger(self) -> FakeLogger:
        """The logger that the wrapped clients write to: a `FakeLogger`, unless another was given."""
        if self._given_logger is not None:
            return cast("FakeLogger", self._given_logger)
        from maxim_gemini.testing.fake_logger import FakeLogger

        return FakeLogger()

    @functools.cached_property
    def bare_client(self) -> Client:
        """The client under `client`: the given one, or one that fits the cassette."""
        given = self._given_client
        if given is None:
            return self.default_client
        return cast("Client", given if hasattr(given, "models") else cast("Callable[[], Client]", given)())

    @functools.cached_property
    def default_client(self) -> Client:
        """A bare client that fits the cassette: with the environment's key to record, a made-up one to replay."""
        from google import genai

        tape = self._entered()
        options: dict[str, Any] = {"base_url": self.base_url} if self.base_url else {}
        if not tape.sends:
            options |= sdk.options_without_tls()
        return genai.Client(http_options=options or None, **tape.credentials())  # type: ignore[arg-type]

    @functools.cached_property
    def client(self) -> MaximGeminiClient:
        """A wrapped client that writes to `logger`."""
        return self.wrap(self.bare_client)

    def wrap(self, client: Client) -> MaximGeminiClient:
        """Wrap *client* so that its calls are traced by `logger`."""
        from maxim_gemini import MaximGeminiClient

        self._entered().hosts |= _hosts(_base_url_of(client))
        return MaximGeminiClient(client, self.logger)

    # What happened

    @property
    def cassette(self) -> Cassette:
        """The recording in use."""
        return self._entered().cassette

    @property
    def requests(self) -> list[Request]:
        """Every Gemini request of the block, in the order sent."""
        return list(self._entered().requests)

    @property
    def waits(self) -> list[float]:
        """The seconds that google-genai would have waited before its retries; replays don't wait."""
        return list(self._entered().waits)

    @property
    def misses(self) -> list[CassetteMiss]:
        """The errors of requests that the cassette could not answer, even those that the application swallowed."""
        return list(self._tape.misses) if self._tape else []

    @property
    def unused(self) -> list[Interaction]:
        """What is recorded and was not asked for."""
        return self._entered().unused()

    @property
    def drifts(self) -> list[str]:
        """How live answers differ in shape from the recorded ones (mode `verify`)."""
        return list(self._entered().drifts)

    @property
    def outcome(self) -> Outcome:
        """The requests of the block, counted."""
        tape = self._tape
        if tape is None:
            return Outcome(0, 0, 0, 0, 0)
        return Outcome(tape.replayed, tape.recorded, tape.live, len(tape.unused()), len(tape.misses))

    # Faults

    def disconnect_after(self, events: int, *, bytes: int = 0, times: int | None = None) -> Spell:
        """Break the connection of replayed answers after so many *events*, and *bytes* of the next one.

        A plain answer counts as one event. *times* limits how many answers are hit. The spell ends with the block, or
        earlier as a context manager.
        """
        return self._cast(
            Spell(self, disconnect_after=events, disconnect_bytes=bytes, least_events=events, times=times)
        )

    def stall(self, seconds: float, *, before: int = 0, times: int | None = None) -> Spell:
        """Stay silent for *seconds* in front of the event with index *before* of replayed answers."""
        return self._cast(Spell(self, stall={before: seconds}, least_events=before + 1, times=times))

    def corrupt(self, *events: int, times: int | None = None) -> Spell:
        """Damage the JSON of the *events* with these indexes (by default the first) of replayed answers."""
        damaged = frozenset(events or (0,))
        return self._cast(Spell(self, corrupt=damaged, least_events=min(damaged) + 1, times=times))

    def faults_for(self, response: Response) -> Faults:
        """Return what the spells in force do to *response*, and count it against their number of times."""
        faults, events = Faults(), len(events_of(response))
        for spell in tuple(self._spells):
            spell.apply(faults, events)
        return faults

    # Inside

    def _cast(self, spell: Spell) -> Spell:
        self._spells.append(spell)
        return spell

    def _forget(self) -> None:
        self._spells.clear()
        self._discarded = False
        for made in ("client", "bare_client", "default_client", "logger"):
            self.__dict__.pop(made, None)

    def _entered(self) -> _Tape:
        if self._tape is None:
            raise RuntimeError(f"{self!r}: enter it first: `with GeminiRecorder(...) as recorder:`")
        return self._tape

    def _load(self) -> Cassette:
        vcr_mode = RecordMode.ALL if self.mode == "all" else RecordMode.NONE
        options: dict[str, Any] = {"record_mode": vcr_mode, **self.cassette_options}
        if self.mode == "rewrite":
            return Cassette(self.path, **options)
        allow_missing = self.allow_missing or self.mode in ("once", "new_episodes", "all")
        try:
            return Cassette.load(self.path, allow_missing=allow_missing, **options)
        except CassetteError as error:
            if not self.path.exists():
                error.add_note(f"To record it: {self.record_command}")
            raise

    def _conclude(self, error: BaseException | None) -> None:
        tape = self._entered()
        tape.close()
        if error is None and not self._discarded and not tape.misses and tape.records:
            tape.save()
        problem = tape.problem()
        if problem is None or error is problem:
            return
        if error is None:
            raise problem
        if not isinstance(error, CassetteMiss):
            error.add_note(str(problem))


class Spell:
    """A fault that replayed answers have as long as it is in force."""

    def __init__(self, recorder: GeminiRecorder, *, least_events: int, times: int | None, **changes: Any) -> None:
        self._recorder = recorder
        self._least_events = least_events
        self._left = times
        self._changes = changes
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let later answers pass unharmed."""
        self._left = 0

    def apply(self, faults: Faults, events: int) -> None:
        """Add this fault to *faults* of an answer with so many *events*, if it concerns it."""
        if events >= self._least_events and self._takes_one():
            for name, value in self._changes.items():
                before = getattr(faults, name)
                setattr(faults, name, before | value if isinstance(value, dict | frozenset) else value)

    def _takes_one(self) -> bool:
        with self._lock:
            left = self._left
            self._left = left and left - 1
            return left is None or left > 0


@dataclass(slots=True)
class _Take:
    """A request that went live, and what came back."""

    request: Request
    response: Response | None = None
    watcher: Live | None = None


class _Tape(Route):
    """One block's traffic."""

    def __init__(self, recorder: GeminiRecorder, cassette: Cassette) -> None:
        self._recorder = recorder
        self.cassette = cassette
        self.hosts: frozenset[str] = recorder.hosts
        self.requests: list[Request] = []
        self.waits: list[float] = []
        self.misses: list[CassetteMiss] = []
        self.drifts: list[str] = []
        self.replayed = 0
        self.live = 0
        self.recorded = 0
        self._takes: list[_Take] = []
        self._last_was_live = False
        self._lock = threading.Lock()
        mode, is_new = recorder.mode, not cassette.interactions
        self.replays = mode in ("none", "new_episodes") or (mode == "once" and not is_new)
        self.records = mode in ("new_episodes", "all", "rewrite") or (mode == "once" and is_new)
        self.sends = self.records or mode == "verify"

    # The route

    def covers(self, url: str, headers: Mapping[str, str]) -> bool:
        return is_gemini_traffic(url, headers) or (urlsplit(url).hostname or "") in self.hosts

    def answer(self, request: Request) -> Delivery | Live:
        with self._lock:
            self.requests.append(request)
        recorded = self.cassette.play(request) if self.replays else None
        if recorded is not None:
            return self._replay(request, recorded)
        if self.sends:
            return self._send(request)
        raise self._miss(self.cassette.explain_miss(request))

    def skips_wait(self, seconds: float) -> bool:
        if self._last_was_live:
            return False
        self.waits.append(seconds)
        return True

    def hides_credentials(self) -> bool:
        return not self.sends

    # Its parts

    def _replay(self, request: Request, recorded: Response) -> Delivery:
        with self._lock:
            self.replayed += 1
            self._last_was_live = False
        recorder = self._recorder

        def overrun() -> NoReturn:
            events = len(events_of(recorded))
            raise self._miss(
                f"{request.method} {request.uri}: the recorded reader left this answer after {events} events, and now "
                "more is asked for than was received then"
            )

        return deliver(
            recorded,
            pace=recorder.pace,
            chunking=recorder.chunking,
            faults=recorder.faults_for(recorded),
            overrun=overrun,
        )

    def _send(self, request: Request) -> Live:
        take = _Take(request)
        take.watcher = Live(functools.partial(setattr, take, "response"))
        with self._lock:
            self._takes.append(take)
            self.live += 1
            self._last_was_live = True
        return take.watcher

    def _miss(self, text: str) -> CassetteMiss:
        miss = CassetteMiss(f"{text}\n\nTo record it: {self._recorder.record_command}")
        with self._lock:
            self.misses.append(miss)
        return miss

    # The end

    def close(self) -> None:
        for take in self._takes:
            if take.watcher is not None:
                take.watcher.end(LEFT_BY_READER)
        if self._recorder.mode == "verify":
            self._compare()

    def save(self) -> None:
        for take in self._takes:
            if take.response is not None:
                self.cassette.record(take.request, take.response)
                self.recorded += 1
        if self.recorded:
            self._sign()
        self.cassette.save()

    def unused(self) -> list[Interaction]:
        if self.sends and not self.replays and self._recorder.mode != "verify":
            return []
        return [i for i in self.cassette.unplayed if not is_token_exchange(i.request.uri)]

    def problem(self) -> CassetteError | None:
        if self.misses:
            return self.misses[0]
        if self.drifts:
            return CassetteDrift(f"{self.cassette.path}: live answers have another shape:\n" + "\n".join(self.drifts))
        if self._recorder.strict and (unused := self.unused()):
            lines = "\n".join(f"  {i.request.method} {i.request.uri}" for i in unused)
            return CassetteUnused(
                f"{self._recorder.path} holds {len(unused)} interactions that nothing asked for:\n{lines}\n\n"
                "Record the file anew (mode 'rewrite') or drop strict"
            )
        return None

    def _compare(self) -> None:
        for take in self._takes:
            recorded = self.cassette.play(take.request)
            if recorded is None:
                self._miss(self.cassette.explain_miss(take.request))
            elif take.response is not None:
                where = f"{take.request.method} {urlsplit(take.request.uri).path}"
                self.drifts += [f"  {where}: {line}" for line in drift(recorded, take.response)]

    def _sign(self) -> None:
        from google.genai import __version__

        head = self.cassette.head
        head.recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
        head.sdk = f"google-genai {__version__}"
        head.source = self._recorder.source or self._source()
        head.description = self._recorder.description or head.description

    def _source(self) -> str:
        hosts = {urlsplit(take.request.uri).hostname or "" for take in self._takes}
        if all(map(is_gemini_host, hosts)):
            return "live"
        return "loopback" if hosts <= {"127.0.0.1", "localhost", "::1"} else "unknown"

    # The client that fits

    def credentials(self) -> dict[str, Any]:
        """Return what `genai.Client` needs: of the environment to record, made up to replay."""
        if self.sends and (not self.replays or _has_key()):
            return {} if _has_key() or not self._recorder.base_url else {"api_key": _DUMMY_KEY}
        paths = [urlsplit(interaction.request.uri).path for interaction in self.cassette.interactions]
        return next((found for path in paths if (found := _vertex(path))), {"vertexai": False, "api_key": _DUMMY_KEY})


def _vertex(path: str) -> dict[str, Any]:
    match path.strip("/").split("/"):
        case [_, "projects", project, "locations", location, *_]:
            return {
                "vertexai": True,
                "project": project,
                "location": location,
                "credentials": sdk.ReplayedCredentials(),
            }
        case [_, "publishers", *_]:
            return {"vertexai": True, "api_key": _DUMMY_KEY}
        case _:
            return {}


def _has_key() -> bool:
    return any(os.environ.get(name) for name in _KEY_VARIABLES) or _uses_vertex()


def _uses_vertex() -> bool:
    names = ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
    return any(os.environ.get(name, "").lower() in ("true", "1") for name in names)


def _hosts(url: str | None) -> frozenset[str]:
    host = urlsplit(url or "").hostname
    return frozenset([host]) if host else frozenset()


def _base_url_of(client: Client) -> str | None:
    options = getattr(getattr(client, "_api_client", None), "_http_options", None)
    return getattr(options, "base_url", None)
