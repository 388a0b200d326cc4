"""Every regular expression of the project takes linear time, by its structure; see `tests.processors.linear`."""

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
from shipper_processors import text_heads
from shipper_processors.conditions import normalised_pattern, route_pattern
from shipper_processors.redact_filter import TextFilter
from shipper_processors.redact_names import DEFAULT_FIELDS, NameRule
from shipper_schemas.lazy_re import LazyPattern
from tests.processors.linear import is_linear, per_character

ROOT = Path(__file__).parents[2]
FOLDERS = {"shipper_processors": ("processors",), "shipper_schemas": ("schemas",)}
PACKAGES = (shipper_processors, shipper_schemas, shipper)
MOST_PER_CHARACTER = 3000
"""Most steps of the matcher for a character of a text; one takes some nanoseconds. Each name in `redact.fields` adds 150."""
METHODS = {
    "match": "match",
    "fullmatch": "fullmatch",
    **dict.fromkeys(("search", "sub", "subn", "split", "findall", "finditer"), "search"),
}
CONTAINERS = {
    **{
        f"shipper_processors.text_heads.{name}": {"match"}
        for name, value in vars(text_heads).items()
        if isinstance(value, tuple | dict) and name.isupper()
    },
    "shipper_processors.time_formats.NOTATIONS": {"fullmatch"},
    "shipper.outputs.elasticsearch.bulk.CLUSTER_REASONS": {"match"},
    "shipper.inputs.files.line_times.RECORDS": {"search"},
}
"""Containers of expressions, with the methods that use them."""
GENERATED = {
    "shipper_processors.redact_filter": [
        ("search", pattern)
        for fields in (DEFAULT_FIELDS, ("a", "a-b", "patient_name", "é"))
        for pattern in TextFilter(NameRule(fields, secrets=True).listed)._whole_words.values()
    ],
    "shipper_processors.conditions": [
        *(
            ("fullmatch", pattern(route))
            for pattern in (route_pattern, normalised_pattern)
            for route in ("/", "/api/v1/patients/{id}", "/{a}/{b}/{c}/{d}", "/a/{x}/b/{y}/c/{z}/d")
        ),
        *(
            ("fullmatch", re.compile(translate(glob)))
            for glob in ("*", "*a*", "*a*a*a*a*b", "?*?*?*x", "[!a]*[a-z]*-*.log", "**a**a**")
        ),
    ],
    "shipper_schemas.lazy_re": [],  # it compiles what other modules write at their top
    "shipper_processors.text_heads": [],  # its function `form` is only called by the module itself
    "shipper.inputs.files.glob_scan": [
        ("match", re.compile(translate(glob))) for glob in ("*-json.log", "*_*_*-*.log", "*a*a*a*", "?[0-9]*")
    ],
}
"""Modules that build expressions from configuration, with examples of these."""


@cache
def modules() -> dict[str, ast.Module]:
    """Return all modules of the project, parsed."""
    names = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    paths = {name: ROOT.joinpath(*FOLDERS.get(name.partition(".")[0], ()), *name.split(".")) for name in names}
    files = {name: path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for name, path in paths.items()}
    return {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in files.items()}


@cache
def patterns() -> dict[str, "re.Pattern[Any]"]:
    """Return all expressions of modules, by their place."""
    places: dict[int, tuple[str, re.Pattern[Any]]] = {}
    for name in modules():
        if not name.endswith("__main__"):
            for attribute, value in vars(importlib.import_module(name)).items():
                for place, pattern in _inside(f"{name}.{attribute}", value):
                    places.setdefault(
                        id(pattern), (place, pattern)
                    )  # an imported expression belongs to its first module
    return dict(places.values())


def _inside(name: str, value: object) -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif isinstance(value, LazyPattern):
        yield name, re.compile(value._source, value._flags)
    elif isinstance(value, text_heads.Form):
        yield name, value.pattern
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(f"{name}.{key}", inner)
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            yield from _inside(f"{name}.{place}", inner)


def uses() -> dict[str, set[str]]:
    """Return how each name of an expression is used, over all modules."""
    ways: defaultdict[str, set[str]] = defaultdict(set)
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
                ways[node.value.id].add(METHODS[node.attr])
    return ways


