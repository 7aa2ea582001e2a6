from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maxim_gemini.testing._pytest import cassette_paths
from maxim_gemini.testing._pytest.cassette_paths import (
    LONGEST,
    CassettePath,
    clashing,
    file_name,
    inside,
    named_cassette,
)

HERE = Path("/suite/test_chat.py")


def test_a_test_has_its_recording_beside_it() -> None:
    assert cassette_paths.own_cassette(HERE, "test_hi", "cassettes") == CassettePath(
        Path("/suite/cassettes/test_chat/test_hi.yaml")
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("TestTools.test_weather[Berlin]", "TestTools.test_weather[Berlin]"),
        ("test_path[a/b]", "test_path[a-b]"),
        ("test_dos[C:\\x?]", "test_dos[C--x-]"),
        ("test_space[two words]", "test_space[two-words]"),
        ("test_up[../../etc/passwd]", "test_up[..-..-etc-passwd]"),
    ],
)
def test_names_are_made_safe_for_every_file_system(name: str, file: str) -> None:
    assert file_name(name) == file


def test_long_names_are_cut_with_a_hash_and_stay_apart() -> None:
    one, other = (file_name(f"test_long[{'x' * 300}{end}]") for end in "ab")
    assert one != other
    assert one.startswith("test_long[xxx")
    assert len(one.encode()) == LONGEST == len(other.encode())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_gives_one_file_in_the_folder(name: str) -> None:
    folder = Path("/suite/cassettes/test_chat")
    path = folder / f"test_{file_name(name)}.yaml"
    assert path.parent == folder
    assert ".." not in path.parts
    assert len(path.name.encode()) < 255


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "\\\\host\\x", "..", "", " ", "a//b", "a\0b"]
)
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a cassette name"):
        inside(name)


def test_a_name_may_have_a_folder_and_a_suffix() -> None:
    assert inside("chat") == Path("chat.yaml")
    assert inside("chat.yaml") == Path("chat.yaml")
    assert inside("gemini-2.5/chat.v1") == Path("gemini-2.5/chat.v1.yaml")


def test_a_named_recording_is_looked_for_beside_the_test_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = tmp_path / "bundled"
    monkeypatch.setattr(cassette_paths, "_bundled", lambda: bundled)
    test_file, found = tmp_path / "test_chat.py", []
    own = tmp_path / "cassettes/test_chat/chat.yaml"
    shared = tmp_path / "cassettes/chat.yaml"
    for path in (None, bundled / "chat.yaml", shared, own):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        found.append(named_cassette(test_file, "chat", "cassettes"))
    assert found == [
        CassettePath(own),
        CassettePath(bundled / "chat.yaml", bundled=True),
        CassettePath(shared),
        CassettePath(own),
    ]


def test_tests_clash_whose_files_would_be_the_same() -> None:
    names = [
        (HERE, "test_x[a/b]", "test_chat.py::test_x[a/b]"),
        (HERE, "test_x[a:b]", "test_chat.py::test_x[a:b]"),
        (HERE, "test_x[A/B]", "test_chat.py::test_x[A/B]"),
        (HERE, "test_y", "test_chat.py::test_y"),
        (Path("/suite/test_other.py"), "test_y", "test_other.py::test_y"),
    ]
    assert clashing(names) == {
        "test_chat.py::test_x[a/b]": "test_chat.py::test_x[a:b]",
        "test_chat.py::test_x[a:b]": "test_chat.py::test_x[a/b]",
        "test_chat.py::test_x[A/B]": "test_chat.py::test_x[a/b]",
    }
