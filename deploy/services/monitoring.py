"""The programs of Prometheus and Alertmanager, and the project's configuration of them."""

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
    """Paths."""

    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str


@cache
def programs() -> Programs:
    """All four, installed where they are missing and that can be done. Raises Unavailable."""
    debians_own = "alertmanager" if shutil.which("alertmanager") else "prometheus-alertmanager"
    return Programs(
        program("prometheus", "prometheus"),
        program("promtool", "prometheus"),
        program(debians_own, "prometheus-alertmanager"),
        program("amtool", "prometheus-alertmanager"),
    )
