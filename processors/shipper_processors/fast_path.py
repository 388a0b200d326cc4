"""The native path: the same chain, many lines at a time, if the extension is installed.

`shipper_native` executes the chain plan over the lines of a chunk in one call, and stops at the first line that it
declines, which then takes the Python path. Both give the same documents, ids, counters and violations, byte for byte;
tests compare the native path with the Python path.

The Python rules compute an event's increments, once for each group of events that no rule can distinguish.

Threads of the extension may scan ahead: lines that are read are scanned while the lines before them are processed.
Their results are used in the order of the lines, and only where a scan at that place would have the same result.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from shipper_processors.chain_plan import RENDERING, ChainPlan, SkewPlan, VerdictPlan
from shipper_processors.count import Contribution, Counting
from shipper_processors.enforce import EXPECTED, REQUEST_EVENTS, Enforce
from shipper_processors.enforce import KINDS as KINDS_OF_VALUES
from shipper_processors.payload import decode_payload
from shipper_processors.record_id import log_seed
from shipper_processors.redact import Redactor
from shipper_processors.render import Renderer
from shipper_processors.route import Skew
from shipper_processors.text_plan import texts_plan
from shipper_processors.time_plan import TIMES, zone_plan
from shipper_schemas.entry import HttpSource, Origin, RequireId
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

if TYPE_CHECKING:
    import shipper_native as native
else:
    try:
        import shipper_native as native
    except ImportError:
        native = None  # the extension is optional

INTERFACE = 2
"""Version of the extension's classes: raise it, here and in `boundary.rs`, with every change of an argument, a result
or a name. An extension of another version is not used."""
MOST_GROUPS = 4096
"""Groups that are kept; logs with more are hostile, and grouping then starts again from nothing."""
LEAST_BYTES = 16 * 1024
"""Fewest bytes of lines that are worth a thread; they take some 50 microseconds."""
KINDS = ("docker", "cri")
SALTS: dict[HttpSource, int] = {"structured": 0, "access": 1, "off": 2}
STRICT_SALT = 3
"""Added for logs whose paths are compared as logged: the same event may count differently there."""


class FastBatch(NamedTuple):
    """Consecutive lines of the native path: their documents, and what they add to the counters."""

    documents: "list[native.Documents]"
    """One block for each day of the main index and of the quarantine."""
    lines: int
    dropped: int
    """Lines without a document."""
    counted: list[tuple[Contribution, int]]
    """The increments of one event, with the number of events that have them."""
    violations: list[tuple[str, int]]
    """Kinds of violation that are counted, each with its number."""
    ids: tuple[int, int, int, int]
    """Structured events without an id; those with one, or without one that they must have: accepted, quarantined,
    dropped."""
    declined: tuple[str, int] | None = None
    """Why the next lines take the Python path, and their number."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What becomes of violations, and who must carry a correlation id, as the pipeline decides."""

    policies: Mapping[Kind, Policy] = field(default_factory=lambda: DEFAULT_POLICIES)
    namespaces: Mapping[str, RequireId] = field(default_factory=dict)
    """Policy of ids by Kubernetes namespace."""
    index_prefix: str = "keneyapp-logs"

    def plan(self, enforce: Enforce) -> VerdictPlan:
        """Return the table of violations."""
        return VerdictPlan(
            tuple((kind.value, policy.value) for kind, policy in self.policies.items()),
            tuple((name, kind.value) for name, kind in KINDS_OF_VALUES.items()),
            tuple(EXPECTED.items()),
            enforce.require,
            tuple(sorted(enforce.requiring)),
            REQUEST_EVENTS,
            self.index_prefix,
        )

    def requires(self, origin: Origin) -> RequireId | None:
        """Return the policy of ids of a log that has one of its own."""
        namespace = origin.kubernetes.get("namespace", "") if origin.kubernetes else ""
        return origin.require_correlation_id or self.namespaces.get(namespace)


NO_VERDICTS = Verdicts()


def plan_of(
    enforce: Enforce, counting: Counting, redactor: Redactor, skew: Skew, verdicts: Verdicts = NO_VERDICTS
) -> ChainPlan:
    """Collect the tables that the steps of a chain execute."""
    bounds = SkewPlan(skew.future_ms, skew.past_ms, skew.age_ms)
    return ChainPlan(
        enforce.schema,
        enforce.normaliser.plan(),
        counting.rules_plan(),
        redactor.plan,
        RENDERING,
        bounds,
        TIMES,
        verdicts.plan(enforce),
        texts_plan(),
    )


def salt_of(origin: Origin) -> int:
    """Return the number that keeps groups apart whose logs count the same event differently."""
    return SALTS[origin.http_source] + (STRICT_SALT if origin.paths == "strict" else 0)


def _ignore(reason: str) -> None:
    """Ignore the reason."""


@dataclass(slots=True)
class KnownGroups:
    """Groups of events whose effect on the counters is known; one table is replaced as a whole."""

    table: "native.Groups"
    examples: dict[int, tuple[dict[str, Any], str]] = field(default_factory=dict)
    """An event of each group that has increments, and its stream."""


