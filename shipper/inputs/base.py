"""Interface of an input that is read from a server: its connection check."""

from typing import Protocol

from shipper.config.settings import InputSettings, Settings


class InputFactory(Protocol):
    """An input type that is read from a server, built from the settings."""

    confirmation: str
    """Text that `shipper check` prints if `check` raises nothing."""

    def check(self, settings: Settings, source: InputSettings) -> None:
        """Raise ShipperError if `source` cannot be read now."""
