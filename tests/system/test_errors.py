"""Hints for system errors follow from their cause."""

import os
from pathlib import Path

import pytest

from shipper.inputs.files.handles import PlainHandle
from shipper.system.errors import (
    AGAIN,
    NOTHING_LOST,
    OutputUnavailable,
    hint_for_command,
    hint_to_rerun,
    hint_unreadable,
    hint_while_running,
)


def test_a_log_that_cannot_be_opened_is_explained_by_its_cause(tmp_path: Path) -> None:
    """Permissions do not help with a folder or a broken link."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="not a regular file") as folder:
        PlainHandle(str(tmp_path))
    with pytest.raises(FileNotFoundError) as link:
        PlainHandle(str(tmp_path / "link"))
    closed = PermissionError(1, os.strerror(1))
    hints = [hint_unreadable(error) for error in (folder.value, link.value, closed)]
    assert ["regular files" in hints[0], "link" in hints[1], "CAP_DAC_READ_SEARCH" in hints[2]] == [True] * 3


HINTS = ("start it", "look; then wait", f"note that {NOTHING_LOST}", f"end; {NOTHING_LOST}")


@pytest.mark.parametrize("hint", HINTS)
def test_each_front_end_adds_to_a_hint_and_takes_nothing_from_it(hint: str) -> None:
    """The words of the hint do not matter: whether a failure resumes is a separate field."""
    lasting, passing = OutputUnavailable("unavailable", hint), OutputUnavailable("unavailable", hint, resumes=True)
    assert (hint_while_running(lasting), hint_while_running(passing)) == (hint, f"{hint}; {NOTHING_LOST}")
    for error in (lasting, passing):
        assert (hint_for_command(error), hint_to_rerun(error), str(error)) == (
            hint,
            f"{hint}\n  {AGAIN}",
            f"unavailable\n  {hint}",
        )


def test_a_failure_without_a_hint_gets_a_general_one() -> None:
    """A command may be run again, an agent waits, and a failure that does not resume has no hint."""
    passing = OutputUnavailable("unavailable", resumes=True)
    assert (hint_while_running(passing), hint_for_command(passing), hint_to_rerun(passing)) == (
        NOTHING_LOST,
        "try again",
        AGAIN,
    )
    assert (hint_while_running(OutputUnavailable("unavailable")), str(OutputUnavailable("unavailable"))) == (
        "",
        "unavailable",
    )
