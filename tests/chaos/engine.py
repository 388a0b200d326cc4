"""A place with a real Docker engine: real containers print, and the truth is read from their log files."""

import io
import json
import os
import random
import shutil
import signal
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from deploy.services import docker_engine
from deploy.services.debian import install
from deploy.services.unavailable import Unavailable
from deploy.services.waiting import waited
from shipper.state.checkpoint import PREFIX_BYTES
from tests.chaos.agent import Subject
from tests.chaos.books import Stored, in_store
from tests.chaos.faults import DOCKER, REACH_S, fault, owed
from tests.chaos.lines import Fact, entry_lines, serials
from tests.chaos.logs import Log, Written
from tests.chaos.schedule import KILL
from tests.chaos.world import CONFIG, World

IMAGE = "shipper-chaos:busybox"
OPTIONS = {"max-size": "100k", "max-file": "100"}
"""Rotation by size; no file is dropped, so that the files hold everything that was printed."""
PRINT = 'while read -r line; do echo "$line"; i=$((i+1)); [ $((i % 25)) = 0 ] && usleep 40000; done < /lines/lines; sleep 600'
LINES = 2500


@dataclass(eq=False)
class Printing:
    """A container and the serial numbers it prints."""

    container: Any
    path: Path
    first: int
    last: int


class DockerPlace:
    """Containers of a private engine, shipped into the embedded store."""

    name = DOCKER

    def __init__(self, folder: Path) -> None:
        """Start an engine. Raises Unavailable."""
        if os.geteuid() != 0:
            raise Unavailable("starting a Docker engine needs root")
        wanted = [package for program, package in docker_engine.PACKAGES.items() if shutil.which(program) is None]
        if wanted:
            install(*wanted)
        self.folder = tempfile.mkdtemp(prefix="shipper-docker-")  # short, since a socket's path has at most 108 bytes
        self.address = self.start()
        self.printing: list[Printing] = []
        self._import()

    def start(self) -> str:
        """Start the engine over its data; running containers continue. Raises Unavailable."""
        pid = Path(self.folder) / "exec/containerd/containerd.pid"
        if pid.exists() and _gone(int(pid.read_text())):
            pid.unlink()  # a zombie looks alive to the engine
        return docker_engine.run_script("start", self.folder, "--live-restore")

    def end_engine(self, how: signal.Signals) -> None:
        """End the engine's process without ending its containers."""
        pid = int((Path(self.folder) / "started.pid").read_text())
        os.kill(pid, how)
        if not waited(lambda: _gone(pid), REACH_S):
            raise AssertionError("the engine does not end")
        if how is signal.SIGTERM:  # it ends what it started, except the containers
            under = Path(self.folder) / "exec/containerd/containerd.pid"
            waited(lambda: not under.exists() or _gone(int(under.read_text())), 10)

    def client(self) -> Any:
        """Return a new connection."""
        return docker.DockerClient(base_url=self.address, timeout=60)

    def _import(self) -> None:
        client, busybox = self.client(), shutil.which("busybox")
        assert busybox is not None
        with tarfile.open(fileobj=(archive := io.BytesIO()), mode="w") as tar:
            tar.add(busybox, "bin/busybox")
        repository, tag = IMAGE.split(":")
        client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
        self.root = Path(client.info()["DockerRootDir"])
        client.close()

    def open(self, world: World) -> Subject:
        """Return an agent over the engine's folder."""
        glob = f"docker:{self.root}/containers/*/*-json.log"
        return Subject(world.folder, "agent", [glob], f"local:{world.folder}/store", CONFIG)

    def logs(self, world: World) -> list[Log]:
        """Start two containers that print; return no generated logs."""
        chance = random.Random(f"{world.schedule.seed} containers")
        for _ in range(2):
            self.run(world, chance, LINES)
        return []

    def run(self, world: World, chance: random.Random, entries: int) -> Printing:
        """Start a container that prints `entries` entries and then stays running."""
        first, lines = len(world.truth.facts), []
        while len(lines) < entries:
            entry, facts = entry_lines(chance, len(world.truth.facts))
            if len(entry) > 1 or len(entry[0][1]) > 4096:
                continue
            world.truth.times[world.truth.note(Fact(1, *facts[0]))] = 0
            lines.append(entry[0][1])
        folder = world.folder / f"lines-{first}"
        folder.mkdir()
        (folder / "lines").write_bytes(b"".join(lines))
        client = self.client()
        container = client.containers.run(
            IMAGE, ["/bin/busybox", "sh", "-c", PRINT], detach=True, network_mode="none",
            volumes={str(folder): {"bind": "/lines", "mode": "ro"}},
            log_config=docker.types.LogConfig(type="json-file", config=OPTIONS),
        )  # fmt: skip
        client.close()
        path = self.root / "containers" / container.id / f"{container.id}-json.log"
        printing = Printing(container.id, path, first, len(world.truth.facts) - 1)
        self.printing.append(printing)
        return printing

    def settle(self, world: World) -> None:
        """Start the engine if needed, end the containers, record what their files hold, and ship it."""
        self.address = self.start()
        client = self.client()
        for printing in self.printing:
            client.containers.get(printing.container).kill()
            client.containers.get(printing.container).wait(timeout=60)
            record_files(world, printing)
        client.close()
        world.agent.once()

    def stored(self, world: World) -> Iterator[Stored]:
        """Return the documents of all day files."""
        return in_store(world.folder / "store")

    def close(self, world: World) -> None:
        """Remove the remaining containers."""
        self.address = self.start()
        client = self.client()
        for printing in self.printing:
            with suppress(docker.errors.APIError):
                client.containers.get(printing.container).remove(force=True)
        client.close()
        self.printing = []

    def end(self) -> None:
        """Stop the engine and its containers."""
        with suppress(docker.errors.DockerException):
            client = self.client()
            for container in client.containers.list(all=True):
                container.remove(force=True)
            client.close()
        docker_engine.run_script("stop", self.folder)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def record_files(world: World, printing: Printing) -> list[Written]:
    """Add the current content of a container's files to the truth and return the files."""
    files = []
    for path in sorted(printing.path.parent.glob(f"{printing.path.name}*")):
        data = path.read_bytes()
        file = Written(path, path.stat().st_ino, len(data), data[:PREFIX_BYTES])
        for line in data.splitlines():
            record_line(world, line, file)
        files.append(file)
    return files


