"""The settings of a run: from the command line, the environment and the ini file."""

from __future__ import annotations

import os
import re
from argparse import BooleanOptionalAction
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast, get_args

import pytest

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from pathlib import Path

Mode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite", "verify"]
MODES: Final[tuple[str, ...]] = get_args(Mode)
VARIABLE: Final = "MAXIM_GEMINI_RECORD"
MARKER: Final = "maxim_gemini"
RECORDER_FIXTURE: Final = "maxim_gemini_recorder"
CLIENT_FIXTURE: Final = "gemini_client"

_DURATION: Final = r"(\d+)\s*([hdwmy]?)"
_HOURS: Final = {"h": 1, "d": 24, "": 24, "w": 24 * 7, "m": 24 * 30, "y": 24 * 365}
_UNITS: Final = "h (hours), d (days), w (weeks), m (months of 30 days) or y (years of 365 days), such as 90d"
MARKER_DECLARATION: Final = (
    "maxim_gemini(cassette=None, *, record=None, strict=None, pace=None, chunking=None, base_url=None, hosts=None, "
    "description=None, source=None, ignore=None, block_network=None, instrument=None): record the Gemini traffic of "
    "the test once, and replay it afterwards. "
    "cassette: the name of a cassette, instead of the test's own; record: a record mode; strict: fail if a recorded "
    "answer is not used; block_network: False lets the test send to Gemini without a recorder; the others are those "
    "of GeminiRecorder."
)


class Settings(NamedTuple):
    """The settings of the whole run."""

    forced: Mode | None = None
    """The record mode of the command line or the environment, which has precedence over markers."""
    usual: Mode = "none"
    """The record mode of the ini file; markers have precedence over it."""
    in_ci: bool = False
    allow_ci: bool = False
    strict: bool = False
    max_age: timedelta | None = None
    report: Path | None = None
    folder: str = "cassettes"
    ignore: tuple[str, ...] = ()
    """JSON paths that are ignored in the bodies of requests."""
    block_network: bool = True
    """Refuse requests to Gemini that use neither a recorder nor a mock."""

    def mode(self, wanted: str | None) -> Mode:
        """Return the record mode of a test; *wanted* is the one in its marker or config.

        In CI, a marker or the ini file can't make a test record: a miss is an error there, not a live call.
        """
        if self.forced is not None:
            return self.forced
        return "none" if self.in_ci and not self.allow_ci else as_mode(wanted or self.usual)


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and the ini values."""
    group = parser.getgroup("maxim-gemini", "record and replay Gemini traffic")
    group.addoption(
        "--maxim-gemini-record",
        metavar="MODE",
        choices=MODES,
        default=None,
        help="Record mode. none: replay only (default). once: record if there is no cassette. new_episodes: replay, "
        "and record new requests. all: send and record everything. rewrite: like all, but start from an empty "
        "cassette. verify: send everything, save nothing, and fail if the shape of an answer has changed. "
        f"Environment: {VARIABLE}.",
    )
    group.addoption(
        "--maxim-gemini-allow-ci",
        action="store_true",
        help="Allow live calls in CI, where the variable CI is set.",
    )
    group.addoption(
        "--maxim-gemini-block-network",
        action=BooleanOptionalAction,
        default=None,
        help="Refuse requests to Gemini that use neither a recorder nor a mock (default, unless a record mode is set).",
    )
    group.addoption(
        "--maxim-gemini-strict",
        action="store_true",
        help="Fail if recorded answers or cassettes are not used.",
    )
    group.addoption(
        "--maxim-gemini-max-age",
        metavar="AGE",
        default=None,
        help="Warn about cassettes older than AGE, such as 90d, 12w, 6m (months) or 1y.",
    )
    group.addoption(
        "--maxim-gemini-report",
        metavar="PATH",
        default=None,
        help="Write the traces of every test to PATH: .html for people, .json for programs.",
    )
    parser.addini("maxim_gemini_record", "Record mode, unless the command line, the environment or a marker sets one.")
    parser.addini(
        "maxim_gemini_ignore",
        "JSON paths to ignore when the bodies of requests are compared, such as generationConfig.seed.",
        type="linelist",
    )
    parser.addini("maxim_gemini_block_network", "Refuse requests to Gemini that use neither a recorder nor a mock.")
    parser.addini(
        "maxim_gemini_strict", "Fail if recorded answers or cassettes are not used.", type="bool", default=False
    )
    parser.addini("maxim_gemini_max_age", "Warn about cassettes older than this, such as 90d.")
    parser.addini("maxim_gemini_cassette_dir", "Folder of the cassettes, next to each test file.", default="cassettes")


def settings_of(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a run; raise `pytest.UsageError` if they are wrong, or not allowed in CI."""
    forced: Mode | None = config.getoption("maxim_gemini_record")
    source = "--maxim-gemini-record"
    if not forced and (variable := environment.get(VARIABLE)):
        forced, source = _checked(variable, VARIABLE), VARIABLE
    settings = Settings(
        forced=forced,
        usual=_checked(config.getini("maxim_gemini_record") or "none", "maxim_gemini_record"),
        in_ci=is_ci(environment),
        allow_ci=bool(config.getoption("maxim_gemini_allow_ci")),
        strict=bool(config.getoption("maxim_gemini_strict") or config.getini("maxim_gemini_strict")),
        max_age=_age(config),
        report=_report(config),
        folder=config.getini("maxim_gemini_cassette_dir"),
        ignore=tuple(config.getini("maxim_gemini_ignore")),
        block_network=blocks_network(config, config.option, environment),
    )
    if settings.in_ci and not settings.allow_ci and (forced or "none") != "none":
        raise pytest.UsageError(_NOT_IN_CI.format(mode=forced, source=source))
    return settings


