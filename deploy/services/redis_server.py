"""A real Redis server on loopback, without persistence."""

import socket
from pathlib import Path

from deploy.services.debian import program
from deploy.services.processes import ServerProcess, free_port


class RedisServer:
    """One server without persistence."""

    def __init__(self, folder: Path) -> None:
        """Find the program, start nothing. Raises Unavailable."""
        self._program = program("redis-server", "redis-server")
        self._folder, self._port = folder, free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.url = f"redis://{self.address}/0"
        self.process = ServerProcess(folder, "redis")

    def start(self) -> "RedisServer":
        """Start the server. Raises Unavailable."""
        command = [self._program, "--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--appendonly", "no"]
        self.process.start([*command, "--dir", str(self._folder)], self._answers, seconds=30)
        return self

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        self.process.kill()

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self.process.stop()
