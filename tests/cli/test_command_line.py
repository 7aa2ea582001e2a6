"""The command line in this process: what it prints and its exit codes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from support.sample_traces import sample

from maxim_gemini.testing import GeminiRecorder, GeminiServer, cassettes, reply
from maxim_gemini.testing import _report as report
from maxim_gemini.testing.__main__ import main
from maxim_gemini.testing._cli import demo
from maxim_gemini.testing._cli import record as recording
from maxim_gemini.testing._cli.app import run
from maxim_gemini.testing._replies.flows import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maxim_gemini import MaximGeminiClient

Run = Any


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A project's folder with two cassettes and a YAML file that is none."""
    folder = tmp_path / "tests" / "cassettes"
    folder.mkdir(parents=True)
    for name in ("text", "chat_stream"):
        shutil.copy(cassettes.path(name), folder)
    (tmp_path / "tests" / "compose.yaml").write_text("services: {}\n")
    return tmp_path / "tests"


def planted(folder: Path, text: str) -> Path:
    path = folder / "cassettes" / "text.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Paris.", text), encoding="utf-8")
    return path


# ---- help, versions, errors


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("demo",),
        ("serve",),
        ("report",),
        *(("cassettes", name) for name in ("list", "show", "check", "diff", "scrub", "record")),
    ],
)
def test_help_teaches_by_examples(cli: Run, command: tuple[str, ...]) -> None:
    code, out, err = cli(*command, "--help")
    assert (code, err) == (0, "")
    assert "\\[default" not in out  # typer escapes defaults for a formatter that a pipe does not get
    assert re.search(r"Examples:\n +\S*.*maxim-gemini " + " ".join(command), out)


def test_every_example_in_the_help_is_a_command_that_is_there(cli: Run) -> None:
    for command in (("demo",), ("serve",), ("report",), *(("cassettes", name) for name in ("list", "show", "check"))):
        examples = cli(*command, "--help")[1].partition("Examples:")[2]
        for options in re.findall(r"maxim-gemini ((?:[a-z]+ )*)", examples):
            assert cli(*options.split()[: len(command)], "--help")[0] == 0


def test_it_says_its_versions(cli: Run) -> None:
    code, out, _ = cli("--version")
    assert code == 0
    assert re.fullmatch(r"maxim-gemini \S+ \(google-genai \S+, maxim-py \S+, Python \S+\)\n", out)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nope",), 2, "No such command 'nope'"),
        (("demo", "--nope"), 2, "No such option"),
        (("serve", "--port", "99999"), 2, "Invalid value for '--port'"),
        (
            ("cassettes", "show", "chat_steam"),
            1,
            "no bundled cassette is called 'chat_steam': did you mean chat_stream",
        ),
        (("cassettes", "show", "no/such.yaml"), 1, "there is no cassette no/such.yaml"),
        (("cassettes", "list", "no/such"), 1, "there is no file or folder no/such"),
        (
            ("cassettes", "check", "--max-age", "soon"),
            1,
            "--max-age: 'soon' is not an age; write a number and a ",
        ),
        (("cassettes", "record", "nope"), 1, "there is no flow 'nope'; choose from "),
        (("report", "no.json"), 1, "no.json: can't be read: No such file"),
        (("serve", "--script", "no.py"), 1, "no.py"),
        (("serve", "--cassette", "nope"), 1, "no bundled cassette is called 'nope'"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_it_is(cli: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    found, out, err = cli(*arguments)
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err


def test_a_script_without_a_list_of_replies_is_a_mistake(cli: Run, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("replies = 'hi'\n")
    code, _, err = cli("serve", "--script", script)
    assert (code, "expected a list, `replies = [reply.text(...), ...]`" in err) == (1, True)


@pytest.mark.parametrize("command", [("demo",), ("cassettes", "record")])
def test_live_without_a_key_says_which_key(cli: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = cli(*command, "--live")
    assert (code, "set GEMINI_API_KEY" in err) == (1, True)


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "maxim_gemini.testing._cli.app")
    assert main() == 2
    assert 'pip install "maxim-gemini[testing]"' in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_too(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maxim_gemini.testing._cli.demo.run_demo", lambda **_: 1 / 0)
    assert cli("demo") == (
        1, "", "maxim-gemini: ZeroDivisionError: division by zero (MAXIM_GEMINI_DEBUG=1 shows where)\n",
    )  # fmt: skip
    monkeypatch.setenv("MAXIM_GEMINI_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli("demo")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cassette", "text", "--text", "hi"), "--cassette and --text can't be used together"),
        (("--cassette", "text", "--script", "x.py"), "--cassette and --script can't be used together"),
        (("--script", "x.py", "--text", ""), "--script and --text can't be used together"),
        (("--pace", "recorded"), "--pace recorded needs a --cassette"),
        (("--text", "hi", "--pace", "instant"), "--pace instant needs a --cassette"),
    ],
)
def test_serve_refuses_options_that_exclude_each_other(cli: Run, options: tuple[str, ...], message: str) -> None:
    code, out, err = cli("serve", "--port", "0", *options)
    assert (code, out) == (1, "")
    [line] = err.splitlines()
    assert message in line


# ---- demo


def test_the_demo_shows_the_answer_and_its_trace(cli: Run) -> None:
    code, out, _ = cli("demo")
    assert code == 0
    assert "Gemini  A light jacket will do: it is 21 °C and clear in Kyiv, with a little wind.\n" in out
    for expected in ("Session Chat session", "Trace Chat turn", "Tool call get_weather", '{"city": "Kyiv"}', "tokens"):
        assert expected in out
    assert out.count("Generation") == 2


def test_the_demo_as_json_is_the_trace_and_nothing_else(cli: Run) -> None:
    code, out, err = cli("demo", "--json")
    assert (code, err) == (0, "")
    [session] = json.loads(out)["sessions"]
    assert session["children"][0]["output"].startswith("A light jacket")


# ---- cassettes


def test_the_list_says_where_each_came_from(cli: Run) -> None:
    code, out, _ = cli("cassettes", "list")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [row[0] for row in rows] == cassettes.names()
    assert {row[1] for row in rows} <= {"loopback", "live"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row[2]) and row[5] for row in rows)


