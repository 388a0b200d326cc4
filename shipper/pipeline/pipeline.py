"""The steps of an entry: decode, enforce, time, policies, redact, render; then count. Nothing here does I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shipper.metrics.catalogue import NATIVE_DECLINED, VIOLATIONS, WITH_OR_NEEDING_ID, WITHOUT_ID
from shipper.model.batch import DROPPED, INDEXED, QUARANTINED, Batch
from shipper.model.documents import Document, Rendered
from shipper.model.source import Source
from shipper.pipeline.service_bounds import ServiceBounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce, with_violations
from shipper_processors.fast_path import FastBatch
from shipper_processors.levels import time_of
from shipper_processors.payload import DEEPEST, Shape, decode_payload, storable
from shipper_processors.payload_split import may_hold_several, split_documents
from shipper_processors.redact import Redactor
from shipper_processors.render import NO_KEYS, searched_text
from shipper_processors.request_pairs import PairRules, with_request
from shipper_processors.route import Skew, document_id, event_time, index_name
from shipper_processors.times import LATEST_MS, parse_ms
from shipper_schemas.entry import Entry, Origin, RequireId
from shipper_schemas.metrics import Increment
from shipper_schemas.quarantine import KEYS, TEXT
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy, Violation

ACCEPTED = "accepted"
NEEDING_ID = frozenset({Kind.CORRELATION_ID_MISSING, Kind.CORRELATION_ID_INVALID})
"""Violations of entries that must carry an id and have none that can be used."""
OUTCOMES_OF_IDS = {Policy.QUARANTINE: QUARANTINED, Policy.DROP: DROPPED, Policy.FLAG: ACCEPTED, Policy.ALLOW: ACCEPTED}
SEVEREST = (Policy.QUARANTINE, Policy.DROP, Policy.FLAG, Policy.ALLOW)
WITHHELD = "[withheld: the shipper failed on this text; see log.file.path and log.offset]"
BY_SHAPE: Mapping[Shape, tuple[Violation, ...]] = {
    "structured": (),
    "access": (),
    "broken": (),
    "text": (Violation(Kind.UNSTRUCTURED, None, "plain text instead of a JSON object"),),
    "blank": (Violation(Kind.BLANK, None, "an empty line"),),
}


class Assessed(NamedTuple):
    """An entry after `enforce`, with its times and the verdict of the policies."""

    event: dict[str, Any]
    shape: Shape
    violations: tuple[Violation, ...] | list[Violation]
    policy: Policy
    time_ms: int
    runtime_ms: int
    """The runtime's time of the first line; 0 if the log has no times."""


class Handled(NamedTuple):
    """Result of one entry. A failing step is reported in `failure` and in the violations, never as an exception."""

    assessed: Assessed
    outcome: str
    """`NOT_SHIPPED` if no document was requested."""
    document: Document | None
    increments: Sequence[Increment] | None
    """None if neither the entry nor its violations are counted."""
    failure: Violation | None


NOT_SHIPPED = "not shipped"


def with_failure(assessed: Assessed, failure: Violation) -> Assessed:
    """Return the assessed entry with the failure of a later step among its violations."""
    return assessed._replace(violations=[*assessed.violations, failure])


def failure_of(error: Exception) -> Violation:
    """Return the violation for an entry that a step failed on; it asks for a bug report."""
    detail = f"the shipper failed on this entry with {type(error).__name__}; please report it with the raw line"
    return Violation(Kind.INTERNAL_ERROR, None, detail)


def counting_failure(error: Exception) -> Violation:
    """Return the violation for an entry that is stored although counting failed on it."""
    detail = f"counting failed on this entry with {type(error).__name__}; please report it with the raw line"
    return Violation(Kind.INTERNAL_ERROR, None, detail)


def counted_event(assessed: Assessed, entry: Entry) -> dict[str, Any]:
    """Return the event as the rules see it: one that answers a request has its method and path."""
    request = None if entry.requests is None else entry.requests.get(0)
    return assessed.event if request is None else with_request(assessed.event, request)


