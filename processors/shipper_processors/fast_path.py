"""The native path of ordinary lines: the same chain, many lines at a time, where the extension is installed.

`decode`, `enforce`, `redact` and `render` of most lines come to the same few decisions. `shipper_native` executes the
chain plan over these lines in one call and stops at the first that is anything else, which then goes the Python path.
Both give the same documents, ids, counters and violations, byte for byte; the Python path is the oracle that the tests
compare with.

What an event adds to the counters is evaluated by the Python rules, once for each group of events that no rule can
distinguish.
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
from shipper_schemas.entry import HttpSource, Origin

if TYPE_CHECKING:
    import shipper_native as native
else:
    try:
        import shipper_native as native
    except ImportError:
        native = None  # everything works without it

MOST_GROUPS = 4096
"""Groups remembered; logs that bring more are hostile, and are grouped from the start again."""
KINDS = ("docker", "cri")
SALTS: dict[HttpSource, int] = {"structured": 0, "access": 1, "off": 2}


class FastBatch(NamedTuple):
    """Consecutive ordinary lines: their documents, and what they add to the counters."""

    documents: "native.Documents"
    day: str
    """`YYYY.MM.dd`, of all of them."""
    lines: int
    counted: list[tuple[Contribution, int]]
    """What an event adds, and how many there are of it."""


def plan_of(enforce: Enforce, counting: Counting, redactor: Redactor, skew: Skew) -> ChainPlan:
    """Collect the tables that the steps of a chain execute."""
    return ChainPlan(enforce.schema, counting.rules_plan(), redactor.plan, RENDERING, SkewPlan(**skew._asdict()))


def _unreported(reason: str) -> None:
    """Take a reason that nobody wants to know."""


@dataclass(slots=True)
class FastChain:
    """The chain of one pipeline. What it learns of the counters is shared by all logs."""

    chain: "native.Chain"
    enforce: Enforce
    counting: Counting
    undecided: frozenset[str] = frozenset()
    """Fields for which rules have an operator that the extension does not know."""
    examples: dict[int, tuple[dict[str, Any], str]] = field(default_factory=dict)
    """An event of each group that adds something, and its stream."""
    generation: int = 0

    @classmethod
    def of(
        cls,
        enforce: Enforce,
        counting: Counting,
        redactor: Redactor,
        skew: Skew,
        declined: Callable[[str], None] = _unreported,
    ) -> "FastChain | None":
        """Build the native chain; None where the extension is not installed, or declines the plan.

        `declined` takes the reason, a sentence for logs.
        """
        if native is None:
            return None
        try:
            chain = native.Chain(plan_of(enforce, counting, redactor, skew).to_json())
        except (TypeError, ValueError) as error:  # an extension of another version may want other arguments
            declined(str(error))
            return None
        return cls(chain, enforce, counting, frozenset(chain.undecided))

    def of_log(self, kind: str, origin: Origin, renderer: Renderer) -> "FastLog | None":
        """Return the chain for the lines of one log; None for a kind whose lines have no time of their own."""
        if kind not in KINDS:
            return None
        return FastLog(self, kind, origin, renderer)

    def learn(self, group: int, text: str, stream: str, origin: Origin) -> None:
        """Evaluate the rules for a group, by one of its events."""
        if self.chain.groups > MOST_GROUPS:
            self.chain.forget()
            self.examples.clear()
            self.generation += 1
            return
        try:
            shape, event, _ = decode_payload(text)
            if shape == "structured":
                event, _ = self.enforce.enforce(event)
            effect = self.counting.group_effect(event, stream, origin.http_source, self.undecided)
        except Exception:  # noqa: BLE001 -- where a step fails, each event of the group goes through the pipeline's guard
            self.chain.set_effect(group, "alone")
            return
        if effect == "counted":
            self.examples[group] = (event, stream)
        self.chain.set_effect(group, effect)


@dataclass(slots=True)
class FastLog:
    """The lines of one log."""

    compiled: FastChain
    kind: str
    origin: Origin
    renderer: Renderer
    _lens: "native.LogLens | None" = None
    """Created when something is first read: most logs of a node are quiet."""
    _added: dict[int, Contribution] = field(default_factory=dict)
    _generation: int = 0

    def scan(
        self, lines: bytes, at: int, offset: int, twin: tuple[bytes, int], free: tuple[bool, bool]
    ) -> "native.FastBatch":
        """`Chain.scan` of this log: `twin` is the last digest and its ordinal, `free` is for stdout and stderr."""
        if self._lens is None:
            stdout, stderr = self.renderer.tail("stdout"), self.renderer.tail("stderr")
            seed, salt = log_seed(self.origin.source), SALTS[self.origin.http_source]
            self._lens = native.LogLens(self.kind, seed, stdout, stderr, salt)
        return self.compiled.chain.scan(self._lens, lines, at, offset, *twin, *free)

    def learn(self, group: int, text: str, stream: str) -> None:
        """Evaluate the rules for a group that is new."""
        self.compiled.learn(group, text, stream, self.origin)

    def run(self, scanned: "native.FastBatch") -> FastBatch:
        """Return a scan's lines, with what they add to the counters of this log."""
        documents = scanned.documents
        added = [(self._contribution(group), number) for group, number in scanned.counted]
        return FastBatch(documents, documents.day, scanned.lines, added)

    def _contribution(self, group: int) -> Contribution:
        if self._generation != self.compiled.generation:
            self._added.clear()
            self._generation = self.compiled.generation
        known = self._added.get(group)
        if known is None:
            origin, (event, stream) = self.origin, self.compiled.examples[group]
            try:
                known = self.compiled.counting.contribution(
                    event, stream, origin.service or "unknown", origin.http_source, origin.container_name or ""
                )
            except Exception:  # noqa: BLE001 -- the events are stored; whoever counts them notes the failure
                known = Contribution((), (), failed=True)
            self._added[group] = known
        return known
