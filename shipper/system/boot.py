"""The machine's present start: a file that was shortened since another start may have lost its end with the power."""

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> bytes:
    """Return the identity of the machine's present start; empty if the system does not tell."""
    try:
        return BOOT_ID.read_bytes().strip()[:64]
    except OSError:
        return b""
