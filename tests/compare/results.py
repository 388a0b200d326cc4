"""Results of one checkout in a form that no checkout knows: documents, counters, metrics and checkpoints as text."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.compare.sink import Sent

NOW, TODAY = "<time of reading>", "<day of reading>"
SECONDS = re.compile(r"\b\d+ s\b")
VARYING = re.compile(
    r"^(?:process_|python_)|_created$|^shipper_(?:build_info|state_commits\w*|output_requests\w*|\w+_seconds(?:_bucket|_sum|_count)?)$"
)
"""Metrics and series that differ between any two runs: times, the process, and how lines fell into batches."""
OUTCOMES = re.compile(r"^shipper_(?:events|lines|violations)_total$")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: where its line stands, and every field with its JSON text, in the order of the body."""

    stage: int
    path: str
    offset: int
    index: str
    id: str
    status: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    """As it was sent; empty where the time of reading is in it."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that one checkout produced from the corpus with one configuration."""

    documents: list[Document] = field(default_factory=list)
    series: Mapping[str, str] = field(default_factory=dict)
    """Values by stage and series, as the state holds them."""
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    """By stage, log and column."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Samples of /metrics after the last stage."""
    help: Mapping[str, str] = field(default_factory=dict)
    """Type and help of each metric."""


# --- documents -------------------------------------------------------------------------------------


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a parsed document with its path; `value` holds objects as lists of pairs in `Pairs`."""
    if isinstance(value, Pairs) and value:
        for name, inner in value:
            yield from flat(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and not isinstance(value, Pairs) and value:
        for place, inner in enumerate(value):
            yield from flat(inner, f"{path}[{place}]")
    else:
        empty = "{}" if isinstance(value, Pairs) else "[]"
        yield path, value if isinstance(value, _Number) else empty if isinstance(value, list) else json.dumps(value)


class Pairs(list[tuple[str, Any]]):
    """An object of JSON, in its order."""


class _Number(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


def parsed(body: bytes) -> list[tuple[str, str]]:
    """The leaves of a document, numbers as they are written."""
    return [
        *flat(json.loads(body, object_pairs_hook=Pairs, parse_float=_Number, parse_int=_Number, parse_constant=_Number))
    ]


def document(sent: Sent, corpus: Path, began: float, ended: float) -> Document:
    """A document without what differs between any two runs: the corpus's folder, and the time of reading."""
    leaves = parsed(sent.body.replace(str(corpus).encode(), b"<corpus>"))
    fields = dict(leaves)
    path, offset = json.loads(fields.get("log.file.path", '"?"')), int(fields.get("log.offset", "-1"))
    timestamp = json.loads(fields.get("@timestamp", '""'))
    read_now = _within(timestamp, began, ended)
    skewed = any(text == '"timestamp_skewed"' for _, text in leaves)
    index = sent.index
    if read_now:
        index, day = f"{index[:-10]}{TODAY}", timestamp[:10].replace("-", ".")
        leaves = [(name, text.replace(timestamp, NOW).replace(day, TODAY)) for name, text in leaves]
    if skewed:
        leaves = [(name, SECONDS.sub("<n> s", text) if name.endswith(".detail") else text) for name, text in leaves]
    exact = b"" if read_now or skewed else sent.body.replace(str(corpus).encode(), b"<corpus>")
    return Document(
        sent.stage, path.removeprefix("<corpus>/"), offset, index, sent.id, str(sent.status), tuple(leaves), exact
    )


def _within(timestamp: str, began: float, ended: float) -> bool:
    try:
        at = datetime.fromisoformat(timestamp).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return began - 1 <= at <= ended + 1


def dead_letters(state: Path, stage: int) -> list[Sent]:
    """Documents that the checkout wrote to its state directory, since no index took them."""
    lines = [line for file in sorted(state.glob("*.ndjson")) for line in file.read_bytes().splitlines()]
    letters = [json.loads(line) for line in lines]
    return [
        Sent(stage, f"{letter['index']} (dead letter)", letter["id"], letter["document"].encode(), 0)
        for letter in letters
    ]


# --- the state database: names of tables and columns are here alone ----------------------------------

