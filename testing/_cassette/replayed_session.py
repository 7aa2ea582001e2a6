"""A recorded websocket session as a server in memory.

The client's messages are compared in order and by meaning; sound and video only by kind and amount. A message of the
server is sent when the client has sent as many messages, and as much sound, as before that message in the recording.
The answer to the setup only needs the setup.

Sessions of one address are distinguished by what the client sends. As long as several fit, the first is taken; where a
message does not fit it, another that fits takes its place, if what the client has received so far is the same.

A session that nothing recorded fits may go on with the real server, as long as the client has received nothing but the
answer to its setup. The server gets what the client has sent until then; its answers to that are dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._clock import monotonic
from maxim_gemini.testing._http.delivery import Faults, damaged, factor, sleep
from maxim_gemini.testing._http.event_loops import PATIENCE, Abandoned, News, wait_for_client
from maxim_gemini.testing._http.websocket import ABNORMAL, Close, Message, Peer, PeerClosed
from maxim_gemini.testing._json_types import is_object

from .differences import between, describe, differences, nearest
from .messages import Ids, blobs_of, compared, kind_of, size_of, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from maxim_gemini.testing._http.delivery import Pace
    from maxim_gemini.testing._http.exchange import Response
    from maxim_gemini.testing.exceptions import CassetteError

    from .matching import Meaning
    from .sessions import StoredFrame, WebsocketSession

_SHOWN: Final = 200
_HOPELESS: Final = f"It waits, and nothing in its event loop can send it any more (or has, for {PATIENCE:g} seconds)"
_TIMED_OUT: Final = "It waited until a time limit of the application ended that"


class Sessions:
    """The sessions of one cassette, and the clients to which they are replayed."""

    def __init__(
        self, sessions: list[WebsocketSession], ignored: tuple[str, ...] = (), *, repeats: bool = False
    ) -> None:
        self._sessions = sessions
        self._players: dict[int, ReplayedSession] = {}
        self._opened: Counter[tuple[Any, ...]] = Counter()
        """The number of connections, by address."""
        self.ignored = ignored
        self._repeats = repeats

    def play_refusal(self, path: Meaning) -> Response | None:
        """Return the refusal of the next handshake at that address, if the recorded one was refused."""
        sessions = self._at(path)
        number = self._opened[_address(path)]
        self._opened[_address(path)] += 1
        if self._repeats and sessions:
            number %= len(sessions)
        if number >= len(sessions) or (refusal := sessions[number].refused) is None:
            return None
        sessions[number].played += 1
        return refusal

    def of(self, path: Meaning) -> list[WebsocketSession]:
        """Return the sessions at that address."""
        return [session for session in self._at(path) if session.refused is None]

    def has(self, path: Meaning) -> bool:
        """Return whether there is a session at that address, even if it was refused."""
        return bool(self._at(path))

    def _at(self, path: Meaning) -> list[WebsocketSession]:
        return [session for session in self._sessions if _address(session.path) == _address(path)]

    def choose(self, player: ReplayedSession) -> bool:
        """Give *player* the first session that fits its client's messages; return whether there is one."""
        sessions = [session for session in self.of(player.path) if player.fits(session)]
        free = next((session for session in sessions if not session.played), None)
        if free is not None:
            self._hand(free, player)
            return True
        for session in sessions:
            other = self._players.get(session.index)
            if other is None or other is player:
                continue
            mine = player.session
            if mine is not None and other.fits(mine):
                self._hand(session, player)
                self._hand(mine, other)
                return True
        if self._repeats and sessions:
            self._hand(sessions[-1], player)
            return True
        return False

    def was_played(self, player: ReplayedSession) -> int:
        """Return the number of sessions that fit *player* and were replayed already."""
        return sum(player.fits(session) for session in self.of(player.path))

    def release(self, player: ReplayedSession) -> None:
        """Take the session back from *player*."""
        if player.session is not None and self._players.get(player.session.index) is player:
            player.session.played -= 1
            del self._players[player.session.index]

    def _hand(self, session: WebsocketSession, player: ReplayedSession) -> None:
        self.release(player)
        session.played += 1
        self._players[session.index] = player
        player.take_over(session)


def _address(path: Meaning) -> tuple[Any, ...]:
    return path.path, path.query


