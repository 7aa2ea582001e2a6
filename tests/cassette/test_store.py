from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.leftovers import open_files
from support.traffic import answer, sent_request
from vcr.serializers import yamlserializer

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.store import Shelf
from maxim_gemini.testing._cassette.vcr import Persister
from maxim_gemini.testing._cassette.yaml_format import seal_of
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing.exceptions import CassetteBroken, CassetteError


def save(path: Path, *texts: str) -> bool:
    cassette = Cassette(path)
    for text in texts:
        cassette.record(sent_request(text), answer(text))
    return cassette.save()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes, and this system has no fork")
def test_a_process_killed_at_any_file_operation_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    script = Path(__file__).with_name("crash.py")
    run = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    lines = [line.split(maxsplit=2) for line in run.stdout.splitlines()]
    left = [what for _, _, what in lines]
    turn = left.index("new")
    assert turn > 3, "the save was not killed before it was done"
    assert left == ["old"] * turn + ["new"] * (len(left) - turn)
    assert [killed for _, killed, _ in lines] == ["True"] * (len(lines) - 1) + ["False"]


def test_a_process_killed_at_any_time_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    save(path, "x")
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from support.traffic import answer, sent_request\n"
        "from maxim_gemini.testing._cassette import Cassette\n"
        "for n in range(10**6):\n"
        "    cassette = Cassette(Path(sys.argv[1]))\n"
        "    cassette.record(sent_request('x'), answer('long ' * 20000 + str(n)))\n"
        "    cassette.save(); print(flush=True)\n"
    )
    for delay in (0.0, 0.003, 0.011):
        command = [sys.executable, "-c", script, str(path), str(Path(__file__).parents[1])]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            timer = threading.Timer(delay, process.kill)
            timer.start()
            process.wait(60)
            timer.join()
        response = Cassette.load(path).play(sent_request("x"))
        assert response is not None
        assert b"long long" in response.body


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    save(path, "old")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CassetteError, match=r"a\.yaml can't be saved: .*No space left on device"):
        save(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]
    assert path.read_bytes() == before


def test_nothing_stays_open(tmp_path: Path) -> None:
    before, path = open_files(), tmp_path / "a.yaml"
    if not before:
        pytest.skip("this system has no list of open files")
    for word in ("a", "b", "c"):
        save(path, word)
        Cassette.load(path)
    assert open_files() == before


def test_what_a_killed_process_left_is_removed_later(tmp_path: Path) -> None:
    old, young = tmp_path / ".a.yaml.x.unfinished", tmp_path / ".a.yaml.y.unfinished"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    save(tmp_path / "a.yaml", "x")
    assert sorted(file.name for file in tmp_path.iterdir()) == [young.name, "a.yaml"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_without_permission_is_an_error_that_names_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CassetteError, match="Permission denied"):
        save(tmp_path / "b" / "a.yaml", "x")


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    with pytest.raises(CassetteError, match=r"a\.yaml can't be saved: .*/b: "):
        save(tmp_path / "b" / "a.yaml", "x")


def test_makes_its_folder_and_keeps_permissions(tmp_path: Path) -> None:
    path = tmp_path / "b" / "c" / "a.yaml"
    mask = os.umask(0o027)
    try:
        save(path, "x")
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o664)
        save(path, "y")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o664


def test_long_names_leave_room_for_those_of_binaries(tmp_path: Path) -> None:
    one, two = Shelf(tmp_path / f"{'x' * 240}a.yaml"), Shelf(tmp_path / f"{'x' * 240}b.yaml")
    assert len(one.name_for(b"", "png")) < 120
    assert one.name_for(b"", "png") != two.name_for(b"", "png")
    one.write(f'"{one.name_for(b"", "png")}"'.encode(), {one.name_for(b"", "png"): b""})
    two.write(b"", {})
    assert one.attachments() == {one.name_for(b"", "png")}


