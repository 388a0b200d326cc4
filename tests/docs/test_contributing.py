"""Tools of a contributor: three commands, templates, and hooks that run the project's own tools."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.test_blocks import blocks
from tests.integration.conftest import missing

ROOT = Path(__file__).parents[2]
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
CHECKS = (ROOT / ".ci" / "checks").read_text(encoding="utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PARTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def first_block(name: str) -> list[str]:
    """The commands of the first block of a page, without what is said of them."""
    return [re.split(r"\s+#", line)[0] for line in blocks(ROOT / name)[0].text.splitlines()]


def test_readme_begins_with_two_commands_that_need_no_make() -> None:
    """The demo, and the tests that CI runs; both are there to be executed."""
    demo, test = first_block("README.md")
    assert (demo, test) == ("./demo", "./test")
    assert CI.splitlines()[-1] == test
    for command in (demo, test):
        text = (ROOT / command).read_text(encoding="utf-8")
        assert text.startswith("#!/bin/sh\n")
        assert "make " not in text.replace("make .venv", "")
        assert (ROOT / command).stat().st_mode & 0o111


def test_the_first_minute_is_the_measured_one() -> None:
    """README tells what the measurement wrote."""
    measurement = json.loads((ROOT / "benchmarks" / "results" / "first_minute.json").read_text(encoding="utf-8"))
    seconds = math.ceil(measurement["first_correlation_id_s"])
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"it is {measurement['keystrokes']} keystrokes and {seconds} seconds to the first correlation id" in readme


def test_contributors_need_three_commands() -> None:
    """To set up, to mend, to check."""
    assert first_block("CONTRIBUTING.md") == [".ci/setup", "make fix", "make check"]


def test_ci_runs_all_checks_before_the_tests() -> None:
    """The same script as `make check`, which adds coverage."""
    assert CI.splitlines()[-2:] == [".ci/checks", "./test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert ".ci/checks" in makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    wanted = (
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "lint-imports",
        "deptry .",
        ".ci/rust",
        "deploy.supply.bom",
    )
    assert [name for name in wanted if name not in CHECKS] == []
    generated = re.search(r"^GENERATED := (.*)$", makefile, re.MULTILINE)
    assert generated is not None
    assert f"for part in {generated[1]}; do" in CHECKS


def test_hooks_are_checks_of_the_project_with_its_own_tools() -> None:
    """Each is a line of CI, but that formatting is done and not complained of; nothing is fetched from elsewhere."""
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    for hook in HOOKS[0]["hooks"]:
        assert hook["language"] == "system"
        program, *words = hook["entry"].split()
        assert (ROOT / program).exists(), program
        words = [word for word in words if word not in ("-m", "--force-exclude", "--check", ".")]
        assert " ".join(words) in CHECKS
        assert program.rpartition("/")[2] in CHECKS


@pytest.mark.parametrize("component", ["", "fmt", "clippy"])
def test_rust_checks_are_skipped_or_fail_where_tools_are_missing(tmp_path: Path, component: str) -> None:
    """Without cargo, rustfmt or clippy contributors get a notice; with `CI=true` it is a failure."""
    dirname = shutil.which("dirname")
    assert dirname is not None
    (tmp_path / "dirname").symlink_to(dirname)
    if component:
        cargo = tmp_path / "cargo"
        cargo.write_text(f'#!/bin/sh\n[ "$1" != {component} ]\n', encoding="utf-8")
        cargo.chmod(0o755)
    for ci, status in (("", 0), ("true", 1)):
        environ = {"PATH": str(tmp_path), "CI": ci}
        done = subprocess.run(
            ["/bin/sh", ROOT / ".ci" / "rust"], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == status
        assert f"no `{' '.join(filter(None, ['cargo', component]))}` on the PATH" in done.stderr


def test_pre_commit_takes_its_configuration() -> None:
    """As pre-commit itself validates it."""
    program = Path(sys.executable).parent / "pre-commit"
    if not program.exists():
        missing(f"no pre-commit beside {sys.executable}", ".ci/setup")
    done = subprocess.run([program, "validate-config"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("form", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_issue_forms_are_ones_that_github_shows(form: Path) -> None:
    """Name, description and a body whose parts have an id and a label. Source: GitHub, syntax for issue forms."""
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= content.keys() <= {"name", "description", "body", "labels", "title"}
    for part in content["body"]:
        assert part["type"] in PARTS
        assert "value" in part["attributes"] if part["type"] == "markdown" else {"id", "attributes"} <= part.keys()
    ids = [part["id"] for part in content["body"] if "id" in part]
    assert len(ids) == len(set(ids))
    assert any(part.get("validations", {}).get("required") for part in content["body"])


def test_whoever_reports_is_asked_for_no_real_log_line() -> None:
    """Logs hold personal data: the forms and the policy say so, and where risks are told."""
    assert "real log lines" in (FORMS[0]).read_text(encoding="utf-8")
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "docs/security.md" in policy
    assert "not in a public issue" in policy
