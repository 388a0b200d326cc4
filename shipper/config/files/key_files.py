"""Keys: what the shipper makes for itself and keeps in its state directory, and what redaction is given."""

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


def own_key(path: Path, setting: str) -> bytes:
    """The content of a key file, made on first use: a line of 64 hexadecimal digits, for its owner alone.

    It appears whole or not at all, whoever else makes it at the same time. Raises ShipperError which names `setting`,
    that takes another in its place.
    """
    try:
        make_private(path.parent)
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
    sync_folder(path.parent)


def keys_in(content: bytes) -> tuple[bytes, ...]:
    """The keys of redaction, a line each, newest first. Raises Invalid where two are equal, and for binary data."""
    if not _is_text(content):
        raise Invalid("a key is not text", "write each on its own line, as `openssl rand -hex 32` prints it")
    found = tuple(_lines(content))
    if not found:
        raise Invalid("there is no key", "write one, as `openssl rand -hex 32` prints it, on each line")
    if len({key_id(key) for key in found}) < len(found):
        raise Invalid("a key is there twice, or two have one name", "write another in the place of one")
    return found


def _is_text(content: bytes) -> bool:
    """True for lines of printable characters: random bytes would break into lines where they happen to hold one."""
    try:
        return all(line.strip().replace("\t", " ").isprintable() for line in content.decode("utf-8").split("\n"))
    except UnicodeDecodeError:
        return False


def _lines(content: bytes) -> Iterator[bytes]:
    yield from (line for line in map(bytes.strip, content.splitlines()) if line)
