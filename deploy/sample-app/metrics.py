"""The application's metrics, with the names that alerts and dashboards use."""

import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # no dashboard uses the `…_created` series of counters

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The objectives (0.5 s, 1 s) are bucket bounds, so that the share of requests within them is exact."""
ACTIVE_S = 15 * 60
"""Seconds after a login for which a user counts as active."""

REQUESTS = Counter("http_requests_total", "Requests answered, including failed ones.", ["method", "endpoint", "status"])
DURATION = Histogram("http_request_duration_seconds", "Response time.", ["method", "endpoint"], buckets=BUCKETS)
PATIENTS = Counter("patient_operations_total", "Patient records created, updated, deleted.", ["operation"])
APPOINTMENTS = Counter("appointment_bookings_total", "Appointments by status.", ["status"])
PRESCRIPTIONS = Counter("prescription_created_total", "Prescriptions written.")
CUSTOM = Counter("custom_event_total", "Business events of this application only.", ["event_type", "status"])
QUERIES = Histogram("database_query_duration_seconds", "Database query time.", ["query"], buckets=BUCKETS)
ACTIVE_USERS = Gauge("active_users", "Users who logged in within the last 15 minutes.")
CONNECTIONS = Gauge("database_connections", "Connections of the pool by state.", ["state"])
POOL_SIZE = Gauge("database_pool_size", "Maximum number of connections of the pool.")
HELD = Gauge("records_active", "Current records by kind.", ["kind"])

for declared, values in (
    (PATIENTS, ("create", "update", "delete")),
    (APPOINTMENTS, ("scheduled", "completed", "cancelled")),
):
    for value in values:
        declared.labels(value)  # start at zero, so that increase() sees the first event
for outcome in ("success", "failure"):
    CUSTOM.labels("payment", outcome)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]


class Measured:
    """ASGI middleware that counts and times every request, including those that end in an exception."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:  # noqa: ANN401 -- passed on
        """Forward the request, and record its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500  # an exception passes here before the server turns it into a 500

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
    """The route's template; a path with ids would create a series for each patient."""
    route = scope.get("route")
    return route.path_format if route is not None else "unmatched"


@contextmanager
def counted(event_type: str) -> Iterator[None]:
    """Count a business event as a success, or as a failure if it raises."""
    try:
        yield
    except Exception:
        CUSTOM.labels(event_type, "failure").inc()
        raise
    CUSTOM.labels(event_type, "success").inc()


class Logins:
    """Recent logins."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seen = clock, dict[str, float]()
        ACTIVE_USERS.set_function(self.active)

    def add(self, user: str) -> None:
        """Record a successful login."""
        self._seen[user] = self._clock()

    def active(self) -> int:
        """Return the number of active users."""
        return sum(self._clock() - when < ACTIVE_S for when in self._seen.values())
