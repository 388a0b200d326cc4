"""Builds the embedded store from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shipper.config.output_kinds import local_folder
from shipper.config.settings import Settings
from shipper.outputs.base import Output, OutputFactory, Retention
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.own_log import own_log
from shipper_processors.times import format_ms

DAY_S = 86_400.0
CORRECT_CLOCK = (
    "the clock is days ahead of what the store saw last, and no day is deleted for its age before that time:"
    " correct the clock of this node; if it is right, there is nothing to do"
)


@dataclass(frozen=True, slots=True)
class LocalReaders:
    """Readers of one folder; each opens its files separately."""

    settings: Settings

    def open(self, pause: Callable[[], None] = lambda: None) -> LocalReader:
        """A reader of the folder."""
        index = self.settings.index
        return LocalReader(local_folder(self.settings.output), index.prefix, index.quarantine_prefix, pause=pause)

    def close(self) -> None:
        """Nothing to do: readers share nothing."""


class LocalFactory(OutputFactory):
    """`local:DIR`: one SQLite file a day and index."""

    no_setup = "the embedded store creates its files itself"

    def output(self, settings: Settings) -> Output:
        """Build the store; its folder is opened at the first write."""
        return LocalStore(local_folder(settings.output), settings.index.quarantine_prefix)

    def check(self, settings: Settings) -> None:
        """Nothing to do: `shipper check` checks `folder` itself."""

    def readers(self, settings: Settings, timeout: float | None = None) -> LocalReaders:  # noqa: ARG002 -- no server
        """Readers that open files on demand."""
        return LocalReaders(settings)

    def retention(self, settings: Settings) -> Retention | None:
        """The configured number of days."""
        days = settings.local.retention_days
        return None if days is None else Retention(days * DAY_S, "local.retention_days")

    def maintenance(self, settings: Settings, output: Output) -> Callable[[int], None] | None:
        """A task that deletes expired days."""
        if not isinstance(output, LocalStore):
            return None

        def maintenance(now_ms: int) -> None:
            log = own_log("shipper.retention")
            expired = output.expire(now_ms, settings.local.retention_days, settings.local.retention_bytes)
            if expired.indices:
                log.info("expired", indices=expired.indices)
            if expired.waits_until_ms is not None:
                log.warning("clock_jumped", deletes_by_age_from=format_ms(expired.waits_until_ms), hint=CORRECT_CLOCK)

        return maintenance

    def changed(self, settings: Settings, before: Settings, *, files: bool) -> bool:  # noqa: ARG002 -- as the docstring explains
        """Return False: each reload builds a new `maintenance`, and the store has no other setting."""
        return False

    def folder(self, settings: Settings) -> Path:
        """The folder of the day files."""
        return local_folder(settings.output)


FACTORY = LocalFactory()
