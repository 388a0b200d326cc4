"""Key files: generated keys in the state directory, and configured keys of redaction."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shipper.system.errors import ShipperError
from shipper.system.private_dirs import make_private, sync_folder
from shipper_processors.pseudonym import key_id
from shipper_schemas.invalid import Invalid

REDACTION, STATE = "redaction.key", "state.key"
"""Names of the files in a state directory."""


def read_or_create_key(path: Path, setting: str) -> bytes:
    """Return the content of a key file; create it on first use: a line of 64 hexadecimal digits, mode 0600.

    The file appears whole or not at all, also if two processes create it at the same time. Raises ShipperError with
    `setting`, the key that configures another file.
    """
    try:
        make_private(path.parent)
        if not path.exists():
            _create(path)
        return path.read_bytes()
    except OSError as error:
        raise ShipperError(
            f"cannot use key file {path}: {error.strerror}", f"make it readable, or set another with {setting}"
        ) from error


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(draft, "x", encoding="ascii", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{secrets.token_hex(32)}\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    sync_folder(path.parent)


def parse_keys(content: bytes) -> tuple[bytes, ...]:
    """Return the keys of redaction, one per line, newest first. Raises Invalid for equal keys and binary data."""
    if not _is_text(content):
        raise Invalid("a key is not printable text", "write one key per line, as printed by `openssl rand -hex 32`")
    keys = tuple(_lines(content))
    if not keys:
        raise Invalid("no key", "write one key per line, as printed by `openssl rand -hex 32`")
    if len({key_id(key) for key in keys}) < len(keys):
        raise Invalid("duplicate key, or two keys with the same id", "replace one of them")
    return keys


def _is_text(content: bytes) -> bool:
    """Return True for lines of printable characters; random bytes would be split at any newline byte in them."""
    try:
        return all(line.strip().replace("\t", " ").isprintable() for line in content.decode("utf-8").split("\n"))
    except UnicodeDecodeError:
        return False


def _lines(content: bytes) -> Iterator[bytes]:
    yield from (line for line in map(bytes.strip, content.splitlines()) if line)
