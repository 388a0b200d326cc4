"""Chart: numbers over time as the points of a small picture, drawn here so that it is there without JavaScript too."""

from collections.abc import Sequence
from typing import NamedTuple

from shipper.presentation.format import short

WIDTH, HEIGHT = 300.0, 48.0
TOP = 3.0
"""Room above the highest point, for half of the line's thickness."""


class Chart(NamedTuple):
    """A line over the last `span_s` seconds; the newest value stands at the right edge."""

    line: str
    """Points of the line, `x,y x,y …` in a box of WIDTH by HEIGHT; empty where there is none yet."""
    area: str
    """Points of the surface below it."""
    values: str
    """The values, for whoever points at one."""
    now: str
    most: str


def chart(values: Sequence[float], room: int) -> Chart:
    """The picture of `values`, oldest first, where `room` of them would fill it from edge to edge."""
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
