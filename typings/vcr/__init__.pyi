"""The part of vcrpy that is used here; vcrpy itself has no types."""

from contextlib import AbstractContextManager
from os import PathLike
from typing import Any

def use_cassette(path: str | PathLike[str], **options: Any) -> AbstractContextManager[Any]: ...
