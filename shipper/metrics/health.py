"""Health of an agent, and the frozen snapshots of it that the HTTP server reads."""

from typing import Any, NamedTuple, Protocol

from shipper.metrics.exposition import Snapshot


class Health(NamedTuple):
    """Status of the agent: `healthy`, `degraded` (a restart would not help) or `stuck`, with its checks."""

    status: str
    checks: dict[str, str]

    @classmethod
    def of(cls, **checks: str) -> "Health":
        """Return the worst of the checks, with all of them."""
        return cls(next((word for word in ("stuck", "degraded") if word in checks.values()), "healthy"), checks)


def healthy_if(condition: bool, otherwise: str = "degraded") -> str:
    """Return the word for a check."""
    return "healthy" if condition else otherwise


class AgentSnapshot(Protocol):
    """The agent as it was at the end of one turn. It never changes, so that any thread may read it."""

    @property
    def ready(self) -> bool:
        """True once the first scan and the state are done."""

    def metrics(self) -> Snapshot:
        """Return committed counters and gauges."""

    def health(self) -> Health:
        """Return the checks; a snapshot that is too old means that the agent is stuck in a turn."""

    def status(self) -> dict[str, Any]:
        """Return files, offsets, lag and output, as JSON."""


class AgentView(Protocol):
    """The agent as the threads of the server know it."""

    @property
    def snapshot(self) -> AgentSnapshot:
        """The latest snapshot; to be taken once for an answer, so that its parts agree."""
