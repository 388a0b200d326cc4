"""The provenance of a log, with values derived from it once."""

from dataclasses import dataclass

from shipper_processors.render import Renderer
from shipper_schemas.entry import Origin


@dataclass(frozen=True, slots=True)
class Source:
    """A log's provenance, with values derived from it once."""

    origin: Origin
    renderer: Renderer
    name: str | None
    """Container or service name, which a search by container compares."""

    @classmethod
    def of(cls, origin: Origin) -> "Source":
        """Prepare the provenance of one log."""
        return cls(origin, Renderer(origin), origin.container_name or origin.service)
