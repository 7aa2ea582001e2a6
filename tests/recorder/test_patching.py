"""Patches survive what others put in the same places, before, during and after, and leave nothing behind."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import itertools
import linecache
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from support.checkout import ROOT

from maxim_gemini._core.patching import Patch, Patches
from maxim_gemini.testing.exceptions import TestKitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


class Base:
    def inherited(self, word: str, *, times: int = 1) -> str:
        return f"{type(self).__name__} {word}" * times


class Library(Base):
    def greet(self, word: str = "hi", *, times: int = 1) -> str:
        return f"{super().inherited(word, times=times)}!"

    async def fetch(self, word: str) -> str:
        return word

    @staticmethod
    def fixed(word: str) -> str:
        return word


def ours(original: Callable[..., str]) -> Callable[..., str]:
    def replacement(*args: Any, **kwargs: Any) -> str:
        return f"ours({original(*args, **kwargs)})"

    return replacement


def ours_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def replacement(*args: Any, **kwargs: Any) -> str:
        return f"ours({await original(*args, **kwargs)})"

    return replacement


def patches_of(*patches: Patch) -> Patches:
    return Patches({__name__: lambda _: patches}, unsupported=TestKitError)


GREET = Patch(Library, "greet", ours)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, ModuleType(__name__))


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = dict(vars(Library)), Library.greet.__code__, Library.greet.__kwdefaults__, dict(vars(Library.greet))
    yield
    assert (dict(vars(Library)), Library.greet.__code__, Library.greet.__kwdefaults__) == before[:3]
    assert dict(vars(Library.greet)) == before[3]


class CallableObject:
    """No function, and no descriptor: not even `self` is passed on."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        return f"theirs({self.before(Library(), *args, **kwargs)})"


def plain(before: Any) -> Any:
    def theirs(self: Library, *args: Any, **kwargs: Any) -> str:
        return f"theirs({before(self, *args, **kwargs)})"

    return theirs


def wrapping(before: Any) -> Any:
    return functools.wraps(before)(plain(before))


def wrapt(before: Any) -> Any:
    library = pytest.importorskip("wrapt", reason="wrapt comes with vcrpy")
    return library.FunctionWrapper(before, lambda wrapped, _, args, kwargs: f"theirs({wrapped(*args, **kwargs)})")


def partial(before: Any) -> Any:
    return functools.partialmethod(plain(before))


@pytest.mark.parametrize("theirs", [plain, wrapping, wrapt, partial, CallableObject])
@pytest.mark.parametrize(
    "order",
    [
        order
        for order in itertools.permutations(["we patch", "they patch", "we undo", "they undo"])
        if order.index("we patch") < order.index("we undo") and order.index("they patch") < order.index("they undo")
    ],
    ids=", ".join,
)
def test_in_any_order_with_others(order: tuple[str, ...], theirs: Callable[[Any], Any]) -> None:
    original = vars(Library)["greet"]
    patches, in_force = patches_of(GREET), set[str]()
    for step in order:
        match step:
            case "we patch":
                patches.acquire("us")
                in_force.add("ours")
            case "they patch":
                setattr(Library, "greet", theirs(vars(Library)["greet"]))  # noqa: B010 (mypy does not allow it)
                in_force.add("theirs")
            case "we undo":
                patches.release("us")
                in_force.discard("ours")
            case _:
                setattr(Library, "greet", original)  # noqa: B010
                in_force.discard("theirs")
        answer = Library().greet("hi")
        if step == "they undo" and order[0] == "they patch" and "ours" in in_force and theirs in HIDING:
            assert (
                answer == "Library hi!"
            )  # they had hidden the function that they put back: no one could have patched it
        else:
            assert ("ours" in answer, "theirs" in answer) == ("ours" in in_force, "theirs" in in_force), (step, answer)
    assert vars(Library)["greet"] is original


HIDING = (plain, partial, CallableObject)
"""Those whose wrapper does not show what it wraps."""


def test_a_function_keeps_its_identity_its_signature_and_its_kind() -> None:
    before = Library.greet, Library.fetch
    signature = inspect.signature(Library.greet)
    patches = patches_of(GREET, Patch(Library, "fetch", ours_async))
    patches.acquire("us")
    try:
        assert before == (Library.greet, Library.fetch)
        assert inspect.signature(Library.greet) == signature
        assert inspect.iscoroutinefunction(Library.fetch)
        assert Library().greet("you", times=2) == "ours(Library youLibrary you!)"
        assert before[0](Library()) == "ours(Library hi!)"
    finally:
        patches.release("us")
    assert Library().greet() == "Library hi!"


async def test_coroutines_static_and_inherited_functions() -> None:
    patches = patches_of(
        Patch(Library, "fetch", ours_async), Patch(Library, "fixed", ours), Patch(Library, "inherited", ours)
    )
    patches.acquire("us")
    try:
        assert await Library().fetch("a") == "ours(a)"
        assert Library.fixed("b") == Library().fixed("b") == "ours(b)"
        assert Library().inherited("c") == "ours(Library c)"
    finally:
        patches.release("us")
    assert Library().inherited("c") == "Library c"
    assert "inherited" not in vars(Library)


