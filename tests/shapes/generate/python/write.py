# mypy: ignore-errors
"""Events of Python's loggers at a fixed instant, each printed as one line of JSON with its truth.

Runs in an environment of its own, with the packages of requirements.txt.
"""

import datetime as dt
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django.utils.log
import ecs_logging
import logfmter
import structlog
import time_machine
import uvicorn.logging
from aws_lambda_powertools import Logger
from loguru import logger as loguru_logger
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, SimpleLogRecordProcessor
from pythonjsonlogger.json import JsonFormatter

NOW = dt.datetime(2026, 4, 7, 6, 5, 4, 321_000, tzinfo=dt.UTC)
MS = int(NOW.timestamp() * 1000)
ID, TRACE = "0b9c2f64-7c1e-4d53-a1f0-4f2c8b7d6e55", "9e107d9d372bb6826bd81d3542a419d6"
NAME = "harbour.berths"
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "critical": "critical"}


def emit(shape: str, kind: str, text: str, **expect: Any) -> None:
    """Print one event."""
    print(json.dumps({"shape": shape, "kind": kind, "lines": text.rstrip("\n").split("\n"), "expect": expect}))


class BerthTakenError(Exception):
    """A ship is already there."""


def moor() -> None:
    """Fail as an application does, from another error."""
    try:
        {}["B7"]
    except KeyError as error:
        raise BerthTakenError("berth B7 is taken") from error


@contextmanager
def captured(formatter: logging.Formatter) -> Iterator[tuple[logging.Logger, Callable[[], str]]]:
    """Yield a logger of the standard library, and a function that returns what it wrote since the last call."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(NAME)
    logger.handlers, logger.propagate, logger.level = [handler], False, logging.DEBUG
    yield logger, lambda: taken(stream)


def taken(stream: io.StringIO) -> str:
    """Return a stream's text and empty it."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text


def standard(shape: str, kind: str, formatter: logging.Formatter, *, extra: bool = True, **always: Any) -> None:
    """Write one event of each level through the standard library, and one with a trace."""
    with captured(formatter) as (logger, text):
        for name, level in LEVELS.items():
            logger.log(
                getattr(logging, name.upper()),
                "%s about berth %d",
                name,
                7,
                extra={"request_id": ID} if extra else None,
            )
            ids = {"correlation_id": ID} if extra else {}
            emit(shape, kind, text(), level=level, message=f"{name} about berth 7", **ids, **always)
        try:
            moor()
        except BerthTakenError:
            logger.exception("cannot moor")
        types = {} if kind == "app" else {"error_type": "__main__.BerthTakenError"}
        emit(shape, kind, text(), level="error", message="cannot moor", stack=True, **always, **types)


def standard_library() -> None:
    """Write the standard library's formats and those of packages that plug into it."""
    named = {"time_ms": MS, "logger": NAME}
    standard("python-json-logger", "app", JsonFormatter("{asctime}{levelname}{name}{message}", style="{"), **named)
    standard(
        "python-json-logger, timestamp",
        "app",
        JsonFormatter("{levelname}{name}{message}", style="{", timestamp=True),
        **named,
    )
    renamed = JsonFormatter(
        "{message}", style="{", rename_fields={"levelname": "severity", "asctime": "time"}, reserved_attrs=[]
    )
    standard("python-json-logger, everything", "app", renamed)
    standard("ecs-logging", "app", ecs_logging.StdlibFormatter(), **named)
    standard(
        "logfmter",
        "logfmt",
        logfmter.Logfmter(keys=["level", "logger"], mapping={"level": "levelname", "logger": "name"}),
    )
    plain = {"extra": False}
    standard("logging: basicConfig", "text", logging.Formatter(logging.BASIC_FORMAT), **plain)
    standard(
        "logging: time, name, level",
        "text",
        logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"),
        **plain,
    )
    standard(
        "logging: level in brackets",
        "text",
        logging.Formatter("[%(asctime)s] [%(levelname)-8s] %(name)s: %(message)s"),
        **plain,
    )
    standard(
        "uvicorn", "text", uvicorn.logging.DefaultFormatter("%(levelprefix)s %(message)s", use_colors=False), **plain
    )
    standard(
        "uvicorn with colours",
        "text",
        uvicorn.logging.DefaultFormatter("%(levelprefix)s %(message)s", use_colors=True),
        **plain,
    )
    standard(
        "Django verbose",
        "text",
        logging.Formatter("{levelname} {asctime} {module} {process:d} {thread:d} {message}", style="{"),
        **plain,
    )


def django_server() -> None:
    """Write the development server's access line."""
    with captured(django.utils.log.ServerFormatter("[{server_time}] {message}", style="{")) as (logger, text):
        logger.info(
            '"%s" %s %s',
            "GET /berths/7?full=1 HTTP/1.1",
            "404",
            "12",
            extra={"status_code": 404, "server_time": NOW.strftime("%d/%b/%Y %H:%M:%S")},
        )
        emit("Django runserver", "text", text(), method="GET", path="/berths/7", status_code=404)


def uvicorn_access() -> None:
    """Write uvicorn's access lines."""
    for colours in (False, True):
        formatter = uvicorn.logging.AccessFormatter(
            '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s', use_colors=colours
        )
        with captured(formatter) as (logger, text):
            logger.info('%s - "%s %s HTTP/%s" %d', "10.0.0.7:51000", "POST", "/berths?full=1", "1.1", 201)
            emit(
                f"uvicorn access{', colours' if colours else ''}",
                "text",
                text(),
                method="POST",
                path="/berths",
                status_code=201,
            )


