"""Health of an agent, and the interface of the snapshots that the HTTP server reads."""

from typing import Any, NamedTuple, Protocol

from shipper.metrics.snapshot import Snapshot


class Health(NamedTuple):
    """Status of the agent: `healthy`, `degraded` (a restart would not help) or `stuck`, with its checks."""

    status: str
    checks: dict[str, str]

    @classmethod
    def of(cls, **checks: str) -> "Health":
        """Return the worst of the checks, with all of them."""
        return cls(next((word for word in ("stuck", "degraded") if word in checks.values()), "healthy"), checks)


def healthy_if(condition: bool, otherwise: str = "degraded") -> str:
    """Return the status of one check."""
    return "healthy" if condition else otherwise


class AgentSnapshot(Protocol):
    """The agent at the end of one turn. It never changes, so any thread may read it."""

    @property
    def ready(self) -> bool:
        """True once the first scan is done and the state is open."""

    def metrics(self) -> Snapshot:
        """Return committed counters and gauges."""

    def health(self) -> Health:
        """Return the checks; an old snapshot means that the agent is stuck in a turn."""

    def status(self) -> dict[str, Any]:
        """Return files, offsets, lag and output, as JSON."""


class AgentView(Protocol):
    """The agent as seen by the threads of the server."""

    @property
    def snapshot(self) -> AgentSnapshot:
        """The latest snapshot; read it once per response, so that all parts agree."""
