"""Kibana's objects use only fields of the mapping, and refer only to objects in the same file.

They are read from the generated file, as Kibana would, not with the code that generates it.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shipper.config.settings import Settings
from shipper.outputs.elasticsearch.kibana import ndjson, saved_objects, views
from shipper_schemas.builtin_rules import FAILED_LOGINS
from shipper_schemas.mapping import event_mapping, quarantine_mapping
from tests.outputs.kql import RANGES, Term, terms

PREFIXES = ("keneyapp-logs", "keneyapp-quarantine")
FILE = Path(__file__).parents[3] / "deploy" / "kibana" / "keneyapp.ndjson"
MAPPINGS = {"keneyapp-logs-*": event_mapping, "keneyapp-quarantine-*": quarantine_mapping}
IDS = {
    "index-pattern": {"keneyapp-logs", "keneyapp-quarantine"},
    "search": {
        "keneyapp-logs-by-correlation-id", "keneyapp-logs-failed-logins", "keneyapp-logs-errors",
        "keneyapp-quarantine-by-reason",
    },
    "lens": {
        "keneyapp-logs-levels", "keneyapp-logs-services", "keneyapp-logs-status", "keneyapp-logs-slowest-paths",
        "keneyapp-logs-failed-logins-over-time", "keneyapp-logs-error-types", "keneyapp-quarantine-reasons",
    },
    "dashboard": {"keneyapp-logs-dashboard"},
}  # fmt: skip
"""Bookmarks and other dashboards depend on these ids."""

NUMBERS = {"long", "double"}
SORTABLE = NUMBERS | {"keyword", "date", "ip"}
SEARCHABLE = SORTABLE | {"text"}
FIT = {
    "shown": SEARCHABLE | {"flattened"},
    "sorted": SORTABLE,
    "date_histogram": {"date"},
    "terms": {"keyword", "ip"},
    "percentile": NUMBERS,
    "max": NUMBERS,
    "searched": SEARCHABLE,
    "compared": NUMBERS | {"date"},
}
"""Field types that allow each use; a text or the root of a flattened field can be neither grouped nor sorted by."""

Object = dict[str, Any]


class Use(NamedTuple):
    """A field that an object uses, and its use."""

    field: str
    use: str


def uses(saved_object: Object) -> Iterator[Use]:
    """Yield every field that an object uses, also inside JSON strings."""
    attributes = saved_object["attributes"]
    yield from OF_TYPE[saved_object["type"]](attributes)
    source = json.loads(attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON", "{}"))
    assert source.get("filter", []) == []
    yield from of_query(source.get("query"))


def of_view(attributes: Object) -> Iterator[Use]:
    """Fields of a data view."""
    yield Use(attributes["timeFieldName"], "date_histogram")
    for name in ("fieldAttrs", "fieldFormatMap", "runtimeFieldMap"):
        for field in json.loads(attributes[name]):
            yield Use(field, "shown")
    assert json.loads(attributes["fields"]) == json.loads(attributes["sourceFilters"]) == []


def of_search(attributes: Object) -> Iterator[Use]:
    """Fields of a search."""
    yield from (Use(field, "shown") for field in attributes["columns"])
    yield from (Use(field, "sorted") for field, _order in attributes["sort"])


def of_lens(attributes: Object) -> Iterator[Use]:
    """Fields of a chart."""
    state = attributes["state"]
    assert state["filters"] == []
    yield from of_query(state["query"])
    for layer in state["datasourceStates"]["formBased"]["layers"].values():
        for column in layer["columns"].values():
            yield from of_query(column.get("filter"))
            for bucket in column.get("params", {}).get("filters", ()):
                yield from of_query(bucket["input"])
            if column.get("sourceField", "___records___") != "___records___":
                yield Use(column["sourceField"], column["operationType"])


def of_dashboard(attributes: Object) -> Iterator[Use]:
    """Fields of a dashboard: its panels have none of their own."""
    for panel in json.loads(attributes["panelsJSON"]):
        assert set(panel["embeddableConfig"]) == {"enhancements"}
        assert panel["panelRefName"]
    yield from ()


def of_query(query: dict[str, str] | None) -> Iterator[Use]:
    """Fields of a query in KQL."""
    if query is None:
        return
    assert query["language"] == "kuery"
    for term in terms(query["query"]):
        yield Use(term.field, "compared" if term.sign in RANGES else "searched")


OF_TYPE: dict[str, Callable[[Object], Iterator[Use]]] = {
    "index-pattern": of_view, "search": of_search, "lens": of_lens, "dashboard": of_dashboard,
}  # fmt: skip


def definition(mapping: dict[str, Any], field: str) -> dict[str, Any]:
    """The definition of a field in a mapping, through its alias; raises KeyError if it has none."""
    node = mapping
    for name in field.split("."):
        node = node["properties"][name]
    return definition(mapping, node["path"]) if node.get("type") == "alias" else node


def problems(objects: list[Object]) -> list[str]:
    """Problems with the fields and references of a file."""
    by_id = {(saved_object["type"], saved_object["id"]): saved_object for saved_object in objects}
    messages = []
    for saved_object in objects:
        name = f"{saved_object['type']} {saved_object['id']}"
        led = [(reference["type"], reference["id"]) for reference in saved_object["references"]]
        messages += (f"{name} refers to {id_}" for kind, id_ in led if (kind, id_) not in by_id)
        mapping = mapping_of(saved_object, by_id)
        for use in uses(saved_object):
            messages += (f"{name}: {use.field} {why}" for why in misfit(mapping, use))
    return messages


def mapping_of(saved_object: Object, by_id: dict[tuple[str, str], Object]) -> dict[str, Any]:
    """The mapping of an object's data view; an empty one if it has none."""
    ids = [reference["id"] for reference in saved_object["references"] if reference["type"] == "index-pattern"]
    view = (
        saved_object
        if saved_object["type"] == "index-pattern"
        else by_id.get(("index-pattern", ids[0]))
        if ids
        else None
    )
    return {"properties": {}} if view is None else MAPPINGS[view["attributes"]["title"]]()


