"""Checks before a write: the server's version, its templates, which template a new index gets, an index's mapping.

An index created without its template gets a mapping guessed from the first documents, and rejects later ones. So does
one that another template of higher priority creates. Documents wait until that is corrected; none of them is at fault.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from shipper.outputs.elasticsearch.answers import Answer, first_few, unavailable, unexpected_response
from shipper.outputs.elasticsearch.connection import Connection
from shipper.outputs.elasticsearch.mapping_faults import OWNER, Winner, faults, is_managed, winner
from shipper.outputs.elasticsearch.templates import VERSION
from shipper.system.errors import OutputUnavailable
from shipper.system.own_log import own_log

NOT_FOUND = 404
NOT_OFFERED = (400, 403, 404, 405)
"""Answers of servers that do not simulate templates, or not for this user; then their lists decide."""
OLDEST, NEWEST = 8, 9
SETUP = "run `shipper setup` with this configuration"
UNCHECKED = "or set elasticsearch.require_template: false"


class TemplateCheck:
    """Checks once after each connection, and once for each new index; safe for several threads."""

    def __init__(
        self, url: str, connection: Connection, templates: Mapping[str, Mapping[str, Any]], *, required: bool
    ) -> None:
        """`templates` are the mappings of indices by the name of their template, which is installed if `required`."""
        self._url, self._connection = url, connection
        self._templates, self._required = templates, required
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
            for index in sorted({*indices} - self._known):
                if not self._required or self._created_from_template(index):
                    self._known.add(index)

    def check_again(self, indices: Iterable[str]) -> None:
        """Check `indices` that rejected documents, known or not: the fault may be that of a new mapping."""
        with self._lock:
            self._known.difference_update(indices)
        self.check(indices)

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

        Raises OutputUnavailable if another template would create it, or if its mapping rejects good documents.
        """
        response = self._get(f"/{quote(index, safe='')}/_mapping")
        if response.status == NOT_FOUND:
            self._check_templates()
            self._check_winner(index)
            return False
        answer = response.body()
        newest = answer[max(answer)] if isinstance(answer, Mapping) and answer else None
        mapping = newest.get("mappings") if isinstance(newest, Mapping) else None  # a data stream writes to its last
        if not isinstance(mapping, Mapping):
            raise unexpected_response(self._url, str(answer))
        if not is_managed(mapping):
            what = f"index {index} on {self._url} was created without the template, so its mapping was guessed"
            raise OutputUnavailable(what, f"reindex or delete it, {UNCHECKED}")
        if wrong := first_few([*faults(self._mapping_of(index), mapping)], "; "):
            what = f"the mapping of index {index} on {self._url} rejects good events: {wrong}"
            raise OutputUnavailable(what, f"reindex or delete it, {UNCHECKED}")
        return True

    def _check_winner(self, index: str) -> None:
        """Raise OutputUnavailable if the server would create `index` with the mapping of another template."""
        target = quote(index, safe="")
        answer = self._connection.post(f"/_index_template/_simulate_index/{target}?filter_path=template.mappings")
        if not answer.succeeded and answer.status not in NOT_OFFERED:
            raise unavailable(self._url, answer.status, answer.headers, answer.body())
        if not answer.succeeded:
            self._check_listed_winner(index)
            return
        body = answer.body()
        template = body.get("template") if isinstance(body, Mapping) else None
        mapping = template.get("mappings") if isinstance(template, Mapping) else None
        if not isinstance(mapping, Mapping) or not is_managed(mapping):
            raise self._overruled(index, self._winner(index))
        if wrong := first_few([*faults(self._mapping_of(index), mapping)], "; "):
            what = f"{self._url} would create index {index} with a mapping that rejects good events: {wrong}"
            raise OutputUnavailable(what, f"{SETUP}, and remove what overrides its templates, {UNCHECKED}")

    def _check_listed_winner(self, index: str) -> None:
        """Do the same by the server's lists of templates."""
        if (wins := self._winner(index)) is not None and wins.name not in self._templates:
            raise self._overruled(index, wins)

    def _winner(self, index: str) -> Winner | None:
        try:
            return winner(index, self._get("/_index_template").body(), self._get("/_template").body())
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise unexpected_response(self._url, str(error)) from error

    def _overruled(self, index: str, wins: Winner | None) -> OutputUnavailable:
        which = f"the index template {wins}" if wins is not None and not wins.legacy else str(wins or "no template")
        own = next(iter(self._matching(index)), "")
        what = f"{self._url} would create index {index} from {which}, not from {own!r}, so its mapping would be guessed"
        hint = "delete that template, give it a lower priority or narrower index_patterns"
        return OutputUnavailable(what, f"{hint}, {UNCHECKED}")

    def _matching(self, index: str) -> Sequence[str]:
        """Return the names of our templates for `index`, the best one first."""
        return sorted((name for name in self._templates if index.startswith(name)), key=len, reverse=True)

    def _mapping_of(self, index: str) -> Mapping[str, Any]:
        """Return the mapping that `index` should have; no field is expected of one that no template of ours matches."""
        return next((self._templates[name] for name in self._matching(index)), {"properties": {}})


def first_template(answer: Any) -> dict[str, Any] | None:  # noqa: ANN401 -- any JSON
    """Return the template in a response of the server. Raises AttributeError or LookupError for another body."""
    templates = answer.get("index_templates")
    template: dict[str, Any] | None = templates[0]["index_template"] if templates else None
    return template
