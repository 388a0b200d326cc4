"""The sample application as a process, its output written as Docker's json-file driver does."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

from deploy.demo.engine import LABELS, SERVER
from deploy.demo.json_file import JsonFileLog
from deploy.demo.samples import scrape, total
from deploy.services.http import answers, ask
from deploy.services.processes import free_port
from deploy.services.unavailable import Unavailable

ROOT = Path(__file__).parents[2]


class SampleApp:
    """uvicorn with the sample application; each start is a separate container under `folder`."""

    def __init__(self, folder: Path, database: str = "", redis: str = "", *, faults: bool = True) -> None:
        """Start nothing. Without servers the application keeps everything in memory."""
        self._folder, self._starts = folder / "containers", 0
        self._env = {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "SAMPLE_APP_FAULTS": "1" if faults else "0",
        }
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def logs(self) -> str:
        """Return its logs as an input of the shipper; their labels disable the counting of requests."""
        return f"docker:{self._folder}/*/*-json.log"

    def start(self) -> "SampleApp":
        """Start it, and wait until it is alive. Raises Unavailable."""
        self._starts += 1
        container = hashlib.sha256(f"{self._folder} {self._starts}".encode()).hexdigest()
        self._log = JsonFileLog(self._folder, container, "backend", LABELS, max_size=16 << 20)
        self._process = subprocess.Popen(
            [sys.executable, *SERVER, "--port", str(self.port)],
            cwd=ROOT, env={**os.environ, **self._env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        pipes = {"stdout": self._process.stdout, "stderr": self._process.stderr}
        self._pumps = [self._log.pump(cast("BinaryIO", pipe), stream) for stream, pipe in pipes.items()]
        end = time.monotonic() + 30
        while not answers(f"{self.url}/live"):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise Unavailable(f"the application does not answer; see {self._log.path}")
            time.sleep(0.05)
        return self

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and body."""
        return ask(f"{self.url}{path}")

    def sample(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels."""
        return total(scrape(f"{self.url}/metrics"), name, labels)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Send SIGTERM; its last output is written."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(30)
        for pump in self._pumps:
            pump.join(10)
        for pipe in (self._process.stdout, self._process.stderr):
            cast("BinaryIO", pipe).close()
        self._log.close()
        self._process = None
