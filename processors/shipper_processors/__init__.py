"""Pure steps that an agent and an application can share. No I/O, no clock, no threads of their own.

For an application: `shipper_processors.configure(service="backend")`, and the ASGI middleware
`shipper_processors.CorrelationMiddleware(app)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipper_processors.asgi import CorrelationMiddleware
    from shipper_processors.structlog_setup import configure

__all__ = ["CorrelationMiddleware", "configure"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever is exported
    """Load what an application asks for, when it asks: the agent needs neither."""
    homes = {"configure": "shipper_processors.structlog_setup", "CorrelationMiddleware": "shipper_processors.asgi"}
    if name not in homes:
        raise AttributeError(f"module 'shipper_processors' has no attribute {name!r}")
    found = getattr(import_module(homes[name]), name)
    globals()[name] = found
    return found
