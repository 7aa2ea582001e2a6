"""The last scan for secrets, of data that will be saved, and of files on disk.

It shares no rule with the scrubber, so that one mistake does not pass both. The scrubber knows documented forms; this
scan finds words that begin like keys and are as random as keys. The scrubber knows places in a text; this scan knows
names in the stored structure. It decodes base64, escapes and percent encoding. It reports the path and the kind of a
secret, never the value.

Pure.
"""

from __future__ import annotations

import binascii
import math
import re
from collections import Counter
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

from maxim_gemini.testing._json_types import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Finding(NamedTuple):
    """The place and the kind of a secret, never its value."""

    where: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.where}"


# How keys begin. Behind it comes one random word, of that many characters at least.
_BEGINNINGS: Final = {
    "a Google API key": ("AIza AQ.Ab", 30),
    "a Google OAuth token": ("ya29. 1//0", 30),
    "a Google OAuth client secret": ("GOCSPX-", 20),
    "a Maxim API key": ("sk_mx_", 12),
    "an API key": (
        "sk-ant- sk-proj- sk- sk_live_ sk_test_ rk_live_ gsk_ xai- pplx- nvapi- hf_ r8_ lsv2_pt_ lsv2_sk_ "
        "csk- pcsk_ SG. glsa_ glc_ dop_v1_ doo_v1_ dor_v1_ shpat_ shpca_ shppa_ shpss_ lin_api_ lin_oauth_ "
        "phx_ figd_ ntn_ dapi tvly- tvly-dev- api_org_ fw_ tgp_v1_ jina_ fc- e2b_ pylf_v1_us_ sntryu_ sntrys_ "
        "NRAK- ATBB ATATT3 xkeysib- whsec_ sq0atp- sq0csp- rubygems_ dckr_pat_ HRKU- nfp_ sbp_ sb_secret_ "
        "napi_ fm2_ pscale_tkn_ pscale_pw_ dp.pt. ops_eyJ PMAK- pul- sgp_ CFPAT- tfp_ pnu_ dt0c01. bkua_ squ_ "
        "AKCp EZAK duffel_live_ FLWSECK- rdme_ shippo_live_ snyk_uat. pat-na1- AGE-SECRET-KEY-1 ABSKQmVkcm9ja "
        "auth_tokens/ sk_org_live_ rk_test_",
        20,
    ),
    "a GitHub token": ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", 30),
    "a GitLab token": ("glpat- gldt- glrt- glptt- gloas- glagent- glcbt-", 18),
    "a package registry token": ("npm_ pypi-AgE", 30),
    "a Slack token": ("xoxb- xoxp- xoxa- xoxe- xoxc- xoxe.xoxp- xapp-", 16),
    "a vault token": ("hvs. hvb.", 24),
}
_KINDS: Final = {mark: (kind, size) for kind, (marks, size) in _BEGINNINGS.items() for mark in marks.split()}
_BEGINNING: Final = re.compile(f"(?<![A-Za-z0-9])(?:{'|'.join(sorted(map(re.escape, _KINDS), key=len, reverse=True))})")
_WORD: Final = re.compile(r"[A-Za-z0-9_./~-]{16,}")
_BODY: Final = re.compile(r"[A-Za-z0-9_.-]+")
_UNBROKEN: Final = re.compile(r"[A-Za-z0-9]{28}")
_AWS_ID: Final = re.compile(r"(?<![A-Za-z0-9+/])A(?:KI|SI)A(?=[A-Z]*\d)[A-Z0-9]{16}(?![A-Za-z0-9+/])")
_WEB_TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,}")
_ARMOR: Final = re.compile(
    r"PRIVATE KEY(?: BLOCK)? ?-{4,5}[^A-Za-z0-9]{0,40}"
    r"(?:[A-Za-z-]+: [^\n]{0,80}\n[^A-Za-z0-9]{0,20}){0,4}[nr]?[A-Za-z0-9+/]{40}"
)
_HOOK: Final = re.compile(
    r"hooks\.slack\.com/services/T\w+/B\w+/\w{16}|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{40}"
)

