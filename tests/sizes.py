"""Sizes of the code: `python -m tests.sizes` prints folders, long modules and long functions. Nothing is enforced."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.imports import PACKAGES, ROOT, folders

LONG_MODULE, LONG_FUNCTION = 300, 20


class Function(NamedTuple):
    """A function and its lines of code, without the signature's decorators and the docstring."""

    place: str
    lines: int


def functions(path: Path) -> Iterator[Function]:
    """Return every function and method of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False)
            first = node.body[0]
            skipped = (first.end_lineno or first.lineno) - first.lineno + 1 if documented is not None else 0
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - skipped
            yield Function(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines)


def report() -> Iterator[str]:
    """Return the report, line by line."""
    paths = sorted(path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py"))
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    every = [function for path in paths for function in functions(path)]
    long_modules = {path: lines for path, lines in lengths.items() if lines > LONG_MODULE}
    long_functions = sorted((one for one in every if one.lines > LONG_FUNCTION), key=lambda one: -one.lines)
    yield f"{len(folders())} folders, {sum(map(len, folders().values()))} imports between them"
    yield f"{len(paths)} modules, median {median(lengths.values()):.0f} lines; {len(long_modules)} over {LONG_MODULE}:"
    yield from (f"  {path.relative_to(ROOT)}  {lines}" for path, lines in long_modules.items())
    yield f"{len(every)} functions, median {median(one.lines for one in every):.0f} lines; {len(long_functions)} over {LONG_FUNCTION}:"
    yield from (f"  {one.place}  {one.lines}" for one in long_functions)


if __name__ == "__main__":
    print("\n".join(report()))
