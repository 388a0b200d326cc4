"""Build hook: adds the commit that a distribution was built from, and the extension of the native path to wheels.

SHIPPER_NATIVE           `auto` (default): compile where cargo is on the PATH, otherwise a wheel with the Python path
                         alone; `require`: fail without the extension; `skip`: a pure wheel
SHIPPER_NATIVE_LIBRARY   pack this library, compiled elsewhere
SHIPPER_NATIVE_PLATFORM  platform tag of the wheel (for example manylinux_2_28_x86_64); default: this machine's
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD_FILE = "shipper/build.json"
EXTENSION = "shipper_native.abi3.so"
ABI = "cp311-abi3"
"""The stable ABI that Cargo.toml asks for: one wheel for CPython 3.11 and later."""
MODES = ("auto", "require", "skip")


class CannotCompile(Exception):
    """The extension cannot be compiled here."""


class ShipperBuild(BuildHookInterface[Any]):
    """Adds BUILD_FILE to wheel and sdist, and EXTENSION to wheels. A wheel built from an sdist keeps its BUILD_FILE."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files; hatchling calls this before it collects files."""
        editable = version == "editable"
        if not editable and not (Path(self.root) / BUILD_FILE).exists():
            self._add_commit(build_data)
        if self.target_name == "wheel":
            self._add_extension(build_data, editable=editable)

    def _add_commit(self, build_data: dict[str, Any]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="shipper-build-")  # removed with this hook
        file = Path(self.folder.name) / "build.json"
        file.write_text(json.dumps({"commit": os.environ.get("SHIPPER_REVISION") or commit(self.root)}) + "\n")
        build_data["force_include"][str(file)] = BUILD_FILE

    def _add_extension(self, build_data: dict[str, Any], *, editable: bool) -> None:
        mode = os.environ.get("SHIPPER_NATIVE") or "auto"
        if mode not in MODES:
            raise ValueError(f"invalid SHIPPER_NATIVE {mode!r}; expected {', '.join(MODES)}")
        if mode == "skip":
            return
        try:
            library = compiled(Path(self.root) / "native")
        except CannotCompile as error:
            if mode == "require":
                raise
            self.app.display_warning(f"no native path in this build, every line takes the Python path: {error}")
            return
        build_data["force_include_editable" if editable else "force_include"][str(library)] = EXTENSION
        if not editable:
            build_data["pure_python"] = False
            build_data["tag"] = f"{ABI}-{platform()}"


def compiled(native: Path) -> Path:
    """Compile the extension with cargo, and return the library. Raises CannotCompile."""
    if library := os.environ.get("SHIPPER_NATIVE_LIBRARY"):
        return Path(library).resolve(strict=True)
    if sys.platform != "linux" or sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompile("the extension is for CPython on Linux")
    if (cargo := shutil.which("cargo")) is None:
        raise CannotCompile("cargo not found on the PATH")
    done = subprocess.run(
        [cargo, "build", "--release", "--locked", "--features", "extension-module", "--message-format", "json"],
        cwd=native, env={**os.environ, "PYO3_NO_PYTHON": "1"}, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotCompile(f"cargo failed with exit code {done.returncode}")
    return library_of(done.stdout)


def library_of(messages: str) -> Path:
    """Return the shared library that cargo reports, one JSON message a line. Raises CannotCompile."""
    for line in reversed(messages.splitlines()):
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["crate_types"]:
            return Path(next(name for name in message["filenames"] if name.endswith(".so")))
    raise CannotCompile("cargo reported no shared library")


def platform() -> str:
    """Return the platform tag: the requested one, or this machine's, which `pip install .` accepts."""
    return os.environ.get("SHIPPER_NATIVE_PLATFORM") or sysconfig.get_platform().replace("-", "_").replace(".", "_")


def commit(root: str) -> str:
    """The commit of a checkout, with `+` where its files were changed; `unknown` if there is none."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            cwd=root, capture_output=True, text=True, check=True, timeout=20,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
