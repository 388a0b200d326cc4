"""Create, extend and open the databases of store and state with any number of free KiB on their disk.

    python -m tests.chaos.nearly_full                        all sizes on tmpfs and ext4
    python -m tests.chaos.nearly_full --kind ext4 --step 64

The trials of a file system run in a process of their own: a signal that ends it is reported with the size. After each
trial there is room again: everything that was acknowledged must be there once, and everything else must be writable.
"""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import click

from deploy.services.unavailable import Unavailable
from shipper.model.documents import Document
from shipper.outputs.sqlite.day_file import day_files
from shipper.outputs.sqlite.output import LocalStore
from shipper.state.checkpoint import Position, SavedLog
from shipper.state.database import FILE
from shipper.state.store import State
from shipper.system.errors import OutputUnavailable, StateError
from shipper_schemas.metrics import SeriesKey
from tests.chaos.disks import FILE_SYSTEMS, SmallDisk
from tests.outputs.conftest import make_document

ROOT = Path(__file__).parents[2]
MOST_KIB, STEP_KIB = 512, 4
DISK_MIB = 8
BATCH = 40
KEY = b"nearly full"
UNAVAILABLE = 3
"""Exit code where no file system can be mounted."""


class Lost(Exception):
    """Something acknowledged is missing, stored twice or unreadable, or nothing can be written with room."""


# --- the store ------------------------------------------------------------------------------------


def documents(batch: int) -> list[Document]:
    """Return one batch of documents."""
    return [make_document(batch * BATCH + number, text="x" * 200) for number in range(BATCH)]


def write_until_refused(store: LocalStore, batches: Sequence[int]) -> list[int]:
    """Write batches until one is refused; return those that were stored."""
    written = []
    for batch in batches:
        try:
            store.write(documents(batch))
        except OutputUnavailable:
            break
        written.append(batch)
    return written


def try_store(folder: Path, disk: SmallDisk, kibibytes: int, operation: str) -> None:
    """One trial of the store. Raises Lost."""
    directory = folder / "store"
    store, written = LocalStore(directory), list[int]()
    if operation != "create":
        written += write_until_refused(store, [0, 1])
    if operation == "restart":
        store.close()
    disk.leave(kibibytes)
    if operation == "restart":
        store = LocalStore(directory)
    written += write_until_refused(store, range(2, 12))
    disk.release()
    store.close()
    store = LocalStore(directory)
    for batch in range(12):
        stored = store.write(documents(batch)).stored
        if stored != (0 if batch in written else BATCH):
            raise Lost(
                f"{stored} documents of batch {batch} were new; it was {'' if batch in written else 'not '}stored"
            )
    store.close()
    (file,) = day_files(directory)
    with closing(sqlite3.connect(file.path)) as db:
        ((verdict,),) = db.execute("PRAGMA integrity_check(1)").fetchall()
        ((number,),) = db.execute("SELECT count(*) FROM entry").fetchall()
    if (verdict, number) != ("ok", 12 * BATCH):
        raise Lost(f"{number} documents, integrity: {verdict}")


# --- the state ------------------------------------------------------------------------------------


def commit_until_refused(state: State, numbers: Sequence[int]) -> int | None:
    """Commit until one is refused; return the last that was committed."""
    last = None
    for number in numbers:
        series: dict[SeriesKey, float] = {(f"metric_{number % 97}", (f"label {row}",)): number for row in range(20)}
        log = SavedLog(
            f"/logs/{number % 31}", "docker", b"{}", Position(1, number, b"half an entry"), None, 2, b"\x80", []
        )
        try:
            state.commit([log], [], series, dict.fromkeys(series, 1.0))
        except StateError:
            break
        last = number
    return last


