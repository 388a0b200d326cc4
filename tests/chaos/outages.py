"""Faults of rotated files: writers that keep their descriptor, and outputs that are unavailable while files are deleted."""

import os
import random
import time
from functools import partial

from deploy.services.waiting import waited
from tests.chaos.agent import GRACE_S
from tests.chaos.faults import FILES, GENERATED, REACH_S, fault
from tests.chaos.logs import Log
from tests.chaos.schedule import KILL
from tests.chaos.world import World

LATE, OUTAGE, FEW = "late writer", "outage with rotations", "outage with few descriptors"
FEW_DESCRIPTORS = 64


@fault(LATE, GENERATED, 1.5)
def late_writer(world: World, chance: random.Random) -> None:
    """Rotate a log whose writer keeps its descriptor, and writes to the old file for some seconds, as Apache does."""
    with world.lock:
        log = chance.choice(world.logs)
        log.finish()
        file, writer = log.live, log.path.open("ab", buffering=0)
        file.has_writer = file.had_writer = True
        log.rotate(60)

    def write() -> None:
        end = time.monotonic() + chance.uniform(1.5, 6.0)
        with writer:
            while time.monotonic() < end and not world.quiet.is_set():
                with world.lock:
                    if file not in log.files or os.fstat(writer.fileno()).st_ino != file.inode:
                        return  # it was deleted, or moved to another disk
                    log.write_late(file, writer, chance, world.now_ns)
                world.rest(chance.uniform(0.1, 0.9))
        file.has_writer = False

    world.background(write)
    world.tried[LATE] += 1


@fault(OUTAGE, (FILES,), 1.5)
def outage(world: World, chance: random.Random) -> None:
    """Make the output unavailable while files are rotated and deleted; kill or stop the agent meanwhile, or not."""
    flag = world.folder / "outage"
    flag.touch()
    for _ in range(chance.randrange(3, 8)):
        log = chance.choice(world.logs)
        with world.lock:
            log.write(chance.randrange(5, 60), chance, world.now_ns)
        waited(partial(_is_followed, world, log), REACH_S)
        with world.lock:
            log.rotate(1)
        time.sleep(chance.uniform(0.2, 1.2))
        if chance.random() < 0.15:
            world.kill()
            world.tried[KILL] += 1
            world.ensure()
    time.sleep(chance.choice((0.0, 2.5)))
    end = chance.random()
    if end < 0.3:
        world.kill()
        world.tried[KILL] += 1
    elif end < 0.6:
        with world.lock:
            if world.agent.stop(GRACE_S):
                world.held = []  # a stop moves deleted files to the spool, so that all of them are due
            world.agent_is_gone()
    if chance.random() < 0.5:
        world.ensure()
        time.sleep(chance.uniform(0.1, 1.0))
    flag.unlink()
    world.tried[OUTAGE] += 1


def _is_followed(world: World, log: Log) -> bool:
    with world.lock:
        return world.agent.holds(log.live.inode, log.live.beginning)


@fault(FEW, (FILES,), 1)
def few_descriptors(world: World, chance: random.Random) -> None:
    """An outage with an agent that may open few files."""
    world.kill()
    world.tried[KILL] += 1
    world.agent.environment["CHAOS_DESCRIPTORS"] = str(FEW_DESCRIPTORS)
    try:
        world.ensure()
        time.sleep(chance.uniform(0.2, 0.6))
        outage(world, chance)
        world.tried[OUTAGE] -= 1
    finally:
        del world.agent.environment["CHAOS_DESCRIPTORS"]
    world.tried[FEW] += 1
