"""Pure steps that an agent and an application can share. No I/O, no clock, no threads of their own.

For an application: `processors.configure(service="backend")` and `processors.CorrelationMiddleware(app)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from processors.application import configure
    from processors.asgi import CorrelationMiddleware

__all__ = ["CorrelationMiddleware", "configure"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever is exported
    """Load what an application asks for, when it asks: the agent needs neither."""
    homes = {"configure": "processors.application", "CorrelationMiddleware": "processors.asgi"}
    if name not in homes:
        raise AttributeError(f"module 'processors' has no attribute {name!r}")
    found = getattr(import_module(homes[name]), name)
    globals()[name] = found
    return found
