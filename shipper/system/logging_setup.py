"""The shipper's own log on stderr through structlog: text on a terminal, otherwise JSON in its own log schema."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

from shipper.system.own_log import structlog
from shipper_processors.sanitize import printable


def configure_own_log(log_format: Literal["console", "json"] | None, level: str) -> None:
    """Send the agent's own log to stderr; without a format, `console` on a terminal and `json` elsewhere."""
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    library = structlog()
    renderer: Any = _for_people() if chosen == "console" else library.processors.JSONRenderer()
    library.configure(
        processors=[
            library.processors.add_log_level,
            library.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            library.processors.format_exc_info,
            escaped,
            renderer,
        ],
        wrapper_class=library.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=library.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _for_people() -> Any:  # noqa: ANN401 -- a renderer of structlog
    """Return a renderer that shows the event before its hint, with colours on a terminal that wants them."""
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog().dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=0)


def escaped(logger: object, method_name: str, event_dict: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """Escape control characters of paths and error texts, so that no escape sequence reaches a terminal."""
    return {
        key: printable(value, newlines=key == "exception") if isinstance(value, str) else value
        for key, value in event_dict.items()
    }
