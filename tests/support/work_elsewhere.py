"""Work that goes on in another process, which has a logger of its own, and hands back what that logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google import genai
from maxim.logger.components.types import CommitLog

from maxim_gemini import MaximGeminiClient, instrument, span, trace
from maxim_gemini.testing import FakeLogger
from support.sides import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable

Commits = list[tuple[Any, str, str, Any]]


def commits_of(logger: FakeLogger) -> Commits:
    """Return what *logger* logged, ready to be pickled."""
    return [(log.entity, log.entity_id, log.action, log.data) for log in logger.logs]


def received(*logged: Iterable[Any]) -> FakeLogger:
    """Return a logger that has all of it, in this order, as Maxim would."""
    whole = FakeLogger()
    for entity, entity_id, action, data in (one for commits in logged for one in commits):
        whole.writer.commit(CommitLog(entity, entity_id, action, data))
    return whole


def ask(url: str, headers: dict[str, str], question: str, **more: Any) -> Commits:
    """Make one call in the trace of *headers*, in a span of its own."""
    logger = FakeLogger()
    client = genai.Client(api_key="unused", http_options={"base_url": url})
    with instrument(logger), trace(logger, headers=headers, **more), span("Look up"):
        client.models.generate_content(model=MODEL, contents=question)
    client.close()
    return commits_of(logger)


def ask_wrapped(client: Any, logger: FakeLogger, headers: Any, question: str) -> str:
    """Make one call of a wrapped client in the trace of *headers*, as one named piece of work."""
    with trace(logger, name="Job", input=question, headers=headers) as work:
        text = str(MaximGeminiClient(client, logger).models.generate_content(model=MODEL, contents=question).text)
        work.add_tag("by", "worker")
    return text
