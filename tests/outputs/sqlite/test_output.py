"""The embedded store: durable, each document once, whatever happens to its files."""

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.outputs.sqlite.day_file import VERSION
from shipper.outputs.sqlite.output import OPEN_FILES, LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.errors import ConfigurationError, OutputUnavailable

Make = Callable[..., Document]
INDEX = "keneyapp-logs-2026.11.23"
NOBODY = 65534
WRITER = """
import sys
from pathlib import Path
from shipper.model.documents import Document
from shipper.outputs.sqlite.output import LocalStore

store = LocalStore(Path(sys.argv[1]))
first, batches, size = map(int, sys.argv[2:5])
for batch in range(batches):
    numbers = range(first + batch * size, first + (batch + 1) * size)
    store.write([
        Document("keneyapp-logs-2026.11.23", n.to_bytes(20, "big"), 1795428000000 + n, f"id-{n}", "e", "info", "c",
                 f"word{n}", b'{"correlation_id":"id-%d","message":"word%d"}' % (n, n))
        for n in numbers
    ])
    print(numbers.stop, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """A store whose directory does not exist yet."""
    opened = LocalStore(tmp_path / "store")
    yield opened
    opened.close()


def messages(store: LocalStore, **terms: object) -> list[str]:
    """Messages of the entries that a search finds."""
    query = Query(limit=None, **terms)  # type: ignore[arg-type]
    return [entry["message"] for entry in LocalReader(store.directory).search(query)]


def writer(directory: Path, first: int, batches: int, size: int) -> subprocess.Popen[str]:
    """A process that writes batches and prints its progress after each."""
    command = [sys.executable, "-c", WRITER, str(directory), str(first), str(batches), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anywhere, so tests of permissions run as nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_document_is_stored_once_however_often_it_is_written(store: LocalStore, make: Make) -> None:
    """Writing is idempotent by (index, id), within a batch and over batches."""
    batch = [make(number) for number in range(5)]
    assert store.write(batch) == Written(5, 0)
    assert store.write(batch) == Written(0, 5)
    assert store.write([make(3), make(7), make(6), make(7)]) == Written(2, 2)
    assert messages(store) == [f"entry {number}" for number in (0, 1, 2, 3, 4, 6, 7)]


def test_an_id_met_again_with_another_time_stays_one_entry(store: LocalStore, make: Make) -> None:
    """A log without times gets the time of reading; its ids do not depend on it."""
    first = make(1)
    store.write([first])
    assert store.write([first._replace(time_ms=first.time_ms + 500)]) == Written(0, 1)


def test_what_a_mixed_batch_adds_is_found_by_every_key(store: LocalStore, make: Make) -> None:
    """Entries that are new in a batch of mostly known ones are indexed like any other."""
    store.write([make(number) for number in range(300)])
    new = make(1000, event="login_failed", level="error", correlation_id="abc", message="needle")
    also = make(1001, event="login_failed", level="error", correlation_id="abc", message="needle")
    store.write([*(make(number) for number in range(300)), new, new, also])
    for terms in ({"event": "login_failed"}, {"level": "error"}, {"correlation_id": "abc"}, {"text": "needle"}):
        assert messages(store, **terms) == ["needle", "needle"]


def test_each_index_and_day_has_its_own_private_file(store: LocalStore, make: Make) -> None:
    """Files are named after their index, and readable by their owner alone, as is the folder."""
    quarantined = make(3, prefix="keneyapp-quarantine", raw="x")
    store.write([make(1), make(2, at="2026-11-24T00:00:00Z"), quarantined])
    names = {path.name for path in store.directory.glob("*.db")}
    assert names == {f"{INDEX}.db", "keneyapp-logs-2026.11.24.db", "keneyapp-quarantine-2026.11.23.db"}
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "index",
    [
        "../../etc/2026.11.23",
        "a/b-2026.11.23",
        "a-2026.13.23",
        "A-2026.11.23",
        "a",
        ".-2026.11.23",
        "a\n-2026.11.23",
        "",
    ],
)
def test_an_index_name_that_is_no_file_name_is_refused(store: LocalStore, make: Make, index: str) -> None:
    """No index name escapes the folder, and no part of such a batch is written."""
    with pytest.raises(ConfigurationError, match="invalid index name"):
        store.write([make(1), make(2)._replace(index=index)])
    assert not store.directory.exists()


def test_few_files_are_open_at_once(store: LocalStore, make: Make) -> None:
    """A backfill over many days keeps a bounded number of files open, and loses no entry."""
    days = [f"2026-10-{day:02}T00:00:00Z" for day in range(1, 21)]
    store.write([make(number, at=at) for number, at in enumerate(days)])
    descriptors = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert (
        len({name for name in descriptors if name.startswith(str(store.directory)) and name.endswith(".db")})
        == OPEN_FILES
    )
    assert len(messages(store)) == len(days)


def test_a_file_deleted_underneath_is_begun_anew(store: LocalStore, make: Make) -> None:
    """An entry written after the folder was emptied is found."""
    store.write([make(1)])
    for path in store.directory.iterdir():
        path.unlink()
    store.write([make(2)])
    assert messages(store) == ["entry 2"]


def test_a_file_deleted_during_a_write_is_no_success(store: LocalStore, make: Make) -> None:
    """A commit into a deleted file is reported as not written, and writing it again stores it."""
    path = store.directory / f"{INDEX}.db"

    class Vanishing(str):
        """A text that deletes the day file when it is read."""

        __slots__ = ()

        def isascii(self) -> bool:
            path.unlink(missing_ok=True)
            return True

    document = make(1)
    with pytest.raises(OutputUnavailable, match="deleted while it was written"):
        store.write([document._replace(text=Vanishing("x"))])
    assert store.write([document]) == Written(1, 0)
    assert messages(store) == ["entry 1"]


def test_an_unwritable_folder_is_reported_and_recovers(make: Make) -> None:
    """The error has the cause and a hint, and writing works again as soon as possible."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        store = LocalStore(directory)
        directory.chmod(0o555)
        with unprivileged(), pytest.raises(OutputUnavailable, match=str(directory)) as refused:
            store.write([make(1)])
        assert "writ" in refused.value.hint
        directory.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(directory, 65534, 65534)
        with unprivileged():
            assert store.write([make(1)]) == Written(1, 0)
            store.close()


