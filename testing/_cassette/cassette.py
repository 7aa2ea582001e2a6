"""A cassette: requests and answers, in order.

The only module that touches vcrpy's private names: `Cassette` is vcrpy's cassette, with what it does for every request
(finding, playing, adding, loading, saving) done by index, without loss and atomically. What vcrpy's own code uses of a
cassette still works: `requests`, `responses`, `play_counts`, `rewind`, `Cassette.use(path=...)`.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from vcr.cassette import Cassette as VcrCassette
from vcr.errors import UnhandledHTTPRequestError
from vcr.record_mode import RecordMode

from maxim_gemini.testing._http.websocket import Conversation
from maxim_gemini.testing._json_types import JsonDict
from maxim_gemini.testing.exceptions import CassetteError, CassetteNotFound, SecretFound

from . import yaml_format
from .differences import between, describe, nearest
from .interaction import Interaction, Origin, Spelling, response_of, stored_of
from .matching import Meaning, meaning_of, without
from .merging import added, missing, replaced
from .messages import path_of
from .replayed_session import ReplayedSession, Sessions
from .scrubbing import Scrubber
from .sessions import WebsocketSession, recorded
from .store import Shelf, lock_of
from .vcr import from_vcr, read, vcr_response
from .yaml_format import Block, SessionBlock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from os import PathLike

    from vcr.request import Request

    from maxim_gemini.testing._http.delivery import Faults, Pace
    from maxim_gemini.testing._http.exchange import Response
    from maxim_gemini.testing._http.websocket import Message, Peer

Recorded: TypeAlias = Interaction | WebsocketSession
"""The items of a cassette."""
R = TypeVar("R", Interaction, WebsocketSession)

MEDIA_LIMIT: Final = 64 * 2**20
"""Most bytes of sound and pictures of one websocket session."""


@dataclass(slots=True)
class Head:
    """The head of a cassette: the origin of the recording."""

    recorded_at: str = ""
    """The time of its oldest interaction, in ISO 8601."""
    sdk: str = ""
    """The SDK and its version, `google-genai 3.4.0`."""
    source: str = "unknown"
    """The server: `live`, `loopback` (on this machine) or `unknown`."""
    description: str = ""
    others: JsonDict = field(default_factory=JsonDict)
    """Further fields in the head of the file."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Head:
        """Return the head of a file from its metadata."""
        own = {name: values.get(key) for name, key in _HEAD.items()}
        others = {key: value for key, value in values.items() if key not in _HEAD.values()}
        return cls(**{name: str(value) for name, value in own.items() if value}, others=others)

    def metadata(self) -> JsonDict:
        """Return the metadata of a file."""
        own = {key: getattr(self, name) for name, key in _HEAD.items()}
        return {key: value for key, value in own.items() if value} | self.others


_HEAD = {"recorded_at": "recorded_at", "source": "recorded_from", "sdk": "sdk", "description": "description"}


