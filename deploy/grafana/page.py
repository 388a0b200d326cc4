"""docs/dashboards.md: each panel of each dashboard, with its question and its metrics."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Dashboards

<!-- written by `python -m deploy.grafana`; edit the code in deploy/grafana instead -->

The dashboards are code under `deploy/grafana/`, and Grafana reads the JSON generated from it: mount
`deploy/grafana/provisioning` at `/etc/grafana/provisioning` and `deploy/grafana/dashboards` at
`/var/lib/grafana/dashboards`. The data sources are Prometheus (`prometheus`) and the indices of events
(`keneyapp-logs`) and of quarantined entries (`keneyapp-quarantine`).

Three variables filter the panels: `environment` is a label of the scrape targets, `job` the application's scrape job,
`service` the service name in the shipper's metrics. The shipper's counters are always queried with `job="shipper"`,
since an application may export the same names.
"""
METRIC = re.compile(r"\b([a-z]+(?:_[A-Za-z]+)+)(?=\{)")


def page(boards: Mapping[str, dict[str, Any]]) -> str:
    """The complete page; `boards` by file name."""
    return "\n".join([INTRODUCTION, *(part for name, board in boards.items() for part in section(name, board))])


def section(name: str, board: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one dashboard."""
    yield f"## {board['title']}\n"
    yield f"{board['description']} File: [{name}](../deploy/grafana/dashboards/{name}).\n"
    for number, panel in enumerate(board["panels"]):
        if panel["type"] == "row":
            yield ("\n" if number else "") + f"### {panel['title']}\n"
            yield "| panel | question | source |\n| --- | --- | --- |"
        else:
            yield f"| {panel['title']} | {panel['description']} | {sources(panel['targets'])} |"
    yield ""


def sources(targets: list[dict[str, Any]]) -> str:
    """The metrics that a panel queries, or its search."""
    metrics = dict.fromkeys(metric for target in targets for metric in METRIC.findall(target.get("expr", "")))
    searches = [f"`{target['query']}` in the index" for target in targets if "query" in target]
    return ", ".join([*(f"`{metric}`" for metric in metrics), *searches])
