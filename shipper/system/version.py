"""Build: version, commit, installed optional parts, and a second distribution that shares files with this one."""

import json
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from shipper import __version__

FILE = "build.json"
UNKNOWN = "unknown"
OPTIONAL = {"confluent-kafka": "kafka", "docker": "docker"}
"""Distributions that are not needed, and the extra that brings each."""
PATIENCE_S = 5
APPLICATIONS = "shipper-processors"
"""The slim distribution, for applications: it installs two of the agent's packages under the same names."""
REINSTALL = f"pip uninstall {APPLICATIONS}, then pip install --force-reinstall --no-deps shipper-agent"


class Overlap(NamedTuple):
    """The slim distribution beside the agent's: of the files both have, those installed last are there."""

    version: str
    hint: str = REINSTALL

    @property
    def what(self) -> str:
        """What is wrong, without the hint."""
        return f"{APPLICATIONS} {self.version} is installed too, and both write the same files"

    @property
    def harmless(self) -> bool:
        """True while both are of one version, so that their files are equal."""
        return self.version == __version__


def overlap() -> Overlap | None:
    """Return the slim distribution if it is installed in this environment."""
    try:
        return Overlap(version(APPLICATIONS))
    except PackageNotFoundError:
        return None


def commit(package: Traversable | None = None) -> str:
    """The commit that a distribution was built from, or that a checkout stands at; `unknown` where nothing tells."""
    found = (package or files("shipper")) / FILE
    if found.is_file():
        return str(json.loads(found.read_text(encoding="utf-8"))["commit"])
    root = Path(__file__).parents[2]
    return _checked_out(root) if (root / ".git").exists() else UNKNOWN


def _checked_out(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 -- git, wherever it is
            cwd=root, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return f"{done.stdout.strip()} (a checkout)"


def description() -> Iterator[str]:
    """What `--version` prints, line by line."""
    yield f"shipper, version {__version__}"
    yield f"commit: {commit()}"
    yield f"python: {platform.python_version()} on {platform.system()} {platform.machine()}"
    for name, extra in OPTIONAL.items():
        try:
            yield f"{name}: {version(name)}"
        except PackageNotFoundError:
            yield f"{name}: not installed; pip install 'shipper-agent[{extra}]' brings it"
    if (beside := overlap()) is not None:
        yield f"{beside.what}; {beside.hint}"
