"""Reload: a changed configuration taken over by a running agent, or refused as a whole.

Read, checked and built before anything of the agent is touched; the agent puts the parts in place between two batches.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from shipper.agent.agent import Agent
from shipper.agent.agent_snapshot import Loaded
from shipper.agent.agent_status import Vitals
from shipper.bootstrap import build_agent, build_inputs
from shipper.config import Configuration
from shipper.config.files.watch import Digests, Watch
from shipper.config.restart_only import reloadable
from shipper.config.settings import Settings
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.registry import process_of
from shipper.metrics.catalogue import FAILURE, RELOADS, SUCCESS
from shipper.model.batch import Tally
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, ShipperError


@dataclass(slots=True)
class Reloader:
    """Looks after the configuration of one agent; `turn` is called in the agent's thread."""

    configuration: Configuration
    agent: Agent
    vitals: Vitals
    clock: Clock
    from_end: bool = False
    """Whether logs of inputs that are new begin at their end."""
    apply: Callable[[Settings], None] = lambda _settings: None
    """What else takes over settings, such as the process's own log."""
    requested: bool = False
    """Set by whoever wants a reload now."""
    _watch: Watch = field(init=False)
    _in_effect: Digests = field(init=False)
    """What the files held when the settings in effect were read."""
    _look_at: float = 0.0
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.reload"))

    def __post_init__(self) -> None:
        """What is in effect now is what was read."""
        self._watch = Watch(self._files)
        self._in_effect = self._watch.known
        self._look_at = self.clock.monotonic() + self.configuration.settings.reload.interval
        file = self.configuration.sources.file
        self.vitals.loaded = Loaded(None if file is None else str(file), self._now())

    def turn(self) -> None:
        """Reload where it was asked for, or where a file has changed."""
        if not self.requested:
            reload, now = self.configuration.settings.reload, self.agent.turned_at
            if not reload.watch or now < self._look_at:
                return
            self._look_at = now + reload.interval
            if not self._watch.changed():
                return
        self.requested = False
        self._reload()

    def _reload(self) -> None:
        before = self.configuration.settings
        self._watch.accept()
        try:
            found = self.configuration.reread()
            settings, restart = reloadable(before, found.settings)
            refuse_other_kinds(self.agent, settings)
            now = self._watch.known
            own = self.configuration.sources.file
            others = any(self._in_effect.get(path) != content for path, content in now.items() if path != own)
            change = build_agent.change(settings, before, from_end=self.from_end, files_changed=others)
        except ShipperError as error:
            self._refused(error)
            return
        taken = found._replace(settings=settings)
        self._tell(waiting=True)
        self.agent.adopt(replace(change, done=lambda: self._taken_over(taken, now, restart)))

    def _taken_over(self, found: Configuration, held: Digests, restart: tuple[str, ...]) -> None:
        settings = found.settings
        self.configuration, self._in_effect = found, held
        self.agent.pace = build_inputs.pace(settings)
        self.vitals.stuck_after, self.vitals.max_lag = settings.health.stuck_after, settings.health.max_lag
        self.apply(settings)
        self._count(SUCCESS)
        file = found.sources.file
        self.vitals.loaded = Loaded(None if file is None else str(file), self._now(), restart=restart)
        self._log.info("configuration_reloaded", file=_shown(file), restart_needed=list(restart))

    def _refused(self, error: ShipperError) -> None:
        self._count(FAILURE)
        self._tell(error=error.what, waiting=self.agent.changing)
        self._log.error(
            "configuration_refused", file=_shown(self.configuration.sources.file), error=error.what,
            hint=f"{error.hint}; the configuration before it stays in effect",
        )  # fmt: skip

    def _tell(self, *, waiting: bool, error: str | None = None) -> None:
        if self.vitals.loaded is not None:
            self.vitals.loaded = replace(self.vitals.loaded, error=error, waiting=waiting)

    def _count(self, result: str) -> None:
        tally = Tally()
        tally.sums[RELOADS.name, (result,)] += 1
        self.agent.ledger.add(tally, self._now())

    def _files(self) -> list[Path]:
        return self.configuration.sources.files()

    def _now(self) -> float:
        return self.clock.wall_ms() / 1000


def refuse_other_kinds(agent: Agent, settings: Settings) -> None:
    """Raise ConfigurationError where a log would be read as another type than it is now.

    The ids of its events would be others, and what it holds back could not be read.
    """
    if process_of(settings) != "agent":
        raise ConfigurationError(
            "inputs: a topic is read by an indexer, and this process follows files", "restart it with that input"
        )
    from_now = build_inputs.inputs_of(settings, Folders(), (), from_end=False)
    for path, (source, _) in agent.tail.named(from_now).items():
        known = agent.tail.logs.get(path)
        if known is not None and known.kind != source.kind:
            raise ConfigurationError(
                f"inputs: {path} would be read as {source.kind}, and is followed as {known.kind}",
                "correct the input, or restart the agent",
            )


def _shown(file: Path | None) -> str | None:
    return None if file is None else str(file)
