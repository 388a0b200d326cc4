"""What all tests share."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("shipper", deadline=None)  # shared machines are noisy: time is measured in benchmarks
settings.load_profile("shipper")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A test that runs the command line in process leaves no log behind that writes to its closed streams."""
    yield
    structlog.reset_defaults()
