"""Documents that the pipeline creates from generated logs."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lines import ensure
from shipper.config.settings import Settings
from shipper.model.documents import Document
from shipper.replay import discover
from shipper.replay.job import Job, with_origins
from shipper.replay.run import read_segments
from shipper.replay.segment import Processor, Task
from shipper.system.logging_setup import configure_own_log


def made(number: int) -> list[Document]:
    """Create `number` documents, the same in each call."""
    configure_own_log("json", "error")
    settings = Settings(log_level="error")
    with TemporaryDirectory() as folder:
        logs = discover.find([ensure(Path(folder), number, 1)], None).logs
        tasks = [Task(0, 0, tuple(with_origins(settings, logs)), {})]
        return [
            document for segment in read_segments(Processor(Job(settings)), tasks) for document in segment.documents
        ]
