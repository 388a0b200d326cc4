"""Bound of the services with series of their own among the metrics of correlation ids."""

from collections.abc import Iterable

from shipper.metrics.catalogue import WITH_OR_NEEDING_ID, WITHOUT_ID
from shipper_processors.count import OTHER, is_valid_label
from shipper_schemas.metrics import SeriesKey

MOST_SERVICES = 200
METRICS = frozenset({WITHOUT_ID.name, WITH_OR_NEEDING_ID.name})


class ServiceBounds:
    """The services that have series of their own; all further ones share those of `other`."""

    def __init__(self, known: Iterable[SeriesKey] = (), most: int = MOST_SERVICES) -> None:
        """Admit the services of `known` series, such as those of a saved state, then others up to `most`."""
        self._most = most
        self._services = {labels[0] for name, labels in known if name in METRICS and labels} - {OTHER}

    def bounded(self, service: str) -> str:
        """Return the service, or `other` beyond the bound or for a name that may mislead a reader."""
        if service not in self._services:
            if len(self._services) >= self._most or not is_valid_label(service):
                return OTHER
            self._services.add(service)
        return service

    def bounded_series(self, key: SeriesKey) -> SeriesKey:
        """Return a series with its service bounded; other metrics as they are."""
        name, labels = key
        return (name, (self.bounded(labels[0]), *labels[1:])) if name in METRICS else key
