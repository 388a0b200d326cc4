"""Configure structlog in an application, so that the shipper can store its entries unchanged."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog

from shipper_processors.enforce import Enforce
from shipper_processors.envelope import without_surrogates
from shipper_processors.redact import Redactor
from shipper_schemas.event import LEVEL_ALIASES


def configure(
    service: str,
    *,
    level: str = "info",
    stream: TextIO | None = None,
    redactor: Redactor | None = None,
    stdlib: bool = False,
) -> None:
    """Log one JSON object a line, in the schema, to `stream` (standard output).

    The chain: bound context, level, time, exceptions as text, schema (violations are added, nothing is dropped),
    redaction. `stdlib` routes the entries of other libraries, from `logging`, through the same chain. Raises ValueError
    for an invalid level.
    """
    name = LEVEL_ALIASES.get(level.lower())
    if name is None:
        raise ValueError(f"invalid level {level!r}; expected debug, info, warning, error or critical")
    minimum = logging.getLevelNamesMapping().get(name.upper(), logging.INFO)
    chain = steps(service, redactor or Redactor())
    target = stream or sys.stdout
    structlog.configure(
        processors=[*chain, render],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    if stdlib:
        _route_stdlib(chain, target, minimum)


def steps(service: str, redactor: Redactor) -> list[Any]:
    """Return the chain without its renderer, for an application with its own structlog configuration."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        Enforce(require="never"),
        Service(service),
        redactor,
    ]


class Service:
    """Adds the application's name to each entry."""

    def __init__(self, name: str) -> None:
        """`name` is the service in counters and searches."""
        self._name = name

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Add the name unless the entry has one."""
        event_dict.setdefault("service", self._name)
        return event_dict


def stamp(logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Add the time, RFC 3339 in UTC with milliseconds."""
    now = datetime.now(UTC)
    event_dict["timestamp"] = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
    return event_dict


def render(logger: object, method_name: str, event_dict: Mapping[str, Any]) -> str:  # noqa: ARG001
    """Return one line of JSON; values without a JSON form become their `repr`. Never raises."""
    try:
        return orjson.dumps(event_dict, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        safe = {without_surrogates(str(key)): without_surrogates(str(value)) for key, value in event_dict.items()}
        return orjson.dumps(safe).decode()


def _route_stdlib(chain: list[Any], target: TextIO, minimum: int) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=chain, processors=[_without_internals, render])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(minimum)


def _without_internals(logger: object, method_name: str, event_dict: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    event_dict.pop("_record", None)
    event_dict.pop("_from_structlog", None)
    return event_dict