def test_the_list_as_json(cli: Run) -> None:
    rows = json.loads(cli("cassettes", "list", "--json")[1])
    row = next(row for row in rows if row["name"] == "chat_stream")
    assert (row["interactions"], row["path"]) == (2, str(cassettes.path("chat_stream")))


def test_the_list_of_a_folder_has_its_cassettes_only(cli: Run, copies: Path) -> None:
    out = cli("cassettes", "list", copies)[1]
    assert [Path(line.split("\t")[0]).name for line in out.splitlines()] == ["chat_stream.yaml", "text.yaml"]


def test_a_list_with_a_broken_file_names_it_and_fails(cli: Run, copies: Path) -> None:
    (copies / "cassettes" / "text.yaml").write_text("version: 1\ninteractions:\n<<<<<<< HEAD\n- request: {}\n")
    code, out, err = cli("cassettes", "list", copies)
    assert (code, len(out.splitlines())) == (1, 1)
    assert "text.yaml" in err


def test_show_prints_what_was_requested_and_answered(cli: Run) -> None:
    code, out, _ = cli("cassettes", "show", "chat_stream")
    assert code == 0
    assert "recorded from loopback, on 20" in out
    assert "1  POST gemini-2.5-flash:streamGenerateContent  200, 3 events" in out
    assert [line.strip() for line in out.splitlines() if "model  " in line] == [
        "model  Nice to meet you, Ada.",
        "model  Nice to meet you, Ada.",
        "model  Your name is Ada.",
    ]


@pytest.mark.skipif(genai.__version__.split(".")[0] != "3", reason="google-genai had other interactions before")
def test_show_prints_the_steps_of_a_streamed_interaction(cli: Run, tmp_path: Path) -> None:
    path = tmp_path / "streamed.yaml"
    with (
        GeminiServer(reply.function_call("weather", city="Paris") + reply.text("Sunny.")) as server,
        GeminiRecorder(path, record="once", base_url=server.url) as recorder,
    ):
        list(recorder.client.interactions.create(model="gemini-3-flash-preview", input="Weather?", stream=True))
    lines = [line.split(maxsplit=1) for line in cli("cassettes", "show", path)[1].splitlines()]
    assert lines[-4:] == [
        ["user", "Weather?"],
        ["model", 'weather(city="Paris")'],
        ["model", "Sunny."],
        ["ended", "requires_action"],
    ]


@pytest.mark.parametrize("name", cassettes.names())
def test_show_can_print_every_bundled_cassette(cli: Run, name: str) -> None:
    for options in ((), ("--full",), ("--json",)):
        code, out, err = cli("cassettes", "show", name, *options)
        assert (code, err) == (0, "")
        assert "https://generativelanguage" not in out  # a loopback recording never looks live
    shown = json.loads(out)
    assert shown["source"] == "loopback"
    assert len(shown["interactions"]) + len(shown.get("websockets", ())) >= 1


def test_check_passes_what_came_along(cli: Run) -> None:
    assert cli("cassettes", "check") == (0, "", f"{len(cassettes.names())} cassettes checked, 0 with problems\n")


