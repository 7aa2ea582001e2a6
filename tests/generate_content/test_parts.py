"""Parts that are no text, and values of any kind, as text that a person can read."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import pytest
from google.genai import types
from support.anew import loaded_anew

from maxim_gemini._core import values
from maxim_gemini._core.values import as_json, as_text, marker, size_of
from maxim_gemini._generate_content.parts import placeholder


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (3_440, "3.4 KB"),
        (999_949, "999.9 KB"),
        (1_000_000, "1.0 MB"),
        (1_050_000, "1.1 MB"),
        (5_670_000, "5.7 MB"),
    ],
)
def test_a_size_is_in_the_unit_that_reads_best(size: int, said: str) -> None:
    assert size_of(bytes(size)) == said


@pytest.mark.parametrize(("mime_type", "kind"), [("audio/wav", "audio/wav"), (None, "data")])
def test_bytes_that_are_not_logged_are_known_by_their_hash(mime_type: str | None, kind: str) -> None:
    digest = hashlib.sha256(b"abc").hexdigest()
    assert marker(b"abc", mime_type) == f"[{kind}, 3 bytes, sha256 {digest}]"


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        (None, 5 * 1024 * 1024),
        ("", 5 * 1024 * 1024),
        (" ", 5 * 1024 * 1024),
        ("0", 0),
        ("10", 10),
        (" 10 ", 10),
        ("9" * 18, 10**18 - 1),
    ],
)
def test_the_environment_sets_the_limit_of_an_attachment(
    monkeypatch: pytest.MonkeyPatch, said: str | None, limit: int
) -> None:
    monkeypatch.delenv("MAXIM_GEMINI_ATTACHMENT_LIMIT", raising=False)
    if said is not None:
        monkeypatch.setenv("MAXIM_GEMINI_ATTACHMENT_LIMIT", said)
    parts = loaded_anew(values)
    assert limit == parts.ATTACHMENT_LIMIT


@pytest.mark.parametrize("said", ["5MB", "5 MB", "5e6", "-1", "+5", "1.5", "unlimited", "None", "0x10", "9" * 5000])
def test_a_limit_that_is_no_number_of_bytes_is_one_warning_and_the_default(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    monkeypatch.setenv("MAXIM_GEMINI_ATTACHMENT_LIMIT", said)
    parts = loaded_anew(values)
    assert parts.ATTACHMENT_LIMIT == 5 * 1024 * 1024
    (warning,) = caplog.messages
    assert warning.startswith(f"MAXIM_GEMINI_ATTACHMENT_LIMIT={said!r:.100} is ignored, and 5242880 is used: ")


class NoModel:
    """Something with a `model_dump` that cannot be called."""

    model_dump = "dump"

    def __str__(self) -> str:
        return "no model"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, "é", None, True]}, '{"a": [1, "é", null, true]}'),
        ([types.Blob(data=b"abc", mime_type="a/b")], '[{"data": "YWJj", "mime_type": "a/b"}]'),
        ({"schema": types.Schema(type=types.Type.OBJECT)}, '{"schema": {"type": "OBJECT"}}'),
        ([types.Part], "[\"<class 'google.genai.types.Part'>\"]"),
        ([NoModel()], '["no model"]'),
        ([b"abc"], '["[3 bytes]"]'),
        ({"set": {1}, "frozen": frozenset({2})}, '{"set": [1], "frozen": [2]}'),
        ([datetime.date(2026, 1, 2)], '["2026-01-02"]'),
    ],
    ids=["plain", "model", "model without what it lacks", "class", "no model", "bytes", "sets", "anything else"],
)
def test_what_json_does_not_know_is_written_as_plainly_as_possible(value: Any, written: str) -> None:
    assert as_json(value) == as_text(value) == written


def test_text_is_written_as_it_is() -> None:
    assert as_text('say "é"') == 'say "é"'
    assert as_json('say "é"') == '"say \\"é\\""'


def code(**said: Any) -> types.Part:
    """Return code that the model ran; not validated, as the SDK leaves what it does not know."""
    return types.Part(executable_code=types.ExecutableCode.model_construct(**said))


def outcome(**said: Any) -> types.Part:
    return types.Part(code_execution_result=types.CodeExecutionResult.model_construct(**said))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (code(code="1+1", language=types.Language.PYTHON), "[code python]\n1+1\n[/code]"),
        (code(code="1+1", language="PYTHON"), "[code python]\n1+1\n[/code]"),
        (code(code=None, language=None), "[code ]\n\n[/code]"),
        (outcome(output="2", outcome=types.Outcome.OUTCOME_OK), "[code result ok]\n2\n[/code result]"),
        (outcome(output="2", outcome="OUTCOME_LATE"), "[code result late]\n2\n[/code result]"),
        (outcome(output=None, outcome=types.Outcome.OUTCOME_FAILED), "[code result failed]\n\n[/code result]"),
        (outcome(output="2", outcome=None), "[code result ]\n2\n[/code result]"),
    ],
)
def test_code_and_what_came_of_it_can_be_read(part: types.Part, said: str) -> None:
    assert placeholder(part) == said


class Dance(types.Part):
    """A part of a kind that a later google-genai may know."""

    steps: Any = None
    music: types.Blob | None = None
    media_resolution: Any = None
    part_metadata: Any = None


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Dance(steps=["left", "right"]), '[steps ["left", "right"]]'),
        (Dance(steps={"first": 1}, music=types.Blob(data=b"abc")), '[steps {"first": 1}, music {"data": "YWJj"}]'),
        (Dance(steps=[], thought=True, thought_signature=b"secret"), "[steps []]"),
        (Dance(steps=[], media_resolution="high", part_metadata={"file": "a"}), "[steps []]"),
        (types.Part(thought=True, thought_signature=b"secret"), ""),
        (types.Part(video_metadata=types.VideoMetadata(start_offset="1s")), ""),
        (types.Part(), ""),
    ],
)
def test_a_kind_not_known_yet_shows_its_fields_but_no_remarks_on_them(part: types.Part, said: str) -> None:
    assert placeholder(part) == said
