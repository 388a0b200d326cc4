"""Shapes of logs with their truth: the lines of an application, and what a person reads in them.

A file of shapes is a JSON object: name to `{"kind", "entries": [{"lines", "expect"}]}`. `lines` is what the application
wrote, without the runtime's envelope; each entry is one event. Keys of `expect` are the names in `Expected`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

CORPUS = Path(__file__).parent / "corpus"
"""Shapes of the project's own."""
Kind = Literal["app", "infra", "logfmt", "text", "stack"]
STRUCTURED = ("app", "infra", "logfmt")
"""Kinds whose own time is asked for; for the others the runtime's time serves."""


class Expected(TypedDict, total=False):
    """The truth of one event. An absent key is not asked for."""

    time_ms: int
    level: Literal["trace", "debug", "info", "notice", "warning", "error", "critical"]
    message: str
    """The beginning of the message."""
    correlation_id: str
    """Stored as `correlation_id` or `trace_id`."""
    logger: str
    status_code: int
    duration: float
    """In milliseconds."""
    method: str
    path: str
    error_type: str
    stack: bool
    """The trace is one event with its lines under `exception`."""


class Entry(NamedTuple):
    """One event as written, and its truth."""

    lines: list[str]
    expect: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of log: a logger in one configuration."""

    name: str
    kind: Kind
    entries: list[Entry]

    def asks_time(self, entry: Entry) -> bool:
        """Return True if the stored time must be the application's own."""
        return "time_ms" in entry.expect and (self.kind in STRUCTURED or entry.lines[0].startswith("{"))


def read_shapes(paths: Iterable[Path]) -> list[Shape]:
    """Return the shapes of all files, in their order. Raises ValueError for a file or key that is not of this form."""
    return [shape for path in paths for shape in _shapes(path)]


def own_shapes() -> list[Shape]:
    """Return the project's own corpus."""
    return read_shapes(sorted(CORPUS.glob("*.json")))


def _shapes(path: Path) -> Iterable[Shape]:
    for name, shape in json.loads(path.read_text(encoding="utf-8")).items():
        entries = [Entry(entry["lines"], entry["expect"]) for entry in shape["entries"]]
        for entry in entries:
            if unknown := entry.expect.keys() - Expected.__annotations__.keys():
                raise ValueError(f"{path.name}: {name}: unknown keys of expect: {', '.join(sorted(unknown))}")
            if not entry.lines:
                raise ValueError(f"{path.name}: {name}: an entry without lines")
        yield Shape(name, shape["kind"], entries)
