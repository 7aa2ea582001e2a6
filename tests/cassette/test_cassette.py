from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.traffic import ADDRESS, answer, answer_json, sent_request, stream
from vcr.cassette import Cassette as VcrCassette
from vcr.errors import UnhandledHTTPRequestError
from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.cassette import Head
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_json
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError, CassetteNotFound

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "a.yaml"


def recorded(path: Path, *exchanges: tuple[Request, Response], **options: Any) -> Cassette:
    """Record *exchanges*, save them, and open the file again."""
    cassette = Cassette(path, **options)
    for request, response in exchanges:
        cassette.record(request, response)
    cassette.head.recorded_at = cassette.head.recorded_at or "2026-11-22T12:00:00+00:00"
    cassette.save()
    return Cassette.load(path)


def text_of(response: Response | None) -> bytes:
    return b"" if response is None else response.body


# Playing


def test_plays_what_was_recorded(path: Path) -> None:
    cassette = recorded(
        path, (sent_request("Hi"), answer("Hello")), (sent_request("Count"), stream("1", "2", ended="ReadError"))
    )
    one, two = cassette.play(sent_request("Hi")), cassette.play(sent_request("Count"))
    assert one is not None
    assert two is not None
    assert (one.status, one.reason, one.header("Content-Type")) == (200, "OK", "application/json; charset=UTF-8")
    assert one.chunks == answer("Hello").chunks
    assert (two.chunks, two.ended) == (stream("1", "2").chunks, "ReadError")


def test_identical_requests_play_in_recorded_order_each_once(path: Path) -> None:
    cassette = recorded(path, *((sent_request("Hi"), answer(f"{n}")) for n in range(3)))
    assert [text_of(cassette.play(sent_request("Hi"))) for _ in range(4)] == [
        *(answer(f"{n}").body for n in range(3)),
        b"",
    ]


def test_the_last_answer_can_be_repeated(path: Path) -> None:
    recorded(path, *((sent_request("Hi"), answer(f"{n}")) for n in range(2)))
    cassette = Cassette.load(path, allow_playback_repeats=True)
    assert [text_of(cassette.play(sent_request("Hi"))) for _ in range(4)] == [answer(f"{n}").body for n in (0, 1, 1, 1)]


def test_counts_what_was_played(path: Path) -> None:
    cassette = recorded(
        path, (sent_request("a"), answer()), (sent_request("b"), answer()), (sent_request("c"), answer())
    )
    cassette.play(sent_request("b"))
    assert [interaction.request.body for interaction in cassette.unplayed] == [
        sent_request("a").body,
        sent_request("c").body,
    ]
    assert (cassette.play_count, cassette.all_played, len(cassette)) == (1, False, 3)
    cassette.rewind()
    assert (cassette.play_count, len(cassette.unplayed)) == (0, 3)
    assert cassette.play(sent_request("b")) is not None


def test_places_can_be_left_out_of_matching(path: Path) -> None:
    recorded(path, (sent_request("Hi", seed=1), answer("Hello")))
    assert Cassette.load(path).play(sent_request("Hi", seed=2)) is None
    assert Cassette.load(path, ignore=["generationConfig.seed"]).play(sent_request("Hi", seed=2)) is not None


def _restyled(request: Request) -> Request:
    body = json.dumps(json.loads(request.body), indent=1, sort_keys=True).encode()
    return Request(request.method, request.uri, body, dict(request.headers))


def test_a_request_plays_in_recorded_order_however_it_is_spelled(path: Path) -> None:
    recorded(path, *((sent_request("Hi"), answer(f"{n}")) for n in range(4)))
    cassette = Cassette.load(path, allow_playback_repeats=True)
    spelled = (
        sent_request("Hi"),
        _restyled(sent_request("Hi")),
        sent_request("Hi"),
        _restyled(sent_request("Hi")),
        sent_request("Hi"),
    )
    assert [text_of(cassette.play(request)) for request in spelled] == [answer(f"{n}").body for n in (0, 1, 2, 3, 3)]
    assert sent_request("Hi") in cassette
    assert sent_request("Ho") not in cassette


