"""Store and state on disks with little room: nothing acknowledged is lost, and no signal ends the process."""

import pytest

from deploy.services.unavailable import Unavailable
from tests.chaos.disks import FILE_SYSTEMS
from tests.chaos.nearly_full import OPERATIONS, TRIALS, tried
from tests.integration.conftest import missing

SAMPLE = (0, 4, 16, 32, 40, 64, 100, 124, 160, 256, 512)


@pytest.mark.parametrize("database", TRIALS)
@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_creation_append_and_restart_with_little_room(kind: str, database: str) -> None:
    """A sample of the sizes that `python -m tests.chaos.nearly_full` tries."""
    try:
        assert tried(kind, database, SAMPLE) == len(SAMPLE) * len(OPERATIONS)
    except Unavailable as error:
        missing(str(error), "run the tests as root, with e2fsprogs and loop devices")
