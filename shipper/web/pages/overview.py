"""Overview: how the agent is, what it does now, what it counts, what it refused - as what a page shows of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shipper.metrics import catalogue
from shipper.metrics.exposition import Snapshot
from shipper.metrics.health import AgentSnapshot
from shipper.presentation.format import short, size, span
from shipper.web.pages.chart import Chart, chart
from shipper.web.pages.rate_sampler import EVENTS, LINES, SAMPLES, Pulse, Sample, number
from shipper.web.pages.search_form import link
from shipper_schemas.metrics import SeriesKey

OWN = (catalogue.PREFIX, "process_", "python_")
VIOLATIONS = catalogue.VIOLATIONS.name
SECONDS, RETRIES = catalogue.WRITE_SECONDS.name, catalogue.RETRIES.name
LAG_BYTES, LAG_MESSAGES, LAG_SECONDS = (
    metric.name for metric in (catalogue.LAG_BYTES, catalogue.LAG_MESSAGES, catalogue.LAG_SECONDS)
)
MOST_COUNTERS, MOST_LOGS, MOST_UNREADABLE = 60, 50, 20
LATE_S = 60.0
"""A lag from here on is shown as one that somebody should look at."""
WORDS = {"healthy": "Healthy", "degraded": "Degraded", "stuck": "Stuck"}
MEANING = {
    "healthy": "Reading, counting and storing.",
    "degraded": "Counting goes on; a restart would not help.",
    "stuck": "The loop does not come round: restart the agent, and keep its log.",
}
STARTING = "Looking through the files for the first time."


class Tile(NamedTuple):
    """A number of now, and its last ten minutes."""

    name: str
    value: str
    unit: str
    chart: Chart
    total: str
    grade: str
    said: str
    """All of it as a sentence."""


class Counter(NamedTuple):
    """A series that the rules keep."""

    name: str
    labels: str
    value: str
    rate: str


class Reason(NamedTuple):
    """How often something was refused or noted for one reason, and its share of the largest in thousandths."""

    name: str
    number: str
    share: str
    link: str


class Log(NamedTuple):
    """A followed log, or a partition."""

    name: str
    path: str
    size: str
    lag: str
    waits: str
    behind: bool


class Overview(NamedTuple):
    """The first page."""

    status: str
    word: str
    meaning: str
    checks: list[tuple[str, str]]
    problems: list[tuple[str, str]]
    """What is wrong, and what to do about it."""
    tiles: list[Tile]
    output: str
    output_away: bool
    latency: str
    retries: str
    inputs: Sequence[str]
    logs: list[Log]
    more_logs: int
    files: int
    counters: list[Counter]
    zeros: list[Counter]
    """Those that counted nothing so far."""
    more_counters: int
    reasons: list[Reason]
    nothing_yet: bool


def overview(agent: AgentSnapshot, pulse: Pulse, inputs: Sequence[str]) -> Overview:
    """Arrange one snapshot of the agent for the first page; `inputs` as its configuration writes them."""
    status, snapshot, health, ready = agent.status(), agent.metrics(), agent.health(), agent.ready
    values = {key: number(value) for key, value in snapshot.values.items()}
    problems = _problems(status)
    logs = sorted(status["logs"], key=lambda log: (-_behind(log), -(log.get("size") or 0), log["path"]))
    counters = _counters(values, snapshot, pulse)
    counted = [counter for counter in counters if counter.value != "0"]
    zeros = [counter for counter in counters if counter.value == "0"]
    output = status["output"]
    return Overview(
        status=health.status,
        word=WORDS.get(health.status, health.status),
        meaning=MEANING.get(health.status, "") if ready else STARTING,
        checks=sorted(health.checks.items()),
        problems=problems,
        tiles=_tiles(values, snapshot.gauges, pulse),
        output=output["url"],
        output_away=output["error"] is not None,
        latency=_latency(snapshot),
        retries=f"{values.get((RETRIES, ()), 0.0):,.0f}",
        inputs=inputs,
        logs=[_log(log) for log in logs[:MOST_LOGS]],
        more_logs=max(0, len(logs) - MOST_LOGS),
        files=len(logs),
        counters=counted[:MOST_COUNTERS],
        zeros=zeros[:MOST_COUNTERS],
        more_counters=max(0, len(counted) - MOST_COUNTERS) + max(0, len(zeros) - MOST_COUNTERS),
        reasons=_reasons(values),
        nothing_yet=ready and not any(values.get((name, ()), 0.0) for name in LINES),
    )


def _problems(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    output, state, loaded = status["output"], status["state"], status.get("configuration")
    if output["error"] is not None:
        hint = output.get("hint") or "Counting goes on, and the events follow when the output is back."
        found.append((f"The output is away: {output['error']}", hint))
    if state["error"] is not None:
        found.append((f"The state cannot be written: {state['error']}", "Reading waits until it can."))
    if loaded and loaded["error"] is not None:
        found.append((f"The configuration was refused: {loaded['error']}", "The one before it stays in effect."))
    elif loaded and loaded["restart_needed"]:
        keys = ", ".join(loaded["restart_needed"])
        found.append((f"Changed, and waiting for a restart: {keys}", "Restart the agent when it suits."))
    unreadable = sorted(status.get("unreadable", {}).items())
    found += [(f"Cannot read {path}: {error}", "See `shipper check`.") for path, error in unreadable[:MOST_UNREADABLE]]
    if len(unreadable) > MOST_UNREADABLE:
        found.append((f"and {len(unreadable) - MOST_UNREADABLE} more that cannot be read", "See `shipper status`."))
    return found


def _tiles(values: Mapping[SeriesKey, float], gauges: Mapping[SeriesKey, float], pulse: Pulse) -> list[Tile]:
    lines = sum(values.get((name, ()), 0.0) for name in LINES)
    stored, refused = (values.get((EVENTS, (outcome,)), 0.0) for outcome in ("indexed", "quarantined"))
    waits = _gauge(gauges, LAG_SECONDS)
    messages = [value for (name, _), value in gauges.items() if name == LAG_MESSAGES]
    behind = f"{sum(messages):,.0f} messages" if messages else size(_gauge(gauges, LAG_BYTES))
    lag = chart(pulse.levels(lambda sample: sample.lag_s), SAMPLES)
    late = "bad" if waits >= LATE_S else "fine"
    waiting = f"Lag: the oldest event that is not stored has waited {waits:.1f} seconds, {behind} behind."
    return [
        _rate("Read", "lines/s", f"{lines:,.0f} lines", pulse, lambda sample: sample.lines),
        _rate("Stored", "events/s", f"{stored:,.0f} events", pulse, lambda sample: sample.stored),
        _rate("Refused", "events/s", f"{refused:,.0f} in quarantine", pulse, lambda sample: sample.refused),
        Tile("Lag", span(waits * 1000) if waits else "0s", "", lag, f"{behind} behind", late, waiting),
    ]


def _rate(name: str, unit: str, total: str, pulse: Pulse, read: Callable[[Sample], float]) -> Tile:
    drawn, now = chart(pulse.rates(read), SAMPLES - 1), pulse.now(read)
    grade = "warn" if name == "Refused" and now > 0 else "fine"
    said = f"{name}: {short(now)} {unit} now, at most {drawn.most} in the last ten minutes, {total} in all."
    return Tile(name, short(now), unit, drawn, total, grade, said)


def _gauge(gauges: Mapping[SeriesKey, float], wanted: str) -> float:
    return max((float(value) for (name, _), value in gauges.items() if name == wanted), default=0.0)


def _latency(snapshot: Snapshot) -> str:
    found = snapshot.values.get((SECONDS, ()))
    times = number(found) if found is not None else 0.0
    return span(getattr(found, "sum", 0.0) / times * 1000) if times else "-"


def _counters(values: Mapping[SeriesKey, float], snapshot: Snapshot, pulse: Pulse) -> list[Counter]:
    found = [(pulse.series(key), value, key) for key, value in values.items() if not key[0].startswith(OWN)]
    return [
        Counter(name, _labels(snapshot, name, labels), f"{value:,.0f}", short(rate) if rate else "")
        for rate, value, (name, labels) in sorted(found, key=lambda one: (-one[0], -one[1], one[2]))
    ]


def _labels(snapshot: Snapshot, name: str, values: Sequence[str]) -> str:
    metric = snapshot.metrics.get(name)
    names = metric.labels if metric is not None else ()
    return ", ".join(f"{label}={value}" for label, value in zip(names, values, strict=False))


def _reasons(values: Mapping[SeriesKey, float]) -> list[Reason]:
    found = {labels[0]: value for (name, labels), value in values.items() if name == VIOLATIONS and value and labels}
    most = max(found.values(), default=1.0)
    return [
        Reason(kind, f"{value:,.0f}", f"{max(4.0, value / most * 1000):.0f}", link("quarantine", reason=kind))
        for kind, value in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    ]


def _behind(log: Mapping[str, Any]) -> float:
    return float(log.get("lag_bytes") or log.get("lag_messages") or 0)


def _log(log: Mapping[str, Any]) -> Log:
    behind = _behind(log)
    messages = log.get("lag_messages") is not None
    return Log(
        name=str(log.get("container") or log.get("service") or ""),
        path=str(log["path"]),
        size="-" if log.get("size") is None else f"{log['size']:,}" if messages else size(log["size"]),
        lag=f"{behind:,.0f}" if messages else size(behind),
        waits=span((log.get("lag_seconds") or 0) * 1000) if behind else "",
        behind=behind > 0,
    )
