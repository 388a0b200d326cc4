"""Checks before a write: the server's version is supported, and its templates are installed.

An index created without its template gets a mapping guessed from the first documents, and rejects later ones.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from shipper.outputs.elasticsearch.answers import Answer, unavailable, unexpected_response
from shipper.outputs.elasticsearch.connection import Connection
from shipper.outputs.elasticsearch.templates import OWNER, VERSION
from shipper.system.errors import OutputUnavailable
from shipper.system.own_log import own_log

NOT_FOUND = 404
OLDEST, NEWEST = 8, 9
SETUP = "run `shipper setup` with this configuration"
UNCHECKED = "or set elasticsearch.require_template: false"


class TemplateCheck:
    """Checks once after each connection, and once for each new index; safe for several threads."""

    def __init__(self, url: str, connection: Connection, templates: Iterable[str], *, required: bool) -> None:
        """`templates` must be installed if `required`."""
        self._url, self._connection = url, connection
        self._templates, self._required = tuple(templates), required
        self._lock = threading.Lock()
        self._passed = False
        self._known: set[str] = set()
        self._log = own_log("shipper.elasticsearch")

    def reset(self) -> None:
        """Repeat all checks before the next write."""
        with self._lock:
            self._passed = False
            self._known.clear()

    def check(self, indices: Iterable[str]) -> None:
        """Raise OutputUnavailable if the server or one of `indices` must not be written to."""
        with self._lock:
            if not self._passed:
                self._check_server()
                if self._required:
                    self._check_templates()
                self._passed = True
            for index in {*indices} - self._known:
                if not self._required or self._created_from_template(index):
                    self._known.add(index)

    def _check_server(self) -> None:
        answer = self._get("/").body()
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict):
            raise unexpected_response(self._url, str(answer))
        number = str(version.get("number"))
        major = number.partition(".")[0]
        if not major.isdecimal() or not OLDEST <= int(major) <= NEWEST:
            what = f"{self._url} runs Elasticsearch {number}; this shipper supports {OLDEST} and {NEWEST}"
            raise OutputUnavailable(what, "upgrade the older of the two")

    def _check_templates(self) -> None:
        for name in self._templates:
            self._check_template(name)

    def _check_template(self, name: str) -> None:
        answer = self._get(f"/_index_template/{quote(name, safe='')}")
        try:
            template = None if answer.status == NOT_FOUND else first_template(answer.body())
        except (AttributeError, LookupError) as error:
            raise unexpected_response(self._url, str(error)) from error
        if template is None:
            raise OutputUnavailable(f"{self._url} has no index template {name!r}", f"{SETUP}, {UNCHECKED}")
        meta = template.get("_meta") or {}
        if meta.get("managed_by") != OWNER:
            what = f"the index template {name!r} on {self._url} is not managed by shipper"
            raise OutputUnavailable(what, f"rename or remove it and {SETUP}, {UNCHECKED}")
        if meta.get("version") != VERSION:
            self._log.warning(
                "template_version_mismatch", name=name, version=meta.get("version"), expected=VERSION, hint=SETUP
            )

    def _get(self, target: str) -> Answer:
        """Return a response of success, or one that nothing is there. Raises OutputUnavailable."""
        answer = self._connection.get(target)
        if not answer.succeeded and (answer.status != NOT_FOUND or target == "/"):
            raise unavailable(self._url, answer.status, answer.headers, answer.body())
        return answer

    def _created_from_template(self, index: str) -> bool:
        """Return False if `index` does not exist yet; the next write creates it, and then it is checked.

        Raises OutputUnavailable if the templates are missing, or were missing when it was created.
        """
        response = self._get(f"/{quote(index, safe='')}/_mapping?filter_path=*.mappings._meta.managed_by")
        if response.status == NOT_FOUND:
            self._check_templates()
            return False
        answer = response.body()
        if not isinstance(answer, Mapping):
            raise unexpected_response(self._url, str(answer))
        if not answer:
            what = f"index {index} on {self._url} was created without the template, so its mapping was guessed"
            raise OutputUnavailable(what, f"reindex or delete it, {UNCHECKED}")
        return True


def first_template(answer: Any) -> dict[str, Any] | None:  # noqa: ANN401 -- any JSON
    """Return the template in a response of the server. Raises AttributeError or LookupError for another body."""
    templates = answer.get("index_templates")
    template: dict[str, Any] | None = templates[0]["index_template"] if templates else None
    return template
