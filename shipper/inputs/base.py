"""Base of inputs that a server holds: the check before they are read."""

from typing import Protocol

from shipper.config.settings import InputSettings, Settings


class InputFactory(Protocol):
    """One kind of input with a server, built from the settings."""

    confirmation: str
    """The finding of `shipper check` where `check` raises nothing."""

    def check(self, settings: Settings, source: InputSettings) -> None:
        """Raise ShipperError where `source` could not be read now."""
