"""Reads the embedded store: search, quarantine, release; also while an agent writes to it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from heapq import heappop, heappush, nsmallest
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.model.documents import Document
from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.model.text_search import TextQuery, hashed, key
from shipper.outputs.query_filter import at_least, field_equals, from_container, has_words, of_id
from shipper.outputs.sqlite.day_file import (
    GENERATION_BITS,
    DayFile,
    InvalidDayFile,
    damaged_hint,
    day_files,
    open_to_read,
    trace,
)
from shipper.outputs.sqlite.output import LocalStore
from shipper.system.clock import Clock
from shipper.system.errors import StoreUnreadable
from shipper_schemas.event import LEVELS
from shipper_schemas.quarantine import kinds

RARE_LEVELS = 3
"""Levels from `warning` up. Lower levels are in nearly every block, so an index lookup would exclude none."""

HASH_MASK = 0xFFFF_FFFF
UNRELEASED = "seq NOT IN (SELECT seq FROM released)"
LONGEST_COUNT_S = 1.0
"""Maximum time to count the quarantined entries that match a search."""
KEPT_BYTES = 4 * 1024 * 1024
"""Memory for documents that wait for their turn; documents beyond it are read again later."""

Body = dict[str, Any]
Key = tuple[int, int]
"""Sort key of results: time and number of an entry, negative if the newest come first."""


class LocalReader:
    """The reading side of `local:DIR`. Opens files read-only, and keeps no read transaction between results."""

    def __init__(
        self,
        directory: Path,
        prefix: str = "keneyapp-logs",
        quarantine_prefix: str = "keneyapp-quarantine",
        clock: Clock | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Does no I/O. `pause` is called regularly during a search, and may raise to end it."""
        self.directory = directory
        self._pause = pause
        self.prefix = prefix
        self.quarantine_prefix = quarantine_prefix
        self._clock = clock or Clock()
        self._store: LocalStore | None = None

    def search(self, query: Query) -> Iterator[Body]:
        """Yield documents in order of time, or newest first, with `_id` and `_index`. Raises StoreUnreadable."""
        files = [file for file in self._files(self.prefix) if file.overlaps(query.since, query.until)]
        plan = _plan_of(query)._replace(most=query.limit)
        in_order = reversed(files) if query.newest_first else files
        bodies = (body for file in in_order for body in self._read(file, plan))
        return islice(bodies, query.limit)

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Body]:
        """Yield unreleased entries by time; `mentioning` is a text in the raw line. Raises StoreUnreadable."""

        def accepts(body: Body) -> bool:
            wanted = reason is None or reason in kinds(body)
            return wanted and (mentioning is None or mentioning in str(body.get("raw", "")))

        plan = _Plan(conditions=(UNRELEASED,), newest_first=newest_first, accepts=accepts, most=limit)
        files = self._files(self.quarantine_prefix)
        bodies = (body for file in (reversed(files) if newest_first else files) for body in self._read(file, plan))
        return islice(bodies, limit)

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        """Count the unreleased entries that match `query`, bounded in entries and time. Raises StoreUnreadable."""
        plan = _plan_of(replace(query, newest_first=True))
        plan = plan._replace(conditions=(*plan.conditions, UNRELEASED))
        until, late = self._clock.monotonic() + LONGEST_COUNT_S, False

        def entries() -> Iterator[Body]:
            nonlocal late
            for file in reversed(self._files(self.quarantine_prefix)):
                if not file.overlaps(query.since, query.until):
                    continue
                for entry in self._unordered(file, plan):
                    if entry is not None:
                        yield entry
                    elif self._clock.monotonic() > until:
                        late = True
                        return

        matches = QuarantineMatches.of(entries())
        return matches._replace(complete=False) if late else matches

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document`, then mark the quarantined entry as released; after a crash in between, repeat the release.

        Raises OutputUnavailable if the store cannot be written, StoreUnreadable if there is no such entry.
        """
        if self._store is None:
            self._store = LocalStore(self.directory, self.quarantine_prefix)
        if not (self.directory / f"{index}.db").exists():
            raise StoreUnreadable(f"no index {index} in {self.directory}", "see `shipper quarantine list --entries`")
        self._store.write([document])
        self._store.mark_released(index, document_id, self._clock.wall_ms())

    def close(self) -> None:
        """Close what `release` opened."""
        if self._store is not None:
            self._store.close()

    def _files(self, prefix: str) -> list[DayFile]:
        try:
            return [file for file in day_files(self.directory) if file.prefix == prefix]
        except OSError as error:
            raise StoreUnreadable(
                f"store {self.directory} cannot be read: {error.strerror}",
                "set --output local:DIR to the folder that an agent writes to, and run as a user who can read it",
            ) from error

    def _read(self, file: DayFile, plan: "_Plan") -> Iterator[Body]:
        with _opened(file) as db:
            if db is not None:
                yield from _in_order(db, file, plan, self._pause)

    def _unordered(self, file: DayFile, plan: "_Plan") -> Iterator[Body | None]:
        """Yield the matches of `plan` block by block, and None after each block."""
        with _opened(file) as db:
            if db is None:
                return
            for block in _blocks(db, plan):
                self._pause()
                for _, _, _, body in _rows(db, file, block, plan):
                    yield body
                yield None


class _Plan(NamedTuple):
    """A query compiled for a day file: SQL on rows and blocks, and a test of the document for the rest."""

    conditions: tuple[str, ...] = ()
    parameters: tuple[object, ...] = ()
    correlation_id: str | None = None
    match: str = ""
    """A full-text expression that matches each block with a result."""
    since: int | None = None
    until: int | None = None
    newest_first: bool = False
    accepts: Callable[[Body], bool] = lambda _: True
    most: int | None = None
    """Maximum number of results; None for all."""


def _plan_of(query: Query) -> _Plan:
    conditions: list[str] = []
    parameters: list[object] = []
    tests: list[Callable[[Body], bool]] = []
    terms: list[str] = []
    if query.correlation_id is not None:
        tests.append(of_id(query.correlation_id))
    if query.event is not None:
        tests.append(field_equals("event", query.event))
        terms.append(_term("e", query.event))
    if query.level is not None:
        severe = at_least(query.level)
        conditions.append("severity >= ?")
        parameters.append(len(LEVELS) - len(severe))
        if len(severe) <= RARE_LEVELS:
            terms.append(f"({' OR '.join(_term('l', level) for level in severe)})")
    if query.container is not None:
        conditions.append("(instr(body, ?) OR instr(body, ?))")
        written = orjson.dumps(query.container)
        parameters += (b'"name":' + written, b'"id":' + written[:-1])
        tests.append(from_container(query.container))
    if query.text is not None:
        wanted = TextQuery.of(query.text)
        terms += (f'"{token}"' for token in sorted(wanted.tokens()))
        tests.append(has_words(wanted))
    for operator, bound in ((">=", query.since), ("<", query.until)):
        if bound is not None:
            conditions.append(f"time {operator} ?")
            parameters.append(bound)
    return _Plan(
        tuple(conditions),
        tuple(parameters),
        query.correlation_id,
        " AND ".join(terms),
        query.since,
        query.until,
        query.newest_first,
        lambda body: all(test(body) for test in tests),
    )


def _term(kind: str, value: str) -> str:
    return f'"{key(kind, value)}"'


class _Block(NamedTuple):
    first: int
    last: int
    since: int
    until: int


class _Pending:
    """Entries read before their turn: times come from the logs, so up to a whole day of entries may wait.

    At most as many keys as requested results are kept, and as many documents as fit into KEPT_BYTES.
    """

    def __init__(self, most: int | None, reread: Callable[[int], Body]) -> None:
        """`again` reads the document of an entry by its number."""
        self._most, self._reread = most, reread
        self._keys: list[Key] = []
        self._kept: dict[Key, tuple[int, Body]] = {}
        self._room = KEPT_BYTES

    def add(self, key: Key, size: int, body: Body) -> None:
        """Add an entry whose stored document has `size` bytes."""
        heappush(self._keys, key)
        if size <= self._room:
            self._kept[key] = size, body
            self._room -= size

    def trim(self) -> None:
        """Drop entries beyond the requested number of results."""
        if self._most is None or len(self._keys) <= 2 * self._most:
            return
        self._keys = nsmallest(self._most, self._keys)
        self._kept = {key: self._kept[key] for key in self._keys if key in self._kept}
        self._room = KEPT_BYTES - sum(size for size, _ in self._kept.values())

    def due(self, begin: int | None = None) -> Iterator[Body]:
        """Yield the entries that sort before `begin`; all if None."""
        while self._keys and (begin is None or self._keys[0][0] < begin):
            key = heappop(self._keys)
            kept = self._kept.pop(key, None)
            size, body = (0, self._reread(abs(key[1]))) if kept is None else kept
            self._room += size
            yield body


def _in_order(db: sqlite3.Connection, file: DayFile, plan: _Plan, pause: Callable[[], None]) -> Iterator[Body]:
    """Yield the entries that `plan` selects, by time, then by arrival; reads a block once its time range is due."""
    sign = -1 if plan.newest_first else 1

    def reread(seq: int) -> Body:
        pause()
        id_, raw = db.execute("SELECT id, body FROM entry WHERE seq = ?", (seq,)).fetchone()
        return _with_ids(_body(raw, file), id_, file)

    pending = _Pending(plan.most, reread)
    for block in _blocks(db, plan):
        pause()
        yield from pending.due(-block.until if plan.newest_first else block.since)
        for seq, time_ms, size, body in _rows(db, file, block, plan):
            pending.add((sign * time_ms, sign * seq), size, body)
        pending.trim()
    yield from pending.due()


def _blocks(db: sqlite3.Connection, plan: _Plan) -> list[_Block]:
    conditions, parameters = ["TRUE"], list[object]()
    if plan.since is not None:
        conditions.append("until >= ?")
        parameters.append(plan.since)
    if plan.until is not None:
        conditions.append("since < ?")
        parameters.append(plan.until)
    if plan.match:
        conditions.append("first IN (SELECT rowid FROM words WHERE words MATCH ?)")
        parameters.append(plan.match)
    if plan.correlation_id is not None:
        holding = "SELECT (SELECT max(first) FROM block WHERE first <= seq) FROM entry WHERE "
        of_trace = "SELECT rowid FROM words WHERE words MATCH ?"
        conditions.append(f"(first IN ({holding}{_traces(db, plan.correlation_id)}) OR first IN ({of_trace}))")
        parameters.append(_term("t", plan.correlation_id))
    order = "until DESC" if plan.newest_first else "since"
    statement = f"SELECT first, last, since, until FROM block WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608 -- constant SQL; values are bound
    return [_Block(*row) for row in db.execute(statement, parameters)]


def _rows(db: sqlite3.Connection, file: DayFile, block: _Block, plan: _Plan) -> Iterator[tuple[int, int, int, Body]]:
    """Yield number, time, size and document of the entries of a block that `plan` selects."""
    conditions, parameters = ["seq BETWEEN ? AND ?", *plan.conditions], [block.first, block.last, *plan.parameters]
    if plan.correlation_id is not None:
        conditions.append(f"(trace & {HASH_MASK} = {hashed(plan.correlation_id)} OR instr(body, ?))")
        parameters.append(b'"trace_id":' + orjson.dumps(plan.correlation_id))
    statement = f"SELECT seq, time, id, body FROM entry WHERE {' AND '.join(conditions)}"  # noqa: S608 -- the same
    for seq, time_ms, id_, raw in db.execute(statement, parameters).fetchall():
        body = _body(raw, file)
        if plan.accepts(body):
            yield seq, time_ms, len(raw), _with_ids(body, id_, file)


def _with_ids(body: Body, id_: bytes, file: DayFile) -> Body:
    return {**body, "_id": id_.hex(), "_index": file.index}


def _body(raw: bytes, file: DayFile) -> Body:
    """Parse the document of a row. Raises InvalidDayFile if damaged, which SQLite does not detect."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise InvalidDayFile(f"{file.path} is damaged: an entry is not a JSON object", damaged_hint(file.path))
    return body


def _traces(db: sqlite3.Connection, correlation_id: str) -> str:
    (entries,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
    values = (str(trace(correlation_id, generation)) for generation in range((entries >> GENERATION_BITS) + 1))
    return f"trace IN ({', '.join(values)})"


@contextmanager
def _opened(file: DayFile) -> Iterator[sqlite3.Connection | None]:
    """Open a day file to read it; None if retention deleted it after the directory was listed."""
    with _translated(file):
        try:
            db = open_to_read(file.path)
        except sqlite3.OperationalError:
            if file.path.exists():
                raise
            yield None
            return
        try:
            yield db
        finally:
            db.close()


@contextmanager
def _translated(file: DayFile) -> Iterator[None]:
    try:
        yield
    except InvalidDayFile as error:
        raise StoreUnreadable(error.what, error.hint) from error
    except sqlite3.DatabaseError as error:
        damaged = not isinstance(error, sqlite3.OperationalError)
        hint = (
            damaged_hint(file.path) if damaged else "run as a user who can read it, or exclude its day from the search"
        )
        raise StoreUnreadable(f"store {file.path} cannot be read: {error}", hint) from error
