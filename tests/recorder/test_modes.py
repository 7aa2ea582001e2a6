"""The record modes: what is sent, what is kept, what is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.gemini import plain
from support.loopback import Loopback, ReceivedRequest, Reply, loopback
from support.recordings import call, cassette, fails, says

from maxim_gemini.testing._cassette.interaction import Interaction
from maxim_gemini.testing._cassette.scrubbing import Scrubber
from maxim_gemini.testing._recorder.recorder import GeminiRecorder
from maxim_gemini.testing.exceptions import (
    CassetteDrift,
    CassetteError,
    CassetteMiss,
    CassetteNotFound,
    CassetteUnused,
    SecretFound,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vcr.request import Request

    from maxim_gemini.testing._http.exchange import Response


@pytest.fixture
def server() -> Iterator[Loopback]:
    count = iter(range(1, 99))

    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain(f"live {next(count)}"))

    with loopback(serve) as running:
        yield running


def ask(recorder: GeminiRecorder, prompt: str = "Hi") -> str | None:
    return recorder.bare_client.models.generate_content(model="gemini-2.5-flash", contents=prompt).text


def prompts(recorder: GeminiRecorder) -> list[str]:
    return [str(i.response.body).partition('"text": "')[2].partition('"')[0] for i in recorder.cassette.interactions]


def one(tmp_path: Path) -> Path:
    return cassette(tmp_path / "one.yaml", (call("Hi"), says("recorded")))


def test_none_never_sends(tmp_path: Path, server: Loopback) -> None:
    recorder = GeminiRecorder(one(tmp_path), base_url=server.url)
    with pytest.raises(CassetteMiss), recorder:
        ask(recorder, "unknown")
    assert server.requests == []


def test_none_without_a_file_says_how_to_record_it(tmp_path: Path) -> None:
    recorder = GeminiRecorder(tmp_path / "no.yaml", advice="To record it: pytest --maxim-gemini-record=once")
    with pytest.raises(CassetteNotFound) as caught, recorder:
        pass
    assert "no.yaml" in str(caught.value)
    assert caught.value.__notes__ == ["To record it: pytest --maxim-gemini-record=once"]


def test_once_records_where_there_is_no_file_and_then_replays(tmp_path: Path, server: Loopback) -> None:
    path = tmp_path / "new" / "once.yaml"
    for outcome in ((0, 2, 2, 0, 0), (2, 0, 0, 0, 0)):
        with GeminiRecorder(path, record="once", base_url=server.url) as recorder:
            assert [ask(recorder), ask(recorder)] == ["live 1", "live 2"]
        assert recorder.outcome == outcome
    assert len(server.requests) == 2


def test_once_with_a_file_does_not_record(tmp_path: Path, server: Loopback) -> None:
    with pytest.raises(CassetteMiss), GeminiRecorder(one(tmp_path), record="once", base_url=server.url) as recorder:
        ask(recorder, "unknown")
    assert server.requests == []


def test_new_episodes_records_what_is_not_there(tmp_path: Path, server: Loopback) -> None:
    path = one(tmp_path)
    with GeminiRecorder(path, record="new_episodes", base_url=server.url) as recorder:
        assert [ask(recorder, "new"), ask(recorder), ask(recorder, "new")] == ["live 1", "recorded", "live 2"]
    assert recorder.outcome == (1, 2, 2, 0, 0)
    with GeminiRecorder(path) as recorder:
        assert [ask(recorder, "new"), ask(recorder), ask(recorder, "new")] == ["live 1", "recorded", "live 2"]


def test_new_episodes_replays_without_credentials(tmp_path: Path) -> None:
    with GeminiRecorder(one(tmp_path), record="new_episodes") as recorder:
        assert ask(recorder) == "recorded"


def test_all_sends_everything_and_keeps_what_was_not_requested(tmp_path: Path, server: Loopback) -> None:
    path = cassette(tmp_path / "two.yaml", (call("Hi"), says("recorded")), (call("Bye"), says("kept")))
    with GeminiRecorder(path, record="all", base_url=server.url) as recorder:
        assert ask(recorder) == "live 1"
    assert recorder.outcome == (0, 1, 1, 0, 0)
    with GeminiRecorder(path, strict=True) as recorder:
        assert [ask(recorder), ask(recorder, "Bye")] == ["live 1", "kept"]


def test_rewrite_begins_anew(tmp_path: Path, server: Loopback) -> None:
    path = one(tmp_path)
    with GeminiRecorder(path, record="rewrite", base_url=server.url) as recorder:
        assert ask(recorder, "other") == "live 1"
    with GeminiRecorder(path) as recorder:
        assert ask(recorder, "other") == "live 1"
        assert len(recorder.cassette.interactions) == 1


def test_rewrite_of_nothing_at_all_keeps_the_old_file(tmp_path: Path, server: Loopback) -> None:
    path = one(tmp_path)
    before = path.read_bytes()
    with GeminiRecorder(path, record="rewrite", base_url=server.url):
        pass
    assert path.read_bytes() == before


def test_verify_passes_where_only_the_words_differ(tmp_path: Path, server: Loopback) -> None:
    path = one(tmp_path)
    before = path.read_bytes()
    with GeminiRecorder(path, record="verify", base_url=server.url) as recorder:
        assert ask(recorder) == "live 1"
    assert (recorder.outcome, recorder.drifts) == ((0, 0, 1, 0, 0), [])
    assert path.read_bytes() == before


def test_verify_fails_where_the_shape_has_drifted(tmp_path: Path, server: Loopback) -> None:
    path = cassette(tmp_path / "old.yaml", (call("Hi"), fails(429, "RESOURCE_EXHAUSTED")))
    with pytest.raises(CassetteDrift, match=r"generateContent: status: recorded 429 != live 200"):
        _verify(path, server)


def test_verify_fails_on_what_is_not_recorded(tmp_path: Path, server: Loopback) -> None:
    path = cassette(tmp_path / "old.yaml", (call("Other"), says("x")))
    with pytest.raises(CassetteMiss):
        _verify(path, server)


def _verify(path: Path, server: Loopback) -> None:
    with GeminiRecorder(path, record="verify", base_url=server.url) as recorder:
        ask(recorder)


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"record must be one of none, once, .*, verify, got 'twice'"):
        GeminiRecorder(tmp_path / "x.yaml", record="twice")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_what_fails_is_not_saved(tmp_path: Path, server: Loopback, mode: Any) -> None:
    path = tmp_path / "never.yaml" if mode == "once" else one(tmp_path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(ZeroDivisionError), GeminiRecorder(path, record=mode, base_url=server.url) as recorder:
        raise ZeroDivisionError(ask(recorder, "unknown"))
    with GeminiRecorder(path, record=mode, base_url=server.url) as recorder:
        ask(recorder, "unknown")
        recorder.discard()
    assert (path.read_bytes() if path.exists() else None) == before


_UNUSED = r"""two\.yaml has 1 answer that no request used:
  number 2: POST /models/gemini-2\.5-flash:generateContent 'Unused'

