"""Runbooks and the pages around them: every alert has one, and what they tell people to type works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from deploy.services.monitoring import PROMETHEUS, ROOT, Programs
from shipper.cli import cli
from tests.deploy.alerts.conftest import Alert, alerts
from tests.deploy.alerts.test_rules import told

DOCS = ROOT / "docs"
BASE = "https://github.com/ISData-consulting/keneyapp/blob/main/docs/runbooks/"
INDEX = DOCS / "runbooks" / "README.md"
RUNBOOKS = sorted(set(INDEX.parent.glob("*.md")) - {INDEX})
PAGES = [*RUNBOOKS, *(DOCS / f"{name}.md" for name in ("slo", "incident-response", "alert-review", "access"))]
SECTIONS = ["Meaning", "Impact", "First five minutes", "Escalation", "Links"]
TOLD = {"critical": "PagerDuty, Slack, e-mail", "high": "Slack, e-mail", "medium": "Slack"}
HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def blocks(page: Path, language: str) -> list[str]:
    """The page's code in that language, without its indentation."""
    fences = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE).strip() for indent, code in fences]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_every_alert_links_a_page_that_exists(alert: Alert) -> None:
    """Under one base, and the page is about that alert."""
    url = alert.rule["annotations"]["runbook_url"]
    assert url.startswith(BASE)
    assert alert.name in (INDEX.parent / url.removeprefix(BASE)).read_text().partition("\n")[0]


def test_the_index_lists_every_alert_with_whom_it_is_told_to() -> None:
    """With severity and service as in its rule; and no page is left over."""
    listed = set(
        re.findall(r"^\| \[(\w+)\]\(([\w-]+\.md)\) \| (\w+) \| (\w+) \| (.*) \|$", INDEX.read_text(), re.MULTILINE)
    )
    assert listed == {
        (
            alert.name,
            alert.rule["annotations"]["runbook_url"].removeprefix(BASE),
            alert.rule["labels"]["severity"],
            alert.rule["labels"]["service"],
            TOLD[alert.rule["labels"]["severity"]],
        )
        for alert in alerts()
    }
    assert {page for _, page, *_ in listed} == {path.name for path in RUNBOOKS}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: str(page.stem))
def test_a_runbook_says_all_that_one_needs(page: Path) -> None:
    """Meaning, impact, the first five minutes with something to copy, escalation, links; in this order."""
    assert re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE) == SECTIONS
    assert blocks(page, "promql") + blocks(page, "sh")


def shipper_commands() -> Iterator[tuple[str, str]]:
    """Every command line of ours on the pages, up to its first pipe, with the page's name."""
    for page in PAGES:
        inline = re.findall(
            r"`(shipper (?:search|status|explain|check|quarantine|replay|setup) [^`…]*)`", page.read_text()
        )
        for line in [*(line for code in blocks(page, "sh") for line in code.splitlines()), *inline]:
            if line.startswith("shipper "):
                yield page.name, re.split(r" [|>] ", line)[0]


@pytest.mark.parametrize(("page", "line"), sorted(set(shipper_commands())))
def test_commands_on_the_pages_are_understood(page: str, line: str) -> None:
    """Every `shipper` line parses: the command exists, takes these options, and their values."""
    words, command = shlex.split(line)[1:], cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        subcommand = command.get_command(context, words[0])
        assert subcommand is not None, words[0]
        command, words = subcommand, words[1:]  # type: ignore[assignment]
    command.make_context(words[0] if words else None, list(words))


def queries() -> list[str]:
    """Every PromQL query on the pages."""
    return sorted({query for page in [ROOT / "README.md", *DOCS.rglob("*.md")] for query in blocks(page, "promql")})


@pytest.mark.integration
def test_queries_on_the_pages_are_promql(tools: Programs, tmp_path: Path) -> None:
    """Prometheus parses each of them."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    assert len(rules) > 30
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}))
    told(tools.promtool, "check", "rules", "--lint=none", tmp_path / "queries.yml")


def test_recorded_names_on_the_pages_exist() -> None:
    """Every recording rule that a query names exists."""
    recorded = {
        rule["record"]
        for file in (PROMETHEUS / "rules").glob("*.yml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    used = {name for query in queries() for name in re.findall(r"\b[a-z_]+(?::\w+)+", query)}
    assert used
    assert used <= recorded


def test_the_burn_rate_table_is_that_of_the_rules() -> None:
    """Factor, windows and severity are the rules', and the share of the budget is right."""
    row = r"^\| (SLO\w+) \| ([\d.]+) \| (\w+) \| (\w+) \| [^|]* = (\d+) % \| (\w+) \|$"
    rows = re.findall(row, (DOCS / "slo.md").read_text(), re.MULTILINE)
    rules = {alert.name: alert.rule for alert in alerts() if alert.file == "slo.yml"}
    assert {name for name, *_ in rows} == set(rules)
    for name, factor, long, short, share, severity in rows:
        pattern = rf"ratio_rate{long} > .*\({factor} \*.*\n.*ratio_rate{short} > .*\({factor} \*"
        assert re.search(pattern, rules[name]["expr"]), name
        assert rules[name]["labels"]["severity"] == severity
        assert round(float(factor) * float(long[:-1]) * HOURS[long[-1]] / 720 * 100) == int(share)
