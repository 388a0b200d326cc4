"""Overview: health, rates, counters, violations and logs of the agent, as the view of a page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from shipper.metrics import catalogue
from shipper.metrics.health import AgentSnapshot
from shipper.metrics.snapshot import Snapshot
from shipper.presentation.format import short, size, span
from shipper.web.pages.chart import Chart, chart
from shipper.web.pages.rate_sampler import EVENTS, LINES, SAMPLES, RateSampler, Sample, number
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
"""Lag in seconds from which it is highlighted."""
WORDS = {"healthy": "Healthy", "degraded": "Degraded", "stuck": "Stuck"}
MEANING = {
    "healthy": "Reading, counting and storing.",
    "degraded": "Counting continues; a restart would not help.",
    "stuck": "The main loop makes no progress, or the state directory is gone: restart the agent, and keep its log.",
}
STARTING = "The first scan of the files is in progress."


class Tile(NamedTuple):
    """A current value and its last ten minutes."""

    name: str
    value: str
    unit: str
    chart: Chart
    total: str
    grade: str
    description: str
    """The tile as a sentence, for screen readers."""


class Counter(NamedTuple):
    """A series of the rules."""

    name: str
    labels: str
    value: str
    rate: str


class Reason(NamedTuple):
    """Number of violations of one kind, and its share of the largest in thousandths."""

    name: str
    number: str
    share: str
    link: str


class Log(NamedTuple):
    """A followed log or partition."""

    name: str
    path: str
    size: str
    lag: str
    waits: str
    behind: bool


class Overview(NamedTuple):
    """The overview page."""

    status: str
    word: str
    meaning: str
    checks: list[tuple[str, str]]
    problems: list[tuple[str, str]]
    """Problems and their hints."""
    tiles: list[Tile]
    output: str
    output_unavailable: bool
    latency: str
    retries: str
    inputs: Sequence[str]
    logs: list[Log]
    more_logs: int
    files: int
    counters: list[Counter]
    zeros: list[Counter]
    """Counters at zero."""
    more_counters: int
    reasons: list[Reason]
    nothing_yet: bool


def overview(agent: AgentSnapshot, sampler: RateSampler, inputs: Sequence[str]) -> Overview:
    """Build the overview from one snapshot of the agent; `inputs` as in the configuration."""
    status, snapshot, health, ready = agent.status(), agent.metrics(), agent.health(), agent.ready
    values = {key: number(value) for key, value in snapshot.values.items()}
    problems = _problems(status)
    logs = sorted(status["logs"], key=lambda log: (-_behind(log), -(log.get("size") or 0), log["path"]))
    counters = _counters(values, snapshot, sampler)
    counted = [counter for counter in counters if counter.value != "0"]
    zeros = [counter for counter in counters if counter.value == "0"]
    output = status["output"]
    return Overview(
        status=health.status,
        word=WORDS.get(health.status, health.status),
        meaning=MEANING.get(health.status, "") if ready else STARTING,
        checks=sorted(health.checks.items()),
        problems=problems,
        tiles=_tiles(values, snapshot.gauges, sampler),
        output=output["url"],
        output_unavailable=output["error"] is not None,
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
    problems = []
    output, state, loaded = status["output"], status["state"], status.get("configuration")
    if output["error"] is not None:
        hint = output.get("hint") or "Counting continues; the events are sent when the output is available again."
        problems.append((f"Output unavailable: {output['error']}", hint))
    if state["error"] is not None:
        problems.append(
            (f"Cannot write the state: {state['error']}", "Reading continues when the state can be written.")
        )
    if loaded and loaded["error"] is not None:
        problems.append((f"Invalid configuration: {loaded['error']}", "The previous configuration stays in effect."))
    elif loaded and loaded["restart_needed"]:
        keys = ", ".join(loaded["restart_needed"])
        problems.append((f"Restart needed for changed settings: {keys}", "Restart the agent when convenient."))
    unreadable = sorted(status.get("unreadable", {}).items())
    problems += [
        (f"Cannot read {path}: {error}", "See `shipper check`.") for path, error in unreadable[:MOST_UNREADABLE]
    ]
    if len(unreadable) > MOST_UNREADABLE:
        problems.append(
            (f"and {len(unreadable) - MOST_UNREADABLE} more files that cannot be read", "See `shipper status`.")
        )
    return problems


def _tiles(values: Mapping[SeriesKey, float], gauges: Mapping[SeriesKey, float], sampler: RateSampler) -> list[Tile]:
    lines = sum(values.get((name, ()), 0.0) for name in LINES)
    stored, quarantined = (values.get((EVENTS, (outcome,)), 0.0) for outcome in ("indexed", "quarantined"))
    waits = _gauge(gauges, LAG_SECONDS)
    messages = [value for (name, _), value in gauges.items() if name == LAG_MESSAGES]
    behind = f"{sum(messages):,.0f} messages" if messages else size(_gauge(gauges, LAG_BYTES))
    lag = chart(sampler.levels(lambda sample: sample.lag_s), SAMPLES)
    late = "bad" if waits >= LATE_S else "fine"
    description = f"Lag: the oldest event not yet stored has waited {waits:.1f} seconds, {behind} behind."
    return [
        _rate("Read", "lines/s", f"{lines:,.0f} lines", sampler, lambda sample: sample.lines),
        _rate("Stored", "events/s", f"{stored:,.0f} events", sampler, lambda sample: sample.stored),
        _rate("Quarantined", "events/s", f"{quarantined:,.0f} events", sampler, lambda sample: sample.quarantined),
        Tile("Lag", span(waits * 1000) if waits else "0s", "", lag, f"{behind} behind", late, description),
    ]


def _rate(name: str, unit: str, total: str, sampler: RateSampler, read: Callable[[Sample], float]) -> Tile:
    drawn, now = chart(sampler.rates(read), SAMPLES - 1), sampler.now(read)
    grade = "warn" if name == "Quarantined" and now > 0 else "fine"
    description = f"{name}: {short(now)} {unit} now, at most {drawn.most} in the last ten minutes, {total} in total."
    return Tile(name, short(now), unit, drawn, total, grade, description)


def _gauge(gauges: Mapping[SeriesKey, float], wanted: str) -> float:
    return max((float(value) for (name, _), value in gauges.items() if name == wanted), default=0.0)


def _latency(snapshot: Snapshot) -> str:
    distribution = snapshot.values.get((SECONDS, ()))
    times = number(distribution) if distribution is not None else 0.0
    return span(getattr(distribution, "sum", 0.0) / times * 1000) if times else "-"


def _counters(values: Mapping[SeriesKey, float], snapshot: Snapshot, sampler: RateSampler) -> list[Counter]:
    series = [(sampler.series(key), value, key) for key, value in values.items() if not key[0].startswith(OWN)]
    return [
        Counter(name, _labels(snapshot, name, labels), f"{value:,.0f}", short(rate) if rate else "")
        for rate, value, (name, labels) in sorted(series, key=lambda one: (-one[0], -one[1], one[2]))
    ]


def _labels(snapshot: Snapshot, name: str, values: Sequence[str]) -> str:
    metric = snapshot.metrics.get(name)
    names = metric.labels if metric is not None else ()
    return ", ".join(f"{label}={value}" for label, value in zip(names, values, strict=False))


def _reasons(values: Mapping[SeriesKey, float]) -> list[Reason]:
    totals = {labels[0]: value for (name, labels), value in values.items() if name == VIOLATIONS and value and labels}
    most = max(totals.values(), default=1.0)
    return [
        Reason(kind, f"{value:,.0f}", f"{max(4.0, value / most * 1000):.0f}", link("quarantine", reason=kind))
        for kind, value in sorted(totals.items(), key=lambda one: (-one[1], one[0]))
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