Record it again with record='rewrite', or leave out strict"""


def test_what_was_not_requested_is_reported_and_strict_makes_it_an_error(tmp_path: Path) -> None:
    path = cassette(tmp_path / "two.yaml", (call("Hi"), says("a")), (call("Unused"), says("b")))
    with GeminiRecorder(path) as recorder:
        ask(recorder)
    assert recorder.outcome == (1, 0, 0, 1, 0)
    assert [i.response.body for i in recorder.unused if isinstance(i, Interaction)] == [plain("b")]
    with pytest.raises(CassetteUnused, match=_UNUSED):
        _strict(path)


def _strict(path: Path) -> None:
    with GeminiRecorder(path, strict=True) as recorder:
        ask(recorder)


def test_recorded_files_say_where_they_come_from(tmp_path: Path, server: Loopback) -> None:
    with GeminiRecorder(tmp_path / "head.yaml", record="once", base_url=server.url, description="Says hi.") as recorder:
        ask(recorder)
    head = recorder.cassette.head
    assert (head.source, head.description) == ("loopback", "Says hi.")
    assert head.sdk.startswith("google-genai ")
    assert head.recorded_at


def test_the_file_is_that_of_the_folder_where_the_recorder_was_made(
    tmp_path: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    recorder = GeminiRecorder("cassettes/a.yaml", record="once", base_url=server.url)
    monkeypatch.chdir("other")
    with recorder:
        assert ask(recorder) == "live 1"
        monkeypatch.chdir(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml")] == ["cassettes/a.yaml"]
    assert "'cassettes/a.yaml'" in repr(recorder)


def test_an_answer_that_cannot_be_kept_takes_no_other_with_it(tmp_path: Path) -> None:
    class Blind(Scrubber):
        """Takes nothing out, and finds what it knows."""

        def exchange(self, request: Any, response: Any) -> Any:
            return request, response

    texts = iter(["one", "hunter2-hunter2", "three"])

    def serve(asked: ReceivedRequest, reply: Reply) -> None:
        reply.whole(plain(next(texts)))

    path = tmp_path / "a.yaml"
    with loopback(serve) as running:
        options = {"scrubber": Blind({"hunter2-hunter2": "a password"})}
        recorder = GeminiRecorder(path, record="once", base_url=running.url, cassette_options=options)
        with pytest.raises(SecretFound, match="saved without 1 of its interactions"), recorder:
            assert [ask(recorder, prompt) for prompt in ("a", "b", "c")] == ["one", "hunter2-hunter2", "three"]
    with GeminiRecorder(path, base_url=running.url) as again:
        assert [ask(again, prompt) for prompt in ("a", "c")] == ["one", "three"]


class Failing(Scrubber):
    """A scrubber of a user's own with a fault in it."""

    def exchange(self, request: Request, response: Response) -> tuple[Request, Response]:
        if b"odd" in request.body:
            raise LookupError("odd")
        return super().exchange(request, response)


