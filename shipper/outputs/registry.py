"""The configured output: its factory, chosen by the URL's scheme and imported on first use.

No other module imports an output: elasticsearch and the Kafka libraries load slowly, and most commands need neither.
"""

from collections.abc import Callable, Iterator
from importlib import import_module

from shipper.config.output_kinds import output_kind
from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory, Reader, Retention, Step


def factory(settings: Settings) -> OutputFactory:
    """Import and return the factory of the configured output."""
    output_factory = import_module(output_kind(settings.output).factory).FACTORY
    assert isinstance(output_factory, OutputFactory)  # noqa: S101 -- the table of outputs names such modules
    return output_factory


def output_of(settings: Settings) -> Output:
    """The writing side. Raises ShipperError."""
    return factory(settings).output(settings)


def maintenance_of(settings: Settings, output: Output) -> Callable[[int], None] | None:
    """A task to call periodically with the time in milliseconds; None if the server does its own maintenance."""
    return factory(settings).maintenance(settings, output)


def check_output(settings: Settings) -> None:
    """Raise ShipperError if the output does not accept writes."""
    factory(settings).check(settings)


def retention(settings: Settings) -> Retention | None:
    """The age at which a day's index is deleted; None if it is kept forever. Raises ShipperError."""
    return factory(settings).retention(settings)


def reader(settings: Settings) -> Reader:
    """The reading side, for one command. Raises ConfigurationError if the output cannot be searched."""
    return factory(settings).readers(settings).open()


def installation(settings: Settings) -> Iterator[Step]:
    """Prepare the server, step by step. Raises ConfigurationError if there is nothing to prepare."""
    return factory(settings).installation(settings)
