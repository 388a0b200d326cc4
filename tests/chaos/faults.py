"""The faults, by the names used in schedules and in the table."""

import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.services.waiting import waited
from shipper.state.integrity import MARK
from tests.chaos.agent import GRACE_S
from tests.chaos.launcher import POINTS
from tests.chaos.logs import Log, Written
from tests.chaos.schedule import FIRST_POINT, KILL, POINT, TERM
from tests.chaos.world import TIMED, World

FILES, ELASTICSEARCH, KAFKA, DOCKER = "files", "elasticsearch", "kafka", "docker"
EVERYWHERE = (FILES, ELASTICSEARCH, KAFKA, DOCKER)
GENERATED = (FILES, ELASTICSEARCH, KAFKA)
POINT_S = 12.0
REACH_S = 90.0
"""Most seconds until an agent has started or released a file; an unavailable output is retried after up to 30 s."""
STATE_DISK, STORE_DISK, CLOCK = "state disk full", "store disk full", "clock stepped"
COPIED, MOVED, HARD_LINK, POWER = "replaced by its copy", "folder moved", "hard link", "power lost"
INODE, INODE_ATTEMPTS = "inode used again", 12
OF_LETTERS = {"between two refusals", "half a dead letter", "after a dead letter"}
OF_ELASTICSEARCH = {"before the bulk", "after the bulk"} | OF_LETTERS
OF_KAFKA = {"before the messages", "after the messages"}
OF_INDEXER = {"before the offsets", "between index and offsets", "after the offsets"}
OF_STORE = {name for name in POINTS if "store" in name or "day file" in name}
FIRST = {"a state is made": 1, "the lock is noted": 2, "a day file is drafted": 2}
"""Points that are passed when something is created, with the number of passes; rarely or never elsewhere."""
Act = Callable[[World, random.Random], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: its action, the places where it can occur, and its weight among others."""

    act: Act
    places: tuple[str, ...]
    weight: float


FAULTS: dict[str, Fault] = {}


def fault(name: str, places: tuple[str, ...], weight: float) -> Callable[[Act], Act]:
    """Register a fault under this name."""

    def named(act: Act) -> Act:
        FAULTS[name] = Fault(act, places, weight)
        return act

    return named


def points_of(place: str) -> list[str]:
    """Return the fail points that an agent of this place passes."""
    if place == ELASTICSEARCH:
        return sorted(POINTS.keys() - FIRST.keys() - OF_STORE - OF_KAFKA - OF_INDEXER - OF_LETTERS)
    if place == KAFKA:
        return sorted(POINTS.keys() - FIRST.keys() - OF_STORE - OF_ELASTICSEARCH - OF_INDEXER)
    return sorted(POINTS.keys() - FIRST.keys() - OF_ELASTICSEARCH - OF_KAFKA - OF_INDEXER)


# --- the process ----------------------------------------------------------------------------------


@fault(KILL, EVERYWHERE, 10)
def kill(world: World, chance: random.Random) -> None:
    """Send SIGKILL at an arbitrary instruction."""
    world.kill()
    world.tried[KILL] += 1


@fault(POINT, EVERYWHERE, 6)
def fail_point(world: World, chance: random.Random) -> None:
    """Send SIGKILL at a chosen instruction, for example between the steps of a commit."""
    world.kill()
    world.tried[KILL] += 1
    at_point(world, chance.choice(points_of(world.place.name)), chance.randrange(1, 6))


def at_point(world: World, name: str, passes: int) -> None:
    """Start an agent that is killed at a fail point, or anywhere if it does not reach the point in time."""
    world.ensure(f"{name}:{passes}")
    if world.agent.wait_for_point(POINT_S):
        world.tried[f"{KILL}: {name}"] += 1
    else:
        world.tried[KILL] += 1
    world.agent_is_gone()


@fault(FIRST_POINT, GENERATED, 0)
def first_start(world: World, chance: random.Random) -> None:
    """Kill while a state or a day file is being created; the first fault of a schedule."""
    names = [name for name in FIRST if world.place.name == FILES or name not in OF_STORE]
    world.kill()
    chance.shuffle(names)
    for name in names:
        at_point(world, name, chance.randint(1, FIRST[name]))


@fault(TERM, EVERYWHERE, 3)
def short_grace(world: World, chance: random.Random) -> None:
    """Send SIGTERM, and SIGKILL a moment later."""
    world.agent.stop(chance.uniform(0.0, 0.6))
    world.agent_is_gone()
    world.tried[TERM] += 1


# --- the files ------------------------------------------------------------------------------------


@fault("rotation storm", GENERATED, 1)
def rotation_storm(world: World, chance: random.Random) -> None:
    """Write and rotate files of 1 MB, three kept, compressed or not, while other faults occur."""
    log, compress = chance.choice(world.logs), chance.random() < 0.4
    if world.background(lambda: world.storm(log, chance, 4, compress=compress), "storm"):
        world.tried["rotation storm"] += 1


@fault("compression", GENERATED, 1)
def compression(world: World, chance: random.Random) -> None:
    """Rotate, and compress the rotated file as the runtime does."""
    with world.lock:
        log = chance.choice(world.logs)
        log.rotate(60)
        log.compress(lambda: time.sleep(0.02))
    world.tried["compression"] += 1


@fault("copytruncate", GENERATED, 1.5)
def copytruncate(world: World, chance: random.Random) -> None:
    """Rotate by copy and truncation, with new lines immediately."""
    with world.lock:
        log = chance.choice([log for log in world.logs if log.kind != "cri"])
        log.copytruncate()
        log.write(chance.randrange(1, 80), chance, world.now_ns)
    world.tried["copytruncate"] += 1


@fault(INODE, GENERATED, 1.5)
def inode_used_again(world: World, chance: random.Random) -> None:
    """Create a file with the inode of one just deleted: as the live file after a rotation, or at the same path.

    An inode is free once nobody has the deleted file open, and another process may take it first. After failed
    attempts the agent is killed, so that only the latter remains.
    """
    for attempt in range(INODE_ATTEMPTS):
        if attempt == INODE_ATTEMPTS // 2:
            world.kill()
        with world.lock:
            reused = inode_reused(chance.choice(world.logs), world, chance)
        if reused:
            world.tried[INODE] += 1
            return


def inode_reused(log: Log, world: World, chance: random.Random) -> bool:
    """Delete a file of a log, create the next and write to it. True if it has the same inode."""
    if chance.random() < 0.5:
        before = log.live.size
        reused = log.reuse_live()
        while log.live.size <= before and chance.random() < 0.9:
            log.write(20, chance, world.now_ns)
    else:
        reused = log.reuse_rotated()
        log.write(20, chance, world.now_ns)
    return reused


@fault("removed at once", GENERATED, 1)
def removed_at_once(world: World, chance: random.Random) -> None:
    """Remove a container right after its last line, while the agent follows it."""
    with world.lock:
        log = world.new_log(chance.choice(TIMED))
        log.write(20, chance, world.now_ns)
    if not waited(lambda: world.agent.holds(log.live.inode, log.live.beginning), REACH_S):
        raise AssertionError(f"{log.path} is not followed")
    with world.lock:
        log.write(chance.randrange(1, 200), chance, world.now_ns)
        gone = log.remove()
    owed(world, gone)
    world.tried["removed at once"] += 1


def owed(world: World, gone: list[Written]) -> None:
    """Wait until the undisturbed agent has released removed files, so that all their lines count as due."""

    def done() -> bool:
        return world.agent.alive and not any(world.agent.holds(file.inode, file.beginning) for file in gone)

    if not waited(done, REACH_S):
        raise AssertionError(f"the agent holds removed files open: {[file.path.name for file in gone]}")
    time.sleep(1.2)
    with world.lock:
        world.held = [held for held in world.held if held.file not in gone]


# --- the same content elsewhere -------------------------------------------------------------------


def perhaps_killed(world: World, chance: random.Random) -> None:
    """Kill the agent half of the time, so that it sees a change at its next start and not while it runs."""
    if chance.random() < 0.5:
        world.kill()
        world.tried[KILL] += 1


@fault(COPIED, GENERATED, 1.5)
def replaced_by_its_copy(world: World, chance: random.Random) -> None:
    """Replace a live file by its copy: another inode with the same content."""
    with world.lock:
        perhaps_killed(world, chance)
        chance.choice(world.logs).replace_by_copy()
    world.tried[COPIED] += 1


@fault(MOVED, GENERATED, 1)
def folder_moved(world: World, chance: random.Random) -> None:
    """Move the folder of a log within the disk or to another one, and leave a link in its place."""
    with world.lock:
        perhaps_killed(world, chance)
        world.number += 1
        logs = [log for log in world.logs if world.agent.knows(log.path)]  # else its identity follows from the new path
        if not logs:
            return
        log = chance.choice(logs)
        log.move_folder(world.folder / f"disk-{world.number}", copy=chance.random() < 0.5)
        if chance.random() < 0.5:
            time.sleep(0.3)
    world.tried[MOVED] += 1


@fault(HARD_LINK, GENERATED, 1)
def hard_link(world: World, chance: random.Random) -> None:
    """Give a live file a second name that the input matches, for a while in which the agent may be started again."""
    with world.lock:
        log = chance.choice(world.logs)
        folder = log.path.parent if log.kind != "cri" else world.folder / "pod-logs"
        name = folder / f"0-{log.path.name}"
        os.link(log.path, name)
        time.sleep(chance.uniform(0.2, 0.6))
        perhaps_killed(world, chance)
        world.ensure()
        time.sleep(chance.uniform(0.2, 0.8))
        name.unlink()
    world.tried[HARD_LINK] += 1


@fault(POWER, GENERATED, 1.5)
def power_lost(world: World, chance: random.Random) -> None:
    """Kill the agent and cut live files to what had been synced; the state and the store were synced at each commit."""
    with world.lock:
        world.kill()
        world.tried[KILL] += 1
        for log in world.logs:
            if chance.random() < 0.6:
                world.truth.excused |= log.lose_end(chance)
                world.files_lost[1] += 1
        boot_id(world).write_text(f"start {chance.random()}")
        early = CLOCK not in world.faults
        for log in world.logs:
            if early and log.kind in TIMED and chance.random() < 0.5:
                log.write(chance.randrange(1, 40), chance, world.now_ns)
        world.ensure()
        for log in world.logs:
            if log.live.size and not waited(lambda log=log: world.agent.holds(log.live.inode, log.live.beginning), 10):
                world.note(f"{log.path} is not opened yet")
    world.tried[POWER] += 1


def boot_id(world: World) -> Path:
    """Return the file with the identity of the machine's present start."""
    return world.folder / "boot"


# --- the disk and the clock -----------------------------------------------------------------------


@fault(STATE_DISK, GENERATED, 1)
def state_disk_full(world: World, chance: random.Random) -> None:
    """Fill the disk of the state directory for a while."""
    full(world, chance, STATE_DISK)


@fault(STORE_DISK, (FILES,), 1)
def store_disk_full(world: World, chance: random.Random) -> None:
    """Fill the disk of the store for a while."""
    full(world, chance, STORE_DISK)


def full(world: World, chance: random.Random, name: str) -> None:
    """Fill a disk; half of the time the agent is killed meanwhile and has to start on a full disk."""
    disk = world.disks[name]
    world.agent.may_end = True
    disk.fill()
    time.sleep(chance.uniform(0.4, 1.5))
    if chance.random() < 0.5:
        world.kill()
        world.tried[KILL] += 1
        world.ensure()
        time.sleep(chance.uniform(0.3, 1.5))
    disk.release()
    time.sleep(0.3)
    world.ensure()
    world.agent.may_end = False
    world.tried[name] += 1


@fault("state damaged", GENERATED, 2)
def state_damaged(world: World, chance: random.Random) -> None:
    """Change bytes of the state between two runs; it is rejected and restored from a copy as the error says, or harmless."""
    if chance.random() < 0.7:
        world.kill()
        world.tried[KILL] += 1
    else:
        world.agent.stop(GRACE_S)
        world.agent_is_gone()
    state, copy = world.agent.state, world.folder / "copy"
    names = [name for name in ("state.db", "state.db-journal", MARK) if _size(state / name)]
    if not names:
        return
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(state, copy)
    for _ in range(chance.choice([1, 1, 2, 8])):
        damage(state / chance.choice(names), chance)
    before = _size(world.agent.log)
    world.ensure()
    error = world.agent.startup_error(before, REACH_S)
    world.note(f"startup error: {error}")
    world.tried["state damaged"] += 1
    if error is not None:
        if "from a backup" not in error and "run the shipper version that wrote it" not in error:
            raise AssertionError(f"startup error without the hint: {error}")
        world.tried["state damaged: refused"] += 1
        for file in state.iterdir():
            file.unlink()
        shutil.copytree(copy, state, dirs_exist_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def damage(path: Path, chance: random.Random) -> None:
    """Change one byte; half of the time in the header."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(min(len(data), chance.choice([100, len(data)])))
    data[at] ^= chance.randrange(1, 256)
    with path.open("r+b") as file:
        file.write(data)


@fault(CLOCK, (FILES, ELASTICSEARCH), 1.5)
def clock_stepped(world: World, chance: random.Random) -> None:
    """Step the wall clock of agent and runtime forward or backward."""
    with world.lock:
        world.offset_s = chance.choice([0, 5, -5, 90, -90, 3600, -3600, 86_400, -86_400])
        (world.folder / "clock").write_text(str(world.offset_s))
    world.tried[CLOCK] += 1


def kinds(world: World) -> tuple[str, ...]:
    """Return the kinds of logs that a world may have."""
    return TIMED if CLOCK in world.faults else (*TIMED, "plain")


def several(world: World) -> list[Log]:
    """Return one log of each kind."""
    return [world.new_log(kind) for kind in kinds(world)]
