"""A model of the delivery loop: requests finish in any order and fail in any way, and the test moves the clock.

Whatever the order, batches are acknowledged as they were submitted, and each is acknowledged or rolled back exactly once.
"""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipper.delivery.in_flight import oldest_marks
from shipper.delivery.loop import Acknowledged, OnFailure, Postponed, Result, RolledBack
from shipper.metrics.catalogue import EVENTS, THROTTLED, WRITE_SECONDS, WRITES
from shipper.model.batch import INDEXED
from shipper.system.logging_setup import configure_own_log
from shipper_schemas.metrics import Distribution, SeriesKey
from tests.delivery.scripted import FakeClock, Marks, Request, ScriptedOutput, Wait, delivery_to, documents
from tests.examples import TIMES


@pytest.fixture(autouse=True)
def _quiet() -> None:
    configure_own_log("json", "error")


KEYS = ("a", "b", "c")
FIRST_S, MOST_S = 0.5, 30.0
"""Bounds of the backoff, repeated here: the model must not take them from the code."""
SECONDS = st.floats(0, 100, allow_nan=False)
ENDS: "st.SearchStrategy[Callable[[Request], None]]" = st.one_of(
    st.just(Request.succeed),
    st.floats(0, 60).map(lambda seconds: lambda request: request.fail(seconds)),
)


