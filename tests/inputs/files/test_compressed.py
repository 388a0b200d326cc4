"""Compressed files, read by offset."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import lz4.frame
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from shipper.inputs.files.handles import CompressedHandle, open_handle

CONTENT = os.urandom(64) * 40 + bytes(range(256)) * 8


def test_a_large_file_is_decompressed_once_though_reads_overlap(tmp_path: Path) -> None:
    """A reader consumes whole lines, and reads the last partial line of a chunk again."""
    content = os.urandom(4 << 20)
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(content, 1))
    handle, offset = open_handle(str(path)), 0
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
        with closing(open_handle(str(path))) as handle:
            for offset, size in reads:
                assert handle.read(offset, size) == CONTENT[offset : offset + size]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress, ".lz4": lz4.frame.compress,
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path: Path, suffix: str, named: bool) -> None:
    """A rotated file may be compressed without an ending that says so, and in several parts."""
    path = tmp_path / f"app.log.1{suffix if named else ''}"
    path.write_bytes(PACKERS[suffix](CONTENT) + PACKERS[suffix](b"second part"))
    with closing(open_handle(str(path))) as handle:
        assert handle.read(0, 1 << 20) == CONTENT + b"second part"
        assert handle.read(10, 20) == CONTENT[10:30]


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_damaged_file_ends_at_its_damage(tmp_path: Path, suffix: str) -> None:
    """What stands before is read, and the damage is reported."""
    packed = bytearray(PACKERS[suffix](os.urandom(200_000)))
    path = tmp_path / f"app.log.1{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    with closing(open_handle(str(path))) as handle:
        assert isinstance(handle, CompressedHandle)
        assert len(handle.read(0, 1 << 20)) < 200_000
        assert handle.damage


def test_text_that_only_begins_like_a_compressed_file_is_text(tmp_path: Path) -> None:
    """The first bytes of bzip2 are letters."""
    path = tmp_path / "app.log"
    path.write_bytes(b"BZh9 is no event\n")
    with closing(open_handle(str(path))) as handle:
        assert handle.read(0, 100) == b"BZh9 is no event\n"
