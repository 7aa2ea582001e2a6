"""One call of `generate_content`, or one turn of a chat."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._core.call import Call
from .._core.generation import Request
from .messages import read_request, system_of
from .parameters import read_parameters
from .result import ContentAnswer
from .tools import describe_result

if TYPE_CHECKING:
    from .._core.generation import Generation, Start
    from .._core.logger import Log
    from .._core.tool_calls import Conversation
    from .._core.trace import Trace


class ContentCall(Call):
    """A call with the application's *contents* and *config*."""

    __slots__ = ("_config", "_conversation", "_parameters")

    def __init__(
        self,
        trace: Trace,
        conversation: Conversation,
        attached: set[str | bytes | None],
        contents: object,
        config: object,
    ) -> None:
        # A function that does not refer to the call: in a cycle, only the garbage collector could free it.
        unsent = partial(_read, contents, None, trace.log, conversation)
        super().__init__(trace, conversation, attached, describe=describe_result, unsent=unsent)
        self._config = config
        self._conversation = conversation
        self._parameters: dict[str, str] | None = {} if config is None else None

    def send(
        self, model: str, contents: object, sent: object, *, streamed: bool = False, start: Start | None = None
    ) -> Generation:
        """Begin the generation of one request, sent next or at *start*; *sent* is the config as the SDK sends it."""
        request = _read(contents, sent, self.log, self._conversation)
        if self._parameters is None:
            # From the application's config, but tools from the sent one, which has the tools of MCP sessions.
            self._parameters = self.log.attempt("read the config", read_parameters, self._config, sent) or {}
        answer = ContentAnswer(partial(self._conversation.new_id, self.log))
        continues = not isinstance(sent, dict) and getattr(sent, "continuation_token", None) is not None
        return self.begin(model, request, self._parameters, answer, streamed=streamed, start=start, continues=continues)


def _read(contents: object, config: object, log: Log, conversation: Conversation) -> Request:
    known_id = conversation.known_id
    request = log.attempt("read the request", read_request, contents, system_of(config), known_id)
    return request or Request({"role": "user", "content": f"[{type(contents).__name__} that could not be read]"})


RUNNING: Final[ContextVar[tuple[ContentCall, Any] | None]] = ContextVar("maxim_gemini_call", default=None)
"""The call that runs a method which is not google-genai's own, and the models that the method may use: see `opaque`."""


def call_above(models: object, log: Log) -> ContentCall | None:
    """Return the outer call whose method calls *models* again, so that the call is recorded only once."""
    above = RUNNING.get()
    if above is not None and above[1] is models and above[0].log.shares(log):
        return above[0]
    return None


def models_above() -> Any:
    """Return the models that a method recorded as a whole may use; `None` if none is running."""
    above = RUNNING.get()
    return above and above[1]
