"""Which trace a call belongs to: its own, the caller's, a turn of a chat; and what `x-maxim-*` headers say about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .logger import Log, is_valid_id
from .values import as_text

_PREFIX: Final = "x-maxim-"


class Labels(NamedTuple):
    """What a call says about its place in Maxim."""

    trace_id: str | None = None
    session_id: str | None = None
    generation_name: str | None = None
    trace_tags: Mapping[str, str] | None = None
    generation_tags: Mapping[str, str] | None = None

    def over(self, others: Labels) -> Labels:
        """Return these labels, with *others* where nothing is said here."""
        if others is NO_LABELS:
            return self
        return others._replace(**{name: value for name, value in self._asdict().items() if value is not None})


NO_LABELS: Final = Labels()


def split_labels(config: Any, log: Log) -> tuple[Labels, Any]:
    """Return what the `x-maxim-*` headers in *config* say, and the config without them; *config* stays as it is."""
    if config is None:
        return NO_LABELS, None
    headers = headers_in(config)
    return (labels_in(headers, log), without_labels(config)) if has_labels(headers) else (NO_LABELS, config)


def headers_in(config: Any) -> Any:
    """Return the headers that *config* has the SDK send."""
    return _get(_get(config, "http_options", "httpOptions"), "headers")


def has_labels(headers: Any) -> bool:
    """Say whether there are `x-maxim-*` headers among *headers*, which may be anything."""
    try:
        said = headers and _PREFIX in "".join(headers).lower()  # asked on every call: no look at each of them
        return bool(said) and any(key.lower().startswith(_PREFIX) for key in headers)
    except Exception:  # no headers: the SDK will say so
        return False


def without_labels(config: Any) -> Any:
    """Return *config* without `x-maxim-*` headers; the same object where there are none."""
    if not has_labels(headers := headers_in(config)):
        return config
    options = _get(config, "http_options", "httpOptions")
    theirs = {key: value for key, value in headers.items() if not key.lower().startswith(_PREFIX)}
    return _with(config, _with(options, theirs, "headers"), "http_options", "httpOptions")


def labels_in(headers: Any, log: Log) -> Labels:
    """Return what the `x-maxim-*` headers among *headers* say."""
    if not has_labels(headers):
        return NO_LABELS
    headers = {key.lower(): value for key, value in headers.items()}
    return Labels(
        checked_id(log, "x-maxim-trace-id", headers.get("x-maxim-trace-id")),
        checked_id(log, "x-maxim-session-id", headers.get("x-maxim-session-id")),
        _text(log, "x-maxim-generation-name", headers.get("x-maxim-generation-name")),
        _tags(log, "x-maxim-trace-tags", headers.get("x-maxim-trace-tags")),
        _tags(log, "x-maxim-generation-tags", headers.get("x-maxim-generation-tags")),
    )


def _text(log: Log, name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    log.warn(f"{name}: no text", "%s is ignored: expected text, got %.200r", name, value)
    return None


def _tags(log: Log, name: str, value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    try:
        tags = json.loads(value) if isinstance(value, str) else value
        return {str(key): as_text(item) for key, item in dict(tags).items()}
    except Exception:  # no JSON, no object, nested too deep
        log.warn(
            f"{name}: no tags", '%s is ignored: expected a JSON object like {"team": "search"}, got %.200r', name, value
        )
        return None


def checked_id(log: Log, name: str, value: Any) -> str | None:
    """Return *value* as an id of Maxim, or `None` and a warning where Maxim would drop everything logged under it."""
    text = None if value is None else log.attempt("read an id", str, value)
    if text is None or is_valid_id(text):
        return text
    log.warn(
        f"{name}: no id",
        "%s %.200r is ignored: Maxim's ids are letters, digits, '-' and '_', and not empty",
        name,
        text,
    )
    return None


def _get(holder: Any, *names: str) -> Any:
    if isinstance(holder, Mapping):
        found: Any = holder  # pyright: ignore[reportUnknownVariableType]
        return next((found[name] for name in names if name in found), None)
    return getattr(holder, names[0], None)


def _with(holder: Any, value: Any, *names: str) -> Any:
    if isinstance(holder, Mapping):
        return {key: value if key in names else item for key, item in holder.items()}  # pyright: ignore[reportUnknownVariableType]
    return holder.model_copy(update={names[0]: value})
