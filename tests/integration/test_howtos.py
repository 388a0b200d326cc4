"""The how-to pages, run as written: each configuration applied, each command run, each output compared."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_blocks import ROOT, Block, blocks
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
PAGES = [*sorted((ROOT / "docs" / "howto").glob("*.md")), ROOT / "docs" / "concepts.md"]
ELSEWHERE = re.compile(r"kafka|elasticsearch:|docker (?!:)|kubectl|curl ")
"""Blocks that need a server: tests/docs/test_blocks.py parses them, and other tests run them over real ones."""
RUN = {
    "add-a-counter": 4, "add-a-redaction": 2, "backfill-a-lost-day": 3, "behind-kafka": 0, "from-fluent-bit": 0,
    "from-vector": 1, "rotate-the-redaction-key": 5, "size-it": 1, "concepts": 2,
}  # fmt: skip
"""Number of blocks of each page that are run, so that a page whose steps are no longer run is noticed."""
CONTAINER = "4f6d0c3b9a1e" * 5 + "4f6d"
SHIPPER = """#!/bin/sh
# The agent ends when it has read what is there; everything else is as it was called.
[ "$1" = run ] && set -- "$@" --once
exec {python} -m shipper "$@"
"""


class Place:
    """A folder in place of a machine: logs of a node, a backup of them, and this shipper on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = {
            "/var/lib/docker/containers": folder / "containers",
            "/backup/node-7/containers": folder / "backup",
        }
        for place in self.paths.values():
            (place / CONTAINER).mkdir(parents=True)
            (place / CONTAINER / f"{CONTAINER}-json.log").write_text("".join(lines()), encoding="utf-8")
        own = folder / "bin" / "shipper"
        own.parent.mkdir()
        own.write_text(SHIPPER.format(python=sys.executable))
        own.chmod(0o755)

    def here(self, text: str) -> str:
        """Return a block with the paths of this machine."""
        for shown, place in self.paths.items():
            text = text.replace(shown, str(place))
        return text

    def run(self, block: Block) -> str:
        """Run the block's commands and return their output; all have to succeed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
        done = subprocess.run(
            ["bash", "-c", f"set -e -o pipefail\n{self.here(block.text)}"],
            cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
            env={**environment, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "COLUMNS": "120", "SHIPPER_LISTEN": "off"},
        )  # fmt: skip
        assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def lines() -> list[str]:
    """Return lines of a day, as Docker writes them."""
    events = ("appointment_missed", "login_failed", "patient_created")
    entries = [{"correlation_id": f"visit-{number}", "event": event} for number, event in enumerate(events)]
    return [
        json.dumps({"log": json.dumps(entry) + "\n", "stream": "stdout", "time": f"2026-11-22T10:0{number}:00.5Z"})
        + "\n"
        for number, entry in enumerate(entries)
    ]


def squeezed(text: str) -> str:
    """Return a text with each gap reduced to one space."""
    return re.sub(r"[ \t]+", " ", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_step_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """In order, each with the configuration shown before it; the output that the page shows is printed."""
    if shutil.which("bash") is None:
        missing("no bash for the commands of the page", "apt-get install bash")
    place, printed, run = Place(tmp_path), None, 0
    for block in blocks(page):
        if block.language == "yaml":
            (tmp_path / "shipper.yaml").write_text(place.here(block.text), encoding="utf-8")
        elif block.language == "sh":
            elsewhere = ELSEWHERE.search(re.sub(r"docker:", "", block.text)) is not None
            printed = None if elsewhere else place.run(block)
            run += not elsewhere
        elif block.language == "text" and printed is not None:
            for line in block.text.splitlines():
                assert squeezed(line.strip()) in squeezed(printed), f"{page.name}, line {block.line}: {printed}"
    assert run == RUN[page.stem]
