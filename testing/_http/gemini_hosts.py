"""Which requests are Gemini traffic: by host, and by the header that google-genai signs its requests with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOSTS: Final = re.compile(
    r"""
    (?: generativelanguage | (?:[a-z0-9-]+-)? aiplatform )   # Developer API; Vertex, global and per location
    (?: \.(?:us|eu)\.rep )?                                  # multi-region endpoints
    (?: \.mtls )? (?: \.sandbox )?                           # client certificates
    \.googleapis\.com
    """,
    re.VERBOSE,
)


_TOKEN_HOSTS: Final = frozenset(
    {"oauth2.googleapis.com", "sts.googleapis.com", "accounts.google.com", "metadata.google.internal"}
)


def is_gemini_host(host: str) -> bool:
    """Say whether *host* is one of Google's own for Gemini: the Developer API's or Vertex AI's."""
    return _HOSTS.fullmatch(host.lower()) is not None


def is_gemini_traffic(url: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request is Gemini's: it goes to Google's hosts, or google-genai sent it to the user's base URL.

    *headers* are looked up by lower-case names. The uploads of google-genai 1 and 2 don't sign, but are told by their
    own header.
    """
    return (
        is_gemini_host(urlsplit(url).hostname or "")
        or "google-genai-sdk/" in headers.get("x-goog-api-client", "")
        or "x-goog-upload-command" in headers
    )


def is_token_exchange(url: str) -> bool:
    """Say whether *url* is where Google gives tokens for credentials: recorded by others, never replayed here."""
    return (urlsplit(url).hostname or "") in _TOKEN_HOSTS
