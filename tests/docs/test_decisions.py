"""The decisions: each is in the index, under its number and title, with a status and a date."""

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
FILES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
STATUS = re.compile(r"^- Status: (proposed|accepted|replaced)(?: by \[\d{4}\]\(\S+\)|; .+)?$", re.MULTILINE)
DATE = re.compile(r"^- Date: (\d{4}-\d\d-\d\d)$", re.MULTILINE)


def index() -> list[tuple[str, str, str]]:
    """Return number, file name and title of each line of the index."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^- \[(\d{4})\]\((\S+\.md)\) (.+)$", text, re.MULTILINE)


def title(path: Path) -> str:
    """Return the heading of a page."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def test_the_index_has_each_decision_once_in_their_order() -> None:
    """By number, file and title, and nothing else."""
    assert index() == [(path.name[:4], path.name, title(path)) for path in FILES]


def test_numbers_are_given_once() -> None:
    """No two files share one."""
    numbers = [path.name[:4] for path in FILES]
    assert all(number.isdecimal() for number in numbers)
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_decision_has_a_status_and_a_date(path: Path) -> None:
    """One of each, right under its title; whatever replaced it, or a part of it, is there."""
    head = path.read_text(encoding="utf-8").partition("\n\n")[2].partition("\n\n")[0]
    (status,) = STATUS.finditer(head)
    (day,) = DATE.findall(head)
    assert date.fromisoformat(day)
    assert status[1] != "replaced" or "](" in status[0]
    assert [name for name in re.findall(r"\]\((\S+)\)", status[0]) if not (FOLDER / name).exists()] == []
