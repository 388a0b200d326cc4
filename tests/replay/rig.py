"""A rig for replays: logs in a folder, an output that keeps its documents, and the results of a replay."""

import gzip
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs.base import completed
from shipper.replay import discover
from shipper.replay.committer import Committer
from shipper.replay.job import Job, Outcome, ReplayLog, with_origins
from shipper.replay.run import read_segments, tasks_of
from shipper.replay.segment import Processor, Segment, SegmentReader, Task
from tests.replay.hostile import LINE_BYTES

NOW_MS = 1_795_430_000_000
WHOLE = 1 << 30
SETTINGS = Settings(
    host="node-1",
    tail={"max_line_bytes": LINE_BYTES, "batch_bytes": 2048},
    join={"max_lines": 5, "max_bytes": 2000},
    redact={"key": "k" * 32},
    counters={
        "max_label_values": 2,
        "rules": [
            {
                "name": "how_long_ms", "type": "histogram", "help": "Durations.", "field": "duration_ms",
                "when": {"fields": {"event": "tick"}}, "labels": {"medication": "medication"}, "buckets": [1, 10],
            }
        ],
    },
)  # fmt: skip


class Keeping:
    """An output that keeps documents in the order of their arrival, each id once."""

    url, window = "memory:", 2

    def __init__(self) -> None:
        self.documents: dict[tuple[str, bytes], Document] = {}

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Keep the new documents."""
        before = len(self.documents)
        for document in documents:
            self.documents.setdefault((document.index, document.id), document)
        stored = len(self.documents) - before
        return completed(Written(stored, len(documents) - stored))

    def close(self) -> None:
        """Do nothing."""


def logs_in(folder: Path, kind: discover.Kind = "docker") -> list[ReplayLog]:
    """The logs in a folder."""
    return with_origins(SETTINGS, discover.find([folder], kind).logs, "4f" * 32)


def committed(job: Job, logs: list[ReplayLog], segments: Iterator[Segment]) -> tuple[list[Document], Outcome, str]:
    """Commit segments; return documents in their order, outcome, and the history's text."""
    output = Keeping()
    committer = Committer(job, output)
    committer.register_logs(logs)
    for segment in segments:
        committer.add(segment)
    assert committer.finish()
    outcome = committer.outcome(finished=True)
    text = io.StringIO()
    if outcome.history is not None:
        outcome.history.write(text)
    outcome.history = None
    return list(output.documents.values()), outcome, text.getvalue()


def whole(logs: list[ReplayLog], *, history: bool = True) -> tuple[list[Document], Outcome, str]:
    """Replay as one segment over the Python path."""
    job = Job(
        SETTINGS.model_copy(update={"compiled": False}),
        history=history,
        now_ms=NOW_MS,
        segment_bytes=WHOLE,
        chunk_bytes=LINE_BYTES,
    )
    return committed(job, logs, read_segments(Processor(job), tasks_of(job, logs, {})))


def worker(job: Job) -> tuple[SegmentReader, Processor]:
    """Return reader and processor of one process; the native path is used if there is no history."""
    processor = Processor(job)
    return SegmentReader(job, fast_chain=processor.fast_chain), processor


def cut(
    logs: list[ReplayLog], sizes: list[int], turns: list[int], *, history: bool = True
) -> tuple[list[Document], Outcome, str]:
    """Replay in segments of these sizes, in turn, each read by one of three readers according to `turns`."""
    jobs = [Job(SETTINGS, history=history, now_ms=NOW_MS, segment_bytes=size, chunk_bytes=size) for size in sizes]
    workers = [[worker(job) for job in jobs] for _ in range(3)]

    def segments() -> Iterator[Segment]:
        number = 0
        for unit in tasks_of(jobs[0], logs, {}):
            task: Task | None = unit
            while task is not None:
                reader, processor = workers[turns[number % len(turns)]][number % len(sizes)]
                reading = reader.read(task)
                task, number = reading.following, number + 1
                yield processor.process(reading)
        for of_one in workers:
            for reader, _ in of_one:
                reader.close()

    return committed(jobs[0], logs, segments())


def write(folder: Path, contents: list[bytes], packed: list[bool]) -> None:
    """Write a log's files, the last one live, older ones compressed or not."""
    for age, data in enumerate(reversed(contents)):
        name = "app.log" if age == 0 else f"app.log.{age}"
        if age and packed[age % len(packed)]:
            name, data = f"{name}.gz", gzip.compress(data)  # noqa: PLW2901
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
