"""What `cassettes show` prints of interactions, whole ones and streamed ones alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.interaction_calls import function_call, interaction, output
from vcr.request import Request

from maxim_gemini.testing import cassettes
from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cli.app import run
from maxim_gemini.testing._http.exchange import Chunk, Response

if TYPE_CHECKING:
    from pathlib import Path

Lines = list[list[str]]


def shown(cassette: str, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return the lines of the messages: who, and what."""
    assert run(["cassettes", "show", cassette]) == 0
    lines = [line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if line.startswith(" ")]
    return [line.strip().split("  ", 1) for line in map("  ".join, lines)]


BUNDLED: dict[str, Lines] = {
    "interaction": [["user", "What is the capital of France?"], ["model", "Paris."], ["ended", "completed"]],
    "interaction_function_call": [
        ["user", "How is the weather in Paris?"],
        ["model", 'get_weather(city="Paris")'],
        ["ended", "requires_action"],
        ["follows", "v1_"],
        ["tool", 'get_weather: "sunny in Paris"'],
        ["model", "It is sunny in Paris."],
        ["ended", "completed"],
    ],
    "interaction_server_tools": [
        ["user", "How densely is Paris inhabited?"],
        ["model", 'google_search(queries=["inhabitants of Paris"])'],
        ["tool", 'google_search: [{"search_suggestions": "<div>inhabitants of Paris</div>"}]'],
        ["model", 'url_context(urls=["https://example.com/paris"])'],
        ["tool", 'url_context: [{"status": "success", "url": "https://example.com/paris"}]'],
        ["model", 'code_execution(language="python", code="print(2102650 // 105)")'],
        ["tool", 'code_execution: "20025\\n"'],
        ["model", "About 20,025 people live on each square kilometre of Paris."],
        ["ended", "completed"],
    ],
    "interaction_image_out": [
        ["user", "Draw a pixel."],
        ["model", "Here it is. "],
        ["model", "[image/png, 70 bytes]"],
        ["ended", "completed"],
    ],
    "interaction_background": [
        ["user", "What is Moby-Dick about?"],
        *[["status", "in_progress"]] * 3,
        ["user", "What is Moby-Dick about?"],
        ["model", "It is about a whale."],
        ["ended", "completed"],
    ],
    "interaction_stream": [
        ["user", "Say a pangram."],
        ["thought", "**Remembering** A pangram has every letter."],
        ["model", "The quick brown fox jumps over the lazy dog."],
        ["ended", "completed"],
    ],
    "interaction_continuation": [
        ["user", "Say a pangram."],
        ["model", "The quick brown fox"],
        ["ended", "requires_continuation"],
        ["request", '{"model": "gemini-3.8-flash", "continuation_token": "after-the-fox"'],
        ["model", " jumps over the lazy dog."],
        ["ended", "completed"],
    ],
}


@pytest.mark.parametrize("name", BUNDLED)
def test_an_interaction_reads_as_a_conversation(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = shown(name, capsys)
    assert [line[0] for line in printed] == [line[0] for line in BUNDLED[name]]
    for (_, text), (_, expected) in zip(printed, BUNDLED[name], strict=True):
        assert text.startswith(" ".join(expected.split()))


@pytest.mark.parametrize("prefix", ["interaction", "vertex_interaction"])
def test_no_bundled_interaction_is_printed_as_json(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in cassettes.names():
        if name.startswith(prefix):
            assert "answer" not in [line[0] for line in shown(name, capsys)]


def saved(path: Path, request: Any, answer: Any) -> str:
    is_stream = isinstance(answer, list)
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in answer) if is_stream else json.dumps(answer)
    kind = "text/event-stream" if is_stream else "application/json"
    cassette = Cassette(path)
    sent = Request("POST", "http://127.0.0.1/v1/interactions", json.dumps(request).encode(), {"content-type": kind})
    cassette.record(sent, Response(200, (("content-type", kind),), (Chunk(body.encode(), 0.1),), "OK"))
    cassette.save()
    return str(path)


TEXT = {"type": "text", "text": "Hi"}
PICTURE = {"type": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"}
INPUTS: dict[str, tuple[Any, Lines]] = {
    "a text": ("Hi", [["user", "Hi"]]),
    "a content": (TEXT, [["user", "Hi"]]),
    "contents": ([TEXT, PICTURE], [["user", "Hi"], ["user", "[image/png, https://example.com/a.png]"]]),
    "turns": (
        [{"role": "user", "content": "Hi"}, {"role": "model", "content": [TEXT]}, {"role": "user", "content": TEXT}],
        [["user", "Hi"], ["model", "Hi"], ["user", "Hi"]],
    ),
    "steps": (
        [{"type": "user_input", "content": [TEXT]}, output("Hi"), {"type": "function_result", "result": 1}],
        [["user", "Hi"], ["model", "Hi"], ["tool", "function: 1"]],
    ),
    "an unknown kind": ([{"type": "smell", "of": "roses"}], [["step", '{"type": "smell", "of": "roses"}']]),
    "no object": ([7, None], [["user", "7"], ["user", "None"]]),
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_every_form_is_the_user_s(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent, expected = INPUTS[name]
    request = {"model": "gemini-3.8-flash", "system_instruction": "Be brief.", "input": sent}
    path = saved(tmp_path / "a.yaml", request, interaction(1, output("Yes.")))
    assert shown(path, capsys) == [["system", "Be brief."], *expected, ["model", "Yes."], ["ended", "completed"]]


def test_the_older_outputs_are_printed_like_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [{"type": "thought", "signature": "x"}, TEXT, function_call(city="Kyiv")]
    answer = {"object": "interaction", "status": "requires_action", "role": "model", "outputs": outputs}
    path = saved(tmp_path / "a.yaml", {"model": "gemini-3.8-flash", "input": "Hi"}, answer)
    assert shown(path, capsys)[1:] == [["model", "Hi"], ["model", 'weather(city="Kyiv")'], ["ended", "requires_action"]]


@pytest.mark.parametrize(
    ("pieces", "expected"), [(['{"ci', 'ty": "Kyiv"}'], 'weather(city="Kyiv")'), (['{"ci'], 'weather({"ci)')]
)
def test_the_arguments_of_a_streamed_call_are_put_together(
    pieces: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = function_call()
    events: list[dict[str, Any]] = [
        {"event_type": "step.delta", "index": 0, "delta": TEXT},
        {"event_type": "step.start", "index": 1, "step": call},
        *({"event_type": "step.delta", "index": 1, "delta": {"arguments": piece}} for piece in pieces),
    ]
    path = saved(tmp_path / "a.yaml", {"model": "gemini-3.8-flash", "input": "Hi", "stream": True}, events)
    assert shown(path, capsys)[1:] == [["model", "Hi"], ["model", expected]]


@pytest.mark.parametrize(
    ("request_body", "answer", "expected"),
    [
        ("plain text", "Sorry", [["request", "plain text"], ["answer", "Sorry"]]),
        (
            {"contents": ["Hi", {"parts": ["Ho", {"text": "He"}]}]},
            {"candidates": [{"content": {"parts": [7, {"executableCode": {"code": "1"}}]}}]},
            [
                *(["user", "Hi"], ["user", "Ho"], ["user", "He"]),
                *(["model", "7"], ["model", '{"executableCode": {"code": "1"}}']),
            ],
        ),
    ],
)
def test_bodies_of_other_forms_are_printed_as_they_are(
    request_body: Any, answer: Any, expected: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "a.yaml", request_body, answer)
    assert shown(path, capsys) == expected
