"""Run: a replay wired together, from logs to what came of them."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from shipper.bootstrap import build_agent, build_pipeline
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs import registry
from shipper.outputs.base import Output, completed
from shipper.replay.committer import Committer
from shipper.replay.job import Job, Located, Outcome, Progress, ReadingFailed, units
from shipper.replay.segment import Processor, Stretch, StretchReader, Task
from shipper.replay.worker_pool import Pool
from shipper.state.checkpoint import SavedLog

LEAST_STRETCHES = 4
"""What a process must have to do, on average, to be worth its start."""
Tell = Callable[[Progress], None]
Stopped = Callable[[], bool]


class Nowhere:
    """The output of a dry run."""

    url, window = "nowhere:", 1

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Takes everything, keeps nothing."""
        return completed(Written(len(documents), 0))

    def close(self) -> None:
        """Nothing to close."""


def run(  # noqa: PLR0913 -- one call for the command line, each by its name
    job: Job, logs: Sequence[Located], state_dir: Path | None, *, workers: int, tell: Tell, stopped: Stopped
) -> Outcome:
    """Replay `logs` into the output of the settings, or nowhere. Raises ShipperError.

    What is done is kept in `state_dir` until all is; None begins from the start each time.
    """
    output: Output = Nowhere() if job.dry_run else registry.output_of(job.settings)
    return run_into(output, job, logs, state_dir, workers=workers, tell=tell, stopped=stopped)


def run_into(  # noqa: PLR0913 -- see `run`
    output: Output,
    job: Job,
    logs: Sequence[Located],
    state_dir: Path | None,
    *,
    workers: int,
    tell: Tell,
    stopped: Stopped,
) -> Outcome:
    """`run` into an output, which is closed in the end."""
    try:
        state = None if state_dir is None else build_agent.state_of(job.settings, state_dir)
        try:
            outcome = _run(Committer(job, output, state, stopped), logs, workers, tell)
            if outcome.finished and state_dir is not None:
                shutil.rmtree(state_dir, ignore_errors=True)  # while it is locked: nobody takes it up meanwhile
            return outcome
        finally:
            if state is not None:
                state.close()
    finally:
        output.close()


def _run(committer: Committer, logs: Sequence[Located], workers: int, tell: Tell) -> Outcome:
    committer.welcome(logs)
    job = committer.job
    tasks = tasks_of(job, logs, committer.saved())
    number = min(workers, sum(found.log.bytes for found in logs) // (LEAST_STRETCHES * job.stretch_bytes))
    if number <= 1:
        return _consume(committer, here(job, tasks), tell)
    if not job.dry_run:
        build_pipeline.redactor_of(job.settings)  # makes the key of redaction, so that the processes find it
    with Pool(job, tasks, number) as pool:
        return _consume(committer, pool.stretches(), tell)


def tasks_of(job: Job, logs: Sequence[Located], saved: Mapping[str, SavedLog]) -> list[Task]:
    """Where reading begins, unit by unit: at the beginning of each log, or where it was left."""
    return [
        Task(number, 0, unit, {path: saved[path] for path in (found.log.path for found in unit) if path in saved})
        for number, unit in enumerate(units(logs, job.stretch_bytes))
    ]


def _consume(committer: Committer, stretches: Iterator[Stretch | None], tell: Tell) -> Outcome:
    """Commit all stretches, or those that came before a stop or a failure of their makers."""
    try:
        for stretch in stretches:
            if stretch is not None:
                committer.take(stretch)
                tell(committer.progress())
            if committer.stopped():
                committer.finish()
                return committer.outcome(finished=False)
    except ReadingFailed:
        committer.finish()
        raise
    finished = committer.finish()
    tell(committer.progress())
    return committer.outcome(finished=finished)


def here(job: Job, tasks: Sequence[Task]) -> Iterator[Stretch]:
    """The stretches of all tasks, in their order, read and processed by this process."""
    processor = Processor(job)
    reader = StretchReader(job, compiled=processor.compiled)
    try:
        for first in tasks:
            task: Task | None = first
            while task is not None:
                reading = reader.read(task)
                task = reading.following
                yield processor.process(reading)
    finally:
        reader.close()
