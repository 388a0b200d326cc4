"""Every regular expression of ours takes time that grows no faster than the text: by its structure, as `tests.linear` says."""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import shipper
import shipper_processors
import shipper_schemas
from shipper_processors.conditions import route_pattern
from shipper_processors.redact import DEFAULT_FIELDS
from shipper_processors.redact_patterns import named_values
from tests.processors.linear import is_linear, per_sign

ROOT = Path(__file__).parents[2]
FOLDERS = {"shipper_processors": ("processors",), "shipper_schemas": ("schemas",)}
PACKAGES = (shipper_processors, shipper_schemas, shipper)
MOST_PER_SIGN = 3000
"""Steps of the matcher for each sign of a text, at worst; one takes some nanoseconds. Each name of `redact.fields` has 150."""
WAYS = {
    "match": "match",
    "fullmatch": "fullmatch",
    **dict.fromkeys(("search", "sub", "subn", "split", "findall", "finditer"), "search"),
}
HELD = {
    "shipper_processors.levels.PREFIXES": {"match"},
    "shipper_processors.redact.PATTERNS": {"search"},
    "shipper.outputs.elasticsearch.bulk.CLUSTER_REASONS": {"match"},
}
"""Expressions that stand in something, and how they are used."""
MADE = {
    "shipper_processors.redact_patterns": [
        ("search", regex)
        for fields in (DEFAULT_FIELDS, ("a", "a-b", "patient_name", "é"))
        if (regex := named_values(fields)[0])
    ],
    "shipper_processors.conditions": [
        *(
            ("fullmatch", route_pattern(route))
            for route in ("/", "/api/v1/patients/{id}", "/{a}/{b}/{c}/{d}", "/a/{x}/b/{y}/c/{z}/d")
        ),
        *(
            ("fullmatch", re.compile(translate(glob)))
            for glob in ("*", "*a*", "*a*a*a*a*b", "?*?*?*x", "[!a]*[a-z]*-*.log", "**a**a**")
        ),
    ],
    "shipper.inputs.files.glob_scan": [
        ("match", re.compile(translate(glob))) for glob in ("*-json.log", "*_*_*-*.log", "*a*a*a*", "?[0-9]*")
    ],
}
"""Modules that make expressions of what is configured, and what comes of some."""


@cache
def modules() -> dict[str, ast.Module]:
    """All modules of ours, parsed."""
    names = [
        found.name for package in PACKAGES for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    homes = {name: ROOT.joinpath(*FOLDERS.get(name.partition(".")[0], ()), *name.split(".")) for name in names}
    files = {name: path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for name, path in homes.items()}
    return {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in files.items()}


@cache
def patterns() -> dict[str, "re.Pattern[Any]"]:
    """All expressions that modules hold, by where."""
    found: dict[int, tuple[str, re.Pattern[Any]]] = {}
    for name in modules():
        if not name.endswith("__main__"):
            for attribute, value in vars(importlib.import_module(name)).items():
                for place, pattern in _inside(f"{name}.{attribute}", value):
                    found.setdefault(id(pattern), (place, pattern))  # one that is imported is of its first module
    return dict(found.values())


def _inside(name: str, value: object) -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(f"{name}.{key}", inner)
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            yield from _inside(f"{name}.{place}", inner)


def uses() -> dict[str, set[str]]:
    """How each name that stands for an expression is used, over all modules."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in WAYS and isinstance(node.value, ast.Name):
                found[node.value.id].add(WAYS[node.attr])
    return found


def written_in_place() -> Iterator[tuple[str, str, "re.Pattern[Any]"]]:
    """Expressions given to `re.sub` and its like as text."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if _asks_re(node) and isinstance(node, ast.Call) and node.func.attr != "compile":  # type: ignore[attr-defined]
                given = node.args[0]
                text = (
                    given.value
                    if isinstance(given, ast.Constant)
                    else getattr(importlib.import_module(name), ast.unparse(given))
                )
                yield name, WAYS[node.func.attr], re.compile(text)  # type: ignore[attr-defined]


def _asks_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re" and node.func.attr in (*WAYS, "compile")
    )  # fmt: skip


@cache
def all_uses() -> list[tuple[str, str, "re.Pattern[Any]"]]:
    """Every expression with each way it is used."""
    return list(_uses())


def _uses() -> Iterator[tuple[str, str, "re.Pattern[Any]"]]:
    used = uses()
    for name, pattern in patterns().items():
        holder = next((ways for held, ways in HELD.items() if name.startswith(f"{held}.")), None)
        for way in sorted(holder or used[name.rpartition(".")[2]]):
            yield name, way, pattern
    yield from written_in_place()
    for module, made in MADE.items():
        yield from ((f"{module}: {pattern.pattern}", way, pattern) for way, pattern in made)


def test_every_expression_takes_linear_time() -> None:
    """Whatever the text, as the expression is used: the steps grow with its length, by a bounded factor."""
    slow = [
        f"{name}, as in {way}"
        for name, way, pattern in all_uses()
        if not is_linear(pattern, way=way) or per_sign(pattern, way=way) > MOST_PER_SIGN
    ]
    assert len(all_uses()) > 100
    assert slow == []


def test_no_expression_is_passed_over() -> None:
    """Each is at the top of its module, where it is found, and used by its name; or it is made by a module listed here."""
    for name, tree in modules().items():
        at_top = {
            id(node)
            for top in tree.body
            if not isinstance(top, ast.FunctionDef | ast.ClassDef)
            for node in ast.walk(top)
        }
        below = [node for node in ast.walk(tree) if _asks_re(node) and id(node) not in at_top]
        compiled = [node for node in below if node.func.attr == "compile"]  # type: ignore[attr-defined]
        assert bool(compiled) == (name in MADE), name
        assert not any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree)), name
    used = {name for name, _, _ in all_uses()}
    assert patterns().keys() <= used, patterns().keys() - used


@pytest.mark.parametrize(
    ("pattern", "way"),
    [(r"(a+)+$", "match"), (r"(a|a)*b", "match"), (r"(a|ab)(c|bcd)*(d*)*x", "match"), (r"a*a*b", "match"), (r"(\w+\s?)*$", "fullmatch"),
     (r"a*b", "search"), (r"\s+$", "search"), (r".*x", "search"), (r"(?:.{0,300}\d+)x", "match"), (r"(x+x+)+y", "match"),
     (r"[a-z]+\d*[a-z]*[0-9]*!", "match"), (r"(.*?),(.*?),(.*?);", "match"),
     (r"a(?:ba)*d", "search"), (r"\w+(?=:)", "search"), (r"[a-z]+\b[^a-z]*;", "search"), (r"(?<![a-z])[a-z.]*x", "search")],
)  # fmt: skip
def test_expressions_that_are_known_to_be_slow_are_found_out(pattern: str, way: str) -> None:
    """What the proof rests on: nested repeats, alternatives that overlap, repeats side by side, starts in one another."""
    made = re.compile(pattern)
    assert not is_linear(made, way=way) or per_sign(made, way=way) > 250


def test_the_extension_searches_in_linear_time_and_hashes_with_a_secret() -> None:
    """It has no regular expressions: Aho-Corasick finds its needles. Its one map is the standard library's, SipHash with keys.

    serde_json reads the chain plan, which is our own, and no log.
    """
    given = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"]
    assert given.keys() == {"aho-corasick", "blake2b_simd", "memchr", "pyo3", "serde_json"}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "native" / "src").glob("*.rs"))
    assert "use std::collections::HashMap;" in source
    assert not re.findall(r"with_hasher|BuildHasher|FxHash|ahash", source)
