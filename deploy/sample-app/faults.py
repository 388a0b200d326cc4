"""Routes that trigger alerts; enabled by SAMPLE_APP_FAULTS=1."""

import os

from health import stored
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LONGEST_S = 120.0


async def report(request: Request) -> Response:
    """A slow query: `?seconds=2` takes that long and keeps a connection of the pool busy."""
    try:
        seconds = min(max(float(request.query_params.get("seconds", "1")), 0.0), LONGEST_S)
    except ValueError:
        return JSONResponse({"detail": "seconds must be a number"}, 400)
    await stored(request).hold(seconds)
    return JSONResponse({"seconds": seconds})


ROUTES = [Route("/api/v1/reports", report)] if os.environ.get("SAMPLE_APP_FAULTS") == "1" else []
