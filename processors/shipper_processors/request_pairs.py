"""Match the two entries in which some loggers record one request: what was asked, and how it was answered.

Fastify logs `incoming request` with method and path, and `request completed` with the status; Rails `Started POST` and
`Completed 401`. Both carry the request's id. The first entry is remembered, as part of the partial state, until the
second one of the same log gives the status; the pair then counts as one request. What is remembered depends on the
lines and their runtime times alone.

A client may choose the id. Requests that are open under one id at the same time can be told apart only if they have the
same method and path. If they differ, failures are counted, each for a request that it can belong to, and successes are
not: no failed login hides behind another request, and no success is invented.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shipper_processors.access_log import decode_completed
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastBatch
from shipper_processors.field_values import status_of
from shipper_processors.normalise import is_usable_id
from shipper_processors.partial_state import Begun, OpenRequests, RequestState
from shipper_processors.payload import decode_payload
from shipper_processors.payload_split import may_hold_several, split_documents
from shipper_processors.request_paths import normalised_paths
from shipper_processors.text_heads import head_of
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Entry, Origin, Request
from shipper_schemas.field_sources import METHODS

Lines = TypeVar("Lines", Entry, Entry | FastBatch)
MOST_OPEN = 1024
"""Ids whose requests are remembered; beyond it the oldest is forgotten."""
MOST_UNANSWERED = 1024
"""Entries that begin a request, without one that answers, after which a log is taken for one that has no such pairs."""
LONGEST_WAIT_MS = 600_000
"""Longest time between the two entries, by the runtime's clock."""
MOST_DIFFERENT = 16
"""Requests with different methods or paths that are remembered under one id."""
LONGEST_PATH = 512
FIRST_FAILURE = 400
"""Smallest status of a failure."""
BEGINNING = re.compile(r'["=]\s?(?:get|post|put|patch|delete|head|options|connect|trace)\b', re.IGNORECASE | re.ASCII)
ANY_STATUS = re.compile(r"[:=]\s{0,8}\"?[1-5]\d\d(?!\d)", re.ASCII)
FINISHED = re.compile(
    r"(?:the )?(?:(?:http|incoming|outgoing)[ _.-]?)?"
    r"(?:(?:request|response|req|res|reply)[ _.:-]{0,2})?(?:was |is |has )?"
    r"(?:completed?|completion|finish(?:ed)?|end(?:ed)?|done|sent|handled|served|processed|response|reply)[.!]?",
    re.IGNORECASE | re.ASCII,
)
"""The whole message of an entry that answers a request, if it has no duration; others only mention a status."""
ANSWER = "request completed"
FIELDS = frozenset({"correlation_id", "method", "path", "status_code"})


@dataclass(frozen=True, slots=True)
class PairRules:
    """The steps that read an entry and decide what counts; one for all logs."""

    enforce: Enforce
    counting: Counting

    def of_log(self, origin: Origin) -> "RequestPairs | None":
        """Return the requests of one log; None if its application's requests do not count."""
        if origin.http_source != "structured":
            return None
        own = (name for name, _ in (*origin.fields, *self.enforce.own_paths))
        return RequestPairs(self, origin, reads_all=not FIELDS.isdisjoint(own))