def test_a_folder_that_is_a_file_is_reported_and_recovers(tmp_path: Path, make: Make) -> None:
    """The error names the file in the folder's place; the store is usable once it is removed."""
    path = tmp_path / "store"
    path.write_text("in the way")
    store = LocalStore(path)
    with pytest.raises(OutputUnavailable, match="cannot be written"):
        store.write([make(1)])
    path.unlink()
    assert store.write([make(1)]) == Written(1, 0)
    store.close()


def test_a_full_disk_is_reported_and_recovers(store: LocalStore, make: Make) -> None:
    """A write on a full disk stores nothing of its day; the same batch is stored once there is space."""
    store.write([make(0)])
    batch = [make(number, message="x" * 1000) for number in range(1, 2000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(OutputUnavailable, match="disk"):
            store.write(batch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert messages(store) == ["entry 0"]
    assert store.write(batch) == Written(len(batch), 0)


@pytest.mark.parametrize(
    "content",
    [b"this is no database, and long enough to be told from an empty one" * 20, b"SQLite format 3\0" + b"\xff" * 5000],
)
def test_a_damaged_file_is_refused_with_its_name_and_hint(store: LocalStore, make: Make, content: bytes) -> None:
    """A file that might be repaired is not overwritten; renaming it is enough to continue."""
    store.directory.mkdir()
    path = store.directory / f"{INDEX}.db"
    path.write_bytes(content)
    with pytest.raises(OutputUnavailable, match=str(path)) as refused:
        store.write([make(1)])
    assert f"mv {path}" in refused.value.hint
    assert path.read_bytes() == content
    path.rename(path.with_suffix(".damaged"))
    assert store.write([make(1)]) == Written(1, 0)


@pytest.mark.parametrize("pragma", [f"user_version={VERSION + 1}", "application_id=7"])
def test_a_file_of_another_version_or_program_is_refused(store: LocalStore, make: Make, pragma: str) -> None:
    """A store of another version is not changed."""
    store.write([make(1)])
    store.close()
    db = sqlite3.connect(store.directory / f"{INDEX}.db")
    db.execute(f"PRAGMA {pragma}")
    db.close()
    with pytest.raises(OutputUnavailable, match=r"has version \d+; this shipper|not a store of shipper"):
        store.write([make(2)])


def test_two_processes_write_the_same_day_at_once(tmp_path: Path) -> None:
    """The agent and a replay share a store; what both write is stored once."""
    writers = [writer(tmp_path, first, 20, 50) for first in (0, 500)]
    assert [process.wait() for process in writers if process.communicate()] == [0, 0]
    entries = list(LocalReader(tmp_path).search(Query(limit=None)))
    assert [entry["message"] for entry in entries] == [f"word{number}" for number in range(1500)]
    for number in (0, 700, 1499):
        assert len(list(LocalReader(tmp_path).search(Query(text=f"word{number}")))) == 1


def test_a_reader_sees_whole_batches_while_another_process_writes(tmp_path: Path) -> None:
    """Reading neither waits for the agent nor blocks it, and never shows a partial transaction."""
    process = writer(tmp_path, 0, 40, 50)
    assert process.stdout is not None
    for line in process.stdout:
        count = len(list(LocalReader(tmp_path).search(Query(limit=None))))
        assert count >= int(line)
        assert count % 50 == 0
    process.stdout.close()
    assert process.wait() == 0


def test_kill_in_the_middle_of_writes_loses_no_written_batch(tmp_path: Path) -> None:
    """After SIGKILL all reported batches are stored, and writing the rest again completes the store."""
    process = writer(tmp_path, 0, 10_000, 100)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(15)][-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    stored = len(list(LocalReader(tmp_path).search(Query(limit=None))))
    assert stored >= reported
    assert stored % 100 == 0
    reread = writer(tmp_path, 0, stored // 100 + 2, 100)
    reread.communicate()
    entries = list(LocalReader(tmp_path).search(Query(limit=None)))
    assert [entry["correlation_id"] for entry in entries] == [f"id-{number}" for number in range(stored + 200)]


def test_a_draft_left_by_a_crash_is_no_day_file(store: LocalStore, make: Make) -> None:
    """A partial file left by a kill is never read as a day file."""
    store.directory.mkdir()
    (store.directory / f".{INDEX}.db.draft").write_bytes(b"half")
    store.write([make(1)])
    assert messages(store) == ["entry 1"]


def test_the_journal_of_a_deleted_file_is_not_played_into_its_successor(store: LocalStore, make: Make) -> None:
    """If only the database was deleted, its journal is left over: none of it may appear in the new file."""
    store.write([make(number) for number in range(500)])
    (store.directory / f"{INDEX}.db").unlink()
    assert store.write([make(1), make(1000)]) == Written(2, 0)
    assert messages(store) == ["entry 1", "entry 1000"]
