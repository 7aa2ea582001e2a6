"""The pytest plugin: options, the marker `maxim_gemini`, fixtures, and a summary of what was recorded and replayed.

Nothing heavy is imported until a fixture is used.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from maxim_gemini.testing._pytest.fixtures import (
    declare_fixtures,
    gemini_client,
    gemini_mock,
    gemini_server,
    maxim_api,
    maxim_fake_logger,
    maxim_gemini_config,
    maxim_gemini_marked,
    maxim_gemini_recorder,
)
from maxim_gemini.testing._pytest.options import MARKER_DECLARATION, add_options, blocks_network, settings_of
from maxim_gemini.testing._pytest.session import SESSION, Session, UnansweredRequests, network_of

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
    "pytest_load_initial_conftests",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if blocks_network(early_config, early_config.known_args_namespace):
        stack = ExitStack()
        stack.enter_context(network_of(early_config).blocked())
        early_config.add_cleanup(stack.close)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER_DECLARATION)
    session = config.stash[SESSION] = Session(config, settings_of(config))
    config.pluginmanager.register(session, "maxim-gemini-session")
    config.pluginmanager.register(UnansweredRequests(session), "maxim-gemini-unanswered")
    declare_fixtures(config)