def test_check_finds_a_planted_key_and_does_not_say_it(cli: Run, copies: Path) -> None:
    key = "AIza" + "Sy0123456789abcdefghijklmnopqrstu-_"
    planted(copies, f"The key is {key}.")
    code, out, err = cli("cassettes", "check", copies)
    assert code == 1
    assert "text.yaml: a Google API key in interaction 1, response" in out
    assert key not in out + err


def test_check_finds_a_broken_file_and_its_line(cli: Run, copies: Path) -> None:
    path = copies / "cassettes" / "text.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("  response:", "<<<<<<< HEAD\n  response:"), encoding="utf-8"
    )
    code, out, _ = cli("cassettes", "check", "--json", copies)
    [problem] = json.loads(out)["problems"][str(path)]
    assert code == 1
    assert re.search(r"line \d+|:\d+", problem)


def test_check_finds_what_is_too_old(cli: Run, copies: Path) -> None:
    path = copies / "cassettes" / "text.yaml"
    path.write_text(
        re.sub(r'recorded_at: "\d{4}', 'recorded_at: "2020', path.read_text(encoding="utf-8")), encoding="utf-8"
    )
    assert cli("cassettes", "check", copies)[0] == 0
    code, out, _ = cli("cassettes", "check", copies, "--max-age", "90d")
    assert (code, len(out.splitlines())) == (1, 1)
    assert re.search(r"text.yaml: recorded \d+ days ago: record it again", out)


def test_scrub_takes_a_planted_key_out(cli: Run, copies: Path) -> None:
    path = planted(copies, "The key is AIza" + "Sy0123456789abcdefghijklmnopqrstu-_.")
    before = path.read_bytes()
    assert cli("cassettes", "scrub", copies, "--dry-run")[0] == 1
    assert path.read_bytes() == before
    code, out, err = cli("cassettes", "scrub", copies)
    assert (code, out, err) == (0, f"{path}: scrubbed\n", "1 scrubbed, 1 unchanged\n")
    assert "The key is REDACTED" in path.read_text(encoding="utf-8")
    assert cli("cassettes", "check", copies)[0] == 0
    assert cli("cassettes", "scrub", copies, "--dry-run")[0] == 0


def test_scrub_shows_json(cli: Run, copies: Path) -> None:
    path = planted(copies, "The key is AIza" + "Sy0123456789abcdefghijklmnopqrstu-_.")
    states = json.loads(cli("cassettes", "scrub", copies, "--json")[1])
    assert states[str(path)] == "scrubbed"
    assert sorted(states.values()) == ["scrubbed", "unchanged"]


def test_scrub_leaves_what_came_along_as_it_is(cli: Run) -> None:
    code, out, err = cli("cassettes", "scrub", "--dry-run", cassettes.FOLDER)
    assert (code, out, err) == (0, "", f"{len(cassettes.names())} unchanged\n")


@pytest.mark.skipif(genai.__version__.split(".")[0] != "3", reason="the bundled recordings are google-genai 3's")
def test_recording_again_gives_no_diff(cli: Run, tmp_path: Path) -> None:
    for name in cassettes.names():
        shutil.copy(cassettes.path(name), tmp_path)
    code, out, _ = cli("cassettes", "record", "--folder", tmp_path, "--json")
    assert code == 0
    assert json.loads(out) == dict.fromkeys(json.loads(out), "unchanged")
    assert len(json.loads(out)) == len(cassettes.names())
    for name in cassettes.names():
        assert (tmp_path / f"{name}.yaml").read_bytes() == cassettes.path(name).read_bytes()


def test_recording_anew_says_where_it_came_from(cli: Run, tmp_path: Path) -> None:
    code, out, err = cli("cassettes", "record", "text", "--folder", tmp_path)
    assert (code, out, err) == (0, "text: recorded\n", f"{tmp_path}: 1 recorded\n")
    text = (tmp_path / "text.yaml").read_text(encoding="utf-8")
    assert "recorded_from: loopback" in text
    assert "http://127.0.0.1/v1" in text


