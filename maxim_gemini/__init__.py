"""Trace Google Gemini calls in Maxim: wrap a `google.genai.Client` once, and use it exactly as before.

from google import genai
from maxim import Maxim
from maxim_gemini import MaximGeminiClient

client = MaximGeminiClient(genai.Client(), Maxim().logger())
print(client.models.generate_content(model="gemini-2.5-flash", contents="Say hi").text)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._core.delivery import Delivery
    from ._core.maxim_writer import deliver
    from ._core.privacy import Privacy, mask_secrets
    from .async_client import (
        MaximGeminiAsyncChats,
        MaximGeminiAsyncChatSession,
        MaximGeminiAsyncClient,
        MaximGeminiAsyncModels,
    )
    from .client import MaximGeminiChats, MaximGeminiChatSession, MaximGeminiClient, MaximGeminiModels
    from .context import SpanHandle, Suppression, TraceHandle, current_span, current_trace, span, suppress, trace
    from .instrumentation import (
        Instrumentation,
        InstrumentedCall,
        instrument,
        instrument_google_genai,
        uninstrument,
    )
    from .interactions import MaximGeminiAsyncInteractions, MaximGeminiInteractions
    from .live import MaximGeminiAsyncLive

__all__ = [
    "Delivery",
    "Instrumentation",
    "InstrumentedCall",
    "MaximGeminiAsyncChatSession",
    "MaximGeminiAsyncChats",
    "MaximGeminiAsyncClient",
    "MaximGeminiAsyncInteractions",
    "MaximGeminiAsyncLive",
    "MaximGeminiAsyncModels",
    "MaximGeminiChatSession",
    "MaximGeminiChats",
    "MaximGeminiClient",
    "MaximGeminiInteractions",
    "MaximGeminiModels",
    "Privacy",
    "SpanHandle",
    "Suppression",
    "TraceHandle",
    "current_span",
    "current_trace",
    "deliver",
    "instrument",
    "instrument_google_genai",
    "mask_secrets",
    "span",
    "suppress",
    "trace",
    "uninstrument",
]

_HOMES = {
    "Delivery": "._core.delivery",
    "Instrumentation": ".instrumentation",
    "InstrumentedCall": ".instrumentation",
    "MaximGeminiAsyncInteractions": ".interactions",
    "MaximGeminiAsyncLive": ".live",
    "MaximGeminiInteractions": ".interactions",
    "Privacy": "._core.privacy",
    "SpanHandle": ".context",
    "Suppression": ".context",
    "TraceHandle": ".context",
    "current_span": ".context",
    "current_trace": ".context",
    "deliver": "._core.maxim_writer",
    "instrument": ".instrumentation",
    "instrument_google_genai": ".instrumentation",
    "mask_secrets": "._core.privacy",
    "span": ".context",
    "suppress": ".context",
    "trace": ".context",
    "uninstrument": ".instrumentation",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing google-genai alone takes most of a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES.get(name, ".async_client" if "Async" in name else ".client")
    module = importlib.import_module(home, __name__)
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
