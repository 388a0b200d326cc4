"""The place with the embedded store; those with servers are in `servers`."""

from collections.abc import Iterator

from tests.chaos.agent import Subject
from tests.chaos.books import Stored, in_store
from tests.chaos.disks import SmallDisk
from tests.chaos.faults import CLOCK, FILES, POWER, STATE_DISK, STORE_DISK, boot_id, kinds, several
from tests.chaos.logs import Log
from tests.chaos.outages import LATE, OUTAGE  # noqa: F401 -- registers the faults
from tests.chaos.world import CONFIG, World

STATE_MIB, STORE_MIB = 12, 192


def subject(world: World, output: str, config: str = "") -> Subject:
    """Return an agent over the logs of a world, on disks that can be filled if the schedule does that."""
    globs = Log.globs(world.folder)
    agent = Subject(world.folder, "agent", [globs[kind] for kind in kinds(world)], output, CONFIG + config)
    if STATE_DISK in world.faults:
        world.disks[STATE_DISK] = SmallDisk(agent.state, STATE_MIB)
    if POWER in world.faults:
        boot_id(world).write_text("first start")
        agent.environment["CHAOS_BOOT"] = str(boot_id(world))
    agent.environment["CHAOS_OUTAGE"] = str(world.folder / "outage")
    if CLOCK in world.faults:
        agent.environment["CHAOS_CLOCK"] = str(world.folder / "clock")
    return agent


class Files:
    """Generated logs, shipped into the embedded store."""

    name = FILES

    def open(self, world: World) -> Subject:
        """Return an agent with a `local:` output."""
        agent = subject(world, f"local:{world.folder}/store")
        if STORE_DISK in world.faults:
            world.disks[STORE_DISK] = SmallDisk(world.folder / "store", STORE_MIB)
        return agent

    def logs(self, world: World) -> list[Log]:
        """Return one log of each kind."""
        return several(world)

    def settle(self, world: World) -> None:
        """Ship everything that was written."""
        world.agent.once()

    def stored(self, world: World) -> Iterator[Stored]:
        """Return the documents of all day files."""
        return in_store(world.folder / "store")

    def close(self, world: World) -> None:
        """Release nothing."""
