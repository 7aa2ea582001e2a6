"""Contents and configs in every form that google-genai takes."""

from __future__ import annotations

import hashlib
import io
from enum import Enum
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from google.genai import types
from maxim.logger.components.generation import Generation
from PIL import Image
from support.functions import Counter, add

from maxim_gemini._core import values
from maxim_gemini._generate_content.messages import count_of, read_request, system_of
from maxim_gemini._generate_content.parameters import read_parameters

if TYPE_CHECKING:
    from maxim_gemini._core.generation import Request


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
    ("contents", "count"),
    [
        (None, 0),
        ([], 0),
        ("Hi", 1),
        (["a", "b"], 1),
        ([["a"], ["b"]], 2),
        (["a", types.ModelContent("b"), "c"], 3),
        (["a", types.Part.from_function_call(name="f", args={}), "b", "c"], 3),
        ({"role": "model"}, 1),
    ],
    ids=on_one_line,
)
def test_contents_are_counted_as_the_sdk_would_send_them(contents: Any, count: int) -> None:
    assert count_of(contents) == count


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


def test_a_system_instruction_of_many_parts_is_one_message_with_a_line_for_each() -> None:
    picture = types.Part.from_bytes(data=b"abc", mime_type="image/png")
    request = read("Hi", ["Be kind", types.Part(text=""), types.Part(text="Be brief"), picture])
    assert request.messages[0] == {"role": "system", "content": "Be kind\nBe brief\n[image/png, 3 bytes]"}
    assert [one.data for one in request.attachments] == [b"abc"]
    assert [one["role"] for one in read("Hi", [types.Part(text="")]).messages] == ["user"]


def test_the_input_is_what_the_application_sent_last() -> None:
    turns: list[Any] = [types.UserContent("before"), types.ModelContent("a")]
    assert read([*turns, "one", types.Part.from_function_call(name="f", args={}), "two"]).input == "two"
    assert read([*turns, types.UserContent("one"), types.UserContent("two")]).input == "one\ntwo"
    results = [types.Part.from_function_response(name="f", response={"result": expected}) for expected in ("x", "y")]
    assert read([*turns, *results]).input == "x\ny"
    assert read([*turns, *results, "and"]).input == "and"
    assert read([*turns, types.Content(role="critic", parts=[types.Part(text="hm")])]).input == "hm"
    assert read(turns).input == ""
    assert read([], "Be kind").input == ""


def test_roles_and_turns_are_those_of_the_request() -> None:
    call = types.Part.from_function_call(name="find", args={"what": "tea"})
    assert [one["role"] for one in read(["a", "b", call, "c"]).messages] == ["user", "assistant", "user"]
    turns = [types.UserContent("q"), types.ModelContent("a"), "q2", types.Part(text="!")]
    assert messages(turns) == [("user", "q"), ("assistant", "a"), ("user", "q2!")]
    assert read(turns).input == "q2!"
    assert messages(types.Content(role="critic", parts=[types.Part(text="hm")])) == [("critic", "hm")]
    assert messages({"role": "model", "parts": [{"text": "a"}]}) == [("assistant", "a")]
    assert (
        messages({"role": None, "parts": "q"})
        == messages(types.Content(parts=[types.Part(text="q")]))
        == [("user", "q")]
    )
    assert messages({"role": "user"}) == messages({"role": "user", "parts": None}) == []


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
    monkeypatch.setattr(values, "ATTACHMENT_LIMIT", 10)
    digest = hashlib.sha256(b"x" * 11).hexdigest()
    part = types.Part.from_bytes(data=b"x" * 11, mime_type="video/mp4")
    assert messages([part]) == [("user", f"[video/mp4, 11 bytes, sha256 {digest}]")]
    assert messages([types.Part.from_bytes(data=b"x" * 10, mime_type="video/mp4")]) == [
        ("user", "[video/mp4, 10 bytes]")
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (types.Part(inline_data=types.Blob(data=b"abc")), "[data, 3 bytes]"),
        (types.Part(inline_data=types.Blob()), "[data, 0 bytes]"),
        (types.Part(inline_data=types.Blob(mime_type="image/png")), "[image/png, 0 bytes]"),
        (types.Part(file_data=types.FileData(file_uri="gs://a/b")), "[file, gs://a/b]"),
        (types.File(name="files/1"), "[file, files/1]"),
    ],
    ids=on_one_line,
)
def test_an_attachment_is_described_by_what_is_known_of_it(part: Any, expected: str) -> None:
    request = read([part])
    assert [one["content"] for one in request.messages] == [expected]
    assert len(request.attachments) == 1


@pytest.mark.parametrize("kind", ["inline_data", "file_data"])
def test_an_attachment_has_the_name_that_is_shown_to_people(kind: str) -> None:
    (attachment,) = read([{kind: {"display_name": "the receipt"}}]).attachments
    assert attachment.name == "the receipt"


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


