"""Records of an entity: errors, events, feedback, attachments, evaluations and function calls. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from maxim_gemini.testing._json_types import JsonDict, decoded, decoded_values, is_object, mapping, plain, sequence

from .tree import instant

if TYPE_CHECKING:
    from datetime import datetime

    from .commits import Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """An error, and the entity that has it (`generation abc`)."""

    message: str
    code: str = ""
    type: str = ""
    name: str | None = None
    tags: JsonDict = field(default_factory=JsonDict)
    metadata: JsonDict = field(default_factory=JsonDict)
    entity: str = field(default="", compare=False)

    @classmethod
    def of(cls, data: object, entity: str) -> Self:
        """Return the error of *entity* in *data*, as they are on the wire."""
        if not is_object(data):
            return cls(message=str(data), entity=entity)
        return cls(
            message=str(data.get("message") or ""),
            code=str(data.get("code") or ""),
            type=str(data.get("errorType") or data.get("type") or ""),
            name=data.get("name"),
            tags=plain(mapping(data.get("tags"))),
            metadata=decoded_values(data.get("metadata")),
            entity=entity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event, at one time."""

    id: str
    name: str
    tags: JsonDict = field(default_factory=JsonDict)
    metadata: JsonDict = field(default_factory=JsonDict)
    at: datetime | None = field(default=None, compare=False)

    @classmethod
    def of(cls, data: JsonDict) -> Self:
        """Return what *data* on the wire says."""
        return cls(
            id=str(data.get("id", "")),
            name=str(data.get("name", "")),
            tags=plain(mapping(data.get("tags"))),
            metadata=decoded_values(data.get("metadata")),
            at=instant(data.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The feedback of a person on a trace or a session."""

    score: int | None = None
    comment: str | None = None

    @classmethod
    def of(cls, data: JsonDict) -> Self:
        """Return what *data* on the wire says."""
        return cls(score=data.get("score"), comment=data.get("comment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file, bytes or a URL attached to an entity; *content* is what was uploaded, *size* its length in bytes."""

    id: str
    type: str
    name: str | None = None
    mime_type: str | None = None
    url: str | None = None
    size: int | None = None
    content: bytes | None = field(default=None, repr=False)
    tags: JsonDict = field(default_factory=JsonDict)
    metadata: JsonDict = field(default_factory=JsonDict)

    @classmethod
    def of(cls, commit: Commit) -> Self:
        """Return the attachment in *commit*."""
        data = commit.data
        return cls(
            id=str(data.get("id", "")),
            type=str(data.get("type", "")),
            name=data.get("name"),
            mime_type=data.get("mimeType") or data.get("mime_type"),
            url=data.get("url"),
            size=None if commit.content is None else len(commit.content),
            content=commit.content,
            tags=plain(mapping(data.get("tags"))),
            metadata=decoded_values(data.get("metadata")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The requested evaluators, and the variables given to them."""

    evaluators: tuple[str, ...]
    variables: JsonDict = field(default_factory=JsonDict)

    @classmethod
    def of(cls, data: JsonDict) -> Self:
        """Return what *data* on the wire says."""
        return cls(
            evaluators=tuple(sorted(map(str, sequence(data.get("evaluators"))))),
            variables=plain(mapping(data.get("variables"))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A function call of the model, in a generation's result."""

    id: str
    name: str
    arguments: Any = None

    @classmethod
    def of(cls, call: object) -> Self:
        """Return the function call in a tool call of a result."""
        function = mapping(mapping(call).get("function"))
        return cls(
            id=str(mapping(call).get("id", "")),
            name=str(function.get("name", "")),
            arguments=decoded(function.get("arguments")),
        )


Record = Error | Event | Feedback | Attachment | Evaluation
