"""docs/coverage.md: what it names is there, and every alert and group of panels has its row."""

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.boards import BOARDS, ROOT
from tests.deploy.pages import table

PAGE = ROOT / "docs" / "coverage.md"
ROWS = table(PAGE.read_text(encoding="utf-8"))
NAMED = sorted({name for _, *cells in ROWS for cell in cells for name in re.findall(r"`([^`]+)`", cell)})
SECTIONS = [section for section, *_ in ROWS]


@pytest.mark.parametrize("name", NAMED)
def test_every_place_and_test_is_there(name: str) -> None:
    """A path of this repository, and after `::` a test in it."""
    path, _, test = name.partition("::")
    assert (ROOT / path).exists()
    if test:
        assert re.search(rf"^def {re.escape(test)}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=SECTIONS)
def test_every_section_has_its_place_and_its_test(row: list[str]) -> None:
    """A file of tests alone would leave open which of them is meant."""
    _, where, shown = row
    assert where
    for name in re.findall(r"`([^`]+)`", shown):
        assert "::" in name or Path(name).suffix == ".yml"
    assert "`" in shown or shown == "as above"


def test_every_alert_has_its_row() -> None:
    """Of the guide's."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules" / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert len(alerts) == 8
    assert alerts <= set(SECTIONS)


@pytest.mark.parametrize(
    ("name", "board"), [("Main", "grafana-dashboard.json"), ("Business", "grafana-business-kpi-dashboard.json")]
)
def test_every_group_of_panels_has_its_row(name: str, board: str) -> None:
    """As they stand on the dashboard, and no others."""
    groups = [f"{name} dashboard: {panel['title']}" for panel in BOARDS[board]["panels"] if panel["type"] == "row"]
    assert [section for section in SECTIONS if section.startswith(f"{name} dashboard:")] == groups


def test_every_test_file_of_prometheus_is_named() -> None:
    """None of the rules' unit tests is left out but those of the shipper itself."""
    tests = {
        f"deploy/prometheus/tests/{path.name}" for path in (ROOT / "deploy" / "prometheus" / "tests").glob("*.yml")
    }
    assert tests - set(NAMED) == {"deploy/prometheus/tests/shipper.yml"}
