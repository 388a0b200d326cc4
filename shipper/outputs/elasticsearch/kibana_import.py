"""Import of saved objects into Kibana. Source: Kibana reference, "Import saved objects API"."""

import base64
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import urllib3

from shipper.config.output_settings import ElasticsearchSettings
from shipper.system.errors import ShipperError
from shipper.system.url_secrets import without_secrets

PATH = "/api/saved_objects/_import?overwrite=true"
TIMEOUT_S = 30.0


def import_objects(
    url: str, settings: ElasticsearchSettings, context: ssl.SSLContext | None, objects: bytes
) -> Iterator[str]:
    """Import `objects` (NDJSON), replacing those with the same ids, and yield the outcome. Raises ShipperError."""
    pool = urllib3.PoolManager(ssl_context=context, timeout=TIMEOUT_S, retries=False)
    try:
        answer = pool.request(
            "POST",
            f"{url.rstrip('/')}{PATH}",
            headers={"kbn-xsrf": "shipper", **_authorization(settings)},
            fields={"file": ("keneyapp.ndjson", objects, "application/ndjson")},
        )
    except urllib3.exceptions.HTTPError as error:
        raise ShipperError(
            without_secrets(f"Kibana at {url} cannot be reached: {error}"), "check that it is running, and its URL"
        ) from error
    finally:
        pool.clear()
    yield _outcome(without_secrets(url), answer.status, answer.data)


def _authorization(settings: ElasticsearchSettings) -> Mapping[str, str]:
    if settings.api_key is not None:
        return {"authorization": f"ApiKey {settings.api_key.get_secret_value()}"}
    if settings.username is not None and settings.password is not None:
        credentials = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        return {"authorization": f"Basic {base64.b64encode(credentials).decode()}"}
    return {}


def _outcome(url: str, status: int, data: bytes) -> str:
    if status in (401, 403):
        raise ShipperError(f"Kibana at {url} denied access ({status})", "use credentials that may manage saved objects")
    try:
        body: Any = orjson.loads(data)
    except ValueError:
        body = None
    if status != 200 or not isinstance(body, Mapping) or "successCount" not in body:  # noqa: PLR2004 -- HTTP
        raise ShipperError(
            f"Kibana at {url} answered {status}: {data[:200].decode('utf-8', 'replace')}",
            "import deploy/kibana/keneyapp.ndjson manually under Stack Management, Saved Objects",
        )
    if not body.get("success"):
        problems = "; ".join(f"{error.get('id')}: {error.get('error')}" for error in body.get("errors", ()))
        raise ShipperError(
            f"Kibana at {url} imported only {body['successCount']} objects: {problems}",
            "fix these problems and run it again",
        )
    return f"imported   {body['successCount']} Kibana objects into {url}"
