"""Find secrets in a text: of a known form, or with the name of a secret.

The name is before the value (`api_key=`, `"password": `, `Authorization:`), or the value is in a place of a URL for
passwords or signatures. It must also look like a secret: letters and digits, no word, no type, no placeholder.

Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from maxim_gemini._core.token_forms import Secret, tokens, without_overlaps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Names

_KEY: Final = (
    r"(?:api|access|secret|private|signing|encryption|master|account|shared|subscription|auth|storage|deploy|admin|master"
    r"|service|secret[-_ ]?access|shared[-_ ]?access)[-_ ]?key"
)
_TOKEN: Final = (
    r"(?:access|refresh|auth|authentication|authorization|id|session|security|bearer|api|csrf|xsrf|bot|oauth|jwt|user"
    r"|admin|service|deploy|registry|webhook|private|secret|verification|app|client|github|gitlab|slack|hf|npm|pypi|vault)"
    r"[-_ ]?token"
)
_SECRET: Final = r"(?:client|app|application|consumer|webhook|signing|shared|jwt|session|oauth|api)[-_ ]?secret"
_PASSWORD: Final = r"pass(?:word|wd|phrase|code)|pwd"
_KEY_NAME: Final = re.compile(
    rf"(?:.*[-_. $])?(?:{_KEY}|{_TOKEN}|{_SECRET}|jwt|connection[-_ ]?string)(?:[-_ ]?(?:string|value|base64|b64))?",
    re.IGNORECASE,
)
_PASSWORD_NAME: Final = re.compile(rf"(?:.*[-_. $])?\w*(?:{_PASSWORD})", re.IGNORECASE)
_WEAK_NAME: Final = re.compile(
    r"(?:.*[-_. $])?(?:token|secret|auth|bearer|credentials?|cookies?|webhook)", re.IGNORECASE
)
"""Ambiguous names: they only count if the value is random and long."""
_AUTHORIZATION_NAME: Final = re.compile(r"(?:.*[-_. $])?authorization", re.IGNORECASE)
_HARMLESS_NAME: Final = re.compile(
    r"(?:next|previous|prev|page|sync|resume|resumption|continuation|cursor|start|end|next[-_]?page|max|stop|total|"
    r"prompt|candidates|cached[-_]?content|thoughts)[-_]?tokens?|public[-_ ]?key",
    re.IGNORECASE,
)
_NAMES_IN_QUERY: Final = (
    "key", "token", "sig", "signature", "secret", "auth", "authorization", "password", "passwd", "pwd", "jwt",
    "hmac", "upload_id", "ticket", "access_token", "x-goog-signature", "x-goog-credential", "x-goog-security-token",
    "x-amz-signature", "x-amz-credential", "x-amz-security-token", "googleaccessid", "awsaccesskeyid",
    "code_verifier", "subscription-key", "session", "sid", "sessionid", "sas", "x-ms-signature", "hdnts", "hdnea",
    "policy-signature",
)  # fmt: skip


def names_secret(name: str, value: str) -> tuple[int, int] | None:
    """Return the position of a secret in *value*, a member with that name; `None` if there is none."""
    if len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE:
        return None
    plain = _CAMEL.sub("_", name)
    if _HARMLESS_NAME.fullmatch(plain):
        return None
    if _AUTHORIZATION_NAME.fullmatch(plain):
        start = match.end() if (match := _SCHEME_NAME.match(value)) else 0
        return (start, len(value)) if is_password(value[start:]) else None
    if (
        (_PASSWORD_NAME.fullmatch(plain) and is_password(value))
        or (_KEY_NAME.fullmatch(plain) and is_key(value))
        or (_WEAK_NAME.fullmatch(plain) and looks_random(value, 20) and not _ADDRESS.match(value))
    ):
        return 0, len(value)
    return None


_SCHEME_NAME: Final = re.compile(r"(?:bearer|basic|token|apikey)\s+", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[a-z][a-z+.-]*://|/|gs:", re.IGNORECASE)
_LONGEST_NAME: Final = 100
_LONGEST_VALUE: Final = 8192


def is_secret_parameter(name: str) -> bool:
    """Return whether a parameter of that name in the query of a URL is a secret."""
    if len(name) > _LONGEST_NAME:
        return False
    plain = _CAMEL.sub("_", name)
    named = _KEY_NAME.fullmatch(plain) or _PASSWORD_NAME.fullmatch(plain)
    return name.lower() in _NAMES_IN_QUERY or bool(named and not _HARMLESS_NAME.fullmatch(plain))


_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Values

_PLACEHOLDER: Final = re.compile(
    r"[<{\[(%$*].*|.*[>}\])]|(?:process|os|env|config|settings|self|this|import)\..*|REDACTED.*|[xX*.•-]{3,}"
    r"|(?:your|my|the|a|an|some|test|dummy|fake|example|sample|insert|change|replace|enter)[-_ ].*"
    r"|changeme|.*\.\.\.+|.*…",
    re.IGNORECASE | re.DOTALL,
)
_WORDS: Final = frozenset({
    "string", "str", "text", "required", "optional", "none", "null", "true", "false", "hidden", "masked", "missing",
    "invalid", "valid", "expired", "unknown", "default", "example", "value", "number", "integer", "boolean",
    "object", "array", "any", "bearer", "basic", "digest", "oauth", "oauth2", "header", "query", "cookie",
    "password", "passwd", "secret", "token", "apikey", "api_key", "key", "yes", "no", "on", "off", "empty",
    "undefined", "unset", "redacted", "removed", "enabled", "disabled", "auto", "forgotten", "reset", "changed",
    "wrong", "correct", "incorrect", "same", "input", "field",
})  # fmt: skip
_IDENTIFIER: Final = re.compile(
    r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Za-z]+(?:[_.-][A-Za-z]+)*(?:[_.-]?\d{1,4})?", re.ASCII
)
_VALUE: Final = r"[^\s\"'`\\<>(){}\[\],;|]"


def is_placeholder(value: str) -> bool:
    """Return whether *value* is a placeholder, or can't be a real secret."""
    return len(value) < 4 or value.lower() in _WORDS or bool(_PLACEHOLDER.fullmatch(value))


