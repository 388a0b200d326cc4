"""Documents as the pipeline makes them of generated logs."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lines import ensure
from shipper.ownlog import configure_own_log
from shipper.ports import Document, Written, settled
from shipper.replay import given
from shipper.replay.part import Part, replaying
from shipper.settings import Settings


class Keeping:
    """An output that keeps what it is given."""

    url, window = "memory:", 1

    def __init__(self) -> None:
        """Nothing yet."""
        self.documents: list[Document] = []

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Keep them."""
        self.documents += documents
        return settled(Written(len(documents), 0))

    def close(self) -> None:
        """Nothing to close."""


def made(number: int) -> list[Document]:
    """`number` documents, always the same."""
    configure_own_log("json", "error")
    with TemporaryDirectory() as folder:
        logs = given.find([ensure(Path(folder), number, 1)], None)
        keeping = Keeping()
        agent = replaying(Part(Settings(log_level="error"), tuple(logs), Path(folder) / "state"), keeping)
        try:
            agent.run_once()
        finally:
            agent.close()
    return keeping.documents
