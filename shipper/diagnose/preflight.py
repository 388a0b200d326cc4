"""Preflight checks of everything that would stop the agent. Each check is a function and changes nothing."""

import fcntl
import glob
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import ENOENT
from pathlib import Path
from typing import Literal, NamedTuple

from shipper.config.files.references import named_files
from shipper.config.output_kinds import output_kind
from shipper.config.settings import InputSettings, Settings
from shipper.diagnose.sample_logs import MOST_QUARANTINED, Samples, no_samples, sentences
from shipper.inputs import registry as inputs
from shipper.inputs.files.envelope_check import described, mismatch
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.handles import PlainHandle
from shipper.inputs.files.pod_metadata import ApiError, pod_api
from shipper.inputs.files.watches import open_watches
from shipper.outputs import registry as outputs
from shipper.outputs.registry import check_output
from shipper.state.database import FILE, LOCK, open_read_only
from shipper.system.errors import ShipperError, StateError, hint_for_command, hint_unreadable
from shipper.system.loopback import is_loopback
from shipper.system.version import overlap
from shipper.web.client import address, fetch

SCARCE_BYTES = 256 * 1024 * 1024
EXAMPLES = 3
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SECRET = ("key", "password", "token")
"""Endings of the names, before `_file`, of files that contain secrets; certificates are public."""


Grade = Literal["ok", "note", "problem"]


class Finding(NamedTuple):
    """Result of one check: `ok`, `note` (works, but worth knowing) or `problem` (will fail), with a hint."""

    grade: Grade
    subject: str
    what: str
    hint: str = ""


Probe = Callable[[Settings], None]
"""Checks that a server is usable now. Raises ShipperError."""


def examine(settings: Settings, samples: Samples = no_samples) -> Iterator[Finding]:
    """Run every check, in the order of the data flow."""
    yield from _distributions()
    for source in settings.inputs:
        yield from _input(settings, source)
    yield from _pods(settings)
    yield from _samples(samples)
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
        yield from _files(source, notify=settings.tail.notify)
    else:
        yield _probed(f"input {source.url}", lambda: factory.check(settings, source), factory.confirmation)


def _files(source: InputSettings, *, notify: bool) -> Iterator[Finding]:
    subject = f"input {source.url}"
    folder = next(_folders(source.glob))
    if (why := _unreachable(folder)) is not None:
        yield Finding("problem", subject, f"folder {folder}: {why}", "correct the path or its permissions")
        return
    paths = list(Scanner(source.glob, Folders()).paths())
    unreadable = [
        (f"cannot list folder {one}", hint_unreadable(PermissionError())) for one in _closed_folders(source.glob)
    ]
    unreadable += [
        (f"{path}: {error.strerror}", hint_unreadable(error)) for path in paths if (error := _unreadable(path))
    ]
    if len(unreadable) > EXAMPLES:
        unreadable[EXAMPLES:] = [(f"and {len(unreadable) - EXAMPLES} more that cannot be read", unreadable[-1][1])]
    for what, hint in unreadable:
        yield Finding("problem", subject, what, hint)
    if not paths and not unreadable:
        yield Finding("note", subject, "no file matches yet", "files that appear later are read from their beginning")
    elif (wrong := _wrong_envelope(source, paths)) is not None:
        yield wrong
    elif not unreadable:
        number = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        yield Finding("ok", subject, f"{number}, {_noticed(folder, notify=notify)}")


def _noticed(folder: str, *, notify: bool) -> str:
    """Return how an agent notices changes in a folder, and why it polls."""
    if not notify:
        return "polled: tail.notify: false"
    watches, reason = open_watches()
    if watches is None:
        return f"polled: {reason}"
    with closing(watches):
        watches.watch(folder)
        return f"polled: {watches.polled[folder]}" if folder in watches.polled else "changes reported by inotify"


def _wrong_envelope(source: InputSettings, paths: list[str]) -> Finding | None:
    """Report files whose lines a runtime has written that the input type does not name."""
    wrong = [(path, runtime) for path in paths if (runtime := mismatch(source.type, path)) is not None]
    if not wrong:
        return None
    path, runtime = wrong[0]
    what, hint = described(source.type, runtime)
    more = f", as those of {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return Finding("problem", f"input {source.url}", f"{path}: {what}{more}", hint)


def _samples(samples: Samples) -> Iterator[Finding]:
    """Report of each log the share that would be quarantined, and where time, level, message and id come from."""
    try:
        for sample in samples():
            if isinstance(sample, str):
                yield Finding("note", "logs", sample, "check the rest with --input TYPE:GLOB")
                continue
            share = sample.quarantined / sample.number
            is_problem = sample.is_wrong_type or share > MOST_QUARANTINED or bool(sample.counted_twice)
            grade: Grade = "problem" if is_problem else "note" if share or sample.split_requests else "ok"
            yield Finding(grade, f"log {sample.log}", *sentences(sample))
    except ShipperError as error:
        yield Finding("problem", "logs", f"no log was sampled: {error.what}", hint_for_command(error))


def _folders(pattern: str) -> Iterator[str]:
    """Yield the folders of a glob, as globs, from the last one without a pattern."""
    parts = os.path.abspath(pattern).split("/")
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts) - 1)
    for length in range(min(first, len(parts) - 1), len(parts)):
        yield "/".join(parts[:length]) or "/"


def _closed_folders(pattern: str) -> Iterator[str]:
    """Yield existing folders of a glob that cannot be listed."""
    for folders in _folders(pattern):
        for folder in sorted(glob.iglob(folders, include_hidden=True)):
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
                yield folder


