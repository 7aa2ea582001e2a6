"""Models, sync and async: how a call of `generate_content` begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .._core.call import Call, NoCall
from .._core.headers import Labels, checked_id, has_labels, headers_in, labels_in, split_labels
from .._core.logger import silent_log
from .._core.proxy import OMITTED, Unrecorded, Wrapper
from .._core.surroundings import is_suppressed, labels_around
from .._core.tool_calls import Conversation
from .._core.trace import Trace
from . import sdk
from .call import ContentCall, call_above

if TYPE_CHECKING:
    from .._core.logger import Log
    from .._core.values import JsonDict


class TracedModels(Wrapper):
    """The base of sync and async models."""

    _recorded: ClassVar[Any]
    _conversation: Conversation

    def _wrap(self, wrapped: object, log: Log, keep: object = None) -> None:
        """Wrap models; all single calls over one logger share one conversation."""
        super()._wrap(wrapped, log, keep)
        self._conversation = log.shared(Conversation)

    def _begin(
        self, model: str, contents: object, config: object, trace_id: str | None, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, JsonDict]:
        """Return the models to call, the call to record, and the arguments of the request."""
        request: JsonDict = {"model": model, "contents": contents}
        if config is not OMITTED:
            request["config"] = config
        begun = self._log.attempt("begin the call", self._begin_call, request, trace_id, generation_name)
        return begun or (Unrecorded(self._wrapped, self._replaced), NoCall(), request)

    def _begin_call(
        self, request: JsonDict, trace_id: str | None, generation_name: str | None
    ) -> tuple[Any, Call | NoCall, JsonDict] | None:
        log, models = self._log, self._wrapped
        if is_suppressed():
            if not has_labels(headers_in(request.get("config"))) and not has_labels(sdk.headers_of(models)):
                return None
            log = silent_log()
        of_headers, config = split_labels(request.get("config"), log)
        if "config" in request:
            request = {**request, "config": config}
        if (above := call_above(models, log)) is not None:  # the outer call ends it
            return self._recorded(models, above, self._replaced), NoCall(), request
        labels = Labels(checked_id(log, "trace_id", trace_id), None, generation_name)
        labels = labels_around(labels.over(of_headers, labels_in(sdk.headers_of(models), log)), log)
        trace = Trace(log, labels, "Gemini call")
        call = ContentCall(trace, self._conversation, set(), request["contents"], config)
        return self._recorded(models, call, self._replaced, records_tools=True), call, request
