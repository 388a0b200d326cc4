"""The Elasticsearch output: batches become bulk requests, every document is judged alone.

The way of a batch, in a thread of its own: requests bounded by bytes; each answer judged; what the server could not
take now is sent again, with full jitter and no earlier than it asked for; what it will never take goes to the
quarantine index with its reason, and what that refuses too becomes a dead letter. Ids make all of it idempotent.
"""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import elastic_transport
import orjson
import structlog
from elasticsearch import ApiError, Elasticsearch

from shipper.model.batch import Written
from shipper.model.documents import Document, indices_of
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.elasticsearch.bulk import (
    ANSWER_FIELDS,
    BAD_REQUEST,
    TOO_LARGE,
    TOO_MANY,
    AllStored,
    Garbled,
    Judged,
    Request,
    Target,
    Verdict,
    refusal,
    requests,
    verdicts,
)
from shipper.outputs.elasticsearch.client import cause_of, no_sense, reason_of, retry_after, translated
from shipper.outputs.elasticsearch.template_check import Guard
from shipper.outputs.worker_threads import Workers, without_frames
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ShipperError
from shipper_processors.route import is_daily
from shipper_processors.times import format_ms
from shipper_schemas.violation import Kind, Violation

HEADERS = {"accept": "application/json", "content-type": "application/x-ndjson"}
PROVENANCE = ("stream", "container", "kubernetes", "service", "host", "log")
DAY_LENGTH = len("-YYYY.MM.dd")
AWAY = (502, 503, 504)
BUSY = (TOO_MANY, *AWAY)
LEAST_BYTES = 16 * 1024
"""The smallest limit of a request; a server that finds even that too large takes no events at all."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
CLOSE_WAIT_S = 2.0


@dataclass(slots=True)
class Sending:
    """One batch while it is sent."""

    limit: int
    """Bytes a request may have; halved where the server says that it is too much."""
    failures: int = 0
    """Batches that had been given up when this one began."""
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    retried: int = 0
    throttled: int = 0
    duplicate_entries: int = 0
    refused_entries: int = 0
    pause: float = 0.0
    """Seconds that the server asked for before anything is sent again."""
    reason: str = ""
    aside: dict[tuple[str, bytes], str] = field(default_factory=dict)
    """Quarantine documents that stand for refused ones, with the reason: they are counted as refused."""

    def written(self) -> Written:
        """What it came to."""
        return Written(
            self.stored, self.duplicates, self.refused, self.retried, self.throttled,
            self.duplicate_entries, self.refused_entries,
        )  # fmt: skip


class ElasticsearchOutput:
    """Writes documents with `_bulk`, several batches at once. `submit` may be called from one thread."""

    def __init__(  # noqa: PLR0913 -- wired in one place
        self,
        url: str,
        client: Elasticsearch,
        guard: Guard,
        dead_letters: DeadLetters,
        *,
        quarantine_prefix: str,
        target: Target = str,
        window: int = 4,
        request_bytes: int = 5 * 1024 * 1024,
        retry_for: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        """Touches nothing yet: a server that is away now may be there when something is written."""
        self.url = url
        self.window = window
        self._client = client
        self._guard = guard
        self._dead_letters = dead_letters
        self._quarantine_prefix = quarantine_prefix
        self._target = target
        self._request_bytes = request_bytes
        self._retry_for = retry_for
        self._clock = clock or Clock()
        self._jitter = random.Random()  # noqa: S311 -- spreads retries, guards nothing
        self._closing = threading.Event()
        self._failures = 0
        """Batches that were given up: with one of them the agent gives up all that are on their way."""
        self._workers: Workers[Sequence[Document], Written] = Workers(window, self._write, "elasticsearch")
        self._log = structlog.get_logger("shipper.elasticsearch")

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Send `documents` on their way; the result comes when each is stored, or OutputUnavailable."""
        return self._workers.submit(documents)

    def close(self) -> None:
        """Give up what is on its way: it is sent again at the next start, under the same ids."""
        self._closing.set()
        self._workers.close(CLOSE_WAIT_S)
        self._client.close()

    def _write(self, documents: Sequence[Document]) -> Written:
        """`write`, whose every failure can be tried again: an error of ours must not end the agent."""
        try:
            return self.write(documents)
        except ShipperError:
            self._failures += 1
            raise
        except Exception as error:
            self._failures += 1
            self._log.exception("output_failed")
            what = f"the output failed on an answer of {self.url} with {type(error).__name__}: {error}"
            raise OutputUnavailable(what, "please report it with the log", resumes=True) from error

    def write(self, documents: Sequence[Document]) -> Written:
        """Store all `documents`, in the index or in the quarantine. Raises OutputUnavailable."""
        sending = Sending(self._request_bytes, self._failures)
        deadline = self._clock.monotonic() + self._retry_for
        pending, attempt = documents, 0
        while pending:
            self._guard.check({self._target(index) for index in indices_of(pending)})
            before = sending.retried
            pending = [
                again
                for request in requests(pending, sending.limit, self._target)
                for again in self._send(request, sending)
            ]
            if sending.retried > before:
                attempt += 1
                self._pause(sending, attempt, deadline, len(pending))
        return sending.written()

    def _pause(self, sending: Sending, attempt: int, deadline: float, waiting: int) -> None:
        jittered = self._jitter.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt))
        pause, sending.pause = max(jittered, sending.pause), 0.0
        late = self._clock.monotonic() + pause > deadline or self._closing.wait(pause)
        if late or self._failures > sending.failures:
            what = f"{self.url} did not take {waiting:,} documents: {sending.reason}"
            raise OutputUnavailable(what, retry_after=pause, resumes=True)

    def _send(self, request: Request, sending: Sending) -> Iterator[Document]:
        """Send one request and judge the answer; gives the documents that have to be sent again."""
        answer = self._ask(request)
        if isinstance(answer, ApiError):
            yield from self._refused_as_a_whole(request, answer, sending)
            return
        if answer == AllStored(len(request.documents)) and not sending.aside:
            sending.stored += len(request.documents)
            return
        for document, verdict in zip(request.documents, self._judged(request, answer), strict=True):
            yield from self._settle(document, verdict, sending)

    def _ask(self, request: Request) -> object:
        """The answer's body, or the refusal of the whole request where it may be the request's own fault."""
        with translated(self.url):
            try:
                return self._client.perform_request(
                    "POST",
                    f"/{request.default}/_bulk",
                    params={"filter_path": ANSWER_FIELDS},
                    headers=HEADERS,
                    body=request.body,
                ).body
            except ApiError as error:
                if error.meta.status in AWAY:
                    self._guard.forget()  # what comes back may be another server, or an emptied one
                if error.meta.status not in (BAD_REQUEST, TOO_LARGE, *BUSY):
                    raise
                without_frames(error)
                return error
            except elastic_transport.TransportError:
                self._guard.forget()
                raise

    def _judged(self, request: Request, answer: object) -> list[Verdict]:
        try:
            found = verdicts(request, answer)
        except Garbled as error:
            raise no_sense(self.url, str(error)) from error
        for verdict in found:
            self._require_allowed(verdict)
        return found

    def _require_allowed(self, verdict: Verdict) -> None:
        if verdict.judged is Judged.NOT_ALLOWED:
            what = f"{self.url} does not take documents now: {verdict.reason}"
            raise OutputUnavailable(what, verdict.hint, resumes=True)

    def _require_own_fault(self, request: Request, error: ApiError) -> None:
        """Raise OutputUnavailable where a 400 or 413 of a whole request is no fault of what it holds."""
        cause, single = cause_of(error), len(request.documents) == 1
        if cause is not None:
            self._require_allowed(refusal(error.meta.status, cause))
        elif error.meta.status == BAD_REQUEST:
            raise no_sense(self.url, f"{BAD_REQUEST} {reason_of(error)}") from error
        if error.meta.status == TOO_LARGE and single and len(request.body) <= LEAST_BYTES:
            what = f"{self.url} finds a request of {len(request.body):,} bytes too large"
            limits = "http.max_content_length, or the limit of the proxy in between"
            raise OutputUnavailable(what, f"raise {limits}, to elasticsearch.request_bytes", resumes=True) from error

    def _refused_as_a_whole(self, request: Request, error: ApiError, sending: Sending) -> Iterator[Document]:
        """A busy server gets smaller requests later; a request it finds too large or malformed is halved at once."""
        if error.meta.status not in BUSY:
            self._require_own_fault(request, error)
        status = error.meta.status
        reason = f"{status} {reason_of(error)}"
        if status in BUSY:
            sending.reason = reason
            sending.throttled += status == TOO_MANY
            sending.pause = max(sending.pause, retry_after(error.meta.headers, self._clock))
            sending.retried += len(request.documents)
            sending.limit = max(LEAST_BYTES, min(sending.limit, len(request.body)) // 2)
            yield from request.documents
        elif len(request.documents) == 1:
            yield from self._settle(request.documents[0], Verdict(Judged.REFUSED, reason), sending)
        else:
            middle = len(request.documents) // 2
            for half in (request.documents[:middle], request.documents[middle:]):
                for part in requests(half, sending.limit, self._target):
                    yield from self._send(part, sending)

    def _settle(self, document: Document, verdict: Verdict, sending: Sending) -> Iterator[Document]:
        """Note what became of one document; gives what has to be sent in its place, if anything."""
        key = (document.index, document.id)
        if verdict.judged is Judged.AGAIN:
            sending.reason = verdict.reason
            sending.throttled += verdict.throttled
            sending.retried += 1
            yield document
        elif verdict.judged is Judged.REFUSED:
            yield from self._put_aside(document, verdict.reason, sending)
        elif key in sending.aside:
            sending.refused += 1
        elif verdict.judged is Judged.DUPLICATE:
            sending.duplicates += 1
            sending.duplicate_entries += is_daily(document.index, self._quarantine_prefix)
        else:
            sending.stored += 1

    def _put_aside(self, document: Document, reason: str, sending: Sending) -> Iterator[Document]:
        """A refused document goes to the quarantine; one that the quarantine refuses becomes a dead letter."""
        if not is_daily(document.index, self._quarantine_prefix):
            quarantined = in_quarantine(document, self._quarantine_prefix, reason)
            sending.aside[quarantined.index, quarantined.id] = reason
            yield quarantined
            return
        self._dead_letters.add(document, reason)
        self._log.error("dead_letter", id=document.id.hex(), index=document.index, reason=reason)
        sending.refused += 1
        sending.refused_entries += (document.index, document.id) not in sending.aside


def in_quarantine(document: Document, prefix: str, reason: str) -> Document:
    """What the quarantine holds of a document that its index refused: the document itself as text, and the reason."""
    body = orjson.loads(document.body)
    kept = {name: body[name] for name in PROVENANCE if name in body}
    violation = Violation(Kind.REFUSED_BY_INDEX, None, reason)
    raw = document.body.decode()
    refused = {
        "@timestamp": format_ms(document.time_ms),
        "reasons": [violation.as_note()],
        "raw": raw,
        "index": document.index,
    }
    try:
        encoded = orjson.dumps({**refused, **kept})
    except TypeError:  # nested deeper than it can be written again: `raw` holds it all the same
        encoded = orjson.dumps(refused)
    day = document.index[-DAY_LENGTH:]
    return document._replace(index=f"{prefix}{day}", event=None, level=None, text=raw, body=encoded)
