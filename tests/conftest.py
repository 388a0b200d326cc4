"""Settings and fixtures shared by all tests."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.examples import TIMES, USUAL
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 -- hooks

settings.register_profile(
    "shipper", deadline=None, max_examples=USUAL * TIMES
)  # shared machines are noisy: time is measured in benchmarks
settings.load_profile("shipper")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Reset logging after each test, so that no log writes to the closed streams of a command run in process."""
    yield
    structlog.reset_defaults()
