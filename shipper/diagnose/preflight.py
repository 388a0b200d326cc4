"""Checks: what would stop the agent, found before it starts. Each look is a function; nothing is changed."""

import fcntl
import glob
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from errno import ENOENT
from pathlib import Path
from typing import Literal, NamedTuple

from shipper.config.files.references import named_files
from shipper.config.output_kinds import output_kind
from shipper.config.settings import InputSettings, Settings
from shipper.inputs import registry as inputs
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.handles import PlainHandle
from shipper.outputs import registry as outputs
from shipper.outputs.registry import check_output
from shipper.state.database import FILE, LOCK, VERSION, open_read_only
from shipper.system.errors import ShipperError, StateError, hint_for_command, hint_unreadable
from shipper.system.loopback import is_loopback
from shipper.system.version import overlap
from shipper.web.client import address, ask

SCARCE_BYTES = 256 * 1024 * 1024
EXAMPLES = 3
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SECRET = ("key", "password", "token")
"""What the names of files end in, before `_file`, that hold secrets; certificates are nobody's secret."""


class Finding(NamedTuple):
    """One look: `ok`, `note` (works, but worth knowing) or `problem` (will fail), with the hint."""

    grade: Literal["ok", "note", "problem"]
    subject: str
    what: str
    hint: str = ""


Ask = Callable[[Settings], None]
"""Asks a server whether it could be used now. Raises ShipperError."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order of the data's way."""
    yield from _distributions()
    for source in settings.inputs:
        yield from _input(settings, source)
    yield from _secret_files(settings)
    yield from _directory(settings.state_dir, "state", "--state-dir")
    running = locked(settings.state_dir / LOCK)
    yield from _state(settings.state_dir, running=running)
    yield from _output(settings, check_output)
    yield from _listen(settings, running=running)


def _distributions() -> Iterator[Finding]:
    """Report another distribution that shares files with the agent's."""
    if (beside := overlap()) is not None:
        yield Finding("note" if beside.harmless else "problem", "installation", beside.what, beside.hint)


def _input(settings: Settings, source: InputSettings) -> Iterator[Finding]:
    factory = inputs.factory(source)
    if factory is None:
        yield from _files(source)
    else:
        yield _asked(f"input {source.url}", lambda: factory.check(settings, source), factory.confirmation)


def _files(source: InputSettings) -> Iterator[Finding]:
    subject = f"input {source.url}"
    folder = next(_folders(source.glob))
    if (why := _unreachable(folder)) is not None:
        yield Finding("problem", subject, f"folder {folder}: {why}", "correct the path or its permissions")
        return
    paths = list(Scanner(source.glob, Folders()).paths())
    refused = [
        (f"folder {one} cannot be listed", hint_unreadable(PermissionError())) for one in _closed_folders(source.glob)
    ]
    refused += [(f"{path}: {error.strerror}", hint_unreadable(error)) for path in paths if (error := _unreadable(path))]
    if len(refused) > EXAMPLES:
        refused[EXAMPLES:] = [(f"and {len(refused) - EXAMPLES} more that cannot be read", refused[-1][1])]
    for what, hint in refused:
        yield Finding("problem", subject, what, hint)
    if not paths and not refused:
        yield Finding("note", subject, "no file matches yet", "files that come later are followed from their beginning")
    elif not refused:
        yield Finding("ok", subject, "1 file" if len(paths) == 1 else f"{len(paths)} files")


def _folders(pattern: str) -> Iterator[str]:
    """The folders that a glob leads through, as globs, from the last one without a pattern."""
    parts = os.path.abspath(pattern).split("/")
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts) - 1)
    for length in range(min(first, len(parts) - 1), len(parts)):
        yield "/".join(parts[:length]) or "/"


def _closed_folders(pattern: str) -> Iterator[str]:
    """Folders on the way of a glob that are there and cannot be listed."""
    for folders in _folders(pattern):
        for folder in sorted(glob.iglob(folders, include_hidden=True)):
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
                yield folder


def _unreachable(folder: str) -> str | None:
    try:
        return None if stat.S_ISDIR(os.stat(folder).st_mode) else "is no directory"
    except OSError as error:
        return error.strerror or str(error)


def _unreadable(path: str) -> OSError | None:
    try:
        PlainHandle(path).close()
    except OSError as error:
        return error
    return None


