"""`shipper replay` over the embedded store: what is missing is added, what is there is found, nothing else moves."""

import gzip
import io
import json
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

import pytest
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
    """The live log of a container under `folder`; its folder is made."""
    (folder / identity).mkdir(parents=True, exist_ok=True)
    return folder / identity / f"{identity}-json.log"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two containers; the first has rotated files, one of them compressed. 60 lines, 10 of them failed logins."""
    first, second = container(tmp_path / "logs"), container(tmp_path / "logs", "5a" * 32)
    Path(f"{first}.2.gz").write_bytes(gzip.compress(lines(0, 10).encode()))
    Path(f"{first}.1").write_text(lines(10, 20))
    first.write_text(lines(20, 30) + lines(30, 40, event="login_failed"))
    second.write_text(lines(40, 59) + line(59, correlation_id=None))
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
    """Ids, indices and messages in the store, of events and of what was refused."""
    reader = LocalReader(folder / "store", "keneyapp-logs", "keneyapp-quarantine")
    found = [*reader.search(Query(limit=None)), *reader.quarantine()]
    return sorted((entry["_index"], entry["_id"], entry.get("message", "")) for entry in found)


def figures(text: str) -> dict[str, int]:
    """The numbers of a report by what they say."""
    found = re.findall(r"^ *([\d,]+)  (.+?)(?:: .*)?$", text, re.MULTILINE)
    return {what: int(number.replace(",", "")) for number, what in found}


def test_folders_with_rotated_and_compressed_files_are_indexed_once(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """All 59 and the refused one; the second time, nothing, and it says so."""
    code, out, _ = replay(shipper, logs)
    assert code == 0
    assert out.startswith("replayed 60 lines of 2 logs in ")
    assert figures(out)["added to the index"] == 59
    assert figures(out)["added to the quarantine"] == 1
    assert figures(out)["keneyapp-logs-2026.11.23"] == 59
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(59))
    code, out, _ = replay(shipper, logs)
    assert (code, figures(out)["added to the index"], figures(out)["were there already"]) == (0, 0, 60)
    assert "Nothing was added: every event was there already." in out
    assert not (tmp_path / "state" / "replay").exists() or not list((tmp_path / "state" / "replay").iterdir())


def test_what_an_agent_shipped_is_found_and_what_it_missed_is_added(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """An archive of the same container from another machine, longer than what the agent saw: the rest alone comes."""
    assert shipper("run", "--once", "--input", f"docker:{logs}/*/*-json.log", "--listen", "off")[0] == 0
    archive = container(tmp_path / "elsewhere" / "backup")
    archive.write_text(lines(10, 20) + lines(20, 30) + lines(30, 40, event="login_failed") + lines(100, 125))
    _, out, _ = replay(shipper, tmp_path / "elsewhere", "--host", "node-7")
    assert (figures(out)["added to the index"], figures(out)["were there already"]) == (25, 30)
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
    """A slip in the dates does not read everything to add nothing, and call that done."""
    code, out, err = shipper("replay", logs, "--since", "2026-11-24", "--until", "2026-11-23")
    assert (code, out) == (2, "")
    assert "--until must be later than --since" in err


@pytest.mark.parametrize("given", ["logs", "-"])
def test_the_state_directory_that_it_makes_is_its_owners_alone(shipper: Shipper, logs: Path, given: str) -> None:
    """Also where there was none before, whatever the umask: an agent is to be started there."""
    before = os.umask(0)
    try:
        assert shipper("replay", given, stdin=b"a line\n")[0] == 0
    finally:
        os.umask(before)
    state = logs.parent / "state"
    assert {path.stat().st_mode & 0o777 for path in (state, state / "replay")} == {0o700}


def test_a_dry_run_says_what_would_come_of_it_and_writes_nothing(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """By day, by reason, by counter."""
    code, out, _ = replay(shipper, logs, "--dry-run")
    assert code == 0
    assert "1  would be quarantined: correlation_id_missing 1" in out
    found = figures(out)
    assert found["would be indexed"] == 59
    assert found["keneyapp-logs-2026.11.23"] == 59
    assert found["keneyapp-quarantine-2026.11.23"] == 1
    assert sum(number for what, number in found.items() if what.startswith("failed_login_attempts_total")) == 10
    assert not (tmp_path / "store").exists()
    assert figures(replay(shipper, logs)[1])["added to the index"] == 59


def test_several_workers_make_the_index_that_one_makes(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
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
    assert (code, figures(out)["added to the index"], figures(out)["were there already"]) == (0, 3, 20)


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
    """How many were added and how many were there already."""
    return figures(report)["added to the index"], figures(report).get("were there already", 0)


def test_a_copy_of_plain_logs_read_as_the_original_adds_nothing(
    shipper: Shipper, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the agent stored is found from a copy on another machine, by --host and --map-path; the report says so."""
    monkeypatch.setenv("SHIPPER_HOST", "node-7")
    assert shipper("run", "--once", "--input", f"plain:{plain}/*/*.log", "--listen", "off")[0] == 0
    monkeypatch.setenv("SHIPPER_HOST", "node-8")
    assert len(contents(tmp_path)) == 9
    copy = copy_of(plain, tmp_path / "backup")
    code, out, _ = replay(shipper, copy, "--host", "node-7", "--map-path", f"{copy}={plain}")
    assert (code, added(out)) == (0, (0, 9))
    assert f"plain logs read as those of node-7, {plain}\n" in out
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
        ("elsewhere=/var/log", 1, "holds none of the logs"),
        ("plain/b/app.log.1=/var/log/app.log", 1, "app.log, and not app.log.1"),
        ("-=/var/log/app.log", 1, "holds none of the logs"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_a_mapping_that_would_do_nothing_is_refused(
    shipper: Shipper, tmp_path: Path, option: str, code: int, said: str
) -> None:
    """Before anything is stored under ids that nobody meant."""
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


def test_runtime_lines_from_nowhere_are_refused_before_they_are_stored_twice(shipper: Shipper, tmp_path: Path) -> None:
    """The id of an event follows from its container; where nothing tells it, the hint is named."""
    code, out, err = replay(shipper, "-", stdin=lines(0, 3).encode())
    assert (code, out) == (1, "")
    assert "--container ID" in err
    (tmp_path / "copy.log").write_text(lines(0, 3))
    code, _, err = replay(shipper, tmp_path / "copy.log")
    assert code == 0
    assert "does not tell which container wrote it" in err
    code, _, err = replay(shipper, "-", stdin=b"plain text\nof no container\n")
    assert (code, "does not tell" in err) == (0, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("absent", ["absent is not there", "give files, folders"]),
        ("empty", ["empty holds no files named *.log", "name the files themselves"]),
        ("pipe", ["pipe is neither file nor folder", "give files, folders"]),
    ],
)
def test_a_path_that_holds_no_log_is_named_with_its_hint(
    shipper: Shipper, tmp_path: Path, given: str, said: list[str]
) -> None:
    """Before anything is written."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    code, out, err = replay(shipper, tmp_path / given)
    assert (code, out) == (1, "")
    assert all(piece in err for piece in said), err
    assert not (tmp_path / "store").exists()


def test_damaged_and_foreign_bytes_are_told_and_the_rest_is_stored(shipper: Shipper, tmp_path: Path) -> None:
    """Half a gzip file, binary rubbish, no end of line: what can be read is read, the rest is refused by reason."""
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
    assert "put a whole copy in its place, then run the same command again" in err


def test_files_that_cannot_be_read_are_told_and_the_others_stored(shipper: Shipper, logs: Path, tmp_path: Path) -> None:
    """Each by its path and with the hint; exit code 1. The next run, with the hint, reads everything."""
    first = container(logs)
    Path(f"{first}.1").rename(tmp_path / "aside")
    os.mkfifo(f"{first}.1")
    (logs / "loop.log").symlink_to(logs / "loop.log")
    code, out, err = replay(shipper, logs, "--type", "docker")
    assert code == 1
    assert figures(out)["added to the index"] == 49
    assert (
        f"warning: {first}.1 cannot be read: not a regular file; logs have to be regular files: correct the path or the pattern, then run"
        in err
    )
    assert f"warning: {logs}/loop.log cannot be read: Too many levels of symbolic links" in err
    Path(f"{first}.1").unlink()
    (tmp_path / "aside").rename(f"{first}.1")
    (logs / "loop.log").unlink()
    code, out, err = replay(shipper, logs, "--type", "docker")
    assert (code, figures(out)["added to the index"], figures(out)["were there already"]) == (0, 10, 50)


def test_a_plain_file_is_left_out_whose_ids_could_follow_from_one_that_cannot_be_read(
    shipper: Shipper, tmp_path: Path
) -> None:
    """Files that begin alike are told apart by their order: read without the earlier one, lines would come twice."""
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
    assert err.count("is left out, since an earlier file of its log cannot be read") == 2
    (folder / "app.log.2").unlink()
    (folder / "app.log.2").write_text("started\nbetween\n")
    code, out, _ = replay(shipper, folder)
    assert (code, figures(out)["added to the index"], figures(out)["were there already"]) == (0, 6, 2)


def test_nothing_readable_is_refused_with_its_hint(shipper: Shipper, tmp_path: Path) -> None:
    """Rather than a report of nothing."""
    (tmp_path / "logs").mkdir()
    os.mkfifo(tmp_path / "logs" / "app.log")
    code, out, err = replay(shipper, tmp_path / "logs")
    assert (code, out, "app.log cannot be read" in err) == (1, "", True)


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


def test_what_a_killed_replay_kept_of_the_standard_input_is_removed_by_the_next(
    shipper: Shipper, tmp_path: Path
) -> None:
    """Nobody holds it any more. The last line needs no newline, since nobody writes on."""
    left = tmp_path / "state" / "replay" / "stdin-left"
    left.mkdir(parents=True)
    (left / "stdin.log").write_text("somebody's\n")
    code, out, _ = replay(shipper, "-", stdin=b"one\ntwo")
    assert (code, figures(out)["added to the index"], left.exists()) == (0, 2, False)


def test_runs_that_begin_anew_each_time_leave_nothing_that_another_could_remove(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """A dry run writes nothing at all; a history needs no memory of where it was."""
    assert replay(shipper, logs, "--dry-run")[0] == 0
    assert not (tmp_path / "state").exists()
    assert replay(shipper, logs, "--metrics-out", tmp_path / "history.om")[0] == 0
    assert not (tmp_path / "state" / "replay").exists()


def test_a_retention_that_would_undo_the_backfill_is_told_beforehand(shipper: Shipper, logs: Path) -> None:
    """The store's own retention deletes a day that is too old as soon as the agent tidies up."""
    os.environ["SHIPPER_LOCAL__RETENTION_DAYS"] = "30"
    try:
        old = container(logs, "7c" * 32)
        old.write_text(line(1).replace("2026-11-23", "2020-01-01"))
        _, _, err = replay(shipper, logs)
    finally:
        del os.environ["SHIPPER_LOCAL__RETENTION_DAYS"]
    assert "warning: local.retention_days deletes what is older than 30 days" in err.replace("\n", " ")
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


