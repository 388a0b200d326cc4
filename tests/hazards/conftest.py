"""Rigs are closed after each test."""

from collections.abc import Iterator

import pytest

from shipper.inputs.files.watches import open_watches
from tests.hazards.rig import Rig


@pytest.fixture(autouse=True)
def close_rigs() -> Iterator[None]:
    """Release the locks and descriptors of every rig that a test created."""
    yield
    while Rig.all:
        Rig.all.pop().kill()


BOTH = ("test_rotation", "test_model", "test_lines", "test_faults", "test_plain_identity", "test_names")
"""Modules whose tests run twice: with files that are polled, and with changes that are reported."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of tailing in both modes."""
    if metafunc.module.__name__.rpartition(".")[2] in BOTH:
        metafunc.fixturenames.append("noticing")
        polled = pytest.param("polled", marks=pytest.mark.integration)  # the fallback; in the long part
        metafunc.parametrize("noticing", [polled, "reported"], indirect=True)


@pytest.fixture
def noticing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Choose how agents notice changes."""
    if request.param == "reported":
        watches, reason = open_watches()
        if watches is None:
            pytest.skip(reason)
        watches.close()
    monkeypatch.setattr(Rig, "reported", request.param == "reported")
    return str(request.param)
