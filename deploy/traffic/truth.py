"""What was sent and answered, by kind: what counters and the index must come to."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Truth:
    """Counts of what the application confirmed; a request without an answer is told apart, since nobody can know."""

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
    """straight into the queue, past the application"""
    failures: list[str] = field(default_factory=list)
    """Correlation ids of requests that failed inside the application."""

    def number(self, kind: str, part: str | None = None) -> int:
        """How many of a kind there were, or of a part of it."""
        found: Counter[str] = getattr(self, kind)
        return found.total() if part is None else found[part]

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        unfinished.write_text(json.dumps(vars(self), indent=2) + "\n")
        os.replace(unfinished, path)

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """What `write` wrote."""
        given = json.loads(path.read_text())
        found = cls(given["seed"])
        for name, value in given.items():
            setattr(found, name, Counter(value) if isinstance(value, dict) else value)
        return found
