"""The delivery loop: batches in flight, acknowledged in submission order, rolled back or retried, drained.

The node agent, the Kafka indexer and replay own one `Delivery` each. They define the content and the marks of a batch;
this module decides when it is sent, acknowledged and retried.
See docs/decisions/0020-one-delivery-loop.md.
"""

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic

from shipper.delivery import request_metrics
from shipper.delivery.availability import Availability, after_failure
from shipper.delivery.in_flight import Arrival, InFlight, Marks
from shipper.metrics.registry import Ledger
from shipper.model.batch import OUTCOMES, Tally, Written, final_outcomes
from shipper.model.documents import Document
from shipper.outputs.base import Output, completed
from shipper.system.backoff import Backoff
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, hint_while_running
from shipper.system.own_log import own_log
from shipper.system.shutdown import StopEvent


class OnFailure(Enum):
    """The fate of the batches in flight when the output is unavailable."""

    ROLL_BACK = "roll back"
    """All are rolled back: their sender reads them again from their marks."""
    RESEND = "resend"
    """They stay, and failed batches are retried unchanged: their sender cannot read them again."""


@dataclass(frozen=True, slots=True)
class Acknowledged(Generic[Marks]):
    """The oldest batch is stored: its marks may be committed."""

    marks: Marks


@dataclass(frozen=True, slots=True)
class RolledBack(Generic[Marks]):
    """Batches that are no longer in flight and not acknowledged."""

    marks: tuple[Marks, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """The oldest batch failed and is retried later."""


Result = Acknowledged[Marks] | RolledBack[Marks] | Postponed
"""Result of settling one batch."""


def wait_for(request: Future[Written] | None, seconds: float) -> None:
    """Wait up to `seconds` until `request` is finished; without a request, wait the full time."""
    if request is None:
        time.sleep(seconds)
    else:
        futures.wait([request], timeout=seconds)


@dataclass(slots=True)
class Delivery(Generic[Marks]):
    """Sends one sender's batches to its output. For one thread."""

    output: Output
    ledger: Ledger
    clock: Clock
    on_failure: OnFailure = OnFailure.ROLL_BACK
    backoff: Backoff = field(default_factory=Backoff)
    jitter: random.Random = field(default_factory=random.Random)
    wait: Callable[[Future[Written] | None, float], None] = wait_for
    """The only call that waits."""
    state: Availability = field(default_factory=Availability)
    paused: bool = False
    """True to read nothing new for sending until all batches are settled; the open batch may still be submitted."""
    in_flight: deque[InFlight[Marks]] = field(default_factory=deque)
    """Oldest first: batches are acknowledged in this order."""
    ended: Counter[str] = field(default_factory=Counter)
    """Acknowledged events since the start by outcome."""
    _log: Any = field(default_factory=lambda: own_log("shipper.delivery"))

    # --- sending ----------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Return True if the window allows one more batch."""
        return len(self.in_flight) < self.output.window

    def may_send(self, now: float) -> bool:
        """Return True if a batch may be sent at `now`; an unavailable output is tried with one batch at a time."""
        if self.paused:
            return False
        if self.state.error is None:
            return self.has_room()
        return now >= self.state.retry_at and not self.in_flight

    def submit(
        self, documents: Sequence[Document], marks: Marks, events: Counter[str], lines: Counter[str] | None = None
    ) -> None:
        """Send a batch; one without documents needs no request. Raises RuntimeError if the window is full."""
        if not self.has_room():
            raise RuntimeError(f"{len(self.in_flight)} batches in flight, the window of {self.output.url} is full")
        now, arrival = self.clock.monotonic(), Arrival(self.clock)
        request = self._request(documents, arrival)
        kept = documents if self.on_failure is OnFailure.RESEND else None
        self.in_flight.append(InFlight(request, marks, events, lines or Counter(), now, arrival, kept))

    def _request(self, documents: Sequence[Document], arrival: Arrival) -> Future[Written]:
        if not documents:
            return completed(Written(0, 0))
        request = self.output.submit(documents)
        request.add_done_callback(arrival.note)
        return request

    # --- settling ---------------------------------------------------------------------------------

    def can_settle(self) -> bool:
        """Return True if the request of the oldest batch is finished."""
        return bool(self.in_flight) and self.in_flight[0].finished() is not None

    def settle(self) -> Result[Marks] | None:
        """Settle the oldest batch if its request is finished; call it until it returns None.

        It settles one batch per call, so that a sender can commit each with its own counters.
        """
        self._resend()
        request = self.in_flight[0].finished() if self.in_flight else None
        if request is None:
            return None
        failure = request.exception()
        if isinstance(failure, OutputUnavailable):  # raising it would keep this frame alive, and the batch with it
            return self._failed(failure)
        return self._succeeded(request.result())

    def raise_unavailable(self) -> None:
        """Raise OutputUnavailable, with the hint for a command that ends now, if the output is unavailable."""
        if self.state.error is not None:
            raise OutputUnavailable(self.state.error, self.state.hint_to_rerun())

    def _succeeded(self, written: Written) -> Acknowledged[Marks]:
        batch = self.in_flight.popleft()
        events = final_outcomes(batch.events, written)
        self.ended += events
        self._record(request_metrics.acknowledged(batch, written, events))
        if batch.arrival.at is not None:  # a batch without documents does not show that the output is available
            self._available(batch.sent_at)
        return Acknowledged(batch.marks)

    def _failed(self, error: OutputUnavailable) -> RolledBack[Marks] | Postponed:
        now, before = self.clock.monotonic(), self.state
        if before.error is None:
            self._log.warning(
                "output_unavailable", output=self.output.url, error=error.what, hint=hint_while_running(error)
            )
        self._record(request_metrics.unavailable())
        self.state = after_failure(before, error, now, self.backoff, self.jitter)
        if self.on_failure is OnFailure.ROLL_BACK:
            return self.roll_back()
        self._withdraw_failed()
        return Postponed()

    def _available(self, since: float) -> None:
        before = self.state
        if before.error is not None:
            began = since if before.unavailable_since is None else before.unavailable_since
            self._log.info("output_available", output=self.output.url, unavailable_s=round(since - began, 1))
            self.state = Availability()
            self._withdraw_failed()

    def roll_back(self) -> RolledBack[Marks]:
        """Remove all batches from flight and return their marks."""
        rolled_back = RolledBack(tuple(batch.marks for batch in self.in_flight))
        self.in_flight.clear()
        return rolled_back

    def _withdraw_failed(self) -> None:
        """Mark failed batches for a retry: further failures of one outage are not counted as new ones."""
        for batch in self.in_flight:
            if batch.documents is not None and batch.failed():
                batch.request = None

    def _resend(self) -> None:
        """Retry withdrawn batches: the oldest once its delay is over, the others once it is acknowledged."""
        for batch in self.in_flight:
            if batch.request is not None or batch.documents is None:
                continue
            now = self.clock.monotonic()
            if self.state.error is not None and (batch is not self.in_flight[0] or now < self.state.retry_at):
                return
            batch.sent_at, batch.arrival = now, Arrival(self.clock)
            batch.request = self._request(batch.documents, batch.arrival)

    # --- waiting ----------------------------------------------------------------------------------

    def wait_oldest(self, seconds: float) -> None:
        """Wait up to `seconds` until the oldest request is finished or due for a retry."""
        request = self.in_flight[0].request if self.in_flight else None
        if self.in_flight and request is None:
            seconds = min(seconds, max(0.0, self.state.retry_at - self.clock.monotonic()))
        self.wait(request, seconds)

    def rest(self, seconds: float, stopping: StopEvent, readable: int | None = None, gather: float = 0.0) -> None:
        """Wait up to `seconds` until the oldest request is finished or, with none in flight, for a stop request.

        With none in flight, it also ends `gather` seconds after the descriptor `readable` is readable.
        """
        if self.in_flight and not stopping.is_set():
            self.wait_oldest(seconds)
        elif readable is not None:
            if stopping.wait_readable(readable, seconds):
                stopping.wait(min(gather, seconds))
        else:
            stopping.wait(seconds)

    def drain(self, grace: float) -> Iterator[Result[Marks]]:
        """Settle the batches in flight for up to `grace` seconds; the rest stays in flight."""
        end = self.clock.monotonic() + grace
        while self.in_flight and (left := end - self.clock.monotonic()) > 0:
            self.wait_oldest(left)
            while (result := self.settle()) is not None:
                yield result

    # --- recording --------------------------------------------------------------------------------

    def replace_output(self, output: Output) -> None:
        """Close the output and use another one, assumed available. Call it only with nothing in flight."""
        self.output.close()
        self.output, self.state = output, Availability()

    def outcomes(self) -> dict[str, int]:
        """Return the acknowledged events since the start by outcome."""
        return {outcome: self.ended[outcome] for outcome in OUTCOMES}

    def _record(self, tally: Tally) -> None:
        self.ledger.add(tally, self.clock.wall_ms() / 1000)
