"""What is said to do about errors of the system: by their cause."""

import os
from pathlib import Path

import pytest

from shipper.inputs.files.handles import PlainHandle
from shipper.system.errors import to_read


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
