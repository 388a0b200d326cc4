"""Watches: reported changes, and folders that have to be polled."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.inputs.files.inotify import Inotify
from shipper.inputs.files.watches import NO_WATCHES, UNREPORTED, FileSystems, Watches, open_watches


@pytest.fixture
def watches() -> Iterator[Watches]:
    """Watches of this system, on a file system that reports everything."""
    opened, reason = open_watches()
    if opened is None:
        pytest.skip(reason)
    opened.close()
    with closing(Watches(Inotify(), lambda _folder: "ext4")) as of_test:
        yield of_test


def test_a_write_is_reported_once_however_often_it_happens(watches: Watches, tmp_path: Path) -> None:
    """Writers append line by line; a turn needs to know that there is something."""
    folder, path = str(tmp_path), tmp_path / "app.log"
    watches.watch(folder)
    path.touch()
    assert watches.changes().appeared == {(folder, "app.log")}
    with path.open("ab", buffering=0) as log:
        for _ in range(100):
            log.write(b"line\n")
    changes = watches.changes()
    assert changes.paths == {(folder, "app.log")}
    assert (changes.appeared, changes.renamed, changes.everything) == (set(), set(), False)
    assert not watches.changes().paths


def test_a_folder_with_two_paths_is_reported_under_both(watches: Watches, tmp_path: Path) -> None:
    """Globs name links, logs their real paths."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    watches.watch(str(real))
    watches.watch(str(link))
    (real / "app.log").touch()
    assert watches.changes().paths == {(str(real), "app.log"), (str(link), "app.log")}


def test_a_removed_folder_is_watched_again_when_it_comes_back(watches: Watches, tmp_path: Path) -> None:
    """Its watch belonged to the inode, not to the path."""
    folder = tmp_path / "c1"
    folder.mkdir()
    watches.watch(str(folder))
    shutil.rmtree(folder)
    assert watches.changes().ended == {str(folder)}
    assert not watches.reports(str(folder))
    folder.mkdir()
    watches.watch(str(folder))
    (folder / "app.log").touch()
    assert (str(folder), "app.log") in watches.changes().appeared


def test_a_renamed_folder_is_no_longer_reported_under_its_old_path(watches: Watches, tmp_path: Path) -> None:
    """A new folder may take its place."""
    folder = tmp_path / "c1"
    folder.mkdir()
    watches.watch(str(folder))
    folder.rename(tmp_path / "c2")
    assert watches.changes().ended == {str(folder)}
    (tmp_path / "c2" / "app.log").touch()
    assert not watches.changes().paths


def test_a_folder_on_a_network_mount_is_polled(tmp_path: Path) -> None:
    """Other hosts write there, which this kernel does not see."""
    watches = Watches(Inotify(), lambda _folder: "nfs4")
    with closing(watches):
        watches.watch(str(tmp_path))
        assert not watches.reports(str(tmp_path))
        assert watches.polled == {str(tmp_path): "nfs4 does not report all changes"}


def test_a_folder_is_polled_where_watches_run_out(tmp_path: Path) -> None:
    """The others stay watched."""

    class Full(Inotify):
        def watch(self, folder: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with closing(Watches(Full(), lambda _folder: "ext4")) as watches:
        watches.watch(str(tmp_path))
        assert watches.polled == {str(tmp_path): NO_WATCHES}


def test_a_folder_whose_changes_are_not_reported_is_polled_from_then_on(watches: Watches, tmp_path: Path) -> None:
    """Such as one with a file that is written through another path."""
    watches.watch(str(tmp_path))
    watches.distrust(str(tmp_path))
    watches.watch(str(tmp_path))
    assert watches.polled == {str(tmp_path): UNREPORTED}
    assert not watches.reports(str(tmp_path))


def test_the_type_of_a_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    """Mount points may contain blanks, which the table escapes."""
    inner = tmp_path / "a b" / "c"
    inner.mkdir(parents=True)
    table = tmp_path / "mountinfo"
    escaped = str(tmp_path / "a b").replace(" ", "\\040")
    table.write_text(f"1 0 0:1 / / rw - ext4 none rw\n2 1 0:2 / {escaped} rw,x shared:1 - nfs4 host:/ rw\n")
    assert FileSystems(str(table)).of(str(inner)) == "nfs4"
    assert FileSystems(str(table)).of(str(tmp_path)) == "ext4"
    assert FileSystems(str(tmp_path / "missing")).of(str(tmp_path)) == ""
