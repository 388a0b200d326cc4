"""Output of `--version`: for whoever reports a problem."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper import __version__
from shipper.cli import cli
from shipper.system.version import FILE, OPTIONAL, commit, description, overlap


def test_version_comes_first_and_build_and_optional_parts_below() -> None:
    """One line each; scripts read the first."""
    done = CliRunner().invoke(cli, ["--version"])
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines[0] == f"shipper, version {__version__}"
    assert [line.partition(":")[0] for line in lines[1:]] == ["commit", "python", "path", *OPTIONAL]


def test_a_built_distribution_reports_its_commit(tmp_path: Path) -> None:
    """From the file beside the package, regardless of a git repository around it."""
    (tmp_path / FILE).write_text(json.dumps({"commit": "0123456789ab"}))
    assert commit(tmp_path) == "0123456789ab"


@pytest.mark.parametrize(("installed", "grade"), [(__version__, "note"), ("0.0.1", "problem")])
def test_the_slim_distribution_beside_the_agent_is_reported(
    installed: str, grade: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `--version` and `check`: their files overwrite each other, which is harmless only while they are equal."""
    assert overlap() is None
    folder = tmp_path / "site" / f"shipper_processors-{installed}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: shipper-processors\nVersion: {installed}\n")
    monkeypatch.syspath_prepend(folder.parent)
    assert (
        f"shipper-processors {installed} is also installed, and both install the same files" in list(description())[-1]
    )
    checked = CliRunner().invoke(cli, ["check", "--format", "json", "--state-dir", str(tmp_path / "state")])
    findings = [one for one in json.loads(checked.output) if one["subject"] == "installation"]
    assert [(one["grade"], "pip uninstall shipper-processors" in one["hint"]) for one in findings] == [(grade, True)]
