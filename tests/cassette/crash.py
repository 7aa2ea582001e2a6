"""Save a cassette in processes that are killed at one file operation after the other, and print what is left each time.

    python crash.py FOLDER

Run as a process of its own, for it forks; `test_store.py` reads what it prints.
"""

from __future__ import annotations

import base64
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_json
from maxim_gemini.testing.exceptions import CassetteError

REQUEST = Request("POST", "https://h/v1/models/m:generateContent", b"{}", {})
OPERATIONS = ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "tempfile.mkstemp", "os.listdir")

WRITTEN_IN_PLACE = 99


def is_for_writing(flags: object) -> bool:
    """Tell whether a file is opened with *flags* that let it be changed."""
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def answer(word: str) -> Response:
    """Return an answer with a picture of its own."""
    picture = base64.b64encode(word.encode() * 5000).decode()
    return Response(200, (), (Chunk(dump_json({"text": f"{word} " * 5000, "data": picture})),))


def save(path: Path, word: str) -> None:
    """Record an answer that says *word* in place of what is there."""
    cassette = Cassette(path)
    cassette.record(REQUEST, answer(word))
    cassette.save()


def killed_at(operation: int, path: Path) -> bool:
    """Save in a child that is killed at its nth file operation; tell whether it came so far."""
    child = os.fork()
    if not child:
        count = itertools.count()

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and str(arguments[0]) == str(path) and is_for_writing(arguments[2]):
                os._exit(WRITTEN_IN_PLACE)
            if event in OPERATIONS and next(count) == operation:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        save(path, "new")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) != WRITTEN_IN_PLACE, "a reader could see half a file"
    return os.WIFSIGNALED(status)


def found(path: Path) -> str:
    """Return what a reader finds."""
    try:
        response = Cassette.load(path).play(REQUEST)
    except CassetteError as error:
        return f"broken: {error}"
    words = [word for word in ("old", "new") if response is not None and response.body == answer(word).body]
    return words[0] if words else "something else"


def main(folder: Path) -> None:
    """Kill at every operation, until one save comes to its end."""
    for operation in itertools.count():
        path = folder / f"{operation}" / "a.yaml"
        save(path, "old")
        was_killed = killed_at(operation, path)
        print(operation, was_killed, found(path))
        save(path, "after")
        left = sorted(file.suffix for file in path.parent.iterdir() if file.suffix != ".unfinished")
        assert left == [".bin", ".yaml"], left
        shutil.rmtree(path.parent)
        if not was_killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
