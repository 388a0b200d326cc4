"""Rigs are taken down after each test."""

from collections.abc import Iterator

import pytest

from tests.hazards.rig import Rig


@pytest.fixture(autouse=True)
def rigs_are_taken_down() -> Iterator[None]:
    """Give back the locks and descriptors of every rig that a test has set up."""
    yield
    while Rig.all:
        Rig.all.pop().kill()