LOG_TABLE, FILE_TABLE, SERIES_TABLE = ("log",), ("file",), ("series",)
"""Names that a table has had, the first that is there counts; so with columns."""
LOG_COLUMNS = {
    "path": ("path",), "kind": ("kind",), "count file": ("count_file", "counted_file"), "count offset": ("count_offset", "counted_offset"),
    "count partial": ("count_partial_state", "counted_residue"), "ship file": ("ship_file", "shipped_file"), "ship offset": ("ship_offset", "shipped_offset"),
    "ship partial": ("ship_partial_state", "shipped_residue"),
}  # fmt: skip
FILE_COLUMNS = {
    "log": ("log",), "key": ("key",), "path": ("path",), "inode": ("inode",), "prefix size": ("prefix_size",),
    "offset": ("offset",), "begun": ("begun",), "passed": ("passed",),
}  # fmt: skip
SERIES_COLUMNS = {"metric": ("metric",), "labels": ("labels",), "value": ("value",), "counts": ("counts",)}
HIDDEN = b"\xc1"
"""Begins a partial state that holds text of unfinished lines, which is encrypted with a nonce."""


def _rows(
    db: sqlite3.Connection, tables: tuple[str, ...], columns: Mapping[str, tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Rows with the columns by our names. Raises LookupError where a table or column has a name that is not known."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    table = next((name for name in tables if name in there), None)
    if table is None:
        raise LookupError(
            f"none of the tables {tables} is in the state, which has {sorted(there)}: name it in {__file__}"
        )
    present = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    chosen = {ours: next((name for name in names if name in present), None) for ours, names in columns.items()}
    unknown = [ours for ours, name in chosen.items() if name is None]
    if unknown:
        raise LookupError(f"{unknown} of {table} are none of its columns {present}: name them in {__file__}")
    rows = db.execute(f"SELECT {', '.join(str(name) for name in chosen.values())} FROM {table}")
    return [dict(zip(chosen, row, strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class Saved:
    """Content of a state database: series, and checkpoints by log and column."""

    series: dict[str, str]
    checkpoints: dict[str, str]


def saved(state: Path, corpus: Path, stage: int) -> Saved:
    """Return the content of the state after a stage."""
    with closing(sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True)) as db:
        logs, files = _rows(db, LOG_TABLE, LOG_COLUMNS), _rows(db, FILE_TABLE, FILE_COLUMNS)
        series = _rows(db, SERIES_TABLE, SERIES_COLUMNS)
    values = {
        f"stage {stage}: {row['metric']}{row['labels']}": f"{row['value']!r} {row['counts'] or ''}".rstrip()
        for row in series
        if not VARYING.search(row["metric"])
    }
    return Saved(values, {f"stage {stage}: {name}": value for name, value in _checkpoints(logs, files, corpus)})


def _checkpoints(logs: list[dict[str, Any]], files: list[dict[str, Any]], corpus: Path) -> Iterator[tuple[str, str]]:
    inodes = {entry.stat().st_ino: str(entry.relative_to(corpus)) for entry in corpus.rglob("*") if entry.is_file()}
    paths = {(row["log"], row["key"]): inodes.get(row["inode"], "a file that is gone") for row in files}
    for row in logs:
        name = _text(row["path"], corpus)
        yield f"{name}: kind", row["kind"]
        for cursor in ("count", "ship"):
            file, offset, partial = (row[f"{cursor} {column}"] for column in ("file", "offset", "partial"))
            yield f"{name}: {cursor} cursor", f"{paths.get((row['path'], file), file)} at {offset}"
            yield f"{name}: {cursor} cursor holds unfinished text", str((partial or b"")[:1] == HIDDEN)
    for row in files:
        known = {name: row[name] for name in ("prefix size", "offset", "begun", "passed")}
        place = f"{_text(row['log'], corpus)}: file {_text(row['path'], corpus)}, now {paths[row['log'], row['key']]}"
        yield place, str(known)


def _text(path: str | bytes, corpus: Path) -> str:
    return os.fsdecode(path).removeprefix(f"{corpus}/").encode("utf-8", "backslashreplace").decode()


# --- /metrics --------------------------------------------------------------------------------------


def exposition(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Samples by name and labels, and type and help by name, without those that differ between any two runs."""
    samples, described = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            _, what, name, *rest = line.split(" ", 3)
            if not VARYING.search(name):
                described[f"{what} {name}"] = "".join(rest)
            continue
        sample, _, value = line.rpartition(" ")
        if not VARYING.search(sample.partition("{")[0]):
            samples[sample] = value
    return samples, described
