"""Exposition of committed values and gauges through prometheus_client, as text and OpenMetrics."""

import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from shipper import __version__
from shipper.metrics.catalogue import BUILD
from shipper.metrics.snapshot import Snapshot
from shipper_schemas.metrics import Distribution, Labels, Metric, SeriesKey, Value


class SnapshotCollector(Collector):
    """Collects a fresh snapshot at each scrape."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        """Collect from `take`, which is called in the scraping thread."""
        self._take = take

    def collect(self) -> Iterator[Family]:
        """Yield one family per declared metric, even if it has no series yet."""
        snapshot = self._take()
        series: defaultdict[str, list[tuple[Labels, Value]]] = defaultdict(list)
        for (name, labels), value in (*snapshot.values.items(), *snapshot.gauges.items()):
            series[name].append((labels, value))
        for metric in snapshot.metrics.values():
            yield _family(metric, sorted(series[metric.name], key=lambda sample: sample[0]), snapshot.created)
        build = GaugeMetricFamily(BUILD.name, BUILD.help, labels=BUILD.labels)
        build.add_metric([__version__, platform.python_version(), snapshot.path], 1)
        yield build


def _family(metric: Metric, series: list[tuple[Labels, Value]], created: Mapping[SeriesKey, float]) -> Family:
    if metric.type == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in series:
            assert isinstance(value, Distribution)  # noqa: S101 -- the ledger keeps kinds apart
            histogram.add_metric(labels, _cumulative(metric.buckets, value), value.sum)
        return histogram
    if metric.type == "counter":
        counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in series:
            assert not isinstance(value, Distribution)  # noqa: S101
            counter.add_metric(labels, value, created=created.get((metric.name, labels)))
        return counter
    gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in series:
        assert not isinstance(value, Distribution)  # noqa: S101
        gauge.add_metric(labels, value)
    return gauge


def _cumulative(bounds: tuple[float, ...], value: Distribution) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*map(_bound, bounds), "+Inf"), value.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


def _bound(bound: float) -> str:
    return repr(float(bound))


def registry_of(take: Callable[[], Snapshot]) -> CollectorRegistry:
    """Return a separate registry with the snapshot and the process and platform metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SnapshotCollector(take))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
