"""Pure processing steps, shared by the agent and by applications. No I/O, no clock, no threads.

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
    """Import an export on first use: the agent needs none of them."""
    modules = {"configure": "shipper_processors.structlog_setup", "CorrelationMiddleware": "shipper_processors.asgi"}
    if name not in modules:
        raise AttributeError(f"module 'shipper_processors' has no attribute {name!r}")
    export = getattr(import_module(modules[name]), name)
    globals()[name] = export
    return export
