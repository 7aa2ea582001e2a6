"""Turns a recorded request back into the call that google-genai was given."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from google import genai
from google.genai import types

_PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<method>generateContent|streamGenerateContent)$")
_NOT_GOOGLE_GENAI = ("litellm", "python-requests")


class Call(NamedTuple):
    """One call of `generate_content` or `generate_content_stream`."""

    model: str
    is_stream: bool
    body: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the call's keyword arguments; a `ValueError` where this google-genai has no words for it."""
        values = {**self.body.get("generationConfig", {})}
        values |= {key: value for key, value in self.body.items() if key not in ("contents", "generationConfig")}
        config = types.GenerateContentConfig.model_validate(values)
        return {"model": self.model, "contents": self.body["contents"], "config": config}


class Seen(NamedTuple):
    """What a caller saw of a call: its answers as dicts, and how it failed."""

    answers: list[dict[str, Any]]
    error: str


def call_of(request: Any) -> Call | None:
    """Return the call that made *request*, or `None` if google-genai did not."""
    sender = str(request.headers.get("user-agent", ""))
    match = _PATH.search(urlsplit(request.uri).path)
    if not match or sender.startswith(_NOT_GOOGLE_GENAI):
        return None
    return Call(match["model"], match["method"].startswith("stream"), json.loads(request.body))


async def see(client: genai.Client, call: Call, *, is_async: bool) -> Seen:
    """Make *call*, and return what comes of it."""
    answers: list[Any] = []
    error = ""
    arguments = call.arguments()
    try:
        match is_async, call.is_stream:
            case False, False:
                answers.append(client.models.generate_content(**arguments))
            case False, True:
                answers.extend(client.models.generate_content_stream(**arguments))
            case True, False:
                answers.append(await client.aio.models.generate_content(**arguments))
            case _:
                async for chunk in await client.aio.models.generate_content_stream(**arguments):
                    answers.append(chunk)  # noqa: PERF401 - what came before an error counts
    except genai.errors.APIError as failure:
        error = f"{type(failure).__name__}: {failure}"
    return Seen([answer.model_dump(mode="json", exclude_none=True) for answer in answers], error)
