"""Health of an agent, and the view of it that the HTTP server reads."""

from typing import Any, NamedTuple, Protocol

from shipper.metrics.exposition import Snapshot


class Health(NamedTuple):
    """How the agent is: `healthy`, `degraded` (a restart would not help) or `stuck`, with its checks."""

    status: str
    checks: dict[str, str]


class AgentView(Protocol):
    """What the agent shows of itself; called from the server's threads."""

    def snapshot(self) -> Snapshot:
        """Committed counters and gauges."""

    def health(self) -> Health:
        """How it is."""

    def ready(self) -> bool:
        """Whether the first scan and the state are done."""

    def status(self) -> dict[str, Any]:
        """Files, positions, lag, output, as JSON."""
