"""Index templates and the lifecycle policy, derived from the event schema. Pure functions, no I/O.

Sources: Elasticsearch reference, "Index templates", "Index lifecycle actions" and the setting
`index.lifecycle.parse_origination_date`, which takes an index's age from the day in its name.
"""

import hashlib
from typing import Any, NamedTuple

import orjson

from shipper.config.output_settings import ElasticsearchSettings, IndexSettings
from shipper.outputs.elasticsearch.mapping_faults import OWNER
from shipper_schemas.mapping import event_mapping, quarantine_mapping

VERSION = 1
"""Version of the mapping; incremented when a field is added or changes its type."""
PRIORITY = 200
"""Above the priority of built-in catch-all templates; a longer prefix gets a higher one."""
SEARCHED = ["message", "error_message", "exception", "correlation_id", "trace_id", "event", "path", "text", "raw"]
"""Fields that a query without a field name searches."""


class Resource(NamedTuple):
    """A resource to install with `PUT path` and `body`."""

    kind: str
    name: str
    path: str
    body: dict[str, Any]


def resources(index: IndexSettings, elasticsearch: ElasticsearchSettings, *, lifecycle: bool) -> list[Resource]:
    """All resources to install, in order; `lifecycle` is True if the server has ILM."""
    policies = []
    managed = lifecycle and (elasticsearch.retention is not None or elasticsearch.data_stream)
    if managed:
        policies.append(_policy(index.prefix, elasticsearch, rolls_over=elasticsearch.data_stream))
        if elasticsearch.data_stream and elasticsearch.retention is not None:
            policies.append(_policy(index.quarantine_prefix, elasticsearch, rolls_over=False))
    quarantine_policy = index.quarantine_prefix if elasticsearch.data_stream else index.prefix
    quarantine_managed = managed and elasticsearch.retention is not None
    return [
        *policies,
        _template(index.prefix, event_mapping(), elasticsearch, index.prefix if managed else None, stream=True),
        _template(
            index.quarantine_prefix,
            quarantine_mapping(),
            elasticsearch,
            quarantine_policy if quarantine_managed else None,
            stream=False,
        ),
    ]


def template_mappings(index: IndexSettings) -> dict[str, dict[str, Any]]:
    """The templates that must be installed before the first write, by name, with the mappings of their indices."""
    return {index.prefix: event_mapping(), index.quarantine_prefix: quarantine_mapping()}


def _policy(name: str, settings: ElasticsearchSettings, *, rolls_over: bool) -> Resource:
    phases: dict[str, Any] = {"hot": {"min_age": "0ms", "actions": {}}}
    if rolls_over:
        phases["hot"]["actions"]["rollover"] = {"max_age": "1d", "max_primary_shard_size": "50gb"}
    if settings.retention is not None:
        phases["delete"] = {"min_age": f"{int(settings.retention)}s", "actions": {"delete": {}}}
    policy = {"phases": phases}
    return Resource("lifecycle policy", name, f"/_ilm/policy/{name}", {"policy": {**policy, "_meta": _meta(policy)}})


def _template(
    prefix: str, mapping: dict[str, Any], elasticsearch: ElasticsearchSettings, policy: str | None, *, stream: bool
) -> Resource:
    is_stream = stream and elasticsearch.data_stream
    settings: dict[str, Any] = {
        "number_of_shards": elasticsearch.shards,
        "number_of_replicas": elasticsearch.replicas,
        "refresh_interval": "5s",
        "query": {"default_field": [name for name in SEARCHED if name in mapping["properties"]]},
    }
    if policy is not None:
        settings["lifecycle"] = {"name": policy} | ({} if is_stream else {"parse_origination_date": True})
    body: dict[str, Any] = {
        "index_patterns": [prefix if is_stream else f"{prefix}-*.*.*"],
        "priority": PRIORITY + len(prefix),
        "template": {"settings": settings, "mappings": {**mapping, "_meta": {"managed_by": OWNER, "version": VERSION}}},
    }
    if is_stream:
        body["data_stream"] = {}
    return Resource(
        "index template",
        prefix,
        f"/_index_template/{prefix}",
        {**body, "version": VERSION, "_meta": _meta(body)},
    )


def _meta(body: dict[str, Any]) -> dict[str, Any]:
    """Owner, version, and a digest to detect changes."""
    digest = hashlib.blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return {"managed_by": OWNER, "version": VERSION, "digest": digest}
