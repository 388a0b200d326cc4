"""The page on metrics of one's own shows what the sample application and its configuration do."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "custom-metrics.md").read_text()
SAMPLE = ROOT / "deploy" / "sample-app"


def shown(language: str) -> list[str]:
    """The page's examples in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_code_that_is_shown_is_the_sample_applications() -> None:
    """Line by line, in one of its files."""
    files = [path.read_text() for path in SAMPLE.glob("*.py")]
    for example in shown("python"):
        lines = example.splitlines()
        assert any(all(line in text for line in lines) for text in files), example


def test_rules_that_are_shown_are_those_of_its_configuration() -> None:
    """The same rule, part by part."""
    rules = yaml.safe_load((SAMPLE / "shipper.yaml").read_text())["counters"]["rules"]
    for example in shown("yaml"):
        (rule,) = yaml.safe_load(example)["counters"]["rules"]
        assert rule in rules


def test_explain_tells_what_the_line_that_is_shown_adds() -> None:
    """The command of the page, with this shipper."""
    (command,) = shown("sh")
    line = re.findall(r"echo '(.*)'", command)[0]
    arguments = command.rpartition("shipper explain ")[2].split()
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "explain", *arguments],
        input=f"{line}\n", capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"custom_event_total.*payment.*failure", done.stdout)
