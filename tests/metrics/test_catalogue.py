"""Every metric of the shipper is declared once in the catalogue, and read from there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shipper.config import load
from shipper.config.settings import Settings
from shipper.metrics.catalogue import (
    BUILD,
    CATALOGUE,
    COMMITS,
    COMMITTED,
    EVENTS,
    OVERFLOWS,
    PREFIX,
    VIOLATIONS,
    OwnMetric,
    from_zero,
    measured,
    saved,
)
from shipper_processors.count import Counting
from shipper_schemas.builtin_rules import builtin_rules

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bshipper_(?!processors\b|schemas\b|native\b)[a-z]\w*")
SUFFIXES = ("", "_bucket", "_count", "_sum")
BESIDE = re.compile(r"up|process_\w+|python_\w+|scrape_\w+")
"""Metrics that Prometheus and its client add to every job."""


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the text constants of a module, including f-strings, without its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    assert any(isinstance(node, documented) for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def named_in(source: str) -> list[str]:
    """Return the metrics that a module names."""
    return [name for node in texts(ast.parse(source)) for name in NAME.findall(node.value)]


def exposed() -> set[str]:
    """Return every name that /metrics may show: of the shipper, the built-in rules, and the rules of deploy/."""
    deployed = [load(path, {}, {}) for path in sorted((ROOT / "deploy").rglob("shipper.yaml")) if has_rules(path)]
    rules = [*builtin_rules(Settings().counters.business_events), *(r for one in deployed for r in one.counters.rules)]
    assert any(one.counters.rules for one in deployed)
    return {
        f"{metric.name}{suffix}"
        for metric in (*CATALOGUE, *Counting(rules).metrics())
        for suffix in (SUFFIXES if metric.type == "histogram" else ("",))
    }


def has_rules(path: Path) -> bool:
    """Return True for a configuration of the shipper with rules, not for a manifest of the same name."""
    return "rules" in (yaml.safe_load(path.read_text(encoding="utf-8")).get("counters") or {})


def test_a_metric_that_a_module_names_is_detected() -> None:
    """In a string or a part of one, but not in a docstring or as the name of a package."""
    assert named_in('"""Of shipper_x_total."""\ntotal("shipper_x_total")\nf"{a} shipper_y"') == [
        "shipper_x_total",
        "shipper_y",
    ]
    assert named_in('import_module("shipper_schemas.metrics")') == []


def test_no_module_names_a_metric_outside_the_catalogue() -> None:
    """A second copy of a name would be forgotten when the name changes."""
    places = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "shipper").rglob("*.py"))
        if path.name != "catalogue.py" and (names := named_in(path.read_text(encoding="utf-8")))
    }
    assert places == {}


def test_every_metric_is_well_formed() -> None:
    """Names are unique, counters end in `_total`, and label values belong to the only label."""
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE) > 30
    for metric in CATALOGUE:
        assert metric.name.startswith(PREFIX)
        assert metric.name.endswith("_total") == (metric.type == "counter"), metric.name
        assert metric.processes, metric.name
        assert metric.values is None or len(metric.labels) == 1, metric.name
        assert metric.measured == (metric.type == "gauge" or metric is COMMITS), metric.name


@pytest.mark.parametrize("process", ["agent", "indexer"])
def test_series_known_in_advance_start_at_zero(process: str) -> None:
    """Those without a label, and one for each declared label value."""
    series = from_zero(process)  # type: ignore[arg-type]
    assert len(set(series)) == len(series)
    kept: tuple[OwnMetric, ...] = saved(process)  # type: ignore[arg-type]
    for metric in kept:
        labels = {labels for name, labels in series if name == metric.name}
        expected = {()} if not metric.labels else {(value,) for value in metric.values or ()}
        assert labels == expected, metric.name
    assert (EVENTS.name, ("indexed",)) in series
    assert {VIOLATIONS.name, OVERFLOWS.name} & {name for name, _ in series} == (
        {VIOLATIONS.name} if process == "agent" else set()
    )
    assert ((COMMITTED.name, ("refused",)) in series) == (process == "indexer")


def test_the_reference_lists_what_agents_and_indexers_show() -> None:
    """All of them; the metrics of a replay are not exposed."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    processes = ("agent", "indexer")
    shown = {metric.name for process in processes for metric in (*saved(process), *measured(process))}  # type: ignore[arg-type]
    assert set(NAME.findall(page)) == {*shown, BUILD.name}


def test_rules_and_dashboards_name_only_existing_metrics() -> None:
    """Every `shipper_` name under deploy/, and every selector of the job `shipper`."""
    folder, known, selected = ROOT / "deploy", exposed(), 0
    files = [path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml", ".json", ".py")]
    for path in files:
        if "node_modules" in path.parts or path.name == "shipper_dashboard.py":
            continue
        text = path.read_text(encoding="utf-8").replace('\\"', '"')
        if path.suffix != ".py":
            assert set(NAME.findall(text)) - NOT_METRICS <= known, path
        for name, labels in re.findall(r"\b([a-z_]\w+)\{([^{}]*)\}", text):
            if 'job="shipper"' in labels and not BESIDE.fullmatch(name):
                selected += 1
                assert name in known, f"{path}: {name}"
    assert selected > 20


NOT_METRICS: set[str] = {"shipper_dashboard"}
"""Names under deploy/ that are files."""
