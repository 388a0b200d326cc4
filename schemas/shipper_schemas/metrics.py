"""Metrics: the declarations that rules, state, exposition and reference share."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Labels = tuple[str, ...]
"""Label values, in the order of the metric's `labels`."""

SeriesKey = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's declaration. Counter names end in `_total`; histograms have their upper bounds without +Inf."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Increment(NamedTuple):
    """One increment: `amount` added to a counter, or observed by a histogram."""

    metric: str
    labels: Labels
    amount: float = 1


@dataclass(slots=True)
class Distribution:
    """A histogram's value: observations per bucket (not cumulative; the last is above every bound) and their sum."""

    counts: list[int]
    sum: float = 0.0


Value = float | Distribution
