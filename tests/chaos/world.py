"""A world under a schedule: logs that grow, an agent over them, faults as they come, and the books in the end."""

import contextlib
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.chaos.agent import GRACE_S, Subject
from tests.chaos.books import Balance, Stored, balance
from tests.chaos.disks import SmallDisk
from tests.chaos.lines import Truth
from tests.chaos.logs import STORM_FILE, Log, Written
from tests.chaos.schedule import Schedule

KINDS = ("docker", "cri", "plain")
TIMED = ("docker", "cri")
"""Logs whose lines carry the runtime's time: a line without one belongs to the day on which it is read."""
CONFIG = """
tail: {poll_interval: 50ms, scan_interval: 200ms, batch_age: 200ms, batch_bytes: 256KiB, rotate_wait: 1s}
join: {wait: 500ms}
"""
FRESH = 0.1
"""How many of the agents have an interpreter of their own."""
RELEASED_S = 1.0
"""How long an agent must have let go of a file before it counts as done with it."""


class Place(Protocol):
    """Where lines go, and what can happen to that."""

    name: str

    def open(self, world: "World") -> Subject:
        """Make ready; gives the agent, not started."""

    def logs(self, world: "World") -> list[Log]:
        """What grows."""

    def settle(self, world: "World") -> None:
        """Undo what was done to it, and let all that is on its way arrive."""

    def stored(self, world: "World") -> Iterator[Stored]:
        """All that arrived."""

    def close(self, world: "World") -> None:
        """Give back what `open` took."""


@dataclass(eq=False)
class Held:
    """A file that is gone and that the agent still had open."""

    log: Log
    file: Written
    let_go_at: float | None = None


@dataclass
class Outcome:
    """What a schedule came to."""

    tried: Counter[str]
    balance: Balance
    folder: Path
    trouble: str | None = None

    @property
    def even(self) -> bool:
        """Whether all is as it should be."""
        return self.trouble is None and self.balance.even


