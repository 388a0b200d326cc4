"""Install templates and lifecycle policy, with the outcome of each; a second run changes nothing."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from shipper.config.output_settings import ElasticsearchSettings, IndexSettings
from shipper.outputs.base import Step
from shipper.outputs.elasticsearch.answers import reason_in
from shipper.outputs.elasticsearch.client import translated
from shipper.outputs.elasticsearch.mapping_faults import OWNER
from shipper.outputs.elasticsearch.template_check import first_template
from shipper.outputs.elasticsearch.templates import VERSION, Resource, resources
from shipper.system.errors import ShipperError

AGE = re.compile(r"(\d+)(d|h|m|s|ms|micros|nanos)")
UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "micros": 1e-6, "nanos": 1e-9}
NO_LIFECYCLE = (
    "this server has no index lifecycle management, so it never deletes old indices:"
    " schedule a job that deletes them by the day in their names"
)


def has_lifecycle(client: Elasticsearch, url: str) -> bool:
    """Return True if the server has index lifecycle management; reduced builds and serverless ones have none."""
    with translated(url):
        try:
            client.perform_request("GET", "/_ilm/status", headers={"accept": "application/json"})
        except ApiError as error:
            if error.meta.status in (400, 404, 405, 410):
                return False
            raise
    return True


def install(
    client: Elasticsearch, url: str, index: IndexSettings, elasticsearch: ElasticsearchSettings
) -> Iterator[Step]:
    """Install what differs. Raises ShipperError if the server rejects it, or has a newer or a foreign version."""
    lifecycle = has_lifecycle(client, url)
    if not lifecycle and (elasticsearch.retention is not None or elasticsearch.data_stream):
        yield Step("skipped", "lifecycle policy", index.prefix, NO_LIFECYCLE)
    for resource in resources(index, elasticsearch, lifecycle=lifecycle):
        with translated(url):
            present = _meta(client, resource)
            outcome = _outcome(resource, present, url)
            if outcome != "unchanged":
                _put(client, url, resource)
        yield Step(outcome, resource.kind, resource.name)


def _outcome(
    resource: Resource, present: dict[str, Any] | None, url: str
) -> Literal["created", "updated", "unchanged"]:
    if present is None:
        return "created"
    if present.get("managed_by") != OWNER:
        raise ShipperError(
            f"the {resource.kind} {resource.name!r} on {url} is not managed by shipper",
            "rename or remove it, or choose another index.prefix",
        )
    if int(present.get("version", 0)) > VERSION:
        raise ShipperError(
            f"the {resource.kind} {resource.name!r} on {url} has version {present['version']}, newer than {VERSION}",
            "run `shipper setup` with the newest shipper that writes there",
        )
    mine = (resource.body.get("_meta") or resource.body["policy"]["_meta"])["digest"]
    return "unchanged" if present.get("digest") == mine else "updated"


def _meta(client: Elasticsearch, resource: Resource) -> dict[str, Any] | None:
    """The `_meta` of the installed resource; None if there is none."""
    try:
        answer: Any = client.perform_request("GET", resource.path, headers={"accept": "application/json"}).body
    except NotFoundError:
        return None
    installed = (
        answer[resource.name]["policy"] if "policy" in resource.body else answer["index_templates"][0]["index_template"]
    )
    return dict(installed.get("_meta") or {})


def _put(client: Elasticsearch, url: str, resource: Resource) -> None:
    headers = {"accept": "application/json", "content-type": "application/json"}
    try:
        client.perform_request("PUT", resource.path, headers=headers, body=resource.body)
    except ApiError as error:
        if error.meta.status in (401, 403):
            raise
        raise ShipperError(
            f"{url} rejects the {resource.kind} {resource.name!r}: {reason_in(error.body)}",
            "compare the output of `shipper setup --print`",
        ) from error


def deleted_after(client: Elasticsearch, url: str, prefix: str) -> float | None:
    """Age in seconds at which the lifecycle policy of `prefix` deletes an index; None if it never does."""
    with translated(url):
        if not has_lifecycle(client, url):
            return None
        try:
            template = first_template(client.indices.get_index_template(name=prefix).body) or {}
        except NotFoundError:
            template = {}
        settings = template.get("template", {}).get("settings", {}).get("index", {})
        name = settings.get("lifecycle", {}).get("name")
        if name is None:
            return None
        answer: Any = client.ilm.get_lifecycle(name=name).body
    age = answer[name]["policy"].get("phases", {}).get("delete", {}).get("min_age")
    return None if age is None else in_seconds(age)


def in_seconds(age: str) -> float | None:
    """Parse a time value of the server into seconds (Elasticsearch reference, "Time units"); None if invalid."""
    match = AGE.fullmatch(age)
    return None if match is None else float(match[1]) * UNITS[match[2]]
