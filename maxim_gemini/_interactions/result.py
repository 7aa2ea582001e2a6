"""Convert an interaction's steps to a result, metadata, function calls, server tools and attachments. Pure."""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._core.tool_calls import RequestedCall, in_openai_form
from .._core.values import Attachment, as_text, described, mapping
from .steps import MEDIA, Interaction, JsonDict, Steps, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FINISH_REASONS: Final = {"requires_action": "tool_calls", "incomplete": "length", "budget_exceeded": "length"}
"""Statuses with another name in Maxim's results; all others are used unchanged."""

RETRIEVALS: Final = frozenset({"google_search", "file_search", "retrieval", "url_context"})
"""Server tools that are logged as retrievals; all others are tool calls."""

ENDED: Final = frozenset({"completed", "failed", "cancelled", "incomplete", "budget_exceeded", "requires_action"})
"""Statuses at which a background interaction has ended."""

_HEAD_IN_METADATA: Final = (
    "status",
    "previous_interaction_id",
    "continuation_ids",
    "continuation_token",
    "environment_id",
    "service_tier",
    "created",
    "updated",
    "labels",
)


class FunctionCall(NamedTuple):
    """A function that the model requests."""

    id: str | None
    name: str
    args: JsonDict


class ServerTool(NamedTuple):
    """A tool that Google ran for an interaction; *output* is `None` if there was no result."""

    name: str
    is_retrieval: bool
    arguments: Any
    output: Any
    is_error: bool


class InteractionAnswer:
    """The answer of one interaction, whole or event by event; *id_of* makes the ids of its function calls."""

    __slots__ = ("_calls", "_folded", "_id_of", "steps")

    def __init__(self, id_of: Callable[[Any], str]) -> None:
        self.steps = Steps()
        self._folded: Interaction | None = None
        self._id_of = id_of
        self._calls: list[RequestedCall] = []

    @property
    def interaction(self) -> Interaction:
        """The interaction so far."""
        if self._folded is None:
            self._folded = self.steps.folded()
        return self._folded

    @property
    def text(self) -> str:
        """The text of its outputs."""
        return text_of(self.interaction)

    @property
    def attachments(self) -> list[tuple[Attachment, str]]:
        """The media of its outputs."""
        return [(attachment, "output") for attachment in attachments_of(self.interaction)]

    def add(self, response: Any) -> list[RequestedCall]:
        """Add a whole interaction, or one event. Function calls are only complete at the end."""
        self._folded = None
        if getattr(response, "event_type", None) is None:
            self.steps.add_interaction(response)
        else:
            self.steps.add_event(response)
        return []

    def finish(self) -> list[RequestedCall]:
        """Return the functions that the model requests."""
        self._calls = [RequestedCall(self._id_of(call), call) for call in function_calls(self.interaction)]
        return self._calls

    def result(self, response_id: str, model: str) -> JsonDict:
        """Return the result in OpenAI's form."""
        return result_of(self.interaction, self._calls, response_id, model)

    def metadata(self) -> JsonDict:
        """Return the metadata of the answer: all that the result has no field for."""
        metadata = metadata_of(self.interaction)
        return metadata | ({"unknown_events": self.steps.unknown_events} if self.steps.unknown_events else {})


def function_calls(interaction: Interaction) -> list[FunctionCall]:
    """Return the function calls that the application has to answer, in order.

    A server-side agent runs functions itself: their results are among the steps.
    """
    return [
        FunctionCall(step.get("id"), str(step.get("name") or ""), _named(step.get("arguments")))
        for step in interaction.steps
        if step.get("type") == "function_call" and not _result_of(step, interaction)
    ]


def server_tools(interaction: Interaction) -> list[ServerTool]:
    """Return the tools that Google ran, in order; calls and results are matched by id, and may be in any order."""
    tools: list[ServerTool] = []
    for step in interaction.steps:
        kind = str(step.get("type") or "")
        if not kind.endswith("_call") or (kind == "function_call" and not _result_of(step, interaction)):
            continue
        result = _result_of(step, interaction)
        family = kind.removesuffix("_call")
        output = None if result is None else result.get("result", {})
        is_error = bool(result and result.get("is_error"))
        name = str(step.get("name") or family)
        tools.append(ServerTool(name, family in RETRIEVALS, step.get("arguments") or {}, output, is_error))
    return tools


def documents_of(output: object) -> list[str]:
    """Return the documents of a retrieval, as text."""
    return [] if output == {} else [as_text(item) for item in listed(output)]


def text_of(interaction: Interaction) -> str:
    """Return the text of the model's outputs, with a short description of media in it."""
    return "".join(_readable(item) for item in _contents(interaction))


def attachments_of(interaction: Interaction) -> list[Attachment]:
    """Return the images, sounds, videos and documents of the model's outputs."""
    attachments = (attachment_of(item) for item in _contents(interaction))
    return [attachment for attachment in attachments if attachment is not None]


