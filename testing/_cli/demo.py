"""`maxim-gemini demo`: a traced chat, from a cassette or live."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, Final

from maxim_gemini.testing.exceptions import TestKitError

from . import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger

CASSETTE: Final = "demo"
MODEL: Final = "gemini-2.5-flash"
QUESTION: Final = "What should I wear for a walk in Kyiv this afternoon?"
DESCRIPTION: Final = "A chat with a function call and a streamed answer."
PIECES: Final = ("A light ", "jacket will do: ", "it is 21 °C ", "and clear in Kyiv, ", "with a little ", "wind.")
_INSTRUCTION: Final = "You are a friendly weather clerk. Look the weather up before you answer, and be brief."


def get_weather(city: str) -> dict[str, Any]:
    """Return this afternoon's weather in a city.

    Args:
        city: The name of the city.
    """
    return {"city": city, "sky": "clear", "celsius": 21, "wind_km_h": 14}


# google-genai 1.20 can't call a function whose annotations are text, as those of this module are.
get_weather.__annotations__ = {"city": str, "return": dict[str, Any]}


def conversation(client: MaximGeminiClient, *, model: str = MODEL) -> Iterator[str]:
    """Send a question in a chat with a tool, and yield the text of the answer as it arrives."""
    config: Any = {"system_instruction": _INSTRUCTION, "tools": [get_weather], "temperature": 0.2}
    chat = client.chats.create(model=model, config=config)
    for chunk in chat.send_message_stream(QUESTION):
        for candidate in chunk.candidates or ():
            for part in (candidate.content and candidate.content.parts) or ():
                if part.text and not part.thought:
                    yield part.text


def run_demo(*, live: bool, model: str | None, as_json: bool) -> None:
    """Run the conversation, and show it and its trace."""
    # Most of the time goes into importing google-genai, and an eighth of that into looking for garbage.
    gc.disable()
    try:
        _run(live=live, model=model, as_json=as_json)
    finally:
        gc.enable()


def _run(*, live: bool, model: str | None, as_json: bool) -> None:
    logger = _live(model or MODEL, as_json=as_json) if live else _replayed(as_json=as_json)
    if as_json:
        console.show_json(logger.as_dict())
        return
    console.out().print()
    print(logger.render(), end="\n\n")  # noqa: T201  # the tree brings its own colours
    summary = (
        "this is what your Maxim repository would show" if live else "nothing was sent: the trace went to a FakeLogger"
    )
    console.note(f"{summary}; `maxim-gemini --help` lists the other commands")


def _replayed(*, as_json: bool) -> FakeLogger:
    from maxim_gemini.testing import cassettes

    path = cassettes.path(CASSETTE)
    _say("Demo", f"the cassette {CASSETTE!r} through a wrapped google-genai client, offline", as_json=as_json)
    from maxim_gemini.testing import GeminiRecorder

    pace: Any = "recorded" if console.out().is_terminal and not as_json else "instant"
    with GeminiRecorder(path, pace=pace) as recorder:
        _show(conversation(recorder.client), as_json=as_json)
        return recorder.logger


def _live(model: str, *, as_json: bool) -> FakeLogger:
    if not any(os.environ.get(name) for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI")):
        raise TestKitError("--live needs a key: set GEMINI_API_KEY, or GOOGLE_GENAI_USE_VERTEXAI with your project")
    _say("Demo", f"{model}, live", as_json=as_json)
    from google import genai
    from google.genai import errors

    from maxim_gemini import MaximGeminiClient
    from maxim_gemini.testing import FakeLogger
    from maxim_gemini.testing._http.sdk import closing

    logger = FakeLogger()
    try:
        with closing(genai.Client()) as client:
            _show(conversation(MaximGeminiClient(client, logger), model=model), as_json=as_json)
    except (errors.APIError, ValueError, OSError) as error:
        raise TestKitError(f"Gemini did not answer: {error}") from None
    return logger


def _show(answer: Iterator[str], *, as_json: bool) -> None:
    _say("You", QUESTION, as_json=as_json)
    _say("Gemini", answer, as_json=as_json)


def _say(who: str, what: str | Iterator[str], *, as_json: bool) -> None:
    """Print *what* in a column, as it arrives."""
    pieces = [what] if isinstance(what, str) else what
    if as_json:
        for _ in pieces:
            pass
        return
    out = console.out()
    label = f"{who:>8}  "
    out.print(label, style="bold cyan", end="")
    for text in console.wrapped(pieces, indent=len(label), width=out.width):
        out.print(text, end="", soft_wrap=True)
    out.print()
