"""A small healthcare backend with realistic logs and metrics.

Run it with `uvicorn app:app`, one worker. DATABASE_URL and REDIS_URL are its servers; without them it keeps everything
in memory.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import defects
import faults
import health
import structlog
from health import stored
from metrics import APPOINTMENTS, PATIENTS, PRESCRIPTIONS, Logins, Measured, counted
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from storage import Kind, Record, Unavailable, storage

import shipper_processors

shipper_processors.configure("backend")
log = structlog.get_logger("app")

USERS = {"nurse": "correct horse", "doctor": "battery staple", "pharmacist": "tin opener", "registrar": "paper clip"}
NUMBERS = {user: number for number, user in enumerate(USERS, 1)}
logins = Logins()


async def body(request: Request) -> Record:
    """The request's JSON object. Raises HTTPException (400)."""
    try:
        content = await request.json()
    except ValueError:  # invalid JSON or UTF-8
        content = None
    if not isinstance(content, dict):
        raise HTTPException(400, "expected a JSON object")
    return content


async def added(request: Request, kind: Kind, record: Record) -> int:
    """Store a record, with its task under the same correlation id."""
    correlation_id = structlog.contextvars.get_contextvars().get("correlation_id", "")
    return await stored(request).add(kind, record, correlation_id)


async def login(request: Request) -> Response:
    """200 for the right password, otherwise 401."""
    credentials = await body(request)
    user = credentials.get("user")
    if not isinstance(user, str) or user not in USERS or USERS[user] != credentials.get("password"):
        log.warning("login_failed", user_id=NUMBERS.get(str(user)), client_ip=request.client and request.client.host)
        return JSONResponse({"detail": "wrong user or password"}, 401)
    logins.add(user)
    log.info("login_succeeded", user_id=NUMBERS[user])
    return JSONResponse({"token": "demo"})


async def create_patient(request: Request) -> Response:
    """201 and the new patient's number."""
    number = await added(request, "patient", await body(request))
    PATIENTS.labels("create").inc()
    log.info("patient_created", patient_id=number, message="Patient created")
    return JSONResponse({"id": number}, 201)


async def patient(request: Request) -> Response:
    """Read, update or delete one patient."""
    number, storage = int(request.path_params["id"]), stored(request)
    if request.method == "DELETE":
        if not await storage.remove("patient", number):
            return absent("patient")
        PATIENTS.labels("delete").inc()
        log.info("patient_deleted", patient_id=number)
        return Response(status_code=204)
    if request.method == "PUT":
        if not await storage.change("patient", number, await body(request)):
            return absent("patient")
        PATIENTS.labels("update").inc()
        log.info("patient_updated", patient_id=number)
    record = await storage.read("patient", number)
    return absent("patient") if record is None else JSONResponse({**record, "id": number})


def absent(what: str) -> Response:
    """404 for a missing record."""
    return JSONResponse({"detail": f"no such {what}"}, 404)


async def schedule(request: Request) -> Response:
    """201 for an appointment."""
    number = await added(request, "appointment", {**await body(request), "status": "scheduled"})
    APPOINTMENTS.labels("scheduled").inc()
    log.info("appointment_scheduled", appointment_id=number)
    return JSONResponse({"id": number}, 201)


async def complete(request: Request) -> Response:
    """Complete an appointment, with its duration in minutes."""
    minutes = (await body(request)).get("minutes")
    if not isinstance(minutes, int | float) or not 0 <= minutes <= 24 * 60:
        raise HTTPException(400, "minutes must be a number between 0 and 1440")
    return await closed(request, "completed", {"duration_minutes": minutes})


async def cancel(request: Request) -> Response:
    """Cancel an appointment."""
    return await closed(request, "cancelled", {})


async def closed(request: Request, status: str, details: dict[str, Any]) -> Response:
    """Set the final status of a scheduled appointment; 404 if there is none."""
    number = int(request.path_params["id"])
    if not await stored(request).change("appointment", number, {**details, "status": status}, status="scheduled"):
        return absent("scheduled appointment")
    APPOINTMENTS.labels(status).inc()
    event = f"appointment_{status}"
    log.info(event, appointment_id=number, **details)
    return JSONResponse({"id": number, "status": status})


async def prescribe(request: Request) -> Response:
    """201 for a prescription."""
    prescription = await body(request)
    number = await added(request, "prescription", prescription)
    PRESCRIPTIONS.inc()
    log.info("prescription_created", prescription_id=number, medication=str(prescription.get("medication", "unknown")))
    return JSONResponse({"id": number}, 201)


async def end_prescription(request: Request) -> Response:
    """204 for a prescription that ends."""
    if not await stored(request).remove("prescription", int(request.path_params["id"])):
        return absent("prescription")
    return Response(status_code=204)


async def pay(request: Request) -> Response:
    """201 for a payment, 402 for a rejected one; counted by a metric of this application only."""
    amount = (await body(request)).get("amount")
    with counted("payment"):
        if not isinstance(amount, int | float) or amount <= 0:
            log.warning("payment_refused")
            raise HTTPException(402, "the payment was refused")
    log.info("payment_made", amount=amount)
    return JSONResponse({"paid": amount}, 201)


async def unavailable(_request: Request, error: Exception) -> Response:
    """503 if a server is unavailable, logged in one line instead of a stack trace."""
    log.error("storage_unavailable", error_type="Unavailable", error_message=f"no response from {error}")
    return JSONResponse({"detail": f"{error} does not respond"}, 503)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the storage. What it logs has no correlation id, which its label requires, and is quarantined."""
    app.state.storage = storage()
    await app.state.storage.open()
    log.info("cache_warmed", entries=128)
    yield
    await app.state.storage.close()


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/api/v1/auth/login", login, methods=["POST"]),
        Route("/api/v1/patients", create_patient, methods=["POST"]),
        Route("/api/v1/patients/{id:int}", patient, methods=["GET", "PUT", "DELETE"]),
        Route("/api/v1/appointments", schedule, methods=["POST"]),
        Route("/api/v1/appointments/{id:int}", cancel, methods=["DELETE"]),
        Route("/api/v1/appointments/{id:int}/complete", complete, methods=["POST"]),
        Route("/api/v1/prescriptions", prescribe, methods=["POST"]),
        Route("/api/v1/prescriptions/{id:int}", end_prescription, methods=["DELETE"]),
        Route("/api/v1/payments", pay, methods=["POST"]),
        *defects.ROUTES,
        *faults.ROUTES,
        Route("/health", health.health),
        Route("/live", health.live),
        Route("/ready", health.ready),
        Route("/metrics", health.metrics),
    ],
    middleware=[Middleware(Measured), Middleware(shipper_processors.CorrelationMiddleware)],
    exception_handlers={Unavailable: unavailable},
)
