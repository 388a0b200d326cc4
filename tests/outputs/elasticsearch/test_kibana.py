"""Kibana's objects name only what the mapping has, and lead nowhere but into the same file.

Read from the written file, as Kibana would read it, and not with the code that made it.
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
"""Bookmarks and other dashboards hang on these."""

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
    "asked": SEARCHABLE,
    "compared": NUMBERS | {"date"},
}
"""What a field's type has to be for each use; a text or the root of a flattened field groups and sorts nothing."""

Object = dict[str, Any]


class Use(NamedTuple):
    """A field that an object names, and what for."""

    field: str
    use: str


def uses(found: Object) -> Iterator[Use]:
    """Every field that an object names, also inside the JSON that it holds as text."""
    attributes = found["attributes"]
    yield from OF_TYPE[found["type"]](attributes)
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
    """Fields of a dashboard: its panels hold none of their own."""
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
        yield Use(term.field, "compared" if term.sign in RANGES else "asked")


OF_TYPE: dict[str, Callable[[Object], Iterator[Use]]] = {
    "index-pattern": of_view, "search": of_search, "lens": of_lens, "dashboard": of_dashboard,
}  # fmt: skip


def definition(mapping: dict[str, Any], field: str) -> dict[str, Any]:
    """What a mapping says of a field, through its alias; raises KeyError where it has none."""
    found = mapping
    for name in field.split("."):
        found = found["properties"][name]
    return definition(mapping, found["path"]) if found.get("type") == "alias" else found


def problems(objects: list[Object]) -> list[str]:
    """What is wrong with the fields and references of a file."""
    by_id = {(found["type"], found["id"]): found for found in objects}
    told = []
    for found in objects:
        name = f"{found['type']} {found['id']}"
        led = [(reference["type"], reference["id"]) for reference in found["references"]]
        told += (f"{name} refers to {id_}" for kind, id_ in led if (kind, id_) not in by_id)
        mapping = mapping_of(found, by_id)
        for use in uses(found):
            told += (f"{name}: {use.field} {why}" for why in misfit(mapping, use))
    return told


def mapping_of(found: Object, by_id: dict[tuple[str, str], Object]) -> dict[str, Any]:
    """The mapping of the data view that an object is over; of nothing where it is over none."""
    ids = [reference["id"] for reference in found["references"] if reference["type"] == "index-pattern"]
    view = found if found["type"] == "index-pattern" else by_id.get(("index-pattern", ids[0])) if ids else None
    return {"properties": {}} if view is None else MAPPINGS[view["attributes"]["title"]]()


def misfit(mapping: dict[str, Any], use: Use) -> Iterator[str]:
    """Why a field cannot be used so."""
    try:
        found = definition(mapping, use.field)
    except KeyError:
        yield "is in no mapping"
        return
    if found.get("type") not in FIT[use.use]:
        yield f"is {found.get('type')}, and is {use.use}"
    if use.use != "shown" and found.get("index") is False:
        yield "is not searched"


@pytest.fixture
def objects() -> list[Object]:
    """The objects of the file, read afresh."""
    return [json.loads(line) for line in FILE.read_bytes().splitlines()]


def test_the_file_is_what_the_code_makes() -> None:
    """`make docs` was run after the last change, with the prefixes that are the default; the same bytes each time."""
    index = Settings().index
    assert (index.prefix, index.quarantine_prefix) == PREFIXES
    assert FILE.read_bytes() == ndjson(*PREFIXES) == ndjson(*PREFIXES)


def test_every_field_is_in_the_mapping_with_a_fit_type(objects: list[Object]) -> None:
    """No panel is empty for a misspelt name, none fails for a type that cannot do what is asked of it."""
    assert problems(objects) == []
    named = {use.field for found in objects for use in uses(found)}
    assert named >= {"correlation_id", "reasons.kind", "duration_ms", "service.name", "released", "log.offset"}


def test_ids_stay_as_they_are(objects: list[Object]) -> None:
    """An import replaces what an earlier one made; other prefixes stand beside it."""
    found = {kind: {one["id"] for one in objects if one["type"] == kind} for kind in IDS}
    assert found == IDS
    assert len(objects) == sum(len(ids) for ids in IDS.values())
    others = {(one["type"], one["id"]) for one in saved_objects("other-logs", "other-quarantine")}
    assert not others & {(one["type"], one["id"]) for one in objects}