def test_a_mock_that_stands_there_is_called_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from unittest.mock import MagicMock

    with monkeypatch.context() as others:
        mock = MagicMock(return_value="mocked")
        others.setattr(Library, "greet", mock)
        patches = patches_of(GREET)
        patches.acquire("us")
        assert Library().greet("hi") == "ours(mocked)"
        patches.release("us")
        assert vars(Library)["greet"] is mock
        mock.assert_called_once_with("hi")


def test_users_are_counted_and_releasing_twice_does_no_harm() -> None:
    patches = patches_of(GREET)
    patches.acquire("first")
    patches.acquire("second")
    patches.release("first")
    patches.release("first")
    assert Library().greet() == "ours(Library hi!)"
    patches.release("second")
    assert Library().greet() == "Library hi!"


def test_a_library_that_has_moved_is_named_and_nothing_stays_patched() -> None:
    patches = patches_of(GREET, Patch(Library, "renamed", ours))
    with pytest.raises(TestKitError, match=r"Library has no attribute 'renamed': this version of .* is not supported"):
        patches.acquire("us")
    patches.release("us")
    assert Library().greet() == "Library hi!"


def test_who_is_not_strict_is_only_warned() -> None:
    patches = patches_of(GREET, Patch(Library, "renamed", ours))
    with pytest.warns(UserWarning, match="is not supported"):
        patches.acquire("us", strict=False)
    patches.release("us")


# Interrupts


def interrupted_at(number: int, action: Callable[[], None]) -> bool:
    """Do *action* with a `KeyboardInterrupt` at the line with this *number* of the edge; return whether it came."""
    lines = itertools.count()

    def trace(frame: Any, event: str, _: Any) -> Any:
        if "/_http/" not in frame.f_code.co_filename:
            return None
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        # Python looks for signals where it calls, and neither at a bare keyword nor where it leaves a lock.
        if event == "line" and not line.startswith(("try:", "finally:", "with ")) and next(lines) == number:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    tracing = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(tracing)
    return False


def test_an_interrupt_at_any_line_leaves_nothing_patched() -> None:
    from support.patched import patched

    from maxim_gemini.testing._http.routing import Route, routed

    def block() -> None:
        with routed(Route(), everywhere=True):
            pass

    block()  # what is imported late is there
    before = patched()
    finders = [*sys.meta_path]
    interrupted = 0
    for number in itertools.count():
        came = interrupted_at(number, block)
        assert (number, patched()) == (number, before)
        assert sys.meta_path == finders
        if not came:
            break
        interrupted += 1
    assert interrupted > 100
    other = threading.Thread(target=block, daemon=True)
    other.start()
    other.join(60)
    assert not other.is_alive()  # no lock was left closed


# Libraries that are loaded later


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "late_library.py").write_text("def greet():\n    return 'hi'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "late_library", raising=False)
    return "late_library"


def late_patches(module: ModuleType) -> Iterable[Patch]:
    return (Patch(module, "greet", ours),)


def test_what_is_loaded_inside_is_patched_then(late: str) -> None:
    finders = [*sys.meta_path]
    patches = Patches({late: late_patches})
    patches.acquire("us")
    assert late not in sys.modules
    library: Any = importlib.import_module(late)
    assert library.greet() == "ours(hi)"
    assert importlib.reload(library).greet() == "ours(hi)"
    patches.release("us")
    assert library.greet() == "hi"
    assert sys.meta_path == finders
    assert "exec_module" not in vars(library.__loader__)


def test_what_is_loaded_afterwards_is_left_alone(late: str) -> None:
    patches = Patches({late: late_patches})
    patches.acquire("us")
    spec = importlib.util.find_spec(late)
    patches.release("us")
    assert spec is not None
    library: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)  # type: ignore[union-attr]
    assert library.greet() == "hi"


def test_an_absent_library_stays_absent() -> None:
    patches = Patches({"no_such_library": late_patches})
    patches.acquire("us")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_library")
    patches.release("us")


def test_threads_that_load_and_patch_at_once_do_not_wait_for_each_other(late: str) -> None:
    patches = Patches({late: late_patches})
    loading = threading.Thread(target=importlib.import_module, args=(late,))
    patches.acquire("us")
    loading.start()
    patches.acquire("another")
    loading.join(60)
    assert not loading.is_alive()
    library: Any = sys.modules[late]
    assert library.greet() == "ours(hi)"
    for user in ("us", "another"):
        patches.release(user)
    assert library.greet() == "hi"


def test_a_block_loads_no_library_by_itself() -> None:
    import subprocess

    program = (
        "import sys\n"
        "from maxim_gemini.testing._http.blocking import Block, blocked\n"
        "with blocked(Block('...')):\n"
        "    heavy = {'vcr', 'httpx', 'httpx2', 'aiohttp', 'requests', 'websockets', 'google.genai', 'anyio', 'yaml'}\n"
        "    print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