@pytest.fixture
def gemini_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiServer]:
    """A loopback server where the environment says that Gemini is."""
    with GeminiServer(strict=False) as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        monkeypatch.setenv("GEMINI_API_KEY", "a-key-that-nobody-may-see")
        for name in ("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
            monkeypatch.delenv(name, raising=False)
        yield server


def test_a_recording_is_called_live_only_where_it_is(
    cli: Run, tmp_path: Path, gemini_of_the_environment: GeminiServer
) -> None:
    gemini_of_the_environment.always(reply.text("Paris."))
    names = ("text", "stream", "server_error", "vertex_text")
    code, out, _ = cli("cassettes", "record", *names, "--live", "--folder", tmp_path, "--json")
    states = json.loads(out)
    assert code == 0
    assert [states[name].partition(":")[0] for name in names] == ["recorded", "recorded", "skipped", "skipped"]
    for name in ("text", "stream"):
        text = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8")
        assert "recorded_from: loopback" in text
        assert "a-key-that-nobody-may-see" not in text


def test_the_demo_can_be_live(cli: Run, gemini_of_the_environment: GeminiServer) -> None:
    gemini_of_the_environment.always(reply.text("A coat."))
    code, out, _ = cli("demo", "--live", "--model", "gemini-9")
    assert code == 0
    assert "Demo  gemini-9, live" in out
    assert "Gemini  A coat." in out
    assert gemini_of_the_environment.requests[0].model == "gemini-9"


def test_a_demo_that_gets_no_answer_is_one_line(cli: Run, gemini_of_the_environment: GeminiServer) -> None:
    gemini_of_the_environment.always(reply.error(403))
    code, _, err = cli("demo", "--live")
    assert code == 1
    assert err.startswith("maxim-gemini: Gemini did not answer: 403 PERMISSION_DENIED")


def test_a_demo_without_a_client_is_one_line(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("Project or API key must be set")

    monkeypatch.setenv("GEMINI_API_KEY", "any")
    monkeypatch.setattr(genai, "Client", refuse)
    code, _, err = cli("demo", "--live")
    assert (code, err.splitlines()) == (1, ["maxim-gemini: Gemini did not answer: Project or API key must be set"])


@pytest.mark.parametrize("said", [reply.text("A coat."), reply.error(403)], ids=["answered", "failed"])
def test_a_live_demo_leaves_no_client_open(
    cli: Run, gemini_of_the_environment: GeminiServer, monkeypatch: pytest.MonkeyPatch, said: reply.Reply
) -> None:
    def conversation(client: MaximGeminiClient, **given: Any) -> Iterator[str]:
        clients.append(client)
        return converse(client, **given)

    clients: list[MaximGeminiClient] = []
    converse = demo.conversation
    monkeypatch.setattr(demo, "conversation", conversation)
    gemini_of_the_environment.always(said)
    cli("demo", "--live")
    with pytest.raises(RuntimeError, match="has been closed"):
        clients[0].models.generate_content(model="gemini-2.5-flash", contents="Hi")


def test_a_flow_that_fails_is_named_and_its_file_kept(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "text.yaml").mkdir()
    code, out, _ = cli("cassettes", "record", "text", "stream", "--folder", tmp_path)
    assert code == 1
    assert "text: failed: " in out
    assert "stream: recorded" in out


def test_a_flow_that_fails_leaves_no_client_open(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(client: genai.Client) -> list[str]:
        clients.append(client)
        client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        raise RuntimeError("lost the thread")

    clients: list[genai.Client] = []
    flow = Flow("broken", "A flow that fails after its first answer.", (reply.text("ok"),), fail)
    monkeypatch.setattr(recording, "flows", lambda: {"broken": flow})
    code, out, _ = cli("cassettes", "record", "broken", "--folder", tmp_path)
    assert (code, "broken: failed: RuntimeError: lost the thread" in out) == (1, True)
    with pytest.raises(RuntimeError, match="has been closed"):
        clients[0].models.generate_content(model="gemini-2.5-flash", contents="Hi")


# ---- report


def test_report_makes_a_page_of_several_files(cli: Run, tmp_path: Path) -> None:
    tests = sample()
    report.write(tmp_path / "a.json", tests[:2])
    report.write(tmp_path / "b.json", tests[2:])
    code, out, err = cli("report", tmp_path / "a.json", tmp_path / "b.json")
    page = tmp_path / "a.html"
    said = "5 tests, 4 traces, 5 generations, 2 failed, 1 incomplete"
    assert (code, out, err) == (0, f"{page}: {said}\n", "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_as_json_has_the_counts(cli: Run, tmp_path: Path) -> None:
    report.write(tmp_path / "a.json", sample())
    code, out, _ = cli("report", tmp_path / "a.json", "-o", tmp_path / "x.html", "--json")
    assert code == 0
    assert json.loads(out)["page"] == str(tmp_path / "x.html")
    assert json.loads(out)["failed"] == 2


def test_a_page_that_can_not_be_written_is_one_line(cli: Run, tmp_path: Path) -> None:
    report.write(tmp_path / "a.json", [])
    (tmp_path / "x.html").mkdir()
    code, _, err = cli("report", tmp_path / "a.json", "-o", tmp_path / "x.html")
    assert (code, "x.html: the report can't be written: " in err, len(err.splitlines())) == (1, True, 1)
