"""The traffic of one block: answers requests from the cassette or lets them go live, and counts them."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, TypeAlias
from urllib.parse import urlsplit

from maxim_gemini.testing import _clock
from maxim_gemini.testing._http import sdk
from maxim_gemini.testing._http.delivery import LEFT_BY_READER, Delivery, Faults, Live, deliver, events_of
from maxim_gemini.testing._http.gemini_hosts import (
    host_of,
    is_among,
    is_gemini_host,
    is_gemini_traffic,
    is_token_exchange,
)
from maxim_gemini.testing._http.routing import Route
from maxim_gemini.testing._http.websocket import Tap
from maxim_gemini.testing._replies.live_user import LiveRequest
from maxim_gemini.testing._replies.request import GeminiRequest
from maxim_gemini.testing.exceptions import CassetteDrift, CassetteError, CassetteMiss, CassetteUnused

from .drift import drift, session_drift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from vcr.request import Request

    from maxim_gemini.testing._cassette import Cassette
    from maxim_gemini.testing._cassette.cassette import Recorded
    from maxim_gemini.testing._cassette.replayed_session import ReplayedSession
    from maxim_gemini.testing._http.delivery import Chunking, Fault, Pace
    from maxim_gemini.testing._http.exchange import Response
    from maxim_gemini.testing._http.websocket import Conversation, Network, Peer

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite", "verify"]
"""VCR's record modes.

`none`: only replay. `once`: record if there is no file, else replay. `new_episodes`: replay, and record new requests.
`all`: send and record everything; keep recorded requests that were not sent. `rewrite`: the same, but start with an
empty file. `verify`: send everything, save nothing, and fail if the shape of an answer has changed.
"""

NO_CREDENTIALS: Final = (
    "Recording sends to Gemini and needs credentials: set GEMINI_API_KEY (or GOOGLE_API_KEY), or for Vertex "
    "GOOGLE_GENAI_USE_VERTEXAI, GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION. Or give the recorder a client of your "
    "own: in pytest, override the fixture gemini_client. Replaying needs none of it"
)


class Outcome(NamedTuple):
    """The numbers of requests of one block, by how they were answered."""

    replayed: int
    recorded: int
    live: int
    unused: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one block, which do not change with the recorder's attributes."""

    path: Path
    """The name of the cassette in errors."""
    record: RecordMode
    pace: Pace
    chunking: Chunking
    strict: bool
    base_url: str | None
    hosts: frozenset[str]
    description: str | None
    source: str | None
    advice: str | Callable[[Request | None], str] | None

    def advice_for(self, request: Request | None) -> str:
        """Return advice for a missing *request*, or for a missing file."""
        if self.advice is not None:
            return self.advice if isinstance(self.advice, str) else self.advice(request)
        mode = "rewrite" if self.path.exists() else "once"
        return f'To record it: GeminiRecorder("{self.path.as_posix()}", record="{mode}")'


@dataclass(slots=True)
class _Take:
    """A request that was sent live, and its answer."""

    request: Request
    response: Response | None = None
    watcher: Live | None = None


