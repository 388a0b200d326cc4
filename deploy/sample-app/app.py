"""A small healthcare backend that logs as real ones do: requests twice, failures with their stack trace.

Run it with `uvicorn app:app`. It keeps everything in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import processors

processors.configure("backend")
log = structlog.get_logger("app")

USERS = {"nurse": "correct horse", "doctor": "battery staple"}
patients: dict[int, dict[str, object]] = {}
numbers = count(1)


async def login(request: Request) -> Response:
    """200 for the right password, 401 else."""
    given = await request.json()
    if USERS.get(given.get("user")) == given.get("password"):
        return JSONResponse({"token": "demo"})
    return JSONResponse({"detail": "wrong user or password"}, 401)


async def create_patient(request: Request) -> Response:
    """201 and the new patient's number."""
    number = next(numbers)
    patients[number] = await request.json()
    return JSONResponse({"id": number}, 201)


async def patient(request: Request) -> Response:
    """Read, update or delete one patient."""
    number = int(request.path_params["id"])
    if number not in patients:
        return JSONResponse({"detail": "no such patient"}, 404)
    if request.method == "DELETE":
        del patients[number]
        return Response(status_code=204)
    if request.method == "PUT":
        patients[number] = await request.json()
    return JSONResponse({"id": number, **patients[number]})


async def book(request: Request) -> Response:
    """201 for an appointment or a prescription."""
    await request.json()
    return JSONResponse({"id": next(numbers)}, 201)


async def lab_result(request: Request) -> Response:
    """A defect, as real applications have them: a result without its unit."""
    log.info("lab_result_requested", patient_id=int(request.path_params["id"]))
    result: dict[str, str] = {"value": "5.4"}
    return JSONResponse({"result": f"{result['value']} {result['unit']}"})


async def overview(_request: Request) -> Response:
    """Several defects at once: an exception group."""

    async def fails(what: str) -> None:
        raise RuntimeError(f"{what} did not answer")

    async with asyncio.TaskGroup() as group:
        group.create_task(fails("laboratory"))
        group.create_task(fails("pharmacy"))
    return JSONResponse({})


async def health(_request: Request) -> Response:
    """Alive."""
    return JSONResponse({"status": "healthy"})


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Logs outside of any request, and so without a correlation id: such entries end in quarantine."""
    log.info("cache_warmed", entries=128)
    yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/api/v1/auth/login", login, methods=["POST"]),
        Route("/api/v1/patients", create_patient, methods=["POST"]),
        Route("/api/v1/patients/{id:int}", patient, methods=["GET", "PUT", "DELETE"]),
        Route("/api/v1/appointments", book, methods=["POST"]),
        Route("/api/v1/prescriptions", book, methods=["POST"]),
        Route("/api/v1/lab/results/{id:int}", lab_result),
        Route("/api/v1/overview", overview),
        Route("/health", health),
        Route("/live", health),
    ],
    middleware=[Middleware(processors.CorrelationMiddleware)],
)
