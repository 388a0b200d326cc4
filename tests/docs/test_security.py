"""docs/security.md: what it says to be shown is shown by a test that is there."""

import re
from pathlib import Path

import pytest

from tests.deploy.pages import cells

ROOT = Path(__file__).parents[2]
ROWS = cells(ROOT / "docs" / "security.md", "What holds")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_promise_has_its_test(row: list[str]) -> None:
    """A test by name, a file of tests about nothing else, or a decision."""
    threat, done, shown = row
    assert threat
    assert done
    names = re.findall(r"`(tests/[^`]+)`", shown)
    assert names or "decisions/" in shown
    for name in names:
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not test or re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name


def test_what_does_not_hold_is_told() -> None:
    """A list of promises without their limits would be read as more than it is."""
    limits = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## What does not hold\n")[2]
    assert len(re.findall(r"^- \*\*", limits.partition("\n## ")[0], re.MULTILINE)) >= 5
