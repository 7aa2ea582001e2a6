"""Print the size of functions and files, how many private functions are used once, comments, and uses of `Any`.

    python tests/project/figures.py            # both packages
    python tests/project/figures.py --list     # also every private function that is used once, and where `Any` is

"Used once" counts the private functions and methods whose name is used in one place of the package, as a share of all
functions. Where that place does not call it, it is a callback or an entry of a table: those are counted beside it, too.
Comments are lines with a comment that is no instruction to a tool.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOOLS = ("# type:", "# noqa", "# pyright:", "# pragma:", "# fmt:")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    options = parser.parse_args()
    for package in ("maxim_gemini", "testing"):
        measure(options.root / package, options.list)


def measure(package: Path, listing: bool) -> None:
    files = {path: path.read_text(encoding="utf-8") for path in sorted(source_files(package))}
    nodes = [(path, node) for path, text in files.items() for node in ast.walk(ast.parse(text))]
    functions = [(path, node) for path, node in nodes if isinstance(node, Function)]
    defined = Counter(node.name for _, node in functions)
    used = Counter(name_of(node) for _, node in nodes)
    called = {name_of(node.func) for _, node in nodes if isinstance(node, ast.Call)}
    once = [(p, n) for p, n in functions if is_private(n.name) and (defined[n.name], used[n.name]) == (1, 1)]
    passed = sum(node.name not in called for _, node in once)
    lines = [text.count("\n") for text in files.values()]
    comments = sum(map(comments_in, files.values()))
    lengths = sorted(lines_of(node) for _, node in functions)
    p90 = lengths[len(lengths) * 9 // 10]
    parameters = [len(node.args.args) + len(node.args.kwonlyargs) - is_method(node) for _, node in functions]
    uses = {path: len(re.findall(r"\bAny\b", text)) for path, text in files.items()}
    print(f"{package.name}: {len(files)} files, {sum(lines)} lines, {len(functions)} functions")
    print(f"  file lines median/max         {statistics.median(lines):g}/{max(lines)}")
    print(f"  function lines median/p90/max {statistics.median(lengths):g}/{p90}/{lengths[-1]}")
    print(f"  parameters mean/max           {statistics.mean(parameters):.1f}/{max(parameters)}")
    print(
        f"  private and used once         {len(once)} ({len(once) / len(functions):.1%}), {passed} of them not called"
    )
    print(f"  comments                      {comments} ({comments / sum(lines):.1%})")
    print(f"  Any                           {sum(uses.values())}")
    if listing:
        for path, node in once:
            mark = "" if node.name in called else "  not called"
            print(f"  {path.relative_to(package.parent)}:{node.lineno} {node.name} {lines_of(node)}{mark}")
        for path, count in sorted(uses.items(), key=lambda item: -item[1])[:30]:
            print(f"  {count:4} Any  {path.relative_to(package.parent)}")


def source_files(package: Path) -> Iterator[Path]:
    """The Python files of a package, without those behind a symbolic link."""
    return (path for path in package.rglob("*.py") if not any(part.is_symlink() for part in (path, *path.parents)))


def comments_in(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and not token.string.startswith(TOOLS) for token in tokens)


def name_of(node: ast.AST) -> str | None:
    """Return the name that *node* uses."""
    return getattr(node, "id", None) or getattr(node, "attr", None)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_method(node: Function) -> bool:
    return bool(node.args.args) and node.args.args[0].arg in {"self", "cls"}


def lines_of(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


if __name__ == "__main__":
    main()
