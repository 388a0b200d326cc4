"""Ship marks: each log's checkpoint before a batch, kept while the batch is in flight."""

from collections.abc import Mapping, Sequence

from shipper.inputs.files.log_reader import LogReader
from shipper.state.checkpoint import Position


def sent(logs: Mapping[str, LogReader], marks: Mapping[str, Position]) -> None:
    """Keep the logs' shipped checkpoint at the oldest batch in flight."""
    for path, mark in marks.items():
        log = logs[path]
        log.hold(log.sent_from or mark)


def acknowledged(
    logs: Mapping[str, LogReader], marks: Mapping[str, Position], later: Sequence[Mapping[str, Position]]
) -> dict[str, LogReader]:
    """Move the shipped checkpoints on to the oldest of the `later` batches; return the logs to commit."""
    touched = {path: logs[path] for path in marks if path in logs}
    for path, log in touched.items():
        log.hold(next((batch[path] for batch in later if path in batch), None))
    return touched


def rolled_back(logs: Mapping[str, LogReader], marks: Mapping[str, Position]) -> dict[str, LogReader]:
    """Let the ship cursors read again from `marks`; return the logs to commit."""
    touched = {path: logs[path] for path in marks if path in logs}
    for path, log in touched.items():
        log.roll_back(marks[path])
    return touched
