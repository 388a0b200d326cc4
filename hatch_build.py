"""What is made while a distribution is built: the file that tells which commit it was built from."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD_FILE = "shipper/build.json"


class TheCommit(BuildHookInterface[Any]):
    """Puts BUILD_FILE into wheel and sdist; an sdist's own is kept in the wheels that are built from it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if version == "editable" or (Path(self.root) / BUILD_FILE).exists():
            return
        self.folder = tempfile.TemporaryDirectory(prefix="shipper-build-")  # goes with this hook
        file = Path(self.folder.name) / "build.json"
        file.write_text(json.dumps({"commit": os.environ.get("SHIPPER_REVISION") or commit(self.root)}) + "\n")
        build_data["force_include"][str(file)] = BUILD_FILE


def commit(root: str) -> str:
    """The commit of a checkout, with `+` where its files were changed; `unknown` where it is none."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            cwd=root, capture_output=True, text=True, check=True, timeout=20,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
