"""The books: written lines against stored documents, and the truth against the counters."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.lines import Key, Truth, serials, token

Stored = tuple[str, bytes]
"""Index name (`dead-letters` for dead letters) and document."""
DEAD = "dead-letters"
FILES_LOST = "shipper_files_lost_total"
MOST_NAMED = 20


@dataclass
class Balance:
    """Everything that does not agree; all of it must be empty."""

    lost: list[int] = field(default_factory=list)
    duplicated: list[int] = field(default_factory=list)
    misplaced: list[int] = field(default_factory=list)
    """In the quarantine without a violation, or in the index with one."""
    counters: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Least, actual and most value of each wrong counter."""
    written: int = 0
    excused: int = 0
    """Not stored, and in files that were destroyed before an agent could have read them."""
    accepted_later: int = 0
    """In the index and, as rejected by it, in the quarantine: the server changed its verdict between two attempts."""

    torn: int = 0
    """Entries of several lines, stored whole before a kill and in part after it, because their file was deleted meanwhile."""

    @property
    def balanced(self) -> bool:
        """True if the books balance."""
        return not (self.lost or self.duplicated or self.misplaced or self.counters)

    @property
    def counter_error(self) -> float:
        """Sum of all counters' deviations."""
        return sum(max(least - value, value - most) for least, value, most in self.counters.values())

    def __str__(self) -> str:
        parts = [f"{self.written} written, {self.excused} out of reach"]
        parts += [
            f"{number} {name}"
            for name, number in (("torn", self.torn), ("accepted later", self.accepted_later))
            if number
        ]
        for name in ("lost", "duplicated", "misplaced"):
            numbers: list[int] = getattr(self, name)
            if numbers:
                shown = ", ".join(f"{serial} ({token(serial)})" for serial in numbers[:MOST_NAMED])
                parts.append(f"{len(numbers)} {name}: {shown}{' …' if len(numbers) > MOST_NAMED else ''}")
        parts += [
            f"{name} is {value:g}, expected {least:g}" + (f" to {most:g}" if most > least else "")
            for name, (least, value, most) in self.counters.items()
        ]
        return "; ".join(parts)


@dataclass
class Arrived:
    """Number of documents of each serial number, by place."""

    indexed: Counter[int] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)
    """In the quarantine."""
    rejected: set[int] = field(default_factory=set)
    """In the quarantine because the index rejected them."""
    letters: set[int] = field(default_factory=set)
    """Dead letters."""

    @classmethod
    def of(cls, stored: Iterable[Stored]) -> "Arrived":
        """Read all documents."""
        arrived = cls()
        for index, body in stored:
            held = serials(body)
            if index == DEAD:
                arrived.letters |= held
            elif "quarantine" in index:
                arrived.kept.update(held)
                arrived.rejected |= held if b"refused_by_index" in body else set()
            else:
                arrived.indexed.update(held)
        return arrived

    def accepted_later(self, serial: int, times: int) -> bool:
        """True if it is in the index, and in the quarantine from an earlier rejection by the index."""
        return serial in self.rejected and self.indexed[serial] == times and self.kept[serial] == 1

    def misplaced(self, serial: int, violation: str) -> bool:
        """True if it is in the quarantine without a violation, or in the index with one."""
        if violation:
            return bool(self.indexed[serial])
        return bool(self.kept[serial]) and serial not in self.rejected


def balance(
    truth: Truth, stored: Iterable[Stored], counters: Mapping[Key, float], files_lost: tuple[int, int] | None = None
) -> Balance:
    """Compare what was written with what is stored. `counters` are committed series by metric and labels.

    `files_lost` are the least and the greatest number of files that the agent has to count as lost.
    """
    books, arrived = Balance(written=len(truth.facts)), Arrived.of(stored)
    for serial, times in truth.times.items():
        there = arrived.indexed[serial] + arrived.kept[serial]
        if there > times and arrived.accepted_later(serial, times):
            books.accepted_later += 1
        elif there == times + 1 and serial in truth.excused and truth.facts[serial].joined:
            books.torn += 1
        elif there > times:
            books.duplicated.append(serial)
        elif there < times and serial not in arrived.letters:
            if serial in truth.excused:
                books.excused += 1
            else:
                books.lost.append(serial)
        # of an excused file a part may have been read: the beginning of a message whose end is gone, for one
        if serial not in truth.excused and arrived.misplaced(serial, truth.facts[serial].violation):
            books.misplaced.append(serial)
    books.duplicated += sorted((arrived.indexed.keys() | arrived.kept.keys()) - truth.times.keys())
    books.counters = differences(truth, counters)
    lost = counters.get((FILES_LOST,), 0)
    if files_lost is not None and not files_lost[0] <= lost <= files_lost[1]:
        books.counters[FILES_LOST] = (files_lost[0], lost, files_lost[1])
    return books


def differences(truth: Truth, counters: Mapping[Key, float]) -> dict[str, tuple[float, float, float]]:
    """Return counters outside the range between the truth without the excused lines and the truth with them."""
    least, most = Counter[Key](), Counter[Key]()
    for serial, times in truth.times.items():
        for key, number in truth.facts[serial].adds():
            most[key] += number * times
            if serial not in truth.excused:
                least[key] += number * times
    wrong = {}
    for key in most:
        name, *labels = key
        value = sum(
            number
            for series, number in counters.items()
            if series[0] == name and (not labels or series[-1] == labels[0])
        )
        if not least[key] <= value <= most[key]:
            wrong["".join((name, *(f"{{{label}}}" for label in labels)))] = (float(least[key]), value, float(most[key]))
    return wrong


def in_store(folder: Path) -> Iterator[Stored]:
    """Yield all documents of an embedded store."""
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            for (body,) in db.execute("SELECT body FROM entry"):
                yield path.stem, bytes(body) if isinstance(body, bytes) else str(body).encode()


def in_letters(state: Path) -> Iterator[Stored]:
    """Yield all dead letters."""
    from shipper.outputs.dead_letters import DeadLetters

    for letter in DeadLetters(state).letters():
        yield DEAD, json.dumps(letter).encode()
