"""Loggers of the shipper's own log; structlog is imported with the first message, which most commands never write."""

import sys
from typing import Any


def structlog() -> Any:  # noqa: ANN401 -- a module
    """Import and return structlog, without the traceback printer that it would load rich for.

    structlog imports rich where it is installed, with all its modules, 14 MB that the agent would never use: its own
    log has plain tracebacks. An entry of None in `sys.modules` is Python's way to make an import fail.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]
        try:
            import structlog as module  # noqa: PLC0415 -- see above
        finally:
            del sys.modules["rich"]
        return module
    import structlog as module  # noqa: PLC0415 -- see above

    return module


class OwnLog:
    """A logger; its messages go where `configure_own_log` sends them."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        """Log under `name`."""
        self._name = name

    def __getattr__(self, level: str) -> Any:  # noqa: ANN401 -- structlog's methods
        """Return the method of a level."""
        return getattr(structlog().get_logger(self._name), level)


def own_log(name: str) -> Any:  # noqa: ANN401 -- as structlog's get_logger
    """Return the logger `name`."""
    return OwnLog(name)