def structured(shape: str, kind: str, *processors: Any, time_ms: int | None = MS) -> None:
    """Write the events of structlog with these processors."""
    stream = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=[*processors], wrapper_class=structlog.BoundLogger
    )
    times = {} if time_ms is None else {"time_ms": time_ms}
    for name, level in LEVELS.items():
        getattr(logger, name)(f"{name} about a berth", berth=7, request_id=ID)
        emit(shape, kind, taken(stream), level=level, message=f"{name} about a berth", correlation_id=ID, **times)
    try:
        moor()
    except BerthTakenError:
        logger.exception("cannot moor")
    types = {} if kind == "app" else {"error_type": "BerthTakenError"}
    emit(shape, kind, taken(stream), level="error", message="cannot moor", stack=True, **times, **types)


def structlogs() -> None:
    """Write structlog's renderers."""
    level, iso = structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)
    unix = structlog.processors.TimeStamper()
    json_renderer, text_trace = structlog.processors.JSONRenderer(), structlog.processors.format_exc_info
    structured("structlog JSON", "app", level, iso, text_trace, json_renderer)
    structured("structlog JSON, unix time", "app", level, unix, text_trace, json_renderer)
    structured(
        "structlog JSON, dict_tracebacks", "app", level, iso, structlog.processors.dict_tracebacks, json_renderer
    )
    structured(
        "structlog JSON, message",
        "app",
        level,
        iso,
        text_trace,
        structlog.processors.EventRenamer("message"),
        json_renderer,
    )
    structured("structlog ECS", "app", level, iso, text_trace, ecs_logging.StructlogFormatter())
    logfmt = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    stream = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=[level, iso, logfmt], wrapper_class=structlog.BoundLogger
    )
    logger.warning("berth is taken", request_id=ID)
    emit(
        "structlog logfmt",
        "logfmt",
        taken(stream),
        time_ms=MS,
        level="warning",
        message="berth is taken",
        correlation_id=ID,
    )
    for colours in (False, True):
        name = f"structlog console{', colours' if colours else ''}"
        console = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
        structured(name, "text", level, iso, console, time_ms=None)


def loguru() -> None:
    """Write loguru's text and JSON."""
    stream = io.StringIO()
    for shape, options in (
        ("loguru", {"colorize": False}),
        ("loguru with colours", {"colorize": True}),
        ("loguru serialize", {"serialize": True}),
    ):
        kind = "app" if "serialize" in shape else "text"
        loguru_logger.remove()
        loguru_logger.add(stream, level="TRACE", backtrace=False, diagnose=False, **options)
        times = {"time_ms": MS, "correlation_id": ID} if kind == "app" else {}
        for name in ("trace", *LEVELS):
            getattr(loguru_logger.bind(request_id=ID), name)(f"{name} about berth 7")
            emit(shape, kind, taken(stream), level=name, message=f"{name} about berth 7", **times)
        try:
            moor()
        except BerthTakenError:
            loguru_logger.exception("cannot moor")
        types = {} if kind == "app" else {"error_type": "BerthTakenError"}
        lines = taken(stream)
        emit(
            shape,
            kind,
            lines,
            level="error",
            message="cannot moor",
            **types,
            **({} if kind == "app" else {"stack": True}),
        )


def cloud() -> None:
    """Write the JSON of AWS Lambda Powertools and of OpenTelemetry's console."""
    stream = io.StringIO()
    logger = Logger(service="harbour", stream=stream, level="DEBUG", logger_handler=logging.StreamHandler(stream))
    logger.set_correlation_id(ID)
    logger.warning("berth is taken")
    emit(
        "AWS Lambda Powertools",
        "app",
        taken(stream),
        level="warning",
        message="berth is taken",
        correlation_id=ID,
        time_ms=MS,
    )
    provider = LoggerProvider()
    exporter = ConsoleLogRecordExporter(
        out=stream, formatter=lambda record: json.dumps(json.loads(record.to_json())) + "\n"
    )
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))

    record = LogRecord(
        timestamp=MS * 1_000_000, severity_text="WARN", severity_number=SeverityNumber.WARN, body="berth is taken"
    )
    provider.get_logger("harbour").emit(record)
    emit(
        "OpenTelemetry console exporter, one line",
        "app",
        taken(stream),
        level="warning",
        message="berth is taken",
        time_ms=MS,
    )


def uncaught() -> None:
    """Write traces as the interpreter prints them."""
    stream = io.StringIO()
    before, sys.stderr = sys.stderr, stream
    try:
        for error in (BerthTakenError, ExceptionGroup):
            try:
                moor() if error is BerthTakenError else many()
            except error:
                sys.excepthook(*sys.exc_info())
            emit("Python uncaught", "stack", taken(stream), level="error", stack=True)
    finally:
        sys.stderr = before


def many() -> None:
    """Fail with two errors at once."""
    raise ExceptionGroup("two ships", [BerthTakenError("B7"), OSError("no tug")])


if __name__ == "__main__":
    with time_machine.travel(NOW, tick=False):
        standard_library()
        django_server()
        uvicorn_access()
        structlogs()
        loguru()
        cloud()
        uncaught()