class ReplayedSession(Peer):
    """The replay of a session to one client."""

    def __init__(
        self,
        sessions: Sessions,
        path: Meaning,
        *,
        scrub: Callable[[Any], Any],
        pace: Pace,
        faults: Callable[[int], Faults],
        miss: Callable[[str], CassetteError],
        network: Callable[[bool], Awaitable[Peer]] | None,
        sent: Callable[[Message], None] | None,
        is_remote: bool,
    ) -> None:
        self._note_sent = sent
        self._is_remote = is_remote
        """`True` if the client is in another process, so that it is not known whether it will send."""
        self._sessions = sessions
        self.path = path
        self._scrub = scrub
        self._factor = factor(pace)
        self._faults_of = faults
        self._faults: Faults | None = None
        self._miss = miss
        self._network = network
        self._server: asyncio.Future[Peer] | None = None
        """The real server, once the client is left to it."""
        self.session: WebsocketSession | None = None
        self._sent: list[Any] = []
        self._messages: list[Message] | None = []
        """The client's messages, as long as it has only received the answer to its setup."""
        self._amounts: Counter[str] = Counter()
        self._known: set[str] = set()
        """The ids of the function calls that the server has given."""
        self._ids = Ids(self._known)
        self._given = 0
        self._expected: Iterator[Any] = iter(())
        self._coming: Iterator[_Coming] = iter(())
        self._next: _Coming | None = None
        self._due: float | None = None
        self._news: News | None = None
        self._timed_out = False
        """`True` if a time limit of the application ended the latest wait for a message."""
        self._left: Close | None = None
        self._failed: CassetteError | None = None

    # The client

    async def take(self, message: Message) -> None:
        """Compare *message* with the recorded one; where it differs, have the real server take it, or raise a miss."""
        if self._failed is not None:
            raise self._failed
        if self._server is None and (miss := self._compare(message)):
            if self._network is None or self._messages is None:
                raise self._fail(miss)
            await self._go_live(self._network, self._messages)
        if self._server is not None:
            server = await asyncio.shield(self._server)  # who stops waiting must not cancel it for the others
            await server.take(message)
        else:
            self._tell()
            await asyncio.sleep(0)  # as a socket does, or a client that only sends would keep others from reading

    async def give(self) -> Message:
        """Return the next message: a recorded one when the client has sent what it needs, or the real server's."""
        while True:
            if self._failed is not None:
                raise self._failed
            if self._left is not None:
                raise PeerClosed(self._left)
            if self._server is not None:
                server = await asyncio.shield(self._server)
                return await server.give()
            coming = self._next
            if coming is None or not self._has_sent(coming):
                await self._wait()
                continue
            await self._pause(coming)
            if coming is not self._next or self._server is not None:
                continue  # another session, or the real server, has taken the place of this one
            return self._given_to_client(coming)

    async def leave(self, close: Close) -> None:
        """Note that the client has closed the connection."""
        self._left = self._left or close
        self._tell()
        if self._server is not None:
            with suppress(PeerClosed):
                server = await asyncio.shield(self._server)
                await server.leave(close)

    def end(self) -> None:
        """Note that the recorder's block has ended while the client was still waiting for a message."""
        coming = self._next
        if (
            self._timed_out
            and self._failed is None
            and self._server is None
            and coming is not None
            and not self._has_sent(coming)
        ):
            self._fail(self._explain_wait(_TIMED_OUT))

    # Which session it is

    def fits(self, session: WebsocketSession) -> bool:
        """Return whether *session* has all messages that the client has sent and received so far."""
        expected = session.sent()
        if any(next(expected, _NOTHING) != sent for sent in self._sent):
            return False
        if self.session is None or not self._given or session is self.session:
            return True
        pairs = zip(_messages(self.session, self._given), _messages(session, self._given), strict=False)
        return all(mine == other or (_is_setup(mine) and _is_setup(other)) for mine, other in pairs)

    def take_over(self, session: WebsocketSession) -> None:
        """Continue with *session*."""
        if self._faults is None:
            self._faults = self._faults_of(sum(not is_sent for is_sent in session.sides()))
        self.session = session
        self._known.update(session.call_ids)
        self._expected = session.sent()
        for _ in self._sent:
            next(self._expected, None)
        self._coming = _coming(session)
        for _ in range(self._given):
            next(self._coming, None)
        self._next = next(self._coming, None)
        self._due = None
        self._tell()

    # Its parts

    def _compare(self, message: Message) -> str | None:
        """Take *message*, and return in what it differs from the recorded one."""
        if self._note_sent is not None:
            self._note_sent(message)
        value = value_of(message)
        blobs = blobs_of(value)
        miss = self._listen(self.session, blobs) if self.session is not None and blobs else self._compare_value(value)
        if miss is None and self._messages is not None:
            self._messages.append(message)
        return miss

    def _listen(self, session: WebsocketSession, blobs: list[dict[str, Any]]) -> str | None:
        for blob in blobs:
            kind = kind_of(blob)
            if kind not in self._amounts and kind not in (kinds := _kinds(session)):
                recorded = ", ".join(map(repr, sorted(kinds))) or "no sound or video"
                return f"{self._shown}: {kind!r} was sent, and {recorded} was recorded."
            self._amounts[kind] += size_of(blob["data"])
        return None

    def _compare_value(self, value: Any) -> str | None:
        value = value if isinstance(value, str | bytes) else self._scrub(value)
        sent = compared(self.path, value, self._ids, self._sessions.ignored)
        self._sent.append(sent)
        if self.session is not None:
            expected = next(self._expected, _NOTHING)
            if expected == sent or self._sessions.choose(self):
                return None
            close = self.session.close
            if expected is _NOTHING and close is not None and close.by == "server":
                self._sent.pop()
                raise PeerClosed(close)  # as when the recorded connection had ended
            return self._explain(expected, sent)
        return None if self._sessions.choose(self) else self._explain_setup(sent)

    async def _go_live(self, network: Callable[[bool], Awaitable[Peer]], before: list[Message]) -> None:
        """Leave the client to the real server, which gets what the client has sent *before*."""
        self._server = connected = asyncio.get_running_loop().create_future()
        self._sessions.release(self)
        self._tell()
        try:
            server = await network(bool(before))
            for message in before:
                await server.take(message)
            for _ in range(self._given):
                await server.give()
        except BaseException:
            # Whoever reads meanwhile sees the connection end; the error itself is for the one who sends.
            connected.set_exception(PeerClosed(Close(ABNORMAL)))
            raise
        connected.set_result(server)

    def _has_sent(self, coming: _Coming) -> bool:
        if len(self._sent) < coming.messages:
            return False
        return all(self._amounts[kind] >= amount for kind, amount in coming.amounts.items())

    async def _pause(self, coming: _Coming) -> None:
        """Keep the recorded pace, and the silence that a fault puts before a message."""
        if self._due is None:
            silence = self._faults.stall.get(self._given, 0.0) if self._faults else 0.0
            self._due = monotonic() + coming.wait * self._factor + silence
        if (wait := self._due - monotonic()) > 0:
            await sleep(wait)

    def _given_to_client(self, coming: _Coming) -> Message:
        faults = self._faults or Faults()
        if faults.disconnect_after is not None and self._given >= faults.disconnect_after:
            raise PeerClosed(faults.close or Close(ABNORMAL))
        if coming.frame is None:
            raise PeerClosed(coming.close)
        assert self.session is not None
        message = self.session.message(coming.frame)
        if self._given in faults.corrupt:
            message = _damaged(message)
        self._given += 1
        self._timed_out = False
        if not _is_setup(coming.frame.value):
            self._messages = None
        self._next, self._due = next(self._coming, None), None
        return message

    async def _wait(self) -> None:
        self._news = news = News()
        try:
            await (news if self._is_remote else wait_for_client(news))
        except Abandoned:
            raise self._fail(self._explain_wait(_HOPELESS)) from None
        finally:
            self._news, self._timed_out = None, news.timed_out

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, text: str) -> CassetteError:
        self._failed = self._miss(text)
        self._tell()
        return self._failed

    # What to tell of a miss

    @property
    def _shown(self) -> str:
        number = f", session {self.session.index + 1}" if self.session else ""
        return f"WEBSOCKET {self.path.path}{number}"

    def _explain_setup(self, sent: Any) -> str:
        sessions = self._sessions.of(self.path)
        if count := self._sessions.was_played(self):
            times = "once, and that session was" if count == 1 else f"{count} times, and all these sessions were"
            return f"{self._shown}: a session that begins so was recorded {times} replayed already."
        meanings = [session.meaning for session in sessions]
        # They have the address in common at least, so one of them is always the nearest.
        index = nearest(self.path._replace(body=sent), meanings) or 0
        lines = describe(between(meanings[index], self.path._replace(body=sent)))
        which = (
            f"nearest of {len(meanings)} recorded sessions, number {index + 1}" if meanings[1:] else "only recorded one"
        )
        head = f"{self._shown}: no recorded session begins so. The {which}, differs:"
        return "\n".join([head, *(f"  {line}" for line in lines)])

    def _explain(self, expected: Any, sent: Any) -> str:
        number = len(self._sent)
        if expected is _NOTHING:
            return f"{self._shown}: the recorded client sent {number - 1} messages, and now one more: {_short(sent)}."
        lines = describe(differences(expected, sent))
        head = f"{self._shown}: message {number} of the client differs from the recorded one:"
        return "\n".join([head, *(f"  {line}" for line in lines)])

    def _explain_wait(self, outcome: str) -> str:
        received = f"{self._given} message{'s' if self._given != 1 else ''} of the server"
        if self._next is None:
            is_cut = self.session is not None and self.session.close is None
            end = "the recording ended" if is_cut else "the client closed the connection"
            return f"{self._shown}: {received} were recorded, then {end}: nothing is left to receive."
        lines = [
            f"sound and video, {kind}: recorded {amount} bytes, sent {self._amounts[kind]}"
            for kind, amount in self._next.amounts.items()
            if self._amounts[kind] < amount
        ]
        if len(self._sent) < self._next.messages:
            missing = next(self._expected, None)
            lines.insert(0, f"message {len(self._sent) + 1} of the client: recorded {_short(missing)}, not sent")
        head = f"{self._shown}: after {received}, the next needs what the client has not sent. {outcome}:"
        return "\n".join([head, *(f"  {line}" for line in lines)])


