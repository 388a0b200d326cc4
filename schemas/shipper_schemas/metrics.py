"""What a metric is: the declaration that rules, the state, the exposition and the reference share."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Labels = tuple[str, ...]
"""Label values, in the order of the metric's `labels`."""

SeriesKey = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's declaration. Counter names end in `_total`; histograms carry their upper bounds without +Inf."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Increment(NamedTuple):
    """One addition: to a counter by `amount`, or to a histogram as one observation of `amount`."""

    metric: str
    labels: Labels
    amount: float = 1


@dataclass(slots=True)
class Distribution:
    """A histogram's value: observations per bucket (not cumulative; the last is above every bound) and their sum."""

    counts: list[int]
    sum: float = 0.0


Value = float | Distribution
