"""Scanning: what is looked at again and again, and what is let go of."""

import gc
import shutil
import sys
from pathlib import Path

from shipper.inputs.files.glob_scan import Folders, Scanner


def test_folders_of_containers_that_are_gone_leave_nothing_behind(tmp_path: Path) -> None:
    """A node sees any number of short-lived containers; what is kept of folders is of those that are there."""
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


def _size(of: object) -> int:
    """Bytes of an object with all that it holds, modules and types left out."""
    seen: set[int] = set()
    left, size = [of], 0
    while left:
        found = left.pop()
        if id(found) in seen or isinstance(found, type) or type(found).__name__ in {"module", "function"}:
            continue
        seen.add(id(found))
        size += sys.getsizeof(found)
        left += gc.get_referents(found)
    return size