def test_requests_that_differ_in_an_ignored_place_alone_share_their_answers(path: Path) -> None:
    recorded(path, *((sent_request("Hi", seed=seed), answer(f"{seed}")) for seed in (1, 2)))
    cassette = Cassette.load(path, ignore=["generationConfig.seed"])
    assert [text_of(cassette.play(sent_request("Hi", seed=2))) for _ in range(2)] == [
        answer("1").body,
        answer("2").body,
    ]


class _SlowToSay(deque[Any]):
    """Gives other threads the time to take the last one, after it has said that there is one."""

    def __len__(self) -> int:
        length = super().__len__()
        time.sleep(0.02)
        return length


def test_threads_that_ask_at_once_for_the_last_answer_do_not_both_take_it(path: Path) -> None:
    cassette = recorded(path, (sent_request("Hi"), answer("Hello")))
    for key, waiting in cassette._waiting.items():
        cassette._waiting[key] = _SlowToSay(waiting)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: text_of(cassette.play(sent_request("Hi"))), range(4)))
    assert sorted(answers) == sorted([answer("Hello").body, b"", b"", b""])


def test_threads_each_get_their_own_answer(path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(partial(sys.setswitchinterval, sys.getswitchinterval()))
    sys.setswitchinterval(1e-6)
    exchanges = [(sent_request(f"{n % 40}"), answer(f"{n % 40} {n // 40}")) for n in range(1000)]
    cassette = recorded(path, *exchanges)
    got: dict[int, list[bytes]] = {n: [] for n in range(40)}
    start = threading.Barrier(20)

    def caller(thread: int) -> None:
        start.wait()
        for turn in range(50):
            n = (thread * 50 + turn) % 40
            got[n].append(text_of(cassette.play(sent_request(f"{n}"))))

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(caller, range(20)))
    assert cassette.all_played
    assert {n: sorted(found) for n, found in got.items()} == {
        n: sorted(answer(f"{n} {turn}").body for turn in range(25)) for n in range(40)
    }


# A miss


def test_says_what_is_nearest_and_how_it_differs(path: Path) -> None:
    cassette = recorded(
        path, (sent_request("Say goodbye"), answer()), (sent_request("Say hi", temperature=0.2), answer())
    )
    cassette.play(sent_request("Say hi", temperature=0.2))
    assert cassette.explain_miss(sent_request("Say hi!", temperature=0.7)) == (
        f"POST /models/gemini-2.5-flash:generateContent can't be replayed from {path}: it was not recorded.\n"
        "The nearest of 2 recorded requests, number 2 (its answer was given already), differs:\n"
        "  contents[0].parts[0].text: recorded 'Say hi' != sent 'Say hi!'\n"
        "  generationConfig.temperature: recorded 0.2 != sent 0.7"
    )


def test_says_that_every_answer_was_given(path: Path) -> None:
    cassette = recorded(path, (sent_request("Hi"), answer()))
    cassette.play(sent_request("Hi"))
    assert cassette.explain_miss(sent_request("Hi")).endswith(
        "it was recorded once, and that answer was given already."
    )


def test_says_that_nothing_is_recorded(path: Path) -> None:
    assert Cassette(path).explain_miss(sent_request("Hi")).endswith("nothing is recorded there.")


def test_a_miss_tells_no_secret(path: Path) -> None:
    cassette = recorded(path, (sent_request("Hi"), answer()))
    assert "AIza" not in cassette.explain_miss(sent_request("key AIza" + "k" * 35))


# Saving


def test_unchanged_traffic_leaves_the_file_as_it_is(path: Path) -> None:
    exchanges = [(sent_request(f"{n}"), answer(f"{n}")) for n in range(5)] + [(sent_request("s"), stream("a", "b"))]
    recorded(path, *exchanges)
    before = path.read_bytes(), path.stat().st_mtime_ns
    again = Cassette(path)
    again.head.recorded_at, again.head.sdk = "2027-01-01", "google-genai 9"
    for request, response in reversed(exchanges):  # parallel calls come in any order
        later = tuple(Chunk(chunk.data, chunk.at * 3 + 1) for chunk in response.chunks)
        again.record(request, Response(response.status, response.headers, later, response.reason))
    assert not again.save()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert again.head.recorded_at == "2026-11-22T12:00:00+00:00"


