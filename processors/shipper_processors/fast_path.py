"""The compiled way of ordinary lines: the same chain, a run of lines at a time, where the extension is installed.

`decode`, `enforce`, `redact` and `render` of most lines come to the same few decisions. `shipper_native` takes these
lines in one call and stops at the first that is anything else, which then goes the plain way. Both ways give the same
documents, ids, counters and violations, byte for byte; the plain one is the oracle that the tests compare with.

What an event adds to the counters is asked of the plain rules, once for each group of events that no rule can tell
apart.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic import StringConstraints

from shipper_processors.conditions import Asked
from shipper_processors.count import Contribution, Counting
from shipper_processors.enforce import Enforce
from shipper_processors.payload import decode_payload
from shipper_processors.record_id import log_seed
from shipper_processors.redact import SHAPED, Redactor
from shipper_processors.render import Renderer
from shipper_processors.route import Skew
from shipper_schemas.entry import HttpSource, Origin
from shipper_schemas.event import KNOWN_FIELDS, LEVEL_ALIASES, Event
from shipper_schemas.rules import Matcher

try:
    import shipper_native as native
except ImportError:
    native = None  # everything works without it

MOST_GROUPS = 4096
"""Groups remembered; logs that bring more are hostile, and are looked at anew."""
VARIABLE = re.compile(r"\{[^{}]*\}")
KINDS = ("docker", "cri")
SALTS: dict[HttpSource, int] = {"structured": 0, "access": 1, "off": 2}


Test = tuple[str, list[str], float, float]
"""What is asked, its texts (of a route those around its variable parts), the least and the greatest number."""


class FastBatch(NamedTuple):
    """Consecutive ordinary lines: their documents, and what they add to the counters."""

    documents: Any
    """`shipper_native.Documents`"""
    day: str
    """`YYYY.MM.dd`, of all of them."""
    lines: int
    counted: list[tuple[Contribution, int]]
    """What an event adds, and how many there are of it."""


def kind_of(name: str) -> str:
    """The type of a known field, as the extension calls it. Raises TypeError for one that it does not know."""
    parts = get_args(get_type_hints(Event, include_extras=True)[name])
    base, notes = parts[0], [*parts[1:], *(note for part in parts[1:] for note in getattr(part, "metadata", ()))]
    if name == "level":
        return "level"
    if base is str:
        constrained = any(isinstance(note, StringConstraints) and note.pattern for note in notes)
        return "correlation_id" if constrained else "text"
    if base is float:
        return "milliseconds"
    if base is int and {(100, None), (None, 599)} <= {
        (getattr(note, "ge", None), getattr(note, "le", None)) for note in notes
    }:
        return "status"
    if type(None) in get_args(base):
        return "identifier"
    raise TypeError(f"no compiled type for the field {name}")


@dataclass(slots=True)
class FastChain:
    """The chain of one pipeline. What it learns of the counters is shared by all logs."""

    chain: Any
    enforce: Enforce
    counting: Counting
    examples: dict[int, tuple[dict[str, Any], str]] = field(default_factory=dict)
    """An event of each group that adds something, and its stream."""
    generation: int = 0

    @classmethod
    def of(cls, enforce: Enforce, counting: Counting, redactor: Redactor, skew: Skew) -> "FastChain | None":
        """The chain, compiled; None where the extension is not installed, or cannot know all that is asked."""
        if native is None or redactor.masked_names is None:
            return None
        known = [(name, kind_of(name), name in SHAPED) for name in KNOWN_FIELDS]
        chain = native.Chain(
            known,
            list(LEVEL_ALIASES.items()),
            sorted(redactor.masked_names),
            list(redactor.needles),
            [_told(asked) for asked in counting.asked()],
            skew.future_ms,
            skew.past_ms,
        )
        return cls(chain, enforce, counting)

    def of_log(self, kind: str, origin: Origin, renderer: Renderer) -> "FastLog | None":
        """The chain for the lines of one log; None for a kind whose lines have no time of their own."""
        if kind not in KINDS:
            return None
        return FastLog(self, kind, origin, renderer)

    def learn(self, group: int, text: str, stream: str, origin: Origin) -> None:
        """Ask the rules for a group, by one of its events."""
        if self.chain.groups > MOST_GROUPS:
            self.chain.forget()
            self.examples.clear()
            self.generation += 1
            return
        try:
            shape, event, _ = decode_payload(text)
            if shape == "structured":
                event, _ = self.enforce.enforce(event)
            standing = self.counting.standing(event, stream, origin.http_source)
        except Exception:  # noqa: BLE001 -- where a step fails, each event of the group goes through the pipeline's guard
            self.chain.judge(group, "alone")
            return
        if standing == "counted":
            self.examples[group] = (event, stream)
        self.chain.judge(group, standing)


@dataclass(slots=True)
class FastLog:
    """The lines of one log."""

    compiled: FastChain
    kind: str
    origin: Origin
    renderer: Renderer
    _lens: Any = None
    """Made when first something is read: most logs of a node are quiet."""
    _added: dict[int, Contribution] = field(default_factory=dict)
    _generation: int = 0

    def scan(self, lines: bytes, at: int, offset: int, twin: tuple[bytes, int], free: tuple[bool, bool]) -> Any:  # noqa: ANN401
        """`Chain.scan` of this log: `twin` is the last digest and its ordinal, `free` is for stdout and stderr."""
        if self._lens is None:
            tails = [self.renderer.tail(stream) for stream in ("stdout", "stderr")]
            seed, salt = log_seed(self.origin.source), SALTS[self.origin.http_source]
            self._lens = native.LogLens(self.kind, seed, *tails, salt)
        return self.compiled.chain.scan(self._lens, lines, at, offset, *twin, *free)

    def learn(self, group: int, text: str, stream: str) -> None:
        """Ask the rules for a group that nobody has asked for."""
        self.compiled.learn(group, text, stream, self.origin)

    def run(self, found: Any) -> FastBatch:  # noqa: ANN401
        """A scan's lines, with what they add to the counters of this log."""
        documents = found.documents
        added = [(self._contribution(group), number) for group, number in found.counted]
        return FastBatch(documents, documents.day, found.lines, added)

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


