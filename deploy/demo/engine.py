"""Runs the demo's application: in a container of a Docker engine, or as a process with a json-file writer."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from deploy.demo.json_file import JsonFileLog

ROOT = Path(__file__).parents[2]
LABELS = {
    "com.docker.compose.service": "backend",
    "com.docker.compose.project": "keneyapp",
    "shipper.http-source": "off",  # it logs `patient_created` and the request: both would be counted
    "shipper.require-correlation-id": "always",
}
NAME = "keneyapp-backend-demo"
SERVER = ["-m", "uvicorn", "--app-dir", "deploy/sample-app", "app:app", "--host", "127.0.0.1", "--no-use-colors"]


class Unavailable(Exception):
    """The application cannot be run this way here; the text says why."""


class Running(Protocol):
    """The running application."""

    where: str
    logs: str
    """Glob of its logs."""

    def stop(self) -> None:
        """Stop the application."""


@dataclass
class Container:
    """The application in a container, with this machine's Python mounted into it."""

    id: str
    logs: str
    where: str = "a container of the Docker engine"

    @classmethod
    def start(cls, port: int, environment: Mapping[str, str]) -> "Container":
        """Start the container. Raises Unavailable if there is no engine, or its logs cannot be read."""
        if shutil.which("docker") is None:
            raise Unavailable("no Docker client")
        root = docker("info", "--format", "{{.DockerRootDir}}")
        folder = Path(root) / "containers"
        if not os.access(folder, os.R_OK | os.X_OK):
            raise Unavailable(f"{folder} cannot be read by this user")
        image = image_with_a_c_library()
        mounts = [flag for path in sorted(mounted()) for flag in ("--volume", f"{path}:{path}:ro")]
        variables_of_app = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
        variables = [flag for name, value in variables_of_app.items() for flag in ("--env", f"{name}={value}")]
        labels = [flag for name, value in LABELS.items() for flag in ("--label", f"{name}={value}")]
        container_id = docker(
            "run", "--detach", "--rm", "--name", NAME, "--network", "host", *mounts, *labels,
            "--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=3",
            *variables, "--workdir", str(ROOT),
            image, sys.executable, *SERVER, "--port", str(port),
        )  # fmt: skip
        return cls(container_id, f"docker:{folder}/{container_id}/*-json.log")

    def stop(self) -> None:
        """Stop and remove the container."""
        subprocess.run(["docker", "stop", "--time", "2", self.id], capture_output=True, check=False)


def mounted() -> set[str]:
    """The paths of this machine that the interpreter needs."""
    system = {path for path in ("/lib", "/lib64", "/usr/lib", "/usr/local", "/usr/bin", "/bin") if os.path.exists(path)}
    return system | {str(ROOT), sys.base_prefix, os.path.realpath(sys.prefix)}


def image_with_a_c_library() -> str:
    """The name of an empty image; everything needed is mounted. Raises Unavailable."""
    empty = "shipper-demo:empty"
    if subprocess.run(["docker", "image", "inspect", empty], capture_output=True, check=False).returncode == 0:
        return empty
    made = subprocess.run(["docker", "import", "-", empty], input=empty_tar(), capture_output=True, check=False)
    if made.returncode != 0:
        raise Unavailable(f"cannot create an image: {made.stderr.decode().strip()}")
    return empty


def empty_tar() -> bytes:
    """A tar archive with a folder for temporary files."""
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return buffer.getvalue()


def docker(*arguments: str) -> str:
    """Run a docker command and return its output. Raises Unavailable if it fails."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from error
    if done.returncode != 0:
        raise Unavailable(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "docker failed")
    return done.stdout.strip()


class Process:
    """The application as a process, its two output streams logged in Docker's format."""

    where = "a process, its output written in Docker's json-file format"

    def __init__(self, port: int, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the process, with its container folder under `folder`."""
        container_id = hashlib.sha256(str(folder).encode()).hexdigest()
        self._log = JsonFileLog(folder, container_id, NAME, LABELS)
        self.logs = f"docker:{folder}/*/*-json.log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
        self._process = subprocess.Popen(
            [sys.executable, *SERVER, "--port", str(port)],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._pipes = {
            "stdout": cast("BinaryIO", self._process.stdout),
            "stderr": cast("BinaryIO", self._process.stderr),
        }
        self._pumps = [self._log.pump(pipe, stream) for stream, pipe in self._pipes.items()]

    def stop(self) -> None:
        """Stop the process and log the rest of its output."""
        self._process.terminate()
        self._process.wait(10)
        for pump in self._pumps:
            pump.join(5)
        for pipe in self._pipes.values():
            pipe.close()
        self._log.close()


def start(port: int, folder: Path, environment: Mapping[str, str] | None = None) -> tuple[Running, str | None]:
    """Start the application with extra variables; also returns the reason if it does not run in a container."""
    try:
        return Container.start(port, environment or {}), None
    except Unavailable as error:
        return Process(port, folder, environment or {}), str(error)
