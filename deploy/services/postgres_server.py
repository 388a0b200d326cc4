"""A real PostgreSQL server: a private cluster on loopback, never the system's."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from deploy.services.debian import install
from deploy.services.processes import ServerProcess, free_port
from deploy.services.unavailable import Unavailable

PACKAGE = "postgresql"
BINARIES = "/usr/lib/postgresql"
USER = "postgres"


class PostgresServer:
    """One cluster whose data outlives its process; `url` is a database in it."""

    def __init__(self) -> None:
        """Create the cluster, start nothing. Raises Unavailable."""
        self._bin = binaries()
        # the server does not run as root, and its user cannot enter root's folders
        self.folder = Path(tempfile.mkdtemp(prefix="shipper-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.url = f"postgresql://keneyapp@{self.address}/postgres"
        self.process = ServerProcess(self.folder, "postgres")
        try:
            self._make()
        except BaseException:  # also on Ctrl-C: nothing else removes the folder yet
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _make(self) -> None:
        command = self._as_user(
            "initdb", "--auth=trust", "--username=keneyapp", "--no-sync", "--encoding=UTF8", "--locale=C",
            f"--pgdata={self.folder}/data",
        )  # fmt: skip
        try:
            made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        except OSError as error:
            raise Unavailable(f"{command[0]} cannot be run: {error.strerror}") from error
        if made.returncode != 0:
            raise Unavailable(f"initdb ended with code {made.returncode}: {made.stderr.strip()[-2000:]}")

    def _as_user(self, name: str, *arguments: str) -> list[str]:
        """A command as the server's user; setpriv replaces itself by the command, so that signals reach it."""
        command = [str(self._bin / name), *arguments]
        if os.geteuid() != 0:
            return command
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *command]

    def start(self) -> "PostgresServer":
        """Start the server with its existing data. Raises Unavailable."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # left by a kill
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "40",
            "shared_buffers": "16MB",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.process.start(self._as_user("postgres", "-D", f"{self.folder}/data", *flags), self._answers, seconds=30)
        return self

    def _answers(self) -> bool:
        command = [str(self._bin / "pg_isready"), "--quiet", f"--dbname={self.url}"]
        return subprocess.run(command, check=False).returncode == 0

    def kill(self) -> None:
        """Send SIGKILL, also to its child processes, which would serve clients a little longer."""
        serving = _children(self.process.pid)
        self.process.kill()
        for child in serving:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
            select.select([child], [], [], 20)
            os.close(child)

    def stop(self) -> None:
        """Stop with a fast shutdown, which does not wait for clients."""
        if (pid := self.process.pid) is not None:
            os.kill(pid, signal.SIGINT)
        self.process.stop()

    def remove(self) -> None:
        """Stop the server, and remove its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _children(pid: int | None) -> list[int]:
    """Descriptors of a process's running children."""
    descriptors: list[int] = []
    if pid is not None:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(int(child)))
    return descriptors


def binaries() -> Path:
    """The program folder of the newest server, after installing one if needed. Raises Unavailable."""
    for attempt in range(2):
        installed = sorted(Path(BINARIES).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
        if installed:
            return installed[-1].parent
        if attempt == 0:
            install(PACKAGE)
    raise Unavailable(f"no PostgreSQL under {BINARIES}: install the package {PACKAGE}")
