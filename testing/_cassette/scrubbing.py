"""Secrets: taken out of what is recorded, and looked for once more in what is about to be saved.

A recording keeps no header that can hold a credential. Keys and tokens are replaced wherever they are: those that have
a known form, those that the request itself was sent with, and the values of the environment's key variables. The final
scan looks where a replacement could not, inside base64 and escapes, and names place and kind, never the value.

Pure, but for the environment variables that `Scrubber.from_environment` reads.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from vcr.request import Request

from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._json_types import is_list, is_object

from .requests import body_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REDACTED: Final = "REDACTED"

_NOT_IN_BASE64: Final = r"(?<![A-Za-z0-9+/_-]{12})"
"""Among the characters of an image there is, by chance, everything that a key can look like."""
_FORMS: Final = {
    "a Google API key": r"AIza[\w-]{35}|AQ\.[\w-]{20,}",
    "a Google OAuth token": r"ya29\.[\w.-]{20,}|1//0[\w-]{20,}",
    "a Google OAuth client secret": r"GOCSPX-[\w-]{20,}",
    "a Maxim API key": r"sk_mx_[\w-]{8,}",
    "an OpenAI or Anthropic key": r"sk-(?:ant-|proj-)?[\w-]{24,}",
    "a GitHub token": r"gh[pousr]_\w{36,}|github_pat_\w{22,}",
    "an AWS key": r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9+/])",
    "a Slack token": r"xox[abeoprs]-[\w-]{10,}",
    "a JSON web token": r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\\nA-Za-z0-9+/=]*-----END [A-Z ]*PRIVATE KEY-----)?",
    "a bearer token": r"[Bb]earer +[\w.~+/-]{16,}=*",
}
_IN_TEXT: Final = {kind: re.compile(_NOT_IN_BASE64 + f"(?:{form})") for kind, form in _FORMS.items()}
_IN_BYTES: Final = {kind: re.compile(f"(?:{form})".encode(), re.ASCII) for kind, form in _FORMS.items()}
_ANY_FORM: Final = re.compile(_NOT_IN_BASE64 + "(?:" + "|".join(_FORMS.values()) + ")")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")

_KEY_VARIABLES: Final = frozenset({"GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_API_KEY", "MAXIM_API_KEY"})
_OTHER_KEY_VARIABLE: Final = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|SECRET|TOKEN|PASSWORD)(?:_|$)", re.IGNORECASE)
_PROJECT_VARIABLES: Final = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT")
_SHORTEST: Final = 8
"""Characters below which a value is no secret that could be told from ordinary words."""
_LONG: Final = 16
"""Characters from which on the value of a variable that may be a key is taken for one."""
_PROJECT_IN_PATH: Final = re.compile(r"(?<=/projects/)[^/]+")
_PROJECT: Final = re.compile(r"(?<=\")projects/[\w.:-]+(?=\")|\bprojects/(?!-/)[\w.:-]+(?=/locations/)")
_PROJECT_MEMBER: Final = re.compile(r'("(?:project|project_?[iI]d|project_?[nN]umber|containerInfo)":\s*")[^"\\]+(")')
_SECRET_QUERY: Final = re.compile(r"key|token|secret|password|signature|credential|^sig$|^auth", re.IGNORECASE)
_NO_SECRET_QUERY: Final = frozenset({"pagetoken", "page_token", "upload_token"})
_SECRET_HEADER: Final = re.compile(r"key|token|secret|auth|cookie|password|credential|signature|session", re.IGNORECASE)
# fmt: off
_VOLATILE: Final = frozenset({
    "age", "alt-svc", "cache-control", "connection", "content-encoding", "content-length", "date", "etag", "expires",
    "host", "keep-alive", "nel", "report-to", "server", "server-timing", "strict-transport-security", "te",
    "trailer", "transfer-encoding", "upgrade", "vary", "via", "accept", "accept-encoding", "user-agent",
    "x-goog-api-client", "x-goog-user-project", "x-goog-request-params", "x-server-timeout",
    "x-content-type-options", "x-frame-options", "x-xss-protection", "x-guploader-uploadid", "x-goog-sherlog-link",
    "x-cloud-trace-context", "traceparent", "tracestate", "pragma", "p3p", "priority", "sec-fetch-mode",
})
# fmt: on


class Secret(NamedTuple):
    """Where a secret was found, and what kind it is; never what it is."""

    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.place}"


@dataclass(frozen=True)
class Scrubber:
    """What is taken out of a recording."""

    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values that must not be saved, each with the kind of secret that it is."""
    projects: frozenset[str] = field(default=frozenset(), repr=False)
    """Project ids that must not be saved."""
    keep_headers: frozenset[str] = frozenset()
    """Headers, in lower case, that are kept although they differ from run to run."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **options: Any) -> Scrubber:
        """Return a scrubber that knows the values of the environment's keys, tokens, secrets and projects."""
        secrets = {
            value: f"the value of {name}" for name, value in environment.items() if _is_key_variable(name, value)
        }
        projects = frozenset(value for name in _PROJECT_VARIABLES if _is_secret(value := environment.get(name, "")))
        return cls(secrets, projects, **options)

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        """Return both without secrets and without what differs from run to run."""
        scrubber = self._knowing(request, response)
        asked = scrubber._request(request)
        body = scrubber.data(response.body)
        answer = replace(
            response,
            headers=tuple((name, scrubber.text(value)) for name, value in response.headers if self._keeps(name)),
            chunks=response.chunks if body == response.body else _as_chunks(body, response.chunks),
            reason=scrubber.text(response.reason),
            ended=scrubber.text(response.ended),
        )
        return asked, answer

    def request(self, request: Request) -> Request:
        """Return *request* without secrets."""
        return self._knowing(request, Response(0))._request(request)

    def address(self, uri: str) -> str:
        """Return *uri* without secrets, user information and projects."""
        parts = urlsplit(uri)
        pairs = [part.partition("=") for part in parts.query.split("&")] if parts.query else []
        query = "&".join(f"{name}{mark}{self._query_value(name, value)}" for name, mark, value in pairs)
        host = self.text(parts.netloc.rpartition("@")[2])
        path = _PROJECT_IN_PATH.sub(REDACTED, self._quoted(parts.path, "/:@"))
        return parts._replace(netloc=host, query=query, path=path, fragment="").geturl()

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        for value in sorted(self.secrets, key=len, reverse=True):
            for form in {
                value,
                quote(value, safe=""),
                json.dumps(value)[1:-1],
                json.dumps(value, ensure_ascii=False)[1:-1],
            }:
                text = text.replace(form, REDACTED)
        text = _ANY_FORM.sub(_redacted, text)
        text = _PROJECT.sub(f"projects/{REDACTED}", text)
        text = _PROJECT_MEMBER.sub(rf"\g<1>{REDACTED}\g<2>", text)
        for project in self.projects:
            text = re.sub(rf"(?<![\w-]){re.escape(project)}(?![\w-])", REDACTED, text)
        return text

    def data(self, data: bytes) -> bytes:
        """Return *data* without secrets; what is not text stays as it is."""
        try:
            return self.text(data.decode()).encode()
        except UnicodeDecodeError:
            return self._binary(data)

    def found(self, value: Any, place: str) -> Iterator[Secret]:
        """Yield the secrets that are still in a stored *value*, which is at *place*."""
        if isinstance(value, str):
            yield from self._in_text(value, place)
        elif isinstance(value, bytes):
            yield from self._in_bytes(value, place)
        elif is_object(value):
            for key, member in value.items():
                yield from self._in_text(str(key), f"a name in {place}")
                yield from self.found(member, f"{place}.{key}")
        elif is_list(value):
            for index, item in enumerate(value):
                yield from self.found(item, f"{place}[{index}]")

    # Its parts

    def _request(self, request: Request) -> Request:
        headers = {name: self.text(value) for name, value in _text_headers(request.headers) if self._keeps(name)}
        body = body_of(request)
        return Request(request.method, self.address(request.uri), None if body is None else self.data(body), headers)

    def _knowing(self, request: Request, response: Response) -> Scrubber:
        """Return a scrubber that also knows what this exchange itself was authorised with."""
        headers = _text_headers(request.headers)
        cookies = [(name, value) for name, value in response.headers if name.lower() == "set-cookie"]
        parts = urlsplit(request.uri)
        secrets = {
            secret: f"the value of the header {name.lower()}"
            for name, value in (*headers, *cookies)
            if _SECRET_HEADER.search(name)
            for secret in _credentials(name.lower(), value)
        }
        secrets |= {
            value: f"the value of the query parameter {name}"
            for name, value in parse_qsl(parts.query)
            if _is_secret_query(name) and _is_secret(value)
        }
        projects = {*_PROJECT_IN_PATH.findall(parts.path)}
        projects |= {value for name, value in headers if name.lower() == "x-goog-user-project"}
        known = self.projects | {name for name in projects if _is_secret(name)}
        return replace(self, secrets={**secrets, **self.secrets}, projects=known)

    def _keeps(self, header: str) -> bool:
        name = header.lower()
        if name in self.keep_headers or name.endswith("-authenticate"):
            return True
        return name not in _VOLATILE and not _SECRET_HEADER.search(name)

    def _query_value(self, name: str, value: str) -> str:
        return REDACTED if value and _is_secret_query(name) else self._quoted(value, "")

    def _quoted(self, text: str, safe: str) -> str:
        plain = unquote(text)
        clean = self.text(plain)
        return text if clean == plain else quote(clean, safe=safe)

    def _binary(self, data: bytes) -> bytes:
        for value in self.secrets:
            data = data.replace(value.encode(), REDACTED.encode())
        for form in _IN_BYTES.values():
            data = form.sub(REDACTED.encode(), data)
        return data

    def _in_text(self, text: str, place: str, escapes: int = 3) -> Iterator[Secret]:
        """Yield the secrets in *text*, and in what its JSON escapes mean, *escapes* levels deep."""
        yield from (
            Secret(place, kind)
            for value, kind in self.secrets.items()
            if value in text or quote(value, safe="") in text
        )
        yield from (Secret(place, kind) for kind, form in _IN_TEXT.items() if _real(form.finditer(text)))
        for match in _BASE64.finditer(text):
            yield from self._in_bytes(_decoded(match[0]), f"{place}, inside base64")
        if escapes and (unescaped := _unescaped(text)) != text:
            yield from self._in_text(unescaped, f"{place}, inside escapes", escapes - 1)

    def _in_bytes(self, data: bytes, place: str) -> Iterator[Secret]:
        yield from (Secret(place, kind) for value, kind in self.secrets.items() if value.encode() in data)
        yield from (Secret(place, kind) for kind, form in _IN_BYTES.items() if _real(form.finditer(data)))


