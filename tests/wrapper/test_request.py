"""Contents and configs in every form that google-genai takes."""

from __future__ import annotations

import hashlib
from typing import Any

import pydantic
import pytest
from google.genai import types
from maxim.logger.components.generation import Generation
from PIL import Image
from support.functions import Counter, add

from maxim_gemini import _request
from maxim_gemini._request import Request, read_parameters, read_request


def on_one_line(value: Any) -> str:
    """Return an id that other tools can hand to pytest: google-genai's classes print on many lines."""
    return " ".join(repr(value).split())


def read(contents: Any, system: Any = None) -> Request:
    return read_request(contents, system, lambda _: None)


def messages(contents: Any, system: Any = None) -> list[tuple[str, str]]:
    return [(one["role"], one["content"]) for one in read(contents, system).messages]


@pytest.mark.parametrize(
    "contents",
    [
        "Hi",
        ["Hi"],
        [["Hi"]],
        types.Part(text="Hi"),
        [types.Part(text="Hi")],
        types.Content(role="user", parts=[types.Part(text="Hi")]),
        [types.Content(parts=[types.Part(text="Hi")])],
        types.UserContent("Hi"),
        {"text": "Hi"},
        [{"text": "Hi"}],
        {"role": "user", "parts": [{"text": "Hi"}]},
        [{"parts": [{"text": "Hi"}]}],
        {"parts": "Hi"},
        {"role": "user", "parts": [types.Part(text="H"), "i"]},
    ],
    ids=on_one_line,
)
def test_whatever_form_it_has_it_says_the_same(contents: Any) -> None:
    assert messages(contents) == [("user", "Hi")]


@pytest.mark.parametrize(
    "system",
    [
        "Be kind",
        types.Part(text="Be kind"),
        types.UserContent("Be kind"),
        ["Be kind"],
        {"text": "Be kind"},
        [{"text": "Be kind"}],
    ],
    ids=on_one_line,
)
def test_the_system_instruction_comes_first(system: Any) -> None:
    assert messages("Hi", system) == [("system", "Be kind"), ("user", "Hi")]


def test_roles_and_turns_are_those_of_the_request() -> None:
    call = types.Part.from_function_call(name="find", args={"what": "tea"})
    assert [one["role"] for one in read(["a", "b", call, "c"]).messages] == ["user", "assistant", "user"]
    turns = [types.UserContent("q"), types.ModelContent("a"), "q2", types.Part(text="!")]
    assert messages(turns) == [("user", "q"), ("assistant", "a"), ("user", "q2!")]
    assert read(turns).input == "q2!"
    assert messages(types.Content(role="critic", parts=[types.Part(text="hm")])) == [("critic", "hm")]


@pytest.mark.parametrize(
    "part",
    [
        types.Part.from_bytes(data=b"abc", mime_type="audio/wav"),
        {"inline_data": {"data": "YWJj", "mime_type": "audio/wav"}},
        {"inlineData": {"data": "YWJj", "mimeType": "audio/wav"}},
    ],
    ids=["part", "dict", "camel case"],
)
def test_bytes_become_an_attachment(part: Any) -> None:
    request = read(["listen: ", part])
    assert messages(["listen: ", part]) == [("user", "listen: [audio/wav, 3 bytes]")]
    (attachment,) = request.attachments
    assert (attachment.mime_type, attachment.data) == ("audio/wav", b"abc")


def test_large_bytes_are_marked_not_uploaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_request, "ATTACHMENT_LIMIT", 10)
    digest = hashlib.sha256(b"x" * 11).hexdigest()
    part = types.Part.from_bytes(data=b"x" * 11, mime_type="video/mp4")
    assert messages([part]) == [("user", f"[video/mp4, 11 bytes, sha256 {digest}]")]


@pytest.mark.parametrize(
    "file",
    [
        types.File(uri="https://files/1", mime_type="application/pdf", name="files/1"),
        types.Part.from_uri(file_uri="https://files/1", mime_type="application/pdf"),
        {"uri": "https://files/1", "mime_type": "application/pdf"},
        {"file_uri": "https://files/1", "mime_type": "application/pdf"},
        {"file_data": {"file_uri": "https://files/1", "mime_type": "application/pdf"}},
    ],
    ids=["file", "part", "file dict", "file data dict", "part dict"],
)
def test_files_become_attachments_by_their_address(file: Any) -> None:
    request = read([file])
    assert request.messages == [{"role": "user", "content": "[application/pdf, https://files/1]"}]
    assert [(one.uri, one.mime_type) for one in request.attachments] == [("https://files/1", "application/pdf")]


def test_a_pillow_image_becomes_an_attachment() -> None:
    request = read([Image.new("RGB", (2, 2)), "what is it?"])
    (attachment,) = request.attachments
    assert attachment.data is not None
    assert (attachment.mime_type, attachment.data[:4]) == ("image/png", b"\x89PNG")
    assert request.messages[0]["content"].endswith("bytes]what is it?")


def test_functions_are_calls_and_answers_paired_by_id_or_by_name_and_order() -> None:
    def call(name: str, call_id: str | None = None) -> types.Part:
        return types.Part(function_call=types.FunctionCall(name=name, id=call_id, args={"a": 1}))

    def answer(name: str, value: Any, call_id: str | None = None) -> types.Part:
        response = types.FunctionResponse(name=name, id=call_id, response=value)
        return types.Part(function_response=response)

    asked = types.Content(role="model", parts=[types.Part(text="well"), call("f"), call("g", "x1"), call("f")])
    answers = [answer("g", {"error": "no"}, "x1"), answer("f", {"result": 1}), answer("f", {"output": "two"})]
    request = read(["Go", asked, types.Content(role="user", parts=[*answers, types.Part(text="there")])])
    _, assistant, first, second, third, user = request.messages
    ids = [one["id"] for one in assistant["tool_calls"]]
    assert len(set(ids)) == 3
    assert ids[1] == "x1"
    assert assistant["content"] == "well"
    assert assistant["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert [(one["role"], one["content"], one["tool_call_id"], one["name"]) for one in (first, second, third)] == [
        ("tool", '{"error": "no"}', "x1", "g"),
        ("tool", "1", ids[0], "f"),
        ("tool", "two", ids[2], "f"),
    ]
    assert user == {"role": "user", "content": "there"}
    assert request.input == "there"
    assert [one.call.name for one in request.answers if one.call] == ["g", "f", "f"]