_NOTHING: Final = object()


class _Coming:
    """A message of the server's, or the end, with what the client must have sent before."""

    __slots__ = ("amounts", "close", "frame", "messages", "wait")

    def __init__(
        self, frame: StoredFrame | None, messages: int, amounts: dict[str, int], wait: float, close: Close
    ) -> None:
        self.frame = frame
        self.messages = messages
        self.amounts = amounts
        self.wait = wait
        self.close = close


def _coming(session: WebsocketSession) -> Iterator[_Coming]:
    """Yield the server's messages, read from the file when they are needed, and its close of the connection."""
    messages, before = 0, 0.0
    amounts: dict[str, int] = {}
    for index in range(len(session)):
        frame = session.frame(index)
        if not frame.is_sent:
            needs = (1, dict[str, int]()) if _is_setup(frame.value) else (messages, amounts)
            yield _Coming(frame, *needs, max(0.0, frame.at - before), Close())
        elif own := frame.amounts():
            amounts = {kind: amounts.get(kind, 0) + own.get(kind, 0) for kind in {**amounts, **own}}
        else:
            messages += 1
        before = frame.at
    close = session.close
    if close is not None and close.by == "server":
        yield _Coming(None, messages, amounts, 0.0, close)


def _is_setup(value: Any) -> bool:
    return is_object(value) and ("setupComplete" in value or "setup_complete" in value)


def _messages(session: WebsocketSession, count: int) -> Iterator[Any]:
    """Yield the first *count* messages of the server."""
    for index, is_sent in enumerate(session.sides()):
        if not is_sent and count > 0:
            count -= 1
            yield session.frame(index).value


def _kinds(session: WebsocketSession) -> set[str]:
    """Return the kinds of media that the recorded client sent."""
    sent = (session.frame(index) for index, is_sent in enumerate(session.sides()) if is_sent)
    return {kind for frame in sent for kind in frame.amounts()}


def _damaged(message: Message) -> Message:
    data = damaged(message.encode() if isinstance(message, str) else message)
    with suppress(UnicodeDecodeError):
        return data.decode() if isinstance(message, str) else data
    return data


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