def looks_random(value: str, shortest: int = 12) -> bool:
    """Return whether *value* has a part that no word has: mixed letters and digits."""
    if len(value) < shortest or is_placeholder(value) or _IDENTIFIER.fullmatch(value):
        return False
    parts = (part for part in re.split(r"[-_./:@%]", value) if len(part) >= 8 and part.isascii())
    has_mixed = any(any(map(str.isdigit, part)) and any(map(str.isalpha, part)) for part in parts)
    return has_mixed or bool(_THREE_KINDS.fullmatch(value))


_THREE_KINDS: Final = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])[A-Za-z0-9+/=_~-]{16,}")


def is_password(value: str) -> bool:
    """Return whether *value*, with the name of a secret, is one: no placeholder, type or name of a variable."""
    return (
        len(value) >= 5
        and not is_placeholder(value)
        and not re.search(r"\s", value)
        and not value.isdigit()
        and not (re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", value))
    )


def is_key(value: str) -> bool:
    """Return whether *value*, after the name of a key, is a secret: no word, and no part of a program."""
    has_both = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return is_password(value) and (has_both or len(value) >= 24) and not _PROGRAM.fullmatch(value)


_PROGRAM: Final = re.compile(
    r"[A-Za-z_]+(?:\.\w+)+|[A-Za-z]+(?:[-_][A-Za-z]+)+[-_]?\d{0,4}|v\d.*|gemini-.*|gpt-.*", re.IGNORECASE
)


# Places in a text

_PARAMETER: Final = re.compile(r"[?&;#]([\w.$-]{2,40})=([^&;#\s\"'<>\\)\]}`,]+)", re.ASCII)
_USER: Final = re.compile(r"://[^\s/@:\"'<>\\]{0,200}:([^\s/@\"'<>\\]{3,200})@(?=[\w\[])")
_ASSIGNED: Final = re.compile(rf"(?:=>|:=|[:=])(?=[ \t]{{0,8}}(?:[A-Za-z]{{0,2}}\\?[\"'`]{{1,3}})?({_VALUE}{{5,256}}))")
_ENDS_OF_NAMES: Final = (
    "key", "string", "token", "secret", "word", "wd", "phrase", "code", "jwt", "authorization", "credential",
    "credentials",
)  # fmt: skip
_NAME_BEFORE: Final = re.compile(
    rf"(?:(?<![A-Za-z])|(?-i:(?<=[a-z])(?=[A-Z])))({_KEY}(?:[-_]?string)?|{_TOKEN}|{_SECRET}|[a-z_]{{0,16}}(?:{_PASSWORD})"
    r"|jwt|authorization|connection[-_ ]?string|secret|token|credentials?)\Z",
    re.IGNORECASE,
)
_SCHEMES: Final = ("bearer ", "basic ", "token ", "apikey ")
_SCHEME: Final = re.compile(r"\b(bearer|basic|token|apikey)\s+([\w.~+/-]{8,}=*)", re.IGNORECASE)
_COOKIE: Final = re.compile(r"\b(?:set-)?cookie:\s*([^\r\n]{8,4000})", re.IGNORECASE)
_ONE_COOKIE: Final = re.compile(r"[\w.-]{1,64}=([^;,\s\"'()]{12,})")
_ACCOUNT_KEY: Final = re.compile(r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=([A-Za-z0-9+/=%& ]{20,})")
_CURL_USER: Final = re.compile(r"(?:^|\s)(?:-u|--user)[ =]{1,2}[\"']?[\w.@-]{1,64}:([^\s\"']{4,200})")
_NETRC: Final = re.compile(rf"\bmachine\s+\S{{1,253}}\s+login\s+\S{{1,200}}\s+password\s+({_VALUE}{{4,200}})")
_AWS_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9+/=])(?=[A-Za-z+/]*\d)(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])"
)
_AWS_ID: Final = re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])")
_TOTP: Final = re.compile(r"otpauth://[^\s\"']*?[?&]secret=([A-Z2-7=]{16,})", re.IGNORECASE)