@dataclass(slots=True)
class FastChain:
    """The native chain of one pipeline. All logs share its knowledge of groups."""

    chain: "native.Chain"
    enforce: Enforce
    counting: Counting
    groups: KnownGroups
    skew: Skew = field(default_factory=Skew)
    undecided_fields: frozenset[str] = frozenset()
    """Fields for which a rule has an operator that the extension does not support."""
    threads: "Threads | None" = None
    """Threads that scan ahead; None if only the caller's thread scans."""
    verdicts: Verdicts = NO_VERDICTS

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 -- the steps of the chain
        cls,
        enforce: Enforce,
        counting: Counting,
        redactor: Redactor,
        skew: Skew,
        declined: Callable[[str], None] = _ignore,
        verdicts: Verdicts = NO_VERDICTS,
    ) -> "FastChain | None":
        """Build the native chain; None if the extension is not installed, or declines the plan.

        `declined` is called with the reason, a sentence for logs.
        """
        if native is None:
            return None
        if getattr(native, "INTERFACE", None) != INTERFACE:
            declined("the extension is of another version")
            return None
        try:
            chain = native.Chain(plan_of(enforce, counting, redactor, skew, verdicts).to_json())
        except ValueError as error:
            declined(str(error))
            return None
        groups, undecided = KnownGroups(native.Groups()), frozenset(chain.undecided_fields)
        return cls(chain, enforce, counting, groups, skew, undecided, verdicts=verdicts)

    def of_log(self, kind: str, origin: Origin, renderer: Renderer) -> "FastLog | None":
        """Return the chain for the lines of one log; None for a kind of log whose lines have no runtime time."""
        return FastLog(self, kind, origin, renderer) if kind in KINDS else None

    def evaluate_group(self, known: KnownGroups, group: int, text: str, stream: str, origin: Origin) -> None:
        """Evaluate the rules for a group, using one of its events."""
        if len(known.table) > MOST_GROUPS:
            if known is self.groups:
                self.groups = KnownGroups(native.Groups())
            return
        try:
            shape, event, _ = decode_payload(text)
            if shape == "structured":
                event, _ = self.enforce.enforce(event, None, origin.fields)
            effect = self.counting.group_effect(event, stream, origin.http_source, self.undecided_fields, origin.paths)
        except Exception:  # noqa: BLE001 -- if a step fails, each event of the group goes through the pipeline's guard
            known.table.set_effect(group, "each")
            return
        if effect == "constant":
            known.examples[group] = (event, stream)
        known.table.set_effect(group, effect)