def test_a_place_for_the_history_that_cannot_be_written_is_refused_at_once(
    shipper: Shipper, logs: Path, tmp_path: Path
) -> None:
    """Not after hours of reading: the next run would begin from the start."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere" / "history.om", tmp_path / "file" / "history.om"):
        code, out, err = shipper("replay", logs, "--metrics-out", path)
        assert (code, out) == (1, "")
        assert f"{path} cannot be written: No such file or directory" in err
    assert not (tmp_path / "store").exists()


@pytest.fixture
def much(tmp_path: Path) -> Path:
    """A log that is worth two processes: 3,000 lines of 8 KB, 24 MB."""
    log = container(tmp_path / "much")
    log.write_text("".join(line(n, note="x" * 8000) for n in range(3000)))
    return tmp_path / "much"


def begun(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """A replay of it by two processes, that has stored something; it gives way, or it might end before it is seen to begin."""
    command = [
        "nice", "-n", "19", sys.executable, "-m", "shipper", "replay", f"{folder}/much", "--workers", "2", *arguments,
        "--output", f"local:{folder}/store", "--state-dir", f"{folder}/state",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: list((folder / "store").glob("*.db")))
    return process


def readers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Ids of the processes that read for it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def alive(pid: int) -> bool:
    """Whether a process is there, and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.integration
