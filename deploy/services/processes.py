"""Starts a server process, waits for it, and stops it."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from deploy.services.unavailable import Unavailable

PORTS = range(10_000, 32_768)
"""Below the ephemeral ports of Linux, which other processes may get before the port is used."""


def free_port() -> int:
    """A free loopback port. Raises Unavailable."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise Unavailable("no free port on 127.0.0.1")


class ServerProcess:
    """One server process; its output goes to a file in its folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Start nothing."""
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(
        self, command: list[str], ready: Callable[[], bool], env: Mapping[str, str] | None = None, seconds: float = 90
    ) -> None:
        """Start the process and wait until it is ready. Raises Unavailable with the end of its log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}
            )
        answered = False
        try:
            answered = self._answered(ready, seconds)
        finally:
            if not answered:  # or interrupted: nothing else would stop a process that is not ready yet
                self.kill()
        if not answered:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Unavailable(f"{command[0]} does not respond; the end of {self.log}:\n{tail}")

    def _answered(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait until the process is ready; False after the timeout or if it has ended."""
        end = time.monotonic() + seconds
        while not ready():
            if self.pid is None or time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL if it does not end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None
