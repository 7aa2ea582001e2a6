"""The block of a run: requests to Gemini that no recorder and no mock takes are refused before anything is sent."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from maxim_gemini.testing._http.routing import Block, blocked

if TYPE_CHECKING:
    from collections.abc import Generator

    from maxim_gemini.testing.exceptions import RequestRefused

ADVICE: Final = """\
To record the traffic of the test once, and replay it from then on: use the fixture maxim_gemini_recorder, or mark the \
test with @pytest.mark.maxim_gemini.
To answer by a script: use the fixture gemini_mock.
To let one test send: @pytest.mark.maxim_gemini(block_network=False). To let all of them: \
--no-maxim-gemini-block-network, or maxim_gemini_block_network = false in the ini file."""


class Network:
    """The network of one run, as far as it leads to Gemini."""

    def __init__(self) -> None:
        self._block = Block(ADVICE)
        self._is_blocked = False

    @property
    def refused(self) -> list[RequestRefused]:
        """What was refused so far."""
        return self._block.refused

    @contextmanager
    def blocked(self) -> Generator[None]:
        """Refuse requests meanwhile."""
        if self._is_blocked:
            yield
            return
        self._is_blocked = True
        try:
            with blocked(self._block):
                yield
        finally:
            self._is_blocked = False

    @contextmanager
    def allowed(self) -> Generator[None]:
        """Let requests pass meanwhile."""
        with self._block.lifted():
            yield
