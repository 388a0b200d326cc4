"""Layout of a dashboard: rows, variables, and the grid."""

from collections.abc import Mapping
from itertools import count
from typing import Literal

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    GridPos,
    Panel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)  # fmt: skip

from deploy.grafana.panels import METRICS

COLUMNS = 24
Rows = Mapping[str, list[Builder[Panel]]]
Name = Literal["environment", "job", "service", "instance"]
ANYTHING = ".*"
VARIABLES: dict[Name, tuple[str, str | None]] = {
    "environment": ("label_values(up, environment)", ANYTHING),  # also if targets have no such label
    "job": ("label_values(http_requests_total, job)", None),
    "service": ('label_values(login_attempts_total{job="shipper"}, service)', None),
    "instance": ('label_values(shipper_lines_read_total{job="shipper"}, instance)', ANYTHING),
}
"""Query of a variable, and the value of All; None for each existing value, in PromQL and Lucene alike."""


def variable(name: Name) -> QueryVariable:
    """A variable with multiple values, all by default."""
    query, all_value = VARIABLES[name]
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    made = (
        QueryVariable(name).label(name.capitalize()).datasource(METRICS).query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True).include_all(True).current(everything)
    )  # fmt: skip
    return made if all_value is None else made.all_value(all_value)


def laid_out(uid: str, title: str, about: str, since: str, names: tuple[Name, ...], rows: Rows) -> Dashboard:  # noqa: PLR0913, PLR0917 -- the parts of a dashboard
    """Build a dashboard of rows, with the panels of each row side by side."""
    board = Dashboard(title).uid(uid).description(about).tags(["keneyapp"]).timezone("browser").refresh("30s")
    board.time(since, "now").editable().tooltip(DashboardCursorSync.CROSSHAIR)
    for name in names:
        board.with_variable(variable(name))
    numbers, y = count(1), 0
    for row_title, panels in rows.items():
        board.with_row(Row(row_title).id(next(numbers)).grid_pos(GridPos(h=1, w=COLUMNS, x=0, y=y)))
        y += 1
        built = [panel.build() for panel in panels]
        for line in in_lines(built):
            for place, panel in enumerate(line):
                panel.id_val = next(numbers)
                height = panel.grid_pos.h if panel.grid_pos is not None else 1
                width = COLUMNS // len(line)
                panel.grid_pos = GridPos(h=height, w=width, x=place * width, y=y)
                board.with_panel(Built(panel))
            y += max(panel.grid_pos.h for panel in line if panel.grid_pos is not None)
    return board


def in_lines(panels: list[Panel], most: int = 4) -> list[list[Panel]]:
    """Split panels evenly into as few lines as possible."""
    number = -(-len(panels) // most)
    each = -(-len(panels) // number)
    return [panels[start : start + each] for start in range(0, len(panels), each)]


class Built(Builder[Panel]):
    """A builder of an already built panel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def build(self) -> Panel:
        return self._panel
