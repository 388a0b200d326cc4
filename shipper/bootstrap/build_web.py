"""The web pages built from the settings."""

import threading
from collections.abc import Callable

from shipper.config.settings import Settings
from shipper.metrics.health import AgentView
from shipper.outputs import registry
from shipper.outputs.base import Reader, Readers, section
from shipper.system.clock import Clock
from shipper.web.pages.routes import WebPages

SEARCH_S = 10.0
"""Seconds that a page waits for one response of a server."""


class Stores:
    """Opens a reader for each search in the store of the settings in effect; readers share a connection."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        """Read the settings with `settings` at each search; nothing is connected yet."""
        self._settings = settings
        self._guard = threading.Lock()
        self._connected: tuple[object, Readers] | None = None

    def __call__(self, pause: Callable[[], None]) -> Reader:
        """Return a reader that calls `pause` while it reads; callers must not close it. Raises ConfigurationError."""
        return self._readers(self._settings()).open(pause)

    def _readers(self, settings: Settings) -> Readers:
        with self._guard:
            if self._connected is None or self._connected[0] != section(settings):
                if self._connected is not None:
                    self._connected[1].close()
                    self._connected = None
                readers = registry.factory(settings).readers(settings, SEARCH_S)
                self._connected = (section(settings), readers)
            return self._connected[1]


def pages(agent: AgentView, settings: Callable[[], Settings], clock: Clock) -> WebPages:
    """Build the pages of an agent; `settings` returns the settings in effect."""
    return WebPages(agent, Stores(settings), settings, clock)
