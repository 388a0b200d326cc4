"""Searching a cluster: the same questions, order and answers as the embedded store gives.

Long results are read in pages over a point in time, so that what is written meanwhile neither repeats nor hides a
document. Source: Elasticsearch reference, "Paginate search results".
"""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import orjson
from elasticsearch import ApiError, ConflictError, Elasticsearch, NotFoundError

from shipper.model.document_fields import text_of
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.model.text_search import TextQuery
from shipper.outputs.elasticsearch.bulk import Judged, Target, refusal
from shipper.outputs.elasticsearch.client import cause_of, reason_of, translated
from shipper.outputs.elasticsearch.template_check import Guard
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ReleaseRefused, StoreUnreadable, hint_for_command
from shipper_schemas.event import LEVEL_ALIASES, LEVELS

PAGE = 1000
KEEP_ALIVE = "2m"
SEARCHED = ("message", "path", "error_type", "error_message", "exception")
"""What `shipper_processors.render.searched_text` looks at."""
Body = dict[str, Any]
Clause = dict[str, Any]


class ElasticsearchReader:
    """The reading side of `http(s)://…`."""

    def __init__(  # noqa: PLR0913 -- wired in one place
        self,
        url: str,
        client: Elasticsearch,
        prefix: str = "keneyapp-logs",
        quarantine_prefix: str = "keneyapp-quarantine",
        *,
        target: Target = str,
        guard: Guard | None = None,
        clock: Clock | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Touches nothing yet. `target` names what a daily index is written to; `guard` looks before a release does.

        `pause` is called before each request of a search, and may raise to end it.
        """
        self.url, self._client, self._target, self._guard = url, client, target, guard
        some_day = f"{prefix}-2000.01.01"
        self._events = f"{prefix}-*.*.*" if target(some_day) == some_day else target(some_day)
        self._quarantine = f"{quarantine_prefix}-*.*.*"
        self._clock = clock or Clock()
        self._pause = pause

    def search(self, query: Query) -> Iterator[Body]:
        """Documents in the order of their time, or newest first; `_id` and `_index` added. Raises StoreUnreadable."""
        found = self._pages(self._events, clauses(query), [], newest_first=query.newest_first, limit=query.limit)
        accepts = _accepts(query)
        return islice((body for body in found if accepts(body)), query.limit)

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Body]:
        """Entries not yet released, by their time; `mentioning` a text in the raw line. Raises StoreUnreadable."""
        asked = [{"term": {"reasons.kind": reason}}] if reason is not None else []
        if mentioning is not None:
            asked.append({"match_phrase": {"raw": mentioning}})
        denied = [{"exists": {"field": "released"}}]
        found = self._pages(self._quarantine, asked, denied, newest_first=newest_first, limit=limit)
        return islice((body for body in found if mentioning is None or mentioning in str(body.get("raw", ""))), limit)

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document`, then mark the quarantined entry released: a crash between the two only asks for a repeat.

        Raises ReleaseRefused where the index still would not have it, OutputUnavailable, and StoreUnreadable where
        there is no such entry.
        """
        target = self._target(document.index)
        if self._guard is not None:
            self._guard.check([target])
        with translated(self.url):
            if not self._client.exists(index=index, id=document_id):
                raise StoreUnreadable(f"{self.url} holds no entry {document_id}", "see `shipper quarantine list`")
            try:
                self._client.create(index=target, id=document.id.hex(), document=orjson.loads(document.body))
            except ConflictError:
                pass  # released before, and not marked
            except ApiError as error:
                cause = cause_of(error)
                if cause is not None and refusal(error.meta.status, cause).judged is Judged.REFUSED:
                    raise ReleaseRefused(f"{target} refuses {document_id}: {reason_of(error)}") from error
                raise
            self._client.update(index=index, id=document_id, doc={"released": self._clock.wall_ms()}, refresh=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _pages(
        self,
        indices: str,
        asked: list[Clause],
        denied: list[Clause],
        *,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Body]:
        order = "desc" if newest_first else "asc"
        request: dict[str, Any] = {
            "size": PAGE if limit is None else min(PAGE, max(limit, 1)),
            "query": {"bool": {"filter": asked, "must_not": denied}},
            "sort": [{"@timestamp": {"order": order}}, {"log.offset": {"order": order}}, {"_shard_doc": order}],
            "track_total_hits": False,
        }
        with self._point_in_time(indices) as point:
            while point is not None:
                self._pause()
                with readable(self.url):
                    answer = self._client.search(**request, pit={"id": point["id"], "keep_alive": KEEP_ALIVE})
                point["id"] = answer.get("pit_id", point["id"])
                hits = answer["hits"]["hits"]
                for hit in hits:
                    yield {**hit["_source"], "_id": hit["_id"], "_index": hit["_index"]}
                if len(hits) < request["size"]:
                    return
                request["search_after"] = hits[-1]["sort"]

    @contextmanager
    def _point_in_time(self, indices: str) -> Iterator[dict[str, str] | None]:
        """A point in time over `indices`; None where there are none yet."""
        with readable(self.url):
            try:
                opened = self._client.open_point_in_time(index=indices, keep_alive=KEEP_ALIVE, ignore_unavailable=True)
            except NotFoundError:
                opened = None
        if opened is None:
            yield None
            return
        point = {"id": opened["id"]}
        try:
            yield point
        finally:
            with suppress(Exception):  # it ends by itself after KEEP_ALIVE
                self._client.close_point_in_time(id=point["id"])


@contextmanager
def readable(url: str) -> Iterator[None]:
    """The client's errors as StoreUnreadable."""
    try:
        with translated(url):
            yield
    except OutputUnavailable as error:
        raise StoreUnreadable(error.what, hint_for_command(error)) from error


def clauses(query: Query) -> list[Clause]:
    """The filters that hold for every result; what they let through besides is sorted out by the documents."""
    exact = (("correlation_id", query.correlation_id), ("event", query.event))
    found: list[Clause] = [{"term": {name: value}} for name, value in exact if value is not None]
    if query.level is not None:
        found.append({"terms": {"level": _at_least(query.level)}})
    if query.container is not None:
        wanted = query.container
        found.append(
            _any(
                {"term": {"container.name": wanted}},
                {"prefix": {"container.id": wanted}},
                {"term": {"service.name": wanted}},
            )
        )
    if query.text is not None:
        found += (_mentions(word) for word in sorted(TextQuery.of(query.text).tokens()))
    bounds = {name: ms for name, ms in (("gte", query.since), ("lt", query.until)) if ms is not None}
    if bounds:
        found.append({"range": {"@timestamp": {**bounds, "format": "epoch_millis"}}})
    return found


def _any(*of: Clause) -> Clause:
    return {"bool": {"should": list(of), "minimum_should_match": 1}}


def _mentions(word: str) -> Clause:
    """Some field holds `word`, alone or inside a longer token: the server's tokens are not cut at every sign."""
    pattern = f".*{''.join(WITH_ACCENTS.get(letter, letter) for letter in word)}.*"  # letters and digits alone
    return _any(*({"regexp": {name: {"value": pattern, "case_insensitive": True}}} for name in SEARCHED))


def _with_accents() -> dict[str, str]:
    """Each Latin letter as an expression that also takes it with an accent."""
    found: dict[str, str] = {}
    for code in range(0xE0, 0x180):
        base = unicodedata.normalize("NFKD", chr(code)).casefold()[:1]
        if base.isascii() and base.isalpha():
            found[base] = found.get(base, base) + chr(code)
    return {base: f"[{letters}]" for base, letters in found.items()}


WITH_ACCENTS = _with_accents()


def _at_least(level: str) -> list[str]:
    known = LEVEL_ALIASES.get(level.strip().lower())
    if known is None:
        raise StoreUnreadable(f"{level!r} is no level", f"ask for one of {', '.join(LEVELS)}")
    return list(LEVELS[LEVELS.index(known) :])


def _accepts(query: Query) -> Callable[[Body], bool]:
    if query.text is None:
        return lambda _body: True
    wanted = TextQuery.of(query.text)
    return lambda body: wanted.matches(text_of(body) or "")
