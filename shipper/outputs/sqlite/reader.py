"""Reading the embedded store: search, quarantine, release; also while an agent writes it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from heapq import heappop, heappush, nsmallest
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.model.text_search import TextQuery, hashed, key
from shipper.outputs.query_filter import at_least, from_container, holds, with_words
from shipper.outputs.sqlite.day_file import GENERATION_BITS, DayFile, Unusable, aside, day_files, open_to_read, trace
from shipper.outputs.sqlite.output import LocalStore
from shipper.system.clock import Clock
from shipper.system.errors import StoreUnreadable
from shipper_schemas.event import LEVELS
from shipper_schemas.quarantine import kinds

RARE_LEVELS = 3
"""From `warning` up. Milder levels are in nearly every block: to ask the index which ones would save nothing."""

HASH_MASK = 0xFFFF_FFFF
KEPT_BYTES = 4 * 1024 * 1024
"""Documents that are kept until it is their turn; what is beyond that is read again then."""

Body = dict[str, Any]
Key = tuple[int, int]
"""Time and number of an entry, by which results are in order; negative where the newest come first."""


class LocalReader:
    """The reading side of `local:DIR`. Opens files read-only, and holds no read transaction between results."""

    def __init__(
        self,
        directory: Path,
        prefix: str = "keneyapp-logs",
        quarantine_prefix: str = "keneyapp-quarantine",
        clock: Clock | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Touches nothing yet. `pause` is called again and again while it reads, and may raise to end that."""
        self.directory = directory
        self._pause = pause
        self.prefix = prefix
        self.quarantine_prefix = quarantine_prefix
        self._clock = clock or Clock()
        self._store: LocalStore | None = None

    def search(self, query: Query) -> Iterator[Body]:
        """Documents in the order of their time, or newest first; `_id` and `_index` added. Raises StoreUnreadable."""
        files = [file for file in self._files(self.prefix) if file.may_hold(query.since, query.until)]
        asked = _asked(query)._replace(most=query.limit)
        in_order = reversed(files) if query.newest_first else files
        found = (body for file in in_order for body in self._read(file, asked))
        return islice(found, query.limit)

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Body]:
        """Entries not yet released, by their time; `mentioning` a text in the raw line. Raises StoreUnreadable."""

        def accepts(body: Body) -> bool:
            wanted = reason is None or reason in kinds(body)
            return wanted and (mentioning is None or mentioning in str(body.get("raw", "")))

        unreleased = ("seq NOT IN (SELECT seq FROM released)",)
        asked = _Asked(conditions=unreleased, newest_first=newest_first, accepts=accepts, most=limit)
        files = self._files(self.quarantine_prefix)
        found = (body for file in (reversed(files) if newest_first else files) for body in self._read(file, asked))
        return islice(found, limit)

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document`, then mark the quarantined entry released: a crash between the two only asks for a repeat.

        Raises OutputUnavailable where the store cannot be written, StoreUnreadable where it holds no such entry.
        """
        if self._store is None:
            self._store = LocalStore(self.directory, self.quarantine_prefix)
        if not (self.directory / f"{index}.db").exists():
            raise StoreUnreadable(f"{self.directory} holds no {index}", "see `shipper quarantine list`")
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
                "give the folder an agent writes to with --output local:DIR, as a user who may read it",
            ) from error

    def _read(self, file: DayFile, asked: "_Asked") -> Iterator[Body]:
        with _translated(file):
            try:
                db = open_to_read(file.path)
            except sqlite3.OperationalError:
                if file.path.exists():
                    raise
                return  # its retention has ended since the directory was listed
            try:
                yield from _in_order(db, file, asked, self._pause)
            finally:
                db.close()


class _Asked(NamedTuple):
    """A query in the terms of a day file: SQL on rows and on blocks, and what only the document can answer."""

    conditions: tuple[str, ...] = ()
    parameters: tuple[object, ...] = ()
    correlation_id: str | None = None
    match: str = ""
    """A full-text expression that holds for each block with a result."""
    since: int | None = None
    until: int | None = None
    newest_first: bool = False
    accepts: Callable[[Body], bool] = lambda _: True
    most: int | None = None
    """How many results are wanted; all where None."""


def _asked(query: Query) -> _Asked:
    conditions: list[str] = []
    parameters: list[object] = []
    tests: list[Callable[[Body], bool]] = []
    terms: list[str] = []
    if query.correlation_id is not None:
        tests.append(holds("correlation_id", query.correlation_id))
    if query.event is not None:
        tests.append(holds("event", query.event))
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
        tests.append(with_words(wanted))
    for operator, bound in ((">=", query.since), ("<", query.until)):
        if bound is not None:
            conditions.append(f"time {operator} ?")
            parameters.append(bound)
    return _Asked(
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


class _Waiting:
    """Entries that were met before it was their turn: whoever logs chooses times, and may have all of a day wait.

    No more of them are known than are wanted, and the documents of as many are kept as there is room for.
    """

    def __init__(self, most: int | None, again: Callable[[int], Body]) -> None:
        """`again` reads the document of an entry by its number."""
        self._most, self._again = most, again
        self._keys: list[Key] = []
        self._kept: dict[Key, tuple[int, Body]] = {}
        self._room = KEPT_BYTES

    def add(self, key: Key, size: int, body: Body) -> None:
        """An entry whose document has `size` bytes as it is stored."""
        heappush(self._keys, key)
        if size <= self._room:
            self._kept[key] = size, body
            self._room -= size

    def trim(self) -> None:
        """Forget those before whom as many come as are wanted."""
        if self._most is None or len(self._keys) <= 2 * self._most:
            return
        self._keys = nsmallest(self._most, self._keys)
        self._kept = {key: self._kept[key] for key in self._keys if key in self._kept}
        self._room = KEPT_BYTES - sum(size for size, _ in self._kept.values())

    def due(self, begin: int | None = None) -> Iterator[Body]:
        """Those before `begin` in the order; all of them without it."""
        while self._keys and (begin is None or self._keys[0][0] < begin):
            key = heappop(self._keys)
            kept = self._kept.pop(key, None)
            size, body = (0, self._again(abs(key[1]))) if kept is None else kept
            self._room += size
            yield body


def _in_order(db: sqlite3.Connection, file: DayFile, asked: _Asked, pause: Callable[[], None]) -> Iterator[Body]:
    """What `asked` accepts, by time, then by arrival; reads a block when the order comes to its span, not before."""
    sign = -1 if asked.newest_first else 1

    def again(seq: int) -> Body:
        pause()
        id_, raw = db.execute("SELECT id, body FROM entry WHERE seq = ?", (seq,)).fetchone()
        return _named(_body(raw, file), id_, file)

    waiting = _Waiting(asked.most, again)
    for block in _blocks(db, asked):
        pause()
        yield from waiting.due(-block.until if asked.newest_first else block.since)
        for seq, time_ms, size, body in _rows(db, file, block, asked):
            waiting.add((sign * time_ms, sign * seq), size, body)
        waiting.trim()
    yield from waiting.due()


def _blocks(db: sqlite3.Connection, asked: _Asked) -> list[_Block]:
    conditions, parameters = ["TRUE"], list[object]()
    if asked.since is not None:
        conditions.append("until >= ?")
        parameters.append(asked.since)
    if asked.until is not None:
        conditions.append("since < ?")
        parameters.append(asked.until)
    if asked.match:
        conditions.append("first IN (SELECT rowid FROM words WHERE words MATCH ?)")
        parameters.append(asked.match)
    if asked.correlation_id is not None:
        holding = "SELECT (SELECT max(first) FROM block WHERE first <= seq) FROM entry WHERE "
        conditions.append(f"first IN ({holding}{_traces(db, asked.correlation_id)})")
    order = "until DESC" if asked.newest_first else "since"
    statement = f"SELECT first, last, since, until FROM block WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608 -- our own words; values are bound
    return [_Block(*row) for row in db.execute(statement, parameters)]


def _rows(db: sqlite3.Connection, file: DayFile, block: _Block, asked: _Asked) -> Iterator[tuple[int, int, int, Body]]:
    """Number, time and size of the entries of a block that `asked` accepts, with what they hold."""
    conditions = ["seq BETWEEN ? AND ?", *asked.conditions]
    if asked.correlation_id is not None:
        conditions.append(f"trace & {HASH_MASK} = {hashed(asked.correlation_id)}")
    statement = f"SELECT seq, time, id, body FROM entry WHERE {' AND '.join(conditions)}"  # noqa: S608 -- the same
    for seq, time_ms, id_, raw in db.execute(statement, (block.first, block.last, *asked.parameters)).fetchall():
        body = _body(raw, file)
        if asked.accepts(body):
            yield seq, time_ms, len(raw), _named(body, id_, file)


def _named(body: Body, id_: bytes, file: DayFile) -> Body:
    return {**body, "_id": id_.hex(), "_index": file.index}


def _body(raw: bytes, file: DayFile) -> Body:
    """The document of a row. Raises Unusable: SQLite does not look at what its rows hold."""
    try:
        body = orjson.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unusable(f"{file.path} is damaged: an entry of it is no JSON object", aside(file.path))
    return body


def _traces(db: sqlite3.Connection, correlation_id: str) -> str:
    (entries,) = db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()
    values = (str(trace(correlation_id, generation)) for generation in range((entries >> GENERATION_BITS) + 1))
    return f"trace IN ({', '.join(values)})"


@contextmanager
def _translated(file: DayFile) -> Iterator[None]:
    try:
        yield
    except Unusable as error:
        raise StoreUnreadable(error.what, error.hint) from error
    except sqlite3.DatabaseError as error:
        damaged = not isinstance(error, sqlite3.OperationalError)
        hint = aside(file.path) if damaged else "read it as a user who may, or search around its day"
        raise StoreUnreadable(f"store {file.path} cannot be read: {error}", hint) from error
