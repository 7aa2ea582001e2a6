"""Recognize Gemini traffic: by host, and by the header in which google-genai names itself."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from maxim_gemini._core.patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HOSTS: Final = r"""(?x)
    (?: (?:[a-z0-9]+-)? generativelanguage         # Developer API; autopush-, staging-, preprod- ...
      | (?:[a-z0-9-]+-)? aiplatform                # Vertex, global and per location
    )
    (?: -[a-z0-9-]+ \.p )?                         # Private Service Connect
    (?: \.[a-z0-9-]+\.rep )?                       # endpoints of a region or of several
    (?: \.mtls )? (?: \.sandbox )?                 # client certificates; not yet in production
    \.googleapis\.com
    | [a-z0-9-]+ \.[a-z0-9-]+ \.prediction\.vertexai\.goog    # an endpoint of Vertex that is one project's own
"""
_TOKEN_HOSTS: Final = frozenset(
    {"oauth2.googleapis.com", "sts.googleapis.com", "accounts.google.com", "metadata.google.internal"}
)
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def host_of(url: str) -> str:
    """Return the host of *url*, in lower case and without the final dot of an absolute name."""
    return _authority(url)[0]


def is_gemini_host(host: str) -> bool:
    """Return whether *host* is one of Google's for Gemini: of the Developer API or of Vertex AI."""
    return compiled(_HOSTS).fullmatch(host.lower().removesuffix(".")) is not None


def is_gemini_traffic(url: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is Gemini traffic: to Google's hosts, or of google-genai to the user's base URL.

    *headers* have names in lower case. Uploads of google-genai 1 and 2 do not name it, and are recognized by another
    header.
    """
    return (
        is_gemini_host(host_of(url))
        or "google-genai-sdk/" in headers.get("x-goog-api-client", "")
        or "x-goog-upload-command" in headers
    )


def is_token_exchange(url: str) -> bool:
    """Return whether Google exchanges credentials for tokens at *url*. Other tools record that; this one never does."""
    return host_of(url) in _TOKEN_HOSTS


def is_among(url: str, hosts: Iterable[str]) -> bool:
    """Return whether *url* is at one of *hosts*: `example.com`, `example.com:8080`, `::1`, `[::1]:8080` or a URL.

    A host without a port matches all of its ports; a URL has the port of its scheme.
    """
    host, port = _authority(url)
    return any(host == wanted and wanted_port in (None, port) for wanted, wanted_port in map(_authority, hosts))


@lru_cache(maxsize=1024)
def _authority(text: str) -> tuple[str, int | None]:
    if "//" not in text:
        text = f"//[{text}]" if text.count(":") > 1 and "[" not in text else f"//{text}"
    try:
        parts = urlsplit(text)
        return (parts.hostname or "").removesuffix("."), parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # no address: nothing can be sent there
        return "", None
