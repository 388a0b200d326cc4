"""Inputs by type: the process that reads them, and the factory of those that are read from a server."""

from importlib import import_module
from typing import Literal

from shipper.config.input_kinds import input_kind
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.base import InputFactory


def process_of(settings: Settings) -> Literal["agent", "indexer"]:
    """Return the process that reads the inputs; "agent" if there are none."""
    return input_kind(settings.inputs[0].type).process if settings.inputs else "agent"


def factory(source: InputSettings) -> InputFactory | None:
    """Load and return the factory of an input; None for files."""
    module = input_kind(source.type).factory
    if module is None:
        return None
    chosen: InputFactory = import_module(module).FACTORY
    return chosen
