"""Checks: what would stop the agent, found before it starts. Each look is a function; nothing is changed."""

import fcntl
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from shipper.http import is_loopback
from shipper.settings import InputSettings, Settings
from shipper.sources.files import PlainHandle
from shipper.sources.scan import Folders, Scanner
from shipper.state import FILE, LOCK, VERSION

SCARCE_BYTES = 256 * 1024 * 1024
EXAMPLES = 3


class Finding(NamedTuple):
    """One look: `ok`, `note` (works, but worth knowing) or `problem` (will fail), with the cure."""

    grade: Literal["ok", "note", "problem"]
    subject: str
    what: str
    cure: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every look, in the order of the data's way."""
    for found in settings.inputs:
        yield from _input(found)
    yield from _directory(settings.state_dir, "state", "--state-dir")
    yield from _state(settings.state_dir)
    yield from _output(settings.output)
    yield from _listen(settings)


def _input(found: InputSettings) -> Iterator[Finding]:
    subject = f"input {found.type}:{found.glob}"
    paths = list(Scanner(found.glob, Folders()).paths())
    unreadable = [(path, why) for path in paths if (why := _unreadable(path))]
    for path, why in unreadable[:EXAMPLES]:
        yield Finding(
            "problem", subject, f"{path}: {why}", "run as a user or group that may read it, or with CAP_DAC_READ_SEARCH"
        )
    if len(unreadable) > EXAMPLES:
        yield Finding("problem", subject, f"and {len(unreadable) - EXAMPLES} more files that cannot be read")
    folder = _deepest(found.glob)
    if not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("problem", subject, f"folder {folder} cannot be listed", "correct the path or its permissions")
    elif not paths:
        yield Finding("note", subject, "no file matches yet", "files that come later are followed from their beginning")
    elif not unreadable:
        yield Finding("ok", subject, f"{len(paths)} files")


def _deepest(glob: str) -> str:
    """The folder of a glob before its first pattern."""
    parts = os.path.abspath(glob).split("/")
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts) - 1)
    return "/".join(parts[:first]) or "/"


def _unreadable(path: str) -> str | None:
    try:
        PlainHandle(path).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _directory(path: Path, subject: str, option: str) -> Iterator[Finding]:
    exists = path.exists()
    place = path if exists else next(parent for parent in path.absolute().parents if parent.exists())
    if exists and not path.is_dir():
        yield Finding("problem", subject, f"{path} is no directory", f"name another with {option}")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "problem", subject, f"{place} is not writable", f"make it writable for this user, or give {option}"
        )
    elif (free := shutil.disk_usage(place).free) < SCARCE_BYTES:
        yield Finding("note", subject, f"{free // 2**20} MiB free under {place}", "free space before it runs out")
    else:
        yield Finding("ok", subject, f"{path} {'is there' if exists else 'can be made'}, {free // 2**30} GiB free")


def _state(directory: Path) -> Iterator[Finding]:
    path = directory / FILE
    if not path.exists():
        return
    if _locked(directory / LOCK):
        yield Finding("note", "state", f"an agent is running on {directory}", "a second one would be refused")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (logs,) = db.execute("SELECT count(*) FROM log").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        yield Finding("problem", "state", f"{path} cannot be read: {error}", "start the agent: it names the cure")
        return
    if version != VERSION:
        what = f"{path} has version {version}, this shipper writes {VERSION}"
        yield Finding("problem", "state", what, "run the shipper that wrote it, or move the directory away")
    else:
        yield Finding("ok", "state", f"positions of {logs} logs")


def _locked(path: Path) -> bool:
    try:
        with path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _output(url: str) -> Iterator[Finding]:
    scheme, _, folder = url.partition(":")
    if scheme != "local" or not folder:
        yield Finding("problem", "output", f"{url} is not one that this version writes", "give `local:DIR`, a folder")
        return
    yield from _directory(Path(folder), "output", "--output local:DIR")


def _listen(settings: Settings) -> Iterator[Finding]:
    if settings.listen == "off":
        yield Finding("note", "listen", "off: no metrics are served", "give --listen HOST:PORT")
        return
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    if not is_loopback(host) and settings.token is None:
        what = f"{settings.listen} is not on loopback and there is no token: only metrics and health will answer"
        yield Finding("note", "listen", what, "give token_file in the configuration")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except OSError as error:
        what = f"{settings.listen}: {error.strerror or error}"
        yield Finding("problem", "listen", what, "end the program that has it (an agent?), or give another --listen")
        return
    yield Finding("ok", "listen", f"{settings.listen} is free")
