"""Records in PostgreSQL, a read cache and the task queue in Redis."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
from metrics import QUERIES
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from storage import KINDS, Connections, Kind, Record, Unavailable

QUEUE = "celery"
BACKLOG = 100
"""Number of waiting tasks that counts as a backlog: the alert's threshold."""
CACHED_S = 60
TIMEOUT_S = 2.0
CHECK_S = 1.0
SCRAPE_S = 0.25
"""Longest wait of a scrape for a connection: scrapes matter most while the pool is exhausted."""
TABLE = """
SELECT pg_advisory_xact_lock(7011);
CREATE TABLE IF NOT EXISTS records (id bigserial PRIMARY KEY, kind text NOT NULL, record jsonb NOT NULL);
CREATE INDEX IF NOT EXISTS records_kind ON records (kind);
"""
"""One table for every kind of record. The lock lets only one of two simultaneous starts create it."""


class Servers:
    """A storage with both servers. It starts without them and serves requests once they are available."""

    def __init__(self, database: str, redis: str, pool_size: int) -> None:
        self._pool = AsyncConnectionPool(
            database, min_size=1, max_size=pool_size, open=False, timeout=TIMEOUT_S,
            check=AsyncConnectionPool.check_connection, reconnect_timeout=10, kwargs={"connect_timeout": 2},
        )  # fmt: skip
        self._redis = Redis.from_url(
            redis, socket_timeout=CHECK_S, socket_connect_timeout=CHECK_S, retry=Retry(NoBackoff(), 1)
        )
        self._prepared = False

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()
        await self._redis.aclose()

    @asynccontextmanager
    async def _query(self, name: str, wait_s: float = TIMEOUT_S) -> AsyncIterator[psycopg.AsyncConnection]:
        """A connection and a transaction, timed under a name."""
        try:
            async with self._pool.connection(timeout=wait_s) as connection:
                if not self._prepared:
                    await connection.execute(TABLE)
                    await connection.commit()
                    self._prepared = True
                with QUERIES.labels(name).time():
                    yield connection
        except psycopg.OperationalError as error:  # includes the pool's timeout
            raise Unavailable("database") from error
        except RedisError as error:
            raise Unavailable("redis") from error

    async def add(self, kind: Kind, record: Record, correlation_id: str) -> int:
        async with self._query(f"{kind}_add") as connection:
            cursor = await connection.execute(
                "INSERT INTO records (kind, record) VALUES (%s, %s) RETURNING id", (kind, Jsonb(record))
            )
            (number,) = await cursor.fetchone() or (0,)
            task = {"task": f"{kind}_follow_up", "number": number, "correlation_id": correlation_id}
            await self._redis.lpush(QUEUE, json.dumps(task))  # before the commit: no record without its task
            return int(number)

    async def read(self, kind: Kind, number: int) -> Record | None:
        if (cached := await self._cached(kind, number)) is not None:
            return cached
        async with self._query(f"{kind}_read") as connection:
            cursor = await connection.execute("SELECT record FROM records WHERE id = %s AND kind = %s", (number, kind))
            row = await cursor.fetchone()
        if row is None:
            return None
        record: Record = row[0]
        with suppress(RedisError):  # an unavailable cache makes reads slower, not wrong; /health reports it
            await self._redis.set(key(kind, number), json.dumps(record), ex=CACHED_S)
        return record

    async def _cached(self, kind: Kind, number: int) -> Record | None:
        try:
            cached = await self._redis.get(key(kind, number))
        except RedisError:
            return None
        return json.loads(cached) if cached is not None else None

    async def change(self, kind: Kind, number: int, fields: Record, status: str | None = None) -> bool:
        async with self._query(f"{kind}_change") as connection:
            done = await connection.execute(
                "UPDATE records SET record = record || %s WHERE id = %s AND kind = %s"
                " AND (%s::text IS NULL OR record ->> 'status' = %s)",
                (Jsonb(fields), number, kind, status, status),
            )
            await self._redis.delete(
                key(kind, number)
            )  # if this fails, nothing is changed: a stale record would be served
            return done.rowcount == 1

    async def remove(self, kind: Kind, number: int) -> bool:
        async with self._query(f"{kind}_remove") as connection:
            done = await connection.execute("DELETE FROM records WHERE id = %s AND kind = %s", (number, kind))
            await self._redis.delete(key(kind, number))
            return done.rowcount == 1

    async def totals(self) -> dict[Kind, int]:
        async with self._query("totals", SCRAPE_S) as connection:
            cursor = await connection.execute("SELECT kind, count(*) FROM records GROUP BY kind")
            return dict.fromkeys(KINDS, 0) | dict(await cursor.fetchall())

    async def hold(self, seconds: float) -> None:
        async with self._query("report") as connection:
            await connection.execute("SELECT pg_sleep(%s)", (seconds,))

    async def serves(self) -> bool:
        try:
            async with self._query("check", CHECK_S) as connection:
                await connection.execute("SELECT 1")
        except Unavailable:
            return False
        return True

    async def checks(self) -> dict[str, str]:
        serves, (redis, celery) = await asyncio.gather(self.serves(), self._queue())
        return {"database": "healthy" if serves else "unhealthy", "redis": redis, "celery": celery}

    async def _queue(self) -> tuple[str, str]:
        try:
            waiting = await self._redis.llen(QUEUE)
        except RedisError:
            return "unhealthy", "unhealthy"
        return "healthy", "healthy" if waiting <= BACKLOG else "degraded"

    def connections(self) -> Connections | None:
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        return Connections(idle, stats.get("pool_size", 0) - idle, self._pool.max_size)


def key(kind: Kind, number: int) -> str:
    """Return the cache key of a record."""
    return f"{kind}:{number}"
