"""Search for texts in what Maxim received."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .commits import Commit


def occurrences(commits: Iterable[Commit], texts: Sequence[str]) -> Iterator[str]:
    """Return the occurrences of *texts*, such as `generation 65de0186: messages[0].content contains 'secret'`."""
    for commit in commits:
        entity = f"{commit.entity} {commit.id}"
        for text in texts:
            if text in commit.id:
                yield f"{entity}: its id contains {text!r}"
            if commit.content is not None and text.encode("utf-8", "surrogatepass") in commit.content:
                yield f"{entity}: an attachment contains {text!r}"
            for where, value in _texts(commit.data, ""):
                if text in value:
                    yield f"{entity}: {where or commit.action} contains {text!r}"


def _texts(value: object, where: str) -> Iterator[tuple[str, str]]:
    """Return all texts in *value*, with their paths; if a text is JSON, also the texts in it."""
    if isinstance(value, str):
        yield where, value
        if value[:1] in ("{", "[", '"') and (inner := _json(value)) is not None:
            yield from _texts(inner, where)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _texts(item, f"{where}[{index}]")
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            yield f"{where} (a name)".lstrip(), name
            yield from _texts(item, f"{where}.{name}".lstrip("."))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
