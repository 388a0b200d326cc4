"""An output whose requests the test finishes, and a clock that the test moves: no threads, no waiting."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from shipper.delivery.loop import Delivery, OnFailure
from shipper.delivery.request_metrics import METRICS
from shipper.metrics.catalogue import LINES
from shipper.metrics.registry import Ledger
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable


class FakeClock(Clock):
    """Moves only when the test changes `now`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return int(self.now * 1e9)


@dataclass(frozen=True)
class Marks:
    """Number of a batch, and the offset before it by key."""

    number: int
    before: dict[str, int]


@dataclass
class Request:
    """A request that the test finishes."""

    documents: Sequence[Document]
    sent_at: float
    future: "Future[Written]" = field(default_factory=Future)

    def succeed(self, *, duplicates: int = 0, throttled: int = 0) -> None:
        """Store all documents, `duplicates` of which existed already."""
        duplicates = min(duplicates, len(self.documents))
        self.future.set_result(Written(len(self.documents) - duplicates, duplicates, 0, throttled, throttled))

    def fail(self, retry_after: float = 0.0) -> None:
        """Fail, with an unknown result for the documents."""
        self.future.set_exception(OutputUnavailable("connection refused", "start it", retry_after))


class ScriptedOutput:
    """Keeps requests until the test finishes them."""

    url = "scripted:"

    def __init__(self, clock: Clock, window: int = 3) -> None:
        self.clock, self.window, self.closed = clock, window, False
        self.requests: list[Request] = []
        self.on_submit: Callable[[], None] = lambda: None

    def submit(self, documents: Sequence[Document]) -> "Future[Written]":
        self.on_submit()
        self.requests.append(Request(documents, self.clock.monotonic()))
        return self.requests[-1].future

    def pending(self) -> list[Request]:
        """Return the requests that are not finished, oldest first."""
        return [request for request in self.requests if not request.future.done()]

    def of(self, future: "Future[Written] | None") -> Request | None:
        """Return the request of a future."""
        return next((request for request in self.requests if request.future is future), None)

    def close(self) -> None:
        self.closed = True


@dataclass
class Wait:
    """The waiting call: a wait takes its full time, unless the next scripted end comes first."""

    clock: FakeClock
    output: ScriptedOutput
    ends: list[tuple[float, Callable[[Request], None]]] = field(default_factory=list)
    """Seconds until the request that is waited for next ends, and its end."""

    def __call__(self, future: "Future[Written] | None", seconds: float) -> None:
        assert seconds >= 0
        request = self.output.of(future)
        if request is None or not self.ends or request.future.done():
            self.clock.now += 0.0 if request is not None and request.future.done() else seconds
            return
        after, end = self.ends[0]
        self.clock.now += min(after, seconds)
        if after <= seconds:
            self.ends.pop(0)
            end(request)
        else:
            self.ends[0] = (after - seconds, end)


def delivery_to(output: ScriptedOutput, clock: FakeClock, wait: Wait, on_failure: OnFailure) -> Delivery[Marks]:
    """Return a delivery with its own ledger."""
    ledger = Ledger({metric.name: metric for metric in (*METRICS, LINES)})
    return Delivery(output, ledger, clock, on_failure, wait=wait)


def documents(size: int, batch: int = 0) -> list[Document]:
    """Return the documents of one batch, whose number is their time."""
    return [Document("logs-2026.11.23", bytes(20), batch, None, None, None, None, None, b"{}") for _ in range(size)]
