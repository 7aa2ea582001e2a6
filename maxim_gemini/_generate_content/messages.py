"""Convert contents, in all forms that google-genai accepts, to Maxim's messages and attachments.

Pure: no logger and no network, and arguments are never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from google.genai import types

from .._core.generation import Message, Request
from .._core.secrets import redacted
from .._core.tool_calls import FunctionAnswer, in_openai_form
from .._core.values import described, mapping, readable
from .parts import answer_text, attached, failure_in, part_of, placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .._core.values import Attachment

_ROLES: Final = {"model": "assistant"}


def read_request(contents: object, system: object, id_of: Callable[[types.FunctionCall], str | None]) -> Request:
    """Return the request with *contents* and *system*; *id_of* returns the ids of calls to which Gemini gave none."""
    # The most frequent call needs no reader.
    if system is None and isinstance(contents, str):
        return Request({"role": "user", "content": contents})
    reader = _Reader(id_of)
    if system is not None:
        reader.read_system(system)
    for content in _contents(contents):
        reader.read(content)
    return reader.request


class _Reader:
    """Reads contents, one after the other."""

    __slots__ = ("_id_of", "_open", "request")

    def __init__(self, id_of: Callable[[types.FunctionCall], str | None]) -> None:
        self.request = Request()
        self._id_of = id_of
        self._open: list[tuple[str, types.FunctionCall]] = []

    def read_system(self, system: object) -> None:
        texts = [text for content in _contents(system) for part in _parts(content) if (text := self._described(part))]
        if texts:
            self.request.messages.append({"role": "system", "content": "\n".join(texts)})

    def read(self, content: Any) -> None:
        role = content.role or "user"
        # Answers before a turn of the model were new in an earlier request.
        if role == "model":
            self._open = []
            self.request.answers.clear()
        message: Message = {"role": _ROLES.get(role, role), "content": ""}
        pieces: list[str] = []
        for part in _parts(content):
            if isinstance(part, str):
                pieces.append(part)
            elif part.function_response is not None:
                # In Maxim, each answer of a function is a message; texts before it are another one.
                self._flush(message, pieces)
                self._read_answer(part.function_response)
            elif part.function_call is not None:
                call = part.function_call
                call_id = self._id_of(call) or call.id or f"call_{len(self.request.messages)}_{len(self._open)}"
                self._open.append((call_id, call))
                message.setdefault("tool_calls", []).append(in_openai_form(call_id, call.name, call.args))
            elif text := self._described(part):
                if part.thought:
                    message["thoughts"] = message.get("thoughts", "") + text
                else:
                    pieces.append(text)
        self._flush(message, pieces)

    def _flush(self, message: Message, pieces: list[str]) -> None:
        if pieces or len(message) > 2:
            self.request.messages.append({**message, "content": "".join(pieces)})
        pieces.clear()
        # Role and content stay for the rest of the turn.
        for key in list(message)[2:]:
            del message[key]

    def _read_answer(self, response: types.FunctionResponse) -> None:
        call_id, call = None, None
        for index, (_, open_call) in enumerate(self._open):
            # Without ids, answers are in the order of the calls.
            has_ids = response.id and open_call.id
            if (response.id == open_call.id) if has_ids else (response.name == open_call.name):
                call_id, call = self._open.pop(index)
                break
        answer = function_answer(call, response, self.request.attachments)
        self.request.answers.append(answer)
        content = answer.text if answer.failure is None else redacted(answer.text)
        message: Message = {"role": "tool", "content": content}
        if call_id := call_id or response.id:
            message["tool_call_id"] = call_id
        if response.name:
            message["name"] = response.name
        self.request.messages.append(message)

    def _described(self, part: str | types.Part) -> str:
        """Return *part* as text; if it has data or a file, add that to the attachments."""
        if isinstance(part, str):
            return part
        if part.text is not None:
            return part.text
        if attachment := attached(part):
            self.request.attachments.append(attachment)
            return described(attachment)
        return placeholder(part)


def count_of(contents: object) -> int:
    """Return how many contents the SDK makes of *contents*."""
    return sum(1 for _ in _contents(contents))


def _contents(contents: object) -> Iterator[types.Content]:
    """Yield *contents* as the SDK sends them: parts that are in no content are grouped into turns."""
    if contents is None:
        return
    together: list[Any] = []
    for item in _listed(contents):
        content = _content(item)
        if content is not None:
            yield from _grouped(together)
            together = []
            yield content
        else:
            together.append(part_of(item))
    yield from _grouped(together)


def _grouped(parts: Sequence[Any]) -> Iterator[types.Content]:
    turn: list[Any] = []
    for part in parts:
        if turn and _is_a_call(part) != _is_a_call(turn[0]):
            yield _turn(turn)
            turn = []
        turn.append(part)
    if turn:
        yield _turn(turn)


def _is_a_call(part: object) -> bool:
    return getattr(part, "function_call", None) is not None


class _Turn:
    """A content as the SDK would make it, but not validated."""

    __slots__ = ("parts", "role")

    def __init__(self, role: str | None, parts: list[Any]) -> None:
        self.role = role
        self.parts = parts


def _turn(parts: list[Any]) -> Any:
    return _Turn("model" if _is_a_call(parts[0]) else "user", parts)


def _content(item: Any) -> Any:
    """Return *item* as an object if it is a content; `None` if it is a part."""
    if isinstance(item, types.Content):
        return item
    if isinstance(item, list):
        return _Turn("user", [part_of(part) for part in _listed(cast("list[object]", item))])
    content = mapping(item)
    if content is not None and ("parts" in content or "role" in content):
        return _Turn(content.get("role"), [part_of(part) for part in _listed(content.get("parts"))])
    return None


def _listed(parts: object) -> Iterable[Any]:
    if isinstance(parts, (list, tuple)):
        return parts  # pyright: ignore[reportUnknownVariableType]
    return () if parts is None else (parts,)


def _parts(content: Any) -> Iterable[Any]:
    return content.parts or ()


def system_of(config: object) -> Any:
    """Return the system instruction in *config*."""
    if config is None:
        return None
    settings = mapping(config)
    if settings is None:
        return getattr(config, "system_instruction", None)
    return settings.get("system_instruction", settings.get("systemInstruction"))


def function_answer(
    call: types.FunctionCall | None, response: types.FunctionResponse, attachments: list[Attachment]
) -> FunctionAnswer:
    """Return the function's return value in *response*; add the media in it to *attachments*."""
    failure = failure_in(response.response)
    text = answer_text(response, attachments)
    return FunctionAnswer(call, response.id, response.name, text, None if failure is None else readable(failure))


def functions_run(history: list[types.Content], contents: object) -> list[types.FunctionCall | FunctionAnswer]:
    """Return the function calls, and their answers, at the end of *history*, after *contents*."""
    parts: list[types.Part] = []
    for content in reversed(history[count_of(contents) :]):
        of_functions = [part for part in content.parts or () if part.function_call or part.function_response]
        if not of_functions:
            break
        parts = of_functions + parts
    run: list[types.FunctionCall | FunctionAnswer] = []
    for part in parts:
        if part.function_call is not None:
            run.append(part.function_call)
        elif part.function_response is not None:
            run.append(function_answer(None, part.function_response, []))
    return run