def written_in_place() -> Iterator[tuple[str, str, "re.Pattern[Any]"]]:
    """Yield the expressions that are passed as text to functions such as `re.sub`."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if _calls_re(node) and isinstance(node, ast.Call) and node.func.attr != "compile":  # type: ignore[attr-defined]
                argument = node.args[0]
                text = (
                    argument.value
                    if isinstance(argument, ast.Constant)
                    else getattr(importlib.import_module(name), ast.unparse(argument))
                )
                yield name, METHODS[node.func.attr], re.compile(text)  # type: ignore[attr-defined]


def _calls_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re" and node.func.attr in (*METHODS, "compile")
    )  # fmt: skip


@cache
def all_uses() -> list[tuple[str, str, "re.Pattern[Any]"]]:
    """Return every expression with each method that uses it."""
    return list(_uses())


def _uses() -> Iterator[tuple[str, str, "re.Pattern[Any]"]]:
    used = uses()
    for name, pattern in patterns().items():
        holder = next((ways for container, ways in CONTAINERS.items() if name.startswith(f"{container}.")), None)
        for way in sorted(holder or used[name.rpartition(".")[2]]):
            yield name, way, pattern
    yield from written_in_place()
    for module, examples in GENERATED.items():
        yield from ((f"{module}: {pattern.pattern}", way, pattern) for way, pattern in examples)


def test_every_expression_takes_linear_time() -> None:
    """For any text and each use, the steps grow with the text's length, by a bounded factor."""
    slow = [
        f"{name}, used by {way}"
        for name, way, pattern in all_uses()
        if not is_linear(pattern, way=way) or per_character(pattern, way=way) > MOST_PER_CHARACTER
    ]
    assert len(all_uses()) > 100
    assert slow == []


def test_no_expression_is_passed_over() -> None:
    """Each is defined at the top of its module and used by its name, or its module is listed here."""
    for name, tree in modules().items():
        at_top = {
            id(node)
            for top in tree.body
            if not isinstance(top, ast.FunctionDef | ast.ClassDef)
            for node in ast.walk(top)
        }
        below = [node for node in ast.walk(tree) if _calls_re(node) and id(node) not in at_top]
        compiled = [node for node in below if node.func.attr == "compile"]  # type: ignore[attr-defined]
        assert bool(compiled) == (name in GENERATED), name
        imports = any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree))
        assert imports == (name == "shipper_schemas.lazy_re"), name  # others call `re` by its name
    used = {name for name, _, _ in all_uses()}
    assert patterns().keys() <= used, patterns().keys() - used


@pytest.mark.parametrize(
    ("pattern", "way"),
    [(r"(a+)+$", "match"), (r"(a|a)*b", "match"), (r"(a|ab)(c|bcd)*(d*)*x", "match"), (r"a*a*b", "match"), (r"(\w+\s?)*$", "fullmatch"),
     (r"a*b", "search"), (r"\s+$", "search"), (r".*x", "search"), (r"(?:.{0,300}\d+)x", "match"), (r"(x+x+)+y", "match"),
     (r"[a-z]+\d*[a-z]*[0-9]*!", "match"), (r"(.*?),(.*?),(.*?);", "match"),
     (r"a(?:ba)*d", "search"), (r"\w+(?=:)", "search"), (r"[a-z]+\b[^a-z]*;", "search"), (r"(?<![a-z])[a-z.]*x", "search")],
)  # fmt: skip
def test_expressions_that_are_known_to_be_slow_are_detected(pattern: str, way: str) -> None:
    """The proof recognises nested repeats, overlapping alternatives, adjacent repeats and overlapping starts."""
    compiled = re.compile(pattern)
    assert not is_linear(compiled, way=way) or per_character(compiled, way=way) > 250


def test_the_extension_searches_in_linear_time_and_hashes_with_a_secret() -> None:
    """It has no regular expressions: Aho-Corasick finds keywords. Its only map is the standard library's, SipHash with keys.

    serde_json reads only the chain plan, never logs.
    """
    dependencies = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"]
    assert dependencies.keys() == {"aho-corasick", "blake2b_simd", "hmac-sha256", "memchr", "pyo3", "serde_json"}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "native" / "src").glob("*.rs"))
    assert "use std::collections::HashMap;" in source
    assert not re.findall(r"with_hasher|BuildHasher|FxHash|ahash", source)
