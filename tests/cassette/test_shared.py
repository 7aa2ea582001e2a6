"""Several blocks, threads and processes record into one cassette: what all of them got is kept."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.traffic import answer, sent_request
from vcr.record_mode import RecordMode

from maxim_gemini.testing._cassette import Cassette


def texts(path: Path) -> list[str]:
    return [str(i.request.body).partition('"text": "')[2].partition('"')[0] for i in Cassette.load(path).interactions]


def opened(path: Path, mode: RecordMode = RecordMode.NEW_EPISODES) -> Cassette:
    return Cassette.load(path, allow_missing=True, record_mode=mode)


def record(cassette: Cassette, *prompts: str) -> None:
    for prompt in prompts:
        cassette.record(sent_request(prompt), answer(f"to {prompt}"))


@pytest.mark.parametrize("mode", [RecordMode.ONCE, RecordMode.NEW_EPISODES, RecordMode.ALL])
def test_what_another_has_saved_meanwhile_is_kept(tmp_path: Path, mode: RecordMode) -> None:
    path = tmp_path / "shared.yaml"
    if mode is not RecordMode.ONCE:
        record(first := Cassette(path), "before")
        first.save()
    one, other = opened(path, mode), opened(path, mode)
    record(one, "a")
    record(other, "b")
    assert one.save()
    assert other.save()
    assert texts(path) == [*([] if mode is RecordMode.ONCE else ["before"]), "a", "b"]


def test_what_both_have_requested_is_kept_once_since_each_starts_from_the_first(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    one, other = opened(path), opened(path)
    record(one, "a", "both")
    record(other, "both", "both", "b")
    one.save()
    other.save()
    assert texts(path) == ["a", "both", "both", "b"]


def test_a_cassette_that_starts_anew_keeps_what_another_has_saved_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    record(first := Cassette(path), "old")
    first.save()
    anew, other = Cassette(path), opened(path)
    record(anew, "a")
    record(other, "b")
    other.save()
    anew.save()
    assert texts(path) == ["old", "b", "a"]


def test_saving_twice_writes_each_answer_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    cassette = opened(path)
    record(cassette, "a")
    cassette.save()
    record(cassette, "b")
    cassette.save()
    assert texts(path) == ["a", "b"]


def test_threads_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        cassette = opened(path)
        barrier.wait(60)
        record(cassette, f"prompt {number}")
        cassette.save()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(texts(path)) == [f"prompt {number}" for number in range(8)]


def test_processes_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from support.traffic import answer, sent_request\n"
        "from maxim_gemini.testing._cassette import Cassette\n"
        "cassette = Cassette.load(sys.argv[1], allow_missing=True, record_mode='new_episodes')\n"
        "print(flush=True); sys.stdin.readline()\n"
        "for n in range(5):\n"
        "    cassette.record(sent_request(f'{sys.argv[2]}{n}'), answer('x'))\n"
        "    cassette.save()\n"
    )
    root = str(Path(__file__).parents[1])
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), name, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in "abc"
    ]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()
    for run in runs:
        run.communicate(b"\n", timeout=200)
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert sorted(texts(path)) == sorted(f"{name}{number}" for name in "abc" for number in range(5))


def test_what_this_run_has_recorded_is_played_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    record(first := Cassette(path), "fresh", "stale", "fresh")
    first.save()
    loaded = Cassette.load(path)
    fresh = {loaded.interactions[0].fingerprint: 1}
    cassette = Cassette.load(path, record_mode=RecordMode.ALL, fresh=fresh)
    assert cassette.play(sent_request("fresh")) is not None
    assert cassette.play(sent_request("fresh")) is None
    assert cassette.play(sent_request("stale")) is None
    cassette.record(sent_request("fresh"), answer("anew"))
    cassette.save()
    again = Cassette.load(path)
    assert texts(path) == ["fresh", "stale", "fresh"]
    assert b"to fresh" in again.interactions[0].response.body
    assert b"anew" in again.interactions[2].response.body


def test_what_nothing_requested_is_dropped_by_count(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    record(first := Cassette(path), "a", "b", "a", "c")
    first.save()
    first = Cassette.load(path)
    first.play(sent_request("a"))
    first.play(sent_request("c"))
    assert Cassette.load(path).prune(first.requested()) == 2
    assert texts(path) == ["a", "c"]
    assert Cassette.load(path).prune(first.requested()) == 0
