"""Kibana objects of the logs: data views, searches and a dashboard. Pure functions, no I/O."""

from collections.abc import Iterable
from typing import Any

import orjson

from shipper.outputs.elasticsearch.kibana_panels import (
    COUNT,
    WIDTH,
    Column,
    Definition,
    Object,
    Place,
    View,
    bars,
    by_query,
    by_time,
    dashboard,
    data_view,
    metric,
    search,
    table,
    top,
)
from shipper_schemas.builtin_rules import FAILED_LOGINS, LOGIN
from shipper_schemas.event import KNOWN_FIELDS, LEVELS
from shipper_schemas.mapping import event_mapping, leaves, quarantine_mapping

PLAIN_NUMBER = {"id": "number", "params": {"pattern": "0"}}
MILLISECONDS = {
    "id": "duration",
    "params": {
        "inputFormat": "milliseconds",
        "outputFormat": "humanizePrecise",
        "outputPrecision": 1,
        "useShortSuffix": True,
        "includeSpaceWithSuffix": True,
    },
}
OF_EVENTS: dict[str, dict[str, Any]] = {
    "duration_ms": MILLISECONDS, "status_code": PLAIN_NUMBER, "log.offset": PLAIN_NUMBER,
}  # fmt: skip
"""Display formats of event fields; fields without one keep Kibana's default."""
OF_QUARANTINE: dict[str, dict[str, Any]] = {"log.offset": PLAIN_NUMBER}
MOST = 15
"""Number of values that a chart shows separately."""


def ndjson(prefix: str, quarantine_prefix: str) -> bytes:
    """The objects as a file that Kibana imports."""
    return b"".join(orjson.dumps(saved_object) + b"\n" for saved_object in saved_objects(prefix, quarantine_prefix))


def saved_objects(prefix: str, quarantine_prefix: str) -> list[Object]:
    """All objects, each after those it refers to. Ids derive from the prefixes, so that a second import replaces."""
    events, quarantine = views(prefix, quarantine_prefix)
    meanings = {name: known.meaning for name, known in KNOWN_FIELDS.items()}
    request = one_request(events)
    charts = [*charts_of_events(events), quarantine_over_time(quarantine)]
    return [
        data_view(events, OF_EVENTS, meanings),
        data_view(quarantine, OF_QUARANTINE, {}),
        request,
        failed_logins(events),
        errors(events),
        quarantine_by_reason(quarantine),
        *charts,
        overview(f"{prefix}-dashboard", charts, request),
    ]


def views(prefix: str, quarantine_prefix: str) -> tuple[View, View]:
    """The data views of events and of quarantine."""
    of_events, of_quarantine = leaves(event_mapping()["properties"]), leaves(quarantine_mapping()["properties"])
    return (
        View(prefix, f"{prefix}-*", "KeneyApp logs", of_events),
        View(quarantine_prefix, f"{quarantine_prefix}-*", "KeneyApp quarantine", of_quarantine),
    )


# --- Searches ------------------------------------------------------------------------------------


def one_request(view: View) -> Object:
    """Entries with a correlation id, in order of time; the user fills in the id."""
    definition = Definition(
        "by-correlation-id",
        "KeneyApp: one request by its correlation id",
        f"{view.field('correlation_id')}: *",
        'Replace the * in the query with the id: correlation_id: "…"',
    )
    request = ("method", "path", "status_code", "duration_ms")
    columns = ("correlation_id", "event", "level", "service.name", *request, "message", "error_type", "error_message")
    return search(view, definition, columns, "asc")


def failed_logins(view: View) -> Object:
    """Entries of failed logins."""
    definition = Definition(
        "failed-logins",
        "KeneyApp: failed logins",
        failed_login_query(view),
        "Entries, not attempts: one may be logged twice. failed_login_attempts_total counts attempts.",
    )
    request = ("method", "path", "status_code")
    return search(
        view, definition, ("client_ip", "user_id", "event", *request, "service.name", "correlation_id", "message")
    )


