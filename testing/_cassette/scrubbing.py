"""Remove secrets from recordings.

A text is replaced if it has the form of a secret, has the name of one, is a credential of the request itself, or is the
value of a key variable in the environment. Everything else stays: the application must read the same from a cassette as
from Gemini, and two different requests must stay different. Secrets are replaced inside JSON strings and base64, and
across several events of a stream; times, escapes and styles do not change.

The last scan, `last_scan`, has other rules. It reports the path and the kind of a secret, never the value.

Pure, except that `Scrubber.from_environment` reads environment variables.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from vcr.request import Request

from maxim_gemini._core.token_forms import tokens
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._json_types import is_list, is_object
from maxim_gemini.testing._printable import REDACTED

from . import base64_text, last_scan
from .edits import Edit, applied, applied_to_chunks, ordered
from .json_strings import Literal, is_json, is_json_like, literals
from .requests import body_of
from .secret_text import is_password, is_secret_parameter, looks_random, names_secret, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maxim_gemini.testing._http.websocket import Conversation

    from .last_scan import Finding

_KEY_VARIABLES: Final = frozenset({"GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_API_KEY", "MAXIM_API_KEY"})
_OTHER_KEY_VARIABLE: Final = re.compile(r"(?:^|_)(?:API_?KEY|ACCESS_?KEY|SECRET|TOKEN|PASSWORD)(?:_|$)", re.IGNORECASE)
_PROJECT_VARIABLES: Final = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT")
_SHORTEST: Final = 8
"""Length below which a value can't be distinguished from an ordinary word."""
_LONG: Final = 16
"""Length from which on the value of a variable that may be a key counts as one."""
_DUMMY: Final = re.compile(r"(?:test|dummy|fake|example|sample|your|placeholder|any|not?)[-_ a-z]*", re.IGNORECASE)
"""Matches credentials for tests, which are no secrets."""

_PROJECT_IN_PATH: Final = re.compile(r"(?<=/projects/)[^/]+")
_PROJECT_IN_HOST: Final = re.compile(r"(?<=-)\d+(?=\.prediction\.vertexai\.goog\b)", re.IGNORECASE)
_PROJECT_OF_RESOURCE: Final = re.compile(r'"(?://[\w.-]+/)?projects/([\w.:-]+)/locations/')
_PROJECT_IN_ERROR: Final = re.compile(
    r"\bprojects?[ /]+(?:number: )?([\w.:-]*\d[\w:-]*)|\bproject_number:(\d+)"
    r'|"(?:project|project_?[iI]d|project_?[nN]umber|containerInfo)":\s*"([^"\\]+)"'
)
_ERROR: Final = re.compile(r'(?:^|\n)(?:data:)?[\s\[,]{0,100}\{\s{0,100}"error"\s*:')

_HEADER_WORD: Final = re.compile(r"[a-z]+")
_SECRET_WORDS: Final = frozenset({
    "apikey", "assertion", "auth", "authentication", "authorization", "bearer", "cert", "certificate", "cookie",
    "cookies", "credential", "credentials", "csrf", "csrftoken", "hmac", "jwt", "key", "passphrase", "passwd",
    "password", "secret", "session", "sessionid", "sid", "signature", "sso", "token", "tokens", "xsrf", "authtoken",
    "accesstoken", "apitoken",
})  # fmt: skip
_HARMLESS_WORDS: Final = frozenset({
    "cache", "count", "duration", "idempotency", "input", "len", "length", "limit", "output", "pins", "public",
    "ratelimit", "remaining", "requests", "reset", "surrogate", "total", "type", "usage", "used",
})  # fmt: skip
_CREDENTIAL_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "x-goog-api-key", "x-api-key", "api-key"}
)
_VOLATILE: Final = frozenset({
    "age", "alt-svc", "cache-control", "connection", "content-encoding", "content-length", "date", "etag",
    "expires", "host", "keep-alive", "nel", "report-to", "server", "server-timing", "strict-transport-security",
    "te", "trailer", "transfer-encoding", "upgrade", "vary", "via", "accept", "accept-encoding", "user-agent",
    "x-goog-api-client", "x-goog-user-project", "x-goog-request-params", "x-server-timeout",
    "x-content-type-options", "x-frame-options", "x-xss-protection", "x-guploader-uploadid", "x-goog-sherlog-link",
    "x-cloud-trace-context", "traceparent", "tracestate", "pragma", "p3p", "priority", "sec-fetch-mode",
})  # fmt: skip
_STREAMED: Final = frozenset({
    "text", "stringValue", "string_value", "arguments", "partialArguments", "partial_arguments", "partial_json",
    "delta", "thought", "summary", "code", "output", "content",
})  # fmt: skip
"""Members that may be split into several pieces, in the events of a stream or the contents of a chat."""

