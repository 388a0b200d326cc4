"""Build hook: adds a file with the commit that a distribution was built from."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD_FILE = "shipper/build.json"


class TheCommit(BuildHookInterface[Any]):
    """Adds BUILD_FILE to wheel and sdist; wheels built from an sdist keep the sdist's file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file; hatchling calls this before it collects files."""
        if version == "editable" or (Path(self.root) / BUILD_FILE).exists():
            return
        self.folder = tempfile.TemporaryDirectory(prefix="shipper-build-")  # removed with this hook
        file = Path(self.folder.name) / "build.json"
        file.write_text(json.dumps({"commit": os.environ.get("SHIPPER_REVISION") or commit(self.root)}) + "\n")
        build_data["force_include"][str(file)] = BUILD_FILE


def commit(root: str) -> str:
    """The commit of a checkout, with `+` where its files were changed; `unknown` if there is none."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            cwd=root, capture_output=True, text=True, check=True, timeout=20,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
