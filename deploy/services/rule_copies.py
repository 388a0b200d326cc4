"""Copies of the project's rules and of its Prometheus configuration, for short test runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.services.monitoring import PROMETHEUS


def shortened(to: Path, wait: str = "1s", every: str = "1s", rules: Path = PROMETHEUS / "rules") -> Path:
    """Copy all rule files to `to`, with interval `every` and each `for:` set to `wait`; nothing else changes."""
    to.mkdir(parents=True, exist_ok=True)
    for file in sorted(rules.glob("*.yml")):
        content: dict[str, Any] = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["interval"] = every
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = wait
        (to / file.name).write_text(yaml.safe_dump(content, sort_keys=False))
    return to


def scraping(
    targets: Mapping[str, str],
    rules: Path,
    alertmanager: str | None,
    every: str = "1s",
    oftener: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The project's Prometheus configuration with other addresses (job to host:port).

    Jobs that are not in `targets` are omitted; labels, paths and everything else are kept. `oftener` has shorter
    intervals of single jobs.
    """
    content: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    content["global"] |= {"scrape_interval": every, "evaluation_interval": every}
    content["rule_files"] = [f"{rules}/*.yml"]
    content["scrape_configs"] = [
        {
            **job,
            "scrape_interval": (oftener or {}).get(job["job_name"], every),
            "static_configs": [{**job["static_configs"][0], "targets": [targets[job["job_name"]]]}],
        }
        for job in content["scrape_configs"]
        if job["job_name"] in targets
    ]
    content["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []
    return content