def attachment_of(content: JsonDict) -> Attachment | None:
    """Return the data or the file in *content*; `None` for text."""
    if content.get("type") not in MEDIA:
        return None
    mime_type, name = content.get("mime_type"), content.get("name")
    if mime_type and "rate" not in mime_type and (rate := content.get("sample_rate")):
        mime_type += f";rate={rate};channels={content.get('channels') or 1}"
    if data := content.get("data"):
        return Attachment(mime_type, data=b"".join(map(_decoded, listed(data))), name=name)
    return Attachment(mime_type, uri=content["uri"], name=name) if content.get("uri") else None


def result_of(interaction: Interaction, calls: list[RequestedCall], response_id: str, model: str) -> JsonDict:
    """Return the result in OpenAI's form; *response_id* and *model* are used where the answer has none."""
    head = interaction.head
    status = str(head.get("status") or ("failed" if interaction.error else "unknown"))
    message: JsonDict = {"role": "assistant", "content": text_of(interaction) or None}
    if calls:
        message["tool_calls"] = [in_openai_form(one.id, one.call.name, one.call.args) for one in calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH_REASONS.get(status, status)}
    result: JsonDict = {
        "id": head.get("id") or response_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": str(head.get("model") or head.get("agent") or model),
        "choices": [choice],
    }
    if usage := usage_of(interaction.usage):
        result["usage"] = usage
    if error := error_of(interaction):
        result["error"] = error
    return result


def error_of(interaction: Interaction) -> dict[str, str] | None:
    """Return the error of an error event, or of a failed interaction."""
    errors = [interaction.error, *listed(interaction.head.get("errors"))]
    error = next((error for error in map(mapping, errors) if error), None)
    if error is None:
        return None
    code = str(error.get("code") or "")
    message = str(error.get("message") or code or "failed")
    return {"message": message, "code": code, "type": str(error.get("status") or code)}


def metadata_of(interaction: Interaction) -> JsonDict:
    """Return the metadata of the answer: all that the result has no field for."""
    head = interaction.head
    metadata: JsonDict = {"interaction_id": head["id"]} if head.get("id") else {}
    metadata |= {name: head[name] for name in _HEAD_IN_METADATA if head.get(name)}
    if thoughts := "".join(summary_of(step) for step in interaction.steps if step.get("type") == "thought"):
        metadata["thoughts"] = thoughts
    if annotations := [note for item in _contents(interaction) for note in item.get("annotations") or ()]:
        metadata["annotations"] = annotations
    errors = listed(head.get("errors"))
    if len(errors) > 1:
        metadata["errors"] = errors
    return metadata


def usage_of(usage: JsonDict | None) -> JsonDict | None:
    """Return token counts in OpenAI's form; `None` if the API gave none."""
    if not usage:
        return None
    sent = _count(usage, "total_input_tokens") + _count(usage, "total_tool_use_tokens")
    received = _count(usage, "total_output_tokens") + _count(usage, "total_thought_tokens")
    counted: JsonDict = {
        "prompt_tokens": sent,
        "completion_tokens": received,
        "total_tokens": usage["total_tokens"] if isinstance(usage.get("total_tokens"), int) else sent + received,
    }
    for side, extra in (
        ("input", {"cached_tokens": "total_cached_tokens", "tool_use_tokens": "total_tool_use_tokens"}),
        ("output", {"reasoning_tokens": "total_thought_tokens"}),
        ("cached", {}),
    ):
        details = {name: _count(usage, key) for name, key in extra.items() if usage.get(key)}
        for one in usage.get(f"{side}_tokens_by_modality") or ():
            details[f"{str(one.get('modality')).lower()}_tokens"] = _count(one, "tokens")
        if details:
            counted[f"{side}_token_details"] = details
    return counted


def _named(arguments: object) -> JsonDict:
    """Return the arguments of a call by name; incomplete ones are text under `arguments`."""
    by_name = mapping(arguments)
    return {"arguments": arguments} if by_name is None and arguments else by_name or {}


def _count(counts: JsonDict, name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) else 0


def _contents(interaction: Interaction) -> Iterable[JsonDict]:
    for step in interaction.steps:
        kind = str(step.get("type") or "")
        if kind == "model_output":
            yield from filter(None, map(mapping, listed(step.get("content"))))
        elif kind not in ("thought", "user_input") and not kind.endswith(("_call", "_result")):
            yield {
                "type": "text",
                "text": f"[{kind or 'step'} {as_text({k: v for k, v in step.items() if k != 'type'})}]",
            }


def _readable(content: JsonDict) -> str:
    if content.get("type") == "text":
        return str(content.get("text") or "")
    if attachment := attachment_of(content):
        return described(attachment)
    return f"[{as_text(content)}]"


def summary_of(thought: JsonDict) -> str:
    """Return the summary of a thought."""
    return "".join(str(item.get("text") or "") for item in filter(None, map(mapping, listed(thought.get("summary")))))


def _result_of(call: JsonDict, interaction: Interaction) -> JsonDict | None:
    family = str(call.get("type")).removesuffix("_call")
    results = [step for step in interaction.steps if step.get("type") == f"{family}_result"]
    return next((step for step in results if call.get("id") and step.get("call_id") == call["id"]), None)


def _decoded(data: Any) -> bytes:
    try:
        return base64.b64decode(data, altchars=b"-_" if "-" in data or "_" in data else None)
    except (ValueError, TypeError, binascii.Error):
        return str(data).encode()
