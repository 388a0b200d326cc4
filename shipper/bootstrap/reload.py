"""Reload: a running agent applies a changed configuration as a whole, or rejects it as a whole.

The configuration is read, validated and built before the agent is touched; the agent applies the parts between two
batches.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shipper.agent.agent import Agent
from shipper.agent.agent_snapshot import Loaded
from shipper.agent.agent_status import AgentPublisher
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
from shipper.system.own_log import own_log


@dataclass(slots=True)
class Reloader:
    """Reloads the configuration of one agent; `turn` is called in the agent's thread."""

    configuration: Configuration
    agent: Agent
    publisher: AgentPublisher
    clock: Clock
    from_end: bool = False
    """True if the logs of new inputs start at their end."""
    apply: Callable[[Settings], None] = lambda _settings: None
    """Applies settings outside the agent, such as the level of the process's own log."""
    requested: bool = False
    """Set to request a reload, also without a changed file."""
    _watch: Watch = field(init=False)
    _in_effect: Digests = field(init=False)
    """What the files held when the settings in effect were read."""
    _check_at: float = 0.0
    _log: Any = field(default_factory=lambda: own_log("shipper.reload"))

    def __post_init__(self) -> None:
        """Record the files that were read as the configuration in effect."""
        self._watch = Watch(self._files)
        self._in_effect = self._watch.known
        self._check_at = self.clock.monotonic() + self.configuration.settings.reload.interval
        file = self.configuration.sources.file
        self.publisher.loaded = Loaded(None if file is None else str(file), self._now())

    def turn(self) -> None:
        """Reload if it is requested, or if a file has changed."""
        if not self.requested:
            reload, now = self.configuration.settings.reload, self.agent.turned_at
            if not reload.watch or now < self._check_at:
                return
            self._check_at = now + reload.interval
            if not self._watch.changed():
                return
        self.requested = False
        self._reload()

    def _reload(self) -> None:
        before = self.configuration.settings
        self._watch.accept()
        try:
            configuration = self.configuration.reread()
            settings, restart = reloadable(before, configuration.settings)
            check_kinds(self.agent, settings)
            now = self._watch.known
            own = self.configuration.sources.file
            others = any(self._in_effect.get(path) != content for path, content in now.items() if path != own)
            change = build_agent.change(
                settings, before, from_end=self.from_end, files_changed=others, pods=self.agent.tail.pods
            )
        except ShipperError as error:
            self._rejected(error)
            return
        accepted = configuration._replace(settings=settings)
        self._set_status(waiting=True)
        self.agent.request_change(replace(change, done=lambda: self._applied(accepted, now, restart)))

    def _applied(self, configuration: Configuration, held: Digests, restart: tuple[str, ...]) -> None:
        settings = configuration.settings
        self.configuration, self._in_effect = configuration, held
        self.agent.pace = build_inputs.pace(settings)
        self.publisher.stuck_after, self.publisher.max_lag = settings.health.stuck_after, settings.health.max_lag
        self.apply(settings)
        self._count(SUCCESS)
        file = configuration.sources.file
        self.publisher.loaded = Loaded(None if file is None else str(file), self._now(), restart=restart)
        self._log.info("configuration_reloaded", file=_shown(file), restart_needed=list(restart))

    def _rejected(self, error: ShipperError) -> None:
        self._count(FAILURE)
        self._set_status(error=error.what, waiting=self.agent.change_pending)
        self._log.error(
            "configuration_invalid", file=_shown(self.configuration.sources.file), error=error.what,
            hint=f"{error.hint}; the previous configuration stays in effect",
        )  # fmt: skip

    def _set_status(self, *, waiting: bool, error: str | None = None) -> None:
        if self.publisher.loaded is not None:
            self.publisher.loaded = replace(self.publisher.loaded, error=error, waiting=waiting)

    def _count(self, result: str) -> None:
        tally = Tally()
        tally.sums[RELOADS.name, (result,)] += 1
        self.agent.ledger.add(tally, self._now())

    def _files(self) -> list[Path]:
        return self.configuration.sources.files()

    def _now(self) -> float:
        return self.clock.wall_ms() / 1000


def check_kinds(agent: Agent, settings: Settings) -> None:
    """Raise ConfigurationError if the type of a followed log would change.

    Its events would get other ids, and its saved partial entry could not be read.
    """
    if process_of(settings) != "agent":
        raise ConfigurationError(
            "inputs: this process follows files; a topic needs an indexer", "restart the process with that input"
        )
    from_now = build_inputs.inputs_of(settings, Folders(), (), from_end=False)
    for path, (source, _) in agent.tail.named(from_now).items():
        known = agent.tail.logs.get(path)
        if known is not None and known.kind != source.kind:
            raise ConfigurationError(
                f"inputs: the type of {path} would change from {known.kind} to {source.kind}",
                "correct the input, or restart the agent",
            )


def _shown(file: Path | None) -> str | None:
    return None if file is None else str(file)