def _unreachable(folder: str) -> str | None:
    try:
        return None if stat.S_ISDIR(os.stat(folder).st_mode) else "not a directory"
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
        hint = f"make it accessible to this user, or choose another with {option}"
        yield Finding("problem", subject, f"{path}: {error.strerror}", hint)
        return
    if not place.is_dir():
        yield Finding("problem", subject, f"{place} is not a directory", f"choose another with {option}")
        return
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        yield Finding(
            "problem",
            subject,
            f"{place} is not writable",
            f"make it writable for this user, or choose another with {option}",
        )
    elif free < SCARCE_BYTES:
        yield Finding("note", subject, f"{free // 2**20} MiB free under {place}", "free space before it runs out")
    else:
        state = "exists" if place == path else "will be created"
        yield Finding("ok", subject, f"{path} {state}, {free // 2**30} GiB free")
    if place == path:
        yield from _open_to_others(path, subject)


def _open_to_others(folder: Path, subject: str) -> Iterator[Finding]:
    """Report paths that others can access; the agent creates them private, but permissions may have changed since."""
    try:
        paths = [folder, *(path for path in sorted(folder.rglob("*")) if not path.is_symlink())]
        opened = [path for path in paths if path.lstat().st_mode & OTHERS]
    except OSError:
        return  # reported above, or removed meanwhile
    if opened:
        more = f", and {len(opened) - 1} more" if len(opened) > 1 else ""
        what = f"{opened[0]} is accessible to other users{more}: {stat.filemode(opened[0].lstat().st_mode)}"
        yield Finding("note", subject, what, f"run `chmod -R go= {folder}`, unless a group should read it")


def _pods(settings: Settings) -> Iterator[Finding]:
    """Check that the metadata of the node's pods can be read, if it is wanted."""
    if not settings.kubernetes.metadata:
        return
    try:
        api = pod_api(settings.kubernetes, settings.host)
        number = len(api.list()[0])
    except ShipperError as error:
        yield Finding("problem", "kubernetes", error.what, error.hint)
    except ApiError as error:
        yield Finding(
            "problem", "kubernetes", str(error), error.hint or "logs are followed without labels of their pods"
        )
    else:
        which = "1 pod" if number == 1 else f"{number} pods"
        grade: Grade = "ok" if number else "note"
        hint = "" if number else "set kubernetes.node to the node's name in the cluster"
        yield Finding(grade, "kubernetes", f"{which} of node {api.node} at {api.url}", hint)


def _secret_files(settings: Settings) -> Iterator[Finding]:
    """Report secret files that other users of the node can access."""
    for name, path in named_files(settings.model_dump()):
        if not name.removesuffix("_file").endswith(SECRET):
            continue
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield Finding("problem", name, f"{path}: {error.strerror}", "make it readable for this user")
            continue
        if mode & OTHERS:
            what = f"{path} is accessible to other users: {stat.filemode(mode)}"
            yield Finding("note", name, what, f"run `chmod 600 {path}`, or set `defaultMode: 0400` if it is mounted")


def _nearest(path: Path) -> Path:
    """Return the path or its innermost existing parent. Raises OSError if that cannot be determined."""
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
        yield Finding("note", "state", f"an agent is running on {directory}", "a second agent cannot use it")
    try:
        with open_read_only(directory) as db:
            (logs,) = db.execute("SELECT count(*) FROM log").fetchone()
    except StateError as error:
        yield Finding("problem", "state", error.what, error.hint)
        return
    yield Finding("ok", "state", f"checkpoints of {logs} logs")


def locked(path: Path) -> bool:
    """Return True if an agent holds the lock. Creates nothing; concurrent checks do not disturb each other."""
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _output(settings: Settings, probe: Probe) -> Iterator[Finding]:
    subject, factory = f"output {settings.output}", outputs.factory(settings)
    folder = factory.folder(settings)
    if folder is not None:
        yield from _directory(folder, "output", f"--output {output_kind(settings.output).form}")
    else:
        yield _probed(subject, lambda: probe(settings), factory.confirmation)
    for notice in factory.notices(settings):
        yield Finding("note", subject, notice.what, notice.hint)


def _probed(subject: str, probe: Callable[[], None], confirmation: str) -> Finding:
    try:
        probe()
    except ShipperError as error:
        return Finding("problem", subject, error.what, hint_for_command(error))
    return Finding("ok", subject, confirmation)


def _listen(settings: Settings, *, running: bool) -> Iterator[Finding]:
    if settings.listen == "off":
        yield Finding("note", "listen", "off: no metrics or pages", "set --listen HOST:PORT to serve them")
        return
    host, port = address(settings.listen)
    if settings.token is None:
        what = f"every user of this machine can read events at {settings.listen}: no token is set"
        if not is_loopback(host):
            what = f"{settings.listen} is not loopback and no token is set: only metrics and health are served"
        yield Finding("note", "listen", what, "set token_file in the configuration")
    why = _bind_error(host, port)
    if why is None:
        yield Finding("ok", "listen", f"{settings.listen} is available")
    elif fetch(settings.listen, "/live") is None:
        what = f"{settings.listen}: {why}"
        yield Finding("problem", "listen", what, "stop the program that uses it, or choose another with --listen")
    elif running:
        yield Finding("ok", "listen", f"{settings.listen} is served by the running agent")
    else:
        what = f"{settings.listen} is served by an agent with another state directory"
        yield Finding("problem", "listen", what, "choose another with --listen")


def _bind_error(host: str, port: int) -> str | None:
    """Return the reason why an address cannot be bound; None if it can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "invalid host name"
    return None
