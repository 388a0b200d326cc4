"""The native path of ordinary lines: the same chain, many lines at a time, if the extension is installed.

`decode`, `enforce`, `redact` and `render` make the same few decisions for most lines. `shipper_native` executes the
chain plan over these lines in one call and stops at the first other line, which then takes the Python path. Both give
the same documents, ids, counters and violations, byte for byte; tests compare the native path with the Python path.

The Python rules compute an event's increments, once for each group of events that no rule can distinguish.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from shipper_processors.chain_plan import RENDERING, ChainPlan, SkewPlan
from shipper_processors.count import Contribution, Counting
from shipper_processors.enforce import Enforce
from shipper_processors.payload import decode_payload
from shipper_processors.record_id import log_seed
from shipper_processors.redact import Redactor
from shipper_processors.render import Renderer
from shipper_processors.route import Skew
from shipper_processors.time_plan import TIMES, zone_plan
from shipper_schemas.entry import HttpSource, Origin

if TYPE_CHECKING:
    import shipper_native as native
else:
    try:
        import shipper_native as native
    except ImportError:
        native = None  # the extension is optional

MOST_GROUPS = 4096
"""Groups that are kept; logs with more are hostile, and grouping then starts again from nothing."""
KINDS = ("docker", "cri")
SALTS: dict[HttpSource, int] = {"structured": 0, "access": 1, "off": 2}
STRICT_SALT = 3
"""Added for logs whose paths are compared as logged: the same event may count differently there."""


class FastBatch(NamedTuple):
    """Consecutive ordinary lines: their documents and their increments."""

    documents: "native.Documents"
    day: str
    """`YYYY.MM.dd`, the same for all of them."""
    lines: int
    counted: list[tuple[Contribution, int]]
    """The increments of one event, with the number of events that have them."""


def plan_of(enforce: Enforce, counting: Counting, redactor: Redactor, skew: Skew) -> ChainPlan:
    """Collect the tables that the steps of a chain execute."""
    bounds = SkewPlan(skew.future_ms, skew.past_ms, skew.age_ms)
    normalisation, rules = enforce.normaliser.plan(), counting.rules_plan()
    return ChainPlan(enforce.schema, normalisation, rules, redactor.plan, RENDERING, bounds, TIMES)


def salt_of(origin: Origin) -> int:
    """Return the number that keeps groups apart whose logs count the same event differently."""
    return SALTS[origin.http_source] + (STRICT_SALT if origin.paths == "strict" else 0)


def _ignore(reason: str) -> None:
    """Ignore the reason."""


@dataclass(slots=True)
class FastChain:
    """The native chain of one pipeline. All logs share its knowledge of groups."""

    chain: "native.Chain"
    enforce: Enforce
    counting: Counting
    skew: Skew = field(default_factory=Skew)
    undecided_fields: frozenset[str] = frozenset()
    """Fields for which a rule has an operator that the extension does not support."""
    examples: dict[int, tuple[dict[str, Any], str]] = field(default_factory=dict)
    """An event of each group that has increments, and its stream."""
    generation: int = 0

    @classmethod
    def of(
        cls,
        enforce: Enforce,
        counting: Counting,
        redactor: Redactor,
        skew: Skew,
        declined: Callable[[str], None] = _ignore,
    ) -> "FastChain | None":
        """Build the native chain; None if the extension is not installed, or declines the plan.

        `declined` is called with the reason, a sentence for logs.
        """
        if native is None:
            return None
        if not hasattr(native.Documents, "with_correlation_id"):
            declined("the extension is of another version")
            return None
        try:
            chain = native.Chain(plan_of(enforce, counting, redactor, skew).to_json())
        except (TypeError, ValueError) as error:  # an extension of another version may have other arguments
            declined(str(error))
            return None
        return cls(chain, enforce, counting, skew, frozenset(chain.undecided_fields))

    def of_log(self, kind: str, origin: Origin, renderer: Renderer) -> "FastLog | None":
        """Return the chain for the lines of one log; None for a log that takes the Python path.

        That is a kind of log whose lines have no runtime time, and a log with paths of fields of its own.
        """
        if kind not in KINDS or origin.fields:
            return None
        return FastLog(self, kind, origin, renderer)

    def evaluate_group(self, group: int, text: str, stream: str, origin: Origin) -> None:
        """Evaluate the rules for a group, using one of its events."""
        if self.chain.groups > MOST_GROUPS:
            self.chain.forget()
            self.examples.clear()
            self.generation += 1
            return
        try:
            shape, event, _ = decode_payload(text)
            if shape == "structured":
                event, _ = self.enforce.enforce(event)
            effect = self.counting.group_effect(event, stream, origin.http_source, self.undecided_fields, origin.paths)
        except Exception:  # noqa: BLE001 -- if a step fails, each event of the group goes through the pipeline's guard
            self.chain.set_effect(group, "each")
            return
        if effect == "constant":
            self.examples[group] = (event, stream)
        self.chain.set_effect(group, effect)


@dataclass(slots=True)
class FastLog:
    """The native chain for the lines of one log."""

    fast_chain: FastChain
    kind: str
    origin: Origin
    renderer: Renderer
    _context: "native.LogContext | None" = None
    """Created on the first read: most logs of a node are quiet."""
    _added: dict[int, Contribution] = field(default_factory=dict)
    _generation: int = 0

    def scan(
        self, lines: bytes, at: int, offset: int, last: tuple[bytes, int], idle: tuple[bool, bool]
    ) -> "native.FastBatch":
        """Call `Chain.scan` for this log.

        `last` is the last digest and its ordinal; `idle` is True for stdout and stderr if they have no partial entry.
        """
        if self._context is None:
            stdout, stderr = self.renderer.tail("stdout"), self.renderer.tail("stderr")
            seed, salt = log_seed(self.origin.source), salt_of(self.origin)
            skew, timezone = self.fast_chain.skew, self.origin.timezone
            zone = skew.zone if timezone is None else skew.in_zone(timezone).zone
            self._context = native.LogContext(self.kind, seed, stdout, stderr, salt, zone_plan(zone).to_json())
        return self.fast_chain.chain.scan(self._context, lines, at, offset, *last, *idle)

    def evaluate_group(self, group: int, text: str, stream: str) -> None:
        """Evaluate the rules for a new group."""
        self.fast_chain.evaluate_group(group, text, stream, self.origin)

    def batch_of(self, scanned: "native.FastBatch") -> FastBatch:
        """Return the scanned lines with their increments."""
        documents = scanned.documents
        added = [(self._contribution(group), number) for group, number in scanned.counted]
        return FastBatch(documents, documents.day, scanned.lines, added)

    def _contribution(self, group: int) -> Contribution:
        if self._generation != self.fast_chain.generation:
            self._added.clear()
            self._generation = self.fast_chain.generation
        contribution = self._added.get(group)
        if contribution is None:
            origin, (event, stream) = self.origin, self.fast_chain.examples[group]
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
