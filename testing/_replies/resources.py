"""Answer requests without a script: for files, caches, models, token counts and embeddings.

A small memory of what was uploaded and cached, good enough for the SDK's own methods. The times are fixed, the names
are numbered: recording twice gives the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing import reply

from .documents import computed_tokens, counted_tokens, embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maxim_gemini.testing._json_types import JsonDict

    from .model import Json, Reply
    from .request import GeminiRequest

_MOMENT: Final = "2026-01-01T00:00:00.000000Z"
_LATER: Final = "2026-01-03T00:00:00.000000Z"

MODELS: Final = (
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "gemini-embedding-001",
)
"""The models in the list. Requests to any other model are answered, too."""

_PAGE: Final = 50
_CACHE: Final = r"((?:projects/.*)?cachedContents/[^/:]+)"


class Resources:
    """The files and caches of one server; the files' bytes are at most *keep_bytes* in all."""

    def __init__(self, keep_bytes: int) -> None:
        self._keep_bytes = keep_bytes
        self._files: dict[str, JsonDict] = {}
        self._data: dict[str, bytes] = {}
        self._uploads: dict[str, tuple[JsonDict, bytearray]] = {}
        self._caches: dict[str, JsonDict] = {}
        self._routes: list[tuple[str, re.Pattern[str], Callable[[GeminiRequest, str], Reply]]] = [
            ("POST", re.compile(r"/(.+):countTokens"), lambda request, _: reply.resource(counted_tokens(request))),
            ("POST", re.compile(r"/(.+):computeTokens"), lambda request, _: reply.resource(computed_tokens(request))),
            ("POST", re.compile(r"/(.+):(?:batchEmbedContents|embedContent|predict)"), _embedded),
            ("GET", re.compile(r"/(models|publishers/google/models|tunedModels)"), _listed_models),
            (
                "GET",
                re.compile(r"/((?:projects/.*)?(?:publishers/google/)?models/[^/:]+)"),
                lambda _, name: reply.resource(_model_json(name)),
            ),
            ("POST", re.compile(r"/(files)"), self._upload),
            ("GET", re.compile(r"/(files)"), partial(_listed, "files", self._files)),
            ("GET", re.compile(r"/(files/[^/:]+):download"), self._download),
            ("GET", re.compile(r"/(files/[^/:]+)"), partial(_shown, "File", self._files)),
            ("DELETE", re.compile(r"/(files/[^/:]+)"), self._delete_file),
            ("POST", re.compile(r"/((?:projects/.*)?cachedContents)"), self._cache),
            ("GET", re.compile(r"/((?:projects/.*)?cachedContents)"), partial(_listed, "cachedContents", self._caches)),
            ("GET", re.compile(rf"/{_CACHE}"), partial(_shown, "CachedContent", self._caches)),
            ("PATCH", re.compile(rf"/{_CACHE}"), self._update_cache),
            ("DELETE", re.compile(rf"/{_CACHE}"), partial(_deleted, "CachedContent", self._caches)),
        ]

    def answer(self, request: GeminiRequest) -> Reply | None:
        """Return the answer to *request*; `None` if the script has to answer it."""
        for method, pattern, respond in self._routes:
            match = pattern.fullmatch(request.resource)
            if match and method == request.method:
                wrong = [name for name in ("pageToken", "pageSize") if not request.query.get(name, "0").isdecimal()]
                return reply.error(400, f"The {wrong[0]} is not valid.") if wrong else respond(request, match[1])
        return None

    def _upload(self, request: GeminiRequest, _: str) -> Reply:
        """Handle an upload: its start, or a piece of its bytes."""
        command = request.headers.get("x-goog-upload-command", "")
        if "start" in command:
            return self._start_upload(request)
        started = self._uploads.get(request.query.get("upload_id", ""))
        if started is None:
            return reply.error(404, "Requested upload was not found.")
        file, data = started
        stored = sum(map(len, self._data.values())) + sum(len(begun) for _, begun in self._uploads.values())
        if stored + len(request.body) > self._keep_bytes:
            return reply.error(
                429, f"The uploaded files exceed the limit: {self._keep_bytes} bytes. (keep_bytes is the limit.)"
            )
        data += request.body
        if "finalize" not in command:
            return reply.resource(None, x_goog_upload_status="active")
        del self._uploads[request.query["upload_id"]]
        return reply.resource({"file": self._stored(file, bytes(data), request)}, x_goog_upload_status="final")

    def _start_upload(self, request: GeminiRequest) -> Reply:
        number = len(self._files) + len(self._uploads) + 1
        file: JsonDict = dict(request.field("file") or {})
        if "display_name" in file:  # as google-genai 3 writes it
            file["displayName"] = file.pop("display_name")
        file.setdefault("name", f"files/file-{number}")
        file["mimeType"] = request.headers.get("x-goog-upload-header-content-type", file.get("mimeType", ""))
        upload_id = f"upload-{number}"
        self._uploads[upload_id] = (file, bytearray())
        url = f"{request.origin}{request.path}?upload_id={upload_id}&upload_protocol=resumable"
        return reply.resource(None, x_goog_upload_url=url, x_goog_upload_status="active", content_type="text/plain")

    def _stored(self, file: JsonDict, data: bytes, request: GeminiRequest) -> JsonDict:
        name = file["name"]
        version = request.path.strip("/").removeprefix("upload/").partition("/")[0]
        shown = {"displayName": file["displayName"]} if "displayName" in file else {}
        self._data[name] = data
        self._files[name] = {
            "name": name,
            **shown,
            "mimeType": file["mimeType"],
            "sizeBytes": str(len(data)),
            "createTime": _MOMENT,
            "updateTime": _MOMENT,
            "expirationTime": _LATER,
            "sha256Hash": base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode(),
            "uri": f"https://generativelanguage.googleapis.com/{version}/{name}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        return self._files[name]

    def _download(self, _: GeminiRequest, name: str) -> Reply:
        if name not in self._files:
            return _forbidden("File", name)
        return reply.raw(self._data[name], headers={"content-type": self._files[name]["mimeType"]})

    def _delete_file(self, request: GeminiRequest, name: str) -> Reply:
        self._data.pop(name, None)
        return _deleted("File", self._files, request, name)

    def _cache(self, request: GeminiRequest, parent: str) -> Reply:
        fields: JsonDict = request.json or {}
        name = f"{parent}/cache-{len(self._caches) + 1}"
        tokens = sum(detail["tokenCount"] for detail in counted_tokens(request)["promptTokensDetails"])
        shown = {"displayName": fields["displayName"]} if "displayName" in fields else {}
        self._caches[name] = {
            "name": name,
            "model": fields.get("model", ""),
            "createTime": _MOMENT,
            "updateTime": _MOMENT,
            "expireTime": fields.get("expireTime", _LATER),
            **shown,
            "usageMetadata": {"totalTokenCount": tokens},
        }
        return reply.resource(self._caches[name])

    def _update_cache(self, request: GeminiRequest, name: str) -> Reply:
        if name not in self._caches:
            return _forbidden("CachedContent", name)
        self._caches[name] |= {"expireTime": request.field("expireTime") or _LATER}
        return reply.resource(self._caches[name])


def _listed(field: str, entries: Mapping[str, JsonDict], request: GeminiRequest, _: str) -> Reply:
    return reply.resource(_page(field, list(entries.values()), request))


def _shown(kind: str, entries: Mapping[str, JsonDict], _: GeminiRequest, name: str) -> Reply:
    return reply.resource(entries[name]) if name in entries else _forbidden(kind, name)


def _deleted(kind: str, entries: dict[str, JsonDict], _: GeminiRequest, name: str) -> Reply:
    return reply.resource({}) if entries.pop(name, None) else _forbidden(kind, name)


def _embedded(request: GeminiRequest, _: str) -> Reply:
    try:
        return reply.embedding(*embeddings(request))
    except ValueError as error:
        return reply.error(400, f"Request contains an invalid argument. ({error})")


def _listed_models(request: GeminiRequest, parent: str) -> Reply:
    if parent == "tunedModels":
        return reply.resource({})
    field = "publisherModels" if request.backend == "vertex" else "models"
    return reply.resource(_page(field, [_model_json(f"{parent}/{model}") for model in MODELS], request))


def _model_json(name: str) -> JsonDict:
    short = name.rpartition("/")[2]
    if name.startswith(("projects/", "publishers/")):
        return {"name": f"publishers/google/models/{short}", "versionId": "default", "launchStage": "GA"}
    embeds = "embedding" in short
    methods = ["embedContent", "countTokens"] if embeds else ["generateContent", "countTokens", "createCachedContent"]
    return {
        "name": name,
        "version": "001",
        "displayName": short.replace("-", " ").title(),
        "inputTokenLimit": 2048 if embeds else 1048576,
        "outputTokenLimit": 1 if embeds else 65536,
        "supportedGenerationMethods": methods,
    }


def _page(field: str, items: list[JsonDict], request: GeminiRequest) -> JsonDict:
    """Return a page of *items*; the token of the next page is where it starts."""
    start, size = int(request.query.get("pageToken", 0)), int(request.query.get("pageSize", 0)) or _PAGE
    end = start + size
    page: JsonDict = {field: items[start:end]} if items[start:end] else {}
    return {**page, **({"nextPageToken": str(end)} if end < len(items) else {})}


def _forbidden(kind: str, name: str) -> Reply:
    short: Json = {
        "File": f"You do not have permission to access the File {name.partition('/')[2]} or it may not exist."
    }
    return reply.error(403, short.get(kind, f"{kind} not found (or permission denied)"))