def errors(view: View) -> Object:
    """Errors, and exceptions of any level."""
    level, kind, trace = view.fields("level", "error_type", "exception")
    query = f"{level}: {one_of(LEVELS[LEVELS.index('error') :])} or {kind}: * or {trace}: *"
    columns = ("level", "service.name", "error_type", "error_message", "exception", "path", "correlation_id", "message")
    return search(view, Definition("errors", "KeneyApp: errors and stack traces", query), columns)


def quarantine_by_reason(view: View) -> Object:
    """Quarantined entries that are not released."""
    query = f"{view.field('reasons.kind')}: * and not {view.field('released')}: *"
    definition = Definition("by-reason", "KeneyApp: quarantine by reason", query, "Released entries are excluded.")
    reason = ("reasons.kind", "reasons.field", "reasons.detail")
    return search(view, definition, (*reason, "service.name", "container.name", "index", "raw"))


def failed_login_query(view: View) -> str:
    """KQL for failed logins: by an event of the built-in rules, or by the request."""
    event, method, path, status = view.fields("event", "method", "path", "status_code")
    request = f'{method}: "POST" and {path}: {one_of((LOGIN, f"{LOGIN}/"))} and {status}: 401'
    return f"{event}: {one_of(FAILED_LOGINS)} or ({request})"


def one_of(values: Iterable[str]) -> str:
    """KQL for any of these values."""
    quoted = " or ".join(f'"{value}"' for value in values)
    return f"({quoted})"


# --- Charts --------------------------------------------------------------------------------------


def charts_of_events(view: View) -> list[Object]:
    """The charts of events, in the order of the dashboard."""
    status, kind = view.fields("status_code", "error_type")
    classes = {f"{digit}xx": f"{status} >= {digit}00 and {status} < {digit + 1}00" for digit in range(1, 6)}
    logins = Definition("failed-logins-over-time", "Failed logins over time", failed_login_query(view))
    return [
        over_time(view, Definition("levels", "Events over time by level"), top(view, "level", MOST)),
        ranking(view, Definition("services", "Events by service"), top(view, "service.name", MOST)),
        over_time(view, Definition("status", "HTTP status over time", f"{status}: *"), by_query("class", classes)),
        slowest_paths(view),
        bars(view, logins, "bar_stacked", {"time": by_time(view)}, xAccessor="time"),
        ranking(view, Definition("error-types", "Top error types", f"{kind}: *"), top(view, "error_type", MOST)),
    ]


def quarantine_over_time(view: View) -> Object:
    """Quarantined entries over time, by reason."""
    return over_time(view, Definition("reasons", "Quarantine by reason over time"), top(view, "reasons.kind", MOST))


def over_time(view: View, definition: Definition, split: Column) -> Object:
    """Stacked bars over time."""
    columns = {"split": split, "time": by_time(view)}
    return bars(view, definition, "bar_stacked", columns, xAccessor="time", splitAccessor="split")


def ranking(view: View, definition: Definition, by: Column) -> Object:
    """Horizontal bars, the longest on top."""
    return bars(view, definition, "bar_horizontal", {"by": by}, xAccessor="by")


def slowest_paths(view: View) -> Object:
    """The paths with the highest 95th percentile, with their number of requests."""
    duration, path = view.fields("duration_ms", "path")
    columns = {
        "path": top(view, path, 20, by="p95", others=False),
        "p95": metric("p95", "percentile", duration, {"percentile": 95}),
        "longest": metric("longest", "max", duration, {"emptyAsNull": True}),
        "count": COUNT,
    }
    return table(view, Definition("slowest-paths", "Slowest paths", f"{duration}: * and {path}: *"), columns, "p95")


def overview(id_: str, charts: list[Object], request: Object) -> Object:
    """A dashboard of all charts, with the entries below them."""
    third = WIDTH // 3
    places = [
        Place(0, 0, 2 * third, 12),
        Place(2 * third, 0, third, 12),
        Place(0, 12, WIDTH // 2, 12),
        Place(WIDTH // 2, 12, WIDTH // 2, 12),
        *(Place(number * third, 24, third, 12) for number in range(3)),
        Place(0, 36, WIDTH, 18),
    ]
    panels = list(zip([*charts, request], places, strict=True))
    return dashboard(id_, "KeneyApp logs", 'For one request, enter correlation_id: "…" as the query.', panels)
