"""Keys: what the shipper makes for itself and keeps in its state directory, and what redaction is given."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from processors.redact import key_id
from shipper.errors import ConfigurationError, ShipperError

REDACTION, STATE = "redaction.key", "state.key"
"""Names of the files in a state directory."""
BINARY = 32
"""Bytes of a key that earlier versions made; the file holds them as they are."""


def own_key(path: Path, setting: str) -> bytes:
    """The content of a key file, made on first use: a line of 64 hexadecimal digits, for its owner alone.

    It appears whole or not at all, whoever else makes it at the same time. Raises ShipperError which names `setting`,
    that takes another in its place.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return path.read_bytes()
    except OSError as error:
        raise ShipperError(
            f"key {path} cannot be used: {error.strerror}", f"make it readable, or give another with {setting}"
        ) from error


def _make(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(draft, "w", encoding="ascii", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{secrets.token_hex(32)}\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def keys_in(content: bytes) -> tuple[bytes, ...]:
    """The keys of redaction, a line each, newest first. Raises ConfigurationError where two cannot be told apart."""
    if len(content) == BINARY:
        return (content,)
    found = tuple(_lines(content))
    names = [key_id(key) for key in found]
    if not found or len(set(names)) < len(names):
        what = "holds two keys of one name, or one key twice" if found else "holds no key"
        raise ConfigurationError(f"redact.key {what}", "write a key of `openssl rand -hex 32` on each line")
    return found


def _lines(content: bytes) -> Iterator[bytes]:
    yield from (line for line in map(bytes.strip, content.splitlines()) if line)
