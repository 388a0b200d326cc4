"""Counters of requests: the same for everything that sends batches to an output."""

from collections import Counter
from typing import Any

from shipper.delivery.in_flight import InFlight
from shipper.metrics.catalogue import EVENTS, LINES, REFUSED, RETRIES, THROTTLED, WRITE_SECONDS, WRITES
from shipper.model.batch import Tally, Written
from shipper_schemas.metrics import Increment

METRICS = (EVENTS, WRITES, WRITE_SECONDS, RETRIES, THROTTLED, REFUSED)
"""Metrics that every sender has to declare; also `LINES` if it counts lines."""


def acknowledged(batch: InFlight[Any], written: Written, events: Counter[str]) -> Tally:
    """Return the increments for an acknowledged batch; `events` are by outcome."""
    tally = Tally()
    for metric, outcomes in ((EVENTS, events), (LINES, batch.lines)):
        for outcome, number in outcomes.items():
            tally.sums[metric.name, (outcome,)] += number
    if batch.arrival.at is not None:
        tally.sums[WRITES.name, ("ok",)] += 1
        tally.observations.append(Increment(WRITE_SECONDS.name, (), batch.arrival.at - batch.sent_at))
    for metric, number in ((RETRIES, written.retried), (THROTTLED, written.throttled), (REFUSED, written.refused)):
        tally.sums[metric.name, ()] += number
    return tally


def unavailable() -> Tally:
    """Return the increments for a request that failed because the output is unavailable."""
    tally = Tally()
    tally.sums[WRITES.name, ("unavailable",)] += 1
    return tally
