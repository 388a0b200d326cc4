"""The generators: real libraries, locked versions, and a file that the comparison reads."""

import json
from pathlib import Path

import pytest

from tests.shapes.generate.__main__ import HERE, LANGUAGES, anonymous, generate, rendered, shapes_of
from tests.shapes.truth import CORPUS, read_shapes

EVENT = {"shape": "s", "kind": "text", "lines": ["one"], "expect": {"level": "info"}}
LOCKS = {
    "python": "requirements.txt", "node": "package-lock.json", "go": "go.sum", "java": "pom.xml", "rust": "Cargo.lock",
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_locked_versions_and_its_shapes_are_in_the_corpus(language: str) -> None:
    """Another run with the same versions writes the same forms."""
    assert (HERE / language / LOCKS[language]).is_file()
    assert read_shapes([CORPUS / f"written-by-{language}.json"])


def test_printed_events_become_a_file_of_shapes(tmp_path: Path) -> None:
    """Events of one shape stand together; what a library prints beside them is skipped."""
    output = "\n".join(["a warning", json.dumps(EVENT), "{}", json.dumps(EVENT | {"lines": ["two"]})])
    path = tmp_path / "written.json"
    path.write_text(rendered(shapes_of(output)), encoding="utf-8")
    [shape] = read_shapes([path])
    assert (shape.name, [entry.lines for entry in shape.entries]) == ("s", [["one"], ["two"]])


def test_nothing_of_this_machine_is_written(tmp_path: Path) -> None:
    """The folder of the program is the one of an application."""
    assert anonymous(f'File "{tmp_path}/write.py"', tmp_path) == 'File "/srv/harbour/write.py"'


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_the_python_libraries_write_what_is_in_the_corpus(tmp_path: Path) -> None:
    """Installed from the lock and run, they write the same shapes."""
    written = read_shapes([generate("python", tmp_path / "out", tmp_path / "work")])
    kept = read_shapes([CORPUS / "written-by-python.json"])
    assert [shape.name for shape in written] == [shape.name for shape in kept]
    assert [[entry.expect for entry in shape.entries] for shape in written] == [
        [entry.expect for entry in shape.entries] for shape in kept
    ]