def test_answers_of_earlier_turns_are_not_new() -> None:
    turns = [
        types.Content(role="model", parts=[types.Part.from_function_call(name="f", args={})]),
        types.Content(role="user", parts=[types.Part.from_function_response(name="f", response={"result": 1})]),
        types.ModelContent("done"),
        types.UserContent("again"),
    ]
    assert read(turns).answers == []
    assert len(read(turns[:2]).answers) == 1


def test_thoughts_are_kept_apart() -> None:
    content = types.Content(role="model", parts=[types.Part(text="hm", thought=True), types.Part(text="yes")])
    assert read([content]).messages == [{"role": "assistant", "content": "yes", "thoughts": "hm"}]


def test_code_and_kinds_not_known_yet_are_readable() -> None:
    code = types.Part(executable_code=types.ExecutableCode(code="1+1", language=types.Language.PYTHON))
    outcome = types.Part(code_execution_result=types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="2"))
    assert messages(types.Content(role="model", parts=[code, outcome])) == [
        ("assistant", "[code python]\n1+1\n[/code][code result ok]\n2\n[/code result]")
    ]
    if "tool_call" in types.Part.model_fields:
        part = types.Part.model_validate({"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": "x"}}})
        ((_, said),) = messages([part])
        assert "tool_call" in said
        assert "GOOGLE_SEARCH_WEB" in said
    signature = types.Part(text="", thought_signature=b"secret")
    assert messages([types.UserContent("Hi"), types.Content(role="model", parts=[signature])])[0] == ("user", "Hi")


class Unknown:
    """What google-genai does not know, either."""

    def __repr__(self) -> str:
        return "Unknown()"


@pytest.mark.parametrize(
    "contents", [None, [], "", {}, [None], [Unknown()], 3, [[]], types.Content(parts=None)], ids=on_one_line
)
def test_nothing_that_can_be_passed_makes_it_fail(contents: Any) -> None:
    assert isinstance(messages(contents), list)


def test_messages_pass_through_maxim_unchanged() -> None:
    """maxim-py looks for images inside of messages, tool results included."""
    answer = types.Part.from_function_response(name="f", response={"type": "image", "list": [1]})
    request = read(
        ["Hi", types.Content(role="model", parts=[types.Part.from_function_call(name="f", args={})]), answer]
    )
    assert Generation.__name__ == "Generation"
    assert [type(one["content"]) for one in request.messages] == [str, str, str]


# Parameters


class Recipe(pydantic.BaseModel):
    name: str
    steps: list[str]


def test_parameters_are_the_configs_own_values() -> None:
    config = types.GenerateContentConfig(
        temperature=0.5,
        stop_sequences=["END"],
        response_mime_type="application/json",
        system_instruction="no parameter",
        http_options=types.HttpOptions(headers={"authorization": "SECRET"}),
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],  # type: ignore[arg-type]
        response_modalities=["TEXT"],
        top_k=None,
    )
    assert read_parameters(config) == {
        "temperature": "0.5",
        "stop_sequences": '["END"]',
        "response_mime_type": "application/json",
        "thinking_config": '{"include_thoughts": true}',
        "safety_settings": '[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]',
        "response_modalities": '["TEXT"]',
    }
    as_dict = {"temperature": 0.5, "stopSequences": ["END"], "httpOptions": {"headers": {"a": "SECRET"}}, "seed": None}
    assert read_parameters(as_dict) == {"temperature": "0.5", "stop_sequences": '["END"]'}
    assert read_parameters(None) == {}


@pytest.mark.parametrize(
    "schema", [Recipe, list[Recipe], {"type": "OBJECT"}, types.Schema(type=types.Type.OBJECT)], ids=str
)
def test_a_response_schema_is_json_schema(schema: Any) -> None:
    written = read_parameters({"response_schema": schema})["response_schema"]
    assert '"type"' in written
    assert ('"steps"' in written) == (schema in (Recipe, list[Recipe]))


def test_tools_are_declared_by_the_sdks_schema() -> None:
    declared = types.FunctionDeclaration(name="find", description="Finds.")
    search = types.Tool(google_search=types.GoogleSearch())
    tools = [add, Counter().count, types.Tool(function_declarations=[declared]), {"google_search": {}}, search]
    written = read_parameters({"tools": tools})["tools"]
    for said in ('"name": "add"', '"description": "Add two numbers."', '"left"', '"name": "count"', '"name": "find"'):
        assert said in written
    assert written.count("google_search") == 2
    assert '"self"' not in written


def test_what_cannot_be_written_costs_a_placeholder() -> None:
    class Broken(pydantic.BaseModel):
        def model_dump(self, **_: Any) -> Any:
            raise ValueError

    written = read_parameters({"temperature": 0.1, "labels": Broken(), "response_schema": Any and object()})
    assert written["temperature"] == "0.1"
    assert written["labels"] == "[Broken that could not be written]"
    assert len(read_parameters({"labels": {"a": "x" * 100_000}})["labels"]) < 100
