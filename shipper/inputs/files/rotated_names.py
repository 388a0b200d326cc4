"""Rotated siblings: which names beside a log are its older files, and in which order they were written.

Conventions: Docker and logrotate number (`.1` is the youngest); logrotate's `dateext`, the kubelet and Python's
`TimedRotatingFileHandler` append a time (`-20261123`, `-20261123-1795428000`, `.20261123-101010`, `.2026-11-23_10-10`);
each may end in `.gz`.
"""

import re
from collections.abc import Iterable

GZIP = ".gz"
TIME = r"\d{8}(?:[-T_.]?\d{2,10})?|\d{4}-[01]\d-[0-3]\d(?:[-T_.](?:\d\d(?:-\d\d){0,2}|\d{4,10}))?"
ROTATION = re.compile(rf"(?P<base>.+?)(?:\.(?P<number>\d{{1,4}})|[.-](?P<time>{TIME}))(?:\.gz)?", re.ASCII)


def base_name(name: str) -> str | None:
    """The name of the log that `name` is a rotated file of, or None where it is no rotated name."""
    match = ROTATION.fullmatch(name)
    return match["base"] if match else None


def age_key(base: str, name: str) -> tuple[int, str, int] | None:
    """Sort key of a rotated sibling of `base`, the oldest smallest; None where `name` is none."""
    if not name.startswith(base) or name == base:
        return None
    match = ROTATION.fullmatch(base + name[len(base) :])
    if match is None or len(match["base"]) != len(base):
        return None
    if match["time"]:
        return (0, match["time"], 0)
    return (1, "", -int(match["number"]))


def oldest_first(base: str, names: Iterable[str]) -> list[str]:
    """The rotated siblings of `base` among `names`; a `.gz` beside its uncompressed twin is still being written."""
    known = set(names)
    keyed = [(key, name) for name in known if (key := age_key(base, name)) is not None]
    return [name for _, name in sorted(keyed) if not (name.endswith(GZIP) and name.removesuffix(GZIP) in known)]