def record_line(world: World, line: bytes, file: Written) -> None:
    """Add one physical line to the truth. A record cut off by a killed engine is an invalid envelope."""
    held = sorted(serials(line))
    try:
        json.loads(line)
    except ValueError:
        for at, serial in enumerate(held):
            world.truth.facts[serial] = Fact(int(at == 0), "", "envelope_invalid")
    for serial in held:
        world.truth.times[serial] += 1
        file.serials.append(serial)


def place_of(world: World) -> DockerPlace:
    """Return the world's place as a DockerPlace."""
    assert isinstance(world.place, DockerPlace)
    return world.place


def siblings(printing: Printing) -> list[Path]:
    """Return the container's files."""
    return sorted(printing.path.parent.glob(f"{printing.path.name}*"))


def printed(printing: Printing, serial: int) -> bool:
    """Return True if an entry is in one of the container's files."""
    return any(serial in serials(path.read_bytes()) for path in siblings(printing))


@fault("Docker engine restarted", (DOCKER,), 2)
def engine_restarted(world: World, chance: random.Random) -> None:
    """Send SIGTERM to the engine and start it again; containers print meanwhile."""
    restart(world, chance, signal.SIGTERM)
    world.tried["Docker engine restarted"] += 1


@fault("Docker engine killed", (DOCKER,), 2)
def engine_killed(world: World, chance: random.Random) -> None:
    """Send SIGKILL to the engine and start it again; a record may be cut off in the middle."""
    restart(world, chance, signal.SIGKILL)
    world.tried["Docker engine killed"] += 1


def restart(world: World, chance: random.Random, how: signal.Signals) -> None:
    """Stop the engine and start it again; half of the time the agent is killed meanwhile."""
    place = place_of(world)
    place.end_engine(how)
    if chance.random() < 0.5:
        world.kill()
        world.tried[KILL] += 1
        world.ensure()
    time.sleep(chance.uniform(0.1, 1.0))
    place.address = place.start()


@fault("container restarted", (DOCKER,), 2)
def container_restarted(world: World, chance: random.Random) -> None:
    """Restart a container, which prints from the beginning into the same file."""
    place = place_of(world)
    client = place.client()
    client.containers.get(chance.choice(place.printing).container).restart(timeout=0)
    client.close()
    world.tried["container restarted"] += 1


@fault("container renamed", (DOCKER,), 3)
def container_renamed(world: World, chance: random.Random) -> None:
    """Run `docker rename` while a container prints: each line printed later has the new name, whoever reads it."""
    place = place_of(world)
    printing = place.run(world, chance, 400)
    if not waited(lambda: printed(printing, printing.first + 20), REACH_S):
        raise AssertionError(f"{printing.path} was not printed")
    client, name = place.client(), f"renamed-{printing.first}-{chance.randrange(1 << 16):x}"
    client.containers.get(printing.container).rename(name)
    client.close()
    before = {serial for path in siblings(printing) for serial in serials(path.read_bytes())}
    if chance.random() < 0.5:
        world.kill()
        world.tried[KILL] += 1
        world.ensure()

    names: dict[int, str] = {}
    """The container's name of each line that was printed after the rename and is stored."""

    def is_stored() -> bool:
        with suppress(sqlite3.OperationalError):  # of a killed agent, until the next one has opened the file
            for _, body in in_store(world.folder / "store"):
                if printing.container.encode() in body:
                    said = json.loads(body)["container"]["name"]
                    names.update({serial: said for serial in serials(body) if serial not in before})
        return printing.last in names

    if not waited(is_stored, REACH_S):
        raise AssertionError(f"the last line of {printing.path} is not stored")
    if wrong := {serial for serial, said in names.items() if said != name}:
        raise AssertionError(f"{len(wrong)} lines were printed after the rename to {name} and do not have that name")
    world.tried["container renamed"] += 1


@fault("container removed at once", (DOCKER,), 3)
def container_removed(world: World, chance: random.Random) -> None:
    """Run `docker rm -f` right after the last line, while the agent follows the container."""
    place = place_of(world)
    printing = place.run(world, chance, 300)
    if not waited(printing.path.exists, REACH_S):
        raise AssertionError(f"{printing.path} was not created")

    def followed() -> bool:
        return printing.path.exists() and world.agent.holds(printing.path.stat().st_ino, b"")

    if not waited(followed, REACH_S) or not waited(lambda: printed(printing, printing.last), REACH_S):
        raise AssertionError(f"{printing.path} is not followed, or not printed to its end")
    stub = Log.__new__(Log)
    stub.path = printing.path
    gone = record_files(world, printing)
    with world.lock:
        for file in gone:
            world.destroyed(stub, file)
    client = place.client()
    client.containers.get(printing.container).remove(force=True)
    client.close()
    place.printing.remove(printing)
    owed(world, gone)
    world.tried["container removed at once"] += 1