class DeliveryModel(RuleBasedStateMachine):
    """Batches, requests and time, as the module describes."""

    on_failure = OnFailure.ROLL_BACK

    @initialize(window=st.integers(1, 4), seed=st.integers(0, 1 << 16))
    def begin(self, window: int, seed: int) -> None:
        self.clock = FakeClock()
        self.output = ScriptedOutput(self.clock, window)
        self.wait = Wait(self.clock, self.output)
        self.delivery = delivery_to(self.output, self.clock, self.wait, self.on_failure)
        self.delivery.jitter = random.Random(seed)
        self.output.on_submit = self.check_sending
        self.submitted = 0
        self.tried = False
        """True once a request was sent after the last failure or roll-back."""
        self.sizes: dict[int, int] = {}
        self.offsets = dict.fromkeys(KEYS, 0)
        self.in_flight: list[Marks] = []
        self.acknowledged: list[int] = []
        self.rolled_back: list[int] = []
        self.failures = self.all_failures = self.throttled = 0
        self.retry_at = 0.0

    # --- actions of the sender and the output ---

    @rule(size=st.integers(0, 4), keys=st.sets(st.sampled_from(KEYS)))
    def submit(self, size: int, keys: set[str]) -> None:
        if not self.delivery.may_send(self.clock.now):
            return
        marks = Marks(self.submitted, {key: self.offsets[key] for key in keys})
        for key in keys:
            self.offsets[key] += 1
        self.submitted, self.sizes[marks.number] = self.submitted + 1, size
        self.in_flight.append(marks)
        self.delivery.submit(documents(size, marks.number), marks, Counter({INDEXED: size}))

    @rule()
    def submit_beyond_the_window(self) -> None:
        if len(self.in_flight) < self.output.window:
            return
        with pytest.raises(RuntimeError, match="window"):
            self.delivery.submit(documents(1), Marks(-1, {}), Counter())

    @precondition(lambda self: self.output.pending())
    @rule(which=st.integers(0, 8), duplicates=st.integers(0, 2), throttled=st.integers(0, 2))
    def succeed(self, which: int, duplicates: int, throttled: int) -> None:
        pending = self.output.pending()
        pending[which % len(pending)].succeed(duplicates=duplicates, throttled=throttled)

    @precondition(lambda self: self.output.pending())
    @rule(which=st.integers(0, 8), retry_after=st.sampled_from([0.0, 0.0, 7.0, 100.0]))
    def fail(self, which: int, retry_after: float) -> None:
        pending = self.output.pending()
        pending[which % len(pending)].fail(retry_after)

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def pass_the_delay(self) -> None:
        self.clock.now = max(self.clock.now, self.delivery.state.retry_at)

    @rule(times=st.integers(1, 12))
    def stay_unavailable(self, times: int) -> None:
        """Fail until the delay reaches its bound."""
        for _ in range(times):
            self.pass_the_delay()
            self.settle()
            if not self.in_flight:
                self.submit(1, {"a"})
            for request in self.output.pending():
                request.fail()
            self.settle()

    @rule()
    def pause_and_go_on(self) -> None:
        self.delivery.paused = True
        assert not self.delivery.may_send(self.clock.now)
        self.delivery.paused = False

    @precondition(lambda self: self.in_flight)
    @rule(seconds=SECONDS)
    def wait_for_the_oldest(self, seconds: float) -> None:
        began = self.clock.now
        self.delivery.wait_oldest(seconds)
        assert self.clock.now - began <= seconds + 1e-6

    # --- actions of the loop ---

    @rule()
    def settle(self) -> None:
        while (result := self.delivery.settle()) is not None:
            self.apply(result)
        assert not self.delivery.can_settle()

    @rule(grace=SECONDS, ends=st.lists(st.tuples(st.floats(0, 20), ENDS), max_size=6))
    def drain(self, grace: float, ends: "list[tuple[float, Callable[[Request], None]]]") -> None:
        end, self.wait.ends = self.clock.now + grace, ends
        for result in self.delivery.drain(grace):
            self.apply(result)
        assert self.clock.now <= end + 1e-6
        assert not self.in_flight or self.clock.now >= end - 1e-6
        self.wait.ends = []

    @precondition(lambda self: self.on_failure is OnFailure.ROLL_BACK)
    @rule()
    def roll_back(self) -> None:
        self.mark_rolled_back(self.delivery.roll_back().marks)
        self.tried = False

    # --- expectations ---

    def check_sending(self) -> None:
        """Expect no request before its delay is over, and one at a time while the output is unavailable."""
        if self.failures:
            assert self.clock.now >= self.retry_at
            assert not self.tried
        self.tried = True

    def apply(self, result: Result[Marks]) -> None:
        match result:
            case Acknowledged(marks):
                assert marks == self.in_flight.pop(0), "out of order"
                self.acknowledged.append(marks.number)
                self.check_stored(marks.number)
            case RolledBack(batches):
                assert self.on_failure is OnFailure.ROLL_BACK
                self.check_delay()
                self.mark_rolled_back(batches)
            case Postponed():
                assert self.on_failure is OnFailure.RESEND
                self.check_delay()

    def check_stored(self, number: int) -> None:
        """Expect that a batch with documents is acknowledged after its own request, which alone ends an outage."""
        if self.sizes[number] == 0:
            return
        request = self.request_of(number)
        assert request.future.done()
        assert not failed(request)
        self.failures, self.retry_at = 0, 0.0
        assert self.delivery.state.error is None

    def request_of(self, number: int) -> Request:
        """Return the last request for a batch."""
        return next(request for request in reversed(self.output.requests) if request.documents[0].time_ms == number)

    def check_delay(self) -> None:
        """Expect full jitter below a bound that doubles, and at least the delay that the output demands."""
        demanded = wanted(self.request_of(self.in_flight[0].number))
        delay, longest = self.delivery.state.retry_at - self.clock.now, min(MOST_S, FIRST_S * 2**self.failures)
        assert demanded - 1e-9 <= delay <= max(longest, demanded) + 1e-9
        self.failures, self.tried = self.failures + 1, False
        self.all_failures += 1
        self.retry_at = self.delivery.state.retry_at
        assert self.delivery.state.error == "connection refused"

    def mark_rolled_back(self, batches: tuple[Marks, ...]) -> None:
        assert list(batches) == self.in_flight
        oldest = {
            key: min(batch.before[key] for batch in batches if key in batch.before)
            for key in KEYS
            if any(key in batch.before for batch in batches)
        }
        assert oldest_marks(batch.before for batch in batches) == oldest
        self.offsets |= oldest  # the sender reads again from there
        self.rolled_back += [batch.number for batch in batches]
        self.in_flight = []

    @invariant()
    def balances(self) -> None:
        if not hasattr(self, "delivery"):
            return
        assert [batch.marks for batch in self.delivery.in_flight] == self.in_flight
        assert len(self.in_flight) <= self.output.window
        ended = self.acknowledged + self.rolled_back
        assert len(set(ended)) == len(ended), "twice"
        assert self.submitted == len(ended) + len(self.in_flight)
        assert self.acknowledged == sorted(self.acknowledged)

    @invariant()
    def counts_each_request_once(self) -> None:
        if not hasattr(self, "delivery"):
            return
        finished = sum(self.sizes[number] > 0 for number in self.acknowledged)
        events = sum(self.sizes[number] for number in self.acknowledged)
        assert self.value((WRITES.name, ("ok",))) == finished
        assert self.value((WRITES.name, ("unavailable",))) == self.all_failures
        assert self.value((WRITE_SECONDS.name, ())) == finished
        counted = sum(self.value((EVENTS.name, (outcome,))) for outcome in self.delivery.outcomes())
        assert counted == events == sum(self.delivery.outcomes().values())
        assert self.value((THROTTLED.name, ())) <= sum(throttled(request) for request in self.output.requests)

    def value(self, key: SeriesKey) -> float:
        value = self.delivery.ledger.changes().get(key, 0.0)
        return sum(value.counts) if isinstance(value, Distribution) else value

    def teardown(self) -> None:
        """Expect that everything in flight is acknowledged once the output is available again."""
        if not hasattr(self, "delivery"):
            return
        self.settle()
        for _ in range(3 * self.output.window):
            for request in self.output.pending():
                request.succeed()
            self.clock.now = max(self.clock.now, self.delivery.state.retry_at)
            self.settle()
        assert not self.in_flight
        self.balances()
        self.counts_each_request_once()
        assert self.delivery.state.error is None or self.failures > 0
        if self.on_failure is OnFailure.RESEND:
            assert self.acknowledged == list(range(self.submitted))


def failed(request: Request) -> bool:
    """Return True if a finished request failed."""
    return request.future.exception() is not None


def wanted(request: Request) -> float:
    """Return the seconds that a failed request demands to wait."""
    error = request.future.exception() if request.future.done() else None
    return 0.0 if error is None else float(getattr(error, "retry_after", 0.0))


def throttled(request: Request) -> int:
    """Return the number of times a stored request was throttled."""
    return request.future.result().throttled if request.future.done() and not failed(request) else 0


class ResendingModel(DeliveryModel):
    """The same for a sender that cannot read a batch again."""

    on_failure = OnFailure.RESEND


TestRollingBack = DeliveryModel.TestCase
TestRollingBack.settings = settings(max_examples=30 * TIMES, stateful_step_count=30, deadline=None)
TestResending = ResendingModel.TestCase
TestResending.settings = settings(max_examples=30 * TIMES, stateful_step_count=30, deadline=None)