def blocks_network(config: pytest.Config, options: Namespace, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether requests to Gemini that use neither a recorder nor a mock are refused.

    *options* are those known so far: conftest files are imported before pytest has parsed all options, and requests
    that they send then are refused, too.
    """
    option: bool | None = options.maxim_gemini_block_network
    if option is not None:
        return option
    if text := str(config.getini("maxim_gemini_block_network")).strip().lower():
        return text not in {"0", "false", "no", "off"}
    modes = (options.maxim_gemini_record, environment.get(VARIABLE), config.getini("maxim_gemini_record"))
    return next((mode for mode in modes if mode), "none") == "none"


def as_mode(text: str) -> Mode:
    """Return *text* as a record mode; raise `ValueError` if it is none."""
    if text not in MODES:
        raise ValueError(f"unknown record mode {text!r}; choose from {', '.join(MODES)}")
    return cast("Mode", text)


def duration(text: str) -> timedelta:
    """Return *text*, such as `90d`, `12w`, `6m` or `1y`, as a time span; a number without a unit means days."""
    match = re.fullmatch(_DURATION, text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an age; write a number and a unit: {_UNITS}")
    try:
        return timedelta(hours=int(match[1]) * _HOURS[match[2]])
    except OverflowError:
        raise ValueError(f"{text!r} is too long for an age; write a number and a unit: {_UNITS}") from None


def is_ci(environment: Mapping[str, str]) -> bool:
    """Return whether this is a CI job: all CI systems set the variable `CI`."""
    return environment.get("CI", "").strip().lower() not in {"", "0", "false", "no"}


_NOT_IN_CI = """\
{source}={mode} would send live calls, and this is a CI job (the variable CI is set).
  Nothing ran. Record on your machine and commit the cassettes; to allow live calls here, \
add --maxim-gemini-allow-ci"""


def _checked(text: str, source: str) -> Mode:
    try:
        return as_mode(text)
    except ValueError as error:
        raise pytest.UsageError(f"{source}: {error}") from None


def _age(config: pytest.Config) -> timedelta | None:
    option: str | None = config.getoption("maxim_gemini_max_age")
    text: str = option or config.getini("maxim_gemini_max_age")
    try:
        return duration(text) if text else None
    except ValueError as error:
        raise pytest.UsageError(f"{'--maxim-gemini-max-age' if option else 'maxim_gemini_max_age'}: {error}") from None


def _report(config: pytest.Config) -> Path | None:
    text: str | None = config.getoption("maxim_gemini_report")
    if not text:
        return None
    from maxim_gemini.testing._report import check_name

    try:
        return check_name(config.invocation_params.dir / text)
    except ValueError as error:
        raise pytest.UsageError(f"--maxim-gemini-report: {error}") from None
