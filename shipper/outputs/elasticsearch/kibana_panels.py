"""Kibana's saved objects: data view, search, Lens chart, dashboard. Pure functions, no I/O.

Each object names its migration version: without one, Kibana treats it as very old and migrates it through every version
since 6.x. The versions here are the newest that all Kibana releases from 8.9 on know, so that newer ones migrate from
there and none rejects the object as too new.
Sources: Kibana reference, "Export saved objects API" and "Import saved objects API"; the schemas of the attributes in
Kibana's server code (`saved_objects` of the data views, saved search, Lens and dashboard plugins).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

CORE_VERSION = "8.8.0"
VERSIONS = {"index-pattern": "8.0.0", "search": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"}
RECORDS = "___records___"
"""Lens's name for the documents themselves, as the source of a count."""
LAYER = "layer"
WIDTH = 48
"""Columns of a dashboard's grid."""

Object = dict[str, Any]
Column = dict[str, Any]


class View(NamedTuple):
    """A data view, with the types of its fields."""

    id: str
    pattern: str
    name: str
    types: Mapping[str, str]

    def field(self, name: str) -> str:
        """Return `name` if the mapping has it, else raise KeyError; every field name of an object is checked here."""
        if name not in self.types:
            raise KeyError(name)
        return name

    def fields(self, *names: str) -> list[str]:
        """All of `names`."""
        return [self.field(name) for name in names]


class Definition(NamedTuple):
    """Title, KQL query and description of an object; `name` is the end of its id."""

    name: str
    title: str
    query: str = ""
    description: str = ""


class Place(NamedTuple):
    """Position and size of a panel on a dashboard, in the grid's columns and rows."""

    x: int
    y: int
    w: int
    h: int


def data_view(view: View, formats: Mapping[str, Mapping[str, Any]], meanings: Mapping[str, str]) -> Object:
    """A data view, with display formats and descriptions of fields."""
    attributes = {
        "title": view.pattern,
        "name": view.name,
        "timeFieldName": view.field("@timestamp"),
        "fields": "[]",
        "fieldAttrs": packed({view.field(name): {"customDescription": meaning} for name, meaning in meanings.items()}),
        "fieldFormatMap": packed({view.field(name): field_format for name, field_format in formats.items()}),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return saved("index-pattern", view.id, attributes, [])


def search(view: View, definition: Definition, columns: Iterable[str], order: str = "desc") -> Object:
    """A saved search, sorted by time and by offset in the log."""
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": kuery(definition.query), "filter": [], "indexRefName": reference}
    attributes = {
        "title": definition.title,
        "description": definition.description,
        "columns": view.fields(*columns),
        "sort": [[name, order] for name in view.fields("@timestamp", "log.offset")],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": packed(source)},
    }
    references = [{"type": "index-pattern", "id": view.id, "name": reference}]
    return saved("search", f"{view.id}-{definition.name}", attributes, references)


def bars(view: View, definition: Definition, kind: str, columns: dict[str, Column], **axes: str) -> Object:
    """Bars that count entries; `kind` is Lens's series type, `axes` name the columns of x axis and split."""
    visualization = {
        "legend": {"isVisible": True, "position": "right"},
        "preferredSeriesType": kind,
        "valueLabels": "hide",
        "fittingFunction": "None",
        "layers": [{"layerId": LAYER, "layerType": "data", "seriesType": kind, "accessors": ["count"], **axes}],
    }
    return _chart(view, definition, "lnsXY", {**columns, "count": COUNT}, visualization)


def table(view: View, definition: Definition, columns: dict[str, Column], sorted_by: str) -> Object:
    """A table, sorted by `sorted_by` in descending order."""
    visualization = {
        "layerId": LAYER,
        "layerType": "data",
        "columns": [{"columnId": name} for name in columns],
        "sorting": {"columnId": sorted_by, "direction": "desc"},
    }
    return _chart(view, definition, "lnsDatatable", columns, visualization)


def _chart(
    view: View, definition: Definition, kind: str, columns: dict[str, Column], visualization: dict[str, Any]
) -> Object:
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}
    attributes = {
        "title": definition.title,
        "description": definition.description,
        "visualizationType": kind,
        "state": {
            "query": kuery(definition.query),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}, "textBased": {"layers": {}}},
            "visualization": visualization,
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    references = [{"type": "index-pattern", "id": view.id, "name": f"indexpattern-datasource-layer-{LAYER}"}]
    return saved("lens", f"{view.id}-{definition.name}", attributes, references)


def metric(label: str, operation: str, field: str, params: dict[str, Any]) -> Column:
    """A number over the documents of a bucket."""
    return {
        "label": label,
        "customLabel": True,
        "dataType": "number",
        "operationType": operation,
        "isBucketed": False,
        "scale": "ratio",
        "sourceField": field,
        "params": params,
    }


COUNT = metric("entries", "count", RECORDS, {"emptyAsNull": True})


def by_time(view: View) -> Column:
    """Buckets of time, as wide as the screen allows."""
    name = view.field("@timestamp")
    return {
        "label": name,
        "dataType": "date",
        "operationType": "date_histogram",
        "isBucketed": True,
        "scale": "interval",
        "sourceField": name,
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }


def top(view: View, name: str, size: int, *, by: str = "count", others: bool = True) -> Column:
    """Buckets of the values with the highest `by`, plus one for the rest if `others`."""
    return {
        "label": name,
        "customLabel": True,
        "dataType": "string",
        "operationType": "terms",
        "isBucketed": True,
        "scale": "ordinal",
        "sourceField": view.field(name),
        "params": {
            "size": size,
            "orderBy": {"type": "column", "columnId": by},
            "orderDirection": "desc",
            "otherBucket": others,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def by_query(label: str, queries: Mapping[str, str]) -> Column:
    """One bucket for each query, named by its label."""
    filters = [{"label": name, "input": kuery(query)} for name, query in queries.items()]
    return {
        "label": label,
        "customLabel": True,
        "dataType": "string",
        "operationType": "filters",
        "isBucketed": True,
        "scale": "ordinal",
        "params": {"filters": filters},
    }


def dashboard(id_: str, title: str, description: str, panels: Sequence[tuple[Object, Place]]) -> Object:
    """A dashboard of the last day."""
    attributes = {
        "title": title,
        "description": description,
        "panelsJSON": packed([_panel(f"{number}", *panel) for number, panel in enumerate(panels, 1)]),
        "optionsJSON": packed({"useMargins": True, "syncColors": False, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "kibanaSavedObjectMeta": {"searchSourceJSON": packed({"query": kuery(""), "filter": []})},
    }
    references = [
        {"type": shown["type"], "id": shown["id"], "name": f"{number}:panel_{number}"}
        for number, (shown, _place) in enumerate(panels, 1)
    ]
    return saved("dashboard", id_, attributes, references)


def _panel(number: str, shown: Object, place: Place) -> dict[str, Any]:
    return {
        "version": VERSIONS["dashboard"],
        "type": shown["type"],
        "panelIndex": number,
        "panelRefName": f"panel_{number}",
        "gridData": {**place._asdict(), "i": number},
        "embeddableConfig": {"enhancements": {}},
    }


def saved(kind: str, id_: str, attributes: dict[str, Any], references: list[dict[str, str]]) -> Object:
    """A saved object in the form of an export."""
    return {
        "type": kind,
        "id": id_,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": VERSIONS[kind],
    }


def kuery(query: str) -> dict[str, str]:
    """A query in KQL."""
    return {"query": query, "language": "kuery"}


def packed(value: object) -> str:
    """JSON as a string within JSON, as Kibana stores it."""
    return orjson.dumps(value).decode()
