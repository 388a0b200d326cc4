"""The ledger: counter values as committed, and as they will be after the next commit.

Only committed values are shown. A value that was shown and lost in a crash would look like a counter reset to
Prometheus, and `increase()` would count the events before it twice.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from shipper.model.batch import Tally
from shipper_schemas.metrics import Distribution, Metric, SeriesKey, Value


class Committed(NamedTuple):
    """Declarations, committed values and their creation (seconds since the epoch) at one moment; none of it changes."""

    metrics: Mapping[str, Metric]
    values: Mapping[SeriesKey, Value]
    created: Mapping[SeriesKey, float]


@dataclass(slots=True)
class Ledger:
    """Values by series. `metrics` declares every metric that may be added to."""

    metrics: dict[str, Metric]
    """Replaced by each change and never modified in place, like `committed`."""
    committed: dict[SeriesKey, Value] = field(default_factory=dict)
    created: dict[SeriesKey, float] = field(default_factory=dict)
    _working: dict[SeriesKey, Value] = field(default_factory=dict)
    """Values of the series that changed since the last commit."""
    published: Committed = field(init=False)
    """Committed values for other threads, replaced as a whole by each commit."""

    def __post_init__(self) -> None:
        """Publish the committed values."""
        self._show()

    def restore(self, values: Mapping[SeriesKey, Value], created: Mapping[SeriesKey, float]) -> None:
        """Load saved values; series without a declared metric stay in the state and are not shown."""
        self.committed = {key: value for key, value in values.items() if self._fits(key, value)}
        self.created = {key: created[key] for key in self.committed}
        self._show()

    def redeclare(self, metrics: Iterable[Metric]) -> None:
        """Declare further metrics; each replaces one of the same name.

        Counted values stay shown, also those of a metric that is no longer counted. Series that do not fit a metric's
        new labels or buckets start again at zero.
        """
        new = {metric.name: metric for metric in metrics}
        families = {name.removesuffix("_total") for name in new}
        kept = {name: metric for name, metric in self.metrics.items() if name.removesuffix("_total") not in families}
        self.metrics = {**kept, **new}
        self.committed = {key: value for key, value in self.committed.items() if self._fits(key, value)}
        self._working = {key: value for key, value in self._working.items() if self._fits(key, value)}
        kept_keys = self.committed.keys() | self._working.keys()
        self.created = {key: since for key, since in self.created.items() if key in kept_keys}
        self._show()

    def _fits(self, key: SeriesKey, value: Value) -> bool:
        metric = self.metrics.get(key[0])
        if metric is None or len(metric.labels) != len(key[1]):
            return False
        if isinstance(value, Distribution):
            return metric.type == "histogram" and len(value.counts) == len(metric.buckets) + 1
        return metric.type != "histogram"

    def declare(self, keys: Iterable[SeriesKey], now: float) -> None:
        """Start missing series at zero; `now` is their creation, in seconds since the epoch."""
        for key in keys:
            if key not in self.created:
                self.created[key] = now
                self._working[key] = self._zero(key[0])

    def add(self, tally: Tally, now: float) -> None:
        """Add the increments of a batch; they are shown after the next `publish`."""
        for key, amount in tally.sums.items():
            value = self._current(key, now)
            if isinstance(value, Distribution):
                raise TypeError(f"{key[0]} is a histogram")
            self._working[key] = value + amount
        for metric, labels, amount in tally.observations:
            key = (metric, labels)
            value = self._current(key, now)
            if not isinstance(value, Distribution):
                raise TypeError(f"{metric} is not a histogram")
            if key not in self._working:
                value = Distribution([*value.counts], value.sum)
            value.counts[bisect_left(self.metrics[metric].buckets, amount)] += 1
            value.sum += amount
            self._working[key] = value

    def changes(self) -> Mapping[SeriesKey, Value]:
        """Return the values that the next commit has to save."""
        return self._working

    def publish(self) -> None:
        """Show the changes, which are committed now."""
        if not self._working:
            return
        new = self._working.keys() - self.committed.keys()
        self.committed = {**self.committed, **self._working}
        self._working = {}
        if new:
            self._show()
        else:
            self.published = self.published._replace(values=MappingProxyType(self.committed))

    def _show(self) -> None:
        """Publish everything; the creation times are copied, since uncommitted series add to the original."""
        created = {key: self.created[key] for key in self.committed if key in self.created}
        self.published = Committed(
            MappingProxyType(self.metrics), MappingProxyType(self.committed), MappingProxyType(created)
        )

    def _current(self, key: SeriesKey, now: float) -> Value:
        if key in self._working:
            return self._working[key]
        if key in self.committed:
            return self.committed[key]
        self.created[key] = now
        return self._zero(key[0])

    def _zero(self, metric: str) -> Value:
        declared = self.metrics[metric]
        return Distribution([0] * (len(declared.buckets) + 1)) if declared.type == "histogram" else 0.0
