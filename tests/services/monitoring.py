"""The programs of Prometheus and Alertmanager, and the project's configuration of them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.services.java import Unavailable

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager"
SCRIPT = Path(__file__).parent / "monitoring.sh"
CURE = "run the tests as root on Debian, or install prometheus and prometheus-alertmanager"


class Programs(NamedTuple):
    """Paths."""

    prometheus: str
    promtool: str
    alertmanager: str
    amtool: str


@cache
def programs() -> Programs:
    """All four, installed where they are missing and that can be done. Raises Unavailable."""
    found = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=300, check=False)
    if found.returncode != 0:
        raise Unavailable(f"no Prometheus and Alertmanager: {found.stderr.strip()}")
    return Programs(*found.stdout.split())
