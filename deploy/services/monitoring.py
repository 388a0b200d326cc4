"""Paths of Prometheus and Alertmanager, and of the project's configuration."""

import shutil
from functools import cache
from pathlib import Path
from typing import NamedTuple

from deploy.services.debian import program

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager"
HINT = "run it as root on Debian, or install prometheus and prometheus-alertmanager"


class Programs(NamedTuple):
    """Paths of the four programs."""

    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str


@cache
def programs() -> Programs:
    """Paths of all four, after installing missing packages. Raises Unavailable."""
    debians_own = "alertmanager" if shutil.which("alertmanager") else "prometheus-alertmanager"
    return Programs(
        program("prometheus", "prometheus"),
        program("promtool", "prometheus"),
        program(debians_own, "prometheus-alertmanager"),
        program("amtool", "prometheus-alertmanager"),
    )
