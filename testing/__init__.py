"""Record Gemini traffic once, replay it offline, and check what Maxim would have received."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import reply as reply
    from . import strategies as strategies
    from ._cassette import Cassette as Cassette
    from ._cassette.interaction import Interaction as Interaction
    from ._cassette.sessions import WebsocketSession as WebsocketSession
    from ._http.delivery import Chunking as Chunking
    from ._http.delivery import Fault as Fault
    from ._http.delivery import Pace as Pace
    from ._logs.completeness import Problem as Problem
    from ._logs.fake_logger import FakeLogger as FakeLogger
    from ._logs.fake_logger import fake_maxim as fake_maxim
    from ._logs.maxim_api import MaximApi as MaximApi
    from ._logs.received import Received as Received
    from ._logs.records import Attachment as Attachment
    from ._logs.records import Error as Error
    from ._logs.records import Evaluation as Evaluation
    from ._logs.records import Event as Event
    from ._logs.records import Feedback as Feedback
    from ._logs.records import FunctionCall as FunctionCall
    from ._logs.view import View as View
    from ._logs.view import Views as Views
    from ._logs.views import Generation as Generation
    from ._logs.views import Retrieval as Retrieval
    from ._logs.views import Session as Session
    from ._logs.views import Span as Span
    from ._logs.views import ToolCall as ToolCall
    from ._logs.views import Trace as Trace
    from ._recorder.recorder import GeminiRecorder as GeminiRecorder
    from ._recorder.traffic import Outcome as Outcome
    from ._recorder.traffic import RecordMode as RecordMode
    from ._replies.mock import GeminiMock as GeminiMock
    from ._replies.model import Gate as Gate
    from ._replies.model import Reply as Reply
    from ._replies.request import GeminiRequest as GeminiRequest
    from ._replies.script import ReplyFunction as ReplyFunction
    from ._replies.server import GeminiServer as GeminiServer
    from .exceptions import CassetteBroken as CassetteBroken
    from .exceptions import CassetteDrift as CassetteDrift
    from .exceptions import CassetteError as CassetteError
    from .exceptions import CassetteMiss as CassetteMiss
    from .exceptions import CassetteNotFound as CassetteNotFound
    from .exceptions import CassetteUnused as CassetteUnused
    from .exceptions import IncompleteTrace as IncompleteTrace
    from .exceptions import NotDelivered as NotDelivered
    from .exceptions import NotTheOnlyOne as NotTheOnlyOne
    from .exceptions import RequestNotCaught as RequestNotCaught
    from .exceptions import RequestRefused as RequestRefused
    from .exceptions import ScriptError as ScriptError
    from .exceptions import SecretFound as SecretFound
    from .exceptions import TestKitError as TestKitError
    from .exceptions import TextReceived as TextReceived

_MODULES: dict[str, str] = {
    "_cassette": "Cassette",
    "_cassette.interaction": "Interaction",
    "_cassette.sessions": "WebsocketSession",
    "_http.delivery": "Chunking Fault Pace",
    "_logs.completeness": "Problem",
    "_logs.fake_logger": "FakeLogger fake_maxim",
    "_logs.maxim_api": "MaximApi",
    "_logs.received": "Received",
    "_logs.records": "Attachment Error Evaluation Event Feedback FunctionCall",
    "_logs.view": "View Views",
    "_logs.views": "Generation Retrieval Session Span ToolCall Trace",
    "_recorder.recorder": "GeminiRecorder",
    "_recorder.traffic": "Outcome RecordMode",
    "_replies.mock": "GeminiMock",
    "_replies.model": "Gate Reply",
    "_replies.request": "GeminiRequest",
    "_replies.script": "ReplyFunction",
    "_replies.server": "GeminiServer",
    "exceptions": "TestKitError CassetteError CassetteNotFound CassetteBroken CassetteMiss CassetteUnused "
    "CassetteDrift SecretFound RequestRefused ScriptError NotTheOnlyOne NotDelivered "
    "IncompleteTrace RequestNotCaught TextReceived",
}
_EXPORTS: dict[str, str] = {
    **{name: module for module, names in _MODULES.items() for name in names.split()},
    "reply": "reply",
    "strategies": "strategies",
}
"""Each public name, with its module; a module is imported when one of its names is first used."""

__all__ = sorted(_EXPORTS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_EXPORTS[name]}", __name__)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "maxim_gemini":
            raise
        install = 'pip install "maxim-gemini[testing]"'
        missing = f"maxim_gemini.testing.{name} needs {error.name.partition('.')[0]}, which is not installed: {install}"
        raise ModuleNotFoundError(missing, name=error.name) from None
    return module if _EXPORTS[name] == name else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
