"""History of counters as OpenMetrics text for `promtool tsdb create-blocks-from openmetrics`.

Format: OpenMetrics 1.0, https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md. Neither
families nor their series are interleaved, and the samples of a series are in order of time; times are whole seconds.

The samples are those of a scrape at each step. A sample at time `t` counts the events up to `t`, inclusive. Each series
starts at zero, at the latest one step before its first increment. All series continue to the end, except for gaps
longer than `BREAK_MS` without any event: samples stop `LINGER_MS` after the last event and resume one step before the
next, so that wrong times do not cause years of repeated samples. A line adds at most `BREAK_MS + LINGER_MS` of samples
to each series.

Results in PromQL:

- `max_over_time(x[1h]) - min_over_time(x[1h])` is exact: the events after the first sample of the range.
- `increase(x[1h])` is exact in Prometheus 2 if the range begins and ends at a step of the history; otherwise it
  extrapolates by a step or two, as after any scrape.
- Over the whole history, `increase()` is exact at `Summary.last_ms`, with a range that begins before
  `Summary.first_ms`.

Importing into a running server: import samples older than three hours, since newer ones overlap with those that the
server still has in memory. Use the live agent's `job`, so that dashboards find both, and another `instance` or none:
with equal labels the live value would follow the past one in the same series, and look like a restart. If both counted
the same events, a sum over both counts them twice. promtool reads the file once for every two hours in it; for more
than a few days pass `--max-block-duration=48h`, an option that its help does not list.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, TextIO

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from shipper.metrics.exposition import SnapshotCollector
from shipper.metrics.snapshot import Snapshot
from shipper_schemas.metrics import Distribution, Increment, Labels, Metric, SeriesKey

LOOKBACK_MS = 300_000
"""Default lookback of Prometheus: a sample is shown this long after its time, so steps have to be shorter."""
LINGER_MS = 300_000
"""Time for which values are repeated after the last event, so that `rate(x[5m])` returns to zero."""
BREAK_MS = 3_600_000
"""Shortest gap without events that has no samples: no shorter than usual windows of `rate` and `increase`."""
SECOND_MS = 1000
EOF = "# EOF\n"
SUM = -1
"""Column of a histogram's sum; its buckets are columns 0, 1, ..., and a counter has column 0 alone."""

Number = int | Fraction
"""Summed without rounding, so that the order of files does not change the result."""
Columns = dict[int, dict[int, Number]]
"""Increments of one series, by column and by the step at whose end they show."""


class Summary(NamedTuple):
    """Size of the history: series and samples as Prometheus counts them, first and last time in ms since the epoch."""

    series: int
    samples: int
    first_ms: int | None
    last_ms: int | None


class Line(NamedTuple):
    """One series in Prometheus: its name with labels, and the columns whose totals add up to its value."""

    name: str
    columns: Sequence[int]


