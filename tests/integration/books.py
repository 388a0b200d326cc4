"""The books: how many entries the logs hold, and what came of them.

SHIPPER_TEST_EVENTS is how many entries are shipped, SHIPPER_TEST_RECORD a file that figures are added to;
docs/reliability.md has those of a million.
"""

import json
import os
from pathlib import Path

EVENTS = int(os.environ.get("SHIPPER_TEST_EVENTS", "60000"))
LONG = 60 + EVENTS / 500


def truth(logs: Path) -> dict[str, int]:
    """What the lines of generated logs hold."""
    found = {"lines": 0, "failed": 0, "refused": 0}
    for path in logs.glob("*/*-json.log"):
        with path.open("rb") as file:
            for line in file:
                found["lines"] += 1
                found["failed"] += b'\\"event\\": \\"login_failed\\"' in line
                found["refused"] += b"correlation_id" not in line and b"INFO:" not in line
    return found


def record(name: str, **figures: float) -> None:
    """Keep figures where SHIPPER_TEST_RECORD says."""
    if (path := os.environ.get("SHIPPER_TEST_RECORD")) is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": name, "events": EVENTS, **figures}) + "\n")
