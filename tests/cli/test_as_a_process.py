"""The command line as a user runs it: another process, with a pipe or a terminal."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pty
import re
import signal
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google import genai
from google.genai import types
from google.genai.errors import APIError
from support.clients import SDK_MAJOR
from support.live_clients import LIVE_MODEL, texts, turn

from maxim_gemini.testing._http import sdk
from maxim_gemini.testing._http.routing import plainly_served
from maxim_gemini.testing._http.sdk import close, closing

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "maxim_gemini.testing")
ESCAPE = "\x1b["


def ran(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**clean(), **environment},
        timeout=60,
    )


def clean() -> dict[str, str]:
    drop = {
        "NO_COLOR",
        "FORCE_COLOR",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GITHUB_ACTIONS",
        "PYTHONUNBUFFERED",
    }
    return {name: value for name, value in os.environ.items() if name not in drop} | {"PYTHONUTF8": "1"}


def on_a_terminal(*arguments: str, command: tuple[str, ...] = COMMAND, **environment: str) -> str:
    """Return what the command prints on a terminal of 100 columns."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, True)
    settings = {**clean(), "COLUMNS": "100", "TERM": "xterm-256color", **environment}
    with subprocess.Popen(
        [*command, *arguments], stdout=follower, stderr=follower, stdin=follower, env=settings
    ) as process:
        os.close(follower)
        printed = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not piece:
                break
            printed += piece
    os.close(leader)
    assert process.returncode == 0, printed.decode()
    return printed.decode()


# Any connection or name look-up ends the process; at the end it says what processor time it used.
GUARD = """
import atexit, os, resource, socket
def refuse(*_, **__): os.write(2, b"NETWORK"); os._exit(9)
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    os.write(2, f"SPENT {used.ru_utime + used.ru_stime}".encode())
atexit.register(spent)
"""


@pytest.fixture(scope="module")
def piped_demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(GUARD)
    return ran("demo", PYTHONPATH=str(folder))


def test_the_demo_is_plain_in_a_pipe(piped_demo: subprocess.CompletedProcess[str]) -> None:
    assert piped_demo.returncode == 0
    assert ESCAPE not in piped_demo.stdout + piped_demo.stderr
    assert "it is 21 °C and clear in Kyiv" in piped_demo.stdout


def test_the_demo_needs_no_network_and_no_key(piped_demo: subprocess.CompletedProcess[str]) -> None:
    assert "NETWORK" not in piped_demo.stderr


def test_the_demo_is_quick(piped_demo: subprocess.CompletedProcess[str]) -> None:
    # Processor time, because other work on the machine makes the clock meaningless; twice what an idle one may take.
    assert float(piped_demo.stderr.rpartition("SPENT ")[2]) < 4


