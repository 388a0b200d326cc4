"""The real agent as a process, and conditions to wait for."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shipper.outputs.local_reader import LocalReader
from shipper.ports import Query


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition. Fails with its name where it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(0.05)


class AgentProcess:
    """`shipper run` over a folder of its own."""

    def __init__(self, folder: Path, *inputs: str, listen: str = "off") -> None:
        self.folder, self.inputs, self.listen = folder, inputs, listen
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *extra: str) -> list[str]:
        """Its command line."""
        given = [part for found in self.inputs for part in ("--input", found)]
        return [
            sys.executable, "-m", "shipper", "run", *given, "--output", f"local:{self.folder}/store",
            "--state-dir", f"{self.folder}/state", "--listen", self.listen, "--log-format", "json", *extra,
        ]  # fmt: skip

    def start(self) -> "AgentProcess":
        """Start it; its own log goes to a file beside the store."""
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        return self

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def once(self) -> subprocess.CompletedProcess[str]:
        """`shipper run --once`."""
        return subprocess.run(self.command("--once"), capture_output=True, text=True, timeout=120, check=False)

    def events(self) -> list[dict[str, Any]]:
        """All stored events in the order of their time."""
        if not (self.folder / "store").exists():
            return []
        return list(
            LocalReader(self.folder / "store", "keneyapp-logs", "keneyapp-quarantine").search(Query(limit=None))
        )

    def quarantined(self) -> list[dict[str, Any]]:
        """All quarantined entries."""
        if not (self.folder / "store").exists():
            return []
        return list(LocalReader(self.folder / "store", "keneyapp-logs", "keneyapp-quarantine").quarantine())
