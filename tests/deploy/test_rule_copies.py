"""Copies of rules and configuration for short runs: nothing but the waiting differs from what is shipped."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.services.monitoring import PROMETHEUS
from deploy.services.rule_copies import scraping, shortened

FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))


def groups(file: Path) -> list[dict[str, Any]]:
    """Its groups, without what says how long to wait."""
    rule_groups: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for group in rule_groups:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule.pop("for", None)
    return rule_groups


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_a_shortened_copy_asks_what_the_shipped_rules_ask(file: Path, tmp_path: Path) -> None:
    """Expressions, windows, thresholds, labels and words are the same; the shipped file stays as it was."""
    before = file.read_bytes()
    copy = shortened(tmp_path, wait="2s", every="1s") / file.name
    assert groups(copy) == groups(file)
    assert set(re.findall(r" for: (.*)", copy.read_text(encoding="utf-8"))) <= {"2s"}
    assert file.read_bytes() == before


def test_other_addresses_keep_the_labels_of_their_job(tmp_path: Path) -> None:
    """Dashboards choose by them; a job may be asked oftener than the rest, and one without an address is left out."""
    targets = {"shipper": "127.0.0.1:1", "node": "127.0.0.1:2"}
    jobs = {
        job["job_name"]: job
        for job in scraping(targets, tmp_path, None, oftener={"shipper": "250ms"})["scrape_configs"]
    }
    assert jobs.keys() == targets.keys()
    assert {job["scrape_interval"] for job in jobs.values()} == {"250ms", "1s"}
    for name, address in targets.items():
        (static,) = jobs[name]["static_configs"]
        assert static == {"targets": [address], "labels": {"cluster": "production", "environment": "prod"}}
