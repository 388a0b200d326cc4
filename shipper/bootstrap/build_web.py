"""The web pages built from the settings."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from shipper.config.output_settings import ElasticsearchSettings
from shipper.config.settings import Settings
from shipper.outputs.base import Reader
from shipper.outputs.elasticsearch.factory import is_elasticsearch
from shipper.outputs.registry import SEARCH_S, reader
from shipper.system.clock import Clock

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.metrics.health import AgentView
    from shipper.web.pages.routes import WebPages


class Stores:
    """Makes a reader for one search after another, over the store of the settings in effect; they share a client."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._guard = threading.Lock()
        self._connected: tuple[ElasticsearchSettings, Elasticsearch] | None = None

    def __call__(self, pause: Callable[[], None]) -> Reader:
        """A reader that calls `pause` while it reads; it is not to be closed. Raises ConfigurationError."""
        settings = self._settings()
        return reader(settings, pause, self._client(settings) if is_elasticsearch(settings) else None)

    def _client(self, settings: Settings) -> "Elasticsearch":
        from shipper.outputs.elasticsearch.client import connect  # noqa: PLC0415 -- see above

        with self._guard:
            if self._connected is None or self._connected[0] != settings.elasticsearch:
                if self._connected is not None:
                    self._connected[1].close()
                patient = settings.elasticsearch.model_copy(update={"request_timeout": SEARCH_S})
                self._connected = (settings.elasticsearch, connect(settings.output, patient))
            return self._connected[1]


def pages(agent: "AgentView", settings: Callable[[], Settings], clock: Clock) -> "WebPages":
    """The pages of an agent; `settings` gives those in effect."""
    from shipper.web.pages.routes import WebPages  # noqa: PLC0415 -- commands that serve nothing do not pay for it

    return WebPages(agent, Stores(settings), settings, clock)
