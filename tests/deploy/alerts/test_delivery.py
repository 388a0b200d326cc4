"""Messages at the receivers, from a real Alertmanager."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services.alertmanager_server import ROUTING_KEY, SMTP_PASSWORD
from deploy.services.monitoring import Programs
from tests.deploy.alerts.desk import Desk, fired, runbook, staffed
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
DOWN = "backend:8000 of keneyapp-backend has been unreachable for a minute."


@pytest.fixture
def desk(tools: Programs, tmp_path: Path) -> Iterator[Desk]:
    """Receivers, and an Alertmanager that waits half a second for more of a group."""
    with staffed(tmp_path) as receivers:
        yield receivers


def test_critical_alert_reaches_pager_slack_and_mail(desk: Desk) -> None:
    """Each with what happened and the runbook; the secrets are those of the files."""
    desk.server.post(fired("APIDown", DOWN, instance="backend:8000"))
    until(lambda: bool(desk.slack.received and desk.pager.received and desk.mail.messages))
    page = runbook("APIDown")
    (message,) = desk.slack.messages()
    assert message["title"] == "CRITICAL: The API does not answer"
    assert message["text"] == f"*Description:* {DOWN}\n*Runbook:* {page}"
    assert message["color"] == "danger"
    (event,) = desk.pager.events
    assert (event["routing_key"], event["event_action"]) == (ROUTING_KEY, "trigger")
    assert event["payload"]["summary"] == "The API does not answer"
    assert (event["payload"]["severity"], event["payload"]["component"]) == ("critical", "backend")
    assert event["payload"]["custom_details"] | {"what": DOWN, "runbook": page} == event["payload"]["custom_details"]
    assert event["links"] == [{"href": page, "text": "Runbook"}]
    assert desk.mail.logins == [("alerts@isdataconsulting.com", SMTP_PASSWORD)]
    assert desk.mail.messages[0]["To"] == "ops@isdataconsulting.com"
    assert desk.mail.messages[0]["Subject"] == "KeneyApp CRITICAL: The API does not answer"
    for part in desk.mail.parts("The API does not answer"):
        assert DOWN in part
        assert page in part


def test_high_and_medium_alerts_do_not_wake_anybody(desk: Desk) -> None:
    """High goes to Slack and mail, medium to Slack; the pager hears only of what comes after them and is critical."""
    desk.server.post(fired("LowCacheHitRate", "60%"), fired("CeleryQueueBacklog", "101 tasks"))
    until(lambda: bool(desk.slack.messages("60%") and desk.slack.messages("101 tasks") and desk.mail.messages))
    desk.server.post(fired("DatabaseConnectionPoolExhausted", "95%"))
    until(lambda: bool(desk.pager.received and desk.mail.messages[1:]))
    assert [event["payload"]["component"] for event in desk.pager.events] == ["database"]
    assert [message["Subject"].split(":")[0] for message in desk.mail.messages] == [
        "KeneyApp HIGH",
        "KeneyApp CRITICAL",
    ]
    colors = [desk.slack.messages(words)[0]["color"] for words in ("95%", "60%", "101 tasks")]
    assert colors == ["danger", "warning", "good"]


def test_end_of_an_alert_is_told_as_well(desk: Desk) -> None:
    """In green and by name to Slack, and to the pager, which closes its incident."""
    desk.server.post(fired("APIDown", DOWN))
    until(lambda: bool(desk.pager.received and desk.slack.messages(DOWN)))
    desk.server.post(fired("APIDown", DOWN, resolved=True))
    until(lambda: bool(desk.slack.messages("RESOLVED") and desk.pager.received[1:]))
    message = desk.slack.messages("RESOLVED")[0]
    assert (message["title"], message["color"]) == ("RESOLVED CRITICAL: The API does not answer", "good")
    assert desk.pager.events[1]["event_action"] == "resolve"


def test_alerts_of_one_kind_come_as_one_message(desk: Desk) -> None:
    """Two nodes short of memory are one notification that names both."""
    alerts = [fired("HighMemoryUsage", f"{node} is at 90%", instance=node) for node in ("node-1", "node-2")]
    desk.server.post(*alerts)
    until(lambda: bool(desk.slack.received and desk.mail.messages))
    (message,) = desk.slack.messages()
    assert message["title"] == "HIGH: A node is short of memory"
    assert message["text"].count("*Description:*") == 2
    assert message["text"].count(runbook("HighMemoryUsage")) == 1


def test_alert_of_unplanned_severity_is_told_to_slack(desk: Desk) -> None:
    """By the default receiver, with what the alert has."""
    desk.server.post({"labels": {"alertname": "Forgotten"}, "annotations": {"description": "Nobody planned for me."}})
    until(lambda: bool(desk.slack.received))
    (message,) = desk.slack.messages("Nobody planned for me.")
    assert message["title"] == "Forgotten (1)"


def test_markup_in_a_label_stays_text_in_the_mail(desk: Desk) -> None:
    """A label or description cannot become markup of the page."""
    desk.server.post(fired("HighMemoryUsage", "<script>x</script>", instance='"><img src=x>'))
    until(lambda: bool(desk.mail.messages))
    _, html = desk.mail.parts("A node is short of memory")
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_api_that_is_down_silences_its_slowness(desk: Desk) -> None:
    """HighResponseTime waits while APIDown fires for the same service and cluster, and is told once that is over."""
    slow = fired("HighResponseTime", "too slow")
    desk.server.post(fired("APIDown", DOWN), slow)
    until(lambda: bool(desk.slack.messages(DOWN)))
    assert desk.server.suppressed() == ["HighResponseTime"]
    desk.server.post(fired("LowCacheHitRate", "came later"), {**slow, "labels": {**slow["labels"], "cluster": "other"}})
    until(lambda: bool(desk.slack.messages("came later") and desk.slack.messages("too slow")))
    until(lambda: len(desk.mail.messages) >= 3)
    assert len(desk.slack.messages("too slow")) == 1, "the other cluster's, whose API is up"
    desk.server.post(fired("APIDown", DOWN, resolved=True))
    until(lambda: len(desk.slack.messages("too slow")) == 2)


def test_fast_burn_of_a_budget_silences_the_slow_one(desk: Desk) -> None:
    """Of the same objective only."""
    desk.server.post(
        fired("SLOFastBurn", "fast", slo="errors"),
        fired("SLOSlowBurn", "slow", slo="errors"),
        fired("SLOSlowBurn", "another", slo="latency_p99"),
    )
    until(lambda: bool(desk.slack.messages("fast") and desk.slack.messages("another")))
    assert desk.server.suppressed() == ["SLOSlowBurn"]
    assert not desk.slack.messages("slow")
