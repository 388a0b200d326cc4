"""One spooled file: the bytes of a log file from some offset on, in compressed, encrypted and authenticated blocks.

    magic, header frame, block frames, end frame

A frame is its payload's length, the offset and the number of raw bytes in it, and the payload. Payloads are encrypted
as partial entries in the state are, since redaction has not seen these lines; the tag of the encryption detects damage.
A file gets its name once it is complete and synced, so every file with a name ends with an end frame.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from errno import EIO
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple, Protocol

import msgspec

from shipper.state.encryption import MARK, Cipher, DecryptionError
from shipper.system.private_dirs import sync_folder

MAGIC = b"shipper spool 1\n"
BLOCK_BYTES = 256 * 1024
LEVEL = 3
FRAME = Struct(">IQI")
"""Bytes of the payload, raw offset, raw bytes; the end frame has no payload and the offset of the end."""
DRAFT = ".draft"


class Source(Protocol):
    """An open log file."""

    device: int
    inode: int

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`."""


class Header(msgspec.Struct, frozen=True):
    """Description of the log file."""

    log: bytes
    """Path of the log, as the file system has it."""
    key: int
    """Number of the file within its log."""
    device: int
    inode: int
    prefix: bytes
    """First bytes of the file, by which it is recognised."""
    start: int
    """Offset of the first block."""


class Block(NamedTuple):
    """Place of a block."""

    offset: int
    size: int
    at: int
    """Offset of the payload in the spooled file."""
    length: int


class SpoolWriter:
    """Copies a log file into a draft, in steps; `finish` gives it its name."""

    def __init__(self, path: Path, cipher: Cipher, source: Source, header: Header, end: int) -> None:
        """Begin a draft of the bytes of `source` up to `end`. Raises OSError."""
        self.path, self.header, self.end = path, header, end
        self._cipher, self._source, self._at = cipher, source, header.start
        self._draft = path.with_name(path.name + DRAFT)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._draft, flags, 0o600), "wb")
        self.written = 0
        try:
            self._write(MAGIC)
            self._frame(0, 0, msgspec.msgpack.encode(header))
        except BaseException:
            self.abandon()
            raise

    def step(self, size: int) -> bool:
        """Copy about `size` bytes; return True once all are copied. Raises OSError."""
        until = min(self.end, self._at + size)
        while self._at < until:
            wanted = min(BLOCK_BYTES, self.end - self._at)
            data = self._source.read(self._at, wanted)
            if len(data) < wanted:  # the file became shorter
                self.end = self._at + len(data)
            if not data:
                break
            self._frame(self._at, len(data), _zstd().compress(data, LEVEL))
            self._at += len(data)
        return self._at >= self.end

    def finish(self) -> None:
        """Sync the draft and give it its name; a power cut before that leaves only a draft. Raises OSError."""
        self._write(FRAME.pack(0, self.end, 0))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.rename(self.path)
        sync_folder(self.path.parent)

    def abandon(self) -> None:
        """Remove the draft."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._draft.unlink()

    def _frame(self, offset: int, size: int, payload: bytes) -> None:
        sealed = self._cipher.encrypt(payload)
        self._write(FRAME.pack(len(sealed), offset, size) + sealed)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.written += len(data)


class SpoolReader:
    """A complete spooled file, read like the log file that it holds; it keeps no descriptor."""

    def __init__(self, path: Path, cipher: Cipher) -> None:
        """Read the header and the places of the blocks. Raises OSError if it is damaged."""
        self.path, self._cipher = path, cipher
        self._last: tuple[int, bytes] = (-1, b"")
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise self._damaged("it does not begin like a spooled file")
            frames = list(self._frames(file))
            self.stored = file.tell()
        if len(frames) < 2 or frames[-1].length:  # noqa: PLR2004 -- header and end
            raise self._damaged("its end is missing")
        self._blocks, self._end = frames[1:-1], frames[-1].offset
        try:
            self.header = msgspec.msgpack.decode(self._payload(frames[0]), type=Header)
        except msgspec.MsgspecError as error:
            raise self._damaged(str(error)) from error
        self.device, self.inode = self.header.device, self.header.inode

    @staticmethod
    def _frames(file: BinaryIO) -> Iterator[Block]:
        while len(head := file.read(FRAME.size)) == FRAME.size:
            length, offset, size = FRAME.unpack(head)
            yield Block(offset, size, file.tell(), length)
            if not length:
                return
            file.seek(length, os.SEEK_CUR)

    def size(self) -> int:
        """Return the size of the log file when it was spooled."""
        return self._end

    def names(self) -> int:
        """Return 0: the log file itself may have no name."""
        return 0

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`; empty at the end. Raises OSError for bytes that are not spooled."""
        parts: list[bytes] = []
        while size > 0 and offset < self._end:
            data = self._from(offset)[:size]
            parts.append(data)
            offset, size = offset + len(data), size - len(data)
        return b"".join(parts)

    def _from(self, offset: int) -> bytes:
        """Return the bytes from `offset` to the end of its block."""
        prefix = self.header.prefix
        if offset < len(prefix):
            return prefix[offset:]
        number = (offset - self.header.start) // BLOCK_BYTES
        if offset < self.header.start or number >= len(self._blocks):
            raise self._damaged(f"byte {offset} is not in it")
        block = self._blocks[number]
        if self._last[0] != number:
            packed = self._payload(block)
            try:
                data = _zstd().decompress(packed)
            except Exception as error:
                raise self._damaged(str(error)) from error
            if len(data) != block.size:
                raise self._damaged(f"a block has {len(data)} bytes instead of {block.size}")
            self._last = (number, data)
        return self._last[1][offset - block.offset :]

    def _payload(self, block: Block) -> bytes:
        with self.path.open("rb") as file:
            sealed = os.pread(file.fileno(), block.length, block.at)
        if sealed[:1] != MARK:
            raise self._damaged("a block is not encrypted")
        try:
            return self._cipher.decrypt(sealed)
        except DecryptionError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> OSError:
        return OSError(EIO, f"damaged spooled file: {why}", str(self.path))

    def close(self) -> None:
        """Forget the last block."""
        self._last = (-1, b"")


def _zstd() -> "Zstd":
    from backports import zstd  # noqa: PLC0415 -- only a spool needs it

    return zstd


class Zstd(Protocol):
    """The module's functions that are used here."""

    def compress(self, data: bytes, level: int, /) -> bytes:
        """Compress a block."""

    def decompress(self, data: bytes, /) -> bytes:
        """Decompress a block."""
