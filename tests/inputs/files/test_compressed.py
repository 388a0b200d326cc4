"""Compressed files, read by offset."""

import gzip
import os
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from shipper.inputs.files.handles import GzipHandle

CONTENT = os.urandom(64) * 40 + bytes(range(256)) * 8


def test_a_large_file_is_decompressed_once_though_reads_overlap(tmp_path: Path) -> None:
    """A reader consumes whole lines, and reads the last partial line of a chunk again."""
    content = os.urandom(4 << 20)
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(content, 1))
    handle, offset = GzipHandle(str(path)), 0
    before = bytes_read()
    while data := handle.read(offset, 100_000):
        assert data == content[offset : offset + 100_000]
        offset += max(1, len(data) - 300)
    handle.close()
    assert bytes_read() - before < 2 * path.stat().st_size


def bytes_read() -> int:
    """Return the bytes that this process has read from files so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@given(reads=st.lists(st.tuples(st.integers(0, len(CONTENT) + 5), st.integers(0, 3000)), max_size=12))
def test_reads_at_any_offsets_return_the_bytes_there(reads: list[tuple[int, int]]) -> None:
    """In any order, also beyond the end."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "app.log.1.gz"
        path.write_bytes(gzip.compress(CONTENT))
        with closing(GzipHandle(str(path))) as handle:
            for offset, size in reads:
                assert handle.read(offset, size) == CONTENT[offset : offset + size]