class History:
    """Increments by series and step. The parts of several processes are merged."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        step_ms: int = 15_000,
        *,
        declared: Iterable[SeriesKey] = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Start an empty history. `step_ms` is in whole seconds, best the live scrape interval.

        `declared` series are zero from the beginning. `labels` are added to every series; a metric's own label of the
        same name gets the prefix `exported_`, as in a scrape. Raises ValueError for an invalid step or a gauge.
        """
        if step_ms % SECOND_MS or not 0 < step_ms < LOOKBACK_MS:
            raise ValueError(
                f"invalid step of {step_ms} ms; expected 1 to {LOOKBACK_MS // SECOND_MS - 1} whole seconds"
            )
        for metric in metrics:
            if metric.type == "gauge":
                raise ValueError(f"{metric.name} is a gauge: it has no increments")
        self.metrics = {metric.name: metric for metric in metrics}
        self.step_ms = step_ms
        self.declared = {key for key in declared if key[0] in self.metrics}
        self.labels = dict(labels or {})
        self.added: dict[SeriesKey, Columns] = {}

    def add(self, time_ms: int, increments: Iterable[Increment]) -> None:
        """Add the increments of an event; `time_ms` is its time since the epoch, in any order."""
        step = -(-time_ms // self.step_ms)
        for name, labels, amount in increments:
            metric, number = self.metrics[name], _exact(amount)
            columns = self.added.setdefault((name, labels), {})
            if metric.type == "histogram":
                _put(columns, bisect_left(metric.buckets, amount), step, 1)
                _put(columns, SUM, step, number)
            else:
                _put(columns, 0, step, number)

    def merge(self, other: "History") -> None:
        """Add another part. Raises ValueError if its metrics, step or labels differ."""
        if (self.metrics, self.step_ms, self.labels) != (other.metrics, other.step_ms, other.labels):
            raise ValueError("cannot merge histories with different metrics, steps or labels")
        self.declared |= other.declared
        for key, added in other.added.items():
            columns = self.added.setdefault(key, {})
            for column, sums in added.items():
                for step, number in sums.items():
                    _put(columns, column, step, number)

    def write(self, file: TextIO, filtered: Callable[[Iterator[str]], Iterator[str]] = iter) -> Summary:
        """Write everything; all lines of samples pass through `filtered`. Raises OSError."""
        segments = self._segments()
        keys = sorted(self.declared | self.added.keys())
        series = samples = 0
        for metric in self.metrics.values():
            file.writelines(f"{line}\n" for line in _live(metric)[1])
            for key in keys if segments else ():
                if key[0] == metric.name:
                    lines = _lines(metric, key[1], self.labels)
                    series += len(lines)
                    for steps, values in self._runs(key, lines, segments):
                        samples += len(steps) * len(lines)
                        file.writelines(filtered(self._text(steps, lines, values)))
        file.write(EOF)
        if not segments:
            return Summary(series, samples, None, None)
        return Summary(series, samples, segments[0][0] * self.step_ms, segments[-1][-1] * self.step_ms)

    def _segments(self) -> list[range]:
        """Return the segments of steps with samples: a step before the first event to `LINGER_MS` after the last."""
        steps = sorted({step for columns in self.added.values() for sums in columns.values() for step in sums})
        if not steps:
            return []
        breaks = [(last, first) for last, first in pairwise(steps) if (first - last) * self.step_ms > BREAK_MS]
        linger = -(-LINGER_MS // self.step_ms)
        firsts = [steps[0], *(first for _, first in breaks)]
        lasts = [*(last for last, _ in breaks), steps[-1]]
        return [range(first - 1, last + linger + 1) for first, last in zip(firsts, lasts, strict=True)]

    def _runs(
        self, key: SeriesKey, lines: Sequence[Line], segments: Sequence[range]
    ) -> Iterator[tuple[range, list[Number]]]:
        """Yield the ranges of steps over which a series does not change, with the values of its lines."""
        columns = self.added.get(key, {})
        changes = sorted({step for sums in columns.values() for step in sums})
        first = segments[0].start if key in self.declared else changes[0] - 1
        values: list[Number] = [0] * len(lines)
        for segment in segments:
            begin = max(first, segment.start)
            inside = changes[bisect_left(changes, begin) : bisect_left(changes, segment.stop)]
            for start, stop in pairwise([begin, *inside, segment.stop]):
                if start < stop:
                    added = {column: sums[start] for column, sums in columns.items() if start in sums}
                    if added:
                        values = [
                            value + sum(added.get(column, 0) for column in line.columns)
                            for value, line in zip(values, lines, strict=True)
                        ]
                    yield range(start, stop), values

    def _text(self, steps: range, lines: Sequence[Line], values: Sequence[Number]) -> Iterator[str]:
        shown = [f"{line.name} {_shown(value)}" for line, value in zip(lines, values, strict=True)]
        step_s = self.step_ms // SECOND_MS
        return (f"{sample} {step * step_s}\n" for step in steps for sample in shown)


def _put(columns: Columns, column: int, step: int, number: Number) -> None:
    sums = columns.setdefault(column, {})
    sums[step] = sums.get(step, 0) + number


def _exact(amount: float) -> Number:
    whole = int(amount)
    return whole if whole == amount else Fraction(amount)


def _shown(value: Number) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))


def _lines(metric: Metric, labels: Labels, added: Mapping[str, str]) -> list[Line]:
    """Return the lines of one series."""
    names = (*(f"exported_{name}" if name in added else name for name in metric.labels), *added)
    whole = Metric(metric.name, metric.type, metric.help, names, metric.buckets)
    family, text = _live(whole, (*labels, *added.values()))
    samples = text[-len(family.samples) :]
    buckets = range(len(metric.buckets) + 1)
    columns = {"_total": (0,), "_sum": (SUM,), "_count": buckets}
    return [
        Line(line.rpartition(" ")[0], columns.get(sample.name.removeprefix(family.name), buckets[: place + 1]))
        for place, (sample, line) in enumerate(zip(family.samples, samples, strict=True))  # buckets come first
    ]


def _live(metric: Metric, labels: Labels | None = None) -> tuple[Family, list[str]]:
    """Return a metric with at most one series, at zero, as in the live exposition, and the lines of its text."""
    zero = Distribution([0] * (len(metric.buckets) + 1)) if metric.type == "histogram" else 0.0
    values = {} if labels is None else {(metric.name, labels): zero}
    family = next(iter(SnapshotCollector(lambda: Snapshot({metric.name: metric}, values, {}, {})).collect()))
    text = generate_latest(_Only(family)).decode()  # type: ignore[no-untyped-call]
    return family, text.removesuffix(EOF).split("\n")[:-1]


class _Only(Collector):
    """Collects one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        """Return that family."""
        return [self._family]
