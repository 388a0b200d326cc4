"""Base class of the configuration sections."""

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

RESTART: JsonDict = {"x-restart": True}
"""Marks a setting, or a whole section, that a running agent does not reload: a change needs a restart."""


class Section(BaseModel):
    """A section of the file; unknown keys are invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
