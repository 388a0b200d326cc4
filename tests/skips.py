"""In CI nothing is skipped: what a test needs is there, or the run fails and names it."""

import os
from collections.abc import Generator

import pytest


def failed_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, with its reason; an expected failure is no skip."""
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        return
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"not run in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the report of one test."""
    report = yield
    failed_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge the report of one module."""
    report = yield
    failed_in_ci(report)
    return report