@pytest.mark.parametrize(
    ("stored_as", "read_as"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("GIF", "GIF"), ("BMP", "PNG")]
)
def test_a_pillow_image_keeps_its_format_if_gemini_takes_it(stored_as: str, read_as: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, stored_as)
    (attachment,) = read([Image.open(stream)]).attachments
    assert attachment.mime_type == f"image/{read_as.lower()}"
    assert attachment.data is not None
    assert Image.open(io.BytesIO(attachment.data)).format == read_as


class Sketch:
    """Like an image of Pillow, but it cannot be written."""

    format = mode = "L"

    def save(self, *_: Any) -> None:
        raise OSError


class Document:
    """Something that can be saved, and is no image."""

    def save(self) -> None:
        raise AssertionError


class Switch:
    """Something that has a mode, and is no image."""

    mode = "on"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Sketch(), "[Sketch that could not be read]"),
        (Document(), "[Document]"),
        (Switch(), "[Switch]"),
        (3, "[int]"),
        (None, "[NoneType]"),
        ({"dance": "tango", "steps": 3}, "[part with dance, steps]"),
        ({2: 3}, "[dict that could not be read]"),
    ],
    ids=["broken image", "can be saved", "has a mode", "number", "nothing", "dict", "dict without names"],
)
def test_what_cannot_be_read_is_named(item: Any, expected: str) -> None:
    assert messages([item]) == messages(["", item]) == [("user", expected)]


def test_functions_are_calls_and_answers_paired_by_id_or_by_name_and_order() -> None:
    def call(name: str, call_id: str | None = None) -> types.Part:
        return types.Part(function_call=types.FunctionCall(name=name, id=call_id, args={"a": 1}))

    def answer(name: str, value: Any, call_id: str | None = None) -> types.Part:
        response = types.FunctionResponse(name=name, id=call_id, response=value)
        return types.Part(function_response=response)

    requested = types.Content(role="model", parts=[types.Part(text="well"), call("f"), call("g", "x1"), call("f")])
    answers = [answer("g", {"error": "no"}, "x1"), answer("f", {"result": 1}), answer("f", {"output": "two"})]
    request = read(["Go", requested, types.Content(role="user", parts=[*answers, types.Part(text="there")])])
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


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    def requested(*names: str | None) -> types.Content:
        calls = [types.FunctionCall(name=name, id="given" if name == "g" else None) for name in names]
        return types.Content(role="model", parts=[types.Part(function_call=call) for call in calls])

    turns = ["Go", requested("f", "g", None), requested("f")]
    assert [
        (call["id"], call["type"], call["function"]["name"], call["function"]["arguments"])
        for message in read(turns).messages[1:]
        for call in message["tool_calls"]
    ] == [
        ("call_1_0", "function", "f", "{}"),
        ("given", "function", "g", "{}"),
        ("call_1_2", "function", "", "{}"),
        ("call_2_0", "function", "f", "{}"),
    ]
    known = read_request(turns, None, lambda call: f"known {call.name}")
    assert [one["id"] for one in known.messages[2]["tool_calls"]] == ["known f"]


def test_an_answer_that_was_not_requested_stands_alone() -> None:
    call = types.Part(function_call=types.FunctionCall(name="f", id="x1"))
    answers = [
        types.FunctionResponse(name="f", id="x2", response={"result": 1}),
        types.FunctionResponse(name="g", response={"result": 2}),
        types.FunctionResponse(response={"result": 3}),
        types.FunctionResponse(name="f", response={"result": 4}),
        types.FunctionResponse(name="f", response={"result": 5}),
    ]
    request = read(["Go", call, *(types.Part(function_response=one) for one in answers)])
    assert request.messages[2:] == [
        {"role": "tool", "content": "1", "tool_call_id": "x2", "name": "f"},
        {"role": "tool", "content": "2", "name": "g"},
        {"role": "tool", "content": "3"},
        {"role": "tool", "content": "4", "tool_call_id": "x1", "name": "f"},
        {"role": "tool", "content": "5", "name": "f"},
    ]
    assert [one.call for one in request.answers] == [None, None, None, call.function_call, None]
    assert [(one.id, one.name, one.text) for one in request.answers] == [
        (one.id, one.name, str(place)) for place, one in enumerate(answers, 1)
    ]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"result": {"a": 1}}, '{"a": 1}'),
        ({"output": "two"}, "two"),
        ({"result": None}, "null"),
        ({"price": 3}, '{"price": 3}'),
        ({"result": 1, "unit": "m"}, '{"result": 1, "unit": "m"}'),
        ({}, "{}"),
        (None, "null"),
    ],
    ids=str,
)
def test_what_a_function_returned_is_stated_without_its_wrapping(response: Any, expected: str) -> None:
    part = types.Part(function_response=types.FunctionResponse(name="f", response=response))
    assert [one["content"] for one in read([part]).messages] == [expected]