# Names, as they are written without signs and capitals
_HEADERS: Final = frozenset({
    "authorization", "proxyauthorization", "cookie", "setcookie", "xgoogapikey", "xapikey", "apikey", "xauthtoken",
    "xjwt", "xaccesstoken", "xamzsecuritytoken", "xgoogiapjwtassertion", "xclientcert", "xforwardedclientcert",
    "xcsrftoken", "ocpapimsubscriptionkey", "xvaulttoken", "privatetoken",
})  # fmt: skip
_PARAMETERS: Final = frozenset({
    "key", "apikey", "xapikey", "accesstoken", "idtoken", "refreshtoken", "token", "sig", "signature",
    "clientsecret", "password", "xgoogsignature", "xamzsignature", "xamzsecuritytoken", "uploadid",
})  # fmt: skip
_MEMBERS: Final = re.compile(
    r".*(?:apikey|apikeystring|secretkey|secretaccesskey|privatekey|clientsecret|accesstoken|refreshtoken|authtoken|password|passphrase)"
)
_SIGNS: Final = re.compile(r"[^a-z0-9]")
_ADDRESS: Final = re.compile(r"https?://[^\s\"'<>\\]{8,4000}")
_PAIR: Final = re.compile(r"[?&#;]([\w.-]{2,40})=([^&#;\s\"'<>\\)\]]+)")
_PASSWORD: Final = re.compile(r"://[^\s/@:\"'<>\\]{0,200}:([^\s/@\"'<>\\]{3,200})@\w")
_NOTHING: Final = re.compile(
    r"[\s<\[({*x.]*(?:[a-z]{1,20}(?:[-_ .]+[a-z]{1,20}){0,11}[-_ .]*)?\d{0,4}[\s>\])}*.]*",
    re.IGNORECASE,
)
"""Placeholders and words, which are no secrets."""

_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_WRAPPED: Final = re.compile(r"(?<=[A-Za-z0-9+/]{60})(?:\\r|\\n|\r|\n|[ \t])+(?=[A-Za-z0-9+/]{4,})")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_SHORTEST: Final = 8
_WHOLE: Final = 4096
"""Length up to which base64 may begin anywhere in a run of its letters."""


