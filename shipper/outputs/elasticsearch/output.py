"""The Elasticsearch output: sends batches as bulk requests and handles the result of each document.

Each batch is sent in a worker thread, in requests bounded by bytes. Documents that the server cannot store now are
retried, with full jitter and no earlier than `Retry-After`. Rejected documents go to the quarantine index with the
reason; those that the quarantine rejects too become dead letters. Ids make all of it idempotent.
"""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from shipper.model.batch import Written
from shipper.model.documents import Document, indices_of
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.elasticsearch.answers import (
    Answer,
    cause_in,
    reason_in,
    retry_after,
    unavailable,
    unexpected_response,
)
from shipper.outputs.elasticsearch.bulk import (
    BAD_REQUEST,
    RESPONSE_FIELDS,
    TOO_LARGE,
    TOO_MANY,
    AllStored,
    MalformedResponse,
    Outcome,
    Request,
    Target,
    Verdict,
    rejection,
    requests,
    verdicts,
)
from shipper.outputs.elasticsearch.connection import Connection
from shipper.outputs.elasticsearch.template_check import TemplateCheck
from shipper.outputs.worker_threads import Workers
from shipper.system.backoff import Backoff
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ShipperError
from shipper.system.own_log import own_log
from shipper_processors.route import is_daily
from shipper_processors.times import format_ms
from shipper_schemas.quarantine import KEYS
from shipper_schemas.violation import Kind, Violation

BULK = f"_bulk?filter_path={RESPONSE_FIELDS}"
PROVENANCE = ("stream", "container", "kubernetes", "service", "host", "log")
DAY_LENGTH = len("-YYYY.MM.dd")
GATEWAY_ERRORS = (502, 503, 504)
BUSY = (TOO_MANY, *GATEWAY_ERRORS)
SMALLEST_LIMIT = 16 * 1024
"""The smallest request limit; a server that rejects even that as too large cannot be written to."""
BACKOFF = Backoff(first=0.1, most=10.0)
CLOSE_WAIT_S = 2.0


@dataclass(slots=True)
class SendState:
    """Progress of one batch while it is sent."""

    limit: int
    """Maximum bytes of a request; halved if the server is overloaded."""
    failures: int = 0
    """Number of abandoned batches when this one started."""
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    retried: int = 0
    throttled: int = 0
    duplicate_entries: int = 0
    refused_entries: int = 0
    pause: float = 0.0
    """Seconds to wait before the next retry, from `Retry-After`."""
    reason: str = ""
    quarantined: dict[tuple[str, bytes], str] = field(default_factory=dict)
    """Quarantine documents for rejected ones, with the reason; counted as refused."""

    def written(self) -> Written:
        """The counts of this batch."""
        return Written(
            self.stored, self.duplicates, self.refused, self.retried, self.throttled,
            self.duplicate_entries, self.refused_entries,
        )  # fmt: skip


