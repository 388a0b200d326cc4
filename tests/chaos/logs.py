"""Logs as container runtimes and logrotate write them, with a record of what each file holds."""

import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shipper.state.checkpoint import PREFIX_BYTES
from tests.chaos.lines import Fact, Truth, entry_lines, enveloped, serials

INODE_TRIES = 400
LAST_BYTES = 200_000
"""Bytes before a cut that hold at least the last entry."""
STORM_FILE = 1 << 20
NEAR = 0.15
"""Probability that a line is written in two halves, or an entry left unfinished until the next write."""


@dataclass(eq=False)
class Written:
    """One file: its path and the serial numbers in it."""

    path: Path
    inode: int
    size: int = 0
    beginning: bytes = b""
    serials: list[int] = field(default_factory=list)
    has_writer: bool = False
    """True while somebody writes to it although it was rotated."""
    had_writer: bool = False


class Log:
    """One container's log. Not thread-safe."""

    def __init__(
        self, kind: str, folder: Path, number: int, truth: Truth, destroyed: Callable[["Log", Written], None]
    ) -> None:
        """Create the log. `destroyed` is called with each file just before it is deleted."""
        self.kind, self.truth, self.destroyed = kind, truth, destroyed
        self.rotations, self.pending, self.half = 0, [], b""
        """Lines of an unfinished entry, and the rest of a line that is written in part."""
        self.pending_lines: list[tuple[int, bytes]] = []
        self.path = self._place(folder, number)
        self.files = [self._created(self.path)]

    def _place(self, folder: Path, number: int) -> Path:
        identity = f"{number + 1:064x}"
        if self.kind == "docker":
            home = folder / "containers" / identity
            home.mkdir(parents=True)
            config = {"ID": identity, "Name": f"/backend-{number}", "Config": {"Image": "backend:1", "Labels": {}}}
            (home / "config.v2.json").write_text(json.dumps(config))
            return home / f"{identity}-json.log"
        if self.kind == "plain":
            (folder / "plain").mkdir(exist_ok=True)
            return folder / "plain" / f"app-{number}.log"
        home, links = folder / "pods" / f"care_web-{number}_{identity[:8]}" / "web", folder / "pod-logs"
        home.mkdir(parents=True)
        links.mkdir(exist_ok=True)
        (links / f"web-{number}_care_web-{identity}.log").symlink_to(home / "0.log")
        return home / "0.log"

    @staticmethod
    def globs(folder: Path) -> dict[str, str]:
        """Return the inputs of each kind."""
        return {
            "docker": f"docker:{folder}/containers/*/*-json.log",
            "cri": f"cri:{folder}/pod-logs/*.log",
            "plain": f"plain:{folder}/plain/*.log",
        }

    @property
    def live(self) -> Written:
        """The file that is written to."""
        return self.files[-1]

    @staticmethod
    def _created(path: Path) -> Written:
        path.touch()
        return Written(path, path.stat().st_ino)

    # --- writing ----------------------------------------------------------------------------------

    def write(self, entries: int, chance: random.Random, now: Callable[[], int]) -> int:
        """Write entries and return the number of bytes; the last entry may stay unfinished."""
        before = self.live.size
        self.finish()
        for at in range(entries):
            lines = self._entry(chance, now)
            if at == entries - 1 and chance.random() < NEAR and len(lines) > 1:
                keep = chance.randrange(1, len(lines))
                lines, self.pending_lines = lines[:keep], lines[keep:]
            self._append(lines)
        if chance.random() < NEAR and not self.pending_lines:
            self._half(chance, now)
        return self.live.size - before

    def _entry(self, chance: random.Random, now: Callable[[], int]) -> list[tuple[int, bytes]]:
        """Return the records of a new entry with their serial numbers, and note its facts."""
        entry, facts = entry_lines(chance, len(self.truth.facts))
        lines = [
            (serial, record) for serial, text, stream in entry for record in enveloped(self.kind, text, stream, now())
        ]
        firsts = [at for at, (serial, _) in enumerate(lines) if serial >= 0 and (not at or lines[at - 1][0] != serial)]
        for (event, violation), start, end in zip(facts, firsts, [*firsts[1:], len(lines)], strict=True):
            self.truth.note(Fact(end - start, event, violation, joined=len(lines) > 1))
        return lines

    def write_late(self, file: Written, writer: BinaryIO, chance: random.Random, now: Callable[[], int]) -> None:
        """Write whole entries to a rotated file by the descriptor of its writer."""
        for _ in range(chance.randrange(1, 8)):
            lines = self._entry(chance, now)
            file.serials += dict.fromkeys(serial for serial, _ in lines if serial >= 0)
            data = b"".join(record for _, record in lines)
            writer.write(data)
            file.size += len(data)
            file.beginning = (file.beginning + data)[:PREFIX_BYTES]

    def _half(self, chance: random.Random, now: Callable[[], int]) -> None:
        """Write the beginning of a line whose end follows with the next write."""
        entry, facts = entry_lines(chance, len(self.truth.facts))
        if len(entry) > 1:
            return
        lines = enveloped(self.kind, entry[0][1], entry[0][2], now())
        serial = self.truth.note(Fact(len(lines), *facts[0], joined=len(lines) > 1))
        data = b"".join(lines)
        cut = chance.randrange(1, len(data))
        self.live.serials.append(serial)
        self._write(data[:cut])
        self.half = data[cut:]

    def finish(self) -> None:
        """Complete unfinished lines, as an application does before its file is rotated or removed."""
        half, self.half = self.half, b""
        if half:
            self._write(half)
        lines, self.pending_lines = self.pending_lines, []
        self._append(lines)

    def _append(self, lines: list[tuple[int, bytes]]) -> None:
        for serial, _ in lines:
            if serial >= 0 and serial not in self.live.serials[-3:]:
                self.live.serials.append(serial)
        if lines:
            self._write(b"".join(record for _, record in lines))

    def _write(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)
        live = self.live
        live.size += len(data)
        if len(live.beginning) < PREFIX_BYTES:
            live.beginning = (live.beginning + data)[:PREFIX_BYTES]

    # --- rotating ---------------------------------------------------------------------------------

    def _aside(self) -> Path:
        """Shift the rotated files and return the new name of the live file."""
        self.rotations += 1
        if self.kind == "cri":  # the kubelet's; two in one second do not happen there
            return Path(f"{self.path}.{datetime.fromtimestamp(1_795_428_000 + self.rotations, UTC):%Y%m%d-%H%M%S}")
        for number, file in reversed([*enumerate(reversed(self.files[:-1]), 1)]):
            ending = ".gz" if file.path.suffix == ".gz" else ""
            file.path = file.path.rename(f"{self.path}.{number + 1}{ending}")
        return Path(f"{self.path}.1")

    def rotate(self, keep: int) -> None:
        """Rotate by renaming; `keep` rotated files remain."""
        self.finish()
        while len(self.files) > keep:
            self._destroy(self.files[0])
        self.live.path = self.path.rename(self._aside())
        self.files.append(self._created(self.path))

    def copytruncate(self) -> None:
        """Rotate by copying and truncating the live file, which keeps its inode."""
        self.finish()
        copied, live = self._aside(), self.live
        shutil.copy(self.path, copied)
        os.truncate(self.path, 0)
        self.files.append(Written(self.path, live.inode))
        live.path, live.inode = copied, copied.stat().st_ino

    def compress(self, slowly: Callable[[], None]) -> None:
        """Compress the youngest uncompressed file: Docker writes the `.gz` in place, the kubelet renames it when complete."""
        plain = [file for file in self.files[:-1] if file.path.suffix != ".gz" and not file.has_writer]
        if not plain:
            return
        file, packed = plain[-1], Path(f"{plain[-1].path}.gz")
        draft = Path(f"{file.path}.tmp") if self.kind == "cri" else packed
        data = gzip.compress(file.path.read_bytes(), 1)
        with draft.open("wb", buffering=0) as out:
            for start in range(0, len(data), max(1, len(data) // 4)):
                out.write(data[start : start + max(1, len(data) // 4)])
                slowly()
        draft.rename(packed)
        file.path.unlink()
        file.path, file.inode = packed, packed.stat().st_ino

    def _destroy(self, file: Written) -> None:
        self.destroyed(self, file)
        file.path.unlink()
        self.files.remove(file)

    # --- the same content elsewhere ---------------------------------------------------------------

    def replace_by_copy(self) -> None:
        """Replace the live file by a copy of it, as an editor, rsync or a restored backup does."""
        copy = self.path.with_name("copy.tmp")
        shutil.copy2(self.path, copy)
        copy.replace(self.path)
        self.live.inode = self.path.stat().st_ino

    def move_folder(self, target: Path, *, copy: bool) -> None:
        """Move the log's folder, to another disk or within it, and leave a link."""
        home = self.path.parent
        if copy:
            shutil.copytree(home.resolve(), target, symlinks=True)
            shutil.rmtree(home.resolve())
        else:
            home.resolve().rename(target)
        home.unlink(missing_ok=True) if home.is_symlink() else None
        home.symlink_to(target)
        for file in self.files:
            file.inode = file.path.stat().st_ino

    def lose_end(self, chance: random.Random) -> set[int]:
        """Cut the live file as a loss of power does; return the entries that are gone, and the one that may be torn.

        Docker's records are cut anywhere; of others, the next line would be taken for the rest of the torn one.
        """
        data = self.path.read_bytes()
        keep = len(data) - min(len(data), int(chance.expovariate(1 / 8000)))
        line = data.rfind(b"\n", 0, keep) + 1
        keep = keep if self.kind == "docker" and chance.random() < 0.5 else line
        before = data[:line]
        torn = max(serials(before[-LAST_BYTES:]), default=-1)
        gone = {serial for serial in self.live.serials if serial >= torn} | serials(data[line:])
        gone |= {serial for serial, _ in self.pending_lines if serial >= 0}
        os.truncate(self.path, keep)
        live, self.half, self.pending_lines = self.live, b"", []
        live.size, live.beginning = keep, live.beginning[:keep]
        return gone

    # --- inodes -----------------------------------------------------------------------------------

    def reuse_rotated(self) -> bool:
        """Rotate so that the new live file has the inode of the deleted oldest file. True if it does."""
        self.finish()
        if len(self.files) < 2:
            self.rotate(60)
        inode = self.files[0].inode
        self._destroy(self.files[0])
        self.live.path = self.path.rename(self._aside())
        reused = self._taken(inode)
        self.files.append(self._created(self.path))
        return reused

    def reuse_live(self) -> bool:
        """Delete the live file and create one of the same name and inode. True if the inode was reused."""
        self.finish()
        inode = self.live.inode
        self._destroy(self.live)
        reused = self._taken(inode)
        self.files.append(self._created(self.path))
        return reused

    def _taken(self, inode: int) -> bool:
        """Create files until one has that inode, which becomes the live file."""
        misses: list[Path] = []
        for number in range(INODE_TRIES):
            made = self.path.with_name(f"try.{number}")
            made.touch()
            if made.stat().st_ino == inode:
                made.rename(self.path)
                break
            misses.append(made)
        for miss in misses:
            miss.unlink()
        return self.path.exists()

    def remove(self) -> list[Written]:
        """Remove and return all files, as `docker rm -f` does after the last line."""
        self.finish()
        gone = list(self.files)
        for file in gone:
            self.destroyed(self, file)
            file.path.unlink()
        if self.kind == "docker":
            shutil.rmtree(self.path.parent)
        self.files = []
        return gone