def _as_chunks(body: bytes, chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
    """Cut a scrubbed *body* where the received one was cut, as well as its new length allows."""
    found: list[Chunk] = []
    start = 0
    for chunk in chunks[:-1]:
        found.append(Chunk(body[start : start + len(chunk.data)], chunk.at))
        start += len(chunk.data)
    return (*found, Chunk(body[start:], chunks[-1].at))


def _redacted(match: re.Match[str]) -> str:
    return f"{match[0][:6]} {REDACTED}" if match[0][:6].lower() == "bearer" else REDACTED


def _is_key_variable(name: str, value: str) -> bool:
    if name in _KEY_VARIABLES:
        return _is_secret(value)
    looks_random = len(value) >= _LONG and any(map(str.isdigit, value)) and not re.search(r"\s|^[/.~]", value)
    return looks_random and bool(_OTHER_KEY_VARIABLE.search(name))


def _is_secret(value: str) -> bool:
    return len(value) >= _SHORTEST and value != REDACTED


def _is_secret_query(name: str) -> bool:
    return bool(_SECRET_QUERY.search(name)) and name.lower() not in _NO_SECRET_QUERY


def _credentials(header: str, value: str) -> list[str]:
    """Return what is secret in a header: a token without its scheme, the values of cookies."""
    cookies = value.split(";")[:1] if header == "set-cookie" else value.split(";") if header == "cookie" else []
    words = [cookie.partition("=")[2].strip() for cookie in cookies] or [value.rpartition(" ")[2]]
    return [word for word in words if _is_secret(word)]


def _text_headers(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, value.decode("latin-1") if isinstance(value, bytes) else str(value)) for name, value in headers.items()
    ]


def _real(matches: Iterable[re.Match[Any]]) -> bool:
    return any(REDACTED not in str(match[0]) for match in matches)


def _decoded(text: str) -> bytes:
    padded = text.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_" if "-" in text or "_" in text else None)
    except (ValueError, binascii.Error):
        return b""


def _unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
