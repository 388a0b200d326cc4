"""SIGKILL at any moment, of the real process: the books balance after more than two hundred of them."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
KILLS = 52
"""Kills of each of the four agents."""
EVENTS = {"login_failed": 0.3, "patient_created": 0.2, "request_complete": 0.4, "heartbeat": 0.1}


@dataclass
class Ward:
    """One agent, its logs, and the truth about them."""

    folder: Path
    seed: int
    truth: Counter[str] = field(default_factory=Counter)
    serial: int = 0
    kills: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.container = self.folder / "containers" / f"{self.seed:064x}"
        self.container.mkdir(parents=True)
        self.live = self.container / f"{self.seed:064x}-json.log"

    def arguments(self) -> list[str]:
        return [
            sys.executable, "-m", "shipper", "run",
            "--input", f"docker:{self.folder}/containers/*/*-json.log",
            "--output", f"local:{self.folder}/store", "--state-dir", f"{self.folder}/state",
            "--listen", "off", "--log-format", "json",
        ]  # fmt: skip

    def write(self, lines: int) -> None:
        """Append entries: good ones, violations, traces, split messages; rotate now and then."""
        with self.live.open("ab", buffering=0) as file:
            for _ in range(lines):
                for record in self.records():
                    file.write(record)
        chance = self.random.random()
        if chance < 0.04:
            self.rotate()
        elif chance < 0.06:
            self.copytruncate()

    def records(self) -> list[bytes]:
        self.serial += 1
        event = self.random.choices(list(EVENTS), list(EVENTS.values()))[0]
        fields = {"correlation_id": f"c-{self.serial}", "event": event, "message": str(self.serial)}
        if event == "request_complete":
            fields |= {"method": "POST", "path": "/api/v1/auth/login", "status_code": 401}
        kind = self.random.random()
        self.truth["lines"] += 1
        self.truth[event] += 1
        if kind < 0.1:
            fields["correlation_id"] = "not usable!"
            self.truth["quarantined"] += 1
        if kind > 0.95:
            fields["filler"] = "x" * 20_000
        text = json.dumps(fields) + "\n"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + f"{self.serial % 1000:03d}Z"
        pieces = [text[i : i + 16_384] for i in range(0, len(text), 16_384)]
        self.truth["lines"] += len(pieces) - 1
        return [json.dumps({"log": piece, "stream": "stdout", "time": now}).encode() + b"\n" for piece in pieces]

    def rotate(self) -> None:
        """Rename rotation."""
        self.shift()
        self.live.rename(f"{self.live}.1")

    def shift(self) -> None:
        """Make room for `.1`; enough files are kept for the agent to be away for the whole test."""
        for number in range(400, 0, -1):
            older = Path(f"{self.live}.{number}")
            if older.exists():
                older.rename(f"{self.live}.{number + 1}")

    def copytruncate(self) -> None:
        """Rotation by copy: the live file keeps its inode and begins anew."""
        self.shift()
        shutil.copy(self.live, f"{self.live}.1")
        os.truncate(self.live, 0)

    def live_dangerously(self) -> None:
        """Run, write, kill, again and again."""
        while self.kills < KILLS:
            agent = subprocess.Popen(self.arguments(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until = time.monotonic() + self.random.uniform(0.5, 1.5)
            while time.monotonic() < until:
                self.write(self.random.randrange(1, 30))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    agent.wait(timeout=0.02)
                    pytest.fail(f"the agent ended by itself: {agent.stderr.read().decode() if agent.stderr else ''}")
            agent.send_signal(signal.SIGKILL)
            agent.communicate()
            self.kills += 1

    def settle(self) -> None:
        """Let one last agent finish the work."""
        done = subprocess.run([*self.arguments(), "--once"], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    def stored(self, index: str) -> list[tuple[bytes, str]]:
        """(id, body) of everything in the store under an index prefix."""
        found = []
        for path in sorted((self.folder / "store").glob(f"{index}-*.db")):
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            found += db.execute("SELECT id, body FROM entry").fetchall()
            db.close()
        return found

    def counters(self) -> dict[tuple[str, ...], float]:
        """Committed counter values."""
        db = sqlite3.connect(f"file:{self.folder}/state/state.db?mode=ro", uri=True)
        rows = db.execute("SELECT metric, labels, value FROM series").fetchall()
        db.close()
        return {(metric, *json.loads(labels)): value for metric, labels, value in rows}


def balance(ward: Ward) -> None:
    """Every line is in one place once, and each counter equals a recount."""
    events, quarantined = ward.stored("keneyapp-logs"), ward.stored("keneyapp-quarantine")
    serials = sorted(int(json.loads(body)["message"]) for _, body in events)
    refused = sorted(int(json.loads(json.loads(body)["raw"])["message"]) for _, body in quarantined)
    assert sorted(serials + refused) == list(range(1, ward.serial + 1))
    assert len(refused) == ward.truth["quarantined"]
    counters = ward.counters()
    assert counters["shipper_lines_read_total",] == ward.truth["lines"]
    outcomes = ("indexed", "quarantined", "dropped")
    assert sum(counters["shipper_lines_total", outcome] for outcome in outcomes) == ward.truth["lines"]
    failed = [value for key, value in counters.items() if key[0] == "failed_login_attempts_total"]
    assert sum(failed) == ward.truth["login_failed"] + ward.truth["request_complete"]
    assert counters["patient_operations_total", "create"] == ward.truth["patient_created"]


@pytest.mark.timeout(600)
def test_two_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """Four agents, each killed again and again while their logs grow and rotate."""
    seed = int(os.environ.get("SHIPPER_TEST_SEED", "20261124"))
    wards = [Ward(tmp_path / str(number), seed + number) for number in range(4)]
    with ThreadPoolExecutor(len(wards)) as pool:
        list(pool.map(Ward.live_dangerously, wards))
    for ward in wards:
        ward.settle()
        balance(ward)
    assert sum(ward.kills for ward in wards) >= 200
