"""What is exposed: declarations, committed values and gauges at one moment."""

from collections.abc import Mapping
from typing import NamedTuple

from shipper_schemas.metrics import Metric, SeriesKey, Value


class Snapshot(NamedTuple):
    """Metrics at one moment: declarations, committed values with their creation (seconds), and gauges."""

    metrics: Mapping[str, Metric]
    values: Mapping[SeriesKey, Value]
    created: Mapping[SeriesKey, float]
    gauges: Mapping[SeriesKey, float]
    path: str = ""
    """Path that lines take, `native` or `python`; empty in a process that reads no lines."""
