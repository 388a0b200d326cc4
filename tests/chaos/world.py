"""A world under a schedule: logs that grow, an agent that follows them, faults, and finally the books."""

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
"""Kinds of logs whose lines carry the runtime's time; a line without one is stored under the day on which it is read."""
CONFIG = """
tail: {poll_interval: 50ms, scan_interval: 200ms, batch_age: 200ms, batch_bytes: 256KiB, rotate_wait: 1s, late_wait: 2s}
spool: {after: 300ms}
join: {wait: 500ms}
"""
FRESH = 0.1
"""Share of agents that run in a new interpreter."""
RELEASED_S = 1.0
"""Seconds after which a file that an agent has closed counts as finished."""


class Place(Protocol):
    """A destination of lines, with the operations that a world needs."""

    name: str

    def open(self, world: "World") -> Subject:
        """Prepare the place and return the agent, not started."""

    def logs(self, world: "World") -> list[Log]:
        """Return the logs that grow."""

    def settle(self, world: "World") -> None:
        """Undo all faults of the place and let everything in flight arrive."""

    def stored(self, world: "World") -> Iterator[Stored]:
        """Yield all stored documents."""

    def close(self, world: "World") -> None:
        """Release what `open` acquired."""


@dataclass(eq=False)
class Held:
    """A deleted file that the agent still had open."""

    log: Log
    file: Written
    closed_at: float | None = None


@dataclass
class Outcome:
    """The result of a schedule."""

    tried: Counter[str]
    balance: Balance
    folder: Path
    trouble: str | None = None
    ages: tuple[float, ...] = ()
    """Seconds for which the agent had run at each kill at an arbitrary instruction."""

    @property
    def balanced(self) -> bool:
        """True if the books balance and nothing else failed."""
        return self.trouble is None and self.balance.balanced


@dataclass(eq=False)
class World:
    """One running schedule in its own folder."""

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
        self.files_lost = [0, 0]
        """Least and greatest number of files that the agent has to count as lost."""
        self.threads: list[threading.Thread] = []
        self.ages: list[float] = []
        self.busy: set[str] = set()
        """Faults in the background of which one runs at a time."""
        self.number = 0
        self.others: list[Subject] = []
        """Processes other than the agent."""
        self.faults = {step.fault for step in self.schedule.steps}

    def now_ns(self) -> int:
        """Return this world's wall-clock time, in nanoseconds."""
        return time.time_ns() + self.offset_s * 10**9

    def note(self, what: str) -> None:
        """Append an event with its time to the file `story`, for whoever looks for a cause."""
        with (self.folder / "story").open("a") as file:
            file.write(f"{time.strftime('%H:%M:%S')}{time.time() % 1:.3f}".replace("0.", ".") + f" {what}\n")

    # --- a whole run ------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run the schedule, then balance the books."""
        from tests.chaos.faults import FAULTS  # it imports this module

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
                self._stop_background()
            self.settle()
        except Exception as error:  # noqa: BLE001 -- reported with what was tried and the folder
            trouble = f"{type(error).__name__}: {error}"
        try:
            books = self.books() if trouble is None else Balance(written=len(self.truth.facts))
        finally:
            for subject in (self.agent, *self.others):
                subject.kill()
            self.place.close(self)
            for disk in self.disks.values():
                if trouble is not None or not books.balanced:
                    shutil.copytree(disk.folder, self.folder / f"kept-{disk.folder.name}", dirs_exist_ok=True)
                disk.unmount()
        for subject in (self.agent, *self.others):
            if trouble is None and (number := subject.tracebacks()):
                trouble = f"{number} tracebacks in {subject.log}"
        return Outcome(self.tried, books, self.folder, trouble, tuple(self.ages))

    def _stop_background(self) -> None:
        self.quiet.set()
        for thread in self.threads:
            thread.join(120)
        self.agent.may_end = True
        for disk in self.disks.values():
            disk.release()

    def settle(self) -> None:
        """Ship everything that was written, with all faults ended."""
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
        """Balance what was written against what is stored."""
        least, most = self.files_lost
        return balance(self.truth, self.place.stored(self), self.agent.series(), (least, most))

    # --- the agent --------------------------------------------------------------------------------

    def ensure(self, point: str | None = None) -> None:
        """Start the agent and the other processes that do not run."""
        if not self.agent.alive:
            self.agent_is_gone()
            fresh = self.chance.random() < FRESH
            self.note(f"start {point or ''}{' (fresh)' if fresh else ''}")
            native, threads = self.chance.random() < 0.5, self.chance.choice((1, 4))
            self.agent.start(native=native, threads=threads, fresh=fresh and point is None, point=point)
        for other in self.others:
            if not other.alive:
                other.start(native=True)

    def kill(self) -> None:
        """Send SIGKILL to the agent if it runs."""
        self.note("kill")
        if self.agent.process is not None:
            self.ages.append(time.monotonic() - self.agent.started_at)
        self.agent.kill()
        self.agent_is_gone()

    def agent_is_gone(self) -> None:
        """Excuse the lines of deleted files that the agent had open and had not committed: nobody can read them."""
        with self.lock:
            for held in self.held:
                if held.closed_at is None or time.monotonic() - held.closed_at < RELEASED_S:
                    self._excuse(held.log, held.file)
            self.held = []

    def _excuse(self, log: Log, file: Written) -> None:
        self._expect_loss(log, file)
        if not self.agent.committed(log.path, file.beginning, file.size):
            self.truth.excused.update(file.serials)

    def _expect_loss(self, log: Log, file: Written) -> None:
        """Note that the next start may or must count a deleted file as lost."""
        missed = self.agent.is_missed(log.path, file.beginning)
        if missed is False:
            return
        running = self.agent.process is not None and self.agent.process.poll() is None
        self.files_lost[0] += missed is True and not running and not file.had_writer
        self.files_lost[1] += 2 if file.had_writer else 1  # its late lines have a checkpoint of their own

    def destroyed(self, log: Log, file: Written) -> None:
        """Note that a file is about to be deleted; excuse it if the agent does not have it open."""
        if self.agent.holds(file.inode, file.beginning) and not file.had_writer:
            self.held.append(Held(log, file))
        else:
            self._excuse(log, file)

    def _watch(self) -> None:
        """Watch deleted files: of those that a running agent has closed, all lines are due."""
        while not self.quiet.is_set():
            with self.lock:
                for held in list(self.held):
                    if self.agent.committed(held.log.path, held.file.beginning, held.file.size):
                        self.held.remove(held)
                        self._expect_end(held)
                    elif not self.agent.holds(held.file.inode, held.file.beginning):
                        held.closed_at = held.closed_at or time.monotonic()
            self.quiet.wait(0.1)

    def _expect_end(self, held: Held) -> None:
        """Note that a file that was read to its end counts as lost if the agent is killed before it lets go of it."""
        if self.agent.is_missed(held.log.path, held.file.beginning) is not False:
            self.files_lost[1] += 1

    # --- the logs ---------------------------------------------------------------------------------

    def new_log(self, kind: str) -> Log:
        """Create one more log."""
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

    # --- in the background ------------------------------------------------------------------------

    def background(self, work: Callable[[], None], name: str | None = None) -> bool:
        """Run work in a thread; with a name, one at a time. True if it was started."""
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
        """Wait in a background fault, until the end of the run at the latest."""
        with contextlib.suppress(TimeoutError):
            self.quiet.wait(seconds)
