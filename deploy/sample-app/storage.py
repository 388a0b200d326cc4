"""Storage of the application's records: the interface, and memory where no servers are configured."""

import asyncio
import os
from itertools import count
from typing import Literal, NamedTuple, Protocol

Kind = Literal["patient", "appointment", "prescription"]
Record = dict[str, object]
KINDS: tuple[Kind, ...] = ("patient", "appointment", "prescription")
IN_MEMORY = "in memory"


class Unavailable(Exception):
    """A server that is needed for this does not answer; names it."""


class Connections(NamedTuple):
    """A pool's connections: idle, active, and the most there may be."""

    idle: int
    active: int
    most: int


class Storage(Protocol):
    """The storage that the routes use. Methods may raise Unavailable unless they say otherwise."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def add(self, kind: Kind, record: Record, correlation_id: str) -> int:
        """Keep a record and queue its follow-up task, both or neither; gives its number."""

    async def read(self, kind: Kind, number: int) -> Record | None:
        """A record, from the cache where it is there."""

    async def change(self, kind: Kind, number: int, fields: Record, status: str | None = None) -> bool:
        """Change fields of a record that is there and, where one is given, has that status."""

    async def remove(self, kind: Kind, number: int) -> bool:
        """Remove a record; True if it existed."""

    async def totals(self) -> dict[Kind, int]:
        """Return the number of records of each kind."""

    async def hold(self, seconds: float) -> None:
        """Work that takes so long, and a connection with it."""

    async def serves(self) -> bool:
        """Return True if reads can be answered; never raises."""

    async def checks(self) -> dict[str, str]:
        """The state of database, redis and celery in a word each; never raises."""

    def connections(self) -> Connections | None:
        """Of the pool, where there is one."""


class Memory:
    """A storage without servers, for a look at the application; forgets all at its end."""

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
    """By DATABASE_URL and REDIS_URL: servers where both are set, memory where none is. Raises ValueError else."""
    database, redis = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if not database and not redis:
        return Memory()
    if not database or not redis:
        raise ValueError("DATABASE_URL and REDIS_URL belong together: set both, or none to keep all in memory")
    from servers import Servers  # noqa: PLC0415 -- the demo does without the drivers

    return Servers(database, redis, int(os.environ.get("DATABASE_POOL_SIZE", "5")))
