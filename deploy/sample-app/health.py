"""Health of the application: /health for people and monitoring, /live and /ready for an orchestrator, /metrics."""

from datetime import UTC, datetime

from metrics import CONNECTIONS, HELD, POOL_SIZE
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from storage import IN_MEMORY, Storage, Unavailable

VERSION = "2.0.0"


def stored(request: Request) -> Storage:
    """The storage of the application."""
    storage: Storage = request.app.state.storage
    return storage


async def health(request: Request) -> Response:
    """The status of each server; 503 if one is unavailable."""
    checks = await stored(request).checks()
    words = set(checks.values()) - {IN_MEMORY}
    status = next((word for word in ("unhealthy", "degraded") if word in words), "healthy")
    report = {"status": status, "version": VERSION, "checks": checks, "timestamp": f"{datetime.now(UTC):%FT%TZ}"}
    return JSONResponse(report, 503 if status == "unhealthy" else 200)


async def live(_request: Request) -> Response:
    """200 while the process responds, since a restart does not repair a database."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """200 if requests can be served: none without the database, only reads without Redis."""
    able = await stored(request).serves()
    return JSONResponse({"status": "ready" if able else "not ready"}, 200 if able else 503)


async def metrics(request: Request) -> Response:
    """Metrics for Prometheus, of this process only: with several workers, each scrape would reach another one."""
    storage = stored(request)
    if (connections := storage.connections()) is not None:
        CONNECTIONS.labels("idle").set(connections.idle)
        CONNECTIONS.labels("active").set(connections.active)
        POOL_SIZE.set(connections.most)
    try:
        for kind, number in (await storage.totals()).items():
            HELD.labels(kind).set(number)
    except Unavailable:
        HELD.clear()  # no value is better than a wrong one
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
