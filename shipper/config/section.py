"""Base class of the configuration sections."""

import os

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
"""No plugin of another package takes part; to look for them, pydantic reads the metadata of every package."""
RESTART: JsonDict = {"x-restart": True}
"""Marks a setting, or a whole section, that a running agent does not reload: a change needs a restart."""


class Section(BaseModel):
    """A section of the file; unknown keys are invalid. Its validator is built with the first one that contains it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)
