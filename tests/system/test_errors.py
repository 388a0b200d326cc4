"""What is said to do about errors of the system: by their cause."""

import os
from pathlib import Path

import pytest

from shipper.inputs.files.handles import PlainHandle
from shipper.system.errors import (
    AGAIN,
    NOTHING_LOST,
    OutputUnavailable,
    asking_again,
    of_one_try,
    to_read,
    while_waiting,
)


def test_a_log_that_cannot_be_opened_is_explained_by_its_cause(tmp_path: Path) -> None:
    """Rights help nobody who named a folder, nor one whose link leads nowhere."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="not a regular file") as folder:
        PlainHandle(str(tmp_path))
    with pytest.raises(FileNotFoundError) as link:
        PlainHandle(str(tmp_path / "link"))
    closed = PermissionError(1, os.strerror(1))
    hints = [to_read(error) for error in (folder.value, link.value, closed)]
    assert ["regular files" in hints[0], "link" in hints[1], "CAP_DAC_READ_SEARCH" in hints[2]] == [True] * 3


HINTS = ("start it", "look; then wait", f"tell them that {NOTHING_LOST}", f"end; {NOTHING_LOST}")


@pytest.mark.parametrize("hint", HINTS)
def test_each_front_end_adds_to_a_hint_and_takes_nothing_from_it(hint: str) -> None:
    """Whatever its words are: that a failure resumes is a field beside it."""
    lasting, passing = OutputUnavailable("away", hint), OutputUnavailable("away", hint, resumes=True)
    assert (while_waiting(lasting), while_waiting(passing)) == (hint, f"{hint}; {NOTHING_LOST}")
    for error in (lasting, passing):
        assert (of_one_try(error), asking_again(error), str(error)) == (hint, f"{hint}\n  {AGAIN}", f"away\n  {hint}")


def test_a_failure_without_a_hint_says_what_can_be_said() -> None:
    """A command may be tried again, an agent waits, and what does not resume has no hint at all."""
    passing = OutputUnavailable("away", resumes=True)
    assert (while_waiting(passing), of_one_try(passing), asking_again(passing)) == (NOTHING_LOST, "try it again", AGAIN)
    assert (while_waiting(OutputUnavailable("away")), str(OutputUnavailable("away"))) == ("", "away")
