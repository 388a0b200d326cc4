"""Which receivers an alert reaches, by amtool."""

import subprocess

import pytest
import yaml

from deploy.services.monitoring import ALERTMANAGER, Programs
from tests.deploy.alerts.conftest import alerts

CONFIGURATION = ALERTMANAGER / "alertmanager.yml"
RECEIVERS = {
    "critical": "pagerduty-critical,slack-alerts,email-ops",
    "high": "slack-alerts,email-ops",
    "medium": "slack-alerts",
}
USED = sorted({(alert.rule["labels"]["severity"], alert.rule["labels"]["service"]) for alert in alerts()})


def receivers(tools: Programs, *labels: str) -> str:
    """Those of an alert with these labels."""
    command = [tools.amtool, "config", "routes", "test", f"--config.file={CONFIGURATION}", *labels]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.integration
def test_alertmanager_accepts_the_configuration(tools: Programs) -> None:
    """With its templates and both inhibition rules."""
    done = subprocess.run(
        [tools.amtool, "check-config", CONFIGURATION], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 inhibit rules" in done.stdout
    assert "1 templates" in done.stdout


@pytest.mark.integration
@pytest.mark.parametrize(("severity", "service"), USED)
def test_severity_decides_who_is_told(tools: Programs, severity: str, service: str) -> None:
    """Critical: pager, Slack and e-mail; high: Slack and e-mail; medium: Slack; whatever the service."""
    assert receivers(tools, f"severity={severity}", f"service={service}") == RECEIVERS[severity]


@pytest.mark.integration
def test_unknown_severity_reaches_the_default_receiver(tools: Programs) -> None:
    """No alert is lost because nobody has planned for it."""
    assert receivers(tools, "severity=low", "service=backend") == "default-receiver"
    assert receivers(tools, "alertname=Forgotten") == "default-receiver"


def test_no_secret_stands_in_the_configuration() -> None:
    """Each comes from a file under /etc/alertmanager/secrets/, and the retired spellings are gone."""
    text = CONFIGURATION.read_text()
    values = dict(leaves(yaml.safe_load(text)))
    secrets = {key: value for key, value in values.items() if key.endswith("_file")}
    assert set(secrets) == {"slack_api_url_file", "routing_key_file", "smtp_auth_password_file"}
    assert all(value.startswith("/etc/alertmanager/secrets/") for value in secrets.values())
    forbidden = {"api_url", "slack_api_url", "routing_key", "service_key", "smtp_auth_password", "match", "match_re",
                 "source_match", "target_match"}  # fmt: skip
    assert not forbidden & set(values)


def leaves(node: object) -> list[tuple[str, str]]:
    """Every key that leads to something, with that as text."""
    if isinstance(node, dict):
        return [*((str(key), str(value)) for key, value in node.items()), *leaves(list(node.values()))]
    return [leaf for child in node for leaf in leaves(child)] if isinstance(node, list) else []
