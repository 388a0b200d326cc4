"""Documents as the pipeline makes them of generated logs."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lines import ensure
from shipper.ownlog import configure_own_log
from shipper.ports import Document
from shipper.replay import given
from shipper.replay.job import Job, located
from shipper.replay.run import here
from shipper.replay.stretch import Task
from shipper.settings import Settings


def made(number: int) -> list[Document]:
    """`number` documents, always the same."""
    configure_own_log("json", "error")
    settings = Settings(log_level="error")
    with TemporaryDirectory() as folder:
        logs = given.find([ensure(Path(folder), number, 1)], None).logs
        tasks = [Task(0, 0, tuple(located(settings, logs)), {})]
        return [document for stretch in here(Job(settings), tasks) for document in stretch.documents]
