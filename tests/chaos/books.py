"""The books: what was written against what is stored, and the truth against the counters."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.lines import Key, Truth, serials, token

Stored = tuple[str, bytes]
"""An index, a quarantine or `dead-letters`, and a document."""
DEAD = "dead-letters"
MOST_NAMED = 20


@dataclass
class Balance:
    """What does not agree. Nothing of it may be there."""

    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    misplaced: list[int] = field(default_factory=list)
    """In the quarantine without a fault, or in the index with one."""
    counters: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Least, found, most."""
    written: int = 0
    excused: int = 0
    """Not there, and in files that were destroyed before anybody could have read them."""
    taken_back: int = 0
    """In the index and, as refused by it, in the quarantine: the server changed its mind between two tries."""

    torn: int = 0
    """Entries of several lines, stored whole before a kill and in part after it, since their file had gone meanwhile."""

    @property
    def even(self) -> bool:
        """Whether the books balance."""
        return not (self.lost or self.doubled or self.misplaced or self.counters)

    @property
    def counter_error(self) -> float:
        """By how much counters are off, in all."""
        return sum(max(least - found, found - most) for least, found, most in self.counters.values())

    def __str__(self) -> str:
        told = [f"{self.written} written, {self.excused} out of reach"]
        told += [
            f"{number} {name}" for name, number in (("torn", self.torn), ("taken back", self.taken_back)) if number
        ]
        for name in ("lost", "doubled", "misplaced"):
            found: list[int] = getattr(self, name)
            if found:
                shown = ", ".join(f"{serial} ({token(serial)})" for serial in found[:MOST_NAMED])
                told.append(f"{len(found)} {name}: {shown}{' …' if len(found) > MOST_NAMED else ''}")
        told += [
            f"{name} is {found:g}, and should be {least:g}" + (f" to {most:g}" if most > least else "")
            for name, (least, found, most) in self.counters.items()
        ]
        return "; ".join(told)


@dataclass
class Arrived:
    """How often each serial number is where."""

    indexed: Counter[int] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)
    """In the quarantine."""
    refused: set[int] = field(default_factory=set)
    """In the quarantine because the index refused them."""
    letters: set[int] = field(default_factory=set)
    """Dead letters."""

    @classmethod
    def of(cls, stored: Iterable[Stored]) -> "Arrived":
        """Look through all documents."""
        found = cls()
        for index, body in stored:
            held = serials(body)
            if index == DEAD:
                found.letters |= held
            elif "quarantine" in index:
                found.kept.update(held)
                found.refused |= held if b"refused_by_index" in body else set()
            else:
                found.indexed.update(held)
        return found

    def taken_back(self, serial: int, times: int) -> bool:
        """Whether it is in the index, and in the quarantine because the index had refused it before."""
        return serial in self.refused and self.indexed[serial] == times and self.kept[serial] == 1

    def misplaced(self, serial: int, violation: str) -> bool:
        """Whether it is where it does not belong."""
        if violation:
            return bool(self.indexed[serial])
        return bool(self.kept[serial]) and serial not in self.refused


def balance(truth: Truth, stored: Iterable[Stored], counters: Mapping[Key, float]) -> Balance:
    """Compare. `counters` are committed series by metric and labels."""
    found, arrived = Balance(written=len(truth.facts)), Arrived.of(stored)
    for serial, times in truth.times.items():
        there = arrived.indexed[serial] + arrived.kept[serial]
        if there > times and arrived.taken_back(serial, times):
            found.taken_back += 1
        elif there == times + 1 and serial in truth.excused and truth.facts[serial].joined:
            found.torn += 1
        elif there > times:
            found.doubled.append(serial)
        elif there < times and serial not in arrived.letters:
            if serial in truth.excused:
                found.excused += 1
            else:
                found.lost.append(serial)
        # of an excused file a part may have been read: the beginning of a message whose end is gone, for one
        if serial not in truth.excused and arrived.misplaced(serial, truth.facts[serial].violation):
            found.misplaced.append(serial)
    found.doubled += sorted((arrived.indexed.keys() | arrived.kept.keys()) - truth.times.keys())
    found.counters = differences(truth, counters)
    return found


def differences(truth: Truth, counters: Mapping[Key, float]) -> dict[str, tuple[float, float, float]]:
    """Counters that are not between the truth without what is excused and the truth with it."""
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
    """All that an embedded store holds."""
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            for (body,) in db.execute("SELECT body FROM entry"):
                yield path.stem, bytes(body) if isinstance(body, bytes) else str(body).encode()


def in_letters(state: Path) -> Iterator[Stored]:
    """All dead letters."""
    from shipper.outputs.dead_letters import DeadLetters

    for letter in DeadLetters(state).letters():
        yield DEAD, json.dumps(letter).encode()
