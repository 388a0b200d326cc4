"""Rust crates of native/Cargo.lock; uv itself lists those of uv.lock."""

import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv" / "bin" / "uv"


class Crate(NamedTuple):
    """A locked package of crates.io."""

    name: str
    version: str
    sha256: str


def crates(lock: Path = ROOT / "native" / "Cargo.lock") -> list[Crate]:
    """All crates of a lock file except the extension itself, which has no checksum."""
    packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    return [Crate(one["name"], one["version"], one["checksum"]) for one in packages if "checksum" in one]
