"""Convert the frames of a live session, in order, to its turns and to events of the session.

Input of the application belongs to the current turn or, once Gemini answers that, to the next one. Frames are read
later, by another thread, so all times come from the frames.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from .._core.generation import STOPPED_EARLY, SUCCESS, Outcome
from .._core.logger import new_id
from .._core.secrets import redacted, without_credentials
from .._core.tool_calls import FunctionAnswer
from .._core.trace import begin_session
from .._core.values import as_text, mapping
from .frames import JsonDict, decoded, member, members_of, names
from .request import system_messages
from .turn import SESSION_NAME, Connection, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.connection import Frame
    from .._core.generation import Start
    from .turn import Results

QUIET: Final = logging.getLogger("maxim_gemini")

_MARKS: Final = frozenset({"activity_start", "activity_end", "audio_stream_end"})
_MEDIA: Final = ("audio", "video", "media", "media_chunks")
_ACTIVITY: Final = ("type", "voice_activity_type", "vad_signal_type")
_KNOWN_CONTENT: Final = frozenset(
    {
        "model_turn",
        "turn_complete",
        "turn_complete_reason",
        "interrupted",
        "generation_complete",
        "input_transcription",
        "interim_input_transcription",
        "output_transcription",
        "grounding_metadata",
        "url_context_metadata",
        "waiting_for_input",
        "interaction_status",
    }
)


REMEMBERED: Final = 65_536
"""Resumption handles of one logger that are remembered; the oldest are forgotten first."""


class Resumable:
    """The sessions of one logger, by the handles that resume them."""

    __slots__ = ("_lock", "_sessions")

    def __init__(self) -> None:
        self._sessions: dict[str, str] = {}
        self._lock = threading.Lock()

    def session_of(self, handle: str | None) -> str | None:
        """Return the id of the session that *handle* resumes."""
        return None if handle is None else self._sessions.get(handle)

    def remember(self, handle: str, session_id: str) -> None:
        """Remember the session that *handle* resumes."""
        with self._lock:
            self._sessions[handle] = session_id
            if len(self._sessions) > REMEMBERED:
                del self._sessions[next(iter(self._sessions))]


class LiveSession:
    """The turns of one connection. With a *handle*, it continues the session that *handle* came from.

    The session ends with the connection if *is_ended*.
    """

    def __init__(self, connection: Connection, handle: str | None, *, is_ended: bool) -> None:
        self._connection = connection
        self._log = connection.log
        self._id = connection.labels.session_id or ""
        self._handle = handle
        self._is_ended = is_ended
        self._resumable = self._log.shared(Resumable)
        self._turn: Turn | None = None
        self._next: Turn | None = None
        self._unanswered: Results | None = None
        self._has_had_turns = False

    def begin(self) -> None:
        """Begin the session, if it is new to the logger. All frames that were received before have been read by now."""
        if not self._id:
            self._id = self._resumable.session_of(self._handle) or new_id()
            self._connection.labels = self._connection.labels._replace(session_id=self._id)
        begin_session(self._log, self._id, SESSION_NAME)

    def take(self, frame: Frame) -> None:
        """Read the next frame."""
        message = decoded(frame.content)
        if message is None:
            self._fail("a frame that is not a JSON object: " + _beginning(frame.content), "", frame.at)
            return
        handlers = _SENT if frame.is_sent else _RECEIVED
        unknown = [name for name in names(message) if name not in handlers]
        for name, handle in handlers.items():
            if (value := member(message, name)) is not None:
                handle(self, value, message, frame.at)
        if unknown and not frame.is_sent and len(unknown) == len(message):  # the SDK raises an error for it
            code = message.get("code") or (mapping(message.get("error")) or {}).get("code")
            self._fail(f"a message of an unknown kind: {as_text(message)}", as_text(code or ""), frame.at)
        elif unknown:
            QUIET.debug("unknown members of a live message: %s", ", ".join(unknown))

    def _fail(self, message: str, code: str, at: Start) -> None:
        self._under_way(at).fail({"message": redacted(message[:2_000]), "code": code, "type": "invalid_message"})

    # What the application sends ---------------------------------------------------------------------------------------

    def _speaking(self, at: Start) -> Turn:
        """Return the turn that input of the application belongs to."""
        if self._turn is None:
            self._turn = self._new_turn(at)
        elif self._turn.answer is not None:
            self._next = self._next or self._new_turn(at)
            return self._next
        return self._turn

    def _new_turn(self, at: Start) -> Turn:
        results, self._unanswered = self._unanswered, None
        return Turn(self._connection, results.at, results.messages) if results else Turn(self._connection, at)

    def client_content(self, content: object, _message: JsonDict, at: Start) -> None:
        """Add typed contents."""
        turn = self._speaking(at)
        turn.input.read(member(content, "turns"))
        turn.note_voice(at)
        if member(content, "turn_complete"):
            turn.note_end_of_request(at)
        turn.open()

    def realtime_input(self, given: object, _message: JsonDict, at: Start) -> None:
        """Add sound, pictures, text and activity marks, as they are sent."""
        turn = self._speaking(at)
        turn.note_voice(at)
        for name in _MEDIA:
            for media in members_of(given, name):
                turn.input.take_in(media)
        if isinstance(text := member(given, "text"), str):
            turn.input.read({"role": "user", "parts": [{"text": text}]})
            turn.note_end_of_request(at)
            turn.open()
        for name in _MARKS & set(names(mapping(given) or {})):
            self._mark(turn, at, begins=name == "activity_start")

    def _mark(self, turn: Turn, at: Start, *, begins: bool) -> None:
        """Note that the user begins or ends to speak."""
        turn.is_speaking = begins
        if begins:
            turn.open(at)
        else:
            turn.note_end_of_request(at)

    def tool_response(self, response: object, _message: JsonDict, at: Start) -> None:
        """Add the results of functions."""
        self._under_way(at).return_results(response, at)

    def context_update(self, update: object, _message: JsonDict, _at: Start) -> None:
        """Note another system instruction, or other tools."""
        if (instruction := member(update, "system_instruction")) is not None:
            self._connection.system = system_messages(instruction)
        if (tools := member(update, "tools")) is not None:
            text = redacted(as_text(without_credentials(member(tools, "tools") or [])))
            self._connection.parameters = {**self._connection.parameters, "tools": text}

    # What Gemini sends ------------------------------------------------------------------------------------------------

    def _under_way(self, at: Start) -> Turn:
        """Return the turn that messages of Gemini belong to."""
        if self._turn is None:
            self._turn = self._new_turn(at)
        return self._turn

    def server_content(self, content: object, message: JsonDict, at: Start) -> None:
        """Read a piece of an answer, a transcription, or the end of an answer or a turn."""
        if unknown := [name for name in names(mapping(content) or {}) if name not in _KNOWN_CONTENT]:
            QUIET.debug("unknown members of live content: %s", ", ".join(unknown))
        if text := member(member(content, "input_transcription"), "text"):
            self._transcribed(str(text), at)
        if _has_answer(content):
            self._under_way(at).add(message, at)
        turn = self._turn
        if turn is not None:
            if member(content, "generation_complete"):
                turn.generated(at)
            if member(content, "interrupted") and turn.answer is not None:
                turn.answer.finish_reason = "interrupted"
            if reason := member(content, "turn_complete_reason"):
                turn.reason = str(reason)
            self._complete(content, turn, at)

    def _transcribed(self, text: str, at: Start) -> None:
        """Add a transcription of the user, to the current turn, or to the next one if it interrupts the answer."""
        turn = self._under_way(at)
        answer = turn.answer
        if answer is not None and (answer.finish_reason or (self._next is not None and self._next.is_open)):
            turn = self._speaking(at)
        turn.input.transcribe(text)
        turn.open()

    def tool_call(self, _call: object, message: JsonDict, at: Start) -> None:
        """Add functions that Gemini requests."""
        self._under_way(at).add({"tool_call": member(message, "tool_call")}, at)

    def tool_call_cancellation(self, cancellation: object, _message: JsonDict, at: Start) -> None:
        """Log that Gemini no longer requests some functions."""
        ids: list[str] = member(cancellation, "ids") or []
        known = self._connection.calls
        turn = self._under_way(at)
        turn.settle([FunctionAnswer(known.get(i), i, None, "", "cancelled by Gemini", "cancelled") for i in ids])

    def usage_metadata(self, usage: object, _message: JsonDict, at: Start) -> None:
        """Set the token counts of the turn."""
        turn = self._under_way(at)
        turn.open()
        turn.usage = mapping(usage)

    def voice_activity(self, activity: object, _message: JsonDict, at: Start) -> None:
        """Note that the server has detected the begin or end of the user's speech."""
        kind = str(
            member(activity, "type") or member(activity, "vad_signal_type") or member(activity, "voice_activity_type")
        )
        if kind.endswith(("START", "SOS")):
            self._speaking(at).open(at)
        elif kind.endswith(("END", "EOS")):
            self._speaking(at).note_end_of_request(at)

    def _complete(self, content: object, turn: Turn, at: Start) -> None:
        """End the turn if *content* ends the SDK's `receive`."""
        status = str(member(content, "interaction_status") or "")
        if status and not status.endswith("UNSPECIFIED"):
            is_complete = status.endswith("IDLE")
        else:
            is_complete = bool(member(content, "turn_complete"))
        if not is_complete or not turn.is_open:
            return
        if turn.answer is None and turn.is_speaking:
            return  # it ends the answer that the user has interrupted, not the turn that began by that
        self._end_turn(SUCCESS, at)

    def _end_turn(self, outcome: Outcome, at: Start) -> None:
        turn, self._turn, self._next = self._turn, self._next, None
        if turn is not None:
            self._has_had_turns = True
            self._unanswered = turn.end(outcome, at)

    def _event(self, name: str, value: object) -> None:
        data = {key: as_text(item) for key, item in (mapping(value) or {}).items()}
        self._log.attempt("log an event", lambda: self._log.logger.session_event(self._id, new_id(), name, data))

    def go_away(self, value: object, _message: JsonDict, _at: Start) -> None:
        """Log that Gemini will close the connection soon."""
        self._event("go_away", value)

    def session_resumption_update(self, value: object, _message: JsonDict, _at: Start) -> None:
        """Remember the handle that resumes the session."""
        if handle := member(value, "new_handle"):
            self._resumable.remember(str(handle), self._id)
        self._event("session_resumption_update", value)

    # The end ----------------------------------------------------------------------------------------------------------

    def close(self, outcome: Outcome, at: Start, code: int) -> None:
        """End what is open: the connection was closed, or broke. An error is logged even if no turn is open."""
        self._event("closed", {"code": code})  # without the reason, which is text that a privacy policy may hide
        if outcome.error is not None:
            self._under_way(at)
        self._end_open_turns(outcome, at)

    def _end_open_turns(self, outcome: Outcome, at: Start) -> None:
        while self._turn is not None:
            is_a_turn = self._turn.is_open or outcome.error is not None or not self._has_had_turns
            if is_a_turn:
                self._end_turn(outcome, at)
            else:  # sound after the last answer that was never answered
                self._turn, self._next = self._next, None
            outcome = Outcome(outcome.manner or STOPPED_EARLY.manner, at=outcome.at)

    def end(self, outcome: Outcome, at: Start) -> None:
        """End what is open: the application left the connection, or could not open it."""
        if outcome.error is not None:
            self._under_way(at)
        self._end_open_turns(outcome, at)
        if (hold := self._connection.labels.hold) is not None:
            hold.release()
        if self._is_ended:
            self._log.attempt("end the session", lambda: self._log.logger.session_end(self._id))


