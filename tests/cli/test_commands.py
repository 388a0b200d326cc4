"""Every command as users run it: help, run, search, and the first errors."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services.processes import free_port
from shipper.cli import COMMANDS
from tests.forked import completed
from tests.waiting import until

LINES = [
    ('{"log":"{\\"timestamp\\":\\"2024-10-31T22:00:00.000Z\\",\\"level\\":\\"INFO\\",\\"correlation_id\\":\\"abc123-def456-789\\",'
    '\\"event\\":\\"patient_created\\",\\"user_id\\":123,\\"patient_id\\":456,\\"duration_ms\\":45.23,'
    '\\"message\\":\\"Patient created successfully\\"}\\n","stream":"stdout","time":"2024-10-31T22:00:00.123456789Z"}'),
    '{"log":"{\\"correlation_id\\":\\"not usable\\",\\"event\\":\\"login_failed\\"}\\n","stream":"stdout","time":"2024-10-31T22:00:01Z"}',
    '{"log":"INFO:     10.0.0.1:0 - \\"POST /api/v1/auth/login HTTP/1.1\\" 401 Unauthorized\\n","stream":"stdout","time":"2024-10-31T22:00:02Z"}',
    '{"log":"starting with password=hunter2\\n","stream":"stderr","time":"2024-10-31T22:00:03Z"}',
]  # fmt: skip
TIMEOUT_S = 60.0
"""Timeout of a command in seconds."""
HASTE = {"SHIPPER_JOIN__WAIT": "50ms"}
"""Variables that shorten the wait for further lines of a stack trace."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the log of one container."""
    container = tmp_path / "containers" / ("4f" * 32)
    container.mkdir(parents=True)
    (container / f"{'4f' * 32}-json.log").write_text("\n".join(LINES) + "\n")
    config = {"ID": "4f" * 32, "Name": "/backend", "Config": {"Image": "keneyapp:2.0.0", "Labels": {"tier": "api"}}}
    (container / "config.v2.json").write_text(json.dumps(config))
    return tmp_path


