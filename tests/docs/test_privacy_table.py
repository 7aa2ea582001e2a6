"""The table of fields and policies on the page about privacy is what the code does."""

from __future__ import annotations

from typing import Any

from support.checkout import ROOT

from maxim_gemini import Privacy
from maxim_gemini._core import privacy

PAGE = ROOT / "docs" / "explanation" / "privacy.md"

# What is logged, where it stands, and data in which the text is `x`.
ROWS: list[tuple[str, str, dict[str, Any]]] = [
    ("ids, times, provider, model", "`id`, `startTimestamp`, `provider`, `model`", {"model": "x"}),
    ("metrics, cost, score", "`metrics`, `cost`, `score`", {"metrics": "x"}),
    ("names of traces, generations, spans, functions", "`name`", {"name": "x"}),
    ("tags", "`tags`", {"tags": {"team": "x"}}),
    ("input and output of a trace, a span, a retrieval", "`input`, `output`, `docs`", {"input": "x"}),
    ("role of a message", "`messages[].role`", {"messages": [{"role": "x"}]}),
    ("text of a message", "`messages[].content`", {"messages": [{"role": "user", "content": "x"}]}),
    (
        "function named in a message",
        "`messages[].tool_calls[].function.name`",
        {"messages": [{"tool_calls": [{"function": {"name": "x"}}]}]},
    ),
    (
        "arguments in a message",
        "`messages[].tool_calls[].function.arguments`",
        {"messages": [{"tool_calls": [{"function": {"arguments": "x"}}]}]},
    ),
    ("parameters that are numbers, true or false", "`modelParameters`", {"modelParameters": {"temperature": "0.5"}}),
    (
        "other parameters: schemas, tools, stop sequences",
        "`modelParameters`",
        {"modelParameters": {"stop_sequences": "x"}},
    ),
    (
        "text of an answer",
        "`result.choices[].message.content`",
        {"result": {"choices": [{"message": {"content": "x"}}]}},
    ),
    ("finish reason", "`result.choices[].finish_reason`", {"result": {"choices": [{"finish_reason": "x"}]}}),
    ("usage", "`result.usage`", {"result": {"usage": "x"}}),
    ("code and type of an error", "`error.code`, `error.type`", {"error": {"code": "x"}}),
    ("message of an error", "`error.message`", {"error": {"message": "x"}}),
    ("thoughts, grounding, safety ratings", "`metadata`", {"metadata": {"thoughts": "x"}}),
    ("response id, model version, block reason, times of chunks", "`metadata`", {"metadata": {"response_id": "x"}}),
    ("description, arguments of a function", "`description`, `args`", {"args": "x"}),
    ("result of a function", "`result`", {"result": "x"}),
    ("comment of a feedback, variables of an evaluator", "`comment`, `variables`", {"comment": "x"}),
    ("anything else", "", {"a field of tomorrow": "x"}),
]


def left(policy: Privacy, data: dict[str, Any]) -> str:
    return repr(privacy.Screen(policy, lambda *_: None).data("generation", data))


def row(what: str, field: str, data: dict[str, Any]) -> str:
    stays = "yes" if left(Privacy(capture="no-content"), data) == repr(data) else "`[not captured]`"
    seen: list[str] = []

    def note(text: str, where: str) -> str:
        seen.append(text)
        return text

    left(Privacy(mask=note), data)
    masked = "yes" if "x" in seen or "0.5" in seen else "no"
    return f"| {what} | {field} | {stays} | {masked} |"


def test_the_table_of_the_page_is_what_the_code_does() -> None:
    expected = [row(*one) for one in ROWS]
    page = PAGE.read_text(encoding="utf-8").splitlines()
    begin = page.index("| what | field | stays under `no-content` | a mask sees it |") + 2
    assert page[begin : begin + len(expected)] == expected, "\n".join(expected)


def test_every_field_that_is_not_content_is_in_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    listed = {name for name, kind in privacy.FIELDS.items() if kind != "structure"} - {"message", "url"}
    assert not [name for name in listed if f"`{name}" not in text]