def _has_answer(content: object) -> bool:
    """Return whether *content* has a piece of an answer; empty pieces of a transcription are none."""
    return bool(
        member(member(content, "model_turn"), "parts")
        or member(member(content, "output_transcription"), "text")
        or member(content, "grounding_metadata")
        or member(content, "url_context_metadata")
    )


def _beginning(content: str | bytes) -> str:
    return repr(content[:200]) + ("..." if len(content) > 200 else "")


def _nothing(_session: LiveSession, _value: object, _message: JsonDict, _at: Start) -> None:
    """Ignore a message that does not concern turns."""


Handler: TypeAlias = "Callable[[LiveSession, object, JsonDict, Start], None]"

_SENT: Final[dict[str, Handler]] = {
    "setup": _nothing,
    "client_content": LiveSession.client_content,
    "realtime_input": LiveSession.realtime_input,
    "tool_response": LiveSession.tool_response,
    "context_update": LiveSession.context_update,
}
_RECEIVED: Final[dict[str, Handler]] = {
    "setup_complete": _nothing,
    "session_resumption_update": LiveSession.session_resumption_update,
    "go_away": LiveSession.go_away,
    "voice_activity": LiveSession.voice_activity,
    "voice_activity_detection_signal": LiveSession.voice_activity,
    "tool_call": LiveSession.tool_call,
    "tool_call_cancellation": LiveSession.tool_call_cancellation,
    "usage_metadata": LiveSession.usage_metadata,
    "server_content": LiveSession.server_content,
}
"""The handlers of a message's members, in the order in which they are called."""