def test_vcrpy_can_write_any_serializer_s_files_atomically(tmp_path: Path) -> None:
    from vcr.cassette import Cassette as VcrCassette

    path = tmp_path / "a.yaml"
    theirs = VcrCassette(path, persister=Persister, serializer=yamlserializer)
    theirs.append(
        sent_request("a"), {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": b"x"}}
    )
    theirs._save()
    assert len(VcrCassette.load(path=path, persister=Persister, serializer=yamlserializer)) == 1
    assert len(VcrCassette.load(path=tmp_path / "none.yaml", persister=Persister)) == 0


# Links, folders, full disks


def picture(path: Path, text: str) -> bool:
    import base64

    cassette = Cassette(path)
    cassette.record(sent_request(text), answer(text, image=base64.b64encode(text.encode() * 9000).decode()))
    return cassette.save()


def test_a_cassette_that_is_a_link_is_written_through(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "a.yaml", tmp_path / "b.yaml"
    real.parent.mkdir()
    link.symlink_to(real)
    for text in ("not yet there", "there"):
        picture(link, text)
        assert link.is_symlink()
        for path in (link, real):
            response = Cassette.load(path).play(sent_request(text))
            assert response is not None
            assert text.encode() in response.body
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["b.yaml"]
    assert len(list(real.parent.iterdir())) == 2


def test_a_cassette_whose_files_are_links_into_a_store_is_read(tmp_path: Path) -> None:
    made, store, linked = (tmp_path / name for name in ("made", "store", "linked"))
    picture(made / "a.yaml", "x")
    store.mkdir()
    linked.mkdir()
    for number, file in enumerate(sorted(made.iterdir())):
        (linked / file.name).symlink_to(file.rename(store / f"object-{number}"))
    assert Cassette.load(linked / "a.yaml").play(sent_request("x")) is not None


def test_a_relative_path_does_not_follow_a_change_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    cassette = Cassette(Path("a.yaml"))
    cassette.record(sent_request("x"), answer("x"))
    monkeypatch.chdir("other")
    cassette.save()
    assert (tmp_path / "a.yaml").exists()


def test_a_failed_write_leaves_no_new_binaries_and_all_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    picture(path, "old")
    before = sorted(file.name for file in tmp_path.iterdir())
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target == path:
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CassetteError, match="No space left on device"):
        picture(path, "new")
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    monkeypatch.undo()
    assert Cassette.load(path).play(sent_request("old")) is not None


def test_what_no_file_can_hold_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    save(path, "old")
    before = path.read_bytes()
    cassette = Cassette.load(path, record_mode="new_episodes")
    cassette.record(sent_request("new"), answer("new"))
    cassette.head.description = "half a pair: \ud83d"
    with pytest.raises(
        CassetteError, match=r"a\.yaml can't be saved: what follows .*half a pair: .* is half a surrogate"
    ):
        cassette.save()
    assert path.read_bytes() == before


def test_the_mask_of_new_files_is_never_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int) -> int:
        raise AssertionError("another thread would see it")

    monkeypatch.setattr(os, "umask", forbidden)
    save(tmp_path / "a.yaml", "x")


@pytest.mark.parametrize(
    "name", ["a\0.3f2a9c51b0d47e68.png", "\ud800.3f2a9c51b0d47e68.png", "..\\a.3f2a9c51b0d47e68.png", "", "a.png"]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CassetteBroken, match=r"a\.yaml: .* is not the name of a file beside it"):
        Shelf(tmp_path / "a.yaml").fetch(name)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is always text")
def test_a_cassette_whose_name_is_no_text_can_have_binaries(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.yaml")
    picture(path, "x")
    assert Cassette.load(path).play(sent_request("x")) is not None


def test_a_cassette_is_renamed_with_the_files_beside_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "further/new.yaml"
    cassette = Cassette(old)
    cassette.record(
        sent_request("picture"), Response(200, (("content-type", "image/png"),), (Chunk(bytes(range(256)) * 64),))
    )
    cassette.save()
    assert len(list(tmp_path.iterdir())) == 2
    Shelf(old).rename(new)
    assert [path.name for path in tmp_path.iterdir()] == ["further"]
    response = Cassette.load(new).play(sent_request("picture"))
    assert response is not None
    assert response.body == bytes(range(256)) * 64
    assert seal_of(new.read_bytes()) is not None
    save(old, "other")
    with pytest.raises(CassetteError, match=r"there is a cassette .*new\.yaml already"):
        Shelf(old).rename(new)
    assert old.exists()