def in_value(value: object, where: str, known: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the secrets in a stored *value* at the path *where*, including the *known* ones."""
    yield from _Scan(known).value(value, where)


def in_text(text: str, where: str, known: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the secrets in a *text* without structure."""
    yield from _Scan(known).text(text, where)


class _Scan:
    """One scan. It remembers harmless texts, because many are repeated."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = {form: kind for value, kind in known.items() for form in (value, quote(value, safe=""))}
        self._harmless: set[str] = set()

    def value(self, value: object, where: str, *, in_headers: bool = False) -> Iterator[Finding]:
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            yield from self.text(value, where)
        elif is_object(value):
            for key, member in value.items():
                yield from self.text(str(key), f"a name in {where}")
                if _is_named(str(key), member, in_headers=in_headers):
                    yield Finding(f"{where}.{key}", f"the value of {key}")
                yield from self.value(member, f"{where}.{key}", in_headers=key == "headers")
        elif is_list(value):
            for index, item in enumerate(value):
                yield from self.value(item, f"{where}[{index}]")

    def text(self, text: str, where: str) -> Iterator[Finding]:
        if len(text) < _SHORTEST or text in self._harmless:
            return
        plain = {text}
        if "\\u" in text:
            plain |= set(_unescaped(text))
        if "%" in text:
            plain.add(unquote(text))
        kinds = {kind for one in plain for kind in (*self._kinds(one), *_in_addresses(one))}
        # What was found in the open is not reported a second time.
        inside = {kind for one in plain for data in _decoded(one) for kind in self._kinds(data)} - kinds
        if not kinds and not inside:
            self._harmless.add(text)
        yield from (Finding(where, kind) for kind in sorted(kinds))
        yield from (Finding(f"{where}, inside base64", kind) for kind in sorted(inside))

    def _kinds(self, text: str) -> Iterator[str]:
        for value, kind in self._known.items():
            # One of letters alone must be a word of its own, or every word that it is a part of would be a finding.
            if value in text and not (value.isalpha() and not re.search(rf"(?<![^\W_]){value}(?![^\W_])", text)):
                yield kind
        yield from _kinds(text)


def _is_named(name: str, member: object, *, in_headers: bool) -> bool:
    """Return whether a *member* has the name of a secret, and looks like one."""
    if in_headers and _SIGNS.sub("", name.lower()) in _HEADERS:
        return any(_is_something(_text(one)) for one in (member if is_list(member) else [member]))
    return isinstance(member, str) and _says_secret(name) and _is_random(member, 16)


@lru_cache(maxsize=4096)
def _says_secret(name: str) -> bool:
    return bool(_MEMBERS.fullmatch(_SIGNS.sub("", name.lower())))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _in_addresses(text: str) -> Iterator[str]:
    if "://" not in text:
        return
    for address in _ADDRESS.finditer(text):
        for name, value in _PAIR.findall(address[0]):
            if _SIGNS.sub("", name.lower()) in _PARAMETERS and _is_random(value, 16):
                yield f"the value of {name} in a URL"
    if any(_is_something(match[1]) for match in _PASSWORD.finditer(text)):
        yield "a password in a URL"


def _kinds(text: str) -> Iterator[str]:
    if "PRIVATE KEY" in text and _ARMOR.search(text):
        yield "a private key"
    if ("AKIA" in text or "ASIA" in text) and _AWS_ID.search(text):
        yield "an AWS key"
    if "eyJ" in text and _WEB_TOKEN.search(text):
        yield "a JSON web token"
    if ("hooks.slack" in text or "/webhooks/" in text) and _HOOK.search(text):
        yield "a webhook"
    for word in _WORD.finditer(text):
        for match in _BEGINNING.finditer(text, *word.span()):
            kind, size = _KINDS[match[0]]
            inside = text[match.start() - 1 : match.start()] in ("-", "_", ".") and not match[0].startswith("AI")
            body = None if inside else _BODY.match(text, match.end())
            if body and (_is_random(body[0][:200], size) or _UNBROKEN.match(body[0])):
                yield kind


def _is_something(value: str) -> bool:
    """Return whether *value*, at a place for secrets only, is one."""
    words = value.split(" ", 1)[-1]
    return len(words) >= 6 and "REDACTED" not in value.upper() and not _NOTHING.fullmatch(words[:200])


def _is_random(word: str, shortest: int) -> bool:
    """Return whether *word* is random: many different letters and digits, in frequent alternation."""
    part = max(re.split(r"[-_.%]", word), key=len) if not word.isalnum() else word
    if len(word) < shortest or len(part) < min(shortest, 10) or "REDACTED" in word:
        return False
    digits = sum(map(str.isdigit, part))
    if not digits or digits == len(part):
        return False
    counts = Counter(part)
    entropy = -sum(count / len(part) * math.log2(count / len(part)) for count in counts.values())
    changes = sum(_class(one) != _class(other) for one, other in pairwise(part))
    return entropy >= 2.5 and changes * 8 >= len(part)


def _class(letter: str) -> int:
    return 0 if letter.isdigit() else 1 if letter.isupper() else 2


def _unescaped(text: str) -> Iterator[str]:
    """Yield *text* with its escapes decoded, up to three levels deep."""
    for _ in range(3):
        plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        if plain == text:
            return
        yield plain
        text = plain


def _decoded(text: str) -> Iterator[str]:
    """Yield the decoded base64 of *text*, with lines joined, from any position in a run of letters."""
    if "\n" in text or "\\" in text or "\r" in text:
        text = _WRAPPED.sub("", text)
    for run in _RUN.finditer(text):
        code = run[0].rstrip("=").replace("-", "+").replace("_", "/")
        # Four letters are three bytes: begun elsewhere, the same letters stand for something else.
        for start in range(4) if len(code) <= _WHOLE else (0,):
            part = code[start:]
            with suppress(ValueError, binascii.Error):
                yield binascii.a2b_base64(part[: len(part) // 4 * 4]).decode("latin-1")