def _told(asked: Asked) -> tuple[str, list[Test] | None]:
    """A field that rules ask for, as the extension takes it: without tests, it is told apart by its value."""
    tests = None if asked.matchers is None else [_tests(matcher) for matcher in asked.matchers]
    if tests is None or None in tests:
        return asked.name, None
    different: list[Test] = []
    for test in (test for found in tests if found is not None for test in found):
        if test not in different:
            different.append(test)
    return asked.name, different


def _tests(matcher: Matcher) -> list[Test] | None:
    """A matcher's questions; None where one of them needs the plain way."""
    if matcher.glob is not None or (matcher.route is not None and set("?#") & set(matcher.route)):
        return None
    values = [*(() if matcher.equals is None else (matcher.equals,)), *(matcher.one_of or ())]
    if not all(isinstance(value, str) for value in values):
        return None
    found: list[Test] = []
    if matcher.equals is not None:
        found.append(("one_of", [str(matcher.equals)], 0, 0))
    if matcher.one_of is not None:
        found.append(("one_of", [str(value) for value in matcher.one_of], 0, 0))
    if matcher.prefix is not None:
        found.append(("prefix", [matcher.prefix], 0, 0))
    if matcher.route is not None:
        found.append(("route", VARIABLE.split(matcher.route.rstrip("/")), 0, 0))
    if matcher.min is not None or matcher.max is not None:
        low = -math.inf if matcher.min is None else matcher.min
        found.append(("between", [], low, math.inf if matcher.max is None else matcher.max))
    return found
