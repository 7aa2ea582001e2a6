"""Play the server's side of a live session: turn after turn, when the user requests them, over any connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

from maxim_gemini.testing._http import wire
from maxim_gemini.testing._http.delivery import sleep
from maxim_gemini.testing._http.websocket import ABNORMAL, Close, PeerClosed
from maxim_gemini.testing.exceptions import ScriptError, TestKitError

from .live_user import LiveUser
from .live_writing import Action, is_live_interaction, written
from .model import AfterAudio, Disconnect, Failure, Hangup, Hold, Interruption, LiveSession, Pause, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from maxim_gemini.testing._http.websocket import Peer
    from maxim_gemini.testing._json_types import JsonDict

    from .live_channel import Channel, InThread
    from .model import Turn
    from .player import Player
    from .request import GeminiRequest

_TICK: Final = 0.002
"""Seconds between two checks of a gate."""
_PATIENCE: Final = 1.0
"""Seconds for which a client may keep the connection of a completed interaction open."""
_INTERNAL_ERROR: Final = 1011
_LONGEST_REASON: Final = 120
"""Most bytes of the reason in a websocket's close frame."""


async def play(script: Turns, channel: Channel, request: GeminiRequest, session: Reply, in_thread: InThread) -> None:
    """Play *session*, the reply of *script* to *request*, until either side ends the connection."""
    try:
        await _Conversation(script, channel, request, in_thread).hold(session)
    except PeerClosed:
        return
    except Exception as error:
        script.failed(error)
        await channel.close(failure(error))


async def relay(player: Player, channel: Channel, request: GeminiRequest, peer: Peer) -> None:
    """Connect *peer* as server with the client at *channel*, whose first message is in *request*, until either ends."""
    user = LiveUser(request)

    async def listen() -> None:
        await peer.take(request.body)
        while True:
            message = await channel.receive()
            user.take(message)
            await peer.take(message)

    async def speak() -> None:
        while True:
            await channel.send(await peer.give())

    try:
        await _first_of(listen(), speak())
    except PeerClosed as closed:
        await peer.leave(closed.close)
        if closed.close.by == "server":
            await channel.close(closed.close)
    except Exception as error:
        player.failed(error)
        await channel.close(failure(error))


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run *coroutines* until one of them ends, as that one does."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in reversed(tasks):
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


def failure(error: Exception) -> Close:
    """Return the close of the connection if the test kit or the test itself has failed."""
    shown = str(error) if isinstance(error, TestKitError) else f"{type(error).__name__}: {error}"
    return Close(_INTERNAL_ERROR, _short(shown))


class Turns(Protocol):
    """Provides the turns of a live session."""

    def turn(self, turn: Turn, request: GeminiRequest, /) -> Reply:
        """Return the server's answer to the latest message of *request*."""
        ...

    def left_over(self, turns: Sequence[Turn], request: GeminiRequest, /) -> None:
        """Note that the live session of *request* ended before these *turns* were used."""
        ...

    def failed(self, error: BaseException, /) -> None:
        """Keep *error* for the end of the test."""
        ...


class _Conversation:
    def __init__(self, script: Turns, channel: Channel, request: GeminiRequest, in_thread: InThread) -> None:
        self._script = script
        self._begun = 0
        self._channel = channel
        self._request = request
        self._in_thread = in_thread
        self._user = LiveUser(request)
        self._news = asyncio.Event()

    async def hold(self, reply: Reply) -> None:
        """Receive and answer, until either side ends the connection."""
        if reply.session is None and isinstance(reply.steps[0], Failure | Disconnect | Hangup):
            for action in written(reply, self._request, 0):
                await self._act(action)
            return
        session = reply.session or LiveSession((reply,), {})
        await _first_of(self._listen(), self._speak(session))

    async def _listen(self) -> None:
        while True:
            self._user.take(await self._channel.receive())
            if self._user.has_completed:
                await self._send({"event_type": "interaction.completed"})
                # google-genai closes once it has read that. If the server did too, chance would tell who was first.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._channel.receive(), _PATIENCE)
                await self._channel.close(Close())
                return
            self._news.set()

    async def _until(self, happened: Callable[[], object]) -> None:
        while not happened():
            self._news.clear()
            await self._news.wait()

    async def _speak(self, session: LiveSession) -> None:
        is_interaction = is_live_interaction(self._request)
        await self._send(
            {"event_type": "interaction.connected"} if is_interaction else {"setupComplete": dict(session.setup)}
        )
        try:
            for number, turn in enumerate(session.turns):
                if not await self._turn(turn, number):
                    return
            await self._until(lambda: self._user.prompts)
            raise ScriptError(
                f"no turn is left for {self._user.prompts[0]!r:.200}: reply.live(...) has {len(session.turns)}, "
                "add one more"
            )
        finally:
            if left := list(session.turns)[self._begun :]:
                self._script.left_over(left, self._request)

    async def _turn(self, turn: Turn, number: int) -> bool:
        """Answer the user's next prompt; return whether the connection continues."""
        starts_by_sound = isinstance(turn, Reply) and bool(turn.steps) and isinstance(turn.steps[0], AfterAudio)
        if not starts_by_sound:
            await self._until(lambda: self._user.prompts)
            self._user.prompts.popleft()
            self._begun = number + 1  # who leaves while it is sent has taken it
        reply = (
            turn if isinstance(turn, Reply) else await self._in_thread(lambda: self._script.turn(turn, self._request))
        )
        self._user.is_speaking = False
        for action in written(reply, self._request, number):
            goes_on = await self._act(action)
            self._begun = number + 1
            if not goes_on:
                return False
        return True

    async def _act(self, action: Action) -> bool:
        match action:
            case dict():
                if calls := action.get("toolCall", {}).get("functionCalls"):
                    self._user.expect_results(calls)
                await self._send(action)
            case bytes():
                await self._channel.send(action)
            case Interruption():
                await self._until(lambda: self._user.is_speaking)
            case AfterAudio(seconds=seconds):
                await self._until(lambda: self._user.take_audio(seconds))
                self._user.is_speaking = False
            case Pause(seconds=seconds):
                await (asyncio.Event().wait() if seconds == inf else sleep(seconds))
            case Hold(gate=gate):
                gate.reach()
                while not gate.is_open:  # threads open it: there is no event to wait for
                    await sleep(_TICK)
            case Disconnect():
                await self._channel.close(Close(ABNORMAL))
                return False
            case Hangup(code=code, reason=reason):
                await self._channel.close(Close(code, _short(reason)))
                return False
        return True

    async def _send(self, message: JsonDict) -> None:
        is_interaction = "event_type" in message
        data = wire.dump_line(message) if is_interaction else wire.dump_json(message)
        await self._channel.send(data.decode() if is_interaction else data)


def _short(reason: str) -> str:
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
