"""Dead letters: whole lines or none, each once; a damaged one does not hide others."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shipper.outputs.dead_letters import DeadLetters
from shipper.system.errors import OutputUnavailable
from tests.outputs.conftest import make_document


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Limit files of this process to `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def numbers(letters: DeadLetters) -> list[str]:
    """The numbers of the documents in the letters."""
    return [letter["reason"] for letter in letters.letters()]


def test_a_full_disk_leaves_no_half_a_letter(tmp_path: Path) -> None:
    """A letter that did not fit is removed, and written once there is space."""
    letters = DeadLetters(tmp_path)
    letters.add(make_document(1, message="x" * 3000), "first")
    before = letters.path.read_bytes()
    with full_disk(5000), pytest.raises(OutputUnavailable, match="cannot be written"):
        letters.add(make_document(2, message="x" * 3000), "second")
    assert letters.path.read_bytes() == before
    letters.add(make_document(2, message="x" * 3000), "second")
    letters.add(make_document(3), "third")
    assert numbers(letters) == ["first", "second", "third"]


def test_the_directory_is_made_where_nothing_else_is_kept_in_it(tmp_path: Path) -> None:
    """An indexer keeps its offsets in Kafka; the first letter creates the directory, private to its owner."""
    letters = DeadLetters(tmp_path / "state")
    assert numbers(letters) == []
    letters.add(make_document(1), "first")
    assert numbers(letters) == ["first"]
    assert letters.path.parent.stat().st_mode & 0o777 == 0o700


def test_what_a_crash_left_half_spoils_no_letter_after_it(tmp_path: Path) -> None:
    """The next one starts a new line; the partial one is skipped, with a warning that has file and line."""
    letters = DeadLetters(tmp_path)
    letters.add(make_document(1), "first")
    with letters.path.open("ab") as file:
        file.write(b'{"index":"keneyapp-logs-2026.11.23","id":"00')
    letters.add(make_document(2), "second")
    with capture_logs() as logs:
        assert numbers(letters) == ["first", "second"]
    (warning,) = logs
    assert (warning["event"], warning["line"]) == ("dead_letter_damaged", 2)
    assert warning["file"] == str(letters.path)


@pytest.mark.parametrize(
    "line", [b"[1]\n", b"5\n", b"{}\n", b'{"index":1,"id":"a","document":"b"}\n', b"\xff\n", b"\n"]
)
def test_a_damaged_line_hides_no_other(tmp_path: Path, line: bytes) -> None:
    """Any damaged line."""
    letters = DeadLetters(tmp_path)
    letters.add(make_document(1), "first")
    with letters.path.open("ab") as file:
        file.write(line)
    letters.add(make_document(2), "second")
    assert numbers(letters) == ["first", "second"]


def test_a_batch_that_comes_again_adds_no_letter_twice(tmp_path: Path) -> None:
    """During an outage a rejected document is retried many times: the file does not grow."""
    letters = DeadLetters(tmp_path)
    for _ in range(3):
        letters.add(make_document(1), "again")
        letters.add(make_document(2), "again")
    assert letters.path.read_bytes().count(b"\n") == 2


def test_what_is_remembered_of_letters_is_bounded(tmp_path: Path) -> None:
    """The oldest is forgotten, and may be written again; readers see it once."""
    letters = DeadLetters(tmp_path, remembered=2)
    for number in (1, 2, 3, 3, 1):
        letters.add(make_document(number), f"{number}")
    assert letters.path.read_bytes().count(b"\n") == 4
    assert numbers(letters) == ["1", "2", "3"]


def test_no_letters_are_none(tmp_path: Path) -> None:
    """No file, or one with only a partial line."""
    letters = DeadLetters(tmp_path)
    assert numbers(letters) == []
    letters.path.write_bytes(b'{"index":"')
    assert numbers(letters) == []
