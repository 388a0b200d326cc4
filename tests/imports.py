"""The imports of the code that people run, as grimp reads them, and the order that import-linter holds them to."""

import sys
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = {"shipper": "shipper", "processors": "shipper_processors", "schemas": "shipper_schemas"}
"""Folders at the top of the repository, and the packages they hold."""


@cache
def modules() -> dict[str, frozenset[str]]:
    """Return each module of the three packages with those it imports, inside functions too."""
    for folder in (ROOT / "schemas", ROOT / "processors", ROOT):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    graph = grimp.build_graph(*PACKAGES.values(), cache_dir=None)
    return {name: frozenset(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def folder_of(module: str) -> str:
    """Return the folder a module belongs to: one of `shipper/`, or `processors` or `schemas`."""
    top, *below = module.split(".")
    if top == "shipper":
        return below[0] if below else "shipper"
    return top.removeprefix("shipper_")


@cache
def folders() -> dict[str, frozenset[str]]:
    """Return each folder with the folders it imports; loose modules of `shipper/` are left out."""
    loose = {"shipper", "__main__"}
    edges: dict[str, set[str]] = defaultdict(set)
    for module, imported in modules().items():
        edges[folder_of(module)] |= {folder_of(name) for name in imported} - {folder_of(module)}
    return {folder: frozenset(names - loose) for folder, names in edges.items() if folder not in loose}


@cache
def layers() -> tuple[frozenset[str], ...]:
    """Return the layers of `[tool.importlinter]` from top to bottom, each with its folders."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    outer, inner = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    names = [*inner, *(name.removeprefix("shipper_") for name in outer if name != "shipper")]
    return tuple(frozenset(layer.split(" | ")) for layer in names)
