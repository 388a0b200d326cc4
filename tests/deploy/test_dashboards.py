"""Dashboards: current, complete, laid out without overlap, and asking what exists."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.layout import VARIABLES
from tests.deploy.boards import BOARDS, ROOT, panels, queries

PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"
GUIDE = {
    "grafana-dashboard.json": {
        "API Performance": ["Request Rate (req/s)", "Response Time (p50, p95, p99)", "Error Rate (%)"],
        "Database Health": ["Connection Pool Usage", "Query Duration", "Transaction Rate"],
        "Redis Cache": ["Hit Rate", "Memory Usage", "Key Count"],
        "System Resources": ["CPU Usage", "Memory Usage", "Disk I/O"],
    },
    "grafana-business-kpi-dashboard.json": {
        "Patient Management": ["New Patients Today", "Total Active Patients", "Patient Registration Rate"],
        "Appointments": ["Scheduled Today", "Completion Rate", "Cancellation Rate", "Average Duration"],
        "Prescriptions": ["Prescriptions Created Today", "Total Active Prescriptions", "Top Medications"],
        "User Activity": ["Active Users", "Login Rate", "Failed Login Attempts"],
    },
}
COUNTED_BY_BOTH = ("patient_operations_total", "appointment_bookings_total", "prescription_created_total")
COUNTED_BY_US = ("failed_login_attempts_total", "login_attempts_total", "appointment_duration_minutes")
boards = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_files_are_current() -> None:
    """`python -m deploy.grafana` was run after the last change of a panel."""
    command = [sys.executable, "-m", "deploy.grafana", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@boards
def test_grafanas_own_types_read_them_back(board: dict[str, Any]) -> None:
    """Nothing is lost or unknown on the way through the schema that Grafana publishes."""
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert again["title"] == board["title"]
    assert [panel["id"] for panel in again["panels"]] == [panel["id"] for panel in board["panels"]]
    assert again["templating"] == board["templating"]


@pytest.mark.parametrize("name", GUIDE)
def test_every_panel_that_was_asked_for_is_there(name: str) -> None:
    """Rows and titles, in their order; there may be more."""
    titles_by_row: dict[str, list[str]] = {}
    for row, panel in panels(BOARDS[name]):
        titles_by_row.setdefault(row, []).append(panel["title"])
    assert list(titles_by_row) == list(GUIDE[name])
    for row, titles in GUIDE[name].items():
        assert titles_by_row[row][: len(titles)] == titles


@boards
def test_ids_are_unique_and_every_panel_has_its_place(board: dict[str, Any]) -> None:
    """Nothing overlaps, nothing stands outside of the grid."""
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert cells
        assert not cells & taken, panel["title"]
        taken |= cells


@boards
def test_every_panel_says_what_it_answers(board: dict[str, Any]) -> None:
    """A question, a query, and how its answer is shown."""
    for _, panel in panels(board):
        assert "?" in panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["options"], panel["title"]


@boards
def test_variables_are_used_and_declared(board: dict[str, Any]) -> None:
    """A variable that nothing asks for misleads, one that is not declared finds nothing."""
    text = json.dumps([panel["targets"] for _, panel in panels(board)])
    used = set(re.findall(r"\$(?!__)(\w+)", text))
    assert used == {variable["name"] for variable in board["templating"]["list"]}
    assert {"job", "service", "environment"} <= used <= set(VARIABLES)


def test_uids_are_unique_and_their_sources_are_provisioned() -> None:
    """Dashboards, and the data sources that their queries name."""
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 3
    sources = yaml.safe_load((PROVISIONING / "datasources" / "keneyapp.yaml").read_text())["datasources"]
    known = {source["uid"]: source["type"] for source in sources}
    for query in queries():
        assert known[query.source] == query.target["datasource"]["type"], query.name
        assert query.panel["datasource"]["uid"] == query.source, query.name


def test_the_shippers_counters_are_always_asked_of_the_shipper() -> None:
    """An application may export the same names: its job is another, and never left open."""
    for query in queries():
        for metric, labels in re.findall(r"(\w+)\{([^}]*)\}", query.target.get("expr", "")):
            assert 'environment=~"$environment"' in labels, query.name
            if metric.startswith(("shipper_", *COUNTED_BY_US)):
                assert 'job="shipper"' in labels, query.name
            elif metric in COUNTED_BY_BOTH:
                assert re.search(r'job="shipper"|job=~"\$job"', labels), query.name


def test_every_panel_is_in_the_documentation() -> None:
    """Each with what it answers."""
    page = (ROOT / "docs" / "dashboards.md").read_text()
    for board in BOARDS.values():
        for row, panel in panels(board):
            assert f"### {row}\n" in page
            assert f"| {panel['title']} | {panel['description']} |" in page
