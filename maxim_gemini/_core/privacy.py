"""Policies for what may be logged: what is captured and masked, and which traces are sampled.

Pure. A policy is applied to the data of each commit to Maxim, field by field. A field that is not listed here counts as
content, so that a new one is hidden until it is listed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from .secrets import redacted
from .values import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Capture: TypeAlias = Literal["all", "no-media", "no-content"]
Kind: TypeAlias = Literal["structure", "name", "content", "values", "error", "message", "result"]

MASKED: Final = "[masked]"
"""Logged in place of a text for which the mask failed."""

NOT_CAPTURED: Final = "[not captured]"
"""Logged in place of a text that is not captured."""

WARNINGS: Final = logging.getLogger("maxim_gemini")

_DEEPEST: Final = 8
"""Levels of JSON inside JSON that the mask gets text by text; deeper JSON is one text to it."""

FIELDS: Final[dict[str, Kind]] = {
    # What Maxim needs to identify and to count things.
    "id": "structure",
    "sessionId": "structure",
    "spanId": "structure",
    "provider": "structure",
    "model": "structure",
    "startTimestamp": "structure",
    "endTimestamp": "structure",
    "timestamp": "structure",
    "metrics": "structure",
    "cost": "structure",
    "score": "structure",
    "code": "structure",
    "type": "structure",
    "errorType": "structure",
    "mime_type": "structure",
    "evaluators": "structure",
    "with": "structure",
    # Names that the application gives.
    "name": "name",
    "tags": "name",
    # What was sent and answered, and all text that may quote it.
    "input": "content",
    "output": "content",
    "messages": "message",
    "args": "content",
    "description": "content",
    "docs": "content",
    "message": "content",
    "comment": "content",
    "variables": "content",
    "url": "content",
    "modelParameters": "values",
    "metadata": "values",
    "result": "result",
    "error": "error",
}
"""The kind of each field of a commit; fields that are not listed are `content`."""

_IN_MESSAGE: Final[dict[str, Kind]] = {
    "role": "structure",
    "index": "structure",
    "finish_reason": "structure",
    "id": "structure",
    "type": "structure",
    "tool_call_id": "structure",
    "name": "name",
    "message": "message",
    "tool_calls": "message",
    "function": "message",
}
_IN_RESULT: Final[dict[str, Kind]] = {
    "id": "structure",
    "object": "structure",
    "created": "structure",
    "model": "structure",
    "usage": "structure",
    "choices": "message",
    "error": "error",
}
_IN_ERROR: Final[dict[str, Kind]] = {"code": "structure", "type": "structure"}

_PLAIN_METADATA: Final = frozenset({"response_id", "model_version", "block_reason", "traffic_type", "interaction_id"})
"""Metadata that is text, but no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """A policy for what a wrapper may log.

    *capture* is `all`, `no-media` (texts, but no attachments) or `no-content` (only names, models, usage, times and
    error codes). *mask* is called with each text before it is logged, and with the name of its field, such as
    `generation.messages[0].content`; its return value is logged instead, or `[masked]` if it fails. *sample*, from 0 to
    1, is the share of traces that are logged; with *keep_errors* each trace with an error is logged, too. *attachments*
    is whether images, audio and files are logged. By default they are if *capture* is `all` and there is no *mask*,
    which could not read them; with `True` they are logged beside a mask, which gets those that are text.

    Raises `ValueError` or `TypeError` for a value that is none of these.
    """

    capture: Capture = "all"
    mask: Callable[[str, str], str] | None = None
    sample: float = 1.0
    keep_errors: bool = False
    attachments: bool | None = None

    def __post_init__(self) -> None:
        """Refuse wrong values: a policy that is not applied is worse than none."""
        if self.capture not in get_args(Capture):
            raise ValueError(f"capture must be one of {', '.join(get_args(Capture))}, got {self.capture!r}")
        if self.mask is not None and not callable(self.mask):
            raise TypeError(f"mask must be a function of a text and the name of its field, got {self.mask!r}")
        if type(self.sample) not in (int, float):
            raise TypeError(f"sample must be a number from 0 to 1, got {self.sample!r}")
        if not 0 <= self.sample <= 1:  # false for NaN, too
            raise ValueError(f"sample must be a number from 0 to 1, got {self.sample!r}")
        if self.attachments and self.capture != "all":
            raise ValueError(f"attachments=True contradicts capture={self.capture!r}")

    @classmethod
    def of_environment(cls) -> Privacy:
        """Return the policy of `MAXIM_GEMINI_CAPTURE` (a wrong value captures no content) and `MAXIM_GEMINI_SAMPLE`."""
        capture = os.environ.get("MAXIM_GEMINI_CAPTURE", "").strip().lower()
        sample = os.environ.get("MAXIM_GEMINI_SAMPLE", "").strip()
        if not capture and not sample:
            return EVERYTHING
        return cls(capture=_capture_in(capture), sample=_sample_in(sample))

    @property
    def is_open(self) -> bool:
        """`True` if everything is logged unchanged."""
        return self == EVERYTHING

    @property
    def hides_text(self) -> bool:
        """`True` if some texts may be hidden."""
        return self.capture == "no-content" or self.mask is not None

    @property
    def logs_attachments(self) -> bool:
        """`True` if attachments are logged."""
        return self.capture == "all" and (self.mask is None if self.attachments is None else self.attachments)

    def keeps(self, trace_id: str) -> bool:
        """Return whether a trace is in the sample; the result is the same in every process."""
        if self.sample >= 1:
            return True
        # A hash of the id, because ids of applications need not be random, and `hash()` differs in each process.
        digest = hashlib.blake2b(trace_id.encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest) < self.sample * 2**64


