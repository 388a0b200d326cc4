"""The output in use: its factory, loaded by the scheme of its URL, and what that builds.

Nothing else imports an output: elasticsearch and the Kafka libraries are slow to load, and most commands need neither.
"""

from collections.abc import Callable, Iterator
from importlib import import_module

from shipper.config.output_kinds import output_kind
from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory, Reader, Retention, Step


def factory(settings: Settings) -> OutputFactory:
    """The factory of the output that the settings name, loaded now."""
    chosen = import_module(output_kind(settings.output).factory).FACTORY
    assert isinstance(chosen, OutputFactory)  # noqa: S101 -- the table of outputs names such modules
    return chosen


def output_of(settings: Settings) -> Output:
    """The writing side. Raises ShipperError."""
    return factory(settings).output(settings)


def upkeep_of(settings: Settings, output: Output) -> Callable[[int], None] | None:
    """A task to call now and then with the wall clock's milliseconds; None where a server does it."""
    return factory(settings).upkeep(settings, output)


def check_output(settings: Settings) -> None:
    """Raise ShipperError where the output could not be written to now, whatever was sent."""
    factory(settings).check(settings)


def retention(settings: Settings) -> Retention | None:
    """The age at which a day's index is deleted; None where nothing deletes it. Raises ShipperError."""
    return factory(settings).retention(settings)


def reader(settings: Settings) -> Reader:
    """The reading side, for one command. Raises ConfigurationError where the output cannot be searched."""
    return factory(settings).readers(settings).open()


def installation(settings: Settings) -> Iterator[Step]:
    """Prepare the server, step by step. Raises ConfigurationError where there is nothing to prepare."""
    return factory(settings).installation(settings)