def runtime_ms_of(entry: Entry) -> int | None:
    """Return the runtime's time of an entry; None if it is missing or outside the range of ids and indices."""
    known = parse_ms(entry.time) if entry.time is not None else None
    return known if known is not None and 0 <= known <= LATEST_MS else None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The chain of steps. Calls change nothing but the label bounds inside `counting` and `services`."""

    enforce: Enforce
    counting: Counting
    redactor: Redactor
    policies: Mapping[Kind, Policy] = field(default_factory=lambda: DEFAULT_POLICIES)
    skew: Skew = field(default_factory=Skew)
    index_prefix: str = "keneyapp-logs"
    quarantine_prefix: str = "keneyapp-quarantine"
    histograms: frozenset[str] = frozenset()
    namespaces: Mapping[str, RequireId] = field(default_factory=dict)
    """Policy of ids by Kubernetes namespace."""
    services: ServiceBounds = field(default_factory=ServiceBounds)
    """Services with series of their own among the metrics of correlation ids."""

    @property
    def pair_rules(self) -> PairRules:
        """The rules by which the two entries of one request are matched."""
        return PairRules(self.enforce, self.counting)

    def __post_init__(self) -> None:
        """Mask the values that steps put into details or labels."""
        self.enforce.mask = self.counting.mask = self.redactor.redact_text

    def process(  # noqa: PLR0913 -- one switch per cursor
        self,
        entries: Iterable[Entry | FastBatch],
        source: Source,
        batch: Batch,
        now_ms: int,
        *,
        count: bool,
        ship: bool,
    ) -> None:
        """Add the results of `entries` to `batch`; `now_ms` is the time of lines without one."""
        for entry in entries:
            if type(entry) is FastBatch:
                batch.lines += entry.lines
                self._add_run(entry, source, batch, count=count, ship=ship)
                continue
            assert type(entry) is Entry  # noqa: S101 -- anything but a run
            if may_hold_several(entry.text):
                for part in split_documents(entry):
                    self._add_entry(part, source, batch, now_ms, count=count, ship=ship)
            else:
                self._add_entry(entry, source, batch, now_ms, count=count, ship=ship)

    def _add_entry(  # noqa: PLR0913 -- as `process`
        self, entry: Entry, source: Source, batch: Batch, now_ms: int, *, count: bool, ship: bool
    ) -> None:
        batch.lines += entry.lines
        handled = self.handle(entry, source, now_ms, count=count, ship=ship)
        assessed, outcome, document, increments, _ = handled
        if ship:
            batch.add(outcome, document, entry.lines)
        if increments or (count and assessed.violations):  # most events add nothing
            self.add_counts(handled, batch)
        if increments is not None and assessed.shape == "structured":
            self._count_id(assessed, source, batch)

    def _count_id(self, assessed: Assessed, source: Source, batch: Batch) -> None:
        """Count a structured event by service: without an id; and with one, or without one that it must carry."""
        sums, service = batch.counted.sums, self.services.bounded(source.origin.service or "unknown")
        if "correlation_id" not in assessed.event:
            sums[WITHOUT_ID.name, (service,)] += 1
            if not any(violation.kind in NEEDING_ID for violation in assessed.violations):
                return
        sums[WITH_OR_NEEDING_ID.name, (service, OUTCOMES_OF_IDS[assessed.policy])] += 1

    def handle(self, entry: Entry, source: Source, now_ms: int, *, count: bool = True, ship: bool = True) -> Handled:
        """Run one entry through all steps. Raises nothing: an entry that a step fails on must not stop the rest.

        If decoding, enforcing, redacting or rendering fails, the entry is quarantined; if counting fails, it is stored
        as usual. Each failure is one violation of kind `internal_error`.
        """
        assessed: Assessed | None = None
        outcome: str = NOT_SHIPPED
        document: Document | None = None
        failure: Violation | None = None
        try:
            assessed = self.assess(entry, now_ms, source.origin)
            if ship:
                outcome, document = self.document(assessed, entry, source)
        except Exception as error:  # noqa: BLE001 -- one entry that cannot be handled must not stop the rest
            failure = failure_of(error)
            failed = self._failed(entry, now_ms, failure)
            if ship:
                outcome, document = QUARANTINED, self._quarantine_failed(failed, entry, source)
            assessed = failed if assessed is None else with_failure(assessed, failure)
        increments: Sequence[Increment] | None = None
        if count:
            try:
                increments = self.increments(assessed, entry, source.origin)
            except Exception as error:  # noqa: BLE001 -- neither must one that cannot be counted
                increments = ()
                if failure is None:
                    failure = counting_failure(error)
                    assessed = with_failure(assessed, failure)
        return tuple.__new__(Handled, (assessed, outcome, document, increments, failure))

    def _add_run(self, run: FastBatch, source: Source, batch: Batch, *, count: bool, ship: bool) -> None:
        """Add lines of the native path, each an entry of its own."""
        if ship:
            for block in run.documents:
                quarantined = block.quarantined
                prefix = self.quarantine_prefix if quarantined else self.index_prefix
                rendered = Rendered(block, f"{prefix}-{block.day}", source.name)
                batch.extend(rendered, QUARANTINED if quarantined else INDEXED)
            if run.dropped:
                batch.drop(run.dropped)
        if count:
            self._count_run(run, source, batch)

    def _count_run(self, run: FastBatch, source: Source, batch: Batch) -> None:
        sums = batch.counted.sums
        for (series, overflows, failed), number in run.counted:
            for key in series:
                sums[key] += number
            self.counting.add_overflows(overflows, number)
            if failed:
                sums[VIOLATIONS.name, (Kind.INTERNAL_ERROR.value,)] += number
        for kind, number in run.violations:
            sums[VIOLATIONS.name, (kind,)] += number
        if run.declined is not None:
            reason, number = run.declined
            sums[NATIVE_DECLINED.name, (reason,)] += number
        without, *outcomes = run.ids
        if not any(run.ids):
            return
        service = self.services.bounded(source.origin.service or "unknown")
        if without:
            sums[WITHOUT_ID.name, (service,)] += without
        for outcome, number in zip((ACCEPTED, QUARANTINED, DROPPED), outcomes, strict=True):
            if number:
                sums[WITH_OR_NEEDING_ID.name, (service, outcome)] += number

    def assess(self, entry: Entry, now_ms: int, origin: Origin | None = None) -> Assessed:
        """Decode, normalise and enforce one entry; return its event, times and policy.

        `origin` says which field paths, which policy of ids and which time zone its log has.
        """
        if entry.broken is not None:
            violation = Violation(Kind.ENVELOPE_INVALID, None, entry.broken)
            known = runtime_ms_of(entry)
            return Assessed({}, "broken", (violation,), self.policies[violation.kind], known or now_ms, known or 0)
        shape, fields, problem = decode_payload(entry.text, cut=entry.cut is not None)
        if shape == "structured":
            if origin is None:
                event, violations = self.enforce.enforce(fields)
            else:
                require = origin.require_correlation_id or self._of_namespace(origin)
                event, violations = self.enforce.enforce(fields, require, origin.fields)
            timestamp = event.pop("timestamp", None)
        else:
            timestamp = fields.pop("timestamp", None)
            event, violations = fields, [*BY_SHAPE[shape]]
            logged_time = event.pop("time", None)
            if entry.time is None and timestamp is None:
                timestamp = logged_time or time_of(entry.text)
        if problem is not None:
            violations.append(problem)
        if entry.cut is not None:
            violations.append(Violation(Kind.LINE_CUT, None, f"cut off: {entry.cut}"))
        runtime_ms = runtime_ms_of(entry)
        skew = self.skew if origin is None or origin.timezone is None else self.skew.in_zone(origin.timezone)
        time_ms, doubt = event_time(timestamp, runtime_ms, now_ms, skew)
        if doubt is not None:
            violations.append(doubt)
        policy = self._verdict(violations) if violations else Policy.ALLOW
        return tuple.__new__(Assessed, (event, shape, violations, policy, time_ms, runtime_ms or 0))

    def _of_namespace(self, origin: Origin) -> RequireId | None:
        return self.namespaces.get(origin.kubernetes.get("namespace", "")) if origin.kubernetes else None

    def _failed(self, entry: Entry, now_ms: int, failure: Violation) -> Assessed:
        """Return the assessment of an entry that a step failed on, for the quarantine."""
        known = runtime_ms_of(entry)
        return Assessed({}, "broken", (failure,), Policy.QUARANTINE, known or now_ms, known or 0)

    def _quarantine_failed(self, failed: Assessed, entry: Entry, source: Source) -> Document:
        """Return its document for the quarantine; without its text if redaction fails on that too."""
        try:
            return self._reject(failed, failed.violations, entry, source)
        except Exception:  # noqa: BLE001 -- neither must this stop the rest
            return self._quarantined(WITHHELD, failed.violations, failed, entry, source)

    def _verdict(self, violations: list[Violation]) -> Policy:
        policies = {self.policies[violation.kind] for violation in violations}
        return next(policy for policy in SEVEREST if policy in policies)

    def increments(self, assessed: Assessed, entry: Entry, origin: Origin) -> Sequence[Increment] | None:
        """Return the increments of an entry to the counters of the rules, regardless of its outcome."""
        return self.counting.increments(
            counted_event(assessed, entry),
            entry.stream,
            origin.service or "unknown",
            origin.http_source,
            origin.container_name or "",
            origin.paths,
        )

    def add_counts(self, handled: Handled, batch: Batch) -> None:
        """Add increments and violations of an entry to the counters of `batch`."""
        if handled.increments is None:
            return
        sums = batch.counted.sums
        for increment in handled.increments:
            if increment.metric in self.histograms:
                batch.counted.observations.append(increment)
            else:
                sums[increment.metric, increment.labels] += increment.amount
        for violation in handled.assessed.violations:
            if self.policies[violation.kind] is not Policy.ALLOW:
                sums[VIOLATIONS.name, (violation.kind.value,)] += 1

    def document(self, assessed: Assessed, entry: Entry, source: Source) -> tuple[str, Document | None]:
        """Return the entry's outcome and its document for the main index or the quarantine; None if it is dropped."""
        if assessed.policy is Policy.DROP:
            return DROPPED, None
        if assessed.policy is Policy.QUARANTINE:
            return QUARANTINED, self._reject(assessed, assessed.violations, entry, source)
        event = assessed.event
        if assessed.policy is Policy.FLAG:
            event = with_violations(event, self._reported(assessed.violations))
        if self.redactor.suspicious(event):
            event = self.redactor.redact_event(event)
        try:
            body = source.renderer.body(event, assessed.time_ms, entry)
        except TypeError:
            return self._unrenderable(assessed, event, entry, source)
        columns = (
            index_name(self.index_prefix, assessed.time_ms),
            document_id(assessed.runtime_ms, entry.digest),
            assessed.time_ms,
            event.get("correlation_id"),
            event.get("event"),
            event.get("level"),
            source.name,
            searched_text(event),
            body,
            event.get("trace_id"),
        )
        return INDEXED, tuple.__new__(Document, columns)  # twice as fast as its constructor

    def _unrenderable(
        self, assessed: Assessed, event: dict[str, Any], entry: Entry, source: Source
    ) -> tuple[str, Document | None]:
        """Repair an event that no encoder accepts, if that loses nothing; otherwise quarantine it."""
        try:
            repaired = assessed._replace(event=storable(event))
        except RecursionError:
            detail = f"JSON nested deeper than {DEEPEST} levels"
            too_deep = Violation(Kind.JSON_INVALID, None, detail)
            return QUARANTINED, self._reject(assessed, [*assessed.violations, too_deep], entry, source)
        return self.document(repaired, entry, source)

    def _reject(self, assessed: Assessed, violations: Sequence[Violation], entry: Entry, source: Source) -> Document:
        raw = self.redactor.redact_raw(entry.text)
        return self._quarantined(raw, self._reported(violations), assessed, entry, source, self._keys(assessed))

    def _keys(self, assessed: Assessed) -> dict[str, str]:
        """Return the search keys of an entry for the quarantine, redacted, so that the same search finds it there."""
        event = assessed.event
        try:
            if self.redactor.suspicious(event):
                event = self.redactor.redact_event(event)
            text = searched_text(event) if assessed.shape == "structured" else None
        except RecursionError:  # its text is searched as logged
            text, event = None, {}
        keys = {name: value for name in KEYS if isinstance(value := event.get(name), str)}
        if text is not None:
            keys[TEXT] = text
        return storable(keys)

    def _quarantined(  # noqa: PLR0913, PLR0917 -- the parts of the document
        self,
        raw: str,
        reasons: Sequence[Violation],
        assessed: Assessed,
        entry: Entry,
        source: Source,
        keys: Mapping[str, str] = NO_KEYS,
    ) -> Document:
        """Return a document for the quarantine from redacted text, reasons and search keys."""
        target = index_name(self.index_prefix, assessed.time_ms)
        return Document(
            index_name(self.quarantine_prefix, assessed.time_ms),
            document_id(assessed.runtime_ms, entry.digest),
            assessed.time_ms,
            keys.get("correlation_id"),
            keys.get("event"),
            keys.get("level"),
            source.name,
            keys.get(TEXT, raw),
            source.renderer.quarantined(raw, list(reasons), assessed.time_ms, target, entry, keys),
            keys.get("trace_id"),
        )

    def _reported(self, violations: Iterable[Violation]) -> list[Violation]:
        """Return the reported violations, redacted: their details may contain logged text."""
        return [
            violation._replace(detail=self.redactor.redact_text(violation.detail))
            for violation in violations
            if self.policies[violation.kind] is not Policy.ALLOW
        ]
