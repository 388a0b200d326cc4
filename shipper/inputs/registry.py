"""The inputs in use: the process that reads them, and the factory of those that a server holds."""

from importlib import import_module
from typing import Literal

from shipper.config.input_kinds import input_kind
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.base import InputFactory


def process_of(settings: Settings) -> Literal["agent", "indexer"]:
    """The process that reads the inputs; an agent where there are none."""
    return input_kind(settings.inputs[0].type).process if settings.inputs else "agent"


def factory(source: InputSettings) -> InputFactory | None:
    """The factory of an input, loaded now; None for files."""
    module = input_kind(source.type).factory
    if module is None:
        return None
    chosen: InputFactory = import_module(module).FACTORY
    return chosen