def test_what_stands_between_answers_keeps_its_place() -> None:
    def answer(value: int) -> types.Part:
        return types.Part.from_function_response(name="f", response={"result": value})

    content = types.Content(role="user", parts=[types.Part(text="a"), answer(1), types.Part(text="b"), answer(2)])
    assert messages(content) == [("user", "a"), ("tool", "1"), ("user", "b"), ("tool", "2")]
    thought = types.Part(text="hm", thought=True)
    content = types.Content(role="model", parts=[thought, answer(1), types.Part(text="b")])
    assert [one for one in read(content).messages if one["role"] == "assistant"] == [
        {"role": "assistant", "content": "", "thoughts": "hm"},
        {"role": "assistant", "content": "b"},
    ]


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
    thoughts = [types.Part(text="h", thought=True), types.Part(text="m", thought=True), types.Part(thought=True)]
    assert read([types.Content(role="model", parts=thoughts)]).messages == [
        {"role": "assistant", "content": "", "thoughts": "hm"}
    ]


def test_code_and_kinds_not_known_yet_are_readable() -> None:
    code = types.Part(executable_code=types.ExecutableCode(code="1+1", language=types.Language.PYTHON))
    outcome = types.Part(code_execution_result=types.CodeExecutionResult(outcome=types.Outcome.OUTCOME_OK, output="2"))
    assert messages(types.Content(role="model", parts=[code, outcome])) == [
        ("assistant", "[code python]\n1+1\n[/code][code result ok]\n2\n[/code result]")
    ]
    if "tool_call" in types.Part.model_fields:
        part = types.Part.model_validate({"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": "x"}}})
        ((_, expected),) = messages([part])
        assert "tool_call" in expected
        assert "GOOGLE_SEARCH_WEB" in expected
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
    for expected in (
        '"name": "add"',
        '"description": "Add two numbers."',
        '"left"',
        '"name": "count"',
        '"name": "find"',
    ):
        assert expected in written
    assert written.count("google_search") == 2
    assert '"self"' not in written


def test_what_cannot_be_written_costs_a_placeholder() -> None:
    class Broken(pydantic.BaseModel):
        def model_dump(self, **_: Any) -> Any:
            raise ValueError

    written = read_parameters({"temperature": 0.1, "labels": Broken(), "response_schema": object()})
    assert written["temperature"] == "0.1"
    assert written["labels"] == "[Broken that could not be written]"
    assert len(read_parameters({"labels": {"a": "x" * 100_000}})["labels"]) < 100


def test_a_parameter_that_is_too_long_for_the_wire_says_how_long_it_was() -> None:
    limit = 64 * 1024
    assert read_parameters({"labels": "x" * limit}) == {"labels": "x" * limit}
    assert read_parameters({"labels": "x" * (limit + 1)}) == {"labels": f"[{limit + 1} characters, left out]"}


@pytest.mark.parametrize("key", ["max_output_tokens", "maxOutputTokens"])
def test_a_parameter_is_named_as_in_python(key: str) -> None:
    assert read_parameters({key: 3}) == {"max_output_tokens": "3"}


def test_a_parameter_that_is_an_enumeration_has_the_value_that_gemini_knows() -> None:
    class Resolution(Enum):
        LOW = "MEDIA_RESOLUTION_LOW"

    class Size(Enum):
        TWO = 2

    for given in (Resolution.LOW, types.MediaResolution.MEDIA_RESOLUTION_LOW):
        assert read_parameters({"media_resolution": given}) == {"media_resolution": "MEDIA_RESOLUTION_LOW"}
    assert read_parameters({"size": Size.TWO}) == {"size": "2"}


def test_the_parameters_of_a_config_are_in_alphabetical_order() -> None:
    config = types.GenerateContentConfig(top_p=1, seed=2, temperature=3)
    assert list(read_parameters(config)) == ["seed", "temperature", "top_p"]


def test_tools_are_those_that_the_sdk_made_of_them() -> None:
    sent = types.GenerateContentConfig(tools=[{"google_search": {}}])
    assert read_parameters({"tools": [add]}, sent)["tools"] == '[{"google_search": {}}]'
    for nothing in (None, types.GenerateContentConfig(), types.GenerateContentConfig(tools=[]), object()):
        assert '"name": "add"' in read_parameters({"tools": [add]}, nothing)["tools"]
    assert read_parameters({"seed": 1}, sent) == {"seed": "1"}


@pytest.mark.parametrize(
    "config",
    [
        {"system_instruction": "Be kind"},
        {"systemInstruction": "Be kind"},
        types.GenerateContentConfig(system_instruction="Be kind"),
    ],
    ids=["dict", "camel case", "config"],
)
def test_the_system_instruction_of_a_config_is_found(config: Any) -> None:
    assert system_of(config) == "Be kind"


@pytest.mark.parametrize("config", [None, {}, types.GenerateContentConfig(), 1], ids=on_one_line)
def test_a_config_may_have_no_system_instruction(config: Any) -> None:
    assert system_of(config) is None
