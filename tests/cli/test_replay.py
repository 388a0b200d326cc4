"""`shipper replay` over the embedded store: what is missing is added, what is there is found, nothing else moves."""

import gzip
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from shipper.cli import main
from shipper.outputs.local_reader import LocalReader
from shipper.ports import Query

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


def test_runtime_lines_from_nowhere_are_refused_before_they_are_stored_twice(shipper: Shipper, tmp_path: Path) -> None:
    """The id of an event follows from its container; where nothing tells it, the cure is named."""
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
def test_a_path_that_holds_no_log_is_named_with_its_cure(
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
    code, out, _ = replay(shipper, tmp_path / "odd", "--type", "docker")
    assert code == 0
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(6))
    assert figures(out)["added to the quarantine"] > 100


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


def test_an_interrupted_replay_goes_on_where_it_stopped(shipper: Shipper, tmp_path: Path) -> None:
    """SIGINT: exit code 1 and how to go on; the same command, with its `--since` ago, ends complete, each line once."""
    log = container(tmp_path / "much")
    log.write_text("".join(line(n % 36_000, message=f"entry {n}", correlation_id=f"c-{n}") for n in range(60_000)))
    command = [
        sys.executable, "-m", "shipper", "replay", str(tmp_path / "much"), "--workers", "2",
        "--output", f"local:{tmp_path}/store", "--state-dir", f"{tmp_path}/state", "--since", "20000d",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not list((tmp_path / "store").glob("*.db")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    assert "run the same command again" in err
    before = figures(out)["added to the index"]
    assert 0 < before < 60_000
    code, out, err = shipper(*command[3:])
    assert code == 0
    assert "going on with a replay that was interrupted" in err
    assert figures(out)["added to the index"] == 60_000
    assert stored(tmp_path) == Counter(f"c-{n}" for n in range(60_000))


def test_old_plain_logs_keep_their_days_in_a_replay_and_not_beside_the_agent(shipper: Shipper, tmp_path: Path) -> None:
    """Whoever replays an archive chose it; what a running application writes may not choose days of years ago."""
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
