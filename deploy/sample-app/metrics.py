"""The application's metrics, by the names that alerts and dashboards use."""

import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # a `…_created` series for each counter tells nothing that a dashboard asks

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The objectives (0.5 s, 1 s) are bounds, so that the share of requests within them is exact."""
ACTIVE_S = 15 * 60
"""Seconds after a login for which a user counts as active."""

REQUESTS = Counter("http_requests_total", "Requests answered, failed ones included.", ["method", "endpoint", "status"])
DURATION = Histogram(
    "http_request_duration_seconds", "How long an answer took.", ["method", "endpoint"], buckets=BUCKETS
)
PATIENTS = Counter("patient_operations_total", "Patient records created, updated, deleted.", ["operation"])
APPOINTMENTS = Counter("appointment_bookings_total", "Appointments by what became of them.", ["status"])
PRESCRIPTIONS = Counter("prescription_created_total", "Prescriptions written.")
CUSTOM = Counter("custom_event_total", "Business events of this application's own.", ["event_type", "status"])
QUERIES = Histogram("database_query_duration_seconds", "How long the database took.", ["query"], buckets=BUCKETS)
ACTIVE_USERS = Gauge("active_users", "Users who logged in within the last quarter of an hour.")
CONNECTIONS = Gauge("database_connections", "Connections of the pool by state.", ["state"])
POOL_SIZE = Gauge("database_pool_size", "Most connections that the pool opens.")
HELD = Gauge("records_active", "Records that are there now, by kind.", ["kind"])

for declared, values in (
    (PATIENTS, ("create", "update", "delete")),
    (APPOINTMENTS, ("scheduled", "completed", "cancelled")),
):
    for value in values:
        declared.labels(value)  # from zero, so that increase() sees the first event
for outcome in ("success", "failure"):
    CUSTOM.labels("payment", outcome)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]


class Measured:
    """ASGI middleware that counts and times every request, the ones that end in an exception included."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:  # noqa: ANN401 -- passed on
        """Pass on, and count what came of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500  # an exception passes here before the server makes a 500 of it

        async def answered(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answered)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(method, endpoint(scope), status).inc()
            DURATION.labels(method, endpoint(scope)).observe(time.perf_counter() - started)


def endpoint(scope: Scope) -> str:
    """The route's template: a path with ids in it would make a series for each patient."""
    route = scope.get("route")
    return route.path_format if route is not None else "unmatched"


@contextmanager
def counted(event_type: str) -> Iterator[None]:
    """Count a business event as a success, or as a failure where it raises."""
    try:
        yield
    except Exception:
        CUSTOM.labels(event_type, "failure").inc()
        raise
    CUSTOM.labels(event_type, "success").inc()


class Logins:
    """Who logged in lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seen = clock, dict[str, float]()
        ACTIVE_USERS.set_function(self.active)

    def add(self, user: str) -> None:
        """A login that was accepted."""
        self._seen[user] = self._clock()

    def active(self) -> int:
        """Return the number of active users."""
        return sum(self._clock() - when < ACTIVE_S for when in self._seen.values())
