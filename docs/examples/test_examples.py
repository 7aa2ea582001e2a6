"""Tests as an application has them. They replay bundled recordings: `pytest test_examples.py`."""

import pytest
from google.genai import types


@pytest.mark.maxim_gemini(cassette="text")
def test_a_question(maxim_gemini_recorder):
    answer = maxim_gemini_recorder.client.models.generate_content(
        model="gemini-2.5-flash", contents="What is the capital of France?"
    )
    assert answer.text == "Paris."
    assert maxim_gemini_recorder.logger.trace.output == "Paris."


@pytest.mark.maxim_gemini(cassette="demo")
def test_a_function_call_in_a_chat(maxim_gemini_recorder):
    def get_weather(city: str) -> dict[str, object]:
        """Return this afternoon's weather in a city.

        Args:
            city: The name of the city.
        """
        return {"city": city, "sky": "clear", "celsius": 21, "wind_km_h": 14}

    chat = maxim_gemini_recorder.client.chats.create(
        model="gemini-2.5-flash",
        config=types.GenerateContentConfig(
            system_instruction="You are a friendly weather clerk. Look the weather up before you answer, and be brief.",
            temperature=0.2,
            tools=[get_weather],
        ),
    )
    advice = "".join(
        chunk.text or ""
        for chunk in chat.send_message_stream("What should I wear for a walk in Kyiv this afternoon?")
        if not chunk.function_calls
    )
    chat.end_trace()

    logger = maxim_gemini_recorder.logger
    assert "jacket" in advice
    assert logger.trace.output == advice
    assert logger.tool_call.arguments == {"city": "Kyiv"}
    assert [generation.finish_reason for generation in logger.generations] == ["STOP", "STOP"]


@pytest.mark.maxim_gemini(cassette="stream")
def test_a_stream_that_breaks(maxim_gemini_recorder):
    maxim_gemini_recorder.disconnect_after(events=2)
    stream = maxim_gemini_recorder.client.models.generate_content_stream(
        model="gemini-2.5-flash", contents="Say a pangram."
    )
    with pytest.raises(Exception, match=r"."):
        list(stream)
    assert maxim_gemini_recorder.logger.generation.error


@pytest.mark.maxim_gemini(cassette="blocked")
def test_a_blocked_prompt(maxim_gemini_recorder):
    answer = maxim_gemini_recorder.client.models.generate_content(
        model="gemini-2.5-flash", contents="Say something forbidden."
    )
    assert answer.text is None
    assert maxim_gemini_recorder.logger.trace.output.startswith("[blocked:")
