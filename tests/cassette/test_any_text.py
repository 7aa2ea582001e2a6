"""Whatever text JSON can hold is recorded and replayed byte for byte, or refused with one error and the rest kept."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.traffic import ADDRESS, answer, sent_request
from vcr.request import Request

from maxim_gemini.testing._cassette import Cassette
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._http.exchange import Chunk, Response
from maxim_gemini.testing._http.wire import dump_event, dump_json
from maxim_gemini.testing.exceptions import CassetteError, SecretFound

if TYPE_CHECKING:
    from collections.abc import Callable

BACKSLASHES = [r"C:\users\bob", r"\usepackage{amsmath}", r"\u{1F600}", r"\u12", "\\", r"\\u0041", r"\u005cu0041" * 40]
words = st.text(st.characters(), max_size=12) | st.sampled_from([*BACKSLASHES, "\0", "\x85", "\u2028", "no", "1e3"])
strings = st.builds(lambda text, is_ascii: json.dumps(text, ensure_ascii=is_ascii), words, st.booleans())
escapes = st.sampled_from(
    [r'"\ud800"', r'"\udfff\ud800"', r'"\u0000"', r'"\/"', r'"\u003c"', r'"\b\f"', '"\\ud83d\\ude00"']
)
numbers = st.sampled_from(["-0", "1e400", "1E+2", "0.10", "NaN", "-Infinity", "9" * 30, "9" * 5000, "1." + "0" * 400])
scalars = strings | escapes | numbers | st.sampled_from(["true", "null"]) | st.integers().map(str)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(strings | escapes, inner), max_size=4).map(
            lambda pairs: f"{{{','.join(f'{key}: {value}' for key, value in pairs)}}}"
        ),
        st.tuples(inner, st.sampled_from([40, 60, 99, 101, 300, 1200])).map(
            lambda pair: "[" * pair[1] + pair[0] + "]" * pair[1]
        ),
    ),
    max_leaves=8,
)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "an event": lambda data: b"data: " + data.replace(b"\n", b"").replace(b"\r", b"") + b"\r\n\r\n",
    "a named event": lambda data: b"event: x\ndata: " + data.replace(b"\n", b"").replace(b"\r", b"") + b"\n\n",
}


def plain(data: bytes) -> Response:
    return Response(200, (), (Chunk(data, 0.1),), "OK")


def kept(*exchanges: tuple[Request, Response], **options: Any) -> tuple[list[tuple[bytes, bytes]], Exception | None]:
    """Return the bytes of what is in a file into which *exchanges* were recorded, and the error that was raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        cassette = Cassette(path, scrubber=Scrubber(**options))
        error: Exception | None = None
        for request, response in exchanges:
            try:
                cassette.record(request, response)
            except CassetteError as caught:
                error = caught
        try:
            cassette.save()
        except CassetteError as caught:
            error = caught
        if not path.exists():
            return [], error
        return [(i.request.body, i.response.body) for i in Cassette.load(path).interactions], error


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@given(documents, st.sampled_from(sorted(FORMS)))
@example("[" * 60 + "{}" + "]" * 60, "as it is")
@example(r'{"text": "C:\\users"}', "as it is")
@example('{"a": 1, "a": 2}', "an event")
@example("[" * 5000 + "]" * 5000, "as it is")
@example('{"": 1}', "a named event")
def test_any_json_comes_back_byte_for_byte(document: str, form: str) -> None:
    data = FORMS[form](document.encode(errors="surrogatepass"))
    good = (sent_request("good"), answer("good"))
    found, error = kept(good, (Request("POST", ADDRESS, data, {}), plain(data)), good)
    assert error is None
    assert found == [(good[0].body, good[1].body), (data, data), (good[0].body, good[1].body)]


@given(words, st.sampled_from([dump_json, dump_event]))
def test_any_text_of_a_value_comes_back(text: str, dump: Callable[[Any], bytes]) -> None:
    text = text.encode(errors="replace").decode()
    found, error = kept((sent_request(text), plain(dump({"text": text}))))
    assert (found, error) == ([(sent_request(text).body, dump({"text": text}))], None)


class Blind(Scrubber):
    """Takes nothing out, and finds what it knows."""

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        return request, response


def test_an_answer_with_a_secret_takes_no_other_with_it(tmp_path: Path) -> None:
    scrubber = Blind({"hunter2-hunter2": "a password"})
    cassette = Cassette(tmp_path / "a.yaml", scrubber=scrubber)
    for text in ("one", "two hunter2-hunter2", "three"):
        cassette.record(sent_request(text), answer(text))
    with pytest.raises(
        SecretFound, match=r"a\.yaml was saved without 1 of its interactions, .*\n  a password in interaction 2"
    ):
        cassette.save()
    assert not cassette.save(), "what was left out is not saved later"
    found = Cassette.load(tmp_path / "a.yaml").interactions
    assert [i.response.body for i in found] == [answer("one").body, answer("three").body]


def test_what_the_file_held_stays_where_its_successor_has_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    first = Cassette(path)
    first.record(sent_request("a"), answer("old"))
    first.record(sent_request("b"), answer("old"))
    first.save()
    again = Cassette(path, scrubber=Blind({"hunter2-hunter2": "a password"}))
    again.record(sent_request("a"), answer("hunter2-hunter2"))
    again.record(sent_request("b"), answer("new"))
    with pytest.raises(SecretFound, match="without 1 of its"):
        again.save()
    assert [i.response.body for i in Cassette.load(path).interactions] == [answer("old").body, answer("new").body]


@pytest.mark.parametrize("place", ["header", "reason", "address"])
def test_what_no_file_can_hold_takes_no_other_with_it(place: str) -> None:
    odd = "\ud800x"
    request = Request("POST", f"{ADDRESS}/{odd}" if place == "address" else ADDRESS, b"{}", {})
    response = Response(200, (("x-odd", odd),) if place == "header" else (), (), odd if place == "reason" else "")
    found, error = kept((sent_request("a"), answer("a")), (request, response), (sent_request("b"), answer("b")))
    assert [body for _, body in found] == [answer("a").body, answer("b").body]
    assert "interaction 2 can't be" in str(error)
    assert str(error).count("a.yaml") == 1


def test_a_picture_with_a_secret_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import base64

    path = tmp_path / "a.yaml"
    first = Cassette(path)
    first.record(sent_request("a"), answer("old"))
    first.save()
    written: list[str] = []
    replace = Path.replace

    def noted(self: Path, to: Path) -> Path:
        written.append(Path(to).name)
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", noted)
    again = Cassette(path, scrubber=Blind({"hunter2-hunter2": "a password"}))
    picture = base64.b64encode(bytes(9000)).decode()
    again.record(sent_request("a"), answer("hunter2-hunter2", image=picture))
    again.record(sent_request("b"), answer("new"))
    with pytest.raises(SecretFound, match="without 1 of its"):
        again.save()
    assert written == ["a.yaml"]