def shipper(home: Path, *arguments: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `home`, as in a pipe."""
    with tempfile.TemporaryDirectory() as streams:
        variables = {**os.environ, "COLUMNS": "80", **environ}
        return completed(home, arguments, stdin, variables, Path(streams), TIMEOUT_S)


def run_once(home: Path, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `shipper run --once` on the folder."""
    return shipper(
        home, "run", "--once", "--input", "docker:containers/*/*-json.log", "--listen", "off", *more, **environ
    )


@pytest.mark.parametrize(
    "command",
    [
        [],
        *([name] for name in COMMANDS),
        ["quarantine", "list"],
        ["quarantine", "show"],
        ["quarantine", "release"],
        ["config", "show"],
        ["config", "schema"],
    ],
)
def test_help_fits_a_terminal_of_80_columns(tmp_path: Path, command: list[str]) -> None:
    """The help describes the command and its options."""
    help_text = shipper(tmp_path, *command, "--help")
    assert help_text.returncode == 0
    assert max(map(len, help_text.stdout.splitlines())) <= 80
    assert re.search(r"(?s)Usage: shipper [^\n]*\n\n  [A-Z].*\.", help_text.stdout)


def test_first_minute(home: Path) -> None:
    """Run once, find the request, list the quarantine: the guide's log entry becomes the guide's document."""
    done = run_once(home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 indexed, 1 quarantined, 0 dropped, 0 duplicate; store local:shipper-data\n"
    searched = shipper(home, "search", "abc123-def456-789", "--format", "json")
    (document,) = map(json.loads, searched.stdout.splitlines())
    assert document | {
        "@timestamp": "2024-10-31T22:00:00.000Z", "level": "info", "correlation_id": "abc123-def456-789",
        "event": "patient_created", "user_id": 123, "patient_id": 456, "duration_ms": 45.23,
        "message": "Patient created successfully", "stream": "stdout", "service": {"name": "backend"},
    } == document  # fmt: skip
    assert document["container"] == {
        "id": "4f" * 32,
        "name": "backend",
        "image": {"name": "keneyapp:2.0.0"},
        "labels": {"tier": "api"},
    }
    assert document["_index"] == "keneyapp-logs-2024.10.31"
    assert "patient_created" in shipper(home, "search", "abc123-def456-789").stdout
    assert "correlation_id_invalid" in shipper(home, "quarantine", "list").stdout


def test_secrets_are_not_on_disk(home: Path) -> None:
    """Redacted before anything leaves the process."""
    assert run_once(home).returncode == 0
    stored = b"".join(path.read_bytes() for path in (home / "shipper-data").iterdir())
    assert b"hunter2" not in stored
    assert b"[redacted:password]" in stored


def test_run_once_twice_and_over_a_copy_adds_nothing(home: Path) -> None:
    """The second run reads nothing; a copy with a new state gives only duplicates."""
    assert run_once(home).returncode == 0
    assert run_once(home).stdout.startswith("0 indexed, 0 quarantined, 0 dropped, 0 duplicate")
    shutil.copytree(home / "containers", home / "copy")
    again = shipper(
        home, "run", "--once", "--input", "docker:copy/*/*-json.log", "--state-dir", "other", "--listen", "off"
    )
    assert again.stdout.startswith("0 indexed, 0 quarantined, 0 dropped, 4 duplicate")
    assert len(shipper(home, "search", "--limit", "0", "--format", "json").stdout.splitlines()) == 3


def test_retention_deletes_days_that_are_too_old(home: Path) -> None:
    """With a retention of one day, the maintenance of the store deletes the indices of 2024."""
    assert run_once(home).returncode == 0
    assert list((home / "shipper-data").glob("keneyapp-logs-2024.10.31.db"))
    assert run_once(home, SHIPPER_LOCAL__RETENTION_DAYS="1").returncode == 0
    assert not list((home / "shipper-data").glob("keneyapp-logs-2024.10.31.db"))


def test_no_matching_file_is_reported(tmp_path: Path) -> None:
    """A mistyped path is not ignored silently."""
    done = shipper(tmp_path, "run", "--once", "--input", "plain:absent/*.log", "--listen", "off")
    assert "no_logs_found" in done.stderr
    assert "shipper check" in done.stderr


def test_a_released_entry_can_be_searched(home: Path) -> None:
    """Once its policy allows it, a quarantined entry moves to the main index with its id, without being counted."""
    assert run_once(home).returncode == 0
    assert shipper(home, "quarantine", "release", "--all").returncode == 1
    (home / "shipper.yaml").write_text("schema: {policies: {correlation_id_invalid: flag}}\n")
    released = shipper(home, "quarantine", "release", "--all", "--config", "shipper.yaml")
    assert released.returncode == 0, released.stderr
    (document,) = map(
        json.loads, shipper(home, "search", "--event", "login_failed", "--format", "json").stdout.splitlines()
    )
    assert document["schema"]["errors"][0]["kind"] == "correlation_id_invalid"
    assert (
        shipper(home, "quarantine", "list").stdout.strip() == ""
        or "nothing" in shipper(home, "quarantine", "list").stdout
    )


def test_explain_shows_every_step(home: Path) -> None:
    """Envelope, payload, violation and policy, counters, outcome, index, id - and no secret."""
    explained = shipper(home, "explain", stdin="\n".join(LINES) + "\n")
    assert explained.returncode == 0, explained.stderr
    for part in (
        "envelope",
        "structured",
        "access",
        "text",
        "correlation_id_invalid",
        "quarantine",
        "failed_login_attempts_total",
        "keneyapp-logs-2024.10.31",
    ):
        assert part in explained.stdout
    assert "hunter2" not in explained.stdout
    steps = [
        json.loads(line)
        for line in shipper(home, "explain", "--format", "json", stdin="\n".join(LINES)).stdout.splitlines()
    ]
    assert [step["outcome"] for step in steps] == ["indexed", "quarantined", "indexed", "indexed"]
    assert not (home / "shipper-data").exists()


def test_explain_shows_reasons(home: Path) -> None:
    """Time, correlation id, policy, matching and nearly matching rules; `--why` adds any other rule."""
    request = {"event": "request_complete", "method": "POST", "path": "/api/v1/auth/login", "status_code": 500}
    line = json.dumps({"correlation_id": "a b", "request_id": "r-1", **request, "email": "ada@example.org"})
    explained = shipper(home, "explain", "--type", "plain", "--why", "patient_operations_total", stdin=line)
    for part in (
        "the time of reading", "r-1, from request_id (correlation_id is invalid)", "-> flag (default)",
        "not counted failed_login_attempts_total: status_code is 500, not 401",
        "not counted patient_operations_total: ", "redacted    extra.email by email",
    ):  # fmt: skip
        assert part in explained.stdout
    assert "ada@" not in explained.stdout
    assert shipper(home, "explain", "--why", "none_total", stdin=line).returncode == 2


@pytest.mark.parametrize(("line", "kind"), [("2024-10-31T22:00:00Z stderr F {}", "stderr"), ("hello", "stdout")])
def test_explain_detects_the_envelope(home: Path, line: str, kind: str) -> None:
    """CRI and plain lines need no option."""
    (step,) = map(json.loads, shipper(home, "explain", "--format", "json", stdin=line).stdout.splitlines())
    assert step["envelope"]["stream"] == kind


def test_check_without_problems(home: Path) -> None:
    """Exit 0, and nothing is created; of each log it is said where time, level, message and id come from."""
    (log,) = home.glob("containers/*/*-json.log")
    log.write_text("\n".join(line for line in LINES if "not usable" not in line) + "\n")
    listen = f"127.0.0.1:{free_port()}"
    checked = shipper(home, "check", "--input", "docker:containers/*/*-json.log", "--listen", listen)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "no problems")
    assert "ok      log backend: 3 entries sampled, none would be quarantined; time from " in checked.stdout
    assert not (home / "shipper-data").exists()


def test_check_says_what_would_be_quarantined(home: Path) -> None:
    """A log of which more than a few percent would be is a problem, with the configuration that admits them."""
    checked = shipper(home, "check", "--format", "json", "--listen", "off", "--input", "docker:containers/*/*-json.log")
    (finding,) = [finding for finding in json.loads(checked.stdout) if finding["subject"] == "log backend"]
    assert (checked.returncode, finding["grade"]) == (1, "problem")
    assert "4 entries sampled, 1 (25 %) would be quarantined, for correlation_id_invalid" in finding["what"]
    assert "`schema: {require_correlation_id: never}`" in finding["hint"]


def test_check_shows_all_problems_with_their_hints(home: Path) -> None:
    """An input that is a folder, a store and a state directory that are files, a port in use."""
    (home / "file").write_text("x")
    (home / "odd.log").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        arguments = ("--input", "plain:*.log", "--output", "local:file", "--state-dir", "file", "--listen", address)
        checked = shipper(home, "check", "--format", "json", *arguments)
    findings = json.loads(checked.stdout)
    assert checked.returncode == 1
    assert [finding["subject"] for finding in findings if finding["grade"] == "problem"] == [
        "input plain:*.log", "state", "output", "listen",
    ]  # fmt: skip
    assert all(finding["hint"] for finding in findings if finding["grade"] != "ok")
    assert "regular files" in next(one["hint"] for one in findings if one["subject"] == "input plain:*.log")
    assert {finding["grade"] for finding in findings if finding["subject"] in ("state", "output")} == {"problem"}
    said = shipper(home, "check", *arguments[:-1], "off")
    assert said.returncode == 1
    assert said.stdout.splitlines()[-1] == "3 problems"


@pytest.mark.integration
@pytest.mark.parametrize("output", ["http://127.0.0.1:1", "kafka://127.0.0.1:1/logs"])
def test_an_unavailable_output_is_reported_by_each_command(home: Path, output: str) -> None:
    """Check reports it, run ships later, replay does not start: exit 1 with address and hint, no traceback."""
    option = ("--output", output)
    checked = shipper(home, "check", "--listen", "off", "--input", "docker:containers/*/*-json.log", *option)
    assert (checked.returncode, "problem output " in checked.stdout, "2 problems" in checked.stdout) == (1, True, True)
    ran = run_once(home, *option)
    assert (ran.returncode, "no data is lost; run the command again" in ran.stderr) == (1, True)
    replayed = shipper(home, "replay", "containers", *option)
    assert (replayed.returncode, "127.0.0.1:1" in replayed.stderr) == (1, True)
    assert "Traceback" not in ran.stderr + replayed.stderr
    again = run_once(home)
    assert again.stdout.startswith("3 indexed, 1 quarantined"), again.stdout + again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--once", "--input", "docker"], 1, ["inputs.0", "TYPE:GLOB"]),
        (["run", "--once", "--config", "absent.yaml"], 1, ["absent.yaml", "--config"]),
        (["run", "--once", "--output", "ftp://localhost"], 1, ["local:DIR", "http(s)://HOST:PORT", "kafka://"]),
        (["run", "--once", "--output", "http://user:pw@localhost"], 1, ["elasticsearch.username"]),
        (["search", "x", "--output", "kafka://localhost:9092/logs"], 1, ["is a Kafka topic", "--output to the store"]),
        (["search", "x", "--output", "http://127.0.0.1:1"], 1, ["http://127.0.0.1:1 cannot be reached"]),
        (["run", "--bogus"], 2, ["No such option"]),
        (["search", "x", "--output", "local:absent"], 1, ["absent"]),
        (["status", "--listen", "off"], 1, ["shipper run", "--state-dir"]),
        (["bogus"], 2, ["No such command"]),
    ],
)
def test_first_errors_have_hints(tmp_path: Path, arguments: list[str], code: int, said: list[str]) -> None:
    """No traceback; exit 1 for failures, 2 for usage errors."""
    done = shipper(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["search", "--container", "\udcff"], 2, "not valid UTF-8"),
        (["search", ""], 2, "empty value: give a text, or omit the option"),
        (["search", "--container", ""], 2, "empty value"),
        (["explain", "--service", "\udcff"], 2, "not valid UTF-8"),
        (["replay", "a.log", "--host", "\udcff", "--dry-run"], 2, "not valid UTF-8"),
        (["check", "--listen", "\udcff:9108"], 1, "expected HOST:PORT"),
        (["status", "--listen", "a host:9108"], 1, "expected HOST:PORT"),
    ],
)
def test_invalid_text_is_an_error(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    """A shell passes any bytes, and unset variables as empty texts."""
    (tmp_path / "a.log").write_text("a line\n")
    done = shipper(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_full_disk_behind_the_standard_output_is_an_error(home: Path, form: str) -> None:
    """No traceback, and no exit code 0."""
    run_once(home)
    command = [sys.executable, "-m", "shipper", "search", "--format", form]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(command, cwd=home, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("error: cannot write the output: No space left on device\n  free space where it is stored\n")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("output", "hint"),
    [("http://127.0.0.1:1", "check that it is running and reachable from this host"),
     ("kafka://127.0.0.1:1/logs", "check that the brokers are running, their addresses and the security settings")],
)  # fmt: skip
def test_a_command_that_ends_does_not_promise_retries(tmp_path: Path, output: str, hint: str) -> None:
    """An agent retries automatically; a replay must be started again."""
    (tmp_path / "app.log").write_text("a line\n")
    done = shipper(tmp_path, "replay", "app.log", "--output", output)
    assert done.returncode == 1
    assert done.stderr.endswith(f"  {hint}\n")


def test_config_show_is_a_configuration_without_its_secrets(tmp_path: Path) -> None:
    """The output can be read back once the masked token is restored."""
    shown = shipper(tmp_path, "config", "show", SHIPPER_TOKEN="s3cret", SHIPPER_TAIL__POLL_INTERVAL="2s").stdout
    assert "s3cret" not in shown
    assert "poll_interval: 2s" in shown
    assert "poll_interval: 2s  # SHIPPER_TAIL__POLL_INTERVAL" in shown
    (tmp_path / "again.yaml").write_text(shown)
    masked = shipper(tmp_path, "config", "show", "--config", "again.yaml")
    assert masked.returncode == 1
    assert "token: is the mask" in masked.stderr
    (tmp_path / "again.yaml").write_text(shown.replace("'**********'", "s3cret"))
    again = shipper(tmp_path, "config", "show", "--config", "again.yaml")
    assert again.returncode == 0
    assert [line.partition("  #")[0] for line in again.stdout.splitlines()] == [
        line.partition("  #")[0] for line in shown.splitlines()
    ]
    assert json.loads(shipper(tmp_path, "config", "schema").stdout)["properties"]["inputs"]["description"]


@pytest.fixture
def running(home: Path) -> Iterator[tuple[Path, str, "subprocess.Popen[bytes]"]]:
    """Yield a folder, the address and the process of a running agent."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "shipper", "run", "--input", "docker:containers/*/*-json.log", "--listen", address]
    with (home / "agent.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    until(lambda: scraped(address, "shipper_lines_read_total 4.0") is not None)
    yield home, address, process
    process.kill()
    process.wait()


def scraped(address: str, text: str) -> str | None:
    """Return the metrics if they contain `text`."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as response:
            metrics = str(response.read().decode())
    except OSError:
        return None
    return metrics if text in metrics else None


def test_a_running_agent(running: tuple[Path, str, "subprocess.Popen[bytes]"]) -> None:
    """Counters by their contract names, status from agent and state, no second agent, clean exit on SIGTERM."""
    home, address, process = running
    text = scraped(address, "failed_login_attempts_total") or ""
    assert 'failed_login_attempts_total{service="backend"} 1.0' in text
    assert 'patient_operations_total{operation="create"} 1.0' in text
    assert 'patient_operations_total{operation="delete"} 0.0' in text
    assert 'shipper_violations_total{reason="correlation_id_invalid"} 1.0' in text
    assert json.loads(shipper(home, "status", "--listen", address, "--format", "json").stdout)["running"] is True
    assert "running" in shipper(home, "status", "--listen", address).stdout
    second = run_once(home)
    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr
    process.terminate()
    assert process.wait(60) == 0
    assert "not running" in shipper(home, "status", "--listen", address).stdout


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_store_that_cannot_be_written_never_stops_counting(
    running: tuple[Path, str, "subprocess.Popen[bytes]"],
) -> None:
    """Counters continue correctly; when the store is available again, the index catches up without counting twice."""
    home, address, _ = running
    store, log = home / "shipper-data", next((home / "containers").glob("*/*-json.log"))
    store.rename(home / "aside")
    store.write_text("a file where the folder was")
    with log.open("a") as file:
        for number in range(50):
            failed = f'{{\\"correlation_id\\":\\"late-{number}\\",\\"event\\":\\"login_failed\\"}}'
            file.write(f'{{"log":"{failed}\\n","stream":"stdout","time":"2024-10-31T22:00:05.{number:09d}Z"}}\n')
    until(lambda: scraped(address, 'failed_login_attempts_total{service="backend"} 51.0'))
    until(lambda: scraped(address, 'shipper_output_up{output="local"} 0.0'))
    with urllib.request.urlopen(f"http://{address}/health", timeout=30) as response:
        assert json.loads(response.read())["checks"]["output"] == "degraded"
    store.unlink()
    (home / "aside").rename(store)
    until(lambda: scraped(address, 'shipper_events_total{outcome="indexed"} 53.0'))
    until(lambda: scraped(address, 'shipper_lag_bytes{output="local"} 0.0'))
    assert scraped(address, 'failed_login_attempts_total{service="backend"} 51.0')
    entries = shipper(home, "search", "--event", "login_failed", "--limit", "0", "--format", "json").stdout.splitlines()
    assert len(entries) == 50


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-10:00"])
def test_a_time_out_of_range_stops_nothing(home: Path, moment: str) -> None:
    """Go's zero time, before 1970, after 9999: the line is stored with another time, and so are its neighbours."""
    log = next((home / "containers").glob("*/*-json.log"))
    bad = json.dumps({"log": '{"correlation_id":"odd","event":"login_failed"}\n', "stream": "stdout", "time": moment})
    broken = json.dumps({"log": 7, "stream": "stdout", "time": moment})
    log.write_text("\n".join([LINES[0], bad, broken, LINES[3]]) + "\n")
    ran = run_once(home)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("3 indexed, 1 quarantined"), ran.stdout
    assert run_once(home).stdout.startswith("0 indexed")


def test_once_fails_if_a_log_cannot_be_read(tmp_path: Path) -> None:
    """The unreadable log is reported and the exit code is 1; the rest is shipped."""
    (tmp_path / "open.log").write_text("a\n")
    (tmp_path / "loop.log").symlink_to("loop.log")
    done = shipper(tmp_path, "run", "--once", "--input", f"plain:{tmp_path}/*.log", "--listen", "off", **HASTE)
    assert done.returncode == 1
    assert done.stdout.startswith("1 indexed")
    assert "cannot read" in done.stderr
    assert "log_unreadable" in done.stderr
