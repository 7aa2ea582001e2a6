"""Which requests are Gemini traffic: by host, and by the header that google-genai signs its requests with."""

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
    """Return the host that *url* names, in small letters and without the final dot of an absolute name."""
    return _authority(url)[0]


def is_gemini_host(host: str) -> bool:
    """Return whether *host* is one of Google's own for Gemini: the Developer API's or Vertex AI's."""
    return compiled(_HOSTS).fullmatch(host.lower().removesuffix(".")) is not None


def is_gemini_traffic(url: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is Gemini's: it goes to Google's hosts, or google-genai sent it to the user's base URL.

    *headers* are looked up by lower-case names. The uploads of google-genai 1 and 2 don't sign, but are recognized
    by their own header.
    """
    return (
        is_gemini_host(host_of(url))
        or "google-genai-sdk/" in headers.get("x-goog-api-client", "")
        or "x-goog-upload-command" in headers
    )


def is_token_exchange(url: str) -> bool:
    """Return whether *url* is where Google gives tokens for credentials: recorded by others, never replayed here."""
    return host_of(url) in _TOKEN_HOSTS


def is_among(url: str, hosts: Iterable[str]) -> bool:
    """Return whether *url* is at one of *hosts*: `example.com`, `example.com:8080`, `::1`, `[::1]:8080` or a URL.

    Without a port, a host is meant with all of its ports; the port of a URL is known.
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
