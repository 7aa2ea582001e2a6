"""Convert the parts of a reply to steps of an interaction, and steps to the deltas of a stream.

    text, pictures, sound      model_output    {"content": [...], "type"}
    thoughts                   thought         {"signature", "summary": [...], "type"}
    function calls             function_call   {"id", "type", "name", "arguments"}
    what Google runs           KIND_call {"id", "type", "arguments"} and KIND_result {"call_id", "type", "result"}

A reply's parts become partial steps. In a stream, those of one step follow each other as deltas; in a plain answer
they are one step.

Pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from maxim_gemini.testing._json_types import JsonDict, is_object

from .model import NOTHING, Event, InteractionStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .model import Candidate, Json, Step

JOINING: Final = frozenset({"model_output", "thought"})
"""The types of steps whose parts join."""
TEXT_SIZES: Final = (30, 90)
"""Characters of text in the deltas of a stream, the last size repeated."""

_HEAD: Final = ("id", "call_id", "signature", "type", "name", "server_name")
_RESULT_ORDER: Final = ("name", "is_error", "type", "server_name", "result", "signature")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_IDS: Final = frozenset({"id", "call_id"})
_PARTS: Final = frozenset({"text", "functionCall", "inlineData", "fileData", "executableCode", "codeExecutionResult"})
_DROPPED: Final = frozenset({"index", "finishReason", "finishMessage"})
"""Fields of a candidate that are no steps."""


class Streamed(NamedTuple):
    """A step, or a part of one, in a stream."""

    start: Json
    """The fields of the event that opens it."""
    deltas: tuple[Json, ...]

    @property
    def joins(self) -> bool:
        """`True` if it continues the step before it, if that was opened in the same way."""
        return set(self.start) == {"type"}


def compact(value: object) -> str:
    """Write *value* as the Interactions API writes JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Steps:
    """Turns the parts of a reply into partial steps; ids that the reply doesn't give are derived from *seed*."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0
        self.last_id = ""
        """The id of the last call, for its result."""

    def new_id(self) -> str:
        """Return an id for a call, as real servers make them: eight letters and digits."""
        digest = hashlib.sha256(f"{self._seed}{self._count}".encode()).digest()
        self._count += 1
        self.last_id = "".join(_LETTERS[byte % 36] for byte in digest[:8])
        return self.last_id

    def of_event(self, event: Event) -> Iterator[Json]:
        """Yield the partial steps of *event*."""
        for candidate in event.candidates:
            for part in candidate.parts or ():
                yield from self.of_part(part)
            yield from self._beside(candidate)

    def of_part(self, part: Json) -> Iterator[Json]:
        """Yield the partial steps of a *part*; a signature is a separate thought."""
        fields = dict(part)
        signature = fields.pop("thoughtSignature", None)
        thinks = fields.pop("thought", False)
        kind = next(iter(fields), "")
        value: Any = fields.get(kind)
        if kind == "text" and thinks:
            yield _thought(value, signature)
            return
        if signature is not None and kind != "functionCall":
            yield _thought("", signature)
        match kind:
            case "text":
                yield _output({"text": value, "type": "text"})
            case "functionCall":
                signed = {} if signature is None else {"signature": signature}
                call_id = value.get("id") or self.new_id()
                called = {"name": value["name"], "arguments": value["args"]}
                yield {"id": call_id, **signed, "type": "function_call", **called}
            case "inlineData":
                yield _output({"mime_type": value["mimeType"], "data": value["data"], "type": _media(value)})
            case "fileData":
                yield _output({"mime_type": value["mimeType"], "uri": value["fileUri"], "type": _media(value)})
            case "executableCode":
                self.last_id = value.get("id") or self.new_id()
                arguments = {"language": str(value["language"]).lower(), "code": value["code"]}
                yield {"id": self.last_id, "type": "code_execution_call", "arguments": arguments}
            case _:
                call_id = value.get("id") or self.last_id or self.new_id()
                failed = value.get("outcome") != "OUTCOME_OK"
                result = value.get("output", "")
                yield {"call_id": call_id, "type": "code_execution_result", "result": result, "is_error": failed}

    def _beside(self, candidate: Candidate) -> Iterator[Json]:
        grounding: Any = candidate.fields.get("groundingMetadata")
        if grounding:
            yield from self._searched(grounding)
        read: Any = candidate.fields.get("urlContextMetadata")
        if read:
            pages = [(page["retrievedUrl"], page["urlRetrievalStatus"]) for page in read.get("urlMetadata", ())]
            result = [
                {"status": status.removeprefix("URL_RETRIEVAL_STATUS_").lower(), "url": url} for url, status in pages
            ]
            yield from self._server_tool("url_context", {"urls": [url for url, _ in pages]}, result)

    def _searched(self, grounding: Json) -> Iterator[Json]:
        chunks = [chunk.get("web", {}) for chunk in grounding.get("groundingChunks", ())]
        annotations = [
            {
                "start_index": support["segment"].get("startIndex", 0),
                "end_index": support["segment"]["endIndex"],
                "url": chunks[position].get("uri", ""),
                "title": chunks[position].get("title", ""),
                "type": "url_citation",
            }
            for support in grounding.get("groundingSupports", ())
            for position in support.get("groundingChunkIndices", ())
        ]
        if annotations:
            yield _output({"annotations": annotations, "type": "text"})
        if "webSearchQueries" in grounding:
            shown = grounding.get("searchEntryPoint", {}).get("renderedContent", "")
            arguments = {"queries": list(grounding["webSearchQueries"])}
            yield from self._server_tool("google_search", arguments, [{"search_suggestions": shown}])

    def _server_tool(self, kind: str, arguments: Json, result: object) -> Iterator[Json]:
        call_id = self.new_id()
        yield {"id": call_id, "type": f"{kind}_call", "arguments": dict(arguments)}
        yield {"call_id": call_id, "type": f"{kind}_result", "result": result, "is_error": False}

    def named(self, step: InteractionStep) -> InteractionStep:
        """Return *step* with ids in place of `None`; a result gets the id of the call before it."""
        fields = {
            name: (self.new_id() if name == "id" else self.last_id) if value is None and name in _IDS else value
            for name, value in step.step.items()
        }
        self.last_id = str(fields.get("id", self.last_id))
        return replace(step, step=fields)


def unfit(event: Event) -> str:
    """Return the first field of *event* that no interaction has; empty if there is none."""
    for candidate in event.candidates:
        if candidate.index:
            return "second candidate"
        for part in candidate.parts or ():
            kind = next((name for name in part if name not in ("thought", "thoughtSignature")), "")
            if kind not in _PARTS:
                return f"part {kind!r}"
            unknown = set(part) - {kind, "thought", "thoughtSignature"}
            if unknown:
                return f"part with {sorted(unknown)[0]!r}"
            if kind == "functionCall" and not {"name", "args"} <= part[kind].keys():
                return "arguments of a call piece by piece"
        if candidate.fields.get("finishReason", "STOP") not in ("STOP", "MAX_TOKENS"):
            return f"finish reason {candidate.fields['finishReason']}"
        beside = [name for name in candidate.fields if name not in _DROPPED]
        others = [name for name in beside if name not in ("groundingMetadata", "urlContextMetadata")]
        if others:
            return others[0]
    return next((name for name in event.fields if name != "promptFeedback"), "")


def streamed(step: Json, *, on_vertex: bool = False, sizes: tuple[int, ...] | None = None) -> Streamed:
    """Return a step, or a part of one, as it streams; *sizes*: where its texts are cut."""
    kind = step.get("type")
    if kind == "model_output":
        deltas = tuple(delta for content in step.get("content", ()) for delta in _content_deltas(content, sizes))
        return Streamed({"type": kind}, deltas)
    if kind == "thought":
        return Streamed({"type": kind}, tuple(_thought_deltas(step)))
    signature = {} if on_vertex and kind == "function_call" else {"signature": ""}
    head = {name: value for name, value in ({**step, **signature}).items() if name in _HEAD}
    start: JsonDict = {name: head[name] for name in _HEAD if name in head}
    if kind == "function_call" and "arguments" in step:
        signed = ({"signature": step["signature"], "type": "thought_signature"},) if step.get("signature") else ()
        arguments = {"arguments": compact(step["arguments"]), "type": "arguments_delta"}
        return Streamed({**start, "arguments": {}}, (*signed, arguments))
    if kind == "function_result":
        return Streamed(start, ({name: step[name] for name in _RESULT_ORDER if name in step},))
    if str(kind).endswith(("_call", "_result")):
        beside = ("id", "call_id", "type", "search_type")
        fields = {name: value for name, value in step.items() if name not in beside}
        return Streamed(start, ({"type": kind, **fields},))
    return Streamed(dict(step), ())


def streamed_outputs(step: Json, *, sizes: tuple[int, ...] | None = None) -> list[Streamed]:
    """Return a step in the streams of the older schema: each content separately."""
    kind = step.get("type")
    if kind == "model_output":
        return [
            Streamed(
                {"type": content.get("type")},
                tuple(
                    {**delta, "type": "text_annotation"} if delta["type"] == "text_annotation_delta" else delta
                    for delta in _content_deltas(content, sizes)
                ),
            )
            for content in step.get("content", ())
        ]
    if kind == "thought":
        return [Streamed({"type": kind}, tuple(_thought_deltas(step)))]
    start = {name: step[name] for name in ("id", "call_id", "type") if name in step}
    return [Streamed(start, (dict(step),))]


def _content_deltas(content: Json, sizes: tuple[int, ...] | None) -> Iterator[Json]:
    if content.get("type") != "text":
        yield content
        return
    if "text" in content:
        for piece in cut(str(content["text"]), sizes):
            yield {"text": piece, "type": "text"}
    if "annotations" in content:
        yield {"annotations": content["annotations"], "type": "text_annotation_delta"}


def _thought_deltas(step: Json) -> Iterator[Json]:
    for content in step.get("summary", ()):
        yield {"content": content, "type": "thought_summary"}
    if "signature" in step:
        yield {"signature": step["signature"], "type": "thought_signature"}


def partial(start: Json, delta: Json) -> Json | None:
    """Return the partial step that one *delta* of a stream is; `None` where it is of no known kind."""
    kind = start.get("type")
    opened = {name: value for name, value in start.items() if value != ""}
    match delta.get("type"):
        case "text" | "image" | "audio" | "video" | "document" if kind == "model_output":
            return _output(delta)
        case "text_annotation_delta" | "text_annotation":  # as the older schema calls it
            return _output({"annotations": delta.get("annotations"), "type": "text"})
        case "thought_summary":
            return {"summary": [delta.get("content")], "type": "thought"}
        case "thought_signature" if kind == "thought":
            return {"signature": delta.get("signature"), "type": "thought"}
        case "arguments_delta":
            try:
                arguments = json.loads(delta["arguments"])
            except ValueError:
                return None
            return {**opened, "arguments": arguments} if is_object(arguments) else None
        case other if other == kind and kind not in JOINING:
            return {**opened, **{name: value for name, value in delta.items() if value != ""}}
        case _:
            return None


def joined(earlier: Json, later: Json) -> Json:
    """Return two parts of one step as one: texts are joined, and the last signature stays."""
    if earlier["type"] == "thought":
        both = {**earlier, **{name: value for name, value in later.items() if name != "signature" or value}}
        summary = [*earlier.get("summary", ()), *later.get("summary", ())]
        both |= {"summary": summary} if summary else {}
        return {name: both[name] for name in ("signature", "summary", "type") if name in both}
    contents: list[Json] = list(earlier.get("content", ()))
    for content in later.get("content", ()):
        last = contents[-1] if contents else NOTHING
        if last.get("type") == content.get("type") == "text" and "annotations" not in last:
            text = str(last.get("text", "")) + str(content.get("text", ""))
            annotations = {"annotations": content["annotations"]} if "annotations" in content else {}
            contents[-1] = {"text": text, **annotations, "type": "text"}
        else:
            contents.append(content)
    return {"content": contents, "type": earlier["type"]}


def whole(steps: Iterable[Step], seed: str = "") -> list[Json]:
    """Return the partial *steps* of a reply as whole steps, for a plain answer."""
    wholes: list[Json] = []
    converter = Steps(seed)
    open_type = None
    for step in steps:
        if isinstance(step, InteractionStep):
            wholes.append(converter.named(step).step)
            open_type = None
        for part in converter.of_event(step) if isinstance(step, Event) else ():
            if part["type"] == open_type and open_type in JOINING:
                wholes[-1] = joined(wholes[-1], part)
            else:
                wholes.append(part)
            open_type = part["type"]
    return [{name: value for name, value in step.items() if name != "signature" or value} for step in wholes]


def outputs(steps: list[Json]) -> list[Json]:
    """Return whole *steps* as the older schema's outputs: contents beside thoughts and calls."""
    return [
        output
        for step in steps
        for output in (step.get("content", ()) if step.get("type") == "model_output" else [step])
    ]


def cut(text: str, sizes: tuple[int, ...] | None) -> Iterator[str]:
    """Yield *text* in pieces of *sizes*, the last one repeated; whole without them."""
    if sizes is None:
        yield text
        return
    yield text[: sizes[0]]
    for start in range(sizes[0], len(text), sizes[-1]):
        yield text[start : start + sizes[-1]]


def _thought(text: object, signature: object) -> Json:
    signed = {} if signature is None else {"signature": signature}
    summary = {"summary": [{"text": text, "type": "text"}]} if text else {}
    return {**signed, **summary, "type": "thought"}


def _output(content: Json) -> Json:
    return {"content": [content], "type": "model_output"}


def _media(blob: Json) -> str:
    kind = str(blob["mimeType"]).partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"
