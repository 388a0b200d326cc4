"""The delivery loop, case by case; its model is in test_delivery_model.py."""

import random
from collections import Counter

import pytest
from structlog.testing import capture_logs

from shipper.delivery.availability import Availability, after_failure
from shipper.delivery.loop import Acknowledged, Delivery, OnFailure, Postponed, RolledBack
from shipper.metrics.catalogue import LINES, WRITE_SECONDS, WRITES
from shipper.model.batch import DUPLICATE, INDEXED
from shipper.system.backoff import Backoff
from shipper.system.errors import OutputUnavailable, ShipperError
from shipper_schemas.metrics import Distribution
from tests.delivery.scripted import FakeClock, Marks, ScriptedOutput, Wait, delivery_to, documents


class Extreme(random.Random):
    """Always draws the upper or the lower bound."""

    def __init__(self, *, upper: bool) -> None:
        super().__init__(0)
        self.upper = upper

    def uniform(self, a: float, b: float) -> float:
        return b if self.upper else a


class Bench:
    """A delivery, its output and its clock."""

    def __init__(self, on_failure: OnFailure = OnFailure.ROLL_BACK, window: int = 3) -> None:
        self.clock = FakeClock()
        self.output = ScriptedOutput(self.clock, window)
        self.wait = Wait(self.clock, self.output)
        self.delivery: Delivery[Marks] = delivery_to(self.output, self.clock, self.wait, on_failure)
        self.delivery.jitter = Extreme(upper=True)

    def submit(self, number: int, size: int = 2, **before: int) -> Marks:
        """Submit a batch of documents."""
        marks = Marks(number, before)
        self.delivery.submit(documents(size, number), marks, Counter({INDEXED: size}), Counter({INDEXED: 3 * size}))
        return marks

    def value(self, name: str, *labels: str) -> object:
        """Return what the ledger will show after the next commit."""
        return self.delivery.ledger.changes().get((name, labels))


def test_a_later_response_waits_for_the_earlier_ones() -> None:
    """Batches are acknowledged in submission order, whatever the order of the responses."""
    bench = Bench()
    first, second = bench.submit(1), bench.submit(2)
    bench.output.requests[1].succeed()
    assert bench.delivery.settle() is None
    bench.output.requests[0].succeed()
    assert bench.delivery.settle() == Acknowledged(first)
    assert bench.delivery.settle() == Acknowledged(second)
    assert bench.delivery.settle() is None


def test_a_failure_rolls_back_everything_in_flight() -> None:
    """Oldest first, including later batches, even one that is stored: its documents become duplicates."""
    bench = Bench()
    batches = tuple(bench.submit(number) for number in range(3))
    bench.output.requests[1].succeed()
    bench.output.requests[0].fail()
    assert bench.delivery.settle() == RolledBack(batches)
    assert not bench.delivery.in_flight


def test_a_batch_that_cannot_be_read_again_is_retried_in_its_place() -> None:
    """The stored batch behind it is not retried: it waits to be acknowledged in its order."""
    bench = Bench(OnFailure.RESEND)
    first, second, third = (bench.submit(number) for number in range(3))
    for number, request in enumerate(bench.output.requests[:]):
        request.succeed() if number == 1 else request.fail()
    assert bench.delivery.settle() == Postponed()
    assert bench.delivery.settle() is None
    assert len(bench.output.requests) == 3
    bench.clock.now = bench.delivery.state.retry_at
    assert bench.delivery.settle() is None
    bench.output.requests[3].succeed()
    results = [bench.delivery.settle() for _ in range(3)]
    assert results == [Acknowledged(first), Acknowledged(second), None]
    assert [request.documents[0].time_ms for request in bench.output.requests[3:]] == [0, 2]
    bench.output.requests[4].succeed()
    assert bench.delivery.settle() == Acknowledged(third)
    assert bench.value(WRITES.name, "unavailable") == 1  # one outage, however many of its requests failed


