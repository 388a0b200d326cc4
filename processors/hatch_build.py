"""Build hook of the slim distribution: adds the schema, which a checkout keeps in a folder of its own."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCHEMAS = "shipper_schemas"


class SchemasBeside(BuildHookInterface[Any]):
    """Takes the schema from `../schemas` in a checkout; an unpacked sdist has it beside the processors."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        folder = Path(self.root).parent / "schemas" / SCHEMAS
        if version != "editable" and not (Path(self.root) / SCHEMAS).exists():
            build_data["force_include"][str(folder)] = SCHEMAS
