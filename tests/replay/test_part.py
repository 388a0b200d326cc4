"""A part of a replay, into an output that fails when it hurts most."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from shipper.errors import OutputUnavailable
from shipper.ports import Document, Written, settled
from shipper.replay import given
from shipper.replay.part import Part, run_over
from shipper.settings import Settings


class Failing:
    """An output that is away at the calls that are named."""

    url, window = "test:failing", 4

    def __init__(self, *calls: int) -> None:
        self.calls, self.number, self.stored = calls, 0, set[bytes]()

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store, or be away."""
        self.number += 1
        if self.number in self.calls:
            away = Future[Written]()
            away.set_exception(OutputUnavailable("busy for a second", "wait"))
            return away
        self.stored |= {document.id for document in documents}
        return settled(Written(len(documents), 0))

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("calls", [(1,), (2,), (1, 2), (2, 3)])
def test_an_output_that_is_away_for_the_last_line_gets_it_all_the_same(tmp_path: Path, calls: tuple[int, ...]) -> None:
    """A replay says that it is finished when the last answer has come, and not when the last line was read."""
    log = tmp_path / "app.log"
    lines = [
        json.dumps({"event": "x", "correlation_id": f"c-{n}", "timestamp": "2026-11-23T10:00:00Z"}) for n in (1, 2)
    ]
    log.write_text("\n".join(lines))  # the last one without its end
    os.utime(log, (1_700_000_000, 1_700_000_000))
    part = Part(Settings(), tuple(given.find([log], None)), tmp_path / "state")
    output = Failing(*calls)
    outcome = run_over(part, output, lambda _progress: None, lambda: False)
    assert (outcome.finished, outcome.events["indexed"], len(output.stored)) == (True, 2, 2)
