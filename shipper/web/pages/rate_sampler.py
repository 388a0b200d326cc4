"""Rate sampler: the agent's activity of the last minutes, kept in memory so that a newly opened page can show it."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

from shipper.metrics import catalogue
from shipper.metrics.snapshot import Snapshot
from shipper_schemas.metrics import Distribution, SeriesKey, Value

EVERY_S = 2.0
SAMPLES = 300
"""Number of samples kept: ten minutes."""
RECENT = 6
"""Number of samples for a current rate: ten seconds, since events are stored in batches."""
LINES = (catalogue.LINES_READ.name, catalogue.MESSAGES.name)
EVENTS, LAG_S = catalogue.EVENTS.name, catalogue.LAG_SECONDS.name


class Sample(NamedTuple):
    """The agent's totals at one moment; `at` in monotonic seconds."""

    at: float
    lines: float
    stored: float
    quarantined: float
    lag_s: float


class RateSampler:
    """The latest samples; thread-safe."""

    def __init__(self, take: Callable[[], Snapshot], monotonic: Callable[[], float]) -> None:
        """Sample by calling `take`, in the thread that calls `sample`."""
        self._take, self._monotonic = take, monotonic
        self._sampling = Lock()
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)
        self._series: deque[tuple[float, dict[SeriesKey, float]]] = deque(maxlen=RECENT)

    def sample(self) -> None:
        """Take a sample if it is due."""
        with self._sampling:  # two at once would be so close that the rate between them is meaningless
            self._sample_if_due()

    def _sample_if_due(self) -> None:
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
        """Return the rate per second between each two samples."""
        samples = list(self._samples)
        return [max(0.0, read(later) - read(earlier)) / (later.at - earlier.at) for earlier, later in pairwise(samples)]

    def now(self, read: Callable[[Sample], float]) -> float:
        """Return the current rate per second."""
        samples = list(self._samples)[-RECENT:]
        return rate([(sample.at, read(sample)) for sample in samples])

    def levels(self, read: Callable[[Sample], float]) -> list[float]:
        """Return a value of each sample."""
        return [read(sample) for sample in list(self._samples)]

    def series(self, key: SeriesKey) -> float:
        """Return the current rate of a series per second."""
        samples = list(self._series)
        return rate([(at, values.get(key, 0.0)) for at, values in samples])


def rate(points: Iterable[tuple[float, float]]) -> float:
    """Return the increase per second from the first to the last point; 0 if there are too few."""
    listed = list(points)
    if len(listed) < 2 or listed[-1][0] <= listed[0][0]:  # noqa: PLR2004
        return 0.0
    return max(0.0, listed[-1][1] - listed[0][1]) / (listed[-1][0] - listed[0][0])


def number(value: Value) -> float:
    """Return a value, or the number of observations of a distribution."""
    return float(sum(value.counts)) if isinstance(value, Distribution) else float(value)
