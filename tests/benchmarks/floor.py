"""How little a traced call can cost: maxim-py's seven commits, written in one straight line, beside the wrapper.

    python tests/benchmarks/floor.py

What is written here by hand can't read tools, files, errors or streams, guards nothing and knows no labels. It shows
what the commits themselves cost; the rest of what the wrapper takes is the price of reading whatever may come.
"""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import contenders
from maxim.logger.components.types import CommitLog, Entity

if TYPE_CHECKING:
    from google import genai

ROUNDS = 60
CALLS = 50


class Straight:
    """Models whose calls are logged in a straight line."""

    def __init__(self, client: genai.Client) -> None:
        self.models = self  # just enough of a client for `contenders.plain`
        self._client = client
        self._writer = contenders.logger().writer

    def generate_content(self, *, model: str, contents: Any) -> Any:
        """Generate content, and log it."""
        commit, trace, generation = self._writer.commit, uuid4().hex, uuid4().hex
        about = {"startTimestamp": datetime.now(UTC), "tags": {}, "name": "Gemini call", "input": contents}
        commit(CommitLog(Entity.TRACE, trace, "create", about))
        said = [{"role": "user", "content": contents}]
        about = {"startTimestamp": datetime.now(UTC), "tags": {}, "id": generation, "provider": "google"}
        about |= {"model": model, "messages": said, "modelParameters": {}}
        commit(CommitLog(Entity.TRACE, trace, "add-generation", about))
        answer: Any = self._client.models.generate_content(model=model, contents=contents)
        text = "".join(part.text for part in answer.candidates[0].content.parts)
        known = {"response_id": answer.response_id, "model_version": answer.model_version}
        commit(CommitLog(Entity.GENERATION, generation, "update", {"metadata": known}))
        commit(CommitLog(Entity.GENERATION, generation, "result", {"result": _result(answer, text)}))
        commit(CommitLog(Entity.GENERATION, generation, "end", {"endTimestamp": datetime.now(UTC)}))
        commit(CommitLog(Entity.TRACE, trace, "update", {"output": text}))
        commit(CommitLog(Entity.TRACE, trace, "end", {"endTimestamp": datetime.now(UTC)}))
        return answer


def _result(answer: Any, text: str) -> dict[str, Any]:
    usage, message = answer.usage_metadata, {"role": "assistant", "content": text}
    return {
        "id": answer.response_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.model_version,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "STOP"}],
        "usage": {
            "prompt_tokens": usage.prompt_token_count,
            "completion_tokens": usage.candidates_token_count,
            "total_tokens": usage.total_token_count,
        },
    }


def _microseconds(client: Any) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        contenders.plain(client)
    return (time.process_time() - started) / CALLS * 1e6


def main() -> None:
    """Print what each adds to a bare call."""
    bare = contenders.bare_client()
    clients = {
        "seven commits in a straight line": Straight(contenders.bare_client()),
        "maxim_gemini": contenders.CONTENDERS["maxim_gemini"](contenders.bare_client()),
    }
    gc.collect()
    for name, client in clients.items():
        contenders.plain(client)
        pairs = [(_microseconds(bare), _microseconds(client)) for _ in range(ROUNDS)]
        added = min(time for _, time in pairs) - min(base for base, _ in pairs)
        print(f"{name}: {median(time / base for base, time in pairs):.2f}x of a bare call, {added:.0f} us more")


if __name__ == "__main__":
    main()
