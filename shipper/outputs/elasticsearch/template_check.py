"""The guard: before anything is written, that the server is one we know and that its templates are in place.

An index that came to be without its template guesses its mapping from the first documents, and refuses later ones.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from elasticsearch import Elasticsearch, NotFoundError

from shipper.outputs.elasticsearch.client import no_sense, translated
from shipper.outputs.elasticsearch.templates import OWNER, VERSION
from shipper.system.errors import OutputUnavailable

OLDEST, NEWEST = 8, 9
SETUP = "run `shipper setup` with this configuration"
UNCHECKED = "or set elasticsearch.require_template: false"


class Guard:
    """Looks once after each connection, and at each index that is new; for any number of threads."""

    def __init__(self, url: str, client: Elasticsearch, templates: Iterable[str], *, required: bool) -> None:
        """`templates` must be there where `required`."""
        self._url, self._client = url, client
        self._templates, self._required = tuple(templates), required
        self._lock = threading.Lock()
        self._passed = False
        self._known: set[str] = set()
        self._log = structlog.get_logger("shipper.elasticsearch")

    def forget(self) -> None:
        """Look again before the next write."""
        with self._lock:
            self._passed = False
            self._known.clear()

    def check(self, indices: Iterable[str]) -> None:
        """Raise OutputUnavailable where the server must not be written to, or one of `indices` not yet."""
        with self._lock, translated(self._url):
            if not self._passed:
                self._check_server()
                if self._required:
                    self._check_templates()
                self._passed = True
            for index in {*indices} - self._known:
                if not self._required or self._made_from_template(index):
                    self._known.add(index)

    def _check_server(self) -> None:
        answer: object = self._client.info().body
        version = answer.get("version") if isinstance(answer, dict) else None
        if not isinstance(version, dict):
            raise no_sense(self._url, str(answer))
        number = str(version.get("number"))
        major = number.partition(".")[0]
        if not major.isdecimal() or not OLDEST <= int(major) <= NEWEST:
            what = f"{self._url} is Elasticsearch {number}; this shipper writes to {OLDEST} and {NEWEST}"
            raise OutputUnavailable(what, "upgrade the one that is older")

    def _check_templates(self) -> None:
        for name in self._templates:
            self._check_template(name)

    def _check_template(self, name: str) -> None:
        try:
            found = found_template(self._client, name)
        except (AttributeError, LookupError) as error:
            raise no_sense(self._url, str(error)) from error
        if found is None:
            raise OutputUnavailable(f"{self._url} has no index template {name!r}", f"{SETUP}, {UNCHECKED}")
        meta = found.get("_meta") or {}
        if meta.get("managed_by") != OWNER:
            what = f"the index template {name!r} on {self._url} is not the shipper's"
            raise OutputUnavailable(what, f"rename or remove it and {SETUP}, {UNCHECKED}")
        if meta.get("version") != VERSION:
            self._log.warning("template_of_another_version", name=name, found=meta.get("version"), hint=SETUP)

    def _made_from_template(self, index: str) -> bool:
        """False where `index` is not there yet: the next write makes it from the templates, and then it is looked at.

        Raises OutputUnavailable where the templates are gone, or were when it was made.
        """
        try:
            answer: object = self._client.indices.get_mapping(
                index=index, filter_path="*.mappings._meta.managed_by"
            ).body
        except NotFoundError:
            self._check_templates()
            return False
        if not isinstance(answer, Mapping):
            raise no_sense(self._url, str(answer))
        if not answer:
            what = f"index {index} on {self._url} was made without the template, so its mapping is guessed"
            raise OutputUnavailable(what, f"reindex or delete it, {UNCHECKED}")
        return True


def found_template(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    """An index template as the server has it; None where it has none of that name."""
    try:
        answer = client.indices.get_index_template(name=name)
    except NotFoundError:
        return None
    templates = answer.body.get("index_templates")
    return templates[0]["index_template"] if templates else None
