"""`shipper replay` over the embedded store: missing events are added, stored ones are not duplicated, nothing else changes."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from backports import zstd
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from shipper.cli import main
from shipper.model.query import Query
from shipper.outputs.sqlite.reader import LocalReader
from shipper.state.store import State
from tests.waiting import until

ID = "4f" * 32
Shipper = Callable[..., tuple[int, str, str]]


def line(number: int, **fields: Any) -> str:
    """Line `number` of a json-file log, one a second from ten o'clock."""
    entry = {"correlation_id": f"c-{number}", "event": "tick", "level": "info", "message": f"entry {number}", **fields}
    payload = json.dumps({name: value for name, value in entry.items() if value is not None})
    moment = f"2026-11-23T{10 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000000001Z"
    return json.dumps({"log": payload + "\n", "stream": "stdout", "time": moment}) + "\n"


def lines(start: int, stop: int, **fields: Any) -> str:
    """Lines `start` to `stop`."""
    return "".join(line(number, **fields) for number in range(start, stop))


def container(folder: Path, identity: str = ID) -> Path:
    """Return the live log of a container under `folder`, whose folder is created."""
    (folder / identity).mkdir(parents=True, exist_ok=True)
    return folder / identity / f"{identity}-json.log"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two containers; the first has rotated files, one of them compressed. 60 lines, 10 of them failed logins; the last has no id."""
    first, second = container(tmp_path / "logs"), container(tmp_path / "logs", "5a" * 32)
    Path(f"{first}.2.gz").write_bytes(gzip.compress(lines(0, 10).encode()))
    Path(f"{first}.1").write_text(lines(10, 20))
    first.write_text(lines(20, 30) + lines(30, 40, event="login_failed"))
    second.write_text(lines(40, 59) + line(59, event="request_complete", correlation_id=None))
    return tmp_path / "logs"


@pytest.fixture
def shipper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shipper:
    """Runs the command line in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHIPPER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SHIPPER_OUTPUT", f"local:{tmp_path}/store")

    def run(*arguments: str | Path, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run


def replay(shipper: Shipper, *arguments: str | Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """`shipper replay` in one process."""
    return shipper("replay", *arguments, "--workers", "1", stdin=stdin)


def stored(folder: Path) -> Counter[str]:
    """Correlation ids in the store."""
    reader = LocalReader(folder / "store", "keneyapp-logs", "keneyapp-quarantine")
    return Counter(str(entry["correlation_id"]) for entry in reader.search(Query(limit=None)))


def contents(folder: Path) -> list[tuple[Any, ...]]:
    """Ids, indices and messages in the store, of events and of quarantined entries."""
    reader = LocalReader(folder / "store", "keneyapp-logs", "keneyapp-quarantine")
    entries = [*reader.search(Query(limit=None)), *reader.quarantine()]
    return sorted((entry["_index"], entry["_id"], entry.get("message", "")) for entry in entries)


def figures(text: str) -> dict[str, int]:
    """Return the numbers of a report by their label."""
    rows = re.findall(r"^ *([\d,]+)  (.+?)(?:: .*)?$", text, re.MULTILINE)
    return {what: int(number.replace(",", "")) for number, what in rows}


def test_archives_of_every_kind_are_replayed(shipper: Shipper, tmp_path: Path) -> None:
    """Rotated files packed in other ways, and one whose name does not say so."""
    live = container(tmp_path / "logs")
    packed = [bz2.compress, lzma.compress, zstd.compress, lz4.frame.compress, gzip.compress]
    for number, (compress, suffix) in enumerate(zip(packed, (".bz2", ".xz", ".zst", ".lz4", ""), strict=True)):
        content = lines(10 * number, 10 * number + 10).encode()
        Path(f"{live}.{5 - number}{suffix}").write_bytes(compress(content))
    live.write_text(lines(50, 60))
    assert shipper("replay", tmp_path / "logs")[0] == 0
    code, out, _ = shipper("search", "--limit", "100", "--format", "json")
    assert (code, len(out.splitlines())) == (0, 60)


def test_folders_with_rotated_and_compressed_files_are_indexed_once(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """All 59 and the quarantined one; the second run adds nothing, and says so."""
    code, out, _ = replay(shipper, logs)
    assert code == 0
    assert out.startswith("replayed 60 lines of 2 logs in ")
    assert figures(out)["added to the index"] == 59
    assert figures(out)["added to the quarantine"] == 1
    assert figures(out)["keneyapp-logs-2026.11.23"] == 59
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(59))
    code, out, _ = replay(shipper, logs)
    assert (code, figures(out)["added to the index"], figures(out)["already stored"]) == (0, 0, 60)
    assert "Nothing added: every event was already stored." in out
    assert not (tmp_path / "state" / "replay").exists() or not list((tmp_path / "state" / "replay").iterdir())


def test_events_that_an_agent_shipped_are_not_duplicated_and_missed_ones_are_added(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """An archive of the same container from another machine, longer than what the agent read: only the rest is added."""
    assert shipper("run", "--once", "--input", f"docker:{logs}/*/*-json.log", "--listen", "off")[0] == 0
    archive = container(tmp_path / "elsewhere" / "backup")
    archive.write_text(lines(10, 20) + lines(20, 30) + lines(30, 40, event="login_failed") + lines(100, 125))
    _, out, _ = replay(shipper, tmp_path / "elsewhere", "--host", "node-7")
    assert (figures(out)["added to the index"], figures(out)["already stored"]) == (25, 30)
    assert stored(tmp_path) == Counter(f"c-{n}" for n in (*range(59), *range(100, 125)))


def test_live_positions_and_counters_are_left_alone(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """The agent's state is the same to the last byte of every row, whatever is replayed beside it."""

    def state() -> list[tuple[Any, ...]]:
        db = sqlite3.connect(f"file:{tmp_path}/state/state.db?mode=ro", uri=True)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = [row for table in tables for row in db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]
        db.close()
        return rows

    assert shipper("run", "--once", "--input", f"docker:{logs}/*/*-json.log", "--listen", "off")[0] == 0
    before = state()
    assert before
    container(tmp_path / "more", "6b" * 32).write_text(lines(0, 50, event="login_failed"))
    assert figures(replay(shipper, tmp_path / "more")[1])["added to the index"] == 50
    assert state() == before


def test_since_and_until_are_about_the_event_s_own_time(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """`since` is the first moment that is taken, `until` the first that is not."""
    span = ("--since", "2026-11-23T10:00:05Z", "--until", "2026-11-23T10:00:12Z")
    _, out, _ = replay(shipper, logs, *span)
    assert figures(out) == {
        "added to the index": 7,
        "outside --since and --until": 53,
        "keneyapp-logs-2026.11.23": 7,
    }
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(5, 12))


def test_a_span_that_holds_nothing_is_a_mistake_of_usage(shipper: Shipper, logs: Path) -> None:
    """A mistake in the dates does not read everything to add nothing, and report success."""
    code, out, err = shipper("replay", logs, "--since", "2026-11-24", "--until", "2026-11-23")
    assert (code, out) == (2, "")
    assert "--until must be later than --since" in err


@pytest.mark.parametrize("argument", ["logs", "-"])
def test_the_state_directory_that_it_creates_is_private(shipper: Shipper, logs: Path, argument: str) -> None:
    """Also a new one, whatever the umask: an agent may be started there."""
    before = os.umask(0)
    try:
        assert shipper("replay", argument, stdin=b"a line\n")[0] == 0
    finally:
        os.umask(before)
    state = logs.parent / "state"
    assert {path.stat().st_mode & 0o777 for path in (state, state / "replay")} == {0o700}


def test_a_dry_run_reports_the_outcome_and_writes_nothing(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """By day, by reason, by counter."""
    code, out, _ = replay(shipper, logs, "--dry-run")
    assert code == 0
    assert "1  would be quarantined: correlation_id_missing 1" in out
    numbers = figures(out)
    assert numbers["would be indexed"] == 59
    assert numbers["keneyapp-logs-2026.11.23"] == 59
    assert numbers["keneyapp-quarantine-2026.11.23"] == 1
    assert sum(number for what, number in numbers.items() if what.startswith("failed_login_attempts_total")) == 10
    assert not (tmp_path / "store").exists()
    assert figures(replay(shipper, logs)[1])["added to the index"] == 59


def test_several_workers_create_the_same_index_as_one(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """The same documents under the same ids, and the same report."""
    one = replay(shipper, logs)[1]
    single = contents(tmp_path)
    several = shipper("replay", logs, "--workers", "3", "--output", f"local:{tmp_path}/other/store")[1]
    assert figures(several) == figures(one)
    assert contents(tmp_path / "other") == single


def test_the_standard_input_is_a_log_like_any_other(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """With its container's id its events are those that the files hold."""
    assert figures(replay(shipper, logs)[1])["added to the index"] == 59
    text = (lines(10, 30) + lines(200, 203)).encode()
    code, out, _ = replay(shipper, "-", "--container", ID, stdin=text)
    assert (code, figures(out)["added to the index"], figures(out)["already stored"]) == (0, 3, 20)


def copy_of(original: Path, folder: Path) -> Path:
    """A backup of a folder of logs, elsewhere."""
    return Path(shutil.copytree(original, folder))


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Two plain logs that hold the same, the second with a rotated file; nobody writes to them any more."""
    for name in ("a/app.log", "b/app.log", "b/app.log.1"):
        path = tmp_path / "plain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("started\nlistening\nready\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return tmp_path / "plain"


def added(report: str) -> tuple[int, int]:
    """Return the number of events added, and of those already stored."""
    return figures(report)["added to the index"], figures(report).get("already stored", 0)


def test_a_copy_of_plain_logs_read_as_the_original_adds_nothing(
    shipper: Shipper, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --host and --map-path, events that the agent stored are not duplicated; the report names host and path."""
    monkeypatch.setenv("SHIPPER_HOST", "node-7")
    assert shipper("run", "--once", "--input", f"plain:{plain}/*/*.log", "--listen", "off")[0] == 0
    monkeypatch.setenv("SHIPPER_HOST", "node-8")
    assert len(contents(tmp_path)) == 9
    copy = copy_of(plain, tmp_path / "backup")
    code, out, _ = replay(shipper, copy, "--host", "node-7", "--map-path", f"{copy}={plain}")
    assert (code, added(out)) == (0, (0, 9))
    assert f"plain logs read as node-7, {plain}\n" in out
    parts = [option for name in "ab" for option in ("--map-path", f"{copy}/{name}/={plain}/{name}")]
    code, out, _ = replay(shipper, copy, "--host", "node-7", *parts, "--format", "json")
    assert json.loads(out)["events"]["duplicate"] == 9
    assert json.loads(out)["plain_logs_as"] == [{"host": "node-7", "path": f"{plain}/{name}"} for name in "ab"]
    reader = LocalReader(tmp_path / "store")
    assert {entry["log"]["file"]["path"] for entry in reader.search(Query())} == {f"{plain}/{n}/app.log" for n in "ab"}
    only = replay(
        shipper, copy / "a" / "app.log", "--host", "node-7", "--map-path", f"{copy}/a/app.log={plain}/a/app.log"
    )
    assert added(only[1]) == (0, 3)


@pytest.mark.parametrize("options", [(), ("--host", "node-8", "--map-path", "backup=plain"), ("--host", "node-7")])
def test_a_copy_of_plain_logs_is_other_logs_unless_host_and_path_say_so(
    shipper: Shipper, plain: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Two nodes, or two folders, whose logs begin alike stay apart."""
    assert added(replay(shipper, plain, "--host", "node-7")[1]) == (9, 0)
    copy_of(plain, tmp_path / "backup")
    options = tuple(option.replace("=plain", f"={plain}") for option in options)
    code, out, _ = replay(shipper, "backup", *options)
    assert (code, added(out)) == (0, (9, 0))
    assert added(replay(shipper, "backup", *options)[1]) == (0, 9)


def test_the_standard_input_is_a_log_of_its_own_unless_it_is_given_a_path(shipper: Shipper, plain: Path) -> None:
    """The same input again adds nothing; read as a file of the node, it adds nothing to what that holds."""
    assert added(replay(shipper, plain)[1]) == (9, 0)
    text = (plain / "a" / "app.log").read_bytes()
    code, out, _ = replay(shipper, "-", stdin=text)
    assert (code, added(out)) == (0, (3, 0))
    assert ", /dev/stdin\n" in out
    assert added(replay(shipper, "-", stdin=text)[1]) == (0, 3)
    code, out, _ = replay(shipper, "-", "--map-path", f"-={plain}/a/app.log", stdin=text)
    assert (code, added(out)) == (0, (0, 3))
    assert f", {plain}/a/app.log\n" in out


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("backup", 2, "expected BACKUP=/ORIGINAL"),
        ("=/var/log", 2, "expected BACKUP=/ORIGINAL"),
        ("plain=var/log", 2, "expected BACKUP=/ORIGINAL"),
        ("elsewhere=/var/log", 1, "matches none of the logs"),
        ("plain/b/app.log.1=/var/log/app.log", 1, "app.log, not app.log.1"),
        ("-=/var/log/app.log", 1, "matches none of the logs"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_a_mapping_without_effect_is_invalid(
    shipper: Shipper, tmp_path: Path, option: str, code: int, said: str
) -> None:
    """Before anything is stored under unintended ids."""
    ended, out, err = replay(shipper, "plain", "--map-path", option)
    assert (ended, out) == (code, "")
    assert said in " ".join(err.split())
    assert not (tmp_path / "store").exists()


def test_a_copy_of_container_logs_needs_no_mapping(shipper: Shipper, tmp_path: Path) -> None:
    """A CRI log is known by its pod and container, in whatever folder the copy lies."""
    name = "pods/prod_web-5d_0a1b/app/0.log"
    log = tmp_path / "logs" / name
    log.parent.mkdir(parents=True)
    log.write_text(
        "".join(
            f"2026-11-23T10:00:0{n}.5+02:00 stdout F {json.dumps({'event': 'tick', 'correlation_id': 'c'})}\n"
            for n in range(9)
        )
    )
    assert shipper("run", "--once", "--input", f"cri:{tmp_path}/logs/pods/*/*/*.log", "--listen", "off")[0] == 0
    copy_of(tmp_path / "logs", tmp_path / "backup")
    code, out, _ = replay(shipper, "backup", "--host", "node-8")
    assert (code, added(out)) == (0, (0, 9))
    assert "plain logs" not in out


def test_runtime_lines_without_a_container_are_an_error_before_they_are_duplicated(
    shipper: Shipper, tmp_path: Path
) -> None:
    """The id of an event depends on its container; if that is unknown, a hint says what to set."""
    code, out, err = replay(shipper, "-", stdin=lines(0, 3).encode())
    assert (code, out) == (1, "")
    assert "--container ID" in err
    (tmp_path / "copy.log").write_text(lines(0, 3))
    code, _, err = replay(shipper, tmp_path / "copy.log")
    assert code == 0
    assert "the path contains no container id" in err
    code, _, err = replay(shipper, "-", stdin=b"plain text\nof no container\n")
    assert (code, "container id" in err) == (0, False)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("absent", ["absent does not exist", "specify files, folders"]),
        ("empty", ["empty contains no *.log files", "specify the files themselves"]),
        ("pipe", ["pipe is neither a file nor a folder", "specify files, folders"]),
    ],
)
def test_a_path_that_holds_no_log_is_named_with_its_hint(
    shipper: Shipper, tmp_path: Path, name: str, texts: list[str]
) -> None:
    """Before anything is written."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    code, out, err = replay(shipper, tmp_path / name)
    assert (code, out) == (1, "")
    assert all(text in err for text in texts), err
    assert not (tmp_path / "store").exists()


def test_damaged_and_binary_data_is_reported_and_the_rest_is_stored(shipper: Shipper, tmp_path: Path) -> None:
    """Half a gzip file, binary data, no newline: readable lines are stored, the rest is quarantined by reason."""
    log = container(tmp_path / "odd")
    packed = gzip.compress("".join(os.urandom(8).hex() + line(n) for n in range(2000)).encode())
    Path(f"{log}.1.gz").write_bytes(packed[: len(packed) // 2])
    log.write_bytes(b"\x00\xff\xfe rubbish\n" + lines(0, 5).encode() + line(5).encode().rstrip(b"\n"))
    os.utime(log, (1_700_000_000, 1_700_000_000))
    code, out, err = replay(shipper, tmp_path / "odd", "--type", "docker")
    assert code == 1
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(6))
    assert figures(out)["added to the quarantine"] > 100
    assert f"warning: {log}.1.gz is damaged after " in err
    assert "replace the file with an intact copy, then run the same command again" in err


def test_unreadable_files_are_reported_and_the_others_stored(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """Each by its path and with the hint; exit code 1. The next run, with the hint, reads everything."""
    first = container(logs)
    Path(f"{first}.1").rename(tmp_path / "aside")
    os.mkfifo(f"{first}.1")
    (logs / "loop.log").symlink_to(logs / "loop.log")
    code, out, err = replay(shipper, logs, "--type", "docker")
    assert code == 1
    assert figures(out)["added to the index"] == 49
    assert (
        f"warning: cannot read {first}.1: not a regular file; logs have to be regular files: correct the path or the pattern, then run"
        in err
    )
    assert f"warning: cannot read {logs}/loop.log: Too many levels of symbolic links" in err
    Path(f"{first}.1").unlink()
    (tmp_path / "aside").rename(f"{first}.1")
    (logs / "loop.log").unlink()
    code, out, err = replay(shipper, logs, "--type", "docker")
    assert (code, figures(out)["added to the index"], figures(out)["already stored"]) == (0, 10, 50)


def test_a_plain_file_is_skipped_if_its_ids_depend_on_an_unreadable_one(shipper: Shipper, tmp_path: Path) -> None:
    """Files that begin alike differ by their order: without the earlier one, lines would be duplicated."""
    folder = tmp_path / "plain"
    folder.mkdir()
    os.mkfifo(folder / "app.log.2")
    (folder / "app.log.1").write_text("started\nsecond\n")
    (folder / "app.log").write_text("started\nthird\n")
    (folder / "app.log.3").write_text("started\nfirst\n")
    for age in ("", ".1", ".3"):
        os.utime(folder / f"app.log{age}", (1_700_000_000, 1_700_000_000))
    code, out, err = replay(shipper, folder)
    assert (code, figures(out)["added to the index"]) == (1, 2)
    assert err.count(", since an earlier file of its log cannot be read") == 2
    (folder / "app.log.2").unlink()
    (folder / "app.log.2").write_text("started\nbetween\n")
    code, out, _ = replay(shipper, folder)
    assert (code, figures(out)["added to the index"], figures(out)["already stored"]) == (0, 6, 2)


def test_nothing_readable_is_an_error_with_a_hint(shipper: Shipper, tmp_path: Path) -> None:
    """Rather than an empty report."""
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "app.log")
    code, out, err = replay(shipper, tmp_path / "logs")
    assert (code, out, "app.log: not a regular file" in err) == (1, "", True)


def test_two_replays_of_the_standard_input_at_once_leave_each_other_alone(shipper: Shipper, tmp_path: Path) -> None:
    """The first waits for the rest of its input while the second begins and ends; both store all of theirs."""
    command = [
        sys.executable, "-m", "shipper", "replay", "-", "--container", ID,
        "--output", f"local:{tmp_path}/store", "--state-dir", f"{tmp_path}/state",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        assert first.stdin is not None
        first.stdin.write(lines(0, 20).encode())
        first.stdin.flush()
        until(lambda: list((tmp_path / "state").glob("replay/**/stdin.log")))
        code, out, _ = shipper(*command[3:], stdin=lines(100, 130).encode())
        assert (code, figures(out)["added to the index"]) == (0, 30)
        out, err = (text.decode() for text in first.communicate(lines(20, 40).encode(), timeout=90))
        assert (first.returncode, figures(out).get("added to the index")) == (0, 40), err
    assert stored(tmp_path) == Counter(f"c-{n}" for n in (*range(40), *range(100, 130)))
    assert list((tmp_path / "state" / "replay").iterdir()) == []


def test_the_saved_standard_input_of_a_killed_replay_is_removed_by_the_next(shipper: Shipper, tmp_path: Path) -> None:
    """No process has it locked. The last line needs no newline, since no more is written."""
    left = tmp_path / "state" / "replay" / "stdin-left"
    left.mkdir(parents=True)
    (left / "stdin.log").write_text("somebody's\n")
    code, out, _ = replay(shipper, "-", stdin=b"one\ntwo")
    assert (code, figures(out)["added to the index"], left.exists()) == (0, 2, False)


def test_runs_that_always_start_from_the_beginning_leave_no_state(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """A dry run writes nothing at all; a run with a history does not resume."""
    assert replay(shipper, logs, "--dry-run")[0] == 0
    assert not (tmp_path / "state").exists()
    assert replay(shipper, logs, "--metrics-out", tmp_path / "history.om")[0] == 0
    assert not (tmp_path / "state" / "replay").exists()


def test_a_retention_that_would_delete_the_backfill_is_a_warning(shipper: Shipper, logs: Path) -> None:
    """The store's own retention deletes a day that is too old at the agent's next maintenance."""
    os.environ["SHIPPER_LOCAL__RETENTION_DAYS"] = "30"
    try:
        old = container(logs, "7c" * 32)
        old.write_text(line(1).replace("2026-11-23", "2020-01-01"))
        _, _, err = replay(shipper, logs)
    finally:
        del os.environ["SHIPPER_LOCAL__RETENTION_DAYS"]
    assert "warning: local.retention_days deletes indices older than 30 days" in err.replace("\n", " ")
    assert "keneyapp-logs-2020.01.01" in err


def test_the_history_of_counters_ends_at_what_was_counted(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """The last sample of each series is the number of its events."""
    code, _, _ = replay(shipper, logs, "--metrics-out", tmp_path / "history.om")
    assert code == 0
    last: Counter[str] = Counter()
    for family in openmetrics((tmp_path / "history.om").read_text()):
        for sample in family.samples:
            if sample.name == "failed_login_attempts_total":
                last[sample.labels["service"]] = int(sample.value)
    assert last.total() == 10


def test_an_unwritable_file_for_the_history_is_an_error_before_reading(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """Not after hours of reading: the next run would start from the beginning."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere" / "history.om", tmp_path / "file" / "history.om"):
        code, out, err = shipper("replay", logs, "--metrics-out", path)
        assert (code, out) == (1, "")
        assert f"cannot write {path}: No such file or directory" in err
    assert not (tmp_path / "store").exists()


@pytest.fixture
def much(tmp_path: Path) -> Path:
    """A log that is worth two processes: 3,000 lines of 8 KB, 24 MB."""
    log = container(tmp_path / "much")
    log.write_text("".join(line(n, note="x" * 8000) for n in range(3000)))
    return tmp_path / "much"


def begun(folder: Path, *arguments: str, compiled: bool = True) -> "subprocess.Popen[str]":
    """Start a replay of it by two processes, or by two threads of the native path, and return once it has stored something; its low priority delays its end."""
    command = [
        "nice", "-n", "19", sys.executable, "-m", "shipper", "replay", f"{folder}/much", "--workers", "2", *arguments,
        "--output", f"local:{folder}/store", "--state-dir", f"{folder}/state",
    ]  # fmt: skip
    environment = {**os.environ, "SHIPPER_COMPILED": str(compiled)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    until(lambda: list((folder / "store").glob("*.db")))
    return process


def readers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Return the ids of its reader processes."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def alive(pid: int) -> bool:
    """Return True if a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.integration
def test_an_interrupted_replay_resumes(shipper: Shipper, much: Path, tmp_path: Path) -> None:
    """SIGINT: exit code 1 and a hint; the same command, with its relative `--since`, completes it, each line once.

    With another number of processes; but not while another replay runs.
    """
    process = begun(tmp_path, "--since", "20000d")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 1, err
    assert "run the same command again" in err
    assert 0 < figures(out)["added to the index"] < 3000
    again = ("replay", much, "--since", "20000d")
    (folder,) = (tmp_path / "state" / "replay").iterdir()
    with closing(State(folder)):
        code, _, err = shipper(*again)
        assert (code, "is in use by another" in err) == (1, True)
    code, out, err = shipper(*again, "--workers", "1")
    assert code == 0
    assert "resuming an interrupted replay" in err
    assert figures(out)["added to the index"] == 3000
    assert figures(out)["keneyapp-logs-2026.11.23"] == 3000
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(3000))


@pytest.mark.integration
@pytest.mark.parametrize("whom", ["parent", "reader", "threads"])
def test_a_kill_loses_and_duplicates_nothing(shipper: Shipper, much: Path, tmp_path: Path, whom: str) -> None:
    """SIGKILL to the committing process ends the readers; to a reader, it is reported. The next run stores all once.

    The same for a process whose threads read.
    """
    process = begun(tmp_path, compiled=whom == "threads")
    readers = readers_of(process)
    assert len(readers) == (0 if whom == "threads" else 2)
    os.kill(readers[0] if whom == "reader" else process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    until(lambda: not any(alive(pid) for pid in readers))
    if whom == "reader":
        assert process.returncode == 1
        assert f"replay process {readers[0]} was killed by SIGKILL while" in err
    assert len(stored(tmp_path)) < 3000
    code, out, err = shipper("replay", much)
    assert (code, "resuming an interrupted replay" in err) == (0, True)
    assert figures(out)["added to the index"] + figures(out).get("already stored", 0) == 3000
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(3000))


def test_old_plain_logs_keep_their_days_in_a_replay_and_not_beside_the_agent(
    shipper: Shipper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever replays an archive chose it; what a running application writes may not choose days of years ago."""
    monkeypatch.setenv("SHIPPER_JOIN__WAIT", "50ms")
    log = tmp_path / "app.log"
    log.write_text("".join(f"{year}-03-01T00:00:00Z INFO started\n" for year in (1999, 2019, 9998)))
    assert replay(shipper, log)[0] == 0
    days = {entry["_index"][-10:] for entry in LocalReader(tmp_path / "store").search(Query())}
    assert {"1999.03.01", "2019.03.01"} < days
    assert "9998.03.01" not in days
    beside = ("--output", f"local:{tmp_path}/beside", "--input", f"plain:{log}", "--listen", "off")
    assert shipper("run", "--once", *beside)[0] == 0
    assert not {"1999.03.01", "2019.03.01", "9998.03.01"} & {
        entry["_index"][-10:] for entry in LocalReader(tmp_path / "beside").search(Query())
    }


def test_the_json_report_equals_the_text_report(shipper: Shipper, logs: Path) -> None:
    """One object with every counter and its labels, and with the problems."""
    code, out, _ = replay(shipper, logs, "--dry-run", "--format", "json")
    report = json.loads(out)
    assert code == 0
    assert (report["dry_run"], report["finished"], report["logs"], report["lines"], report["problems"]) == (
        True,
        True,
        2,
        60,
        [],
    )
    assert report["events"] == {"indexed": 59, "quarantined": 1, "duplicate": 0, "dropped": 0, "outside": 0}
    assert report["violations"] == {"correlation_id_missing": 1}
    assert report["indices"] == {"keneyapp-logs-2026.11.23": 59, "keneyapp-quarantine-2026.11.23": 1}
    assert {
        "name": "failed_login_attempts_total", "labels": {"service": ID[:12]}, "value": 10,
    } in report["counters"]  # fmt: skip
    Path(f"{container(logs)}.3.gz").write_bytes(gzip.compress(lines(60, 90).encode())[:40])
    code, out, _ = replay(shipper, logs, "--type", "docker", "--format", "json")
    (problem,) = json.loads(out)["problems"]
    assert (code, ".3.gz is damaged after " in problem["what"], bool(problem["hint"])) == (1, True, True)
