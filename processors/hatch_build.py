"""Build hook of the slim distribution: adds the schemas, which are in another folder of a checkout."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCHEMAS = "shipper_schemas"


class SchemasBeside(BuildHookInterface[Any]):
    """Adds the schemas from `../schemas` in a checkout; an unpacked sdist has them beside the processors."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder before hatchling collects files."""
        folder = Path(self.root).parent / "schemas" / SCHEMAS
        if version != "editable" and not (Path(self.root) / SCHEMAS).exists():
            build_data["force_include"][str(folder)] = SCHEMAS