class Threads(NamedTuple):
    """Threads that scan ahead, for one thread that reads and processes."""

    number: int
    """Number of threads that scan, with the one that reads and processes."""
    pool: "native.Pool"
    least: int
    """Fewest bytes of lines that are worth a thread."""

    @classmethod
    def of(cls, number: int, least: int | None = None) -> "Threads | None":
        """Return threads, which start when they are needed; None for a single one, or without the extension."""
        if native is None or number <= 1:
            return None
        return cls(number, native.Pool(number - 1), LEAST_BYTES if least is None else least)

    def share(self, size: int) -> int:
        """Return the number of threads that share `size` bytes of lines: one if they have other work."""
        return max(1, min(self.number, size // self.least)) if self.pool.idle else 1


def cpus(most: int) -> int:
    """Return the number of CPUs that this process may use, at most `most`; 1 without the extension."""
    return 1 if native is None else min(most, native.cpus())


class Scanned(NamedTuple):
    """Result of a scan, and the groups that its numbers mean."""

    batch: "native.FastBatch"
    groups: KnownGroups


class Stretch(NamedTuple):
    """Lines that a thread scans ahead."""

    begin: int
    job: "native.Job"
    groups: KnownGroups
    assumed: bool
    """True if the state before these lines was unknown: no partial entry, and another line before them, was assumed."""


@dataclass(slots=True)
class Ahead:
    """The stretches of one read that threads scan ahead, in their order."""

    begins: bool = False
    """True if lines that begin a request were declined."""
    stretches: deque[Stretch] = field(default_factory=deque)

    def result(self, at: int, last: bytes, idle: tuple[bool, bool], *, begins: bool = False) -> Scanned | None:
        """Return the scan that began at `at`; None if there is none that holds for the state before it."""
        stretches = self.stretches
        if begins and not self.begins:
            stretches.clear()
        while stretches and stretches[0].begin <= at:
            begin, job, groups, assumed = stretches.popleft()
            if begin < at:
                continue
            if not assumed:
                return Scanned(job.result(), groups)
            if idle == IDLE:
                batch = job.result()
                if batch.first != last:
                    return Scanned(batch, groups)
        return None

    def end(self, lines: bytes) -> int:
        """Return the end of the lines before the next stretch."""
        return self.stretches[0].begin if self.stretches else len(lines)


IDLE = (True, True)
ASSUMED = (b"", 0, *IDLE)
"""The state before lines that follow others which are not scanned yet."""


@dataclass(slots=True)
class FastLog:
    """The native chain for the lines of one log."""

    fast_chain: FastChain
    kind: str
    origin: Origin
    renderer: Renderer
    _contexts: dict[bool, "native.LogContext"] = field(default_factory=dict)
    """Created on the first read: most logs of a node are quiet. By whether lines that begin a request are declined."""
    _added: dict[int, Contribution] = field(default_factory=dict)
    """The increments of an event of each group of `_added_of`."""
    _added_of: KnownGroups | None = None

    def _log_context(self, *, begins: bool) -> "native.LogContext":
        context = self._contexts.get(begins)
        if context is None:
            stdout, stderr = self.renderer.tail("stdout"), self.renderer.tail("stderr")
            seed, salt = log_seed(self.origin.source), salt_of(self.origin)
            skew, timezone = self.fast_chain.skew, self.origin.timezone
            zone = zone_plan(skew.zone if timezone is None else skew.in_zone(timezone).zone).to_json()
            require = self.fast_chain.verdicts.requires(self.origin)
            paths, enforce = self.origin.fields, self.fast_chain.enforce
            own = enforce.normaliser_of(paths).plan().to_json() if paths else None
            context = native.LogContext(self.kind, seed, stdout, stderr, salt, zone, begins, require, own)
            self._contexts[begins] = context
        return context

    def ends_text(self, text: str, stream: str, lines: bytes, at: int, *, begins: bool) -> bool:
        """True if the line at `at` is of this stream and certainly does not continue a text of one line.

        `begins` does not change the answer; it selects the context that the scan of these lines uses as well.
        """
        context = self._log_context(begins=begins)
        return self.fast_chain.chain.ends_text(context, text, stream, lines, at)

    def scan_ahead(
        self, lines: bytes, offset: int, last: tuple[bytes, int], idle: tuple[bool, bool], *, begins: bool = False
    ) -> Ahead:
        """Let threads scan `lines`; without threads, or for few lines, return nothing scanned ahead.

        Threads that are idle share the lines: each begins at a line of its own, with an assumption about the state.
        """
        chain, ahead = self.fast_chain, Ahead(begins)
        threads = chain.threads
        if threads is None or len(lines) < threads.least:
            return ahead
        groups, context = chain.groups, self._log_context(begins=begins)
        begin, number = 0, threads.share(len(lines))
        state = (*last, *idle)
        for share in range(1, number + 1):
            end = lines.rfind(b"\n", begin, len(lines) * share // number) + 1
            if end > begin:
                job = threads.pool.submit(chain.chain, groups.table, context, lines, begin, end, offset, *state)
                ahead.stretches.append(Stretch(begin, job, groups, assumed=begin > 0))
                begin, state = end, ASSUMED
        return ahead

    def scan(  # noqa: PLR0913, PLR0917 -- the arguments of `Chain.scan`
        self,
        lines: bytes,
        at: int,
        end: int,
        offset: int,
        last: tuple[bytes, int],
        idle: tuple[bool, bool],
        *,
        begins: bool = False,
    ) -> Scanned:
        """Call `Chain.scan` for this log.

        `last` is the last digest and its ordinal; `idle` is True for stdout and stderr if they have no partial entry.
        With `begins`, lines that begin a request without a status are declined; those that answer one always are.
        """
        chain, groups = self.fast_chain, self.fast_chain.groups
        batch = chain.chain.scan(groups.table, self._log_context(begins=begins), lines, at, end, offset, *last, *idle)
        return Scanned(batch, groups)

    def evaluate_group(self, scanned: Scanned, text: str, stream: str) -> None:
        """Evaluate the rules for the group that is new in `scanned`."""
        self.fast_chain.evaluate_group(scanned.groups, scanned.batch.group, text, stream, self.origin)

    def batch_of(self, scanned: Scanned, declined: tuple[str, int] | None) -> FastBatch:
        """Return the scanned lines with their increments, and what is known of the lines after them."""
        batch, groups = scanned
        added = [(self._contribution(groups, group), number) for group, number in batch.counted]
        return FastBatch(batch.documents, batch.lines, batch.dropped, added, batch.violations, batch.ids, declined)

    def _contribution(self, groups: KnownGroups, group: int) -> Contribution:
        if self._added_of is not groups:
            self._added, self._added_of = {}, groups
        contribution = self._added.get(group)
        if contribution is None:
            origin, (event, stream) = self.origin, groups.examples[group]
            try:
                contribution = self.fast_chain.counting.contribution(
                    event,
                    stream,
                    origin.service or "unknown",
                    origin.http_source,
                    origin.container_name or "",
                    origin.paths,
                )
            except Exception:  # noqa: BLE001 -- the events are stored; the pipeline records the failure
                contribution = Contribution((), (), failed=True)
            self._added[group] = contribution
        return contribution
