"""docs/dashboards.md: each dashboard, each panel, what it answers and from what."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Dashboards

<!-- written by `python -m deploy.grafana`; edit what declares it instead -->

They are code under `deploy/grafana/`, and Grafana reads the JSON written from it: mount `deploy/grafana/provisioning`
at `/etc/grafana/provisioning` and `deploy/grafana/dashboards` at `/var/lib/grafana/dashboards`. The data sources are
Prometheus (`prometheus`) and the indices of events (`keneyapp-logs`) and of refused entries (`keneyapp-quarantine`).

Three variables choose what is shown: `environment` is a label of the scrape targets, `job` the application's scrape
job, `service` a service as the shipper names it. The shipper's counters are always asked under `job="shipper"`, since
an application may export the same names.
"""
METRIC = re.compile(r"\b([a-z]+(?:_[A-Za-z]+)+)(?=\{)")


def page(boards: Mapping[str, dict[str, Any]]) -> str:
    """The whole page; `boards` by the name of their file."""
    return "\n".join([INTRODUCTION, *(part for name, board in boards.items() for part in section(name, board))])


def section(name: str, board: Mapping[str, Any]) -> Iterator[str]:
    """One dashboard."""
    yield f"## {board['title']}\n"
    yield f"{board['description']} File: [{name}](../deploy/grafana/dashboards/{name}).\n"
    for number, panel in enumerate(board["panels"]):
        if panel["type"] == "row":
            yield ("\n" if number else "") + f"### {panel['title']}\n"
            yield "| panel | what it answers | from |\n| --- | --- | --- |"
        else:
            yield f"| {panel['title']} | {panel['description']} | {sources(panel['targets'])} |"
    yield ""


def sources(targets: list[dict[str, Any]]) -> str:
    """The metrics that a panel asks for, or its search."""
    metrics = dict.fromkeys(metric for target in targets for metric in METRIC.findall(target.get("expr", "")))
    searches = [f"`{target['query']}` in the index" for target in targets if "query" in target]
    return ", ".join([*(f"`{metric}`" for metric in metrics), *searches])
