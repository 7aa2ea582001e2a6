"""Convert the request of an interaction to Maxim's messages, attachments and model parameters. Pure."""

from __future__ import annotations

from typing import Any, Final

from .._core.generation import Request
from .._core.secrets import redacted, without_credentials
from .._core.tool_calls import FunctionAnswer, in_openai_form
from .._core.values import as_text, described, mapping
from .result import attachment_of, summary_of
from .steps import MEDIA, JsonDict, listed, plain

_NOT_PARAMETERS: Final = frozenset({"input", "system_instruction", "model", "agent", "stream", "request"})
_ROLES: Final = {"model": "assistant", "agent": "assistant"}
_CONTENTS: Final = MEDIA | {"text"}


def read_request(body: JsonDict) -> Request:
    """Return the request in *body*, the fields of a create request: text, contents, turns or steps, in any mixture."""
    request = Request()
    if instruction := body.get("system_instruction"):
        request.messages.append({"role": "system", "content": as_text(plain(instruction))})
    loose: list[Any] = []  # contents outside of a turn: together they are the user's message
    for item in listed(plain(body.get("input"))):
        if _is_content(item):
            loose.append(item)
            continue
        _add_message(request, "user", loose)
        loose = []
        _add_step(request, mapping(item) or {"content": item})
    _add_message(request, "user", loose)
    return request


def read_parameters(body: JsonDict) -> dict[str, str]:
    """Return the parameters in *body* in Maxim's wire form: strings unchanged, the rest as JSON."""
    given = {name: plain(value) for name, value in body.items() if value is not None and name not in _NOT_PARAMETERS}
    return {name: redacted(as_text(value)) for name, value in without_credentials(given).items()}


def _is_content(item: object) -> bool:
    content = mapping(item)
    if content is None:
        return isinstance(item, str)
    return content.get("type") in _CONTENTS or ("type" not in content and "text" in content)


def _add_message(request: Request, role: str, contents: object) -> None:
    texts = [_readable(request, item) for item in listed(contents)]
    if texts:
        request.messages.append({"role": role, "content": "".join(texts)})


def _add_step(request: Request, step: JsonDict) -> None:
    """Add *step*, or a turn of the first schema, to the messages."""
    kind = str(step.get("type") or "")
    if kind in ("user_input", "model_output") or (not kind and "content" in step):
        role = "assistant" if kind == "model_output" else _ROLES.get(str(step.get("role")), "user")
        _add_message(request, role, step.get("content") or "")
    elif kind == "function_call":
        call = in_openai_form(str(step.get("id") or ""), step.get("name"), step.get("arguments"))
        request.messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
    elif kind == "function_result":
        _add_result(request, step)
    elif kind == "thought":
        if summary := summary_of(step):
            request.messages.append({"role": "assistant", "content": "", "thoughts": summary})
    else:  # a tool that Google ran, or an unknown kind of step
        request.messages.append({"role": "assistant", "content": f"[{kind or 'input'} {as_text(step)}]"})


def _add_result(request: Request, step: JsonDict) -> None:
    call_id, name, result = step.get("call_id"), step.get("name"), step.get("result")
    is_contents = isinstance(result, list) and all(map(_is_content, listed(result)))
    text = "".join(_readable(request, item) for item in listed(result)) if is_contents else as_text(result)
    request.answers.append(FunctionAnswer(None, call_id, name, text, text if step.get("is_error") else None))
    message: JsonDict = {"role": "tool", "content": text}
    message |= {"tool_call_id": call_id} if call_id else {}
    request.messages.append(message | ({"name": name} if name else {}))


def _readable(request: Request, item: object) -> str:
    content = mapping(item)
    if content is None:
        return as_text(item)
    if content.get("type") in (None, "text") and "text" in content:
        return str(content["text"] or "")
    if attachment := attachment_of(content):
        request.attachments.append(attachment)
        return described(attachment)
    return f"[{as_text(content)}]"
