"""The user of a live session, from the server's side: prompts, sound, interruptions."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing._cassette.messages import size_of
from maxim_gemini.testing._json_types import JsonDict, is_list, is_object

from .request import GeminiRequest, text_of_message

if TYPE_CHECKING:
    from collections.abc import Mapping

_RATE: Final = re.compile(r"rate=(\d+)")
_USUAL_RATE: Final = 16_000
_MEDIA: Final = frozenset({"audio", "video", "media", "media_chunks", "mediaChunks"})
_INPUT: Final = "input"


class LiveRequest:
    """A live session as a request, with the client's messages so far."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = tuple(headers.items())
        self._user: LiveUser | None = None

    @property
    def request(self) -> GeminiRequest:
        """The request; without a body as long as the client has sent nothing."""
        return self._user.request if self._user else self._begun_with(None)

    def take(self, message: str | bytes) -> None:
        """Take the client's next message."""
        if self._user is None:
            self._user = LiveUser(self._begun_with(message))
        else:
            self._user.take(message)

    def begin_again(self) -> None:
        """Forget all messages: they are sent again, to another server."""
        self._user = None

    def _begun_with(self, message: str | bytes | None) -> GeminiRequest:
        return GeminiRequest.of("WEBSOCKET", self.url, self.headers, message)


class LiveUser:
    """The messages of one session's client, and those that the server has not answered yet."""

    def __init__(self, request: GeminiRequest) -> None:
        self.request = request
        self.prompts: deque[JsonDict] = deque()
        """The prompts that request a turn, in order."""
        self.audio_seconds = 0.0
        self.is_speaking = False
        """Set when the model is interrupted: by sound, by the start of an activity, or by a message."""
        self.has_completed = False
        """`True` if the client has completed a live interaction."""
        self._unanswered_seconds = 0.0
        self._calls: set[str] = set()

    def take(self, message: str | bytes) -> None:
        """Add a message of the client."""
        try:
            value = json.loads(message)
        except ValueError:
            value = None
        for event in value.get("events", [value]) if is_object(value) else ():
            if is_object(event):
                self._take(event)

    def expect_results(self, calls: list[JsonDict]) -> None:
        """Let the next prompt wait until all of *calls* have their results."""
        self._calls = {str(call["id"]) for call in calls}

    def take_audio(self, seconds: float) -> bool:
        """Return whether that many seconds of sound without an answer have arrived, and count them as answered."""
        if self._unanswered_seconds < seconds:
            return False
        self._unanswered_seconds = 0.0
        return True

    def _take(self, message: JsonDict) -> None:
        realtime = message.get("realtime_input", message.get("realtimeInput"))
        blobs = _blobs(realtime) if is_object(realtime) else []
        if blobs:
            self._listen(blobs)
            return
        self.request.messages.append(message)
        self.has_completed |= message.get("event_type") == "interaction.complete"
        if is_object(realtime):
            self._realtime(message, realtime)
        elif (results := message.get("tool_response", message.get("toolResponse"))) is not None:
            self._results(message, results)
        elif _asks(message):
            self.is_speaking = True
            self.prompts.append(message)

    def _listen(self, blobs: list[JsonDict]) -> None:
        self.is_speaking = True
        for blob in blobs:
            kind = str(blob.get("mime_type", blob.get("mimeType", "")))
            size = size_of(str(blob.get("data", "")))
            self.request.media_bytes[kind] = self.request.media_bytes.get(kind, 0) + size
            if kind.startswith("audio/"):
                rate = _RATE.search(kind)
                seconds = size / 2 / (int(rate[1]) if rate else _USUAL_RATE)
                self.audio_seconds += seconds
                self._unanswered_seconds += seconds

    def _realtime(self, message: JsonDict, realtime: JsonDict) -> None:
        if "activity_start" in realtime or "activityStart" in realtime:
            self.is_speaking = True
        elif "text" in realtime or self._unanswered_seconds > 0:
            # The end of speech that was answered already, while it came in, asks for nothing.
            self.is_speaking |= "text" in realtime
            self._unanswered_seconds = 0.0
            self.prompts.append(message)

    def _results(self, message: JsonDict, results: Any) -> None:
        given = results.get("function_responses", results.get("functionResponses")) if is_object(results) else None
        self._calls -= {str(result.get("id")) for result in given or () if is_object(result)}
        if not self._calls:
            self.prompts.append(message)


def _blobs(realtime: JsonDict) -> list[JsonDict]:
    values = [value for name, value in realtime.items() if name in _MEDIA]
    items = [item for value in values for item in (value if is_list(value) else [value])]
    return [item for item in items if is_object(item)]


def _asks(message: JsonDict) -> bool:
    """Return whether *message* requests an answer: a whole turn, input of a live interaction, or `play` of music."""
    content = message.get("client_content", message.get("clientContent"))
    if is_object(content):
        if "weightedPrompts" in content or "weighted_prompts" in content:
            return False
        return content.get("turn_complete", content.get("turnComplete")) is not False
    playback = message.get("playback_control", message.get("playbackControl"))
    return playback == "PLAY" or message.get("event_type") == _INPUT or bool(text_of_message(message))
