"""The books: the number of entries in the logs, and their outcomes.

SHIPPER_TEST_EVENTS is the number of entries that are shipped, SHIPPER_TEST_RECORD a file that figures are added to;
docs/reliability.md has those of a million.

"""

import json
import os
from pathlib import Path

EVENTS = int(os.environ.get("SHIPPER_TEST_EVENTS", "60000"))
LONG = 60 + EVENTS / 500


def truth(logs: Path) -> dict[str, int]:
    """Return totals of the lines in generated logs."""
    totals = {"lines": 0, "failed": 0, "refused": 0}
    for path in logs.glob("*/*-json.log"):
        with path.open("rb") as file:
            for line in file:
                totals["lines"] += 1
                totals["failed"] += b'\\"event\\": \\"login_failed\\"' in line
                totals["refused"] += b"correlation_id" not in line and b"INFO:" not in line
    return totals


def record(name: str, **figures: float) -> None:
    """Append figures to the file named by SHIPPER_TEST_RECORD."""
    if (path := os.environ.get("SHIPPER_TEST_RECORD")) is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": name, "events": EVENTS, **figures}) + "\n")