LOOKS = {"colour": {}, "no colour": {"NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}}
EVERY_LOOK = """
import os, sys
from unittest import mock
from maxim_gemini.testing._cli import console
from maxim_gemini.testing._cli.app import run

for look in eval(sys.argv[1]):
    for columns in eval(sys.argv[2]):
        console.out.cache_clear()
        console.err.cache_clear()
        with mock.patch.dict(os.environ, {"COLUMNS": str(columns), **look}):
            for command in (["demo"], ["cassettes", "list"]):
                assert run(command) == 0
                print(end="\\f", flush=True)
"""
WIDTHS = (40, 60, 80, 120)


@pytest.fixture(scope="module")
def terminals() -> dict[tuple[str, int, str], str]:
    """What commands print on terminals of every kind and width: in one process, whose start takes longer."""
    command = (sys.executable, "-c", EVERY_LOOK)
    shown = on_a_terminal(repr([*LOOKS.values()]), repr(WIDTHS), command=command).split("\f")
    return dict(zip(itertools.product(LOOKS, WIDTHS, ("demo", "list")), shown, strict=False))


def lines_of(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("look", LOOKS)
def test_the_demo_fits_the_terminal(terminals: dict[tuple[str, int, str], str], columns: int, look: str) -> None:
    shown = terminals[look, columns, "demo"]
    assert ((ESCAPE + "1;36m") in shown) == (look == "colour")
    assert max(map(len, lines_of(shown))) <= columns
    text = " ".join(" ".join(lines_of(shown)).split())
    for part in (
        "What should I wear for a walk in Kyiv this afternoon?",
        "A light jacket will do: it is 21 °C and clear in Kyiv, with a little wind.",
        "1 session, 1 trace",
        "google/gemini-2.5-flash",
        "→ 20 tokens STOP" if columns > 40 else "tokens",
    ):
        assert part in text


@pytest.mark.parametrize("columns", WIDTHS)
def test_descriptions_are_readable_on_a_narrow_terminal(
    terminals: dict[tuple[str, int, str], str], columns: int
) -> None:
    lines = lines_of(terminals["colour", columns, "list"])
    descriptions = [line for line in lines if line.startswith("    ")]
    assert max(map(len, descriptions)) <= columns
    # A column beside long names would leave them a word a line.
    assert len(" ".join(" ".join(descriptions).split())) / len(descriptions) > 20
    assert "A prompt that is blocked: no candidates." in " ".join(" ".join(lines[1:3]).split())


def test_no_color_is_heeded() -> None:
    assert not re.search(r"\x1b\[\d*(;\d+)*3\dm", on_a_terminal("cassettes", "show", "text", NO_COLOR="1"))


def test_help_is_framed_on_a_terminal_and_plain_in_a_pipe() -> None:
    shown = on_a_terminal("--help")
    assert "╭" in shown
    assert "maxim-gemini report traces.json" in re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert "╭" not in ran("--help").stdout


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    with subprocess.Popen(
        [*COMMAND, "cassettes", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean(),
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("missing", ["typer", "vcr"])
def test_without_the_extra_it_says_so_in_one_line(missing: str) -> None:
    script = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['maxim-gemini', 'demo']\n"
        "from maxim_gemini.testing.__main__ import main; sys.exit(main())"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean(), timeout=200)
    assert shown.returncode == 2
    assert 'pip install "maxim-gemini[testing]"' in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    script = ran(
        "--show-completion", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", _MAXIM_GEMINI_COMPLETE=f"source_{shell}"
    )
    assert "maxim-gemini" in script.stdout
    completed = ran(
        _MAXIM_GEMINI_COMPLETE=f"complete_{shell}",
        COMP_WORDS="maxim-gemini cas",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="maxim-gemini cas",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "cassettes" in completed.stdout


def served(process: subprocess.Popen[str]) -> genai.Client:
    assert process.stdout
    url = process.stdout.readline().strip()
    return genai.Client(api_key="any", http_options={"base_url": url})


@pytest.mark.parametrize("options", [("--cassette", "text"), ("--script", "replies.py")], ids=["cassette", "script"])
def test_serve_answers_another_process_until_it_is_stopped(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "replies.py").write_text(
        "from maxim_gemini.testing import reply\nreplies = [reply.text('Paris.'), reply.text('Paris.')]\n"
    )
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean(), cwd=tmp_path,
    ) as process:  # fmt: skip
        client = served(process)
        # Twice: an application that is started anew asks the same again.
        for _ in range(2):
            answer = client.models.generate_content(model="gemini-2.5-flash", contents="What is the capital of France?")
            assert answer.text == "Paris."
        close(client)
        process.send_signal(signal.SIGTERM)
        _, noted = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "What is the capital of France?" in noted
    assert noted.endswith("2 requests answered\n")


@pytest.mark.skipif(SDK_MAJOR < 2, reason="google-genai 1 has another Live API")
def test_serve_plays_live_sessions_and_prints_what_differs() -> None:
    async def ask(client: genai.Client, text: str) -> str:
        try:
            async with client.aio.live.connect(model=LIVE_MODEL, config={"response_modalities": ["TEXT"]}) as session:  # type: ignore[arg-type]
                return texts(await turn(session, text))
        finally:
            await client.aio.aclose()

    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--cassette", "live_text"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean(),
    ) as process:  # fmt: skip
        client = served(process)
        # A server without TLS, in another process, about which nothing is known here.
        with plainly_served(int(str(sdk.base_url_of(client)).rstrip("/").rpartition(":")[2])):
            answer = asyncio.run(ask(client, "What is the capital of France?"))
            with pytest.raises(APIError, match="message 2"):
                asyncio.run(ask(client, "What is the capital of Peru?"))
        close(client)
        process.send_signal(signal.SIGTERM)
        _, noted = process.communicate(timeout=60)
    assert answer == "Paris."
    assert "recorded 'What is the capital of France?' != sent 'What is the capital of Peru?'" in noted
    assert noted.endswith("2 requests answered\n")


def test_serve_over_tls_says_what_to_trust() -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--tls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=clean(),
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().strip()
        line = process.stderr.readline()
        file = line.partition("SSL_CERT_FILE=")[2].partition(" ")[0]
        context = ssl.create_default_context(cafile=file)
        options = types.HttpOptions(base_url=url, client_args={"verify": context})
        with closing(genai.Client(api_key="any", http_options=options)) as client:
            answer = client.models.generate_content(model="gemini-2.5-flash", contents="Hi")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert url.startswith("https://127.0.0.1:")
    assert line == f"SSL_CERT_FILE={file} GOOGLE_GEMINI_BASE_URL={url} GEMINI_API_KEY=any  (Ctrl-C stops)\n"
    assert answer.text == "Hello from maxim-gemini."


def test_the_data_that_the_plugin_writes_becomes_a_page(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.maxim_gemini(cassette='chat')\n"
        "@pytest.mark.parametrize('name', ['Ada'])\n"
        "def test_chat(maxim_gemini_recorder, name):\n"
        "    chat = maxim_gemini_recorder.client.chats.create(model='gemini-2.5-flash')\n"
        "    chat.send_message('Hi, I am ' + name + '.')\n"
        "    assert 'Ada' in chat.send_message('What is my name?').text\n"
    )
    # It starts faster without the other plugins of this environment.
    environment = {**clean(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "maxim_gemini.testing.plugin"}
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--maxim-gemini-report=traces.json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    data: Any = json.loads((tmp_path / "traces.json").read_text(encoding="utf-8"))
    [test] = data["tests"]
    assert (test["nodeid"], test["outcome"]) == ("test_it.py::test_chat[Ada]", "passed")
    assert [trace["output"] for trace in test["traces"]] == ["Nice to meet you, Ada.", "Your name is Ada."]
    built = ran("report", str(tmp_path / "traces.json"))
    assert built.stdout.endswith("traces.html: 1 test, 2 traces, 2 generations, 0 failed, 0 incomplete\n")


def test_serve_listens_on_ipv6_and_a_port_in_use_is_one_line() -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--host", "::1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=clean(),
    ) as process:  # fmt: skip
        assert process.stdout
        url = process.stdout.readline().strip()
        port = url.rpartition(":")[2]
        second = ran("serve", "--port", port, "--host", "::1")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert re.fullmatch(r"http://\[::1\]:\d+", url)
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert port in second.stderr