_DEEPEST: Final = 2
_REPEATED: Final = 200
"""Length up to which texts without secrets are remembered."""
_MOST_REMEMBERED: Final = 4096

METHOD: Final = "WEBSOCKET"
"""The method of a websocket that is shown as a request."""

T = TypeVar("T")


@dataclass(frozen=True)
class Scrubber:
    """Removes secrets, and headers that differ in each run, from a recording."""

    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values that must not be saved, each with its kind of secret."""
    projects: frozenset[str] = field(default=frozenset(), repr=False)
    """Project ids that must not be saved."""
    keep_headers: frozenset[str] = frozenset()
    """Headers, in lower case, that are saved although they differ in each run."""
    also: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Further texts that are replaced, with their replacements."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **options: Any) -> Scrubber:
        """Return a scrubber with the values of the environment's keys, tokens, secrets and projects."""
        secrets = {
            value: f"the value of {name}" for name, value in environment.items() if _is_key_variable(name, value)
        }
        projects = frozenset(value for name in _PROJECT_VARIABLES if _is_secret(value := environment.get(name, "")))
        return cls(secrets, projects, **options)

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        """Return request and answer without secrets, and without headers that differ in each run."""
        scrubber = self._knowing(request, response)
        headers = tuple((name, scrubber.text(value)) for name, value in response.headers if self._keeps(name))
        scrubbed = replace(
            response,
            headers=headers,
            chunks=scrubber._chunks(response),
            reason=scrubber.text(response.reason),
            ended=scrubber.text(response.ended),
        )
        return scrubber._request(request), scrubbed

    def of_session(self, conversation: Conversation) -> Scrubber:
        """Return a scrubber that also knows the credentials of a websocket, and the project of its model."""
        opening = Request(METHOD, conversation.uri, None, dict(conversation.headers))
        knowing = self._knowing(opening, Response(0))
        first = next((frame.data for frame in conversation.frames if frame.is_sent), b"")
        projects = frozenset(filter(_is_secret, _PROJECT_OF_RESOURCE.findall(_decoded(first)[0])))
        return replace(knowing, projects=knowing.projects | projects) if projects - knowing.projects else knowing

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return *headers* without secrets, and without those that differ in each run."""
        return [(name, self.text(value)) for name, value in headers if self._keeps(name)]

    def json(self, value: Any) -> Any:
        """Return a JSON *value* without secrets."""
        text = json.dumps(value, ensure_ascii=False)
        clean = self.text(text)
        return value if clean == text else json.loads(clean)

    def request(self, request: Request) -> Request:
        """Return *request* without secrets."""
        return self._knowing(request, Response(0))._request(request)

    def address(self, uri: str) -> str:
        """Return *uri* without secrets, user information and projects."""
        parts = urlsplit(uri)
        pairs = [part.partition("=") for part in parts.query.split("&")] if parts.query else []
        clean = (
            (name, mark, REDACTED if value and is_secret_parameter(name) else self._quoted(value, ""))
            for name, mark, value in pairs
        )
        query = "&".join("".join(pair) for pair in clean)
        host = _PROJECT_IN_HOST.sub(REDACTED, self.text(parts.netloc.rpartition("@")[2]))
        path = _PROJECT_IN_PATH.sub(REDACTED, self._quoted(parts.path, "/:@"))
        return parts._replace(netloc=host, query=query, path=path, fragment="").geturl()

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        if text in self._clean_texts:
            return text
        edits = self._edits(text)
        if not edits and len(text) <= _REPEATED:
            _remember(text, self._clean_texts)
        return applied(text, edits)

    def data(self, data: bytes, depth: int = _DEEPEST) -> bytes:
        """Return *data* without secrets, also in base64 in it, so many levels deep.

        In data that are not text, only tokens are replaced.
        """
        text, encoding = _decoded(data)
        edits = self._edits(text, depth, binary=encoding != "utf-8")
        return applied(text, edits).encode(encoding) if edits else data

    def value(self, value: object) -> Any:
        """Return a stored *value* without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if is_object(value):
            return {self.text(name): self._member(name, member) for name, member in value.items()}
        return [self.value(item) for item in value] if is_list(value) else value

    def _member(self, name: str, member: Any) -> Any:
        span = names_secret(name, member) if isinstance(member, str) else None
        return f"{member[: span[0]]}{REDACTED}{member[span[1] :]}" if span else self.value(member)

    def replaceable(self, value: object, where: str) -> Iterator[Finding]:
        """Yield the secrets in a stored *value* at the path *where* that would be replaced in a recording."""
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            yield from (last_scan.Finding(where, kind) for kind in self.kinds(value))
            if where.endswith(("uri", "url")):
                yield from (
                    last_scan.Finding(where, f"the value of the query parameter {name}")
                    for name, held in parse_qsl(urlsplit(value).query)
                    if is_secret_parameter(name) and _is_opaque(held)
                )
        elif is_object(value):
            for name, member in value.items():
                yield from self._replaceable_member(name, member, where)
        elif is_list(value):
            for index, item in enumerate(value):
                yield from self.replaceable(item, f"{where}[{index}]")

    def _replaceable_member(self, name: str, member: object, where: str) -> Iterator[Finding]:
        values = [str(one) for one in (member if is_list(member) else [member]) if isinstance(one, str | bytes)]
        inside = f"{where}.{name}"
        if where.endswith("headers") and not self._keeps(name) and _is_secret_header(name):
            if any(_is_opaque(one) for value in values for one in re.split(r"[ ;=]+", value)):
                yield last_scan.Finding(inside, f"the value of the header {name.lower()}")
        elif any(names_secret(name, value) for value in values):
            yield last_scan.Finding(inside, f"the value of {name}")
        else:
            yield from (last_scan.Finding(f"a name in {where}", kind) for kind in self.kinds(name))
            yield from self.replaceable(member, inside)

    def kinds(self, text: str) -> list[str]:
        """Return the kinds of secrets in *text*."""
        kinds = [kind for value, kind in self.secrets.items() if value in text]
        kinds += [secret.kind for secret in secrets_in(text)]
        return kinds or (["a secret"] if self.text(text) != text else [])

    def remaining(self, value: object, where: str) -> Iterator[Finding]:
        """Yield the secrets that are still in a stored *value* at the path *where*."""
        return last_scan.in_value(value, where, self.secrets)

    # Its parts

    def _request(self, request: Request) -> Request:
        headers = {name: self.text(value) for name, value in _text_headers(request.headers) if self._keeps(name)}
        body = body_of(request)
        return Request(request.method, self.address(request.uri), None if body is None else self.data(body), headers)

    def _chunks(self, response: Response) -> tuple[Chunk, ...]:
        """Return the body in its chunks; each edit belongs to the chunk in which it begins."""
        text, encoding = _decoded(response.body)
        edits = self._edits(text, binary=encoding != "utf-8")
        return applied_to_chunks(response.chunks, text, encoding, edits) if edits else response.chunks

    def _knowing(self, request: Request, response: Response) -> Scrubber:
        """Return a scrubber that also knows the credentials of this exchange."""
        headers = _text_headers(request.headers)
        cookies = [(name, value) for name, value in response.headers if name.lower() == "set-cookie"]
        parts = urlsplit(request.uri)
        secrets = {
            secret: f"the value of the header {name.lower()}"
            for name, value in (*headers, *cookies)
            if _is_secret_header(name)
            for secret in _credentials(name.lower(), value)
        }
        secrets |= {
            value: f"the value of the query parameter {name}"
            for name, value in parse_qsl(parts.query)
            if is_secret_parameter(name) and _is_secret(value) and (name == "key" or looks_random(value))
        }
        projects = {*_PROJECT_IN_PATH.findall(parts.path), *_PROJECT_IN_HOST.findall(parts.netloc)}
        projects |= {value for name, value in headers if name.lower() == "x-goog-user-project"}
        known = self.projects | {name for name in projects if _is_secret(name)}
        if secrets.keys() <= self.secrets.keys() and known == self.projects:
            return self
        # Most exchanges are authorised as the one before.
        key = (frozenset(secrets), known)
        scrubber = self._latest.get(key) or replace(self, secrets={**secrets, **self.secrets}, projects=known)
        # Only the last one is kept: a key in each request would otherwise keep a scrubber each.
        self._latest.clear()
        self._latest[key] = scrubber
        return scrubber

    def _keeps(self, header: str) -> bool:
        name = header.lower()
        if name in self.keep_headers or name.endswith("-authenticate"):
            return True
        return name not in _VOLATILE and not _is_secret_header(name)

    def _quoted(self, text: str, safe: str) -> str:
        plain = unquote(text)
        clean = self.text(plain)
        return text if clean == plain else quote(clean, safe=safe)

    # What to change in a text

    def _edits(self, text: str, depth: int = _DEEPEST, *, binary: bool = False) -> list[Edit]:
        """Return the edits of *text*, in order."""
        if binary:
            edits = [Edit(secret.start, secret.end, REDACTED) for secret in tokens(text)]
        else:
            edits = [*self._in_json(text)] if is_json_like(text) else []
            edits += self._places(text) if not is_json(text) else ()
            edits += self._projects(text)
            edits += base64_text.edits(text, partial(self.data, depth=depth - 1)) if depth else ()
        edits += [Edit(*match.span(), new) for pattern, new in self.also for match in pattern.finditer(text)]
        return ordered([*edits, *self._known(text)])

    def _places(self, text: str) -> Iterator[Edit]:
        secrets = tokens(text) if base64_text.is_only_base64(text) else secrets_in(text)
        yield from (Edit(secret.start, secret.end, REDACTED) for secret in secrets)
        if text[:1] in ("{", "[") and is_json(text):
            yield from self._in_json(text)
        yield from self._known(text)

    def _in_json(self, text: str) -> Iterator[Edit]:
        """Yield the edits of a JSON *text*: in each string, and across strings that are pieces of one text."""
        streamed: dict[str, list[Literal]] = {}
        for literal in literals(text):
            if literal.name in _STREAMED:
                streamed.setdefault(literal.name, []).append(literal)
            if len(literal.source) < _SHORTEST - 3 or literal[1:] in self._clean_literals:
                continue
            value = literal.value
            spans = [(edit.start, edit.end) for edit in self._places(value)]
            if literal.name and (span := names_secret(literal.name, value)):
                spans.append(span)
            if not spans and len(literal.source) <= _REPEATED:
                _remember(literal[1:], self._clean_literals)
            yield from literal.edits(spans, REDACTED)
        for pieces in streamed.values():
            if pieces[1:]:
                yield from self._torn(pieces)

    def _torn(self, pieces: list[Literal]) -> Iterator[Edit]:
        """Yield the edits if *pieces* together are a secret, or have the name of one."""
        values = [piece.value for piece in pieces]
        starts = [0, *accumulate(map(len, values))]
        for edit in self._places("".join(values)):
            touched = [
                (number, max(edit.start, start) - start, min(edit.end, start + len(values[number])) - start)
                for number, start in enumerate(starts[:-1])
                if start < edit.end and start + len(values[number]) > edit.start
            ]
            for number, start, end in touched:
                yield from pieces[number].edits([(start, end)], REDACTED if number == touched[0][0] else "")

    # Much is the same in every exchange, and in every event of a stream: it is looked through once.

    @cached_property
    def _clean_texts(self) -> set[str]:
        return set()

    @cached_property
    def _clean_literals(self) -> set[tuple[str, str, bool]]:
        """The sources and names of literals, and whether they are names."""
        return set()

    @cached_property
    def _latest(self) -> dict[tuple[frozenset[str], frozenset[str]], Scrubber]:
        """The scrubber of the last exchange with own secrets, by these and by its projects."""
        return {}

    @cached_property
    def _forms(self) -> list[str]:
        """The known secrets: as such, in URL encoding, and in JSON."""
        escaped = (json.dumps(value, ensure_ascii=ascii)[1:-1] for value in self.secrets for ascii in (True, False))
        return [*{*self.secrets, *(quote(value, safe="") for value in self.secrets), *escaped}]

    def _known(self, text: str) -> Iterator[Edit]:
        for form in self._forms:
            at = text.find(form)
            while at >= 0:
                end = at + len(form)
                if not (form.isalpha() and (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum())):
                    yield Edit(at, end, REDACTED)
                at = text.find(form, end)

    def _projects(self, text: str) -> Iterator[Edit]:
        """Yield the projects in names of resources and in Google's error messages."""
        if self.projects and "projects/" in text:
            for match in _PROJECT_OF_RESOURCE.finditer(text):
                yield Edit(*match.span(1), REDACTED)
        is_error = '"error"' in text and bool(_ERROR.search(text))
        for project in self.projects:
            name = re.escape(project)
            for match in re.finditer(
                rf"(?<![\w-]){name}(?![\w-])" if is_error else rf"(?<=projects/){name}(?![\w-])", text
            ):
                yield Edit(*match.span(), REDACTED)
        if is_error:
            for match in _PROJECT_IN_ERROR.finditer(text):
                yield Edit(*match.span(match.lastindex or 0), REDACTED)


