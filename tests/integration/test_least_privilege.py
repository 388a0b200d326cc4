"""The agent with the least privileges: not root, one right to read, and one directory to write.

In its own mount namespace all file systems are read-only except its state directory, `/run` is empty (no socket of
any runtime), and no capability is left except the one that a case needs.

"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from benchmarks.lines import ensure
from shipper.model.query import Query
from shipper.outputs.sqlite.reader import LocalReader
from tests.docs.test_blocks import ROOT
from tests.integration.books import truth
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
USER, GROUP, ENTRIES = 65532, 40404, 3000
PREPARE = """
set -e
mount --bind {state} {state}
mount --bind {prefix} {runtime}
mount -t tmpfs none /run
for place in $(awk '{{print $5}}' /proc/self/mountinfo); do
    case "$place" in /proc*|/sys*|/dev*|{state}) ;; *) mount -o remount,bind,ro "$place" || ! mountpoint -q "$place" ;; esac
done
exec setpriv --reuid={user} --regid={user} --no-new-privs {rights} {command}
"""
NOTHING = "--inh-caps=-all --ambient-caps=-all --bounding-set=-all"
READING = "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search"


@dataclass
class Node:
    """A folder in place of a node: logs owned by root, a state directory owned by the agent."""

    folder: Path

    @property
    def state(self) -> Path:
        """The only directory that the agent may write."""
        return self.folder / "state"

    def run(self, rights: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run Python with these arguments in the agent's place."""
        python = self.folder / "runtime" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        script = PREPARE.format(
            state=self.state, prefix=shlex.quote(sys.base_prefix), runtime=self.folder / "runtime", user=USER,
            rights=rights, command=shlex.join([str(python), *command]),
        )  # fmt: skip
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ":".join(
                map(str, (ROOT, ROOT / "processors", ROOT / "schemas", sysconfig.get_path("purelib")))
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LD_LIBRARY_PATH": f"{self.folder}/runtime/lib",
        }
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            cwd="/", env=environment, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    def shipper(self, rights: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one of our commands."""
        options = ["--input", f"docker:{self.folder}/containers/*/*-json.log", "--state-dir", str(self.state)]
        return self.run(
            rights, "-m", "shipper", *words, *options, "--output", f"local:{self.state}/store", "--listen", "off"
        )


@pytest.fixture
def node() -> Iterator[Node]:
    """Yield logs as Docker leaves them: owned by root, folders 0710, files 0640, the container's description 0600."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        missing("no root to give rights up, or no util-linux", "run the tests as root, with unshare and setpriv")
    folder = Path(mkdtemp(prefix="least-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "runtime").mkdir()
    (folder / "state").mkdir(mode=0o700)
    os.chown(folder / "state", USER, USER)
    logs = ensure(folder / "made", ENTRIES, 2)
    shutil.copytree(logs, folder / "containers")
    yield Node(folder)
    shutil.rmtree(folder)


def give(node: Node, group: int, folders: int) -> None:
    """Set owner, group and modes of all files of the runtime."""
    for path in [node.folder / "containers", *(node.folder / "containers").rglob("*")]:
        os.chown(path, 0, group)
        path.chmod(folders if path.is_dir() else 0o640 if path.suffix == ".log" else 0o600)


CASES = {
    "by its group": (GROUP, 0o750, f"--groups={GROUP} {NOTHING}"),
    "by one capability": (0, 0o710, f"--clear-groups {READING}"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_ships_everything_with_one_right_to_read(node: Node, case: str) -> None:
    """Every line is stored and counted once, and new files are owned by it and private."""
    group, folders, rights = CASES[case]
    give(node, group, folders)
    held = node.run(rights, "-c", "print(open('/proc/self/status').read())").stdout
    mask = "0000000000000004" if "capability" in case else "0000000000000000"
    assert {line.split()[1] for line in held.splitlines() if line.startswith("Cap")} == {mask}, held
    assert "NoNewPrivs:\t1" in held
    checked = node.shipper(rights, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = node.shipper(rights, "run", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    known = truth(node.folder / "containers")
    reader = LocalReader(node.state / "store", "keneyapp-logs", "keneyapp-quarantine")
    assert len(list(reader.quarantine())) == known["refused"]
    assert len(list(reader.search(Query(limit=None)))) == known["lines"] - known["refused"]
    assert node.shipper(rights, "run", "--once").stdout.startswith("0 indexed, 0 quarantined, 0 dropped, 0 duplicate")
    for path in node.state.rglob("*"):
        status = path.stat()
        assert (status.st_uid, status.st_mode & 0o077) == (USER, 0), path


@pytest.mark.parametrize("case", CASES)
def test_it_can_write_nowhere_else(node: Node, case: str) -> None:
    """It cannot write the logs, the installation, or a folder that everybody may write."""
    group, folders, rights = CASES[case]
    give(node, group, folders)
    tried = [f"{node.folder}/containers/x", f"{ROOT}/x", "/tmp/x", "/var/tmp/x", "/run/docker.sock", "/etc/x"]
    script = (
        "import os, sys\n"
        "for path in sys.argv[1:]:\n"
        "    try: open(path, 'w').close(); print('wrote', path)\n"
        "    except OSError as error: print(error.errno)\n"
        "print('sockets', [name for name in os.listdir('/run') if name != 'mount'])  # which mount itself makes"
    )
    result = node.run(rights, "-c", script, *tried)
    assert "wrote" not in result.stdout, result.stdout
    assert result.stdout.endswith("sockets []\n"), result.stdout + result.stderr


def test_without_that_right_it_says_what_it_cannot_read(node: Node) -> None:
    """The right is the reason that it can read: without it nothing is shipped, and check and run give the hint."""
    give(node, 0, 0o710)
    rights = f"--clear-groups {NOTHING}"
    checked = node.shipper(rights, "check")
    assert checked.returncode == 1
    assert "DAC_READ_SEARCH" in checked.stdout
    done = node.shipper(rights, "run", "--once")
    assert not list(node.state.glob("store/*")), done.stdout
