"""Functions that trigger each alert. For APIDown, stop the application."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.traffic.visits import Traffic

OfAVisit = Callable[[Traffic], None]
SLOW_S = 1.5
"""Above the alert's threshold of 1 s."""
ABSENT = 1_000_000_000
"""First number without patients."""
QUEUE = "celery"


def failed_logins(traffic: Traffic) -> None:
    """HighFailedLoginAttempts: five wrong passwords a visit."""
    for _ in range(5):
        traffic.login(refused=True)


def errors(traffic: Traffic) -> None:
    """HighErrorRate: two failures a visit."""
    for _ in range(2):
        traffic.fail()


def slow(traffic: Traffic) -> None:
    """HighResponseTime: a slow query a visit, more than one request in twenty."""
    traffic.ask("GET", f"/api/v1/reports?seconds={SLOW_S}")


def cache_misses(traffic: Traffic) -> None:
    """LowCacheHitRate: reads of patients that do not exist."""
    for number in range(10):
        traffic.ask("GET", f"/api/v1/patients/{ABSENT + 10 * traffic.sent + number}")


EACH_VISIT: dict[str, OfAVisit] = {
    "failed-logins": failed_logins,
    "errors": errors,
    "slow": slow,
    "cache-misses": cache_misses,
}


@contextmanager
def connections_held(traffic: Traffic, number: int, seconds: float) -> Iterator[None]:
    """DatabaseConnectionPoolExhausted: `number` slow queries at once, until `seconds` have passed."""
    until = time.monotonic() + seconds

    def hold(name: str) -> None:
        while (left := until - time.monotonic()) > 0:
            path = f"/api/v1/reports?seconds={min(left, 60):.1f}"
            status, _ = traffic.ask("GET", path, correlation_id=f"held-{name}", seconds=70)
            if not status:
                time.sleep(0.1)  # the application is unavailable: retry slowly

    threads = [threading.Thread(target=hold, args=(str(index),), daemon=True) for index in range(number)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()) + 5)


def backlog(traffic: Traffic, redis_url: str, tasks: int) -> None:
    """CeleryQueueBacklog: tasks pushed directly into the queue. Stop the worker first, which would empty it."""
    from redis import Redis  # noqa: PLC0415 -- nothing else here needs it

    with Redis.from_url(redis_url) as redis:
        redis.lpush(QUEUE, *['{"task": "backlog", "correlation_id": "traffic-backlog"}'] * tasks)
    traffic.truth.tasks_pushed += tasks


@contextmanager
def memory_held(mebibytes: int) -> Iterator[None]:
    """HighMemoryUsage, an alert of the node: allocate that much memory in this process.

    The application is not involved. Run it on the node in question, with less than is available there.
    """
    kept = bytearray(b"\1" * (1 << 20)) * mebibytes
    yield
    kept.clear()
