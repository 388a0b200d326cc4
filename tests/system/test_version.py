"""What `--version` tells: for whoever reports a problem."""

import json
from pathlib import Path

from click.testing import CliRunner

from shipper import __version__
from shipper.cli import cli
from shipper.system.version import FILE, OPTIONAL, commit


def test_version_comes_first_and_build_and_optional_parts_below() -> None:
    """One line each; the first is what scripts read."""
    done = CliRunner().invoke(cli, ["--version"])
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines[0] == f"shipper, version {__version__}"
    assert [line.partition(":")[0] for line in lines[1:]] == ["commit", "python", *OPTIONAL]


def test_a_built_distribution_tells_its_commit(tmp_path: Path) -> None:
    """By the file beside the package, whatever git would say where it is installed."""
    (tmp_path / FILE).write_text(json.dumps({"commit": "0123456789ab"}))
    assert commit(tmp_path) == "0123456789ab"
