from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.chromium import CHROMIUM, Page, browser
from support.sample_traces import sample

from maxim_gemini.testing import _report as report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install the package `chromium` to see the report in a browser")
    with browser() as page:
        yield page


@pytest.fixture(scope="session")
def sample_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "traces.html"
    report.write(path, sample())
    return path


@pytest.fixture
def page(chromium: Page, sample_page: Path) -> Page:
    chromium.requests.clear()
    chromium.open(sample_page)
    return chromium
