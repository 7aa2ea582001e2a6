"""The `x-maxim-*` headers of a call: the trace that it belongs to, and its names and tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from .logger import Log, is_valid_id
from .values import as_text

_PREFIX: Final = "x-maxim-"


class Hold(Protocol):
    """Keeps a `trace()` or `span()` block's trace open for one call."""

    def release(self) -> None:
        """Stop keeping it open. A second call does nothing."""
        ...

    def again(self) -> Hold | None:
        """Return another hold on the same trace or span; `None` if that has ended."""
        ...


class Labels(NamedTuple):
    """The place of a call in Maxim, and its names and tags."""

    trace_id: str | None = None
    session_id: str | None = None
    generation_name: str | None = None
    trace_tags: Mapping[str, str] | None = None
    generation_tags: Mapping[str, str] | None = None
    span_id: str | None = None
    """The span in the trace that the call belongs to."""
    hold: Hold | None = None
    """Keeps the trace of a `trace()` block around the call open."""

    def over(self, *others: Labels) -> Labels:
        """Return these labels, completed by those of *others*; earlier ones have precedence."""
        labels = self
        for other in others:
            if other is not NO_LABELS:
                known = {name: value for name, value in labels._asdict().items() if value is not None}
                # The other's span and hold belong to the other's trace.
                elsewhere = {} if labels.trace_id is None else {"span_id": None, "hold": None}
                labels = other._replace(**{**elsewhere, **known})
        return labels


NO_LABELS: Final = Labels()


def split_labels(config: object, log: Log) -> tuple[Labels, Any]:
    """Return the labels in the `x-maxim-*` headers of *config*, and a config without these headers."""
    if config is None:
        return NO_LABELS, None
    labels = labels_in(headers_in(config), log)
    return labels, config if labels is NO_LABELS else without_labels(config)


def headers_in(config: object) -> Any:
    """Return the HTTP headers that are set in *config*."""
    return _get(_get(config, "http_options", "httpOptions"), "headers")


def has_labels(headers: Iterable[str] | None) -> bool:
    """Return whether *headers*, which may be any object, include an `x-maxim-*` header."""
    try:
        if not headers or _PREFIX not in "".join(headers).lower():  # fast for the usual case
            return False
        return any(key.lower().startswith(_PREFIX) for key in headers)
    except Exception:  # not headers at all: the SDK raises its own error
        return False


def without_labels(config: object) -> Any:
    """Return *config* without `x-maxim-*` headers; the same object if it has none."""
    if not has_labels(headers := headers_in(config)):
        return config
    options = _get(config, "http_options", "httpOptions")
    return _with(config, _with(options, without_labels_in(headers), "headers"), "http_options", "httpOptions")


def without_labels_in(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return *headers* without the `x-maxim-*` headers."""
    return {key: value for key, value in headers.items() if not key.lower().startswith(_PREFIX)}


def labels_in(headers: Any, log: Log) -> Labels:
    """Return the labels in the `x-maxim-*` headers among *headers*."""
    if not has_labels(headers):
        return NO_LABELS
    # Names of HTTP headers are case-insensitive.
    headers = {key.lower(): value for key, value in headers.items()}
    name = headers.get("x-maxim-generation-name")
    if name is not None and not isinstance(name, str):
        log.warn(
            f"{_PREFIX}generation-name: no text",
            f"{_PREFIX}generation-name is ignored: expected text, got %.200r",
            name,
        )
        name = None
    trace_id = checked_id(log, "x-maxim-trace-id", headers.get("x-maxim-trace-id"))
    return Labels(
        trace_id,
        checked_id(log, "x-maxim-session-id", headers.get("x-maxim-session-id")),
        name,
        _tags(log, "x-maxim-trace-tags", headers.get("x-maxim-trace-tags")),
        _tags(log, "x-maxim-generation-tags", headers.get("x-maxim-generation-tags")),
        checked_id(log, "x-maxim-span-id", headers.get("x-maxim-span-id")) if trace_id else None,
    )


def _tags(log: Log, name: str, value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    try:
        tags = json.loads(value) if isinstance(value, str) else value
        return {str(key): as_text(item) for key, item in dict(tags).items()}
    except Exception:  # not JSON, not an object, or nested too deep
        log.warn(
            f"{name}: no tags", '%s is ignored: expected a JSON object like {"team": "search"}, got %.200r', name, value
        )
        return None


def checked_id(log: Log, name: str, value: object) -> str | None:
    """Return *value* as an id; `None`, with a warning, if Maxim would drop everything logged under it."""
    text = None if value is None else log.attempt("read an id", str, value)
    if text is None or is_valid_id(text):
        return text
    log.warn(
        f"{name}: no id",
        "%s %.200r is ignored: an id has letters, digits, '-' and '_' only, at least one",
        name,
        text,
    )
    return None


def _get(holder: object, *names: str) -> Any:
    if isinstance(holder, Mapping):
        members: Any = holder  # pyright: ignore[reportUnknownVariableType]
        return next((members[name] for name in names if name in members), None)
    return getattr(holder, names[0], None)


def _with(holder: Any, value: object, *names: str) -> Any:
    if isinstance(holder, Mapping):
        return {key: value if key in names else item for key, item in holder.items()}  # pyright: ignore[reportUnknownVariableType]
    return holder.model_copy(update={names[0]: value})
