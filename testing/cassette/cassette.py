"""One recording: what was asked and answered, in order."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Self

import yaml
from vcr.cassette import Cassette as VcrCassette
from vcr.request import Request

from maxim_gemini.testing.exceptions import CassetteNotFound
from maxim_gemini.testing.exchange import Chunk, Response


@dataclass(slots=True)
class Head:
    """Where a recording came from."""

    recorded_at: str = ""
    sdk: str = ""
    source: str = "unknown"
    description: str = ""


@dataclass(slots=True, eq=False)
class Interaction:
    """A request and its answer."""

    request: Request
    response: Response
    played: int = field(default=0)


class Cassette(VcrCassette):  # type: ignore[misc]
    """A recording that is played by the meaning of a request."""

    def __init__(self, path: str | PathLike[str], **options: Any) -> None:
        super().__init__(Path(path), **options)
        self.head = Head()
        self.interactions: list[Interaction] = []
        self._lock = threading.Lock()

    @classmethod
    def load(cls, path: str | PathLike[str], *, allow_missing: bool = False, **options: Any) -> Self:
        """Open the recording at *path*."""
        cassette = cls(path, **options)
        if Path(path).is_file():
            cassette._read()
        elif not allow_missing:
            raise CassetteNotFound(f"there is no cassette at {path}")
        return cassette

    def play(self, request: Request) -> Response | None:
        """Return the answer of the next unplayed interaction of the same meaning, or `None`."""
        with self._lock:
            for interaction in self.interactions:
                if not interaction.played and _key(interaction.request) == _key(request):
                    interaction.played += 1
                    return interaction.response
        return None

    def record(self, request: Request, response: Response) -> Interaction:
        """Append an interaction."""
        interaction = Interaction(request, response, played=1)
        with self._lock:
            self.interactions.append(interaction)
            self.dirty = True
        return interaction

    def save(self) -> bool:
        """Write the file if it is not what is on disk; return whether it was written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(yaml.safe_dump({"version": 1, "interactions": [_plain(i) for i in self.interactions]}))
        self.dirty = False
        return True

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    @property
    def unplayed(self) -> list[Interaction]:
        """The interactions that nobody asked for."""
        return [interaction for interaction in self.interactions if not interaction.played]

    def explain_miss(self, request: Request) -> str:
        """Say why *request* can't be played: the nearest recorded request and how it differs."""
        return f"{request.method} {request.uri} is not among the {len(self.interactions)} recorded requests"

    def _read(self) -> None:
        for item in yaml.safe_load(self.path.read_text(encoding="utf-8"))["interactions"]:
            answer = item["response"]
            headers = tuple((name, value) for name, values in answer["headers"].items() for value in values)
            body = answer["body"]["string"]
            chunk = Chunk(body if isinstance(body, bytes) else body.encode())
            response = Response(answer["status"]["code"], headers, (chunk,), answer["status"]["message"])
            self.interactions.append(Interaction(Request(**item["request"]), response))
        self.rewound = True


def _plain(interaction: Interaction) -> dict[str, Any]:
    request, response = interaction.request, interaction.response
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    return {
        "request": {
            "method": request.method,
            "uri": request.uri,
            "headers": {},
            "body": request.body,
        },
        "response": {
            "status": {"code": response.status, "message": response.reason},
            "headers": headers,
            "body": {"string": response.body},
        },
    }


def _key(request: Request) -> tuple[str, str, str]:
    body = request.body or b""
    try:
        meaning = json.dumps(json.loads(body), sort_keys=True)
    except ValueError:
        meaning = repr(body)
    return request.method.upper(), request.path, meaning
