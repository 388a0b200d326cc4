"""The embedded store built from the settings."""

from collections.abc import Callable
from pathlib import Path

import structlog

from shipper.config.settings import Settings
from shipper.outputs.base import Output
from shipper.outputs.sqlite.output import LocalStore
from shipper.system.errors import ConfigurationError


def upkeep_of(settings: Settings, output: Output) -> Callable[[int], None] | None:
    """Deletes the days that retention does not keep; the cluster's own lifecycle does that there."""
    if not isinstance(output, LocalStore):
        return None

    def upkeep(now_ms: int) -> None:
        gone = output.expire(now_ms, settings.local.retention_days, settings.local.retention_bytes)
        if gone:
            structlog.get_logger("shipper.retention").info("expired", indices=gone)

    return upkeep


def local_directory(settings: Settings) -> Path:
    """The folder of a `local:DIR` URL."""
    scheme, _, folder = settings.output.partition(":")
    if scheme != "local" or not folder:
        raise ConfigurationError(
            f"output {settings.output!r} is not one that this version writes", "give `local:DIR`, a folder"
        )
    return Path(folder)