class ElasticsearchOutput:
    """Writes documents with `_bulk`, several batches at once. `submit` may be called from one thread only."""

    def __init__(  # noqa: PLR0913 -- wired in one place
        self,
        url: str,
        connection: Connection,
        template_check: TemplateCheck,
        dead_letters: DeadLetters,
        *,
        quarantine_prefix: str,
        target: Target = str,
        window: int = 4,
        request_bytes: int = 5 * 1024 * 1024,
        retry_for: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        """Does no I/O: a server that is unavailable now may be available at the first write."""
        self.url = url
        self.window = window
        self._connection = connection
        self._template_check = template_check
        self._dead_letters = dead_letters
        self._quarantine_prefix = quarantine_prefix
        self._target = target
        self._request_bytes = request_bytes
        self._retry_for = retry_for
        self._clock = clock or Clock()
        self._jitter = random.Random()  # noqa: S311 -- spreads retries, guards nothing
        self._closing = threading.Event()
        self._failures = 0
        """Number of abandoned batches: with one of them, the agent abandons all batches in flight."""
        self._workers: Workers[Sequence[Document], Written] = Workers(window, self._write, "elasticsearch")
        self._log = own_log("shipper.elasticsearch")

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Queue `documents`; the future completes once each is stored, or fails with OutputUnavailable."""
        return self._workers.submit(documents)

    def close(self) -> None:
        """Abandon batches in flight: the next start resends them with the same ids."""
        self._closing.set()
        self._workers.close(CLOSE_WAIT_S)
        self._connection.close()

    def _write(self, documents: Sequence[Document]) -> Written:
        """Call `write`; turn unexpected errors into OutputUnavailable, so that a bug does not end the agent."""
        try:
            return self.write(documents)
        except ShipperError:
            self._failures += 1
            raise
        except Exception as error:
            self._failures += 1
            self._log.exception("output_failed")
            what = f"internal error while writing to {self.url}: {type(error).__name__}: {error}"
            raise OutputUnavailable(what, "report it as a bug, with the log", resumes=True) from error

    def write(self, documents: Sequence[Document]) -> Written:
        """Store all `documents`, in the index or in the quarantine. Raises OutputUnavailable."""
        state = SendState(self._request_bytes, self._failures)
        deadline = self._clock.monotonic() + self._retry_for
        pending, attempt = documents, 0
        while pending:
            self._template_check.check({self._target(index) for index in indices_of(pending)})
            before = state.retried
            pending = [
                again
                for request in requests(pending, state.limit, self._target)
                for again in self._send(request, state)
            ]
            if state.retried > before:
                attempt += 1
                self._pause(state, attempt, deadline, len(pending))
        return state.written()

    def _pause(self, state: SendState, attempt: int, deadline: float, waiting: int) -> None:
        pause, state.pause = BACKOFF.delay(attempt, self._jitter, state.pause), 0.0
        late = self._clock.monotonic() + pause > deadline or self._closing.wait(pause)
        if late or self._failures > state.failures:
            what = f"{self.url} did not accept {waiting:,} documents: {state.reason}"
            raise OutputUnavailable(what, retry_after=pause, resumes=True)

    def _send(self, request: Request, state: SendState) -> Iterator[Document]:
        """Send one request and process the response; yields the documents to retry."""
        answer = self._request(request)
        if not answer.succeeded:
            yield from self._handle_rejected_request(request, answer, state)
            return
        all_stored = AllStored.read(answer.data)
        if all_stored == AllStored(len(request.documents)) and not state.quarantined:
            state.stored += len(request.documents)
            return
        items = all_stored or answer.body()
        for document, verdict in zip(request.documents, self._verdicts(request, items), strict=True):
            yield from self._apply(document, verdict, state)

    def _request(self, request: Request) -> Answer:
        """The response: of success, or one that rejects or postpones the whole request."""
        try:
            answer = self._connection.bulk(f"/{quote(request.default, safe='')}/{BULK}", request.body)
        except OutputUnavailable:
            self._template_check.reset()
            raise
        if answer.status in GATEWAY_ERRORS:
            self._template_check.reset()  # the server that comes back may be another one, or empty
        if not (answer.succeeded or answer.status in (BAD_REQUEST, TOO_LARGE, *BUSY)):
            raise unavailable(self.url, answer.status, answer.headers, answer.body())
        return answer

    def _verdicts(self, request: Request, answer: object) -> list[Verdict]:
        try:
            results = verdicts(request, answer)
        except MalformedResponse as error:
            raise unexpected_response(self.url, str(error)) from error
        for verdict in results:
            self._require_not_blocked(verdict)
        self._require_own_fault(request, results)
        return results

    def _require_own_fault(self, request: Request, results: Sequence[Verdict]) -> None:
        """Raise OutputUnavailable if documents were rejected for the mapping of their index, not for themselves."""
        rejecting = {
            self._target(document.index)
            for document, verdict in zip(request.documents, results, strict=True)
            if verdict.outcome is Outcome.REJECTED
        }
        if rejecting:
            self._template_check.check_again(rejecting)

    def _require_not_blocked(self, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.BLOCKED:
            what = f"{self.url} cannot store documents now: {verdict.reason}"
            raise OutputUnavailable(what, verdict.hint, resumes=True)

    def _require_request_fault(self, request: Request, answer: Answer) -> None:
        """Raise OutputUnavailable if the documents are not the cause of a 400 or 413 of a whole request."""
        body = answer.body()
        cause, single = cause_in(body), len(request.documents) == 1
        if cause is not None:
            self._require_not_blocked(rejection(answer.status, cause))
        elif answer.status == BAD_REQUEST:
            raise unexpected_response(self.url, f"{BAD_REQUEST} {reason_in(body)}")
        if answer.status == TOO_LARGE and single and len(request.body) <= SMALLEST_LIMIT:
            what = f"{self.url} rejects a request of {len(request.body):,} bytes as too large"
            limits = "http.max_content_length, or the limit of a proxy in between,"
            raise OutputUnavailable(what, f"raise {limits} to elasticsearch.request_bytes", resumes=True)

    def _handle_rejected_request(self, request: Request, answer: Answer, state: SendState) -> Iterator[Document]:
        """Retry later with smaller requests if the server is busy; split a too large or malformed request now."""
        status = answer.status
        if status not in BUSY:
            self._require_request_fault(request, answer)
        reason = f"{status} {reason_in(answer.body())}"
        if status in BUSY:
            state.reason = reason
            state.throttled += status == TOO_MANY
            state.pause = max(state.pause, retry_after(answer.headers, self._clock))
            state.retried += len(request.documents)
            state.limit = max(SMALLEST_LIMIT, min(state.limit, len(request.body)) // 2)
            yield from request.documents
        elif len(request.documents) == 1:
            self._template_check.check_again({self._target(request.documents[0].index)})
            yield from self._apply(request.documents[0], Verdict(Outcome.REJECTED, reason), state)
        else:
            middle = len(request.documents) // 2
            for half in (request.documents[:middle], request.documents[middle:]):
                for part in requests(half, state.limit, self._target):
                    yield from self._send(part, state)

    def _apply(self, document: Document, verdict: Verdict, state: SendState) -> Iterator[Document]:
        """Count the result of one document; yields the document to send next in its place, if any."""
        key = (document.index, document.id)
        if verdict.outcome is Outcome.RETRY:
            state.reason = verdict.reason
            state.throttled += verdict.throttled
            state.retried += 1
            yield document
        elif verdict.outcome is Outcome.REJECTED:
            yield from self._quarantine_rejected(document, verdict.reason, state)
        elif key in state.quarantined:
            state.refused += 1
        elif verdict.outcome is Outcome.DUPLICATE:
            state.duplicates += 1
            state.duplicate_entries += is_daily(document.index, self._quarantine_prefix)
        else:
            state.stored += 1

    def _quarantine_rejected(self, document: Document, reason: str, state: SendState) -> Iterator[Document]:
        """Yield the quarantine document for a rejected one; write a dead letter if the quarantine rejected it."""
        if not is_daily(document.index, self._quarantine_prefix):
            entry = quarantine_document(document, self._quarantine_prefix, reason)
            state.quarantined[entry.index, entry.id] = reason
            yield entry
            return
        self._dead_letters.add(document, reason)
        self._log.error("dead_letter", id=document.id.hex(), index=document.index, reason=reason)
        state.refused += 1
        state.refused_entries += (document.index, document.id) not in state.quarantined


def quarantine_document(document: Document, prefix: str, reason: str) -> Document:
    """Quarantine document of one that its index rejected: the rejected document as text, and the reason."""
    body = orjson.loads(document.body)
    kept = {name: value for name in KEYS if isinstance(value := body.get(name), str)}
    kept |= {name: body[name] for name in PROVENANCE if name in body}
    violation = Violation(Kind.REFUSED_BY_INDEX, None, reason)
    raw = document.body.decode()
    rejected = {
        "@timestamp": format_ms(document.time_ms),
        "reasons": [violation.as_note()],
        "raw": raw,
        "index": document.index,
    }
    try:
        encoded = orjson.dumps({**rejected, **kept})
    except TypeError:  # nested too deeply to encode; `raw` contains it anyway
        encoded = orjson.dumps(rejected)
    day = document.index[-DAY_LENGTH:]
    return document._replace(index=f"{prefix}{day}", text=raw, body=encoded)
