"""Fuzz targets of the user interface: times and words of a search, documents on a terminal, series in /metrics."""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from rich.console import Console

from shipper.cli.commands.quarantine import described, render_list
from shipper.cli.terminal.render import Stream, render_json, render_table, render_timeline
from shipper.diagnose.rule_tests.series import Series, parse_series
from shipper.metrics.exposition import registry_of
from shipper.metrics.snapshot import Snapshot
from shipper.model.query import Query
from shipper.model.text_search import TextQuery, words
from shipper.outputs.elasticsearch.reader import clauses
from shipper.outputs.query_filter import accepts
from shipper.presentation.time_expression import parse_when
from shipper.system.errors import StoreUnreadable
from shipper_processors.sanitize import printable
from shipper_schemas.metrics import Metric
from tests.hazards.hostile import deceiving

NOW = 1_795_428_000_000
COUNTER = Metric("drugs_total", "counter", "Prescriptions.", ("medication", "service"))


def when(data: bytes) -> None:
    """A time typed by a person is parsed or rejected."""
    text = data.decode("utf-8", "replace")
    with suppress(ValueError):
        assert isinstance(parse_when(text, NOW), int)


def search(data: bytes) -> None:
    """Words of a text match that text, in any case, and form a valid query for a server."""
    text = data.decode("utf-8", "replace")
    wanted = TextQuery.of(text)
    assert wanted.matches(text)
    assert wanted.tokens() <= set(words(text))
    parts = (text.split("\n") + [text] * 4)[:4]
    query = Query(*parts, text=text)
    try:
        conditions = clauses(query)
        test = accepts(query)
    except StoreUnreadable:  # the third part is not a level
        query = Query(parts[0], parts[1], None, parts[3], text)
        conditions, test = clauses(query), accepts(query)
    orjson.dumps(conditions)
    test({"correlation_id": parts[0], "event": parts[1], "container": {"name": parts[3]}, "message": text})


RENDERERS: tuple[Callable[[list[dict[str, Any]], Console], int], ...] = (
    render_table,
    render_timeline,
    render_json,
    render_list,
)


def terminal(data: bytes) -> None:
    """Documents of any store reach a terminal without control characters."""
    try:
        content = orjson.loads(data)
    except ValueError:
        return
    entries = [entry for entry in (content if isinstance(content, list) else [content]) if isinstance(entry, dict)]
    entries = [{"_id": "0" * 40, "_index": "keneyapp-logs-2026.11.23", **entry} for entry in entries]
    for terminal_, encoding in ((True, "utf-8"), (False, "ascii")):
        for render in RENDERERS:
            shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
            console = Console(file=shown, width=100, force_terminal=terminal_, color_system=None)
            render(entries, console)
            _is_clean(shown)
        shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        console = Console(file=shown, width=100, force_terminal=terminal_, color_system=None)
        stream = Stream(console)
        for entry in entries:
            stream.show(entry)
            for line in described(entry):
                assert not deceiving(line.plain), line.plain
        _is_clean(shown)


def _is_clean(shown: io.TextIOWrapper) -> None:
    text = shown.buffer.getvalue().decode(shown.encoding)  # type: ignore[attr-defined]
    assert not deceiving(text), text


def metrics(data: bytes) -> None:
    """Labels of any text give exactly one series each, in both formats."""
    text = data.decode("utf-8", "replace")
    half = len(text) // 2
    labels = {(text[:half], text[half:]), (text, "backend"), ("", text)}
    values: Any = {(COUNTER.name, label_values): 1.0 for label_values in labels}
    snapshot = Snapshot({COUNTER.name: COUNTER}, values, dict.fromkeys(values, 1.0), {})
    registry = registry_of(lambda: snapshot)
    for generate, parse in ((generate_latest, parse_text), (generate_openmetrics, parse_openmetrics)):
        shown = generate(registry)
        samples = [
            sample for family in parse(shown.decode()) for sample in family.samples if sample.name == "drugs_total"
        ]
        assert {(sample.labels["medication"], sample.labels["service"]) for sample in samples} == labels
        assert len(samples) == len(labels)


def series(data: bytes) -> None:
    """A series in Prometheus's form is parsed without change."""
    text = data.decode("utf-8", "replace")
    expected = Series("a_total", (("label", text),))
    assert parse_series(str(expected)) == expected
    try:
        parsed_series = parse_series(text)
    except ValueError:
        return
    assert parse_series(str(parsed_series)) == parsed_series


def escaping(data: bytes) -> None:
    """Printable text does not change again, and contains no controls."""
    text = data.decode("utf-8", "surrogateescape")  # invalid UTF-8 becomes lone surrogates
    shown = printable(text)
    assert printable(shown) == shown
    assert not deceiving(shown)
