"""docs/security.md: what it says to be shown is shown by a test that is there."""

import re
from pathlib import Path

import pytest

from tests.deploy.pages import cells

ROOT = Path(__file__).parents[2]
ROWS = cells(ROOT / "docs" / "security.md", "What holds")


ACTORS = ("An application, and whoever deploys it", "A client of it", "A neighbour on the node", "A thief of the disk")


def shown_by(cell: str) -> None:
    """Each name in a cell is a file of tests, or a test in one."""
    names = re.findall(r"`(tests/[^`]+)`", cell)
    assert names or "decisions/" in cell
    for name in names:
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not test or re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("actor", ACTORS)
def test_each_actor_has_what_it_cannot_do(actor: str) -> None:
    """By the test that tries; and `SECURITY.md` names the same four."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    section = page.partition(f"### {actor}")[2].partition("\n## ")[0].partition("\n### ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 4
    for _, cell in rows:
        shown_by(cell)
    assert f"**{actor.partition(',')[0]}" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_promise_has_its_test(row: list[str]) -> None:
    """A test by name, a file of tests about nothing else, or a decision."""
    threat, done, shown = row
    assert threat
    assert done
    shown_by(shown)


def test_what_does_not_hold_is_told() -> None:
    """A list of promises without their limits would be read as more than it is."""
    limits = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## What does not hold\n")[2]
    assert len(re.findall(r"^- \*\*", limits.partition("\n## ")[0], re.MULTILINE)) >= 5
