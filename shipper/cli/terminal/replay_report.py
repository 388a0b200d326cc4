"""Report of a replay: a table for people, one JSON object for programs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from shipper.metrics.catalogue import VIOLATIONS
from shipper.model.batch import DROPPED, DUPLICATE, INDEXED, QUARANTINED
from shipper_schemas.metrics import Metric

if TYPE_CHECKING:
    from shipper.replay import job

MAX_COUNTERS = 30
OUTSIDE = "outside"


class PlainRoot(NamedTuple):
    """Host and original path of plain logs, on which their ids depend."""

    host: str
    path: str


def summary_lines(
    total: "job.Outcome", logs: int, seconds: float, plain: Iterable[PlainRoot], *, dry_run: bool
) -> Iterator[str]:
    """Yield the lines of the report; `plain` are the roots of plain logs."""
    events = total.events
    of_logs = "1 log" if logs == 1 else f"{logs:,} logs"
    rate = total.lines / max(seconds, 0.001)
    verb = "would replay" if dry_run else "replayed"
    yield f"{verb} {total.lines:,} lines of {of_logs} in {seconds:,.1f} s ({rate:,.0f}/s)"
    for root in plain:
        yield f"plain logs read as {root.host}, {root.path}"
    yield ""
    rows = [
        (INDEXED, "would be indexed" if dry_run else "added to the index", ""),
        (QUARANTINED, "would be quarantined" if dry_run else "added to the quarantine", _reasons(total)),
        (DUPLICATE, "already stored", ""),
        (DROPPED, "dropped", ""),
        (OUTSIDE, "outside --since and --until", ""),
    ]
    for outcome, label, reasons in rows:
        if events[outcome] or outcome == INDEXED:
            yield f"{events[outcome]:>13,}  {label}{reasons}"
    if total.indices:
        yield ""
        yield f"{'documents':>13}  index"
        for index, number in sorted(total.indices.items()):
            yield f"{number:>13,}  {index}"
    if dry_run:
        yield from counter_lines(total)
    if not dry_run and total.finished and not events[INDEXED] and not events[QUARANTINED]:
        yield ""
        yield "Nothing added: every event was already stored." if events[DUPLICATE] else "Nothing added."


def counter_lines(total: "job.Outcome") -> Iterator[str]:
    """Yield the counter increments of a dry run, largest first."""
    counted = [(key, number) for key, number in total.counters.most_common() if key[0] != VIOLATIONS.name]
    if counted:
        yield ""
        yield f"{'counted':>13}  by (not added to live counters)"
    for (metric, labels), number in counted[:MAX_COUNTERS]:
        yield f"{number:>13,}  {metric}{{{', '.join(labels)}}}" if labels else f"{number:>13,}  {metric}"
    if len(counted) > MAX_COUNTERS:
        yield f"{'':>13}  and {len(counted) - MAX_COUNTERS:,} more series"


def _reasons(total: "job.Outcome") -> str:
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in _violations(total).most_common(4))
    return f": {reasons}" if reasons else ""


def _violations(total: "job.Outcome") -> Counter[str]:
    return Counter({labels[0]: number for (name, labels), number in total.counters.items() if name == VIOLATIONS.name})


def as_json(  # noqa: PLR0913 -- all that is reported
    total: "job.Outcome",
    logs: int,
    seconds: float,
    metrics: Iterable[Metric],
    plain: Iterable[PlainRoot],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """Return the report as JSON, with every counter; `metrics` name the labels."""
    names = {metric.name: metric.labels for metric in metrics}
    counters = [
        {"name": name, "labels": dict(zip(names[name], labels, strict=True)), "value": number}
        for (name, labels), number in total.counters.most_common()
        if name != VIOLATIONS.name
    ]
    return {
        "dry_run": dry_run,
        "finished": total.finished,
        "logs": logs,
        "plain_logs_as": [root._asdict() for root in plain],
        "lines": total.lines,
        "bytes": total.bytes,
        "seconds": round(seconds, 3),
        "events": {kind: total.events[kind] for kind in (INDEXED, QUARANTINED, DUPLICATE, DROPPED, OUTSIDE)},
        "violations": _violations(total),
        "indices": dict(sorted(total.indices.items())),
        "counters": counters,
        "problems": [{"what": problem.what, "hint": problem.hint} for problem in dict.fromkeys(total.problems)],
    }