def test_an_interrupted_replay_goes_on_where_it_stopped(shipper: Shipper, much: Path, tmp_path: Path) -> None:
    """SIGINT: exit code 1 and how to go on; the same command, with its `--since` ago, ends complete, each line once.

    With another number of processes; but not while somebody else is at it.
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
    assert "going on with a replay that was interrupted" in err
    assert figures(out)["added to the index"] == 3000
    assert figures(out)["keneyapp-logs-2026.11.23"] == 3000
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(3000))


@pytest.mark.integration
@pytest.mark.parametrize("whom", ["parent", "reader"])
def test_a_kill_loses_and_doubles_nothing(shipper: Shipper, much: Path, tmp_path: Path, whom: str) -> None:
    """SIGKILL to the process that commits ends the readers; to a reader, it is told. Run again, all is there once."""
    process = begun(tmp_path)
    readers = readers_of(process)
    assert len(readers) == 2
    os.kill(process.pid if whom == "parent" else readers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=90)
    until(lambda: not any(alive(pid) for pid in readers))
    if whom == "reader":
        assert process.returncode == 1
        assert f"process {readers[0]} of the replay was killed by SIGKILL while" in err
    assert len(stored(tmp_path)) < 3000
    code, out, err = shipper("replay", much)
    assert (code, "going on with a replay" in err) == (0, True)
    assert figures(out)["added to the index"] + figures(out).get("were there already", 0) == 3000
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


def test_the_outcome_for_programs_is_what_people_are_told(shipper: Shipper, logs: Path) -> None:
    """One object with every counter and its labels, and with what could not be read."""
    code, out, _ = replay(shipper, logs, "--dry-run", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["dry_run"], told["finished"], told["logs"], told["lines"], told["problems"]) == (True, True, 2, 60, [])
    assert told["events"] == {"indexed": 59, "quarantined": 1, "duplicate": 0, "dropped": 0, "outside": 0}
    assert told["violations"] == {"correlation_id_missing": 1}
    assert told["indices"] == {"keneyapp-logs-2026.11.23": 59, "keneyapp-quarantine-2026.11.23": 1}
    assert {
        "name": "failed_login_attempts_total", "labels": {"service": ID[:12]}, "value": 10,
    } in told["counters"]  # fmt: skip
    Path(f"{container(logs)}.3.gz").write_bytes(gzip.compress(lines(60, 90).encode())[:40])
    code, out, _ = replay(shipper, logs, "--type", "docker", "--format", "json")
    (problem,) = json.loads(out)["problems"]
    assert (code, ".3.gz is damaged after " in problem["what"], bool(problem["hint"])) == (1, True, True)
