"""The pytest plugin: options, the marker `maxim_gemini`, fixtures, and a summary of what was recorded and replayed.

Nothing heavy is imported until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maxim_gemini.testing._pytest.closing import declare_fixtures
from maxim_gemini.testing._pytest.fixtures import (
    gemini_client,
    gemini_mock,
    gemini_server,
    maxim_api,
    maxim_fake_logger,
    maxim_gemini_config,
    maxim_gemini_marked,
    maxim_gemini_recorder,
)
from maxim_gemini.testing._pytest.options import MARKER_DECLARATION, add_options, settings_of
from maxim_gemini.testing._pytest.session import SESSION, Session
from maxim_gemini.testing._pytest.telling import Telling

if TYPE_CHECKING:
    import pytest

__all__ = [
    "gemini_client",
    "gemini_mock",
    "gemini_server",
    "maxim_api",
    "maxim_fake_logger",
    "maxim_gemini_config",
    "maxim_gemini_marked",
    "maxim_gemini_recorder",
    "pytest_addoption",
    "pytest_configure",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER_DECLARATION)
    session = config.stash[SESSION] = Session(config, settings_of(config))
    config.pluginmanager.register(session, "maxim-gemini-session")
    config.pluginmanager.register(Telling(session), "maxim-gemini-telling")
    declare_fixtures(config)
