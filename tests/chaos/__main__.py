"""`python -m tests.chaos`: one seed or many, and the table for the documentation."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.chaos.engine import DockerPlace
from tests.chaos.faults import DOCKER, ELASTICSEARCH, FAULTS, FILES, KAFKA
from tests.chaos.places import Files
from tests.chaos.schedule import KILL, Schedule
from tests.chaos.servers import ElasticsearchPlace, KafkaPlace
from tests.chaos.world import Outcome, Place, World

LENGTH = 24
PLACES = {ELASTICSEARCH: ElasticsearchPlace, KAFKA: KafkaPlace, DOCKER: DockerPlace}


@dataclass
class Table:
    """Outcomes summed up by fault, over all schedules that contained it."""

    tried: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    duplicated: Counter[str] = field(default_factory=Counter)
    error: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    written: int = 0
    excused: int = 0
    accepted_later: int = 0
    torn: int = 0
    ages: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a schedule; a failure is counted for every fault of that schedule."""
        balance = outcome.balance
        self.ages += outcome.ages
        self.tried.update(outcome.tried)
        self.written, self.excused = self.written + balance.written, self.excused + balance.excused
        self.accepted_later, self.torn = self.accepted_later + balance.accepted_later, self.torn + balance.torn
        for name in outcome.tried:
            self.lost[name] += len(balance.lost)
            self.duplicated[name] += len(balance.duplicated)
            self.error[name] += balance.counter_error

    @property
    def kills(self) -> int:
        """Number of kills, including those at fail points."""
        return sum(number for name, number in self.tried.items() if name.startswith(KILL))

    def age(self, part: float) -> float:
        """Return the seconds that agents had run at most when this part of all kills came."""
        return sorted(self.ages)[min(len(self.ages) - 1, int(part * len(self.ages)))] if self.ages else 0.0

    def __str__(self) -> str:
        rows = [
            f"| {name} | {self.tried[name]:,} | {self.lost[name]} | {self.duplicated[name]} | {self.error[name]:g} |"
            for name in sorted(self.tried)
        ]
        return "\n".join(
            [
                "| fault | times tried | lines lost | duplicated | counter error |",
                "| --- | ---: | ---: | ---: | ---: |",
                *rows,
            ]
        )


def play(schedule: Schedule, place: Place, base: Path, *, verbose: bool = True) -> Outcome:
    """Run one schedule; keep its folder if the books do not balance."""
    if verbose:
        print(schedule, flush=True)
    folder = base / f"{schedule.place}-{schedule.seed}"
    outcome = World(folder, schedule, place).run()
    if outcome.balanced:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def report(schedule: Schedule, outcome: Outcome, options: argparse.Namespace) -> None:
    """Print one line, or everything known about a failure."""
    kills = sum(number for name, number in outcome.tried.items() if name.startswith(KILL))
    print(f"seed {schedule.seed}, {schedule.place}: {kills} kills, {outcome.balance}", flush=True)
    if not outcome.balanced:
        print(schedule)
        if outcome.trouble:
            print(f"TROUBLE: {outcome.trouble}")
        faults = f" FAULTS='{options.faults}'" if options.faults else ""
        print(f"the folder is kept: {outcome.folder}")
        print(
            f"to repeat: make chaos SEED={schedule.seed} PLACE={schedule.place} LENGTH={options.length}{faults}",
            flush=True,
        )


def schedule_of(seed: int, place: str, options: argparse.Namespace) -> Schedule:
    """Return the schedule of a seed; chosen faults occur at least once each."""
    chosen = [name.strip() for name in options.faults.split(",")] if options.faults else []
    if unknown := [name for name in chosen if name not in FAULTS]:
        raise SystemExit(f"unknown fault {unknown[0]!r}; expected one of: {', '.join(FAULTS)}")
    weights = {
        name: fault.weight for name, fault in FAULTS.items() if place in fault.places and (not chosen or name in chosen)
    }
    if not weights:
        raise SystemExit(f"none of these faults applies to {place}")
    return Schedule.of(seed, place, weights, options.length, chosen)


def main() -> None:
    """Parse the options and run the schedules; exit 1 if one does not balance."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first, or only, seed")
    parser.add_argument("--rounds", type=int, default=1, help="number of seeds, one after another")
    parser.add_argument("--kills", type=int, default=0, help="continue with further seeds up to this number of kills")
    parser.add_argument("--faults", default="", help="only these faults, comma-separated")
    parser.add_argument(
        "--place", default="files", help="files, elasticsearch, kafka or docker; several comma-separated"
    )
    parser.add_argument("--length", type=int, default=LENGTH, help="number of faults in a schedule")
    parser.add_argument("--beside", type=int, default=1, help="schedules at a time")
    parser.add_argument("--folder", type=Path, default=None, help="folder of the worlds")
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda _number, _frame: sys.exit(143)
    )  # exit in the ordinary way, so that disks are unmounted
    base = options.folder or Path(tempfile.mkdtemp(prefix="shipper-chaos-"))
    table, uneven = Table(), 0
    started = time.monotonic()
    for name in options.place.split(","):
        uneven += run_place(name, base, options, table)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {time.monotonic() - started:.0f} s: {' '.join(sys.argv[1:])}")
    print(
        f"\n{table}\n\n{table.kills:,} kills, {table.written:,} entries, {table.excused:,} out of reach, {table.accepted_later} accepted later, {table.torn} torn"
    )
    ages = ", ".join(f"{table.age(part):.2f}" for part in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0))
    print(f"seconds that agents had run when they were killed, at 0, 10, 25, 50, 75, 90 and 100 %: {ages}")
    sys.exit(1 if uneven else 0)


def run_place(name: str, base: Path, options: argparse.Namespace, table: Table) -> int:
    """Run schedules at one place until there are enough; return how many did not balance."""
    seed, uneven, before = options.seed, 0, table.kills
    with opened(name, base) as place, ThreadPoolExecutor(options.beside) as pool:
        beside = options.beside if name == FILES else 1
        while seed < options.seed + options.rounds or table.kills - before < options.kills:
            schedules = [schedule_of(seed + ahead, name, options) for ahead in range(beside)]
            seed += beside
            run = partial(play, place=place, base=base, verbose=options.rounds == 1 and not options.kills)
            for schedule, outcome in zip(schedules, pool.map(run, schedules), strict=True):
                table.add(outcome)
                report(schedule, outcome, options)
                uneven += not outcome.balanced
    return uneven


@contextmanager
def opened(name: str, base: Path) -> Iterator[Place]:
    """Yield the place of that name, with its servers started."""
    if name == FILES:
        yield Files()
        return
    place = PLACES[name](base / f"{name}-server")
    try:
        yield place
    finally:
        place.end()


if __name__ == "__main__":
    main()