def test_only_what_changed_is_changed(path: Path) -> None:
    recorded(path, *((sent_request(f"{n}"), answer(f"{n}")) for n in range(5)))
    before = path.read_text().splitlines()
    again = Cassette(path)
    again.head.recorded_at = "2027-01-01"
    for n in range(5):
        again.record(sent_request(f"{n}"), answer("new" if n == 3 else f"{n}", at=9))
    assert again.save()
    after = path.read_text().splitlines()
    changed = [(old.strip(), new.strip()) for old, new in zip(before[:-1], after[:-1], strict=True) if old != new]
    assert changed == [
        ('recorded_at: "2026-11-22T12:00:00+00:00"', 'recorded_at: "2027-01-01"'),
        ("times: [0.25]", "times: [9]"),
        (
            '- content: {"parts": [{"text": "3"}], "role": "model"}',
            '- content: {"parts": [{"text": "new"}], "role": "model"}',
        ),
    ]


def test_new_episodes_are_added_and_the_oldest_rules_the_date(path: Path) -> None:
    cassette = recorded(path, (sent_request("a"), answer("a")))
    cassette.head.recorded_at = "2027-01-01"
    assert cassette.record(sent_request("b"), answer("b")).played == 1
    assert cassette.save()
    again = Cassette.load(path)
    assert [interaction.request.body for interaction in again.interactions] == [
        sent_request("a").body,
        sent_request("b").body,
    ]
    assert again.head.recorded_at == "2026-11-22T12:00:00+00:00"


def test_mode_all_replaces_what_was_recorded_again_and_keeps_the_rest(path: Path) -> None:
    recorded(
        path, (sent_request("a"), answer("a1")), (sent_request("a"), answer("a2")), (sent_request("b"), answer("b"))
    )
    cassette = Cassette.load(path, record_mode="all")
    cassette.record(sent_request("c"), answer("c"))
    cassette.record(sent_request("a"), answer("new"))
    cassette.save()
    bodies = [interaction.response.body for interaction in Cassette.load(path).interactions]
    assert bodies == [answer(text).body for text in ("new", "b", "c")]


def test_a_cassette_that_was_not_loaded_replaces_the_file(path: Path) -> None:
    recorded(path, (sent_request("a"), answer()), (sent_request("b"), answer()))
    recorded(path, (sent_request("b"), answer("new")))
    assert [interaction.response.body for interaction in Cassette.load(path).interactions] == [answer("new").body]


def test_a_broken_file_can_be_recorded_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("<<<<<<< HEAD\n")
    recorded(path, (sent_request("b"), answer("new")))
    assert Cassette.load(path).play(sent_request("b")) is not None


def test_nothing_recorded_nothing_written(path: Path) -> None:
    assert not Cassette(path).save()
    assert not path.parent.exists()


def test_keeps_what_else_the_head_says(path: Path) -> None:
    head = Head("2026-11-22", "google-genai 3.4.0", "live", "what it shows", {"ours": 1})
    assert Head.read(head.metadata()) == head
    recorded(path, (sent_request("a"), answer()))
    path.write_text(path.read_text().replace("metadata:\n", "metadata:\n  owner: team\n"))
    cassette = Cassette.load(path)
    cassette.record(sent_request("b"), answer())
    cassette.save()
    assert Cassette.load(path).head.others == {"owner": "team"}


# Large binaries


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64


def picture(data: bytes = PNG) -> Response:
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}
    return Response(200, (), (Chunk(dump_json(answer_json("") | {"image": part}), 0.5),), "OK")


def test_a_picture_is_a_file_beside_the_cassette(path: Path) -> None:
    sent = sent_request("Draw", image=base64.urlsafe_b64encode(PNG).decode())
    cassette = recorded(path, (sent, picture()))
    (file,) = path.parent.glob("*.png")
    assert file.read_bytes() == PNG
    assert len(path.read_text()) < 2000
    assert text_of(cassette.play(sent)) == picture().body


