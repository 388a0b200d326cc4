"""The real agent as a process."""

import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from shipper.model.query import Query
from shipper.outputs.sqlite.reader import LocalReader


class AgentProcess:
    """A `shipper run` process in its own folder."""

    def __init__(
        self, folder: Path, *inputs: str, listen: str = "off", output: str | None = None, config: Path | None = None
    ) -> None:
        self.folder, self.inputs, self.listen = folder, inputs, listen
        self.output = output or f"local:{folder}/store"
        self.config = config
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *extra: str) -> list[str]:
        """Return its command line."""
        options = [part for source in self.inputs for part in ("--input", source)]
        return [
            sys.executable, "-m", "shipper", "run", *options, "--output", self.output,
            "--state-dir", f"{self.folder}/state", "--listen", self.listen, "--log-format", "json",
            *(("--config", str(self.config)) if self.config else ()), *extra,
        ]  # fmt: skip

    def start(self) -> "AgentProcess":
        """Start it; its log goes to a file beside the store."""
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        return self

    def kill(self) -> None:
        """Send SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels; 0 if the agent does not respond."""
        try:
            with urllib.request.urlopen(f"http://{self.listen}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if re.match(rf"{name}[{{ ]", line) and all(pair in line for pair in wanted)
        )

    def largest_memory(self) -> int:
        """Return the process's peak resident memory, in bytes."""
        assert self.process is not None
        (line,) = [
            line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmHWM" in line
        ]
        return int(line.split()[1]) * 1024

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def once(self) -> subprocess.CompletedProcess[str]:
        """Run `shipper run --once`."""
        return subprocess.run(self.command("--once"), capture_output=True, text=True, timeout=200, check=False)

    def events(self) -> list[dict[str, Any]]:
        """Return all stored events, ordered by time."""
        if not (self.folder / "store").exists():
            return []
        return list(
            LocalReader(self.folder / "store", "keneyapp-logs", "keneyapp-quarantine").search(Query(limit=None))
        )

    def quarantined(self) -> list[dict[str, Any]]:
        """Return all quarantined entries."""
        if not (self.folder / "store").exists():
            return []
        return list(LocalReader(self.folder / "store", "keneyapp-logs", "keneyapp-quarantine").quarantine())
