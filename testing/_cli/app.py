"""The commands and their options. Each command has a module of its own, imported when the command is called."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maxim_gemini.testing.exceptions import TestKitError

from . import console

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
INTERRUPTED = 130

_ON_A_TERMINAL = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
_LOOK: dict[str, Any] = {
    "rich_markup_mode": "rich" if _ON_A_TERMINAL else None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "no_args_is_help": True,
}


def _examples(*lines: str) -> str:
    """Return the examples below a command's help, in the format that typer uses here."""
    shown = "\n".join(f"  {line}" for line in lines)
    if _ON_A_TERMINAL:
        return "[bold]Examples:[/bold]\n" + shown.replace("[", r"\[")
    return "\b\nExamples:\n" + shown  # \b keeps the lines as they are


app = typer.Typer(
    name="maxim-gemini",
    help="Trace Gemini calls in Maxim, and test them offline from recorded traffic.",
    epilog=_examples(
        "maxim-gemini demo                       see a traced chat, offline, without a key",
        "maxim-gemini cassettes list             the bundled cassettes",
        "maxim-gemini cassettes check tests      find cassettes that are broken, old, or have secrets in them",
        "maxim-gemini serve --cassette chat      a Gemini server on this machine, for any program",
        "maxim-gemini report traces.json         an HTML page of the traces that a test run logged",
    ),
    pretty_exceptions_enable=False,
    **_LOOK,
)
cassettes = typer.Typer(help="List, read, check, scrub and record cassettes.", pretty_exceptions_enable=False, **_LOOK)
app.add_typer(cassettes, name="cassettes")