def test_delays_double_up_to_their_bound_and_last_as_long_as_the_output_demands() -> None:
    """Full jitter: any delay from 0 to the bound."""
    backoff, state, delays = Backoff(0.5, 30.0), Availability(), []
    for _ in range(1100):  # weeks of failures: 2 to this power does not fit a float
        state = after_failure(state, ShipperError("refused"), 100.0, backoff, Extreme(upper=True))
        delays.append(state.retry_at - 100.0)
    assert delays[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert set(delays[8:]) == {30}
    assert state.unavailable_since == 100.0
    assert backoff.delay(20, Extreme(upper=False)) == 0
    assert backoff.delay(0, Extreme(upper=True), retry_after=7.0) == 7
    assert after_failure(state, OutputUnavailable("busy", "", 90.0), 0.0, backoff, Extreme(upper=False)).retry_at == 90


def test_an_unavailable_output_is_tried_with_one_batch_at_a_time() -> None:
    """Not before its delay is over."""
    bench = Bench()
    bench.submit(1)
    bench.output.requests[0].fail(retry_after=7.0)
    bench.delivery.settle()
    assert not bench.delivery.may_send(bench.clock.now + 6.9)
    bench.clock.now += 7.0
    assert bench.delivery.may_send(bench.clock.now)
    bench.submit(1)
    assert not bench.delivery.may_send(bench.clock.now)
    bench.output.requests[1].succeed()
    bench.delivery.settle()
    assert bench.delivery.may_send(bench.clock.now)


def test_an_outage_is_logged_once_with_its_length() -> None:
    """From the first failure until the request that succeeded was sent."""
    bench = Bench()
    with capture_logs() as logs:
        for end in ("fail", "fail", "succeed"):
            bench.submit(1)
            getattr(bench.output.requests[-1], end)()
            bench.delivery.settle()
            bench.clock.now += 30
    assert [(line["event"], line.get("unavailable_s")) for line in logs] == [
        ("output_unavailable", None),
        ("output_available", 60.0),
    ]


def test_a_batch_without_documents_does_not_end_an_outage() -> None:
    """It is acknowledged in its order, without a request."""
    bench = Bench()
    bench.submit(1)
    bench.output.requests[0].fail()
    bench.delivery.settle()
    marks = bench.submit(2, size=0)
    assert bench.delivery.settle() == Acknowledged(marks)
    assert len(bench.output.requests) == 1
    assert bench.delivery.state.error == "connection refused"
    assert bench.value(WRITES.name, "ok") is None


def test_a_request_is_counted_with_its_duration_and_outcomes() -> None:
    """The duration ends when the response arrives, not when it is processed."""
    bench = Bench()
    bench.submit(1, size=3)
    bench.clock.now += 0.3
    bench.output.requests[0].succeed(duplicates=1)
    bench.clock.now += 60
    bench.delivery.settle()
    duration = bench.value(WRITE_SECONDS.name)
    assert isinstance(duration, Distribution)
    assert duration.sum == pytest.approx(0.3)
    assert bench.delivery.outcomes() == {INDEXED: 2, DUPLICATE: 1, "quarantined": 0, "dropped": 0}
    assert bench.value(WRITES.name, "ok") == 1
    assert bench.value(LINES.name, INDEXED) == 9


def test_draining_ends_with_the_grace() -> None:
    """Batches settled by then are acknowledged; the rest stays in flight, and the caller leaves it to the next start."""
    bench = Bench()
    first, second = bench.submit(1), bench.submit(2)
    bench.wait.ends = [(4.0, lambda request: request.succeed())]
    began = bench.clock.now
    assert list(bench.delivery.drain(20.0)) == [Acknowledged(first)]
    assert bench.clock.now == began + 20
    assert [batch.marks for batch in bench.delivery.in_flight] == [second]


def test_draining_ends_with_a_failure_where_batches_are_read_again() -> None:
    """Nothing is in flight then."""
    bench = Bench()
    marks = bench.submit(1)
    bench.wait.ends = [(4.0, lambda request: request.fail())]
    assert list(bench.delivery.drain(20.0)) == [RolledBack((marks,))]
    assert bench.clock.now == 1004


def test_another_output_starts_as_available() -> None:
    """The one before it is closed."""
    bench = Bench()
    bench.submit(1)
    bench.output.requests[0].fail()
    bench.delivery.settle()
    other = ScriptedOutput(bench.clock)
    bench.delivery.replace_output(other)
    assert bench.output.closed
    assert bench.delivery.may_send(bench.clock.now)
    bench.submit(1)
    assert len(other.requests) == 1