def test_references_are_those_that_kibana_looks_up(objects: list[Object]) -> None:
    """Each object is found by the name under which Kibana asks for it, and comes after what it refers to."""
    earlier: set[tuple[str, str]] = set()
    for found in objects:
        references = {reference["name"]: (reference["type"], reference["id"]) for reference in found["references"]}
        assert len(references) == len(found["references"])
        assert set(references.values()) <= earlier
        assert set(references) == set(asked_names(found))
        earlier.add((found["type"], found["id"]))


def asked_names(found: Object) -> Iterator[str]:
    """The names under which Kibana looks references up."""
    attributes = found["attributes"]
    if found["type"] == "search":
        yield json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])["indexRefName"]
    elif found["type"] == "lens":
        for layer in attributes["state"]["datasourceStates"]["formBased"]["layers"]:
            yield f"indexpattern-datasource-layer-{layer}"
    elif found["type"] == "dashboard":
        for panel in json.loads(attributes["panelsJSON"]):
            yield f"{panel['panelIndex']}:{panel['panelRefName']}"


def test_charts_are_whole(objects: list[Object]) -> None:
    """What a chart draws are columns that it has, and its orders name columns too."""
    for found in (one for one in objects if one["type"] == "lens"):
        state = found["attributes"]["state"]
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
    """By time and then by the place in the log, ascending; the newest first elsewhere."""
    searches = {one["id"]: one["attributes"]["sort"] for one in objects if one["type"] == "search"}
    assert searches.pop("keneyapp-logs-by-correlation-id") == [["@timestamp", "asc"], ["log.offset", "asc"]]
    assert {order for sort in searches.values() for _field, order in sort} == {"desc"}


def test_failed_logins_are_those_of_the_counter(objects: list[Object]) -> None:
    """The same events, or the login request that was refused."""
    (found,) = (one for one in objects if one["id"] == "keneyapp-logs-failed-logins")
    asked = terms(json.loads(found["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"])
    assert {term.value for term in asked if term.field == "event"} == set(FAILED_LOGINS)
    assert Term("status_code", ":", "401") in asked
    assert {term.value for term in asked if term.field == "path"} == {"/api/v1/auth/login", "/api/v1/auth/login/"}


def test_a_misspelt_name_is_refused_when_objects_are_made() -> None:
    """The one place through which names come does not let an unknown one pass."""
    events, quarantine = views(*PREFIXES)
    assert events.field("correlation_id") == "correlation_id"
    for view, name in ((events, "corelation_id"), (events, "reasons.kind"), (quarantine, "level"), (events, "service")):
        with pytest.raises(KeyError):
            view.field(name)


def rewritten(found: Object, old: str, new: str) -> Object:
    """The object with a word replaced wherever it stands, also inside the JSON held as text."""
    replaced: Object = json.loads(json.dumps(found).replace(old, new))
    assert replaced != found
    return replaced


@pytest.mark.parametrize(
    ("id_", "old", "new", "told"),
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
        ("keneyapp-quarantine-reasons", "reasons.kind", "level", "level is in no mapping"),
        ("keneyapp-quarantine-by-reason", "released: *", "time: *", "time is not searched"),
        ("keneyapp-logs", "duration_ms", "duration", "duration is in no mapping"),
        ("keneyapp-logs", '"timeFieldName": "@timestamp"', '"timeFieldName": "time"', "time is in no mapping"),
        ("keneyapp-logs-dashboard", "keneyapp-logs-levels", "keneyapp-logs-level", "refers to keneyapp-logs-level"),
    ],
)
def test_a_mistake_is_found(objects: list[Object], id_: str, old: str, new: str, told: str) -> None:
    """The checks above fail on an object with a wrong name, type or reference, wherever in it that stands."""
    changed = [rewritten(found, old, new) if found["id"] == id_ else deepcopy(found) for found in objects]
    assert any(told in problem for problem in problems(changed))


@pytest.mark.parametrize(
    "query", ["level: error or", "level: (error", "not", "error", "level error", "a: b c: d", "level:: x", 'level: "x']
)
def test_what_is_no_kql_is_refused(query: str) -> None:
    """A query that Kibana would not understand does not pass for one without fields."""
    with pytest.raises(ValueError, match=r"KQL|expected|left over|is no"):
        terms(query)
