"""What came of a replay: a table for people, one object for programs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from shipper.metrics.catalogue import VIOLATIONS
from shipper.model.batch import DROPPED, DUPLICATE, INDEXED, QUARANTINED
from shipper_schemas.metrics import Metric

if TYPE_CHECKING:
    from shipper.replay import job

MOST_COUNTED = 30
OUTSIDE = "outside"


class Place(NamedTuple):
    """Where plain logs were read as being from: their ids follow from it."""

    host: str
    path: str


def told(total: "job.Outcome", logs: int, seconds: float, plain: Iterable[Place], *, dry_run: bool) -> Iterator[str]:
    """What came of it, in lines for people; `plain` are the places of plain logs."""
    events = total.events
    of_logs = "1 log" if logs == 1 else f"{logs:,} logs"
    rate = total.lines / max(seconds, 0.001)
    did = "would replay" if dry_run else "replayed"
    yield f"{did} {total.lines:,} lines of {of_logs} in {seconds:,.1f} s ({rate:,.0f} a second)"
    for place in plain:
        yield f"plain logs read as those of {place.host}, {place.path}"
    yield ""
    rows = [
        (INDEXED, "would be indexed" if dry_run else "added to the index", ""),
        (QUARANTINED, "would be quarantined" if dry_run else "added to the quarantine", _why(total)),
        (DUPLICATE, "were there already", ""),
        (DROPPED, "dropped", ""),
        (OUTSIDE, "outside --since and --until", ""),
    ]
    for outcome, what, why in rows:
        if events[outcome] or outcome == INDEXED:
            yield f"{events[outcome]:>13,}  {what}{why}"
    if total.indices:
        yield ""
        yield f"{'documents':>13}  index"
        for index, number in sorted(total.indices.items()):
            yield f"{number:>13,}  {index}"
    if dry_run:
        yield from told_counters(total)
    if not dry_run and total.finished and not events[INDEXED] and not events[QUARANTINED]:
        yield ""
        yield "Nothing was added: every event was there already." if events[DUPLICATE] else "Nothing was added."


def told_counters(total: "job.Outcome") -> Iterator[str]:
    """What the counters of the rules would come to, the largest first."""
    counted = [(key, number) for key, number in total.counters.most_common() if key[0] != VIOLATIONS.name]
    if counted:
        yield ""
        yield f"{'counted':>13}  by (not added to any live counter)"
    for (metric, labels), number in counted[:MOST_COUNTED]:
        yield f"{number:>13,}  {metric}{{{', '.join(labels)}}}" if labels else f"{number:>13,}  {metric}"
    if len(counted) > MOST_COUNTED:
        yield f"{'':>13}  and {len(counted) - MOST_COUNTED:,} series more"


def _why(total: "job.Outcome") -> str:
    found = ", ".join(f"{reason} {number:,}" for reason, number in _violations(total).most_common(4))
    return f": {found}" if found else ""


def _violations(total: "job.Outcome") -> Counter[str]:
    return Counter({labels[0]: number for (name, labels), number in total.counters.items() if name == VIOLATIONS.name})


def as_json(  # noqa: PLR0913 -- all that is told
    total: "job.Outcome",
    logs: int,
    seconds: float,
    metrics: Iterable[Metric],
    plain: Iterable[Place],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """The same as `told`, and every counter; with a dry run, what would come of it. `metrics` name the labels."""
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
        "plain_logs_as": [place._asdict() for place in plain],
        "lines": total.lines,
        "bytes": total.bytes,
        "seconds": round(seconds, 3),
        "events": {kind: total.events[kind] for kind in (INDEXED, QUARANTINED, DUPLICATE, DROPPED, OUTSIDE)},
        "violations": _violations(total),
        "indices": dict(sorted(total.indices.items())),
        "counters": counters,
        "problems": [{"what": problem.what, "hint": problem.hint} for problem in dict.fromkeys(total.problems)],
    }