def test_old_pictures_go_when_they_are_not_needed(path: Path) -> None:
    recorded(path, (sent_request("Draw"), picture()))
    other = path.with_name("a.b.yaml")
    recorded(other, (sent_request("Draw"), picture()))
    recorded(path, (sent_request("Draw"), picture(PNG + b"!")))
    names = sorted(file.name.split(".")[:-2] for file in path.parent.glob("*.png"))
    assert names == [["a"], ["a", "b"]]
    cassette = Cassette.load(path)
    cassette.record(sent_request("More"), answer())
    cassette.save()
    assert text_of(Cassette.load(path).play(sent_request("Draw"))) == picture(PNG + b"!").body


def test_unchanged_pictures_leave_the_folder_as_it_is(path: Path) -> None:
    recorded(path, (sent_request("Draw"), picture()))
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    recorded(path, (sent_request("Draw"), picture()))
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before


def test_a_missing_or_changed_picture_is_an_error_that_names_it(path: Path) -> None:
    cassette = recorded(path, (sent_request("Draw"), picture()), (sent_request("Draw"), picture()))
    (file,) = path.parent.glob("*.png")
    file.write_bytes(b"other")
    with pytest.raises(CassetteBroken, match=f"{file.name}' beside it was changed"):
        cassette.play(sent_request("Draw"))
    file.unlink()
    with pytest.raises(CassetteBroken, match=f"{file.name}' beside it is missing"):
        cassette.play(sent_request("Draw"))


@pytest.mark.parametrize("name", ["../a.3f2a9c51b0d47e68.png", "/etc/passwd", "sub/a.3f2a9c51b0d47e68.png", ".."])
def test_a_name_that_leads_out_of_the_folder_is_refused(path: Path, name: str) -> None:
    recorded(path, (sent_request("Draw"), picture()))
    (file,) = path.parent.glob("*.png")
    path.write_text(path.read_text().replace(file.name, name))
    with pytest.raises(CassetteBroken, match="is not the name of a file beside it"):
        Cassette.load(path).play(sent_request("Draw"))


# Opening


def test_a_missing_file_is_an_error_unless_it_may_be_missing(path: Path) -> None:
    with pytest.raises(CassetteNotFound, match=str(path)):
        Cassette.load(path)
    assert Cassette.load(path, allow_missing=True).interactions == []


def test_edits_by_hand_are_read(path: Path) -> None:
    recorded(path, (sent_request("Hi"), answer("Hello")), (sent_request("b"), answer("b")))
    edited = (
        path.read_text()
        .replace('"text": "Hi"', "text: Hi")
        .replace("finishReason: STOP", "finishReason: 'STOP'  # why")
    )
    path.write_text(edited)
    cassette = Cassette.load(path)
    assert text_of(cassette.play(sent_request("Hi"))) == answer("Hello").body
    cassette.record(sent_request("c"), answer("c"))
    cassette.save()
    assert "# why" not in path.read_text()
    assert text_of(Cassette.load(path).play(sent_request("b"))) == answer("b").body


def test_an_edited_answer_alone_is_read_when_it_is_played(path: Path) -> None:
    recorded(path, (sent_request("a"), answer("a")), (sent_request("b"), answer("b")))
    path.write_text(path.read_text().replace("finishReason: STOP", "finishReason: 'STOP'"))
    assert text_of(Cassette.load(path).play(sent_request("b"))) == answer("b").body


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("finishReason: STOP", "finishReason: [STOP", 21, "did not find expected ',' or ']'"),
        ("finishReason: STOP", "finishReason: !!python/name:os STOP", 20, "is not read: a cassette is data only"),
        ("    status: ", "    state: ", 7, "'status' is missing"),
        ("    body:\n      json:", "    body:\n      jason:", 7, "'string' is missing"),
        ("    uri: ", "    url: ", 7, "'uri' is missing"),
    ],
)
def test_a_damaged_edit_is_an_error_with_its_line(path: Path, old: str, new: str, line: int, problem: str) -> None:
    recorded(path, (sent_request("a"), answer("a")))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CassetteBroken) as caught:
        Cassette.load(path).play(sent_request("a"))
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert problem in str(caught.value)