class Pace(StrEnum):
    """The speed at which a cassette is played."""

    INSTANT = "instant"
    RECORDED = "recorded"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(
            f"maxim-gemini {version('maxim-gemini')} "
            f"(google-genai {version('google-genai')}, maxim-py {version('maxim-py')}, Python {sys.version.split()[0]})"
        )
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool, typer.Option("--version", help="Print the versions and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Trace Gemini calls in Maxim, and test them offline from recorded traffic."""


@app.command(
    epilog=_examples(
        "maxim-gemini demo                  replay a bundled cassette",
        "maxim-gemini demo --json | jq      the data that Maxim would have received",
        "GEMINI_API_KEY=... maxim-gemini demo --live",
    )
)
def demo(
    live: Annotated[bool, typer.Option("--live", help="Call the real API; needs GEMINI_API_KEY.")] = False,
    model: Annotated[str | None, typer.Option(help="The model for --live.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Run a chat, and show the trace of it in Maxim.

    The model calls a function, and streams its answer.

    Offline: the answers come from a cassette. The google-genai client is real, and wrapped as in production.
    """
    from .demo import run_demo

    run_demo(live=live, model=model, as_json=as_json)


@cassettes.command(
    "list",
    epilog=_examples(
        "maxim-gemini cassettes list              the bundled cassettes",
        "maxim-gemini cassettes list tests        the cassettes of a project",
        "maxim-gemini cassettes list --json | jq -r '.[].name'",
    ),
)
def list_cassettes(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; without any, the bundled ones.")] = None,
    as_json: Json = False,
) -> None:
    """List cassettes: source, date and description."""
    from .cassettes import list_all

    list_all(paths or [], as_json=as_json)


@cassettes.command(
    "show",
    epilog=_examples(
        "maxim-gemini cassettes show chat_stream",
        "maxim-gemini cassettes show tests/cassettes/test_chat/test_hi.yaml --full",
    ),
)
def show_cassette(
    name: Annotated[str, typer.Argument(help="The name of a bundled cassette, or a file.")],
    full: Annotated[bool, typer.Option("--full", help="Print whole bodies, not only the beginning.")] = False,
    as_json: Json = False,
) -> None:
    """Print the requests and answers of a cassette."""
    from .cassettes import show

    show(name, full=full, as_json=as_json)


@cassettes.command(
    "check",
    epilog=_examples(
        "maxim-gemini cassettes check                      the bundled ones",
        "maxim-gemini cassettes check tests --max-age 90d  in CI: exit code 1 if there is a problem",
    ),
)
def check_cassettes(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders; without any, the bundled ones.")] = None,
    max_age: Annotated[
        str | None,
        typer.Option(help="Report cassettes older than 90d, 12w, 6m (months), 1y.", metavar="AGE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find cassettes that are broken, too old, or have secrets in them.

    Exit code 1 if there is one.
    """
    from .cassettes import check

    raise typer.Exit(check(paths or [], max_age=max_age, as_json=as_json))


@cassettes.command(
    "rename",
    epilog=_examples(
        "maxim-gemini cassettes rename tests/cassettes/test_chat/test_old.yaml tests/cassettes/test_chat/test_new.yaml"
    ),
)
def rename_cassette(
    old: Annotated[Path, typer.Argument(help="The file.")],
    new: Annotated[Path, typer.Argument(help="The new name; the file must not exist yet.")],
) -> None:
    """Rename a cassette and its attachments, when its test was renamed."""
    from .cassettes import rename

    rename(old, new)


@cassettes.command(
    "diff",
    epilog=_examples(
        "maxim-gemini cassettes diff old.yaml new.yaml",
        "maxim-gemini cassettes diff chat chat_stream --json",
    ),
)
def diff_cassettes(
    old: Annotated[str, typer.Argument(help="The name of a bundled cassette, or a file.")],
    new: Annotated[str, typer.Argument(help="Another bundled cassette, or a file.")],
    as_json: Json = False,
) -> None:
    """Compare the requests and answers of two cassettes.

    Exit code 1 if they differ. Times, ids of answers and the layout of the files are ignored.
    """
    from .comparing import diff

    raise typer.Exit(diff(old, new, as_json=as_json))


@cassettes.command(
    "scrub",
    epilog=_examples(
        "maxim-gemini cassettes scrub tests           remove secrets, rewrite old files in the current format",
        "maxim-gemini cassettes scrub tests --dry-run print what would change; exit code 1 if anything would",
    ),
)
def scrub_cassettes(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Rewrite cassettes without secrets, in the current format."""
    from .cassettes import scrub

    raise typer.Exit(scrub(paths, dry_run=dry_run, as_json=as_json))


@cassettes.command(
    "record",
    epilog=_examples(
        "maxim-gemini cassettes record                  all bundled flows, from the server on this machine",
        "maxim-gemini cassettes record chat chat_stream --folder tests/cassettes",
        "GEMINI_API_KEY=... maxim-gemini cassettes record --live",
    ),
)
def record_cassettes(
    names: Annotated[list[str] | None, typer.Argument(help="The names of flows; without any, all.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Call the real API; needs GEMINI_API_KEY.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="The folder to write to; by default that of the bundled cassettes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Record the bundled cassettes again.

    From the server on this machine or, with --live, from the real API.
    A file whose content has not changed is not written.
    """
    from .record import record

    raise typer.Exit(record(names or [], live=live, folder=folder, as_json=as_json))


@app.command(
    epilog=_examples(
        "maxim-gemini serve                             answers every request with a short text",
        "maxim-gemini serve --cassette chat_stream      answers requests with the recorded answers",
        "maxim-gemini serve --script replies.py         plays the `replies = [reply.text('hi'), ...]` of a Python file",
        "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8484 GEMINI_API_KEY=any python app.py",
    )
)
def serve(
    cassette: Annotated[
        str | None, typer.Option("--cassette", "-c", help="A bundled cassette's name, or a file.", metavar="NAME")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", "-s", help="A Python file with `replies = [...]`.", metavar="FILE")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The text of every answer, if there is no cassette or script.")
    ] = None,
    pace: Annotated[
        Pace | None, typer.Option(help="The speed at which a cassette is played; by default instant.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; by default 127.0.0.1.", show_default=False)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port; by default 8484; 0 takes a free port.", min=0, max=65535, show_default=False)
    ] = 8484,
    tls: Annotated[
        bool, typer.Option("--tls", help="Use TLS; prints SSL_CERT_FILE, with which programs trust the server.")
    ] = False,
) -> None:
    """Run a Gemini server on this machine, for any program, until Ctrl-C.

    The first line of output is its address.
    """
    from .serve import run_server

    run_server(cassette=cassette, script=script, text=text, pace=pace and pace.value, host=host, port=port, tls=tls)


@app.command(
    epilog=_examples(
        "pytest --maxim-gemini-report=traces.json && maxim-gemini report traces.json",
        "maxim-gemini report shard-*.json --output traces.html --open",
    )
)
def report(
    data: Annotated[list[Path], typer.Argument(help="JSON files that `pytest --maxim-gemini-report=x.json` wrote.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The HTML file; by default the name of the first file with .html."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Make one HTML page of the traces that test runs logged."""
    from .report import build

    build(data, output=output, open_it=open_it, as_json=as_json)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        app(args=arguments, prog_name="maxim-gemini")
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else FAILED if exit.code else 0
    except TestKitError as error:
        console.error(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as with `| head`; Python would report that again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if os.environ.get("MAXIM_GEMINI_DEBUG"):
            raise
        console.error(f"{type(error).__name__}: {error} (MAXIM_GEMINI_DEBUG=1 shows where)")
        return FAILED
    return 0
