"""The embedded store built from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from shipper.config.output_kinds import local_folder
from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory, Retention
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class LocalReaders:
    """Readers of one folder; each opens its own files."""

    settings: Settings

    def open(self, pause: Callable[[], None] = lambda: None) -> LocalReader:
        """A reader of the folder."""
        index = self.settings.index
        return LocalReader(local_folder(self.settings.output), index.prefix, index.quarantine_prefix, pause=pause)

    def close(self) -> None:
        """Nothing is shared."""


class LocalFactory(OutputFactory):
    """`local:DIR`: one SQLite file a day and index."""

    no_setup = "the embedded store creates its files itself"

    def output(self, settings: Settings) -> Output:
        """The store; its folder is opened with the first write."""
        return LocalStore(local_folder(settings.output), settings.index.quarantine_prefix)

    def check(self, settings: Settings) -> None:
        """Nothing is asked of a folder; `shipper check` examines it where `folder` says."""

    def readers(self, settings: Settings, timeout: float | None = None) -> LocalReaders:  # noqa: ARG002 -- no server
        """Readers that open files as they need them."""
        return LocalReaders(settings)

    def retention(self, settings: Settings) -> Retention | None:
        """The days that are kept."""
        days = settings.local.retention_days
        return None if days is None else Retention(days * DAY_S, "local.retention_days")

    def upkeep(self, settings: Settings, output: Output) -> Callable[[int], None] | None:
        """Deletes the days that retention does not keep."""
        if not isinstance(output, LocalStore):
            return None

        def upkeep(now_ms: int) -> None:
            gone = output.expire(now_ms, settings.local.retention_days, settings.local.retention_bytes)
            if gone:
                structlog.get_logger("shipper.retention").info("expired", indices=gone)

        return upkeep

    def changed(self, settings: Settings, before: Settings, *, files: bool) -> bool:  # noqa: ARG002 -- as it says
        """Return False: each reload builds a new `upkeep`, and the store itself has no other setting."""
        return False

    def folder(self, settings: Settings) -> Path:
        """The folder of the day files."""
        return local_folder(settings.output)


FACTORY = LocalFactory()