@dataclass(slots=True)
class RequestPairs:
    """The open requests of one log."""

    rules: PairRules
    origin: Origin
    reads_all: bool = False
    """True if configured paths lead to the fields of a request, so that no text shows that it has none."""
    state: RequestState = field(default_factory=RequestState)

    @property
    def begins(self) -> bool:
        """True if entries that begin a request are remembered; False for a log that never answers one."""
        return self.state.unanswered < MOST_UNANSWERED

    def match(self, entries: Iterable[Lines]) -> Iterator[Lines]:
        """Yield the entries, those that answer a request with its method and path."""
        reads_all = self.reads_all
        for entry in entries:
            if type(entry) is Entry and (reads_all or may_be_part(entry.text)):
                yield self._matched(entry)
            else:
                yield entry

    def _matched(self, entry: Entry) -> Entry:
        if entry.broken is not None:
            return entry
        try:
            parts = split_documents(entry) if may_hold_several(entry.text) else [entry]
            answered = {at: request for at, part in enumerate(parts) if (request := self._add(part)) is not None}
        except Exception:  # noqa: BLE001 -- the pipeline reports an entry on which a step fails
            return entry
        return entry._replace(requests=answered) if answered else entry

    def _add(self, entry: Entry) -> Request | None:
        """Remember a request that an entry begins, or return the one that it answers."""
        event = self._event(entry)
        correlation_id = event.get("correlation_id")
        if not is_usable_id(correlation_id):
            return None
        method, path, status = event.get("method"), event.get("path"), status_of(event.get("status_code"))
        whole = isinstance(method, str) and isinstance(path, str)
        if (status is not None) == whole:
            return None  # it records a request alone, or none
        pid = event.get("pid")  # processes of one container may count their requests alike
        key = f"{correlation_id} {pid}" if type(pid) is int else str(correlation_id)
        if status is not None:
            return self._answered(key, status, event, entry.stream) if _is_answer(event) else None
        if self.begins:
            self._begin(key, str(method), str(path), entry.time)
        return None

    def _event(self, entry: Entry) -> dict[str, Any]:
        """Return the known fields of an entry that concern a request; nothing for most."""
        text = entry.text
        shape, fields, _ = decode_payload(text, cut=entry.cut is not None)
        if shape == "structured":
            if _is_whole(fields):
                return {}
            enforce = self.rules.enforce
            normaliser = enforce.normaliser_of(self.origin.fields) if self.origin.fields else enforce.normaliser
            return normaliser.normalise(fields).fields
        if shape != "text":
            return {}
        if "Completed " in text:
            head = head_of(text)
            return {**fields, **decode_completed(text, 0 if head is None else head.at)}
        return fields if "method" in fields else {}

    def _begin(self, key: str, method: str, path: str, time: str | None) -> None:
        state, now = self.state, parse_ms(time) if time is not None else None
        requests = state.open.pop(key, None) or OpenRequests([], 0, now)
        state.open[key] = requests
        state.unanswered += 1
        requests.pending, requests.since = requests.pending + 1, now
        method, path = self._counted(method, path)
        same = next((begun for begun in requests.begun if (begun.method, begun.path) == (method, path)), None)
        if same is not None:
            same.number += 1
        elif len(requests.begun) < MOST_DIFFERENT:
            requests.begun.append(Begun(method, path, 1))
            requests.mixed |= len(requests.begun) > 1
        self._forget(now)
        if not self.begins:
            state.open.clear()

    def _counted(self, method: str, path: str) -> tuple[str, str]:
        """Return method and path of a request that a rule may count, a long path in its shortest form; else nothing."""
        counting, paths = self.rules.counting, self.origin.paths
        if not counting.may_count_request(method, path, paths):
            return "", ""
        if len(path) > LONGEST_PATH and paths == "tolerant":
            forms = (form for form in normalised_paths(path) if counting.may_count_request(method, form, paths))
            path = min(forms, key=len, default=path)
        return (method, path) if len(path) <= LONGEST_PATH else ("", "")

    def _forget(self, now: int | None) -> None:
        """Forget the requests that have waited for too long, and the oldest beyond the bound."""
        requests = self.state.open
        while len(requests) > MOST_OPEN or (now is not None and _is_old(next(iter(requests.values())), now)):
            del requests[next(iter(requests))]
            if not requests:
                return

    def _answered(self, key: str, status: int, event: dict[str, Any], stream: str) -> Request | None:
        """Return the request that an entry answers if it is known; take it off the open ones."""
        self.state.unanswered = 0
        requests = self.state.open.get(key)
        if requests is None:
            return None
        requests.pending -= 1
        if requests.mixed:
            chosen = self._failed(requests, status, event, stream) if status >= FIRST_FAILURE else None
        else:
            (chosen,) = requests.begun
            chosen.number -= 1
        if requests.pending <= 0:
            del self.state.open[key]
        return Request(chosen.method, chosen.path, status) if chosen is not None and chosen.method else None

    def _failed(self, requests: OpenRequests, status: int, event: dict[str, Any], stream: str) -> Begun | None:
        """Return the first of different requests that counts with the status of a failure; each once for one status."""
        for begun in requests.begun:
            counted = begun.counted.get(status, 0)
            if begun.method and counted < begun.number and self._counts(begun, status, event, stream):
                begun.counted[status] = counted + 1
                return begun
        return None

    def _counts(self, begun: Begun, status: int, event: dict[str, Any], stream: str) -> bool:
        """Return True if the request adds to a counter with this status."""
        merged = with_request(event, Request(begun.method, begun.path, status))
        counting, origin = self.rules.counting, self.origin
        return counting.group_effect(merged, stream, origin.http_source, frozenset(), origin.paths) != "none"


def may_be_part(text: str) -> bool:
    """True if a text may begin or answer a request: cheap, and False for most."""
    if "Started " in text or "Completed " in text:
        return True
    asks = "ethod" in text or "equest" in text or "verb" in text
    if asks and BEGINNING.search(text) is not None:
        return True
    if "tatus" in text or "_code" in text or "Code" in text:
        return ANY_STATUS.search(text) is not None
    return False


def with_request(event: dict[str, Any], request: Request) -> dict[str, Any]:
    """Return an event as an application's record of the whole request, for the counters."""
    whole = {**event, "method": request.method, "path": request.path, "status_code": request.status}
    if whole.get("event") == "unstructured":
        del whole["event"]
    whole["message"] = event.get("message") or ANSWER  # only proxies have nothing to say
    return whole


def _is_whole(fields: dict[str, Any]) -> bool:
    """True for most records of requests, which need no second entry."""
    method, path = fields.get("method"), fields.get("path")
    is_request = type(method) is str and method.upper() in METHODS and type(path) is str and path[:1] == "/"
    return is_request and type(fields.get("status_code")) is int


def _is_answer(event: dict[str, Any]) -> bool:
    """Return True if an entry with a status ends a request: it has a duration, or says so."""
    if event.get("duration_ms") is not None:
        return True
    texts = (event.get("event"), event.get("message"))
    return any(isinstance(text, str) and FINISHED.fullmatch(text) is not None for text in texts)


def _is_old(requests: OpenRequests, now: int) -> bool:
    return requests.since is not None and now - requests.since > LONGEST_WAIT_MS