class Cassette(VcrCassette):
    """A recording whose answers are found by the meaning of a request.

    *record_mode* is vcrpy's. With `all`, what was recorded takes the place of what it matches; otherwise it is added.
    A cassette that was made and not loaded takes the place of the whole file, unless another has written to it in the
    meantime. *ignore* has paths in the body of a request that don't matter for matching, such as
    `generationConfig.seed` or `contents[].role`. *fresh* is given where others record into the file, too: how many
    answers to a request (by fingerprint) they have just recorded. With `all`, these are played and kept.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        scrubber: Scrubber | None = None,
        ignore: Iterable[str] = (),
        fresh: Mapping[str, int] | None = None,
        media_limit: int = MEDIA_LIMIT,
        record_mode: RecordMode | str = RecordMode.ONCE,
        **options: Any,
    ) -> None:
        self.interactions: list[Interaction] = []
        self.websockets: list[WebsocketSession] = []
        super().__init__(Path(path), record_mode=RecordMode(record_mode), **options)
        self.head = Head()
        self.scrubber = scrubber or Scrubber.from_environment()
        self._origin = Origin(Shelf(Path(path)), tuple(ignore))
        self._waiting: defaultdict[str, deque[Interaction]] = defaultdict(deque)
        self._last: dict[str, Interaction] = {}
        self._keys: dict[Spelling, str] = {}
        self._loaded: list[Interaction] = []
        self._loaded_websockets: list[WebsocketSession] = []
        self._media_limit = media_limit
        self._fresh = fresh
        self._stamp = self._origin.shelf.stamp()
        self._lock = threading.Lock()

    @classmethod
    def load(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  (the path may be positional)
        cls, path: str | PathLike[str], *, allow_missing: bool = False, **options: Any
    ) -> Self:
        """Open the recording at *path*.

        Raises:
            CassetteNotFound: there is none, and it may not be missing.
            CassetteBroken: it can't be read; the message names file and line.
        """
        cassette = cls(path, **options)
        try:
            cassette._load()
        except CassetteNotFound:
            if not allow_missing:
                raise
        return cassette

    def __repr__(self) -> str:
        sessions = f" and {len(self.websockets)} websockets" if self.websockets else ""
        count = f"{len(self.interactions)} interactions{sessions}"
        return f"<Cassette {self.path}: {count}, {len(self.unplayed)} not played>"

    @property
    def path(self) -> Path:
        """The file."""
        return self._origin.shelf.path

    @property
    def unplayed(self) -> list[Recorded]:
        """The interactions and websocket sessions that were not played."""
        return [one for one in self._all if not one.played]

    @property
    def has_fresh(self) -> bool:
        """`True` if other processes or tests have recorded answers that can be played."""
        return bool(self._fresh)

    def requested(self) -> dict[str, int]:
        """Return how often each request was played or recorded, by fingerprint."""
        return dict(Counter(one.fingerprint for one in self._all if one.played))

    def play(self, request: Request) -> Response | None:
        """Return the answer of the next unplayed interaction with the same meaning, or `None`."""
        interaction = self._take(self._key(request))
        if interaction is None:
            # What it was sent with is not in the recording: look for it as this, or another tool, records it.
            meanings = (self._meaning(request), self._meaning(self.scrubber.request(request)))
            keys = (form.key for meaning in meanings for form in meaning.recorded_forms)
            interaction = next(filter(None, map(self._take, keys)), None)
        return None if interaction is None else interaction.response

    def record(self, request: Request, response: Response) -> Interaction:
        """Add an interaction, without its secrets.

        Raises:
            CassetteError: it can't be kept; the others are as they were.
        """
        try:
            stored = stored_of(*self.scrubber.exchange(request, response))
            interaction = Interaction(self._origin, len(self.interactions), stored)
        except Exception as error:
            number = len(self.interactions) + 1
            raise CassetteError(f"{self.path}: interaction {number} can't be kept: {type(error).__name__}") from error
        with self._lock:
            # Under the lock, since other threads may have recorded while this one was scrubbed.
            interaction.index = len(self.interactions)
            interaction.played = 1
            self.interactions.append(interaction)
            self.play_counts[interaction.index] += 1
            self.dirty = True
        return interaction

    def record_websocket(self, conversation: Conversation) -> WebsocketSession:
        """Add a websocket session, without its secrets.

        Raises:
            CassetteError: it can't be kept; everything else is as it was.
        """
        number = len(self.websockets) + 1
        try:
            session = recorded(self._origin, number - 1, conversation, self.scrubber, self._media_limit)
        except CassetteError:
            raise
        except Exception as error:
            raise CassetteError(
                f"{self.path}: websocket session {number} can't be kept: {type(error).__name__}"
            ) from error
        with self._lock:
            session.index = len(self.websockets)
            session.played = 1
            self.websockets.append(session)
            self.dirty = True
        return session

    def has_websocket(self, uri: str) -> bool:
        """Return whether a websocket at *uri* was recorded, even if it was refused."""
        return self._sessions.has(path_of(self.scrubber.address(uri)))

    def play_refusal(self, uri: str) -> Response | None:
        """Return the refusal of the next handshake at *uri*, if the recorded one was refused."""
        return self._sessions.play_refusal(path_of(self.scrubber.address(uri)))

    def replay_websocket(
        self,
        uri: str,
        headers: Mapping[str, str],
        *,
        pace: Pace,
        faults: Callable[[int], Faults],
        miss: Callable[[str], CassetteError],
        network: Callable[[bool], Awaitable[Peer]] | None = None,
        sent: Callable[[Message], None] | None = None,
        is_remote: bool = False,
    ) -> ReplayedSession | None:
        """Return a server in memory for a client that opens *uri*; `None` where no session was recorded there.

        *faults* gets the number of messages that the server sends, and *miss* says what a miss is. Where no recorded
        session goes on so, and the client has received nothing but the answer to the setup, *network* opens a
        connection to the real server; it gets whether a recorded session was begun. *sent* gets what the client sends.
        A client that *is_remote* may send nothing for as long as it likes.
        """
        path = path_of(self.scrubber.address(uri))
        if not self._sessions.of(path):
            return None
        scrub = self.scrubber.of_session(Conversation(uri, tuple(headers.items()))).json
        return ReplayedSession(
            self._sessions,
            path,
            scrub=scrub,
            pace=pace,
            faults=faults,
            miss=miss,
            network=network,
            sent=sent,
            is_remote=is_remote,
        )

    def recorded_like(self, conversation: Conversation) -> tuple[WebsocketSession | None, WebsocketSession]:
        """Return the next unplayed session with the same client messages, and *conversation* in its stored form."""
        live = recorded(self._origin, len(self.websockets), conversation, self.scrubber, self._media_limit)
        for session in self._loaded_websockets:
            if not session.played and session.key == live.key:
                session.played = 1  # a second one that sends the same is compared with the next
                return session, live
        return None, live

    def save(self) -> bool:
        """Write the file, unless that would not change it; return whether it was written.

        Raises:
            SecretFound: a secret is still in it; the message names its path and its kind. Everything else was written,
                unless the secret is in what the file held before.
            CassetteError: it can't be written; the old file is still there.
        """
        with self._lock:
            if not self.dirty:
                return False
            with self._changing():
                written = self._write()
            self.dirty = False
            return written

    def prune(self, played: Mapping[str, int]) -> int:
        """Remove answers beyond the number *played*, by fingerprint; return how many were removed.

        Raises:
            CassetteError: it can't be written; the old file is still there.
        """
        with self._lock, self._changing():
            left, kept = Counter(played), list[Recorded]()
            present = self._on_disk()
            for recorded in present:
                if left[recorded.fingerprint] > 0:
                    left[recorded.fingerprint] -= 1
                    kept.append(recorded)
            dropped = len(present) - len(kept)
            if dropped:
                files = _Files(self._origin.shelf)
                blocks = [recorded.block(files.attach) for recorded in kept]
                self._origin.shelf.write(_content(self._origin.head, blocks), files)
            return dropped

    def explain_miss(self, request: Request) -> str:
        """Return why *request* can't be played: the most similar recorded request, and the differences."""
        sent = self._meaning(self.scrubber.request(request))
        keys = {form.key for form in sent.recorded_forms}
        same = [interaction for interaction in self._loaded if interaction.key in keys]
        problem = f"{sent.method} {sent.path} can't be replayed from {self.path}"
        if same:
            times = "once, and that answer was" if len(same) == 1 else f"{len(same)} times, and all these answers were"
            return f"{problem}: it was recorded {times} given already."
        if not self._loaded:
            return f"{problem}: nothing is recorded there."
        meanings = [interaction.meaning for interaction in self._loaded]
        index = nearest(sent, meanings)
        if index is None:
            return f"{problem}: it was not recorded.\nNone of the {len(meanings)} recorded requests is like it."
        played = "given already" if self._loaded[index].played else "not yet given"
        which = (
            f"nearest of {len(meanings)} recorded requests, number {index + 1}" if meanings[1:] else "only recorded one"
        )
        head = f"{problem}: it was not recorded.\nThe {which} (its answer was {played}), differs:"
        return "\n  ".join([head, *describe(between(meanings[index], sent))])

    # Its parts

    @property
    def _all(self) -> list[Recorded]:
        return [*self.interactions, *self.websockets]

    @cached_property
    def _sessions(self) -> Sessions:
        return Sessions(self._loaded_websockets, self._origin.ignored, repeats=self.allow_playback_repeats)

    @property
    def _is_changed(self) -> bool:
        return self._origin.shelf.stamp() != self._stamp

    def _meaning(self, request: Request) -> Meaning:
        whole = meaning_of(request)
        return without(self._origin.ignored, whole) if self._origin.ignored else whole

    def _key(self, request: Request) -> str:
        # A request that is spelled like a recorded one means the same, and needs no reading.
        body = request.body
        known = self._keys.get((request.method, request.uri, body)) if isinstance(body, bytes) else None
        return known or self._meaning(request).key

    def _take(self, key: str) -> Interaction | None:
        with self._lock:
            waiting = self._waiting.get(key)
            interaction = waiting.popleft() if waiting else self._last.get(key) if self.allow_playback_repeats else None
            if interaction is not None:
                interaction.played += 1
                self.play_counts[interaction.index] += 1
                self._last[key] = interaction
            return interaction

    @contextmanager
    def _changing(self) -> Generator[None]:
        # From reading to writing: what another process saved in between would be lost.
        try:
            lock = lock_of(self.path)
            lock.acquire()
        except OSError as error:
            raise CassetteError(f"the cassette {self.path} can't be locked to save it: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def _load(self) -> None:
        self._loaded, self._loaded_websockets = read(self._origin)
        # Copies: what was loaded is what a rewind goes back to, and what `_write` compares with.
        self.interactions, self.websockets = list(self._loaded), list(self._loaded_websockets)
        self.head = Head.read(self._origin.head)
        self._loaded_count = len(self._loaded)  # for vcrpy's own code
        playable = Counter(self._fresh or {}) if self.record_mode == RecordMode.ALL else None
        for interaction in self._loaded:
            if interaction.spelling:
                self._keys[interaction.spelling] = interaction.key
            if playable is not None:
                playable[interaction.fingerprint] -= 1
                if playable[interaction.fingerprint] < 0:
                    continue
            self._waiting[interaction.key].append(interaction)
        self.dirty = False
        self.rewound = True

    def _write(self) -> bool:
        old = self._on_disk()
        files = _Files(self._origin.shelf)
        before = [interaction.block(files.attach) for interaction in old]
        files.clear()  # those that are needed are attached once more, each beside its interaction
        self.head = Head.read(self.scrubber.value(self.head.metadata()))
        problems = [str(secret) for secret in self.scrubber.remaining(self.head.metadata(), "the head")]
        is_refused, is_date_kept, lost = bool(problems), False, 0
        blocks: list[Block | SessionBlock] = []
        for number, (now, former) in enumerate(self._places(old), 1):
            own = _Files(self._origin.shelf)  # written only if the interaction is
            block, refused = self._looked_through(now, own, number)
            is_date_kept |= now is former
            if refused:
                problems += refused
                is_refused |= now is former
                lost += 1
                own.clear()
            if former is not None and former is not now:
                # What was there stays, where the new answer can't be kept, and where only the times differ.
                before_it = former.block(own.attach)
                block = before_it if block is None or block.timeless == before_it.timeless else block
            if block is not None:
                blocks.append(block)
                files |= own
        head = Head.read(self._origin.head)
        if is_refused or (problems and blocks == before):
            raise _refusal(f"{self.path} was not saved", problems)
        if blocks == before:
            self.head = head
            return False
        # The head has the date of the oldest interaction, so that the age of none is hidden.
        if head.recorded_at and is_date_kept:
            self.head.recorded_at = head.recorded_at
        self._origin.shelf.write(_content(self.head.metadata(), blocks), files)
        if problems:
            self.dirty = False
            raise _refusal(f"{self.path} was saved without {lost} of its interactions", problems)
        return True

    def _looked_through(
        self, interaction: Recorded, files: _Files, number: int
    ) -> tuple[Block | SessionBlock | None, list[str]]:
        """Return *interaction* in the form of the file, or the reasons why it can't be saved."""
        try:
            block = interaction.block(files.attach)
            block.whole.decode()
            secrets = [
                str(secret)
                for part, values in interaction.values._asdict().items()
                for secret in self.scrubber.remaining(values, f"interaction {number}, {part}")
            ]
        except Exception as error:
            return None, [f"interaction {number} can't be written: {type(error).__name__}"]
        return (None if secrets else block), list(dict.fromkeys(secrets))

    def _on_disk(self) -> list[Recorded]:
        """Return the present content of the file, without its secrets if another tool wrote it."""
        interactions, sessions = self._loaded, self._loaded_websockets
        if not self.rewound or self._is_changed:
            try:
                interactions, sessions = read(self._origin)
            except CassetteNotFound:
                return []
            except CassetteError:
                if self.rewound:
                    raise
                return []  # what can't be read is replaced
        if self._origin.is_edited:
            clean = (
                recorded(self._origin, session.index, session.conversation, self.scrubber, self._media_limit)
                for session in sessions
            )
            return [*map(self._scrubbed, interactions), *clean]
        return [*interactions, *sessions]

    def _scrubbed(self, interaction: Interaction) -> Interaction:
        exchange = self.scrubber.exchange(interaction.request, interaction.response)
        return Interaction(self._origin, interaction.index, stored_of(*exchange))

    def _places(self, old: list[Recorded]) -> Iterator[tuple[Recorded, Recorded | None]]:
        """Yield what the file is to hold, and what was there before: the websocket sessions last."""
        interactions = [one for one in old if isinstance(one, Interaction)]
        sessions = [one for one in old if isinstance(one, WebsocketSession)]
        yield from self._places_of(interactions, self.interactions[len(self._loaded) :], self._loaded)
        new = self.websockets[len(self._loaded_websockets) :]
        yield from self._places_of(sessions, new, self._loaded_websockets)

    def _places_of(self, old: list[R], new: list[R], loaded: list[R]) -> Iterator[tuple[R, R | None]]:
        if self._is_changed and self.rewound:
            # Another has saved in the meantime. Each block starts from the first answer: one of both is enough.
            new = missing(new, missing(old, loaded))
        if self.rewound and self.record_mode != RecordMode.ALL:
            return added(old, new)
        nothing: dict[str, int] = {}
        shared = self._fresh if self._fresh is not None else nothing if self._is_changed else None
        fixed = None if shared is None else {i.key: shared.get(i.fingerprint, 0) for i in old}
        return replaced(old, new, keep=self.rewound or self._is_changed, fixed=fixed)

    # What vcrpy's own code uses of a cassette

    @property
    def data(self) -> list[tuple[Request, JsonDict]]:
        """The interactions in vcrpy's form."""
        return [(interaction.request, vcr_response(interaction.response)) for interaction in self.interactions]

    @data.setter
    def data(self, value: list[Any]) -> None:
        """vcrpy sets an empty list, which is not needed here."""

    def __len__(self) -> int:
        """Return the number of interactions."""
        return len(self.interactions)

    def __contains__(self, request: Request) -> bool:
        """Return whether *request* can be played."""
        key = self._key(request)
        return bool(self._waiting.get(key)) or bool(self.allow_playback_repeats and key in self._last)

    def append(self, request: Request, response: JsonDict) -> None:
        """Add the answer that one of vcrpy's stubs has received."""
        stored = from_vcr({"request": request._to_dict(), "response": response})
        self.record(request, response_of(stored.response))

    def play_response(self, request: Request) -> JsonDict:
        """Return the next answer for one of vcrpy's stubs."""
        response = self.play(request)
        if response is None:
            raise UnhandledHTTPRequestError(self.explain_miss(request))
        return vcr_response(response)

    def rewind(self) -> None:
        """Start again from the first interaction."""
        with self._lock:
            super().rewind()
            self._waiting.clear()
            self._last.clear()
            for interaction in self._loaded:
                interaction.played = 0
                self._waiting[interaction.key].append(interaction)
            for session in self._loaded_websockets:
                session.played = 0
            self.__dict__.pop("_sessions", None)  # it knows who has played what

    def _save(self, force: bool = False) -> None:
        self.dirty = self.dirty or force
        self.save()


class _Files(dict[str, bytes]):
    """The files to write beside a cassette."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self._shelf = shelf

    def attach(self, data: bytes, extension: str) -> str:
        """Add *data*; return the name of its file."""
        name = self._shelf.name_for(data, extension)
        self[name] = data
        return name


def _content(head: Mapping[str, Any], blocks: Sequence[Block | SessionBlock]) -> bytes:
    interactions = (block for block in blocks if isinstance(block, Block))
    return yaml_format.write(head, interactions, (block for block in blocks if isinstance(block, SessionBlock)))


def _refusal(what: str, problems: list[str]) -> CassetteError:
    listed = "".join(f"\n  {problem}" for problem in problems)
    if any("can't be written" in problem for problem in problems):
        return CassetteError(f"{what}, because not all of it can be written:{listed}")
    advice = "Keep them out of the call, or give the recorder a scrubber that knows them"
    return SecretFound(f"{what}, because secrets are in it:{listed}\n{advice}")
