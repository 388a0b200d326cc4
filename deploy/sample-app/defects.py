"""Two routes with realistic defects: a stack trace and an exception group."""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

log = structlog.get_logger("app")


async def lab_result(request: Request) -> Response:
    """Fail with KeyError: a result has no unit."""
    log.info("lab_result_requested", patient_id=int(request.path_params["id"]))
    result: dict[str, str] = {"value": "5.4"}
    return JSONResponse({"result": f"{result['value']} {result['unit']}"})


async def overview(_request: Request) -> Response:
    """Fail with an exception group."""

    async def fails(what: str) -> None:
        raise RuntimeError(f"{what} did not answer")

    async with asyncio.TaskGroup() as group:
        group.create_task(fails("laboratory"))
        group.create_task(fails("pharmacy"))
    return JSONResponse({})


ROUTES = [Route("/api/v1/lab/results/{id:int}", lab_result), Route("/api/v1/overview", overview)]
