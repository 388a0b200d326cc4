"""The shipper's own log on stderr through structlog: text on a terminal, otherwise JSON in its own log schema."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

from shipper_processors.sanitize import printable


def configure_own_log(log_format: Literal["console", "json"] | None, level: str) -> None:
    """Send the agent's own log to stderr; without a format, `console` on a terminal and `json` elsewhere."""
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    renderer: Any = _for_people() if chosen == "console" else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.format_exc_info,
            escaped,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _for_people() -> structlog.dev.ConsoleRenderer:
    """Return a renderer that shows the event before its hint, with colours on a terminal that wants them."""
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)


def escaped(logger: object, method_name: str, event_dict: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """Escape control characters of paths and error texts, so that no escape sequence reaches a terminal."""
    return {
        key: printable(value, newlines=key == "exception") if isinstance(value, str) else value
        for key, value in event_dict.items()
    }
