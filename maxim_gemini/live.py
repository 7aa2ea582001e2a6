"""Trace `client.aio.live`: a session for each connection, a trace for each turn."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from google.genai.live import AsyncLive

from ._core.connection import ConnectionLog
from ._core.headers import Labels, checked_id, labels_in, split_labels
from ._core.logger import Log
from ._core.proxy import OMITTED, Unrecorded, Wrapper
from ._core.surroundings import is_suppressed, labels_around
from ._core.values import mapping
from ._generate_content.messages import read_request, system_of
from ._generate_content.parameters import read_parameters
from ._live import sdk
from ._live.session import LiveSession
from ._live.turn import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.genai import types
    from google.genai.live import AsyncSession

    from ._core.logger import Logger
    from ._core.privacy import Privacy

AUDIO_SECONDS: Final = "MAXIM_GEMINI_AUDIO_SECONDS"
"""Environment variable: the seconds of sound that are logged for each side of a turn; 0 logs no sound."""

_DEFAULT_SECONDS: Final = 60.0


class MaximGeminiAsyncLive(Wrapper, AsyncLive, sdk_class=AsyncLive):
    """`client.aio.live`: each connection is a session, each turn in it a trace.

    At most *audio_seconds* of sound are logged for each side of a turn; 0 logs no sound.
    """

    _audio_seconds: float | None

    def __init__(
        self, live: AsyncLive, logger: Logger, *, audio_seconds: float | None = None, privacy: Privacy | None = None
    ) -> None:
        self._wrap(live, Log(logger, privacy))
        self._audio_seconds = audio_seconds

    def _wrap(self, wrapped: Any, log: Log, keep: Any = None) -> None:
        super()._wrap(wrapped, log, keep)
        self._audio_seconds = None

    @asynccontextmanager
    async def connect(
        self,
        *,
        model: str,
        config: types.LiveConnectConfigOrDict | None = OMITTED,
        session_id: str | None = None,
        trace_id: str | None = None,
        generation_name: str | None = None,
        audio_seconds: float | None = None,
    ) -> AsyncGenerator[AsyncSession, None]:
        """Connect as the SDK does; log into the session *session_id*, that of a resumed handle, or a new one."""
        request: dict[str, Any] = {"model": model}
        if config is not OMITTED:
            request["config"] = config
        labels = Labels(trace_id, session_id, generation_name)
        begun = self._log.attempt("begin the live session", self._begin, request, labels, audio_seconds)
        connection, live, request = begun or (None, Unrecorded(self._wrapped, self._replaced), request)
        # Outside of the SDK's own block, so that an error of connecting is recorded, too.
        with connection or nullcontext():
            async with live.connect(**request) as session:
                if connection is not None and (socket := sdk.websocket_of(session)) is not None:
                    self._log.attempt("record the live session", connection.watch, socket, sdk.ConnectionClosed)
                yield session

    def _begin(
        self, request: dict[str, Any], labels: Labels, audio_seconds: float | None
    ) -> tuple[ConnectionLog | None, Any, dict[str, Any]]:
        """Return the record of the connection, the object that connects, and the arguments of the request."""
        log = self._log
        of_headers, config = split_labels(request.get("config"), log)
        if "config" in request:
            request = {**request, "config": config}
        live = Unrecorded(sdk.unlabelled(self._wrapped), self._replaced)
        if is_suppressed():
            return None, live, request
        labels = Labels(
            checked_id(log, "trace_id", labels.trace_id),
            checked_id(log, "session_id", labels.session_id),
            labels.generation_name,
        ).over(of_headers, labels_in(sdk.headers_of(self._wrapped), log))
        labels = labels_around(labels, log)
        resumption = _setting(config, "session_resumption", "sessionResumption")
        ends_session = labels.session_id is None and resumption is None
        system = read_request(None, system_of(config), _unknown).messages
        parameters, seconds = read_parameters(config), self._seconds(audio_seconds)
        connection = Connection(log, labels, str(request["model"]), system, parameters, seconds)
        session = LiveSession(connection, _setting(resumption, "handle"), is_ended=ends_session)
        return ConnectionLog(log, session), live, request

    def _seconds(self, given: float | None) -> float:
        """Return the seconds of sound to log: those of the connection, of this wrapper, or of the environment."""
        for one in (given, self._audio_seconds):
            if one is not None:
                return max(0.0, one)
        value = os.environ.get(AUDIO_SECONDS, "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            return float(value)
        if value:
            self._log.warn(
                AUDIO_SECONDS,
                "%s=%.100r is ignored, and %g is used: expected a number of seconds, such as %s=60, or 0 for no sound",
                *(AUDIO_SECONDS, value, _DEFAULT_SECONDS, AUDIO_SECONDS),
            )
        return _DEFAULT_SECONDS


def _unknown(_call: object) -> None:
    """Return no id: a system instruction has no function calls."""


def _setting(config: object, *names: str) -> Any:
    settings = mapping(config)
    if settings is None:
        return getattr(config, names[0], None)
    return next((settings[name] for name in names if name in settings), None)