def misfit(mapping: dict[str, Any], use: Use) -> Iterator[str]:
    """Yield the reasons that a field cannot be used so."""
    try:
        declared = definition(mapping, use.field)
    except KeyError:
        yield "is in no mapping"
        return
    if declared.get("type") not in FIT[use.use]:
        yield f"is {declared.get('type')}, and is {use.use}"
    if use.use != "shown" and declared.get("index") is False:
        yield "is not searched"


@pytest.fixture
def objects() -> list[Object]:
    """The objects of the file."""
    return [json.loads(line) for line in FILE.read_bytes().splitlines()]


def test_the_file_is_up_to_date() -> None:
    """`make docs` was run after the last change, with the default prefixes; the output is deterministic."""
    index = Settings().index
    assert (index.prefix, index.quarantine_prefix) == PREFIXES
    assert FILE.read_bytes() == ndjson(*PREFIXES) == ndjson(*PREFIXES)


def test_every_field_is_in_the_mapping_with_a_fit_type(objects: list[Object]) -> None:
    """No panel is empty because of a misspelt name, and none fails because of the field's type."""
    assert problems(objects) == []
    named = {use.field for saved_object in objects for use in uses(saved_object)}
    assert named >= {"correlation_id", "reasons.kind", "duration_ms", "service.name", "released", "log.offset"}


def test_ids_stay_as_they_are(objects: list[Object]) -> None:
    """An import replaces the objects of an earlier one; those of other prefixes stay."""
    ids_by_type = {kind: {one["id"] for one in objects if one["type"] == kind} for kind in IDS}
    assert ids_by_type == IDS
    assert len(objects) == sum(len(ids) for ids in IDS.values())
    others = {(one["type"], one["id"]) for one in saved_objects("other-logs", "other-quarantine")}
    assert not others & {(one["type"], one["id"]) for one in objects}


def test_references_are_those_that_kibana_looks_up(objects: list[Object]) -> None:
    """References have the names that Kibana looks up, and come after the objects they refer to."""
    earlier: set[tuple[str, str]] = set()
    for saved_object in objects:
        references = {
            reference["name"]: (reference["type"], reference["id"]) for reference in saved_object["references"]
        }
        assert len(references) == len(saved_object["references"])
        assert set(references.values()) <= earlier
        assert set(references) == set(reference_names(saved_object))
        earlier.add((saved_object["type"], saved_object["id"]))


def reference_names(saved_object: Object) -> Iterator[str]:
    """The names under which Kibana looks references up."""
    attributes = saved_object["attributes"]
    if saved_object["type"] == "search":
        yield json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])["indexRefName"]
    elif saved_object["type"] == "lens":
        for layer in attributes["state"]["datasourceStates"]["formBased"]["layers"]:
            yield f"indexpattern-datasource-layer-{layer}"
    elif saved_object["type"] == "dashboard":
        for panel in json.loads(attributes["panelsJSON"]):
            yield f"{panel['panelIndex']}:{panel['panelRefName']}"