def _directory(path: Path, subject: str, option: str) -> Iterator[Finding]:
    try:
        place = _nearest(path)
        free = shutil.disk_usage(place).free
    except OSError as error:
        hint = f"make it reachable for this user, or name another with {option}"
        yield Finding("problem", subject, f"{path}: {error.strerror}", hint)
        return
    if not place.is_dir():
        yield Finding("problem", subject, f"{place} is no directory", f"name another with {option}")
        return
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        yield Finding(
            "problem", subject, f"{place} is not writable", f"make it writable for this user, or give {option}"
        )
    elif free < SCARCE_BYTES:
        yield Finding("note", subject, f"{free // 2**20} MiB free under {place}", "free space before it runs out")
    else:
        there = "is there" if place == path else "can be made"
        yield Finding("ok", subject, f"{path} {there}, {free // 2**30} GiB free")
    if place == path:
        yield from _open_to_others(path, subject)


def _open_to_others(folder: Path, subject: str) -> Iterator[Finding]:
    """What is made there is its owner's alone, whatever the umask; somebody may have opened it since, or the folder."""
    try:
        found = [folder, *(path for path in sorted(folder.rglob("*")) if not path.is_symlink())]
        opened = [path for path in found if path.lstat().st_mode & OTHERS]
    except OSError:
        return  # it is told above, or went meanwhile
    if opened:
        more = f", and {len(opened) - 1} more" if len(opened) > 1 else ""
        what = f"{opened[0]} is open to other users{more}: {stat.filemode(opened[0].lstat().st_mode)}"
        yield Finding("note", subject, what, f"`chmod -R go= {folder}`, unless a group is meant to read it")


def _secret_files(settings: Settings) -> Iterator[Finding]:
    """Files of secrets that other users of the node can read."""
    for name, path in named_files(settings.model_dump()):
        if not name.removesuffix("_file").endswith(SECRET):
            continue
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield Finding("problem", name, f"{path}: {error.strerror}", "make it readable for this user")
            continue
        if mode & OTHERS:
            what = f"{path} is open to other users: {stat.filemode(mode)}"
            yield Finding("note", name, what, f"`chmod 600 {path}`, or `defaultMode: 0400` where it is mounted")


def _nearest(path: Path) -> Path:
    """The path, or the innermost one above it that is there. Raises OSError where that cannot be told."""
    for place in (path, *path.absolute().parents):
        try:
            os.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return place
    raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))


def _state(directory: Path, *, running: bool) -> Iterator[Finding]:
    path = directory / FILE
    if not os.path.exists(path):
        return
    if running:
        yield Finding("note", "state", f"an agent is running on {directory}", "a second one would be refused")
    try:
        with open_read_only(directory) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (logs,) = db.execute("SELECT count(*) FROM log").fetchone()
    except StateError as error:
        yield Finding("problem", "state", error.what, "start the agent: it names the hint")
        return
    if version != VERSION:
        what = f"{path} has version {version}, this shipper writes {VERSION}"
        yield Finding("problem", "state", what, "run the shipper that wrote it, or move the directory away")
    else:
        yield Finding("ok", "state", f"positions of {logs} logs")


def locked(path: Path) -> bool:
    """Whether an agent holds the lock. Nothing is made, and two that look do not take each other for an agent."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _output(settings: Settings, ask: Ask) -> Iterator[Finding]:
    subject, factory = f"output {settings.output}", outputs.factory(settings)
    folder = factory.folder(settings)
    if folder is not None:
        yield from _directory(folder, "output", f"--output {output_kind(settings.output).form}")
    else:
        yield _asked(subject, lambda: ask(settings), factory.confirmation)
    for notice in factory.notices(settings):
        yield Finding("note", subject, notice.what, notice.hint)


def _asked(subject: str, ask: Callable[[], None], good: str) -> Finding:
    try:
        ask()
    except ShipperError as error:
        return Finding("problem", subject, error.what, hint_for_command(error))
    return Finding("ok", subject, good)


def _listen(settings: Settings, *, running: bool) -> Iterator[Finding]:
    if settings.listen == "off":
        yield Finding("note", "listen", "off: no metrics are served", "give --listen HOST:PORT")
        return
    host, port = address(settings.listen)
    if not is_loopback(host) and settings.token is None:
        what = f"{settings.listen} is not on loopback and there is no token: only metrics and health will answer"
        yield Finding("note", "listen", what, "give token_file in the configuration")
    why = _taken(host, port)
    if why is None:
        yield Finding("ok", "listen", f"{settings.listen} is free")
    elif ask(settings.listen, "/live") is None:
        what = f"{settings.listen}: {why}"
        yield Finding("problem", "listen", what, "end the program that has it, or give another --listen")
    elif running:
        yield Finding("ok", "listen", f"{settings.listen} is served by the running agent")
    else:
        what = f"{settings.listen} is served by an agent with another state directory"
        yield Finding("problem", "listen", what, "give this one another --listen")


def _taken(host: str, port: int) -> str | None:
    """Why an address cannot be listened on; None where it can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "is no name of a host"
    return None
