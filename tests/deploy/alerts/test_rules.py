"""The rules, by promtool and by eye."""

import re
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from deploy.services.monitoring import PROMETHEUS, ROOT, Programs
from tests.deploy.alerts.conftest import Alert, alerts

UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
GUIDES = {
    "APIDown": ("critical", "backend", "1m"),
    "HighErrorRate": ("critical", "backend", "5m"),
    "DatabaseConnectionPoolExhausted": ("critical", "database", "2m"),
    "HighResponseTime": ("high", "backend", "10m"),
    "LowCacheHitRate": ("high", "cache", "15m"),
    "HighMemoryUsage": ("high", "system", "5m"),
    "HighFailedLoginAttempts": ("medium", "security", "5m"),
    "CeleryQueueBacklog": ("medium", "celery", "10m"),
}


def told(*command: Any) -> str:
    """Return the output of a program; it must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.integration
def test_prometheus_accepts_the_configuration(tools: Programs) -> None:
    """With every rule file that it names, and no warning from the linter."""
    assert f"SUCCESS: {len(RULES)} rule files found" in told(
        tools.promtool, "check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml"
    )


@pytest.mark.integration
@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: str(file.stem))
def test_alerts_fire_hold_still_and_resolve(tools: Programs, file: Any) -> None:
    """As their unit tests say."""
    told(tools.promtool, "test", "rules", file)


@cache
def cases() -> list[dict[str, Any]]:
    """All unit tests of the rules."""
    return [case for file in UNIT_TESTS for case in yaml.safe_load(file.read_text())["tests"]]


def unit_tests_of(name: str) -> tuple[bool, bool, bool]:
    """Return three flags of the unit tests: the alert fires, it resolves afterwards, one holds it silent."""
    fires = resolves = silent = False
    for case in cases():
        alert_cases = [one for one in case.get("alert_rule_test", ()) if one["alertname"] == name]
        expectations = [bool(one["exp_alerts"]) for one in alert_cases]
        fires |= True in expectations
        resolves |= True in expectations and expectations[-1] is False
        silent |= any(
            not one.get("exp_samples") and (f'"{name}"' in one["expr"] or f'"{name[:3]}.*"' in one["expr"])
            for one in case.get("promql_expr_test", ())
        )
    return fires, resolves, silent


@pytest.mark.parametrize("name", sorted({alert.name for alert in alerts()}))
def test_every_alert_has_its_unit_tests(name: str) -> None:
    """It fires, it resolves, and it is silent just below its threshold."""
    assert unit_tests_of(name) == (True, True, True)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_every_alert_says_what_people_need(alert: Alert) -> None:
    """Severity and service for the routes, and a summary, a description and a runbook for the reader."""
    assert set(alert.rule["labels"]) == {"severity", "service"}
    assert alert.rule["labels"]["severity"] in {"critical", "high", "medium"}
    assert set(alert.rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" not in alert.rule["annotations"]["summary"], "a group of alerts has one summary"


def test_the_guides_alerts_are_all_there() -> None:
    """Under their names, with their severity, service and patience."""
    alert_names = {
        alert.name: (alert.rule["labels"]["severity"], alert.rule["labels"]["service"], alert.rule["for"])
        for alert in alerts()
        if alert.file == "alerts.yml"
    }
    assert alert_names == GUIDES


def test_one_alert_name_has_one_severity() -> None:
    """Notifications are grouped by name and service: a mixed group would have no severity."""
    names = [alert.name for alert in alerts()]
    assert len(names) == len(set(names))


def test_rules_ask_for_metrics_that_the_agent_has() -> None:
    """Every `shipper_` metric, and the counter of failed logins, stands in the reference, which is generated."""
    metrics = {
        name
        for file in RULES
        for name in re.findall(r"\b(shipper_\w+|failed_login_attempts_total)\b", file.read_text())
    }
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "reference" / "metrics.md").read_text(), re.MULTILINE))
    assert len(metrics) > 7
    assert metrics <= documented


def test_rules_select_jobs_that_are_scraped() -> None:
    """No alert is silent for a job that nobody scrapes, and every job has a rule or is the monitoring itself."""
    scraped = {job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]}
    selected = {name for file in RULES for name in re.findall(r'job="([^"]+)"', file.read_text())}
    assert scraped - selected == {"prometheus", "alertmanager"}
    assert selected <= scraped
