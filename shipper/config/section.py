"""The base of every section of the configuration."""

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

RESTART: JsonDict = {"x-restart": True}
"""Marks a setting, or a section with all its settings, that a running agent does not take over: it needs a restart."""


class Section(BaseModel):
    """A part of the file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
