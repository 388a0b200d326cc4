"""docs/coverage.md: what it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
NAMED = sorted(set(re.findall(r"`([^`]+)`", PAGE.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("name", NAMED)
def test_every_place_and_test_is_there(name: str) -> None:
    """A path of this repository."""
    assert (ROOT / name).exists()


def test_every_alert_and_test_file_of_prometheus_is_named() -> None:
    """None of the rules' unit tests is left out but those of the shipper itself."""
    tests = {
        f"deploy/prometheus/tests/{path.name}" for path in (ROOT / "deploy" / "prometheus" / "tests").glob("*.yml")
    }
    assert tests - set(NAMED) == {"deploy/prometheus/tests/shipper.yml"}
