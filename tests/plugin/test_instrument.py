"""An application that makes its own client, and knows nothing of Maxim, can be tested for its traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google import genai

from maxim_gemini.testing import GeminiRecorder, cassettes

if TYPE_CHECKING:
    import pytest

TEST = """
import pytest
from google import genai
from google.genai.models import Models

APP = genai.Client(api_key="of the application")
BEFORE = Models.generate_content.__code__

def app(client):
    return client.models.generate_content(model="gemini-2.5-flash", contents="What is the capital of France?").text

@pytest.mark.maxim_gemini(cassette="text", instrument=True)
@pytest.mark.parametrize("which", ["held", "own", "wrapped"])
def test_app(maxim_gemini_recorder, which):
    made = genai.Client(api_key="another")
    client = {"held": APP, "own": made, "wrapped": maxim_gemini_recorder.client}[which]
    assert app(client) == maxim_gemini_recorder.logger.trace.output
    maxim_gemini_recorder.logger.assert_complete()
    assert len(maxim_gemini_recorder.logger.generations) == 1

@pytest.mark.maxim_gemini(cassette="text")
def test_not_asked_for(maxim_gemini_recorder):
    assert Models.generate_content.__code__ is BEFORE
    app(APP)
    assert maxim_gemini_recorder.logger.logs == ()
"""


def test_the_clients_of_the_application_are_traced_on_request(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_app=TEST)
    suite.runpytest_inprocess().assert_outcomes(passed=4)


def test_the_option_is_a_bool(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_app=TEST.replace("instrument=True", "instrument='yes'"))
    result = suite.runpytest_inprocess("-k", "held")
    result.stdout.fnmatch_lines(["*instrument must be a bool, got 'yes'*"])


def test_a_recorder_without_pytest_does_so_too() -> None:
    with GeminiRecorder(cassettes.path("text"), instrument=True) as recorder:
        client: Any = genai.Client(api_key="any")
        answer = client.models.generate_content(model="gemini-2.5-flash", contents="What is the capital of France?")
    client.close()
    assert recorder.logger.trace.output == answer.text
    recorder.logger.assert_complete()
