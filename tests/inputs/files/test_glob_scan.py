"""Glob scan: cached folders, and their release."""

import gc
import shutil
import sys
from pathlib import Path

from shipper.inputs.files.glob_scan import Folders, Scanner


def test_folders_of_deleted_containers_leave_nothing_in_memory(tmp_path: Path) -> None:
    """A node runs any number of short-lived containers; only existing folders are cached."""
    folders = Folders(now_ns=lambda: 1 << 62)  # every listing is old enough to be kept
    scanner = Scanner(f"{tmp_path}/*/*/*.log", folders)
    sizes = []
    for number in range(30):
        pod = tmp_path / f"pod-{number}"
        (pod / "container").mkdir(parents=True)
        log = pod / "container" / "0.log"
        log.touch()
        assert list(scanner.paths()) == [str(log)]
        shutil.rmtree(pod)
        assert list(scanner.paths()) == []
        sizes.append(_size(folders) + _size(scanner))
    assert max(sizes[10:]) - min(sizes[10:]) < 1000


def _size(root: object) -> int:
    """Return the size of an object with all that it references, without modules and types, in bytes."""
    seen: set[int] = set()
    left, size = [root], 0
    while left:
        referent = left.pop()
        if id(referent) in seen or isinstance(referent, type) or type(referent).__name__ in {"module", "function"}:
            continue
        seen.add(id(referent))
        size += sys.getsizeof(referent)
        left += gc.get_referents(referent)
    return size
