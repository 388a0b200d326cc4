"""Fixtures shared by the tests of the alerts."""

from functools import cache
from typing import Any, NamedTuple

import pytest
import yaml

from deploy.services.monitoring import HINT, PROMETHEUS, Programs, programs
from deploy.services.unavailable import Unavailable
from tests.integration.conftest import missing


class Alert(NamedTuple):
    """An alerting rule, and the file it stands in."""

    file: str
    rule: dict[str, Any]

    @property
    def name(self) -> str:
        """As in its label `alertname`."""
        return str(self.rule["alert"])


@cache
def alerts() -> list[Alert]:
    """Every alerting rule of the project."""
    return [
        Alert(file.name, rule)
        for file in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


@pytest.fixture(scope="session")
def tools() -> Programs:
    """prometheus, promtool, alertmanager and amtool."""
    try:
        return programs()
    except Unavailable as error:
        missing(str(error), HINT)
