"""Pulse: what the agent did in the last minutes, kept in memory so that a page that is just opened shows it too."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

from shipper.metrics import catalogue
from shipper.metrics.exposition import Snapshot
from shipper_schemas.metrics import Distribution, SeriesKey, Value

EVERY_S = 2.0
SAMPLES = 300
"""Ten minutes of them."""
RECENT = 6
"""Samples over which a rate of now is taken: ten seconds, since events are stored in batches."""
LINES = (catalogue.LINES_READ.name, catalogue.MESSAGES.name)
EVENTS, LAG_S = catalogue.EVENTS.name, catalogue.LAG_SECONDS.name


class Sample(NamedTuple):
    """The agent at one moment, `at` in monotonic seconds."""

    at: float
    lines: float
    stored: float
    refused: float
    lag_s: float


class Pulse:
    """The last samples; for any number of threads."""

    def __init__(self, take: Callable[[], Snapshot], monotonic: Callable[[], float]) -> None:
        """`take` is called in the thread that beats."""
        self._take, self._monotonic = take, monotonic
        self._beating = Lock()
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._series: deque[tuple[float, dict[SeriesKey, float]]] = deque(maxlen=RECENT)

    def beat(self) -> None:
        """Take a sample if it is time for one."""
        with self._beating:  # two at once would be a moment apart, and rates between them anything
            self._beat()

    def _beat(self) -> None:
        now = self._monotonic()
        if self._samples and now - self._samples[-1].at < EVERY_S:
            return
        snapshot = self._take()
        values = {key: number(value) for key, value in snapshot.values.items()}
        lag = [value for (name, _), value in snapshot.gauges.items() if name == LAG_S]
        self._samples.append(
            Sample(
                now,
                sum(values.get((name, ()), 0.0) for name in LINES),
                values.get((EVENTS, ("indexed",)), 0.0),
                values.get((EVENTS, ("quarantined",)), 0.0),
                max(lag, default=0.0),
            )
        )
        self._series.append((now, values))

    def rates(self, read: Callable[[Sample], float]) -> list[float]:
        """How fast a number rose between each two samples, a second."""
        found = list(self._samples)
        return [max(0.0, read(later) - read(earlier)) / (later.at - earlier.at) for earlier, later in pairwise(found)]

    def now(self, read: Callable[[Sample], float]) -> float:
        """How fast it rises now, a second."""
        found = list(self._samples)[-RECENT:]
        return rate([(sample.at, read(sample)) for sample in found])

    def levels(self, read: Callable[[Sample], float]) -> list[float]:
        """A number at each sample."""
        return [read(sample) for sample in list(self._samples)]

    def series(self, key: SeriesKey) -> float:
        """How fast a series rises now, a second."""
        found = list(self._series)
        return rate([(at, values.get(key, 0.0)) for at, values in found])


def rate(points: Iterable[tuple[float, float]]) -> float:
    """The rise from the first to the last point, a second; 0 where that cannot be told."""
    found = list(points)
    if len(found) < 2 or found[-1][0] <= found[0][0]:  # noqa: PLR2004
        return 0.0
    return max(0.0, found[-1][1] - found[0][1]) / (found[-1][0] - found[0][0])


def number(value: Value) -> float:
    """A value, or how many observations a distribution holds."""
    return float(sum(value.counts)) if isinstance(value, Distribution) else float(value)
