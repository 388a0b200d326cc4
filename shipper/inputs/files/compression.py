"""Compressed files, recognised by their first bytes, since a rotated file's name does not always say how it is packed.

gzip (RFC 1952), bzip2, xz (https://tukaani.org/xz/xz-file-format.txt), Zstandard (RFC 8878) and LZ4 frames
(https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md).
"""

import importlib
import zlib
from collections.abc import Callable
from errno import ENOTSUP
from typing import Any, BinaryIO, NamedTuple

SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".lz4")
LONGEST_MAGIC = 10


class Damaged(Exception):
    """The rest of a compressed file cannot be decompressed."""


class Method(NamedTuple):
    """A format of compressed files: its first bytes, and how to read one. Modules are imported at first use."""

    name: str
    begins: Callable[[bytes], bool]
    module: str
    open: Callable[[Any, BinaryIO], Any]
    """Opens a reader of an open file by a class of the module."""
    error: str = ""
    """Name of the module's error for damaged data."""


METHODS = (
    Method(
        "gzip",
        lambda start: start[:3] == b"\x1f\x8b\x08",
        "gzip",
        lambda module, raw: module.GzipFile(fileobj=raw, mode="rb"),
        "BadGzipFile",
    ),
    Method(
        "bzip2",
        lambda start: start[:3] == b"BZh" and start[4:10] == b"1AY&SY",
        "bz2",
        lambda module, raw: module.BZ2File(raw),
    ),
    Method(
        "xz",
        lambda start: start[:6] == b"\xfd7zXZ\0",
        "lzma",
        lambda module, raw: module.LZMAFile(raw),
        "LZMAError",
    ),
    Method(
        "zstd",
        lambda start: start[:4] == b"\x28\xb5\x2f\xfd",
        "backports.zstd",
        lambda module, raw: module.ZstdFile(raw),
        "ZstdError",
    ),
    Method(
        "lz4",
        lambda start: start[:4] == b"\x04\x22\x4d\x18",
        "lz4.frame",
        lambda module, raw: module.LZ4FrameFile(raw),
    ),
)


def method_of(start: bytes) -> Method | None:
    """Return the method by which a file with these first bytes is compressed; None if it is not."""
    return next((method for method in METHODS if method.begins(start)), None)


def unpacked_name(name: str) -> str:
    """Return a file name without the ending of a compressed file."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


class Decompressor:
    """The content of an open compressed file, from its beginning on."""

    __slots__ = ("_errors", "_file")

    def __init__(self, raw: BinaryIO, method: Method) -> None:
        """Read from `raw`, which stays open. Raises OSError if this Python has no module for the method."""
        try:
            module = importlib.import_module(method.module)
        except ImportError as error:
            why = f"compressed by {method.name}, which needs the Python module {method.module}"
            raise OSError(ENOTSUP, why, raw.name) from error
        self._errors = (EOFError, zlib.error, RuntimeError, *((getattr(module, method.error),) if method.error else ()))
        self._file = method.open(module, raw)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end. Raises Damaged, and OSError for a failure of the disk."""
        try:
            data: bytes = self._file.read1(size)
        except self._errors as error:
            raise Damaged(str(error)) from error
        except OSError as error:
            if error.errno is None:  # bz2's error for damaged data
                raise Damaged(str(error)) from error
            raise
        return data

    def close(self) -> None:
        """Close the decompressor."""
        self._file.close()
