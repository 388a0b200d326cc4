"""Counts of requests and responses by kind, which counters and the index must equal."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Truth:
    """Counts of confirmed requests; requests without a response are counted separately: their result is unknown."""

    seed: int
    logins: Counter[str] = field(default_factory=Counter)
    """success, failure"""
    patients: Counter[str] = field(default_factory=Counter)
    """create, update, delete"""
    appointments: Counter[str] = field(default_factory=Counter)
    """scheduled, completed, cancelled"""
    prescriptions: Counter[str] = field(default_factory=Counter)
    """by medication"""
    payments: Counter[str] = field(default_factory=Counter)
    """success, failure"""
    requests: Counter[str] = field(default_factory=Counter)
    """by status"""
    unanswered: int = 0
    tasks_pushed: int = 0
    """directly into the queue, without the application"""
    failures: list[str] = field(default_factory=list)
    """Correlation ids of requests that failed inside the application."""

    def number(self, kind: str, part: str | None = None) -> int:
        """Return the number of a kind, or of a part of it."""
        counts: Counter[str] = getattr(self, kind)
        return counts.total() if part is None else counts[part]

    def write(self, path: Path) -> None:
        """Write as JSON, atomically."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_text(json.dumps(vars(self), indent=2) + "\n")
        os.replace(unfinished, path)

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Read a file written by `write`."""
        content = json.loads(path.read_text())
        truth = cls(content["seed"])
        for name, value in content.items():
            setattr(truth, name, Counter(value) if isinstance(value, dict) else value)
        return truth
