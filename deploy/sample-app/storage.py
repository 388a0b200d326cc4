"""Storage of the application's records: the interface, and a storage in memory if no servers are configured."""

import asyncio
import os
from itertools import count
from typing import Literal, NamedTuple, Protocol

Kind = Literal["patient", "appointment", "prescription"]
Record = dict[str, object]
KINDS: tuple[Kind, ...] = ("patient", "appointment", "prescription")
IN_MEMORY = "in memory"


class Unavailable(Exception):
    """A required server does not respond; the text is its name."""


class Connections(NamedTuple):
    """A pool's connections: idle, active, and the maximum."""

    idle: int
    active: int
    most: int


class Storage(Protocol):
    """The storage that the routes use. Methods may raise Unavailable unless documented otherwise."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def add(self, kind: Kind, record: Record, correlation_id: str) -> int:
        """Store a record and queue its follow-up task, both or neither; returns its number."""

    async def read(self, kind: Kind, number: int) -> Record | None:
        """Read a record, from the cache if possible."""

    async def change(self, kind: Kind, number: int, fields: Record, status: str | None = None) -> bool:
        """Change fields of an existing record, if it has `status` or `status` is None; True if changed."""

    async def remove(self, kind: Kind, number: int) -> bool:
        """Remove a record; True if it existed."""

    async def totals(self) -> dict[Kind, int]:
        """Return the number of records of each kind."""

    async def hold(self, seconds: float) -> None:
        """Keep a connection busy for some seconds."""

    async def serves(self) -> bool:
        """Return True if reads can be answered; never raises."""

    async def checks(self) -> dict[str, str]:
        """The status of database, redis and celery, one word each; never raises."""

    def connections(self) -> Connections | None:
        """The connections of the pool, if there is one."""


class Memory:
    """A storage in memory, to try the application without servers."""

    def __init__(self) -> None:
        self._records: dict[Kind, dict[int, Record]] = {kind: {} for kind in KINDS}
        self._numbers = count(1)

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def add(self, kind: Kind, record: Record, correlation_id: str) -> int:  # noqa: ARG002 -- no tasks here
        number = next(self._numbers)
        self._records[kind][number] = record
        return number

    async def read(self, kind: Kind, number: int) -> Record | None:
        return self._records[kind].get(number)

    async def change(self, kind: Kind, number: int, fields: Record, status: str | None = None) -> bool:
        record = self._records[kind].get(number)
        if record is None or (status is not None and record.get("status") != status):
            return False
        record.update(fields)
        return True

    async def remove(self, kind: Kind, number: int) -> bool:
        return self._records[kind].pop(number, None) is not None

    async def totals(self) -> dict[Kind, int]:
        return {kind: len(records) for kind, records in self._records.items()}

    async def hold(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def serves(self) -> bool:
        return True

    async def checks(self) -> dict[str, str]:
        return dict.fromkeys(("database", "redis", "celery"), IN_MEMORY)

    def connections(self) -> Connections | None:
        return None


def storage() -> Storage:
    """Servers if DATABASE_URL and REDIS_URL are set, memory if neither is. Raises ValueError otherwise."""
    database, redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if not database and not redis:
        return Memory()
    if not database or not redis:
        raise ValueError("set both DATABASE_URL and REDIS_URL, or neither to keep everything in memory")
    from servers import Servers  # noqa: PLC0415 -- the demo does without the drivers

    return Servers(database, redis, int(os.environ.get("DATABASE_POOL_SIZE", "5")))
