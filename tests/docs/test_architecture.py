"""The drawing of the architecture is the order of the real imports, and each file that the page names is there."""

import re
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.imports import ROOT, folders, layers, modules

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDER = r"[a-z]+(?:/\{[a-z,]+\})?"
ROW = re.compile(rf"({FOLDER}(?: \| {FOLDER})*|  ↓)(?: {{2,}}(\S.*))?")


class Drawing(NamedTuple):
    """The first drawing of a page: layers from top to bottom, their sub-folders, and the text at the right."""

    layers: tuple[frozenset[str], ...]
    subfolders: dict[str, frozenset[str]]
    notes: tuple[str, ...]


def drawing(page: str) -> Drawing:
    """Return the drawing. Raises AssertionError for a row that is neither a layer nor an arrow."""
    text = page.partition("```text\n")[2].partition("\n```")[0]
    rows = [ROW.fullmatch(line) for line in text.splitlines()]
    assert all(rows), text
    left = [row[1] for row in rows if row]
    assert left[1::2] == ["  ↓"] * (len(left) // 2), "one arrow between each two layers"
    named = [[part.partition("/") for part in line.split(" | ")] for line in left[::2]]
    subfolders = {name: frozenset(below.strip("{}").split(",")) for line in named for name, _, below in line if below}
    notes = tuple(row[2] for row in rows if row and row[2])
    return Drawing(tuple(frozenset(name for name, _, _ in line) for line in named), subfolders, notes)


def contradictions(drawn: tuple[frozenset[str], ...], edges: dict[str, frozenset[str]]) -> set[tuple[str, str]]:
    """Return the imports that no arrow allows, and the arrows that no import follows, as pairs of folders."""
    height = {folder: -number for number, layer in enumerate(drawn) for folder in layer}
    against = {(one, other) for one, imported in edges.items() for other in imported if height[other] >= height[one]}
    idle = {
        (min(upper), min(lower))
        for upper, lower in pairwise(drawn)
        if not any(edges[folder] & lower for folder in upper)
    }
    return against | idle


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows[2:]]


def test_the_drawing_has_every_folder_in_the_order_that_is_enforced() -> None:
    """The layers are those of import-linter, and hold all folders that there are."""
    drawn = drawing(PAGE).layers
    assert drawn == layers()
    assert frozenset().union(*drawn) == folders().keys()


def test_sub_folders_in_the_drawing_are_all_of_them() -> None:
    """Where sub-folders are drawn, none is missing."""
    for folder, names in drawing(PAGE).subfolders.items():
        below = {path.parent.name for path in (ROOT / "shipper" / folder).glob("*/__init__.py")}
        assert names == below, folder


def test_every_import_follows_an_arrow_and_every_arrow_an_import() -> None:
    """No import goes up or sideways, and no layer is drawn over one that it does not use."""
    assert contradictions(drawing(PAGE).layers, folders()) == set()


@pytest.mark.parametrize(
    ("edges", "contradiction"),
    [
        ({"top": frozenset({"low"}), "low": frozenset({"top"})}, ("low", "top")),
        ({"top": frozenset({"low"}), "low": frozenset({"beside"})}, ("low", "beside")),
        ({"top": frozenset(), "low": frozenset()}, ("top", "beside")),
    ],
)
def test_a_contradiction_is_found(edges: dict[str, frozenset[str]], contradiction: tuple[str, str]) -> None:
    """An import that goes up, one that goes sideways, and an arrow without an import."""
    drawn = (frozenset({"top"}), frozenset({"low", "beside"}))
    assert contradictions(drawn, {"beside": frozenset(), **edges}) == {contradiction}


def test_the_steps_at_the_right_are_modules_that_the_way_of_a_line_imports() -> None:
    """Numbered steps are files of the folder beside them or of one above; the processors are used by input or pipeline."""
    notes = drawing(PAGE).notes
    files = re.findall(r"[a-z_]+(?:/[a-z_]+)+\.py", "\n".join(notes))
    assert [number for note in notes for number in re.findall(r"^(\d) ", note)] == ["1", "2", "3", "4", "5"]
    assert [file for file in files if not (ROOT / "shipper" / file).is_file()] == []
    (steps,) = (note.split(" → ") for note in notes if "→" in note)
    used = {
        name.rpartition(".")[2]
        for module, imported in modules().items()
        if module.startswith(("shipper.inputs.", "shipper.pipeline."))
        for name in imported
        if name.startswith("shipper_processors.")
    }
    assert set(steps) <= used


def test_the_table_has_each_folder_once_in_the_order_of_the_drawing() -> None:
    """With its main files, which are its own."""
    rows = table("Folders")
    assert all(len(row) == 3 for row in rows)
    in_order = [row[0].strip("`") for row in rows]
    height = {folder: number for number, layer in enumerate(layers()) for folder in layer}
    assert sorted(in_order) == sorted(height)
    assert [height[folder] for folder in in_order] == sorted(height.values())
    for folder, (_, _, files) in zip(in_order, rows, strict=True):
        own = f"{folder}/shipper_{folder}/" if folder in ("processors", "schemas") else f"shipper/{folder}/"
        assert all(name.startswith(own) for name in re.findall(r"`([^`]+)`", files)), folder


def test_each_answer_names_a_file() -> None:
    """The questions of a newcomer are answered by file names."""
    rows = table("Where is …")
    assert len(rows) > 10
    assert [question for question, answer in rows if not re.search(r"`\S+/\S*`", answer)] == []


def test_each_path_on_the_page_is_there() -> None:
    """In the tables and between them."""
    paths = re.findall(r"`((?:shipper|processors|schemas|native|tests)/[^`\s]*)`", PAGE)
    assert len(paths) > 50
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_names_in_capitals_stand_in_a_file_of_the_same_answer() -> None:
    """`METRICS`, `COMMANDS` and the like are found where the page says."""
    for _, answer in table("Where is …"):
        files = [ROOT / path for path in re.findall(r"`([a-z]+/[^`\s]*\.py)`", answer)]
        for name in re.findall(r"`([A-Z_]{4,}|[a-z]+_id)`", answer):
            assert any(name in file.read_text(encoding="utf-8") for file in files), name