def test_line_ends_of_windows_don_t_matter(path: Path) -> None:
    recorded(path, (sent_request("a"), answer("two\nlines")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert text_of(Cassette.load(path).play(sent_request("a"))) == answer("two\nlines").body


def test_a_file_in_another_encoding_is_an_error_with_its_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"version: 1\n# \xe9t\xe9\n")
    with pytest.raises(CassetteBroken, match=r"a\.yaml:2: it is not UTF-8"):
        Cassette.load(path)


def test_a_folder_is_no_cassette(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(CassetteError, match="can't be read: Is a directory"):
        Cassette.load(path)


def test_a_pipe_is_no_cassette_and_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(CassetteError, match=r"a\.yaml can't be read: Not a regular file"):
        Cassette.load(path)


# vcrpy's own


def test_vcrpy_s_own_cassettes_are_opened_and_saved_without_their_secrets(path: Path) -> None:
    path.parent.mkdir()
    theirs = VcrCassette(path)
    secret = {"X-Goog-Api-Key": "AIza" + "k" * 35}
    theirs.append(Request("POST", sent_request("a").uri, sent_request("a").body, secret), _vcr(answer("a")))
    theirs._save()
    cassette = Cassette.load(path)
    assert text_of(cassette.play(sent_request("a"))) == answer("a").body
    cassette.record(sent_request("b"), answer("b"))
    cassette.save()
    assert "AIza" not in path.read_text()
    assert [interaction.played for interaction in Cassette.load(path).interactions] == [0, 0]


def _vcr(response: Response) -> dict[str, Any]:
    from maxim_gemini.testing._cassette.vcr import vcr_response

    return vcr_response(response)


def test_it_is_vcrpy_s_cassette(path: Path) -> None:
    cassette = recorded(path, (sent_request("a"), answer("a")))
    assert isinstance(cassette, VcrCassette)
    assert sent_request("a") in cassette
    assert sent_request("b") not in cassette
    assert [request.uri for request in cassette.requests] == [sent_request("a").uri]
    assert cassette.responses[0]["body"]["string"] == answer("a").body
    assert cassette.play_response(sent_request("a"))["status"] == {"code": 200, "message": "OK"}
    assert sent_request("a") not in cassette
    with pytest.raises(UnhandledHTTPRequestError):
        cassette.play_response(sent_request("a"))
    cassette.append(sent_request("b"), _vcr(answer("b")))
    cassette._save()
    assert text_of(Cassette.load(path).play(sent_request("b"))) == answer("b").body


def test_vcrpy_s_stubs_can_use_it(path: Path) -> None:
    """The whole engine under it: record over vcrpy's own patches, and play."""
    import http.client
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"Hello")

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    for _ in range(2):  # the second time from the cassette: the server answers once
        with Cassette.use(path=path, allow_missing=True) as cassette:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            connection.request("GET", f"/{ADDRESS.rpartition('/')[2]}")
            assert connection.getresponse().read() == b"Hello"
            connection.close()
    server.server_close()
    assert cassette.play_count == 1


def test_a_miss_names_no_request_that_is_in_no_way_like_it(path: Path) -> None:
    cassette = recorded(path, (Request("GET", "https://example.com/other", None, {}), answer("")))
    problem = cassette.explain_miss(sent_request("Hi"))
    assert problem.endswith("it was not recorded.\nNone of the 1 recorded requests is like it.")


def test_a_file_that_was_damaged_after_it_was_opened_is_not_replaced(path: Path) -> None:
    recorded(path, (sent_request("Hi"), answer("Hello")))
    cassette = Cassette.load(path, record_mode="new_episodes")
    path.write_bytes(path.read_bytes()[:300])
    cassette.record(sent_request("new"), answer("new"))
    with pytest.raises(CassetteBroken, match=r"a\.yaml:\d+: the file ends too early"):
        cassette.save()
    assert path.stat().st_size == 300


def test_a_cassette_that_can_t_be_locked_is_not_saved(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"maxim-gemini-locks-{os.getuid() if hasattr(os, 'getuid') else 'user'}").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cassette = Cassette(path)
    cassette.record(sent_request("Hi"), answer("Hello"))
    with pytest.raises(CassetteError, match=r"the cassette .*a\.yaml can't be locked to save it: .*exists"):
        cassette.save()
    assert not path.exists()
