"""The trace report: the traces of all tests in one HTML file that needs no network.

    write("traces.html", [TestTraces("tests/test_chat.py::test_hi", "passed", 0.2, traces_of(logger))])

For a path that ends in `.json`, the data are written, for `read` and `maxim-gemini report`.
"""

from __future__ import annotations

from ._collect import traces_of
from ._data import TestTraces, read, writable
from ._summary import Totals, summary
from ._write import check_name, html, write

__all__ = ["TestTraces", "Totals", "check_name", "html", "read", "summary", "traces_of", "writable", "write"]
