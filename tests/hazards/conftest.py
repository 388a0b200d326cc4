"""Rigs are closed after each test."""

from collections.abc import Iterator

import pytest

from tests.hazards.rig import Rig


@pytest.fixture(autouse=True)
def close_rigs() -> Iterator[None]:
    """Release the locks and descriptors of every rig that a test created."""
    yield
    while Rig.all:
        Rig.all.pop().kill()