def _remember(item: T, items: set[T]) -> None:
    if len(items) >= _MOST_REMEMBERED:
        items.clear()
    items.add(item)


def _decoded(data: bytes) -> tuple[str, str]:
    """Return *data* as text, and the encoding of the text."""
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _is_key_variable(name: str, value: str) -> bool:
    if name in _KEY_VARIABLES:
        return _is_secret(value) and not _DUMMY.fullmatch(value)
    random = len(value) >= _LONG and any(map(str.isdigit, value)) and not re.search(r"\s|^[/.~]", value)
    return random and bool(_OTHER_KEY_VARIABLE.search(name))


def _is_opaque(value: str) -> bool:
    """Return whether *value*, in the place of a key, is one, and not a word or a placeholder."""
    return is_password(value) and len(value) >= _SHORTEST and not value.replace("-", "").replace("_", "").isalpha()


def _is_secret(value: str) -> bool:
    return len(value) >= _SHORTEST and value != REDACTED


def _is_secret_header(name: str) -> bool:
    words = set(_HEADER_WORD.findall(name.lower()))
    return bool(words & _SECRET_WORDS) and not words & _HARMLESS_WORDS


def _credentials(header: str, value: str) -> list[str]:
    """Return the secrets in a header: a token without its scheme, or the values of cookies."""
    if header in ("cookie", "set-cookie"):
        cookies = value.split(";")[:1] if header == "set-cookie" else value.split(";")
        return [word for word in (cookie.partition("=")[2].strip() for cookie in cookies) if looks_random(word)]
    word = value.rpartition(" ")[2]
    sure = header in _CREDENTIAL_HEADERS and _is_secret(word) and not _DUMMY.fullmatch(word)
    return [word] if sure or looks_random(word) else []


def _text_headers(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, value.decode("latin-1") if isinstance(value, bytes) else str(value)) for name, value in headers.items()
    ]
