"""Frozen snapshot of the agent, published at the end of each turn: gauges, health and status for other threads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from shipper.delivery.loop import Delivery
from shipper.metrics.catalogue import (
    COMMITS,
    FILES,
    HELD_FILES,
    LAG_BYTES,
    LAG_SECONDS,
    LOADED_AT,
    OUTPUT_UP,
    RELOADED,
    SPOOL_BYTES,
    SPOOL_MAX_BYTES,
    UNREADABLE,
    measured,
)
from shipper.metrics.health import Health, healthy_if
from shipper.metrics.registry import Committed
from shipper.metrics.snapshot import Snapshot
from shipper.model.source import Source
from shipper.state.checkpoint import split_late_path
from shipper.system.errors import hint_while_running
from shipper_processors.envelope import without_surrogates
from shipper_processors.times import format_ms
from shipper_schemas.metrics import SeriesKey

DECLARED = {metric.name: metric for metric in measured("agent")}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration in effect, its load time (seconds since the epoch), and the result of the last reload."""

    file: str | None
    at: float
    error: str | None = None
    """Error of the file as it is now; None if it is valid."""
    waiting: bool = False
    """True while an accepted change waits for the output to acknowledge what was sent."""
    restart: tuple[str, ...] = ()
    """Keys that changed since the start and need a restart."""

    def row(self) -> dict[str, Any]:
        """Return the fields that `shipper status` prints."""
        return {
            "file": self.file,
            "loaded_at": format_ms(int(self.at * 1000)),
            "error": self.error,
            "waiting": self.waiting,
            "restart_needed": list(self.restart),
        }


class LogStatus(NamedTuple):
    """One followed log; replaced as a whole when one of its values changes."""

    path: str
    source: Source
    size: int
    counted: int
    """Offset of the count cursor."""
    shipped: int
    """Offset of the ship cursor."""
    lag_bytes: int
    behind_since: float | None
    """Time since which bytes wait to be acknowledged (monotonic seconds); None if none do."""

    def row(self, now: float) -> dict[str, Any]:
        """Return the fields that `shipper status` prints."""
        origin = self.source.origin
        return {
            "path": without_surrogates(self.path),
            "service": origin.service,
            "container": origin.container_name,
            "size": self.size,
            "counted": self.counted,
            "shipped": self.shipped,
            "lag_bytes": self.lag_bytes,
            "lag_seconds": 0.0 if self.behind_since is None else round(now - self.behind_since, 3),
        }


@dataclass(frozen=True, slots=True)
class LogsMeasured:
    """All followed logs at one moment."""

    at: float
    """Monotonic seconds."""
    logs: tuple[LogStatus, ...] = ()
    lag_bytes: int = 0
    """Sum over the logs."""
    lag_seconds: float = 0.0
    """Longest wait of all logs."""


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """The output: its kind and URL, and the error while it is unavailable."""

    kind: str
    url: str
    error: str | None
    hint: str

    @classmethod
    def of(cls, kind: str, delivery: Delivery[Any]) -> "OutputStatus":
        """Return the present status of the output of `delivery`."""
        state = delivery.state
        return cls(kind, delivery.output.url, state.error, hint_while_running(state))

    def row(self) -> dict[str, Any]:
        """Return its part of the document of `shipper status`."""
        return {"url": self.url, "error": self.error, "hint": self.hint if self.error else None}


@dataclass(frozen=True, slots=True)
class StateStatus:
    """The state: its directory, the error while it cannot be written, and the number of commits."""

    directory: str
    error: str | None
    commits: int
    gone: bool = False
    """True if the directory was removed or replaced."""


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Rotated files that wait for the output: those held open, and the spool."""

    held_files: int = 0
    held_bytes: int = 0
    """Unshipped bytes of the deleted ones among them."""
    files: int = 0
    bytes: int = 0
    """Size on disk."""
    max_bytes: int = 0
    hours_left: float | None = None
    """Hours until the spool is full if all that is written now were spooled; None if nothing is written."""
    error: str | None = None
    """Error of the last try to spool a file."""

    def row(self) -> dict[str, Any]:
        """Return its part of the document of `shipper status`."""
        return {
            "held_files": self.held_files,
            "held_bytes": self.held_bytes,
            "files": self.files,
            "bytes": self.bytes,
            "max_bytes": self.max_bytes,
            "hours_left": self.hours_left,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    """The agent at the end of one turn."""

    published_at: float
    """Monotonic seconds."""
    monotonic: Callable[[], float]
    ready: bool
    path: Literal["native", "python"]
    """Path that lines take."""
    output: OutputStatus
    state: StateStatus
    notices: Mapping[str, Any]
    """How changes of files are noticed."""
    unreadable: Mapping[str, OSError]
    measured: LogsMeasured
    counters: Committed
    loaded: Loaded | None
    stuck_after: float
    max_lag: float | None
    spool: SpoolStatus = SpoolStatus()

    def metrics(self) -> Snapshot:
        """Return committed counters and gauges."""
        counters = self.counters
        return Snapshot({**counters.metrics, **DECLARED}, counters.values, counters.created, self._gauges(), self.path)

    def _gauges(self) -> Mapping[SeriesKey, float]:
        measured, output = self.measured, (self.output.kind,)
        gauges: dict[SeriesKey, float] = {
            (FILES.name, ()): sum(split_late_path(log.path) is None for log in measured.logs),
            (UNREADABLE.name, ()): len(self.unreadable),
            (LAG_BYTES.name, output): measured.lag_bytes,
            (LAG_SECONDS.name, output): measured.lag_seconds,
            (OUTPUT_UP.name, output): self.output.error is None,
            (COMMITS.name, ()): self.state.commits,
            (SPOOL_BYTES.name, ()): self.spool.bytes,
            (SPOOL_MAX_BYTES.name, ()): self.spool.max_bytes,
            (HELD_FILES.name, ()): self.spool.held_files,
        }
        if self.loaded is not None:
            gauges |= {(RELOADED.name, ()): self.loaded.error is None, (LOADED_AT.name, ()): self.loaded.at}
        return gauges

    def health(self) -> Health:
        """Return the checks; the loop is `stuck` if no snapshot followed for `stuck_after` seconds."""
        idle = self.monotonic() - self.published_at
        return Health.of(
            loop=healthy_if(not self.ready or idle < self.stuck_after, "stuck"),
            state=healthy_if(self.state.error is None, "stuck" if self.state.gone else "degraded"),
            output=healthy_if(self.output.error is None),
            inputs=healthy_if(not self.unreadable),
            lag=healthy_if(self.max_lag is None or self.measured.lag_seconds < self.max_lag),
            configuration=healthy_if(self.loaded is None or self.loaded.error is None),
        )

    def status(self) -> dict[str, Any]:
        """Return the document of `shipper status`: path, output, state, configuration, logs."""
        return {
            "running": True,
            "path": self.path,
            "output": self.output.row(),
            "state": {"directory": self.state.directory, "error": self.state.error},
            "spool": self.spool.row(),
            "changes": dict(self.notices),
            "configuration": None if self.loaded is None else self.loaded.row(),
            "unreadable": {
                without_surrogates(path): without_surrogates(str(error)) for path, error in self.unreadable.items()
            },
            "logs": [log.row(self.measured.at) for log in self.measured.logs],
        }
