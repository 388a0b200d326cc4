"""Build information: version, commit, optional parts, and a second distribution that installs the same files."""

import json
import platform
import subprocess
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from shipper import __version__

FILE = "build.json"
UNKNOWN = "unknown"
OPTIONAL = {"confluent-kafka": "kafka", "docker": "docker"}
"""Optional distributions, and the extra that installs each."""
PATIENCE_S = 5
APPLICATIONS = "shipper-processors"
"""The slim distribution for applications: it installs two of the agent's packages under the same names."""
NATIVE = "shipper_native"
"""Module of the compiled extension, which executes the native path."""
NATIVE_COST = "each line costs several times as much CPU as on the native path"
NATIVE_HINT = "install a wheel with the extension, or install from source with Rust's cargo on the PATH"
REINSTALL = f"pip uninstall {APPLICATIONS}, then pip install --force-reinstall --no-deps shipper-agent"


class Overlap(NamedTuple):
    """The slim distribution installed beside the agent: of their common files, the last installed ones remain."""

    version: str
    hint: str = REINSTALL

    @property
    def what(self) -> str:
        """The problem, without its hint."""
        return f"{APPLICATIONS} {self.version} is also installed, and both install the same files"

    @property
    def harmless(self) -> bool:
        """True if both have the same version, so that their files are equal."""
        return self.version == __version__


def overlap() -> Overlap | None:
    """Return the slim distribution if it is installed in this environment."""
    try:
        return Overlap(version(APPLICATIONS))
    except PackageNotFoundError:
        return None


def native_installed() -> bool:
    """Return True if the extension is installed."""
    try:
        import_module(NATIVE)
    except ImportError:
        return False
    return True


def commit(package: Traversable | None = None) -> str:
    """Return the commit of the distribution or of the checkout; `unknown` if neither is available."""
    build = (package or files("shipper")) / FILE
    if build.is_file():
        return str(json.loads(build.read_text(encoding="utf-8"))["commit"])
    root = Path(__file__).parents[2]
    return _checked_out(root) if (root / ".git").exists() else UNKNOWN


def _checked_out(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 -- git from PATH
            cwd=root, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return f"{done.stdout.strip()} (a checkout)"


def description() -> Iterator[str]:
    """Yield the lines that `--version` prints."""
    yield f"shipper, version {__version__}"
    yield f"commit: {commit()}"
    yield f"python: {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield "path: native" if native_installed() else f"path: Python; {NATIVE_COST}; {NATIVE_HINT}"
    for name, extra in OPTIONAL.items():
        try:
            yield f"{name}: {version(name)}"
        except PackageNotFoundError:
            yield f"{name}: not installed; install it with pip install 'shipper-agent[{extra}]'"
    if (slim := overlap()) is not None:
        yield f"{slim.what}; {slim.hint}"