EVERYTHING: Final = Privacy()
"""The policy that logs everything unchanged."""


def _capture_in(value: str) -> Capture:
    if value in get_args(Capture):
        return cast("Capture", value)
    if value:
        known = ", ".join(get_args(Capture))
        WARNINGS.warning("MAXIM_GEMINI_CAPTURE must be one of %s, got %.100r: no content is captured", known, value)
        return "no-content"
    return "all"


def _sample_in(value: str) -> float:
    try:
        sample = float(value or 1)
    except ValueError:
        sample = math.nan
    if 0 <= sample <= 1:
        return sample
    WARNINGS.warning("MAXIM_GEMINI_SAMPLE must be a number from 0 to 1, got %.100r: all traces are logged", value)
    return 1.0


def mask_secrets(text: str, where: str = "") -> str:  # every mask is called with both
    """Return *text* with keys, tokens and passwords replaced, as in cassettes; to be used as a *mask*."""
    return redacted(text)


class Screen:
    """Applies a policy to the data of commits; *warn* is called with the kind of a problem, and a message."""

    __slots__ = ("_policy", "_warn")

    def __init__(self, policy: Privacy, warn: Callable[[str, str], None]) -> None:
        self._policy = policy
        self._warn = warn

    def data(self, entity: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the *data* of a commit about an *entity*, such as `generation`, as they may be logged."""
        return {
            name: self._field(FIELDS.get(name, "content"), value, f"{entity}.{name}") for name, value in data.items()
        }

    def attachment(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return an attachment as it may be logged: name and address masked, and the content, too, if it is text."""
        screened = dict(data)
        for name in ("name", "url"):
            if screened.get(name):
                screened[name] = self._masked(screened[name], f"attachment.{name}")
        content = screened.get("data")
        if self._policy.mask is not None and isinstance(content, bytes) and _is_text(screened.get("mime_type")):
            text = content.decode("utf-8", "replace")
            masked = self._masked(text, "attachment.data")
            screened["data"] = content if masked == text else masked.encode("utf-8", "replace")
        return screened

    def _field(self, kind: Kind, value: Any, where: str) -> Any:
        if value is None or kind == "structure":
            return value
        if kind == "name":
            return self._masked(value, where)
        if kind == "values" and isinstance(value, dict):
            values = cast("dict[str, object]", value)
            return {name: self._value(name, one, f"{where}.{name}") for name, one in values.items()}
        if kind == "message" and not isinstance(value, str):
            return self._members(_IN_MESSAGE, value, where)
        if kind == "result" and isinstance(value, dict):
            return self._members(_IN_RESULT, value, where)
        if kind == "error" and isinstance(value, dict):
            return self._members(_IN_ERROR, value, where)
        return self._content(value, where)

    def _members(self, kinds: Mapping[str, Kind], value: Any, where: str) -> Any:
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self._members(kinds, item, f"{where}[{index}]") for index, item in enumerate(items)]
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            return {
                name: self._field(kinds.get(name, "content"), one, f"{where}.{name}") for name, one in members.items()
            }
        return self._content(value, where)

    def _value(self, name: str, value: object, where: str) -> object:
        """Return a parameter or metadata value as it may be logged: numbers and Google's ids are no content."""
        if self._policy.capture == "no-content" and not (name in _PLAIN_METADATA or _holds_no_text(value)):
            return NOT_CAPTURED
        return self._masked(value, where)

    def _content(self, value: object, where: str) -> Any:
        if self._policy.capture != "no-content":
            return self._masked(value, where)
        if value is None or value == "":
            return value
        if isinstance(value, list):
            return [NOT_CAPTURED for _ in cast("list[object]", value)]
        return NOT_CAPTURED

    def _masked(self, value: object, where: str, depth: int = 0) -> Any:
        """Return *value* with every text in it masked, including keys, and texts inside JSON."""
        if self._policy.mask is None or not value:
            return value
        if isinstance(value, str):
            return self._call_mask(self._masked_json(value, where, depth), where)
        if isinstance(value, (list, tuple)):
            items = cast("list[object]", value)
            return [self._masked(item, f"{where}[{index}]", depth) for index, item in enumerate(items)]
        if isinstance(value, dict):
            members = cast("dict[object, object]", value)
            return {
                self._masked(name, where, depth): self._masked(item, f"{where}.{name}", depth)
                for name, item in members.items()
            }
        if isinstance(value, (bool, int, float)):
            return value
        return self._call_mask(value, where)

    def _masked_json(self, text: str, where: str, depth: int) -> str:
        """Mask the texts inside JSON one by one: a mask may miss a text in which quotes and line ends are escaped."""
        if text[0] not in '{["' or depth >= _DEEPEST:
            return text
        try:
            value: object = json.loads(text)
            masked = self._masked(value, where, depth + 1)
            return text if masked == value else as_json(masked)
        except (ValueError, RecursionError):
            return text

    def _call_mask(self, text: object, where: str) -> str:
        assert self._policy.mask is not None
        try:
            masked: Any = self._policy.mask(str(text), where)
            if isinstance(masked, str):
                return str.__str__(masked)  # a subclass of `str` may have methods of its own: none is called
            trouble = f"returned {type(masked).__name__}, not str"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it raises, the text must not be logged
            trouble = f"raised {type(error).__name__}"
        self._warn(f"mask: {trouble}", f"The mask {trouble} for {where.partition('[')[0]}: {MASKED} is logged instead")
        return MASKED


def _is_text(mime_type: object) -> bool:
    kind = str(mime_type).partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind.endswith(("json", "xml", "yaml", "javascript", "csv", "x-sh"))


def _holds_no_text(value: object) -> bool:
    """Return whether a value, given as such or as JSON, consists of numbers, true, false and null."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False
        if isinstance(value, str):
            return False
    if isinstance(value, list):
        return all(isinstance(item, (int, float, bool, type(None))) for item in cast("list[object]", value))
    return isinstance(value, (int, float, bool, type(None)))