@dataclass(eq=False)
class World:
    """One schedule at work in a folder of its own."""

    folder: Path
    schedule: Schedule
    place: Place
    say: Callable[[str], None] = print
    defect: str | None = None
    truth: Truth = field(default_factory=Truth)
    tried: Counter[str] = field(default_factory=Counter)
    offset_s: int = 0
    disks: dict[str, SmallDisk] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.chance = random.Random(f"{self.schedule.seed} world")
        self.lock = threading.RLock()
        self.quiet = threading.Event()
        self.errors: list[BaseException] = []
        self.held: list[Held] = []
        self.threads: list[threading.Thread] = []
        self.busy: set[str] = set()
        """Faults that go on in the background and come one at a time."""
        self.number = 0
        self.others: list[Subject] = []
        """Processes beside the agent."""
        self.faults = {step.fault for step in self.schedule.steps}

    def now_ns(self) -> int:
        """The wall clock of this world."""
        return time.time_ns() + self.offset_s * 10**9

    def note(self, what: str) -> None:
        """Keep what happened when, for whoever has to find out why."""
        with (self.folder / "story").open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')}{time.time() % 1:.3f}".replace("0.", ".") + f" {what}\n")

    # --- a whole run ------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Follow the schedule, then balance."""
        from tests.chaos.faults import FAULTS  # they know this class

        trouble = None
        self.agent = self.place.open(self)
        self.logs = self.place.logs(self)
        if self.defect:
            self.agent.environment["CHAOS_DEFECT"] = self.defect
        try:
            try:
                self.background(self._grow)
                self.background(self._watch)
                for step in self.schedule.steps:
                    self.ensure()
                    time.sleep(step.after)
                    self.note(str(step))
                    FAULTS[step.fault].act(self, random.Random(step.seed))
                    if self.errors:
                        raise self.errors[0]
            finally:
                self._come_to_rest()
            self.settle()
        except Exception as error:  # noqa: BLE001 -- told with what was tried and where it lies
            trouble = f"{type(error).__name__}: {error}"
        try:
            found = self.books() if trouble is None else Balance(written=len(self.truth.facts))
        finally:
            for subject in (self.agent, *self.others):
                subject.kill()
            self.place.close(self)
            for disk in self.disks.values():
                if trouble is not None or not found.even:
                    shutil.copytree(disk.folder, self.folder / f"kept-{disk.folder.name}", dirs_exist_ok=True)
                disk.unmount()
        for subject in (self.agent, *self.others):
            if trouble is None and (number := subject.tracebacks()):
                trouble = f"{number} tracebacks in {subject.log}"
        return Outcome(self.tried, found, self.folder, trouble)

    def _come_to_rest(self) -> None:
        self.quiet.set()
        for thread in self.threads:
            thread.join(120)
        self.agent.may_end = True
        for disk in self.disks.values():
            disk.release()

    def settle(self) -> None:
        """Nothing is in the way any more: all that is there arrives."""
        if self.errors:
            raise self.errors[0]
        with self.lock:
            for log in self.logs:
                log.finish()
        if self.chance.random() < 0.5:
            self.agent.stop(GRACE_S)
        else:
            self.agent.kill()
        self.agent_is_gone()
        self.place.settle(self)

    def books(self) -> Balance:
        """What was written against what arrived."""
        return balance(self.truth, self.place.stored(self), self.agent.series())

    # --- the agent --------------------------------------------------------------------------------

    def ensure(self, point: str | None = None) -> None:
        """Have the agent run."""
        if not self.agent.alive:
            self.agent_is_gone()
            fresh = self.chance.random() < FRESH
            self.note(f"start {point or ''}{' (fresh)' if fresh else ''}")
            self.agent.start(compiled=self.chance.random() < 0.5, fresh=fresh and point is None, point=point)
        for other in self.others:
            if not other.alive:
                other.start(compiled=True)

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        self.note("kill")
        self.agent.kill()
        self.agent_is_gone()

    def agent_is_gone(self) -> None:
        """What it had open and had not committed nobody can read any more."""
        with self.lock:
            for held in self.held:
                if held.let_go_at is None or time.monotonic() - held.let_go_at < RELEASED_S:
                    self._excuse(held.log, held.file)
            self.held = []

    def _excuse(self, log: Log, file: Written) -> None:
        if not self.agent.committed(log.path, file.beginning, file.size):
            self.truth.excused.update(file.serials)

    def destroyed(self, log: Log, file: Written) -> None:
        """A file is about to go."""
        if self.agent.holds(file.inode, file.beginning):
            self.held.append(Held(log, file))
        else:
            self._excuse(log, file)

    def _watch(self) -> None:
        """Files that the agent let go of, while it lives, are its affair: their lines are owed."""
        while not self.quiet.is_set():
            with self.lock:
                for held in list(self.held):
                    if self.agent.committed(held.log.path, held.file.beginning, held.file.size):
                        self.held.remove(held)
                    elif not self.agent.holds(held.file.inode, held.file.beginning):
                        held.let_go_at = held.let_go_at or time.monotonic()
            self.quiet.wait(0.1)

    # --- the logs ---------------------------------------------------------------------------------

    def new_log(self, kind: str) -> Log:
        """One log more."""
        self.number += 1
        return Log(kind, self.folder, self.number, self.truth, self.destroyed)

    def _grow(self) -> None:
        chance = random.Random(f"{self.schedule.seed} writer")
        while self.logs and not self.quiet.is_set():
            with self.lock:
                log = chance.choice(self.logs)
                log.write(chance.randrange(1, 20), chance, self.now_ns)
                kind = chance.random()
                if kind < 0.03:
                    log.rotate(60)
                elif kind < 0.04 and log.kind != "cri":
                    log.copytruncate()
            self.quiet.wait(chance.uniform(0.01, 0.05))

    def storm(self, log: Log, chance: random.Random, files: int, *, compress: bool) -> None:
        """Rotate by size, with three files kept in all."""
        for _ in range(files):
            while not self.quiet.is_set():
                with self.lock:
                    log.write(30, chance, self.now_ns)
                    if log.live.size >= STORM_FILE:
                        log.rotate(2)
                        if compress:
                            log.compress(lambda: time.sleep(0.01))
                        break
                time.sleep(0.02)

    # --- what goes on beside ----------------------------------------------------------------------

    def background(self, work: Callable[[], None], name: str | None = None) -> bool:
        """Do it in a thread; of what has a name one at a time. Whether it was begun."""
        if name is not None and name in self.busy:
            return False
        if name is not None:
            self.busy.add(name)

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 -- raised in the main thread
                self.errors.append(error)
            finally:
                self.busy.discard(name or "")

        thread = threading.Thread(target=run, daemon=True)
        self.threads.append(thread)
        thread.start()
        return True

    def rest(self, seconds: float) -> None:
        """Wait in a background fault; at the end of the run no longer."""
        with contextlib.suppress(TimeoutError):
            self.quiet.wait(seconds)
