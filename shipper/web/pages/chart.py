"""Chart: a small line chart as SVG points, computed here so that it works without JavaScript."""

from collections.abc import Sequence
from typing import NamedTuple

from shipper.presentation.format import short

WIDTH, HEIGHT = 300.0, 48.0
TOP = 3.0
"""Room above the highest point, for half of the line's thickness."""


class Chart(NamedTuple):
    """A line chart; the newest value is at the right edge."""

    line: str
    """Points of the line, `x,y x,y …` in a box of WIDTH by HEIGHT; empty if there is none yet."""
    area: str
    """Points of the area below the line."""
    values: str
    """The values, for the tooltip."""
    now: str
    most: str


def chart(values: Sequence[float], room: int) -> Chart:
    """Draw `values`, oldest first; `room` values fill the whole width."""
    shown = values[-room:]
    most = max(shown, default=0.0)
    if len(shown) < 2:  # noqa: PLR2004 -- a line has two ends
        return Chart("", "", "", short(shown[-1] if shown else 0.0), short(most))
    step = WIDTH / (room - 1)
    first = WIDTH - step * (len(shown) - 1)
    scale = (HEIGHT - TOP) / most if most > 0 else 0.0
    points = [f"{first + step * place:.1f},{HEIGHT - value * scale:.1f}" for place, value in enumerate(shown)]
    line = " ".join(points)
    area = f"{first:.1f},{HEIGHT:.0f} {line} {WIDTH:.0f},{HEIGHT:.0f}"
    return Chart(line, area, " ".join(f"{value:.4g}" for value in shown), short(shown[-1]), short(most))
