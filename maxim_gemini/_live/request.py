"""Convert what the application sends in a live session to Maxim's messages, attachments and answers. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .._core.generation import Request
from .._core.secrets import redacted
from .._core.tool_calls import FunctionAnswer, in_openai_form
from .._core.values import as_text, mapping
from .frames import JsonDict, blob, member, members_of, read_part
from .sound import USER_RATE, Sound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._core.values import Attachment

PICTURES: Final = 16
"""Pictures of a turn's video that are kept; the oldest are dropped first."""

_ROLES: Final = {"model": "assistant"}


class Input:
    """The application's input in one turn: text, sound and pictures, after the messages in *brings*."""

    __slots__ = (
        "_files",
        "_is_released",
        "_pictures",
        "_seen",
        "_sound",
        "_spoken",
        "_transcript",
        "messages",
        "picture_count",
    )

    def __init__(self, seconds: float, brings: Iterable[JsonDict] = ()) -> None:
        self.messages: list[JsonDict] = list(brings)
        self.picture_count = 0
        self._sound = Sound(seconds, USER_RATE, newest=True)
        self._transcript: list[str] = []
        self._pictures: deque[Attachment] = deque(maxlen=PICTURES)
        self._files: list[Attachment] = []
        self._spoken: JsonDict | None = None
        self._seen: JsonDict | None = None
        self._is_released = False

    def read(self, contents: object) -> None:
        """Add typed contents."""
        request = Request()
        add_contents(request, contents)
        self.messages += request.messages
        self._files += request.attachments

    def take_in(self, value: object) -> None:
        """Add a piece of sound, or a picture."""
        media = blob(value)
        if media is None:
            return
        mime_type, data = media
        if mime_type.startswith("audio/"):
            self._spoken = self._spoken or self._added()
            self._sound.add(mime_type, data)
        else:
            self._seen = self._seen or self._added()
            text, picture = read_part({"inline_data": value})
            self.picture_count += 1
            if picture is not None:
                self._pictures.append(picture)
            self._seen["content"] = text

    def transcribe(self, text: str) -> None:
        """Add a piece of Gemini's transcription of the sound."""
        self._spoken = self._spoken or self._added()
        self._transcript.append(text)

    def _added(self) -> JsonDict:
        message: JsonDict = {"role": "user", "content": ""}
        self.messages.append(message)
        return message

    @property
    def is_media_only(self) -> bool:
        """`True` if there is sound or video, but no text yet."""
        return bool(self.messages) and all(one is self._spoken or one is self._seen for one in self.messages)

    @property
    def text(self) -> str:
        """The user's text; for sound without a transcription, a short description."""
        self.describe_media()
        return Request(*self.messages).input

    def describe_media(self) -> None:
        """Update the messages of sound and video with the transcription, or with a short description."""
        if self._spoken is not None:
            sound = f"[audio, {self._sound.seconds:.1f} s]" if self._sound.seconds else "[audio]"
            self._spoken["content"] = "".join(self._transcript) or sound
        if self._seen is not None and self.picture_count > 1:
            self._seen["content"] = f"[{self.picture_count} pictures]"

    def release_media(self) -> tuple[list[Attachment], JsonDict]:
        """Return the media and the sound's metadata, once: they belong to the first request of a turn."""
        if self._is_released:
            return [], {}
        self._is_released = True
        media = [*self._files, *self._pictures, *self._sound.attachments("user audio")]
        about = self._sound.metadata("input")
        self._files.clear()
        self._pictures.clear()
        self._sound.release()
        return media, about


def add_contents(request: Request, contents: object) -> None:
    """Add *contents*, turns of a conversation, to the messages of *request*."""
    for content in members_of({"contents": contents}, "contents"):
        role = str(content.get("role") or "user")
        message: JsonDict = {"role": _ROLES.get(role, role), "content": ""}
        texts: list[str] = []
        for part in members_of(content, "parts"):
            if (call := mapping(member(part, "function_call"))) is not None:
                called = in_openai_form(str(call.get("id") or ""), call.get("name"), call.get("args"))
                message.setdefault("tool_calls", []).append(called)
            elif (response := mapping(member(part, "function_response"))) is not None:
                _add_result(request, response)
            else:
                texts.append(_text_of(request, part))
        if texts or len(message) > 2:
            request.messages.append({**message, "content": "".join(texts)})


def results_of(tool_response: object) -> Request:
    """Return the messages and answers in a tool response."""
    request = Request()
    for response in members_of(tool_response, "function_responses"):
        _add_result(request, response)
    return request


def system_messages(instruction: object) -> list[JsonDict]:
    """Return a system instruction, which is a content, as messages."""
    texts = [text for part in members_of(instruction, "parts") if (text := read_part(part)[0])]
    return [{"role": "system", "content": "\n".join(texts)}] if texts else []


def _text_of(request: Request, part: JsonDict) -> str:
    """Return *part* as text; add its data or file to the attachments."""
    text, attachment = read_part(part)
    if attachment is not None:
        if attachment.mime_type == "audio/pcm":
            attachment = attachment._replace(mime_type=f"audio/pcm;rate={USER_RATE}")
        request.attachments.append(attachment)
    return text


def _add_result(request: Request, response: JsonDict) -> None:
    """Add what a function returned to *request*; by google-genai's convention it is under one key."""
    returned: Any = response.get("response")
    value = mapping(returned) or {}
    failure = None
    if len(value) == 1:
        returned = value.get("result", value.get("output", returned))
        failure = value.get("error")
    media = [_text_of(request, part) for part in members_of(response, "parts")]
    text = "\n".join([*([as_text(returned)] if returned or not media else []), *media])
    error = None if failure is None else as_text(failure)
    request.answers.append(FunctionAnswer(None, response.get("id"), response.get("name"), text, error))
    message: JsonDict = {"role": "tool", "content": text if failure is None else redacted(text)}
    message |= {"tool_call_id": response["id"]} if response.get("id") else {}
    request.messages.append(message | ({"name": response["name"]} if response.get("name") else {}))
