"""Tools and response schemas, as the model is told of them."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pydantic
import pytest
from google.genai import types
from support.functions import Counter, add, stamp

from maxim_gemini._generate_content import parameters
from maxim_gemini._generate_content.parameters import declarations, read_parameters, stands_for

if TYPE_CHECKING:
    from collections.abc import Callable


class Recipe(pydantic.BaseModel):
    name: str
    steps: list[str] = []


class Session:
    """A tool that is neither of the SDK's nor a function."""


@pytest.fixture(autouse=True)
def nothing_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_declared", WeakKeyDictionary())
    parameters._json_schema.cache_clear()


def written(**config: Any) -> Any:
    (value,) = read_parameters(config).values()
    return json.loads(value)


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ({"google_search": {}}, {"google_search": {}}),
        (types.Tool(google_search=types.GoogleSearch()), {"google_search": {}}),
        (
            types.Tool(function_declarations=[types.FunctionDeclaration(name="find")]),
            {"function_declarations": [{"name": "find"}]},
        ),
        (Session(), {"type": "Session"}),
        (Session, {"type": "Session"}),
    ],
    ids=["dict", "tool", "declaration", "anything else", "class"],
)
def test_a_tool_that_is_no_function_is_reported_as_it_was_given(tool: Any, told: dict[str, Any]) -> None:
    assert written(tools=[tool]) == [told]


reads_bytes = pytest.mark.skipif(
    not parameters._AS_THE_SDK_DOES, reason="this google-genai cannot read a default of bytes"
)


@pytest.mark.parametrize(
    "function",
    [add, Counter().count, pytest.param(stamp, marks=reads_bytes)],
    ids=["function", "method", "default of bytes"],
)
def test_a_function_is_reported_as_the_sdk_tells_of_it(function: Callable[..., Any]) -> None:
    option: Any = {"callable": function, "api_option": "GEMINI_API"}
    try:
        told = types.FunctionDeclaration.from_callable_with_api_option(**option, use_json_schema=True)
    except TypeError:  # before google-genai 3
        told = types.FunctionDeclaration.from_callable_with_api_option(**option)
    assert written(tools=[function]) == [{"function_declarations": [told.model_dump(mode="json", exclude_none=True)]}]


def test_a_function_is_read_once_however_often_it_is_wrapped_or_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        recorded = functools.wraps(function)(lambda *args: function(*args))
        stands_for(recorded, function)
        return recorded

    read: list[str] = []
    really: Any = types.FunctionDeclaration.from_callable_with_api_option

    def noted(**options: Any) -> types.FunctionDeclaration:
        read.append(options["callable"].__name__)
        declared: types.FunctionDeclaration = really(**options)
        return declared

    monkeypatch.setattr(types.FunctionDeclaration, "from_callable_with_api_option", noted)
    first, *others = declarations([add, add, wrapped(add), wrapped(add)])
    assert first["function_declarations"][0]["name"] == "add"
    assert others == [first] * 3
    first, other = declarations([Counter().count, Counter().count])
    assert first["function_declarations"][0]["name"] == "count"
    assert other == first
    assert read == ["add", "count"]


def test_two_tools_that_wrap_one_function_are_two() -> None:
    def named(name: str, documentation: str) -> Callable[..., Any]:
        @functools.wraps(add)
        def tool(*args: Any, **kwargs: Any) -> Any:
            return add(*args, **kwargs)

        tool.__name__, tool.__doc__ = name, documentation
        return tool

    tools = [add, named("plus", "The first."), named("sum", "The second.")]
    for _ in range(2):
        told = [one["function_declarations"][0] for one in declarations(tools)]
        assert [(one["name"], one["description"]) for one in told] == [
            ("add", "Add two numbers."),
            ("plus", "The first."),
            ("sum", "The second."),
        ]
    tools[1].__doc__ = "Written anew."
    assert declarations(tools)[1]["function_declarations"][0]["description"] == "Written anew."


@pytest.mark.parametrize("parameter", ["response_schema", "responseSchema", "response_json_schema"])
@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "OBJECT", "nullable": None}, {"type": "OBJECT", "nullable": None}),
        (types.Schema(type=types.Type.OBJECT, title="Recipe"), {"type": "OBJECT", "title": "Recipe"}),
        (Recipe, pydantic.TypeAdapter(Recipe).json_schema()),
        (list[Recipe], pydantic.TypeAdapter(list[Recipe]).json_schema()),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (str | int, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ],
    ids=["dict", "schema", "model", "list", "mapping", "union"],
)
def test_a_response_schema_of_any_form_is_json_schema(parameter: str, schema: Any, told: dict[str, Any]) -> None:
    assert written(**{parameter: schema}) == told