class Traffic(Route):
    """The traffic of one block."""

    def __init__(self, settings: Settings, cassette: Cassette) -> None:
        self._settings = settings
        self.cassette = cassette
        self.hosts: set[str] = set(settings.hosts)
        self.faults: list[Fault] = []
        """The faults of replayed answers."""
        self.requests: list[Request | LiveRequest] = []
        self.waits: list[float] = []
        self.errors: list[CassetteError] = []
        """The errors of requests that are not in the cassette, or in a part that can't be read."""
        self.drifts: list[str] = []
        self.passed: list[str] = []
        """The hosts of requests that were not recorded, because older code than the block sent them."""
        self.replayed = 0
        self.live = 0
        self.recorded = 0
        self._takes: list[_Take] = []
        self._taps: list[Tap] = []
        self._sessions: list[ReplayedSession] = []
        self._last_was_live = False
        self._lock = threading.Lock()
        mode, is_new = settings.record, not (cassette.interactions or cassette.websockets)
        self.replays = (
            mode in ("none", "new_episodes")
            or (mode == "once" and not is_new)
            or (mode == "all" and cassette.has_fresh)
        )
        self.records = mode in ("new_episodes", "all", "rewrite") or (mode == "once" and is_new)
        self.sends = self.records or mode == "verify"

    # The route

    def covers(self, url: str, headers: Mapping[str, str]) -> bool:
        """Return whether *request* is Gemini traffic, or goes to one of the user's own hosts."""
        return is_gemini_traffic(url, headers) or is_among(url, self.hosts)

    def answer(self, request: Request) -> Delivery | Live:
        """Replay *request*, send it, or raise a `CassetteError`."""
        with self._lock:
            self.requests.append(request)
        try:
            recorded = self.cassette.play(request) if self.replays else None
        except CassetteError as error:
            # Noted, since the application may swallow what it gets for a failed request.
            self._note(error)
            raise
        if recorded is not None:
            return self._replay(request, recorded)
        if self.sends:
            return self._send(request)
        raise self._miss(self.cassette.explain_miss(request), request)

    def skips_wait(self, seconds: float) -> bool:
        """Let google-genai skip its wait after a replayed answer, and note the seconds."""
        if self._last_was_live:
            return False
        self.waits.append(seconds)
        return True

    def hides_credentials(self) -> bool:
        """Return whether google-genai gets made-up credentials: if nothing is ever sent."""
        return not self.sends

    def opens_websocket(self, url: str, headers: Mapping[str, str], network: Network) -> Peer | Tap | Response:
        """Replay a websocket session or its refusal, let it go live and watch it, or raise a miss."""
        request = LiveRequest(url, headers)
        with self._lock:
            self.requests.append(request)
        if self.replays and self._settings.record != "all":
            if (refusal := self.cassette.play_refusal(url)) is not None:
                with self._lock:
                    self.replayed += 1
                    self._last_was_live = False
                return refusal
            replayed = self.cassette.replay_websocket(
                url,
                headers,
                pace=self._settings.pace,
                faults=self._session_faults,
                miss=self._miss,
                network=functools.partial(self._go_live, request, network) if self.sends else None,
                sent=request.take,
            )
            if replayed is not None:
                with self._lock:
                    self._sessions.append(replayed)
                return replayed
        if self.sends:
            return self._tap(request)
        address = self.cassette.scrubber.address(url)
        what = "no session is left there in" if self.cassette.has_websocket(url) else "no session was recorded there in"
        raise self._miss(f"A websocket was to be opened at {address}: {what} {self.cassette.path}.")

    def passed_by(self, url: str) -> None:
        """Note a request that went out past this block."""
        with self._lock:
            self.passed.append(host_of(url))

    # Its parts

    def _tap(self, request: LiveRequest) -> Tap:
        self._check_credentials(request.url, {name.lower(): value for name, value in request.headers})
        tap = Tap(request.url, request.headers, request.take)
        with self._lock:
            self._taps.append(tap)
            self.live += 1
            self._last_was_live = True
        return tap

    @property
    def _conversations(self) -> list[Conversation]:
        return [tap.conversation for tap in self._taps if tap.conversation is not None]

    async def _go_live(self, request: LiveRequest, network: Network, was_replayed: bool) -> Peer:
        """Have *network* open the session of *request*, of which the beginning was recorded, and no more."""
        tap = self._tap(request)
        request.begin_again()
        with self._lock:
            # It counts as live now, and a session counts once.
            self.replayed -= was_replayed
        return await network(tap)

    def _session_faults(self, messages: int) -> Faults:
        with self._lock:
            self.replayed += 1
            self._last_was_live = False
        faults = Faults()
        for fault in tuple(self.faults):
            fault.apply(faults, messages)
        return faults

    def _replay(self, request: Request, recorded: Response) -> Delivery:
        with self._lock:
            self.replayed += 1
            self._last_was_live = False

        def overrun() -> NoReturn:
            events, address = len(events_of(recorded)), self.cassette.scrubber.address(request.uri)
            raise self._miss(
                f"{request.method} {address}: when it was recorded, only {events} events of this answer were read, "
                "and now more is read: the rest is not in the cassette"
            )

        faults = Faults()
        for fault in tuple(self.faults):  # each counts the answers that it has hit
            fault.apply(faults, len(events_of(recorded)))
        pace, chunking = self._settings.pace, self._settings.chunking
        return deliver(recorded, pace=pace, chunking=chunking, faults=faults, overrun=overrun)

    def _send(self, request: Request) -> Live:
        self._check_credentials(request.uri, request.headers)
        take = _Take(request)
        take.watcher = Live(functools.partial(setattr, take, "response"))
        with self._lock:
            self._takes.append(take)
            self.live += 1
            self._last_was_live = True
        return take.watcher

    def _check_credentials(self, url: str, headers: Mapping[str, str]) -> None:
        # A server of the user's own, or one on this machine, may well take the made-up ones.
        if sdk.is_made_up(headers) and is_gemini_host(urlsplit(url).hostname or ""):
            error = CassetteError(NO_CREDENTIALS)
            self._note(error)
            raise error

    def _miss(self, text: str, request: Request | None = None) -> CassetteMiss:
        miss = CassetteMiss(f"{text}\n\n{self._settings.advice_for(request)}")
        self._note(miss)
        return miss

    def _note(self, error: CassetteError) -> None:
        with self._lock:
            self.errors.append(error)

    # The end

    def close(self) -> None:
        """End answers and sessions that are still being received; in the mode `verify`, compare all."""
        # An answer that is still open was left by its reader, and is kept as far as it came.
        for take in self._takes:
            if take.watcher is not None:
                take.watcher.end(LEFT_BY_READER)
        for tap in self._taps:
            tap.end(None)
        for session in self._sessions:
            session.end()
        if self._settings.record == "verify":
            self._compare()

    def save(self) -> None:
        """Save the received answers, in the order of the requests."""
        # What can be kept is kept: recording it again costs money, and gives another answer.
        lost: list[CassetteError] = []
        for take in self._takes:
            if take.response is not None:
                try:
                    self.cassette.record(take.request, take.response)
                    self.recorded += 1
                except CassetteError as error:
                    lost.append(error)
        for conversation in self._conversations:
            try:
                self.cassette.record_websocket(conversation)
                self.recorded += 1
            except CassetteError as error:
                lost.append(error)
        if self.recorded:
            self._sign()
        try:
            self.cassette.save()
        except CassetteError as error:
            self.recorded = 0 if self.cassette.dirty else self.recorded
            lost.append(error)
        if lost:
            for other in lost[1:]:
                lost[0].add_note(str(other))
            raise lost[0]

    @property
    def misses(self) -> list[CassetteMiss]:
        """The errors of requests that are not in the cassette."""
        return [error for error in self.errors if isinstance(error, CassetteMiss)]

    def unused(self) -> list[Recorded]:
        """Return the recorded answers that were not used."""
        if self._settings.record in ("all", "rewrite"):
            return []
        # Whether a token is fetched depends on when the last one ran out, and not on the application.
        return [i for i in self.cassette.unplayed if not is_token_exchange(i.request.uri)]

    def problem(self) -> CassetteError | None:
        """Return the error of a block in which nothing was raised: drift, or unused answers."""
        if self.errors:
            return self.errors[0]
        if self.drifts:
            return CassetteDrift(f"{self.cassette.path}: live answers have another shape:\n" + "\n".join(self.drifts))
        if self._settings.strict and (unused := self.unused()):
            answers = "1 answer" if len(unused) == 1 else f"{len(unused)} answers"
            lines = [f"{self._settings.path} has {answers} that no request used:"]
            for interaction in unused:
                request = interaction.request
                text = GeminiRequest.of(request.method, request.uri, request.headers.items(), request.body).text
                shown = f" {shorten(text, 60, placeholder=' ...')!r}" if text else ""
                lines.append(f"  number {interaction.index + 1}: {request.method} {interaction.meaning.path}{shown}")
            return CassetteUnused("\n".join([*lines, "", "Record it again with record='rewrite', or leave out strict"]))
        return None

    def _compare(self) -> None:
        for take in self._takes:
            recorded = self.cassette.play(take.request)
            if recorded is None:
                self._miss(self.cassette.explain_miss(take.request), take.request)
            elif take.response is not None:
                where = f"{take.request.method} {urlsplit(self.cassette.scrubber.address(take.request.uri)).path}"
                self.drifts += [f"  {where}: {line}" for line in drift(recorded, take.response)]
        for conversation in self._conversations:
            session, live = self.cassette.recorded_like(conversation)
            where = f"{live.request.method} {live.path.path}"
            if session is None:
                self._miss(f"{where}: no recorded session has the same messages of the client.")
            else:
                self.drifts += [f"  {where}: {line}" for line in session_drift(session.conversation, conversation)]

    def _sign(self) -> None:
        from google.genai import __version__

        head = self.cassette.head
        head.recorded_at = _clock.now().isoformat(timespec="seconds")
        head.sdk = f"google-genai {__version__}"
        hosts = {host_of(take.request.uri) for take in self._takes}
        hosts |= {host_of(conversation.uri) for conversation in self._conversations}
        local = "loopback" if hosts <= {"127.0.0.1", "localhost", "::1"} else "unknown"
        head.source = self._settings.source or ("live" if all(map(is_gemini_host, hosts)) else local)
        head.description = self._settings.description or head.description

    # The client that fits

    def credentials(self) -> dict[str, Any]:
        """Return the credentials for `genai.Client`: those of the environment to record, made-up ones to replay."""
        # In `new_episodes` a run that only replays needs no credentials, and one that sends says so when it does.
        if self.sends and (not self.replays or sdk.finds_credentials()):
            if sdk.finds_credentials():
                return {}
            if self._settings.base_url:
                return {"api_key": sdk.MADE_UP_KEY}
            raise CassetteError(NO_CREDENTIALS)
        if any("aiplatform." in session.uri for session in self.cassette.websockets):
            return _vertex("/v1/projects/replayed-project/locations/global/")
        paths = [urlsplit(interaction.request.uri).path for interaction in self.cassette.interactions]
        return next(
            (options for path in paths if (options := _vertex(path))), {"vertexai": False, "api_key": sdk.MADE_UP_KEY}
        )


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
            return {"vertexai": True, "api_key": sdk.MADE_UP_KEY}
        case _:
            return {}
