"""Entries of a search that did not cover the whole store."""

from collections.abc import Iterator
from typing import Any

import pytest

from shipper.cli.partial_search import Entries
from shipper.system.errors import StoreIncomplete


def ending(number: int, error: StoreIncomplete | None) -> Iterator[dict[str, Any]]:
    """Yield entries, and raise at their end."""
    yield from ({"number": place} for place in range(number))
    if error is not None:
        raise error


@pytest.mark.parametrize(("number", "failed", "raises"), [(2, True, True), (2, False, False), (0, False, True)])
def test_a_failure_is_an_error_and_a_closed_part_a_warning(
    capsys: pytest.CaptureFixture[str], number: int, failed: bool, raises: bool
) -> None:
    """All entries are given first; without any, what is missing is always an error."""
    error = StoreIncomplete("searched only a part: \x1b[2J", "open it", failed=failed)
    entries = Entries(ending(number, error))
    assert len(list(entries)) == number
    if raises:
        with pytest.raises(StoreIncomplete):
            entries.report(number)
    else:
        entries.report(number)
        said = capsys.readouterr().err
        assert said.startswith("Warning: searched only a part")
        assert "\x1b" not in said
        assert "open it" in said


def test_a_complete_search_reports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a warning nor an error."""
    entries = Entries(ending(1, None))
    assert len(list(entries)) == 1
    entries.report(1)
    assert capsys.readouterr().err == ""
