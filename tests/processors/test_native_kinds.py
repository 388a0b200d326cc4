"""Each kind of line of the benchmark's mix takes the native path, and gives the same on both paths."""

import os

import pytest

from benchmarks.mix import KINDS, MIX, records
from shipper_processors.fast_path import native
from tests.processors.both_paths import same

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

LINES = 60
HELD = 1
"""The last text of a log may be continued, so that it is held."""


@pytest.mark.parametrize("kind", [*KINDS, MIX])
def test_a_kind_of_line_takes_the_native_path(kind: str) -> None:
    """A kind that is declined costs ten times as much."""
    lines = list(records(kind, LINES, seed=7))
    assert same([b"".join(lines)]) >= LINES - HELD
