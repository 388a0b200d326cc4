"""Run of a replay, from its logs to its outcome."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from shipper.bootstrap import build_agent, build_pipeline
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs import registry
from shipper.outputs.base import Output, completed
from shipper.replay.committer import Committer
from shipper.replay.job import Job, Outcome, Progress, ReadingFailed, ReplayLog, units
from shipper.replay.segment import Processor, Segment, SegmentReader, Task
from shipper.replay.worker_pool import Pool
from shipper.state.checkpoint import SavedLog

MIN_SEGMENTS_PER_PROCESS = 4
"""Average number of segments that justifies the start of a process."""
OnProgress = Callable[[Progress], None]
Stopped = Callable[[], bool]


class DryRunOutput:
    """Output of a dry run."""

    url, window = "nowhere:", 1

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Discard the documents, and report them as stored."""
        return completed(Written(len(documents), 0))

    def close(self) -> None:
        """Do nothing."""


def run(  # noqa: PLR0913 -- one call for the command line, with keyword arguments
    job: Job,
    logs: Sequence[ReplayLog],
    state_dir: Path | None,
    *,
    workers: int,
    on_progress: OnProgress,
    stopped: Stopped,
) -> Outcome:
    """Replay `logs` into the output of the settings, or no output in a dry run. Raises ShipperError.

    Progress is saved in `state_dir` until the replay is finished; with None, each run starts from the beginning.
    """
    output: Output = DryRunOutput() if job.dry_run else registry.output_of(job.settings)
    return run_into(output, job, logs, state_dir, workers=workers, on_progress=on_progress, stopped=stopped)


def run_into(  # noqa: PLR0913 -- see `run`
    output: Output,
    job: Job,
    logs: Sequence[ReplayLog],
    state_dir: Path | None,
    *,
    workers: int,
    on_progress: OnProgress,
    stopped: Stopped,
) -> Outcome:
    """Replay `logs` into `output`, and close it. See `run`."""
    try:
        state = None if state_dir is None else build_agent.state_of(job.settings, state_dir)
        try:
            outcome = _run(Committer(job, output, state, stopped), logs, workers, on_progress)
            if outcome.finished and state_dir is not None:
                shutil.rmtree(state_dir, ignore_errors=True)  # while it is locked, so that no other process opens it
            return outcome
        finally:
            if state is not None:
                state.close()
    finally:
        output.close()


def _run(committer: Committer, logs: Sequence[ReplayLog], workers: int, on_progress: OnProgress) -> Outcome:
    committer.register_logs(logs)
    job = committer.job
    tasks = tasks_of(job, logs, committer.saved())
    processor = Processor(replace(job, settings=job.settings.model_copy(update={"threads": workers})))
    number = min(workers, sum(log.log.bytes for log in logs) // (MIN_SEGMENTS_PER_PROCESS * job.segment_bytes))
    if number <= 1 or processor.takes_native_path(logs):
        return _consume(committer, read_segments(processor, tasks), on_progress)
    if not job.dry_run:
        build_pipeline.redactor_of(job.settings)  # creates the redaction key before the processes read it
    with Pool(job, tasks, number) as pool:
        return _consume(committer, pool.segments(), on_progress)


def tasks_of(job: Job, logs: Sequence[ReplayLog], saved: Mapping[str, SavedLog]) -> list[Task]:
    """Return the first task of each unit: each log starts at its beginning or at its saved checkpoint."""
    return [
        Task(number, 0, unit, {path: saved[path] for path in (log.log.path for log in unit) if path in saved})
        for number, unit in enumerate(units(logs, job.segment_bytes))
    ]


def _consume(committer: Committer, segments: Iterator[Segment | None], on_progress: OnProgress) -> Outcome:
    """Commit all segments, or those before a stop or a failed process."""
    try:
        for segment in segments:
            if segment is not None:
                committer.add(segment)
                on_progress(committer.progress())
            if committer.stopped():
                committer.finish()
                return committer.outcome(finished=False)
    except ReadingFailed:
        committer.finish()
        raise
    finished = committer.finish()
    on_progress(committer.progress())
    return committer.outcome(finished=finished)


def read_segments(processor: Processor, tasks: Sequence[Task]) -> Iterator[Segment]:
    """Yield the segments of all tasks, in their order, read and processed by this process."""
    reader = SegmentReader(processor.job, fast_chain=processor.fast_chain, pair_rules=processor.pair_rules)
    try:
        for first in tasks:
            task: Task | None = first
            while task is not None:
                reading = reader.read(task)
                task = reading.following
                yield processor.process(reading)
    finally:
        reader.close()
