"""Status samples of an agent, from its HTTP server or, if it has none, from its state directory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from prometheus_client.parser import text_string_to_metric_families

from shipper.cli.commands.status import behind, from_agent, from_state, page
from shipper.config.settings import Settings
from shipper.diagnose.preflight import locked
from shipper.metrics import catalogue
from shipper.state.database import LOCK, open_read_only
from shipper.system.errors import ShipperError

LINES = (catalogue.LINES_READ.name, catalogue.MESSAGES.name)
"""Metrics of lines read by an agent, and of messages read by an indexer."""
OWN = (catalogue.PREFIX, "process_", "python_")


class Key(NamedTuple):
    """A series: its name and its labels, sorted."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


Series = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of an agent."""

    at: float
    """Monotonic seconds."""
    source: str
    """`agent` or `state`."""
    address: str
    status: dict[str, Any]
    series: Series

    def total(self, name: str, **labels: str) -> float:
        """Sum the series of that name with these labels."""
        wanted = set(labels.items())
        return sum(value for key, value in self.series.items() if key.name == name and wanted <= set(key.labels))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the series of that name by the value of a label."""
        return {dict(key.labels).get(label, ""): value for key, value in self.series.items() if key.name == name}

    def lines(self) -> float:
        """Return the number of lines or messages read."""
        return sum(self.total(name) for name in LINES)


def take(settings: Settings, names: Mapping[str, tuple[str, ...]]) -> Sample:
    """Sample the agent at `listen`, else the one that locks the state directory; `names` are the labels by metric.

    Raises ShipperError if no agent is running.
    """
    status = from_agent(settings)
    if status is not None:
        series = metrics_of(settings)
        if series is not None:
            return Sample(time.monotonic(), "agent", settings.listen, status, series)
    if not locked(settings.state_dir / LOCK):
        where = "" if settings.listen == "off" else f" at {settings.listen}"
        raise ShipperError(
            f"no agent answers{where}, and none uses {settings.state_dir}",
            "start one with `shipper run`, or give --listen HOST:PORT or --state-dir DIR of a running one",
        )
    status = from_state(settings.state_dir)
    return Sample(time.monotonic(), "state", str(settings.state_dir), status, saved_series(settings.state_dir, names))


def metrics_of(settings: Settings) -> dict[Key, float] | None:
    """Return the series of /metrics; None if no agent answers."""
    response = page(settings, "/metrics")
    if response is None:
        return None
    text = response.body.decode("utf-8", "replace")
    return {
        Key(sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def saved_series(directory: Path, names: Mapping[str, tuple[str, ...]]) -> dict[Key, float]:
    """Return the counters of the last commit; metrics whose labels are not in `names` are omitted."""
    with open_read_only(directory) as db:
        rows = db.execute("SELECT metric, labels, value, counts FROM series").fetchall()
    series: dict[Key, float] = {}
    for metric, values, value, counts in rows:
        known, label_values = names.get(metric), orjson.loads(values)
        if known is None or len(known) != len(label_values):
            continue
        labels = tuple(sorted(zip(known, label_values, strict=True)))
        if counts is None:
            series[Key(metric, labels)] = value
        else:
            series |= {Key(f"{metric}_count", labels): sum(orjson.loads(counts)), Key(f"{metric}_sum", labels): value}
    return series


# --- two samples ------------------------------------------------------------------------------------


def compared(before: Sample, now: Sample) -> dict[str, Any]:
    """Compare two samples: the later one, with rates between them; the format of `--format json`."""
    seconds = max(now.at - before.at, 0.001)

    def rate(name: str, **labels: str) -> float:
        return round(max(0.0, now.total(name, **labels) - before.total(name, **labels)) / seconds, 3)

    status, outcomes = now.status, now.by(catalogue.EVENTS.name, "outcome")
    requests = now.total(f"{catalogue.WRITE_SECONDS.name}_count")
    return {
        "running": True,
        "from": now.source,
        "address": now.address,
        "seconds": round(seconds, 3),
        "rates": {
            "lines": round(max(0.0, now.lines() - before.lines()) / seconds, 3),
            "bytes": rate(catalogue.BYTES_READ.name),
            "events": {outcome: rate(catalogue.EVENTS.name, outcome=outcome) for outcome in sorted(outcomes)},
        },
        "totals": {"lines": now.lines(), "events": dict(sorted(outcomes.items()))},
        "lag": lag(now),
        "output": {
            "url": (status.get("output") or {}).get("url"),
            "error": (status.get("output") or {}).get("error"),
            "requests": now.by(catalogue.WRITES.name, "result"),
            "request_seconds": (
                round(now.total(f"{catalogue.WRITE_SECONDS.name}_sum") / requests, 6) if requests else None
            ),
            "retries": now.total(catalogue.RETRIES.name),
            "throttled": now.total(catalogue.THROTTLED.name),
            "refused": now.total(catalogue.REFUSED.name),
        },
        "memory_bytes": now.total("process_resident_memory_bytes") or None,
        "state": status.get("state"),
        "configuration": status.get("configuration"),
        "unreadable": status.get("unreadable", {}),
        "counters": counters(before, now, seconds),
        "logs": logs(before, now, seconds),
    }


def lag(now: Sample) -> dict[str, float | None]:
    """Return the lag: bytes, or messages of an indexer, and seconds if the agent reports them."""
    seconds = now.by(catalogue.LAG_SECONDS.name, "output")
    messages = [log["lag_messages"] for log in now.status["logs"] if log.get("lag_messages") is not None]
    waiting = sum(log.get("lag_bytes") or 0 for log in now.status["logs"])
    return {
        "bytes": None if messages else waiting,
        "messages": sum(messages) if messages else None,
        "seconds": max(seconds.values()) if seconds else None,
    }


def counters(before: Sample, now: Sample, seconds: float) -> list[dict[str, Any]]:
    """Return the counters of the rules: fastest first, then largest."""
    rows = [
        {
            "name": key.name,
            "labels": dict(key.labels),
            "value": value,
            "per_second": round(max(0.0, value - before.series.get(key, 0.0)) / seconds, 3),
        }
        for key, value in now.series.items()
        if not key.name.startswith(OWN) and not key.name.endswith("_sum")
    ]
    return sorted(rows, key=lambda counter: (-counter["per_second"], -counter["value"], counter["name"]))


def logs(before: Sample, now: Sample, seconds: float) -> list[dict[str, Any]]:
    """Return the logs with their growth rates: largest lag first, then fastest."""
    earlier = {log["path"]: log.get("size") for log in before.status["logs"]}
    rows = []
    for log in now.status["logs"]:
        size, old = log.get("size"), earlier.get(log["path"])
        grown = 0 if size is None or old is None else max(0, size - old)
        rows.append({**log, "per_second": round(grown / seconds, 3)})
    return sorted(rows, key=lambda log: (-(behind(log) or 0), -log["per_second"], log["path"]))