def secrets_in(text: str) -> list[Secret]:
    """Return the secrets in *text*, in order and without overlaps."""
    secrets = tokens(text)
    if len(text) >= _SHORTEST:
        lower = text.lower()
        for hints, search in _PLACES:
            if any(hint in lower for hint in hints):
                secrets += search(text, lower)
    return without_overlaps(secrets)


_SHORTEST: Final = 10


def _parameters(text: str, _: str) -> Iterator[Secret]:
    for match in _PARAMETER.finditer(text):
        name, value = match.groups()
        if is_secret_parameter(name) and (looks_random(value, 8) or (len(value) >= 20 and not is_placeholder(value))):
            yield Secret(*match.span(2), f"the value of {name.lower()} in a URL")


def _user_information(text: str, _: str) -> Iterator[Secret]:
    for match in _USER.finditer(text):
        if not is_placeholder(match[1]):
            yield Secret(*match.span(1), "a password in a URL")


def _assigned(text: str, _: str) -> Iterator[Secret]:
    for match in _ASSIGNED.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()].rstrip("\"'`\\] \t")
        if not before.lower().endswith(_ENDS_OF_NAMES) or not (named := _NAME_BEFORE.search(before)):
            continue
        name, value = named[1], match[1].rstrip(".:?!")
        weak = name.lower() in _WEAK
        if weak and _OF_A_PAGE.search(before[: named.start()]):
            continue
        if looks_random(value, 20) if weak else is_key(value):
            yield Secret(match.start(1), match.start(1) + len(value), f"the value of {' '.join(name.split())}")


_OF_A_PAGE: Final = re.compile(
    r"(?:next|prev|previous|page|sync|resume|resumption|continuation|cursor)[-_ ]?$", re.IGNORECASE
)
_WEAK: Final = frozenset({"secret", "token", "credential", "credentials"})


def _schemes(text: str, lower: str) -> Iterator[Secret]:
    for start in (scheme_match for scheme in _SCHEMES for scheme_match in re.finditer(scheme, lower)):
        match = _SCHEME.match(text, start.start())
        if match and (_is_basic(match[2]) if match[1].lower() == "basic" else looks_random(match[2], 16)):
            yield Secret(*match.span(2), f"the value of {match[1].lower()} authorization")


def _is_basic(value: str) -> bool:
    try:
        user = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except (ValueError, binascii.Error):
        return False
    return ":" in user and user.isprintable()


def _cookies(text: str, _: str) -> Iterator[Secret]:
    for line in _COOKIE.finditer(text):
        for match in _ONE_COOKIE.finditer(text, *line.span(1)):
            if looks_random(match[1]):
                yield Secret(*match.span(1), "the value of a cookie")


def _groups(*patterns: re.Pattern[str]) -> Callable[[str, str], Iterator[Secret]]:
    def search(text: str, _: str) -> Iterator[Secret]:
        for pattern in patterns:
            for match in pattern.finditer(text):
                if not is_placeholder(match[1]):
                    yield Secret(*match.span(1), "a key or a password")

    return search


def _aws_secrets(text: str, _: str) -> Iterator[Secret]:
    """Yield texts near the id of an AWS key that look like its secret."""
    for match in _AWS_ID.finditer(text):
        for near in _AWS_SECRET.finditer(text, max(0, match.start() - 200), match.end() + 200):
            yield Secret(*near.span(), "an AWS secret key")


_PLACES: Final[tuple[tuple[tuple[str, ...], Callable[[str, str], Iterator[Secret]]], ...]] = (
    (("=",), _parameters),
    (("://",), _user_information),
    (("key", "token", "secret", "pass", "pwd", "credential"), _assigned),
    (_SCHEMES, _schemes),
    (("cookie:",), _cookies),
    (("accountkey=", "sharedaccess", "-u ", "--user", "otpauth:"), _groups(_ACCOUNT_KEY, _CURL_USER, _TOTP)),
    (("machine ",), _groups(_NETRC)),
    (("akia", "asia"), _aws_secrets),
)