def test_charts_draw_their_columns(objects: list[Object]) -> None:
    """A chart draws and sorts by columns that it has."""
    for chart in (one for one in objects if one["type"] == "lens"):
        state = chart["attributes"]["state"]
        ((layer_id, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
        assert set(layer["columnOrder"]) == set(layer["columns"])
        buckets = [layer["columns"][name]["isBucketed"] for name in layer["columnOrder"]]
        assert buckets == sorted(buckets, reverse=True)
        for column in layer["columns"].values():
            order = column.get("params", {}).get("orderBy", {"columnId": layer["columnOrder"][0]})
            assert order["columnId"] in layer["columns"]
        assert drawn(state["visualization"], layer_id) == set(layer["columns"])


def drawn(shape: dict[str, Any], layer_id: str) -> set[str]:
    """The columns that a visualization draws."""
    if "columns" in shape:
        assert (shape["layerId"], shape["layerType"]) == (layer_id, "data")
        return {column["columnId"] for column in shape["columns"]}
    (layer,) = shape["layers"]
    assert (layer["layerId"], layer["layerType"]) == (layer_id, "data")
    return {*layer["accessors"], *(layer[axis] for axis in ("xAccessor", "splitAccessor") if axis in layer)}


def test_the_dashboard_shows_every_chart_and_the_request_without_overlap(objects: list[Object]) -> None:
    """Panels fill the grid's width, and none covers another."""
    board = objects[-1]
    shown = {(reference["type"], reference["id"]) for reference in board["references"]}
    assert shown == {*(("lens", id_) for id_ in IDS["lens"]), ("search", "keneyapp-logs-by-correlation-id")}
    cells = [
        (x, y)
        for panel in json.loads(board["attributes"]["panelsJSON"])
        for grid in [panel["gridData"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _y in cells} == set(range(48))


def test_one_request_is_read_from_its_beginning(objects: list[Object]) -> None:
    """By time and then by offset in the log, ascending; other searches show the newest first."""
    searches = {one["id"]: one["attributes"]["sort"] for one in objects if one["type"] == "search"}
    assert searches.pop("keneyapp-logs-by-correlation-id") == [["@timestamp", "asc"], ["log.offset", "asc"]]
    assert {order for sort in searches.values() for _field, order in sort} == {"desc"}


def test_failed_logins_are_those_of_the_counter(objects: list[Object]) -> None:
    """The same events, or the failed login request."""
    (search,) = (one for one in objects if one["id"] == "keneyapp-logs-failed-logins")
    query_terms = terms(json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"])
    assert {term.value for term in query_terms if term.field == "event"} == set(FAILED_LOGINS)
    assert Term("status_code", ":", "401") in query_terms
    assert {term.value for term in query_terms if term.field == "path"} == {"/api/v1/auth/login", "/api/v1/auth/login/"}


def test_a_misspelt_field_name_is_an_error() -> None:
    """An unknown field name raises KeyError."""
    events, quarantine = views(*PREFIXES)
    assert events.field("correlation_id") == "correlation_id"
    for view, name in ((events, "corelation_id"), (events, "reasons.kind"), (quarantine, "path"), (events, "service")):
        with pytest.raises(KeyError):
            view.field(name)


def rewritten(saved_object: Object, old: str, new: str) -> Object:
    """The object with a word replaced everywhere, also inside JSON strings."""
    replaced: Object = json.loads(json.dumps(saved_object).replace(old, new))
    assert replaced != saved_object
    return replaced


@pytest.mark.parametrize(
    ("id_", "old", "new", "expected"),
    [
        ("keneyapp-logs-by-correlation-id", "correlation_id: *", "corelation_id: *", "corelation_id is in no mapping"),
        ("keneyapp-logs-by-correlation-id", '"duration_ms"', '"duration"', "duration is in no mapping"),
        ("keneyapp-logs-by-correlation-id", "log.offset", "message", "message is text, and is sorted"),
        ("keneyapp-logs-errors", "error_type: *", "errortype: *", "errortype is in no mapping"),
        ("keneyapp-logs-levels", '"sourceField": "level"', '"sourceField": "lvl"', "lvl is in no mapping"),
        ("keneyapp-logs-levels", '"sourceField": "level"', '"sourceField": "message"', "message is text, and is terms"),
        (
            "keneyapp-logs-levels",
            '"sourceField": "level"',
            '"sourceField": "extra"',
            "extra is flattened, and is terms",
        ),
        ("keneyapp-logs-status", "status_code >= 500", "level >= 500", "level is keyword, and is compared"),
        ("keneyapp-logs-slowest-paths", "duration_ms", "event", "event is keyword, and is percentile"),
        ("keneyapp-quarantine-reasons", "reasons.kind", "path", "path is in no mapping"),
        ("keneyapp-quarantine-by-reason", "released: *", "time: *", "time is not searched"),
        ("keneyapp-logs", "duration_ms", "duration", "duration is in no mapping"),
        ("keneyapp-logs", '"timeFieldName": "@timestamp"', '"timeFieldName": "time"', "time is in no mapping"),
        ("keneyapp-logs-dashboard", "keneyapp-logs-levels", "keneyapp-logs-level", "refers to keneyapp-logs-level"),
    ],
)
def test_a_mistake_is_found(objects: list[Object], id_: str, old: str, new: str, expected: str) -> None:
    """The checks above fail on an object with a wrong name, type or reference anywhere in it."""
    changed = [
        rewritten(saved_object, old, new) if saved_object["id"] == id_ else deepcopy(saved_object)
        for saved_object in objects
    ]
    assert any(expected in problem for problem in problems(changed))


@pytest.mark.parametrize(
    "query", ["level: error or", "level: (error", "not", "error", "level error", "a: b c: d", "level:: x", 'level: "x']
)
def test_invalid_kql_is_rejected(query: str) -> None:
    """A query that Kibana rejects is not treated as one without fields."""
    with pytest.raises(ValueError, match=r"KQL|expected|left over|is no"):
        terms(query)
