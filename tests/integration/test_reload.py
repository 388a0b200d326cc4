"""Reloads of the real agent under load: counts stay exact after many reloads, an invalid file, and SIGKILL."""

import json
import os
import pty
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from deploy.services.processes import free_port
from tests.integration.agent import AgentProcess
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
RULE = {"help": "h", "when": {"event": "login_failed"}}


class Load:
    """A container that logs without pause until it is stopped."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name / f"{name}-json.log"
        self.path.parent.mkdir(parents=True)
        self.name, self.written, self._end = name, 0, threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop writing."""
        self._end.set()
        self._thread.join()

    def _write(self) -> None:
        with self.path.open("ab", buffering=0) as file:
            while not self._end.wait(0.02):  # no more than an agent follows on a busy machine
                file.write(b"".join(self._line() for _ in range(20)))

    def _line(self) -> bytes:
        self.written += 1
        entry = {"correlation_id": f"{self.name}-{self.written}", "event": "login_failed", "message": str(self.written)}
        if self.written % 10 == 0:
            del entry["correlation_id"]
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{self.written % 10**9:09d}Z"
        return json.dumps({"log": json.dumps(entry) + "\n", "stream": "stdout", "time": now}).encode() + b"\n"


class Fleet:
    """One agent over two containers, and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "shipper.yaml"
        self.write()
        self.agent = AgentProcess(folder, listen=f"127.0.0.1:{free_port()}", config=self.file)

    def write(self, **more: Any) -> None:
        """Write a whole configuration."""
        settings = {
            "inputs": [f"docker:{self.folder}/logs/*/*-json.log"],
            "reload": {"interval": "100ms"},
            "counters": {"rules": [{"name": "always_total", **RULE}]},
            **more,
        }
        self.put(yaml.safe_dump(settings))

    def put(self, text: str) -> None:
        """Replace the file atomically."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)

    def variation(self, number: int) -> None:
        """Write a configuration with other rules, inputs, redaction and policies."""
        rules = [{"name": "always_total", **RULE}, *([{"name": "sometimes_total", **RULE}] if number % 2 else [])]
        named = (["*"], ["*", "b"], ["a"])[number % 3]
        inputs = [f"docker:{self.folder}/logs/{name}/*-json.log" for name in named]
        policy = ("quarantine", "flag")[number // 2 % 2]
        self.write(
            counters={"rules": rules, "max_label_values": 100 + number},
            inputs=inputs,
            redact={"extra_patterns": {f"p{number}": "secret"}},
            schema={"require_correlation_id": "always", "policies": {"correlation_id_missing": policy}},
        )

    def reloads(self, result: str) -> float:
        return self.agent.metric("shipper_config_reloads_total", result=result)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Yield a fleet; its agent ends with the test."""
    started = Fleet(tmp_path)
    yield started
    if started.agent.process is not None and started.agent.process.poll() is None:
        started.agent.kill()


def settle(fleet: Fleet, loads: list[Load]) -> None:
    """Read and store everything that was written, with the first configuration, and compare."""
    fleet.write()
    done = fleet.agent.once()
    assert done.returncode == 0, done.stderr
    written = sum(load.written for load in loads)
    stored = [(body["service"]["name"], body["message"]) for body in fleet.agent.events()]
    stored += [(body["service"]["name"], json.loads(body["raw"])["message"]) for body in fleet.agent.quarantined()]
    assert len(stored) == len(set(stored)) == written


def committed(fleet: Fleet, *name: str) -> float:
    """Return a committed counter; its labels follow its name."""
    db = sqlite3.connect(f"file:{fleet.folder}/state/state.db?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT labels, value FROM series WHERE metric = ?", name[:1]).fetchall()
    finally:
        db.close()
    return sum(value for labels, value in rows if not name[1:] or json.loads(labels) == [*name[1:]])


def goes_on(fleet: Fleet) -> None:
    """Wait until more lines are counted."""
    before = fleet.agent.metric("always_total")
    until(lambda: fleet.agent.metric("always_total") > before)


def test_counts_are_exact_over_many_reloads_under_load(fleet: Fleet) -> None:
    """Every line is counted and stored once, on reloads by file and by SIGHUP; an invalid file changes only its own counter."""
    logs = fleet.folder / "logs"
    with Load(logs, "a") as one, Load(logs, "b") as two:
        fleet.agent.start()
        assert fleet.agent.process is not None
        until(lambda: fleet.agent.metric("always_total") > 0)
        highest = 0.0
        for number in range(1, 22):
            fleet.variation(number)
            if number % 3 == 0:
                os.kill(fleet.agent.process.pid, signal.SIGHUP)
            until(lambda number=number: fleet.reloads("success") >= number)  # type: ignore[misc]
            seen = fleet.agent.metric("sometimes_total")
            assert seen >= highest
            highest = seen
            if number == 15:
                fleet.put("counters: {rules: [{name: x}]}")
                until(lambda: fleet.reloads("failure") >= 1)
                assert fleet.agent.metric("shipper_config_last_reload_successful") == 0
                goes_on(fleet)
    written = one.written + two.written
    until(lambda: fleet.agent.metric("always_total") == written)
    assert fleet.agent.metric("failed_login_attempts_total") == written
    until(lambda: fleet.agent.metric("shipper_lag_bytes") == 0)
    outcomes = [fleet.agent.metric("shipper_events_total", outcome=name) for name in ("indexed", "quarantined")]
    assert sum(outcomes) == written
    assert fleet.agent.metric("shipper_events_total", outcome="duplicate") == 0
    assert 0 < highest < written
    assert fleet.reloads("failure") == 1
    assert fleet.agent.stop() == 0
    settle(fleet, [one, two])
    assert committed(fleet, "always_total") == written


def test_kills_during_reloads_lose_and_duplicate_nothing(fleet: Fleet) -> None:
    """SIGKILL while the configuration changes: the next start reads the new file, and the books balance."""
    chance = random.Random(20261125)
    logs = fleet.folder / "logs"
    with Load(logs, "a") as one, Load(logs, "b") as two:
        for number in range(8):
            fleet.agent.start()
            until(lambda: fleet.agent.metric("shipper_build_info") > 0)
            for step in range(3):
                fleet.write(
                    counters={"rules": [{"name": "always_total", **RULE}, {"name": f"r{number}_{step}_total", **RULE}]},
                    inputs=[f"docker:{logs}/{name}/*-json.log" for name in ("*", "b")[: 1 + step % 2]],
                )
                time.sleep(chance.uniform(0.05, 0.3))
            fleet.agent.kill()
    settle(fleet, [one, two])
    written = one.written + two.written
    assert committed(fleet, "always_total") == written
    assert committed(fleet, "failed_login_attempts_total") == written
    assert committed(fleet, "shipper_lines_read_total") == written


def test_an_agent_whose_terminal_is_closed_ends_in_order(fleet: Fleet) -> None:
    """The SIGHUP of a closed terminal is not a reload: nobody would be left to stop the agent."""
    child, terminal = pty.fork()
    if child == 0:
        command = fleet.agent.command()
        os.execv(command[0], command)
    try:
        until(lambda: fleet.agent.metric("shipper_build_info") > 0)
        os.kill(child, signal.SIGHUP)
        until(lambda: fleet.reloads("success") == 1)
    finally:
        os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
