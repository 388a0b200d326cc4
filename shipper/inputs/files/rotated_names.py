"""Names of rotated files: the older files of a log, and the order in which they were written.

Conventions: Docker and logrotate number files (`.1` is the newest); logrotate's `dateext`, the kubelet and Python's
`TimedRotatingFileHandler` append a time (`-20261123`, `-20261123-1795428000`, `.20261123-101010`, `.2026-11-23_10-10`);
each may have the ending of a compressed file.
"""

import re
from collections.abc import Iterable

from shipper.inputs.files.compression import SUFFIXES, unpacked_name

PACKED = "|".join(re.escape(suffix) for suffix in SUFFIXES)
TIME = r"\d{8}(?:[-T_.]?\d{2,10})?|\d{4}-[01]\d-[0-3]\d(?:[-T_.](?:\d\d(?:-\d\d){0,2}|\d{4,10}))?"
ROTATION = re.compile(rf"(?P<base>.+?)(?:\.(?P<number>\d{{1,4}})|[.-](?P<time>{TIME}))(?:{PACKED})?", re.ASCII)


def base_name(name: str) -> str | None:
    """Return the log name of the rotated name `name`; None if `name` is not a rotated name."""
    match = ROTATION.fullmatch(name)
    return match["base"] if match else None


def age_key(base: str, name: str) -> tuple[int, str, int] | None:
    """Return the sort key of a rotated file of `base`, the oldest first; None if `name` is not one."""
    if not name.startswith(base) or name == base:
        return None
    match = ROTATION.fullmatch(base + name[len(base) :])
    if match is None or len(match["base"]) != len(base):
        return None
    if match["time"]:
        return (0, match["time"], 0)
    return (1, "", -int(match["number"]))


def oldest_first(base: str, names: Iterable[str]) -> list[str]:
    """Return the rotated files of `base` among `names`; skip an unfinished compressed copy of another."""
    known = set(names)
    keyed = [(key, name) for name in known if (key := age_key(base, name)) is not None]
    return [name for _, name in sorted(keyed) if name == (plain := unpacked_name(name)) or plain not in known]
