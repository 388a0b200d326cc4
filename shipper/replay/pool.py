"""A pool of processes, one for each part of a replay; a single part runs in the calling process."""

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipper.errors import ShipperError
from shipper.ownlog import configure_own_log
from shipper.replay.part import Outcome, Part, Progress, run_part

LOOK_S = 0.2
Tell = Callable[[Progress], None]


@dataclass(slots=True)
class Standing:
    """How far each part is, and how those that ended did."""

    progress: dict[int, Progress] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    failed: ShipperError | None = None

    def total(self) -> Progress:
        """All parts together."""
        found = self.progress.values()
        return Progress(sum(part.bytes for part in found), sum(part.lines for part in found))


def run_all(parts: Sequence[Part], tell: Tell, stopped: Callable[[], bool]) -> Outcome:
    """Run all parts and sum up what came of them. Raises the first ShipperError, once all parts have ended."""
    if len(parts) == 1:
        return run_part(parts[0], tell, stopped)
    standing = _run_processes(parts, tell, stopped)
    if standing.failed is not None:
        raise standing.failed
    total = standing.outcomes.pop(0)
    for found in standing.outcomes.values():
        total.add(found)
    return total


def _run_processes(parts: Sequence[Part], tell: Tell, stopped: Callable[[], bool]) -> Standing:
    context = multiprocessing.get_context("spawn")
    reports, stop = context.Queue(), context.Event()
    processes = {
        number: context.Process(target=_work, args=(number, part, reports, stop), daemon=True, name=f"replay-{number}")
        for number, part in enumerate(parts)
    }
    for process in processes.values():
        process.start()
    standing = Standing()
    try:
        while len(standing.outcomes) < len(parts) and standing.failed is None:
            _take(reports, standing)
            tell(standing.total())
            if stopped():
                stop.set()
            _look_for_the_dead(processes, reports, standing)
    finally:
        stop.set()
        for process in processes.values():
            while process.is_alive():  # its last report has to be taken, or it waits for that
                _take(reports, standing)
            process.join()
        reports.close()
    return standing


def _take(reports: Any, standing: Standing) -> None:  # noqa: ANN401 -- a queue of the chosen context
    try:
        number, report = reports.get(timeout=LOOK_S)
    except queue.Empty:
        return
    if isinstance(report, Progress):
        standing.progress[number] = report
    elif isinstance(report, Outcome):
        standing.outcomes[number] = report
    else:
        standing.failed = standing.failed or ShipperError(*report)


def _look_for_the_dead(processes: dict[int, Any], reports: Any, standing: Standing) -> None:  # noqa: ANN401
    for number, process in processes.items():
        if process.exitcode is not None and number not in standing.outcomes:
            _take(reports, standing)  # what it said last may still be on its way
            if number not in standing.outcomes and standing.failed is None and process.exitcode != 0:
                what = f"a process of the replay ended with code {process.exitcode}"
                standing.failed = ShipperError(what, "run it again: it goes on where it stopped")


def _work(number: int, part: Part, reports: Any, stop: Any) -> None:  # noqa: ANN401
    """One process: interrupts are the parent's to handle, and its end is the end of this one too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_own_log(part.settings.log_format, part.settings.log_level)
    parent, told = os.getppid(), [0.0]

    def tell(progress: Progress) -> None:
        if (now := time.monotonic()) - told[0] >= LOOK_S:
            told[0] = now
            reports.put((number, progress))

    try:
        reports.put((number, run_part(part, tell, lambda: stop.is_set() or os.getppid() != parent)))
    except ShipperError as error:
        reports.put((number, (error.what, error.cure)))
