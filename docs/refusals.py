"""Every message that the shipper can refuse with, read from the sources: what it says and what it says to do."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("shipper", "schemas")
OF_CONFIGURATION = (
    "shipper/config/output_kinds.py",
    "shipper/config/output_settings.py",
    "shipper/config/pipeline_settings.py",
    "shipper/config/section.py",
    "shipper/config/settings.py",
    "shipper/config/key_files.py",
    "shipper/config/units.py",
    "schemas/shipper_schemas/rules.py",
    "schemas/shipper_schemas/builtin_rules.py",
)
"""Modules in which a ValueError is a problem of a configuration key."""
PLACE = "⟨{}⟩"
"""Placeholder for a value in a message."""
TITLES = {
    "ValueError": "A key of the configuration",
    "ConfigurationError": "The configuration as a whole",
    "StateError": "The state directory",
    "OutputUnavailable": "The output",
    "KafkaUnavailable": "Kafka",
    "StoreUnreadable": "A store that is searched",
    "ReleaseRefused": "An entry that is released",
    "ReadingFailed": "A process of a replay",
    "ShipperError": "Everything else",
}
"""Classes of errors, in the order of the page."""


class Refusal(NamedTuple):
    """A message, its hint, and the class of the error."""

    kind: str
    what: str
    hint: str


@cache
def refusals() -> list[Refusal]:
    """All of them, each once, in the order of their class and text."""
    trees = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    kinds = descendants(trees.values(), "ShipperError")
    texts = {place: constants(tree.body) for place, tree in trees.items()}
    all_refusals = {
        refusal
        for place, tree in trees.items()
        for refusal in of_module(
            tree, kinds | ({"ValueError"} if place in OF_CONFIGURATION else set()), in_sight(tree, place, texts)
        )
    }
    with_hint = {(refusal.kind, refusal.what) for refusal in all_refusals if not unknown(refusal.hint)}
    return sorted(
        refusal
        for refusal in all_refusals
        if re.search("[a-z]", re.sub("⟨.*?⟩", "", refusal.what))
        and not (unknown(refusal.hint) and (refusal.kind, refusal.what) in with_hint)
    )


def in_sight(tree: ast.Module, place: str, texts: Mapping[str, Mapping[str, ast.expr]]) -> dict[str, ast.expr]:
    """The constants that a module has or imports; of those of other modules, what the name alone tells."""
    constants = {name: value for known in texts.values() for name, value in known.items() if name.isupper()}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            there = texts.get(f"{node.module.replace('.', '/')}.py", {})
            constants |= {alias.asname or alias.name: there[alias.name] for alias in node.names if alias.name in there}
    return constants | dict(texts[place])


def unknown(hint: str) -> bool:
    """Return True if the sources hold no words of a hint, since it is built elsewhere."""
    return re.sub("⟨.*?⟩", "", hint) == ""


def descendants(trees: Collection[ast.Module], base: str) -> set[str]:
    """The names of a class and of those that inherit from it."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names, before = {base}, 0
    while len(names) > before:
        before = len(names)
        names |= {
            class_.name
            for class_ in classes
            for above in class_.bases
            if isinstance(above, ast.Name) and above.id in names
        }
    return names


def of_module(tree: ast.Module, kinds: set[str], texts: dict[str, ast.expr]) -> Iterator[Refusal]:
    """Yield the error messages of one module."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        nodes = list(ast.walk(scope))
        known = {**texts, **constants(nodes)}
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                texts_of_call = [worded(argument, known) for argument in node.args[:2]]
                yield Refusal(node.func.id, texts_of_call[0], texts_of_call[1] if len(texts_of_call) > 1 else "")


def constants(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Names that a text is assigned to once."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    return {
        name: values[0]
        for name, values in assigned.items()
        if len(values) == 1 and isinstance(values[0], ast.Constant | ast.JoinedStr)
    }


def worded(node: ast.expr, known: dict[str, ast.expr]) -> str:
    """An expression as the words that it makes, with a mark for each value in it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(worded(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return worded(node.value, known)
    if isinstance(node, ast.Name) and node.id in known:
        return worded(known[node.id], {name: text for name, text in known.items() if name != node.id})
    if isinstance(node, ast.Name | ast.Attribute):
        return PLACE.format((node.id if isinstance(node, ast.Name) else node.attr).strip("_").replace("_", " "))
    return PLACE.format("…")


def rows(kind: str) -> Iterator[tuple[str, ...]]:
    """The messages of a class for a table, with their hints where they are not in the message itself."""
    for refusal in refusals():
        if refusal.kind == kind:
            hint = "as the message says" if unknown(refusal.hint) else refusal.hint
            cells = (refusal.what,) if kind == "ValueError" else (refusal.what, hint)
            yield tuple(map(plain, cells))


def plain(text: str) -> str:
    """A text in which Markdown sees no signs of its own but those of code."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in re.split("(`[^`]*`)", text)
    )
