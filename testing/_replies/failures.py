"""The bodies of real errors, by backend and code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maxim_gemini.testing.exceptions import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from maxim_gemini.testing._json_types import JsonDict

    from .model import Failure, Json
    from .request import GeminiRequest

STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The status that goes with a code."""

_TYPE: Final = "type.googleapis.com/google.rpc."
_BAD_KEY: Final = "API key not valid. Please pass a valid API key."
_NO_CREDENTIALS: Final = (
    "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that "
    "assert a principal. See https://cloud.google.com/docs/authentication"
)
_QUOTA: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)

_MESSAGES: Final[dict[int, str]] = {
    400: _BAD_KEY,
    401: _NO_CREDENTIALS,
    403: "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API.",
    404: "models/{model} is not found for API version {version}, or is not supported for {action}. "
    "Call ModelService.ListModels to see the list of available models and their supported methods.",
    408: "The request timed out.",
    409: "The operation was aborted.",
    412: "The request can't be executed in the current state.",
    429: _QUOTA,
    499: "The operation was cancelled.",
    500: "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    501: "Operation is not implemented, or supported, or enabled.",
    502: "The service is currently unavailable.",
    503: "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
    "Please try again later.",
    504: "Deadline expired before operation could complete.",
}
_VERTEX_MESSAGES: Final[dict[int, str]] = {
    404: "Publisher Model `{resource}` not found.",
    429: "Resource has been exhausted (e.g. check quota).",
}


def error_body(failure: Failure, request: GeminiRequest) -> JsonDict:
    """Return the JSON of *failure* in the format of the requested backend."""
    error: JsonDict = {
        "code": failure.code,
        "message": failure.message if failure.message is not None else _message(failure.code, request),
        "status": failure.status or STATUSES.get(failure.code, "UNKNOWN"),
    }
    details = failure.details if failure.details is not None else _details(failure, request)
    return {"error": error | ({"details": list(details)} if details is not None else {})}


def check_code(code: int) -> int:
    """Return *code*; raise `ScriptError` if it is not one of an error."""
    if not 400 <= code <= 599:
        raise ScriptError(
            f"an error's code must be 400 to 599, got {code!r}: use reply.raw(..., status={code!r}) for others"
        )
    return code


def _message(code: int, request: GeminiRequest) -> str:
    messages = _MESSAGES | (_VERTEX_MESSAGES if request.backend == "vertex" else {})
    text = messages.get(code, "The request failed.")
    return text.format(
        model=request.model or "unknown",
        version=request.path.split("/")[1] if request.path.count("/") > 1 else "v1beta",
        action=request.action or "generateContent",
        resource=request.resource.strip("/").partition(":")[0],
    )


def _details(failure: Failure, request: GeminiRequest) -> tuple[Json, ...] | None:
    if failure.message is not None:
        return None
    known: dict[tuple[str, int], Callable[[GeminiRequest], tuple[Json, ...]]] = {
        ("gemini", 400): _bad_key,
        ("gemini", 429): _quota,
        ("vertex", 401): _no_credentials,
        ("vertex", 404): lambda _: (),
    }
    details = known.get((request.backend, failure.code))
    return details(request) if details else None


def _bad_key(_: GeminiRequest) -> tuple[Json, ...]:
    return (
        {
            "@type": _TYPE + "ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        },
        {"@type": _TYPE + "LocalizedMessage", "locale": "en-US", "message": _BAD_KEY},
    )


def _no_credentials(_: GeminiRequest) -> tuple[Json, ...]:
    return (
        {
            "@type": _TYPE + "ErrorInfo",
            "reason": "CREDENTIALS_MISSING",
            "domain": "googleapis.com",
            "metadata": {
                "method": "google.cloud.aiplatform.v1beta1.PredictionService.GenerateContent",
                "service": "aiplatform.googleapis.com",
            },
        },
    )


def _quota(request: GeminiRequest) -> tuple[Json, ...]:
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": request.model},
        "quotaValue": "10",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return (
        {"@type": _TYPE + "QuotaFailure", "violations": [violation]},
        {"@type": _TYPE + "Help", "links": [link]},
        {"@type": _TYPE + "RetryInfo", "retryDelay": "23s"},
    )