def test_answers_that_can_t_be_kept_are_named_and_the_others_are_kept(tmp_path: Path, server: Loopback) -> None:
    recorder = GeminiRecorder(
        tmp_path / "a.yaml", record="once", base_url=server.url, cassette_options={"scrubber": Failing()}
    )

    def record() -> None:
        with recorder:
            for prompt in ("even", "odd", "odd again", "even again"):
                ask(recorder, prompt)

    with pytest.raises(CassetteError, match=r"interaction 2 can't be kept: LookupError") as caught:
        record()
    assert [note for note in caught.value.__notes__ if "can't be kept" in note]
    assert recorder.discarded
    assert recorder.outcome.recorded == 2
    with GeminiRecorder(tmp_path / "a.yaml", strict=True) as again:
        assert [ask(again, prompt) for prompt in ("even", "even again")] == ["live 1", "live 4"]


def test_without_credentials_nothing_is_sent_to_gemini(tmp_path: Path) -> None:
    def swallow() -> None:
        with GeminiRecorder(one(tmp_path), record="new_episodes") as recorder:
            with pytest.raises(CassetteError, match="needs credentials"):
                ask(recorder, "new")
            assert recorder.outcome.live == 0

    with pytest.raises(CassetteError, match="needs credentials: set GEMINI_API_KEY"):
        swallow()


async def test_without_credentials_no_live_session_is_opened_with_gemini(tmp_path: Path) -> None:
    async def swallow() -> None:
        async with GeminiRecorder(one(tmp_path), record="new_episodes") as recorder:
            with pytest.raises(CassetteError, match="needs credentials"):
                async with recorder.bare_client.aio.live.connect(model="gemini-live-2.5-flash-preview"):
                    pytest.fail("there is a session")
            assert recorder.outcome.live == 0

    with pytest.raises(CassetteError, match="needs credentials: set GEMINI_API_KEY"):
        await swallow()