def try_state(folder: Path, disk: SmallDisk, kibibytes: int, operation: str) -> None:
    """One trial of the state. Raises Lost."""
    directory = folder / "state"
    state, last = None, None
    if operation != "create":
        state = State(directory, KEY)
        last = commit_until_refused(state, range(1, 20))
    if operation == "restart" and state is not None:
        state.close()
        state = None
    disk.leave(kibibytes)
    try:
        state = state or State(directory, KEY)
        last = commit_until_refused(state, range(20, 60)) or last
    except StateError as error:
        if not error.hint.startswith("free disk space"):
            raise Lost(f"{error}") from error
    disk.release()
    if state is not None:
        state.close()
    with closing(State(directory, KEY)) as again:
        found = max((log.count_position.offset for log in again.logs().values()), default=None)
        if found != last:
            raise Lost(f"commit {last} was the last, and {found} is there")
        if commit_until_refused(again, range(60, 80)) != 79:
            raise Lost("nothing can be committed with room")
    with closing(sqlite3.connect(directory / FILE)) as db:
        ((verdict,),) = db.execute("PRAGMA integrity_check(1)").fetchall()
    if verdict != "ok":
        raise Lost(f"integrity: {verdict}")


TRIALS: dict[str, Callable[[Path, SmallDisk, int, str], None]] = {"store": try_store, "state": try_state}
OPERATIONS = ("create", "append", "restart")


# --- all sizes ------------------------------------------------------------------------------------


def run(kind: str, database: str, sizes: Sequence[int]) -> int:
    """Try all operations at each size in this process; return the number of trials. Raises Lost, Unavailable."""
    with tempfile.TemporaryDirectory(prefix="nearly-full-") as work:
        disk = SmallDisk(Path(work) / "disk", DISK_MIB, kind)
        try:
            for size in sizes:
                for operation in OPERATIONS:
                    click.echo(f"{database} on {kind}: {operation} with {size} KiB free")
                    folder = disk.folder / f"{operation}-{size}"
                    TRIALS[database](folder, disk, size, operation)
                    subprocess.run(["rm", "-rf", str(folder)], check=True)
        finally:
            disk.unmount()
    return len(sizes) * len(OPERATIONS)


def tried(kind: str, database: str, sizes: Sequence[int]) -> int:
    """Run the trials in a process of their own. Raises Lost with its last lines if it fails, Unavailable."""
    numbers = ",".join(map(str, sizes))
    command = [sys.executable, "-m", "tests.chaos.nearly_full", "--within", "--kind", kind, "--database", database]
    done = subprocess.run([*command, "--sizes", numbers], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == UNAVAILABLE:
        raise Unavailable(done.stderr.strip())
    if done.returncode:
        said = "\n".join([*done.stdout.splitlines()[-1:], *done.stderr.splitlines()[-15:]])
        raise Lost(f"ended with {done.returncode}:\n{said}")
    return done.stdout.count("\n")


def _within(kind: str, database: str, sizes: Sequence[int]) -> None:
    try:
        run(kind, database, sizes)
    except Unavailable as error:
        click.echo(str(error), err=True)
        sys.exit(UNAVAILABLE)


@click.command(help=__doc__)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(FILE_SYSTEMS), default=FILE_SYSTEMS)
@click.option("--database", "databases", multiple=True, type=click.Choice([*TRIALS]), default=[*TRIALS])
@click.option("--step", default=STEP_KIB, show_default=True, help="KiB between two sizes.")
@click.option("--sizes", help="These sizes alone, separated by commas.")
@click.option("--within", is_flag=True, hidden=True)
def main(kinds: Sequence[str], databases: Sequence[str], step: int, sizes: str | None, *, within: bool) -> None:
    """Try each file system with each database."""
    chosen = [int(size) for size in sizes.split(",")] if sizes else range(0, MOST_KIB + 1, step)
    for kind in kinds:
        for database in databases:
            if within:
                _within(kind, database, chosen)
            else:
                click.echo(f"{database} on {kind}: {tried(kind, database, chosen)} trials, nothing lost or duplicated")


if __name__ == "__main__":
    main()
