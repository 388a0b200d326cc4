"""Names, docstrings and messages are plain English: counted over the code, searched for in everything that people read."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VAGUE_NAMES = {"found", "asked", "told", "given"}
"""Variables that do not name the thing they hold."""
MOST_VAGUE = 0.01
OPENERS = {"What", "Whether", "How", "Where", "Why", "When"}
"""First words of docstrings that describe a question in place of a result."""
MOST_OPENERS = 0.03
COINED = {
    "hint": r"\bcures?\b",
    "fix": r"\bmend(s|ed|ing)?\b",
    "duplicate": r"\b(doubles|doubled)\b",
    "available, unavailable": r"\b(is|was|are|went) away\b|\btakes? events\b",
    "reported, shown": r"\b(told|tells) of\b|\bis told\b",
    "regenerated, reopened": r"\bma(k|d)e anew\b|\btaken up anew\b|\banew\b",
    "native path, Python path": r"\b(compiled|plain) way\b",
    "invalid ...": r"\bis no (URL|url|time|level|number|text|duration|file|key|day)\b",
    "retries": r"\bsent again\b",
    "how each line is parsed, validated, counted and stored": r"what each step makes",
    "validate configuration, permissions and connectivity": r"before the agent meets",
    "will be created": r"\bcan be made\b",
    "cannot listen on": r"cannot be listened on",
    "offset, checkpoint": r"\bwhere (it|they|each|a log) stood\b|\bstands? in its file\b",
    "reloaded": r"\btaken over\b",
    "ambiguous id": r"too short to tell",
    "remove a filter or widen the time range": r"take a field away|look further back",
}
"""Words of our own, by what to write in their place."""


@cache
def trees() -> dict[str, ast.Module]:
    """All Python files that git knows, parsed, by path."""
    names = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name: ast.parse((ROOT / name).read_text(encoding="utf-8")) for name in names.splitlines()}


def functions() -> Iterator[tuple[str, set[str]]]:
    """Yield each function's place and the names of its variables and arguments."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path}:{node.lineno}", set(variables(node))


def variables(function: ast.AST) -> Iterator[str]:
    """Yield the arguments and assigned names of a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield each docstring's place and text; those of constants and fields included."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if not isinstance(body, list):
                continue
            is_owner = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            for place, statement in enumerate(body):
                after_name = place > 0 and isinstance(body[place - 1], ast.Assign | ast.AnnAssign)
                if (after_name or (is_owner and place == 0)) and (text := text_of(statement)):
                    yield f"{path}:{statement.lineno}", text


def text_of(statement: ast.stmt) -> str | None:
    """Return the text of a statement that is a string and nothing else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value if isinstance(statement.value.value, str) else None
    return None


def test_variables_name_the_thing_they_hold() -> None:
    """A reader of one function knows what a name holds."""
    names = dict(functions())
    vague = [place for place, variables in names.items() if variables & VAGUE_NAMES]
    assert len(vague) <= MOST_VAGUE * len(names), f"{len(vague)} of {len(names)}: " + ", ".join(vague[:40])


def test_docstrings_say_what_is_returned_or_done() -> None:
    """A docstring opens with a verb or a noun, as the reference of a library does."""
    texts = list(docstrings())
    open_badly = [place for place, text in texts if text.split()[0].strip(".,:;`") in OPENERS]
    assert len(open_badly) <= MOST_OPENERS * len(texts), f"{len(open_badly)} of {len(texts)}: " + ", ".join(
        open_badly[:40]
    )


@cache
def messages() -> list[tuple[str, str]]:
    """Return what people read, with its place: strings of the product, templates, references and manual pages."""
    return [*strings(), *pages()]


def strings() -> Iterator[tuple[str, str]]:
    """Yield the strings of the product."""
    for path, tree in trees().items():
        if path.startswith(("shipper/", "processors/", "schemas/")):
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{path}:{node.lineno}", node.value


def pages() -> Iterator[tuple[str, str]]:
    """Yield the lines of templates, generated references and manual pages."""
    files = [*(ROOT / "shipper").rglob("*.html"), *(ROOT / "docs" / "reference").glob("*.md")]
    for page in [*files, *(ROOT / "docs" / "man").iterdir()]:
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{page.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("better", COINED)
def test_no_coined_words_are_left(better: str) -> None:
    """People search for the field's own words."""
    pattern = re.compile(COINED[better], re.IGNORECASE)
    places = [f"{place}: {match[0]}" for place, text in messages() if (match := pattern.search(text))]
    assert not places, f"better: {better}\n" + "\n".join(places)


def test_the_counts_see_what_they_count() -> None:
    """The rules above find a bad example."""
    function = ast.parse("def f():\n    found = 1\n").body[0]
    assert set(variables(function)) & VAGUE_NAMES
    assert any(place.startswith("tests/test_plain_english.py") for place, _ in docstrings())
    assert re.search(COINED["hint"], "no cure", re.IGNORECASE)
