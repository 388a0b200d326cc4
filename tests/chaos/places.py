"""Where lines go: the embedded store here; servers stand in `servers`."""

from collections.abc import Iterator

from tests.chaos.agent import Subject
from tests.chaos.books import Stored, in_store
from tests.chaos.disks import SmallDisk
from tests.chaos.faults import CLOCK, FILES, STATE_DISK, STORE_DISK, kinds, several
from tests.chaos.logs import Log
from tests.chaos.world import CONFIG, World

STATE_MIB, STORE_MIB = 12, 192


def subject(world: World, output: str, config: str = "") -> Subject:
    """An agent over the logs of a world, on disks that can be filled where the schedule wants them."""
    globs = Log.globs(world.folder)
    agent = Subject(world.folder, "agent", [globs[kind] for kind in kinds(world)], output, CONFIG + config)
    if STATE_DISK in world.faults:
        world.disks[STATE_DISK] = SmallDisk(agent.state, STATE_MIB)
    if CLOCK in world.faults:
        agent.environment["CHAOS_CLOCK"] = str(world.folder / "clock")
    return agent


class Files:
    """Generated logs into the embedded store."""

    name = FILES

    def open(self, world: World) -> Subject:
        """An agent over `local:`."""
        agent = subject(world, f"local:{world.folder}/store")
        if STORE_DISK in world.faults:
            world.disks[STORE_DISK] = SmallDisk(world.folder / "store", STORE_MIB)
        return agent

    def logs(self, world: World) -> list[Log]:
        """One of each kind."""
        return several(world)

    def settle(self, world: World) -> None:
        """Ship what is there."""
        world.agent.once()

    def stored(self, world: World) -> Iterator[Stored]:
        """All day files."""
        return in_store(world.folder / "store")

    def close(self, world: World) -> None:
        """Nothing to give back."""
