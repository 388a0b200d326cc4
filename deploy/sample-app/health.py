"""Health of the application: /health for people and monitoring, /live and /ready for an orchestrator, /metrics."""

from datetime import UTC, datetime

from metrics import CONNECTIONS, HELD, POOL_SIZE
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from storage import IN_MEMORY, Storage, Unavailable

VERSION = "2.0.0"


def stored(request: Request) -> Storage:
    """The storage that the application was started with."""
    storage: Storage = request.app.state.storage
    return storage


async def health(request: Request) -> Response:
    """Every server that is used, each by itself; 503 where one is away."""
    checks = await stored(request).checks()
    words = set(checks.values()) - {IN_MEMORY}
    status = next((word for word in ("unhealthy", "degraded") if word in words), "healthy")
    report = {"status": status, "version": VERSION, "checks": checks, "timestamp": f"{datetime.now(UTC):%FT%TZ}"}
    return JSONResponse(report, 503 if status == "unhealthy" else 200)


async def live(_request: Request) -> Response:
    """200 as long as the process answers: a restart brings no database back."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """200 where requests can be served: without the database none can, without Redis reads still can."""
    able = await stored(request).serves()
    return JSONResponse({"status": "ready" if able else "not ready"}, 200 if able else 503)


async def metrics(request: Request) -> Response:
    """For Prometheus. One process answers for itself: with several workers, each scrape would see another one."""
    storage = stored(request)
    if (connections := storage.connections()) is not None:
        CONNECTIONS.labels("idle").set(connections.idle)
        CONNECTIONS.labels("active").set(connections.active)
        POOL_SIZE.set(connections.most)
    try:
        for kind, number in (await storage.totals()).items():
            HELD.labels(kind).set(number)
    except Unavailable:
        HELD.clear()  # a number that may be wrong is worse than none
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
