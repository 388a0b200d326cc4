"""Differences between the results of two checkouts, each in a category, and the deliberate ones among them."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from tests.compare.results import OUTCOMES, Document, Results

CATEGORIES: Mapping[str, str] = {
    "id": "the same document under another id",
    "duplicate": "a document whose id was there before, in one of the two alone",
    "missing": "a document of the old checkout that the new one has not",
    "extra": "a document of the new checkout that the old one has not",
    "document": "a field of a document, its index or the server's answer",
    "wording": "the sentence that says what is wrong with an entry",
    "rendering": "the same fields in another order or spelling",
    "outcome": "events, lines and violations by what became of them",
    "counter": "any other value that the state keeps",
    "metric": "a sample of /metrics",
    "metric help": "the type or help of a metric",
    "checkpoint": "offsets, files and unfinished text of a log",
}
DETAIL = re.compile(r"^(?:reasons|schema\.errors)\[\d+\]\.detail$")
STORED, CONFLICT = "201", "409"
CONTAINER = re.compile(r"\b0{32,}(?=[0-9a-f])")
"""Zeros that the ids of the corpus's containers begin with."""
ABSENT = "nothing"
SHOWN = 240
Where = tuple[int, str, int]


class Difference(NamedTuple):
    """One difference: what it is of, where, and both values."""

    category: str
    where: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{CONTAINER.sub('', self.where)}: {_shortened(self.old)} -> {_shortened(self.new)}"


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def differences(old: Results, new: Results) -> list[Difference]:
    """Every difference of the two."""
    listed = [*_of_documents(old.documents, new.documents)]
    for where, before, after in _changed(old.series, new.series):
        metric = where.partition(": ")[2].partition("[")[0]
        listed.append(Difference("outcome" if OUTCOMES.search(metric) else "counter", where, before, after))
    for category, one, other in (
        ("checkpoint", old.checkpoints, new.checkpoints),
        ("metric", old.metrics, new.metrics),
        ("metric help", old.help, new.help),
    ):
        listed += [Difference(category, where, before, after) for where, before, after in _changed(one, other)]
    return listed


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Names whose values differ; `ABSENT` stands for a name that one of the two lacks."""
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, ABSENT), new.get(name, ABSENT)
        if before != after:
            yield name, before, after


def _of_documents(old: Iterable[Document], new: Iterable[Document]) -> Iterator[Difference]:
    """Documents matched by run, file and offset, in the order in which they were sent."""
    before, after = _by_line(old), _by_line(new)
    for where in dict.fromkeys([*before, *after]):
        stage, path, offset = where
        place = f"run {stage}, {path} at {offset}"
        for one, other in zip_longest(before.get(where, []), after.get(where, [])):
            if one is None:
                yield Difference("extra", place, ABSENT, _said(other))
            elif other is None:
                yield Difference("missing", place, _said(one), ABSENT)
            else:
                yield from _of_pair(place, one, other)


def _by_line(documents: Iterable[Document]) -> dict[Where, list[Document]]:
    lines: defaultdict[Where, list[Document]] = defaultdict(list)
    for document in documents:
        lines[document.stage, document.path, document.offset].append(document)
    return lines


def _said(document: Document) -> str:
    return f"{document.index} {dict(document.fields)}"


def _of_pair(place: str, one: Document, other: Document) -> Iterator[Difference]:
    if one.id != other.id:
        yield Difference("id", place, one.id, other.id)
    if one.status != other.status:
        category = "duplicate" if {one.status, other.status} == {STORED, CONFLICT} else "document"
        yield Difference(category, f"{place}: answer", one.status, other.status)
    if one.index != other.index:
        yield Difference("document", f"{place}: index", one.index, other.index)
    equal = True
    for name, before, after in _changed(_named(one.fields), _named(other.fields)):
        equal = False
        yield Difference("wording" if DETAIL.search(name) else "document", f"{place}: {name}", before, after)
    if equal and one.fields != other.fields:
        yield Difference("rendering", place, str([n for n, _ in one.fields]), str([n for n, _ in other.fields]))
    elif equal and one.body and other.body and one.body != other.body:
        yield Difference("rendering", place, one.body.decode("utf-8", "replace"), other.body.decode("utf-8", "replace"))


def _named(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Fields by name; one that comes again is numbered."""
    named: dict[str, str] = {}
    for name, value in fields:
        unique, number = name, 2
        while unique in named:
            unique, number = f"{name} #{number}", number + 1
        named[unique] = value
    return named


# --- deliberate ones -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deliberate:
    """Differences that are wanted: those of a category whose line matches the pattern, and the reason."""

    category: str
    pattern: re.Pattern[str]
    reason: str

    def covers(self, difference: Difference) -> bool:
        """True for one of them; the pattern sees both values at full length."""
        line = f"{difference.where}: {difference.old} -> {difference.new}"
        return difference.category == self.category and self.pattern.search(line) is not None


def deliberate(file: Path) -> list[Deliberate]:
    """The entries of a TOML file. Raises ValueError where one is incomplete or names no category."""
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("deliberate", [])
    named = []
    for entry in entries:
        if set(entry) != {"category", "pattern", "reason"} or not str(entry["reason"]).strip():
            raise ValueError(f"{file}: an entry has category, pattern and reason, not {sorted(entry)}")
        if entry["category"] not in CATEGORIES:
            raise ValueError(f"{file}: unknown category {entry['category']!r}; expected one of {', '.join(CATEGORIES)}")
        named.append(Deliberate(entry["category"], re.compile(entry["pattern"], re.DOTALL), entry["reason"]))
    return named


def judged(listed: Iterable[Difference], wanted: Sequence[Deliberate]) -> list[tuple[Difference, str | None]]:
    """Return each difference with its reason, None if no entry covers it."""
    return [(one, next((entry.reason for entry in wanted if entry.covers(one)), None)) for one in listed]
