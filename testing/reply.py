"""What Gemini says, in words: one vocabulary for mocks, the loopback server and the strategies.

```python
from maxim_gemini.testing import reply

reply.text("Paris.")
reply.stream("Pa", "ris.") + reply.usage(prompt=7, candidates=2)
reply.text("Let me see.") + reply.function_call("weather", city="Paris")
reply.error(429)
```

Replies add up with `+`. What is not said is filled in as real servers do: counts that add up, ids, finish reason,
signatures, in the style of the backend and of the model family that is asked. What no real server sends is refused,
unless `raw` asks for it.
"""

from __future__ import annotations

from maxim_gemini.testing._replies.building import (
    audio,
    blob,
    blocked,
    candidates,
    citations,
    code,
    code_result,
    disconnect,
    embedding,
    empty,
    error,
    event,
    finish,
    function_call,
    grounding,
    hold,
    image,
    logprobs,
    max_tokens,
    part,
    partial_call,
    raw,
    resource,
    response,
    safety_ratings,
    stall,
    stopped,
    stream,
    text,
    thought,
    token_count,
    url_context,
    usage,
    wait,
)
from maxim_gemini.testing._replies.interaction_words import (
    google_search,
    interaction,
    interaction_event,
    keep_alive,
    server_tool,
    step,
)
from maxim_gemini.testing._replies.model import Gate, Reply
from maxim_gemini.testing._replies.reading import parse

__all__ = [
    "Gate",
    "Reply",
    "audio",
    "blob",
    "blocked",
    "candidates",
    "citations",
    "code",
    "code_result",
    "disconnect",
    "embedding",
    "empty",
    "error",
    "event",
    "finish",
    "function_call",
    "google_search",
    "grounding",
    "hold",
    "image",
    "interaction",
    "interaction_event",
    "keep_alive",
    "logprobs",
    "max_tokens",
    "parse",
    "part",
    "partial_call",
    "raw",
    "resource",
    "response",
    "safety_ratings",
    "server_tool",
    "stall",
    "step",
    "stopped",
    "stream",
    "text",
    "thought",
    "token_count",
    "url_context",
    "usage",
    "wait",
]
