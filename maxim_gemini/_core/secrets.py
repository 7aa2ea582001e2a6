"""Remove keys, tokens and passwords from texts and settings.

Pure. `token_forms` has the forms of secrets; this module has the names and places that mark a value as secret.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, cast

from . import token_forms
from .patterns import compiled

REDACTED: Final = "[redacted]"

# Names of secrets in URLs, in JSON and in settings.
_KEY_NAMES: Final = (
    "api[-_]?key|api[-_]?key[-_]?string|access[-_]?key|secret[-_]?key|private[-_]?key|signing[-_]?key|auth[-_]?key|"
    "(?:access|refresh|auth|id|session|security|bearer|csrf|oauth)[-_]?token|client[-_]?secret|"
    "password|passwd|pwd|secret|signature|credentials?"
)
_QUERY_NAMES: Final = rf"key|token|sig|auth|authorization|x-(?:goog|amz)-credential|{_KEY_NAMES}"

_NAME_HINTS: Final = ("key", "token", "secret", "passw", "pwd", "signature", "credential", "bearer", "basic")

_SCHEME: Final = r"(?i)\b(bearer|basic)(\s{1,3})(?:(?=[\w.~+/-]*[\d=+/])[\w.~+/-]{8,}|[\w.~+/-]{20,})=*"
_IN_QUERY: Final = (
    rf"(?i)([?&;#](?!\w*page_?token=)(?:[\w-]{{0,40}}[-_])?(?:{_QUERY_NAMES})=)[^&;#\s\"'<>\\()\[\]{{}}]+"
)
_IN_USER_INFO: Final = r"(?<=://)[^\s/@:\"'<>]{1,200}:[^\s/@\"'<>]{1,200}(?=@)"
_AFTER_NAME: Final = (
    rf"(?i)((?:\b|_)(?:{_KEY_NAMES}|token)[\"'`\\]{{0,3}}\s{{0,3}}[:=]\s{{0,3}}[\"'`\\]{{0,3}})"
    r"(?=[\w.~+/-]*\d)(?=[\w.~+/-]*[A-Za-z])[\w.~+/-]{8,}=*"
)
_RANDOM_SEGMENT: Final = (
    r"(?<=[^/]/)(?=[\w.~=-]*\d)(?=[\w.~=-]*[A-Za-z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[\w.~=-]*[A-Za-z0-9_]{20})[\w.~=-]+)(?=[/?#]|$)"
)

_NO_SECRETS_INSIDE: Final = frozenset({"functiondeclarations"})
_ALL_SECRET_INSIDE: Final = frozenset({"headers", "extraheaders", "authconfig", "apiauth", "auth", "env", "cookies"})
_SECRET_NAME: Final = (
    r"(?:.*(?:apikey|secret|password|passwd|credentials?|accesskey|privatekey|signingkey|signature)(?:string|version)?"
    r"|.*(?:access|refresh|auth|id|session|security|bearer|api|csrf|oauth)token|token|key|cookie|(?:proxy)?authorization)"
)
_NO_SECRET_NAME: Final = frozenset({"authtype", "httpelementlocation", "name"})
_ADDRESSES: Final = frozenset({"url", "uri", "endpoint", "serverurl", "baseurl"})


def redacted(text: str) -> str:
    """Return *text* with secrets replaced: those of a known form, and those that a name or a URL marks."""
    text = token_forms.replaced(text, REDACTED)
    lowered = text.lower()
    # The patterns are slow on long texts, and hardly any text has one of these words.
    if any(hint in lowered for hint in _NAME_HINTS):
        text = compiled(_SCHEME).sub(rf"\g<1>\g<2>{REDACTED}", text)
        text = compiled(_AFTER_NAME).sub(rf"\g<1>{REDACTED}", text)
    if "=" in text and any(mark in text for mark in "?&;#"):
        text = compiled(_IN_QUERY).sub(rf"\g<1>{REDACTED}", text)
    return compiled(_IN_USER_INFO).sub(REDACTED, text) if "://" in text else text


def without_credentials(settings: Any) -> Any:
    """Return *settings*, such as tools, as plain data in which credentials are replaced; names are kept.

    All values below `headers`, `auth_config` and similar names are secret. None in the schema of a function is: it may
    have a parameter with the name `password`. Plain texts are not searched, which is what `redacted` does.
    """
    dump = getattr(settings, "model_dump", None)
    if callable(dump) and not isinstance(settings, type):
        settings = dump(mode="json", exclude_none=True)
    if isinstance(settings, dict):
        return {name: _member(name, value) for name, value in cast("dict[object, object]", settings).items()}
    if isinstance(settings, (list, tuple, set, frozenset)):
        return [without_credentials(item) for item in cast("list[object]", settings)]
    return settings


def _member(name: object, value: Any) -> object:
    plain = _plain(str(name))
    if plain in _NO_SECRETS_INSIDE:
        return value
    if plain in _ALL_SECRET_INSIDE or (_is_secret(plain) and not isinstance(value, (dict, list))):
        return _emptied(value)
    if plain in _ADDRESSES and isinstance(value, str):
        return compiled(_RANDOM_SEGMENT).sub(REDACTED, value)
    return without_credentials(value)


# Cached: an application sends the same few names with every request, and nothing else of a config is as slow.
@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@lru_cache(maxsize=1024)
def _is_secret(plain: str) -> bool:
    return compiled(_SECRET_NAME).fullmatch(plain) is not None


def _emptied(value: object, name: str = "") -> object:
    """Return *value* with its names kept and its values replaced."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        value = dump(mode="json", exclude_none=True)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value).items()
        return {key: _emptied(one, _plain(str(key))) for key, one in members}
    if isinstance(value, (list, tuple)):
        return [_emptied(one, name) for one in cast("list[object]", value)]
    return value if name in _NO_SECRET_NAME or value is None or isinstance(value, bool) else REDACTED
