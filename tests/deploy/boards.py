"""The dashboards as they are committed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
BOARDS: dict[str, dict[str, Any]] = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


class Query(NamedTuple):
    """One query of a panel; its name is for people."""

    name: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def source(self) -> str:
        """The uid of its data source."""
        uid: str = self.target["datasource"]["uid"]
        return uid


def panels(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the title of its row."""
    row = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            yield row, panel


def queries() -> Iterator[Query]:
    """Every query of every dashboard."""
    for name, board in BOARDS.items():
        for row, panel in panels(board):
            for target in panel["targets"]:
                short = name.removesuffix(".json")
                yield Query(f"{short} | {row} | {panel['title']} | {target['refId']}", panel, target)


def panel(name: str, title: str) -> dict[str, Any]:
    """The first panel of a dashboard with that title."""
    return next(candidate for _, candidate in panels(BOARDS[name]) if candidate["title"] == title)
