"""The shapes of Kibana's saved objects: data view, search, Lens chart, dashboard. Nothing here touches the world.

Each object says up to which migration it is current: one that says nothing is taken for one of the oldest, and is
migrated through every version since 6.x. The versions named are the last that every Kibana from 8.9 on knows, so that
newer ones migrate from there and none refuses the object as too new.
Sources: Kibana reference, "Export saved objects API" and "Import saved objects API"; the schemas of the attributes in
Kibana's server code (`saved_objects` of the data views, saved search, Lens and dashboard plugins).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

CORE_VERSION = "8.8.0"
VERSIONS = {"index-pattern": "8.0.0", "search": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"}
RECORDS = "___records___"
"""What Lens calls the documents themselves, where they are counted."""
LAYER = "layer"
WIDTH = 48
"""Columns of a dashboard's grid."""

Object = dict[str, Any]
Column = dict[str, Any]


class View(NamedTuple):
    """A data view, and the fields that its indices have."""

    id: str
    pattern: str
    name: str
    types: Mapping[str, str]

    def field(self, name: str) -> str:
        """`name`, where the mapping has it. Raises KeyError: every name that an object holds comes through here."""
        if name not in self.types:
            raise KeyError(name)
        return name

    def fields(self, *names: str) -> list[str]:
        """All of `names`."""
        return [self.field(name) for name in names]


class Asked(NamedTuple):
    """What an object is called and what it asks, in KQL; `name` is the end of its id."""

    name: str
    title: str
    query: str = ""
    description: str = ""


class Place(NamedTuple):
    """Where a panel stands on a dashboard, in the grid's columns and rows."""

    x: int
    y: int
    w: int
    h: int


def data_view(view: View, formats: Mapping[str, Mapping[str, Any]], meanings: Mapping[str, str]) -> Object:
    """A data view; how to show some fields, and what they mean."""
    attributes = {
        "title": view.pattern,
        "name": view.name,
        "timeFieldName": view.field("@timestamp"),
        "fields": "[]",
        "fieldAttrs": packed({view.field(name): {"customDescription": meaning} for name, meaning in meanings.items()}),
        "fieldFormatMap": packed({view.field(name): found for name, found in formats.items()}),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return saved("index-pattern", view.id, attributes, [])


def search(view: View, asked: Asked, columns: Iterable[str], order: str = "desc") -> Object:
    """A saved search, sorted by time and by the place in the log."""
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": kuery(asked.query), "filter": [], "indexRefName": reference}
    attributes = {
        "title": asked.title,
        "description": asked.description,
        "columns": view.fields(*columns),
        "sort": [[name, order] for name in view.fields("@timestamp", "log.offset")],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": packed(source)},
    }
    references = [{"type": "index-pattern", "id": view.id, "name": reference}]
    return saved("search", f"{view.id}-{asked.name}", attributes, references)


def bars(view: View, asked: Asked, kind: str, columns: dict[str, Column], **axes: str) -> Object:
    """Bars that count entries; `kind` is Lens's series type, `axes` name the columns of x axis and split."""
    visualization = {
        "legend": {"isVisible": True, "position": "right"},
        "preferredSeriesType": kind,
        "valueLabels": "hide",
        "fittingFunction": "None",
        "layers": [{"layerId": LAYER, "layerType": "data", "seriesType": kind, "accessors": ["count"], **axes}],
    }
    return _chart(view, asked, "lnsXY", {**columns, "count": COUNT}, visualization)


def table(view: View, asked: Asked, columns: dict[str, Column], sorted_by: str) -> Object:
    """A table, the highest `sorted_by` on top."""
    visualization = {
        "layerId": LAYER,
        "layerType": "data",
        "columns": [{"columnId": name} for name in columns],
        "sorting": {"columnId": sorted_by, "direction": "desc"},
    }
    return _chart(view, asked, "lnsDatatable", columns, visualization)


def _chart(view: View, asked: Asked, kind: str, columns: dict[str, Column], visualization: dict[str, Any]) -> Object:
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}
    attributes = {
        "title": asked.title,
        "description": asked.description,
        "visualizationType": kind,
        "state": {
            "query": kuery(asked.query),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}, "textBased": {"layers": {}}},
            "visualization": visualization,
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    references = [{"type": "index-pattern", "id": view.id, "name": f"indexpattern-datasource-layer-{LAYER}"}]
    return saved("lens", f"{view.id}-{asked.name}", attributes, references)


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
    """The values with the highest `by`, and the rest together where `others`."""
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


def among(label: str, queries: Mapping[str, str]) -> Column:
    """A bucket for each query, by its label."""
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
    """A saved object as an export holds it."""
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
    """JSON within JSON, as Kibana keeps it."""
    return orjson.dumps(value).decode()
