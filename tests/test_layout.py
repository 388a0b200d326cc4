"""The folders: few at each level, mirrored by the tests, and importing in one direction without a cycle."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import PACKAGES, ROOT, folders, layers, modules

MOST_LOOSE = 3
MOST_NAMES = 12
UNCOUNTED = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
"""Names that every package has, or that are hidden."""
WIDE = {
    "shipper": "the folders are the steps of a line and their foundations; docs/architecture.md draws them in one order",
    "shipper/cli/commands": "one file for each command, named like it",
    "shipper/agent": "two processes, agent and indexer, each with its status, and the parts of their turns",
    "shipper/config": "settings by section, and the kinds of inputs and outputs that they are validated against",
    "shipper/inputs/files": "tailing: one file for each part of following a rotated log",
    "shipper/outputs/elasticsearch": "writing, reading, management and Kibana's objects, one file for each part",
    "schemas/shipper_schemas": "the vocabulary, one file for each table of it",
    "processors/shipper_processors": "one file for each step, imported by applications under these names",
}
"""Folders that may show more names, with the reason."""
OWN_FOLDERS = {
    "chaos": "the real agent, broken by a seeded schedule",
    "compare": "any two checkouts over one recorded corpus",
    "deploy": "what deploy/ holds: images, manifests, rules, dashboards",
    "docs": "what the handbook promises",
    "fuzz": "one target for each parser",
    "golden": "recorded stack traces",
    "hazards": "whole agents in this process, over logs that misbehave",
    "integration": "tests over real servers and processes",
    "processors/native_parts": "single steps of the extension, compared with their Python twins",
    "recount": "a plain recount of failed logins, which shares no code with the product",
    "services": "the servers that tests start",
    "shapes": "logs of real loggers with their truth, and the tool that measures what is stored",
}
"""Folders of tests/ that mirror no package, with what they hold."""
SOURCES = [ROOT / folder if folder == "shipper" else ROOT / folder / package for folder, package in PACKAGES.items()]


def packages(top: Path) -> Iterator[Path]:
    """Return a package's folder and all folders in it that hold modules."""
    yield from sorted({path.parent for path in top.rglob("*.py")})


def relative(path: Path) -> str:
    """Return a path as people write it."""
    return path.relative_to(ROOT).as_posix()


ALL = [folder for top in SOURCES for folder in packages(top)]


def names_in(folder: Path) -> set[str]:
    """Return the names that a folder shows at its first level."""
    return {path.name for path in folder.iterdir()} - UNCOUNTED


def test_shipper_holds_folders_and_at_most_three_files() -> None:
    """A newcomer sees the steps, not their parts."""
    assert len([path for path in (ROOT / "shipper").iterdir() if path.is_file()]) <= MOST_LOOSE


@pytest.mark.parametrize("folder", ALL, ids=relative)
def test_a_folder_shows_at_most_a_dozen_names(folder: Path) -> None:
    """Unless its subject has more parts of one kind; an exception that is no longer needed goes."""
    assert (len(names_in(folder)) > MOST_NAMES) == (relative(folder) in WIDE), sorted(names_in(folder))


def test_each_folder_of_tests_mirrors_one_of_the_packages() -> None:
    """Or it is named with what it holds."""
    mirrored = {folder.relative_to(top) for top in SOURCES[:1] for folder in packages(top)}
    mirrored |= {
        Path(name) / folder.relative_to(top)
        for name, top in zip(PACKAGES, SOURCES, strict=True)
        for folder in packages(top)
    }
    tests = {folder.relative_to(ROOT / "tests") for folder in packages(ROOT / "tests")}
    unknown = {folder.as_posix() for folder in tests - mirrored if folder.parts[0] not in OWN_FOLDERS}
    assert unknown - OWN_FOLDERS.keys() == set()


def test_no_import_goes_up() -> None:
    """Each folder has one layer, and imports from lower layers alone."""
    height = {folder: -number for number, layer in enumerate(layers()) for folder in layer}
    assert folders().keys() == height.keys()
    upward = {
        (folder, name) for folder, imported in folders().items() for name in imported if height[name] >= height[folder]
    }
    assert upward == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions count too. A cycle is raised with the modules on it."""
    assert set(TopologicalSorter(modules()).static_order()) == modules().keys()
