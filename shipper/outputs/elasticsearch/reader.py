"""Search in a cluster, with the same queries, order and results as the embedded store.

Long results are read in pages over a point in time, so that concurrent writes neither repeat nor hide a document.
Source: Elasticsearch reference, "Paginate search results".
"""

import sys
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from elasticsearch import ApiError, ConflictError, Elasticsearch, NotFoundError

from shipper.model.document_fields import text_of
from shipper.model.documents import Document
from shipper.model.quarantine_matches import MOST_COUNTED, QuarantineMatches
from shipper.model.query import Query
from shipper.model.text_search import TextQuery
from shipper.outputs.elasticsearch.answers import cause_in, reason_in
from shipper.outputs.elasticsearch.bulk import Outcome, Target, rejection
from shipper.outputs.elasticsearch.client import translated
from shipper.outputs.elasticsearch.partial_answers import closed_indices, until_entry, what_is_missing
from shipper.outputs.elasticsearch.template_check import TemplateCheck
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ReleaseRefused, StoreIncomplete, StoreUnreadable, hint_for_command
from shipper_processors.chain_plan import RENDERING
from shipper_schemas.event import LEVEL_ALIASES, LEVELS
from shipper_schemas.quarantine import TEXT

PAGE = 1000
KEEP_ALIVE = "2m"
SEARCHED = RENDERING.searched
"""Fields that `shipper_processors.render.searched_text` covers; those of unknown names are one field, `extra`."""
QUARANTINE_SEARCHED = (TEXT, "raw")
LONGEST_COUNT = "1s"
"""Maximum time to count the quarantined entries that match a search."""
Body = dict[str, Any]
Clause = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a search asks for, and what the responses did not cover."""

    indices: str
    query: Query
    filters: list[Clause]
    denied: list[Clause]
    missing: list[str] = field(default_factory=list)


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
        template_check: TemplateCheck | None = None,
        clock: Clock | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """Does no I/O. `target` maps a daily index to its write target; `template_check` runs before a release.

        `pause` is called before each request of a search, and may raise to end the search.
        """
        self.url, self._client, self._target, self._template_check = url, client, target, template_check
        some_day = f"{prefix}-2000.01.01"
        self._events = f"{prefix}-*.*.*" if target(some_day) == some_day else target(some_day)
        self._quarantine = f"{quarantine_prefix}-*.*.*"
        self._clock = clock or Clock()
        self._pause = pause

    def search(self, query: Query) -> Iterator[Body]:
        """Yield documents in order of time, or newest first, with `_id` and `_index`. Raises StoreUnreadable."""
        request = Request(self._events, query, clauses(query), [])
        return self._complete(request, _accepts(query))

    def quarantine(
        self,
        *,
        reason: str | None = None,
        mentioning: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Body]:
        """Yield unreleased entries by time; `mentioning` is a text in the raw line. Raises StoreUnreadable."""
        filters = [{"term": {"reasons.kind": reason}}] if reason is not None else []
        if mentioning is not None:
            filters.append({"match_phrase": {"raw": mentioning}})
        denied = [{"exists": {"field": "released"}}]
        request = Request(self._quarantine, Query(limit=limit, newest_first=newest_first), filters, denied)
        return self._complete(request, lambda body: mentioning is None or mentioning in str(body.get("raw", "")))

    def matching_quarantine(self, query: Query) -> QuarantineMatches:
        """Count the unreleased entries that match `query`, in one request. Raises StoreUnreadable."""
        filters, accepts = clauses(query, QUARANTINE_SEARCHED), _accepts(query)
        needed = ["reasons.kind", *(QUARANTINE_SEARCHED if query.text is not None else ())]
        self._pause()
        with readable(self.url):
            answer = self._client.search(
                index=self._quarantine,
                size=MOST_COUNTED,
                query={"bool": {"filter": filters, "must_not": [{"exists": {"field": "released"}}]}},
                sort=[{"@timestamp": {"order": "desc", "unmapped_type": "date"}}],
                source_includes=needed,
                timeout=LONGEST_COUNT,
                track_total_hits=False,
                ignore_unavailable=True,
            )
        hits = answer["hits"]["hits"]
        complete = len(hits) < MOST_COUNTED and not any(what_is_missing(answer.body))
        return QuarantineMatches.of((hit["_source"] for hit in hits if accepts(hit["_source"])), complete=complete)

    def release(self, index: str, document_id: str, document: Document) -> None:
        """Store `document`, then mark the quarantined entry as released; after a crash in between, repeat the release.

        Raises ReleaseRefused if the index still rejects it, OutputUnavailable, and StoreUnreadable if there is no such
        entry.
        """
        target = self._target(document.index)
        if self._template_check is not None:
            self._template_check.check([target])
        with translated(self.url):
            if not self._client.exists(index=index, id=document_id):
                raise StoreUnreadable(
                    f"no entry {document_id} in {self.url}", "see `shipper quarantine list --entries`"
                )
            try:
                self._client.create(index=target, id=document.id.hex(), document=orjson.loads(document.body))
            except ConflictError:
                pass  # released before, but not marked
            except ApiError as error:
                cause = cause_in(error.body)
                if cause is not None and rejection(error.meta.status, cause).outcome is Outcome.REJECTED:
                    raise ReleaseRefused(f"{target} rejects {document_id}: {reason_in(error.body)}") from error
                raise
            self._client.update(index=index, id=document_id, doc={"released": self._clock.wall_ms()}, refresh=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _complete(self, request: Request, accepts: Callable[[Body], bool]) -> Iterator[Body]:
        """Yield what a search found, up to its limit. Raises StoreIncomplete at the end if it missed anything."""
        query, number, last = request.query, 0, None
        with closing(self._pages(request)) as bodies:
            for last in islice(filter(accepts, bodies), query.limit):
                number += 1
                yield last
        if request.missing:
            what = f"{self.url} searched only a part: {'; '.join(request.missing)}"
            raise StoreIncomplete(what, "see `GET _cluster/allocation/explain` and the server's log", failed=True)
        if last is not None and number == query.limit:
            query = until_entry(query, last)
        if closed := [*closed_indices(self._closed(request.indices), query)]:
            what = f"{self.url} searched only a part: {closed[0]}"
            raise StoreIncomplete(what, "open the index (`POST INDEX/_open`), or limit the time range", failed=False)

    def _closed(self, indices: str) -> Body:
        """Return the closed indices that the server resolves; none if this user may not list them."""
        with suppress(ApiError), translated(self.url):
            return dict(self._client.indices.resolve_index(name=indices, expand_wildcards="closed"))
        return {}

    def _pages(self, wanted: Request) -> Generator[Body, None, None]:
        """Yield documents in order, and record what the responses did not cover."""
        limit, order = wanted.query.limit, "desc" if wanted.query.newest_first else "asc"
        request: dict[str, Any] = {
            "size": PAGE if limit is None else min(PAGE, max(limit, 1)),
            "query": {"bool": {"filter": wanted.filters, "must_not": wanted.denied}},
            "sort": [{"@timestamp": {"order": order}}, {"log.offset": {"order": order}}, {"_shard_doc": order}],
            "track_total_hits": False,
        }
        with self._point_in_time(wanted) as point:
            while point is not None:
                self._pause()
                with readable(self.url):
                    answer = self._client.search(**request, pit={"id": point["id"], "keep_alive": KEEP_ALIVE})
                point["id"] = answer.get("pit_id", point["id"])
                wanted.missing.extend(what for what in what_is_missing(answer.body) if what not in wanted.missing)
                hits = answer["hits"]["hits"]
                for hit in hits:
                    yield {**hit["_source"], "_id": hit["_id"], "_index": hit["_index"]}
                if len(hits) < request["size"]:
                    return
                request["search_after"] = hits[-1]["sort"]

    @contextmanager
    def _point_in_time(self, wanted: Request) -> Iterator[dict[str, str] | None]:
        """Open a point in time over the indices of a search; None if there are none yet."""
        with readable(self.url):
            try:
                opened = self._client.open_point_in_time(
                    index=wanted.indices, keep_alive=KEEP_ALIVE, ignore_unavailable=True
                )
            except NotFoundError:
                opened = None
        if opened is None:
            yield None
            return
        wanted.missing.extend(what_is_missing(opened.body))
        point = {"id": opened["id"]}
        try:
            yield point
        finally:
            with suppress(Exception):  # it expires after KEEP_ALIVE
                if not sys.is_finalizing():  # then no connection is free any more, and it would wait for ever
                    self._client.close_point_in_time(id=point["id"])


@contextmanager
def readable(url: str) -> Iterator[None]:
    """Translate the client's errors into StoreUnreadable."""
    try:
        with translated(url):
            yield
    except OutputUnavailable as error:
        raise StoreUnreadable(error.what, hint_for_command(error)) from error


def clauses(query: Query, searched: Sequence[str] = SEARCHED) -> list[Clause]:
    """Filters that every result matches; they may match more, which is filtered by the documents.

    `searched` are the fields that contain the words of a full-text search.
    """
    filters: list[Clause] = []
    if query.correlation_id is not None:
        filters.append(_any(*({"term": {name: query.correlation_id}} for name in ("correlation_id", "trace_id"))))
    if query.event is not None:
        filters.append({"term": {"event": query.event}})
    if query.level is not None:
        filters.append({"terms": {"level": _at_least(query.level)}})
    if query.container is not None:
        wanted = query.container
        filters.append(
            _any(
                {"term": {"container.name": wanted}},
                {"prefix": {"container.id": wanted}},
                {"term": {"service.name": wanted}},
            )
        )
    if query.text is not None:
        filters += (_mentions(word, searched) for word in sorted(TextQuery.of(query.text).tokens()))
    bounds = {name: ms for name, ms in (("gte", query.since), ("lt", query.until)) if ms is not None}
    if bounds:
        filters.append({"range": {"@timestamp": {**bounds, "format": "epoch_millis"}}})
    return filters


def _any(*of: Clause) -> Clause:
    return {"bool": {"should": list(of), "minimum_should_match": 1}}


def _mentions(word: str, searched: Sequence[str]) -> Clause:
    """Match `word` in any searched field, also inside a longer token: the server does not split at every sign."""
    pattern = f".*{''.join(WITH_ACCENTS.get(letter, letter) for letter in word)}.*"  # letters and digits only
    return _any(*({"regexp": {name: {"value": pattern, "case_insensitive": True}}} for name in searched))


def _with_accents() -> dict[str, str]:
    """Each Latin letter as an expression that also matches it with an accent."""
    variants: dict[str, str] = {}
    for code in range(0xE0, 0x180):
        base = unicodedata.normalize("NFKD", chr(code)).casefold()[:1]
        if base.isascii() and base.isalpha():
            variants[base] = variants.get(base, base) + chr(code)
    return {base: f"[{letters}]" for base, letters in variants.items()}


WITH_ACCENTS = _with_accents()


def _at_least(level: str) -> list[str]:
    known = LEVEL_ALIASES.get(level.strip().lower())
    if known is None:
        raise StoreUnreadable(f"invalid level {level!r}", f"use one of {', '.join(LEVELS)}")
    return list(LEVELS[LEVELS.index(known) :])


def _accepts(query: Query) -> Callable[[Body], bool]:
    if query.text is None:
        return lambda _body: True
    wanted = TextQuery.of(query.text)
    return lambda body: wanted.matches(text_of(body) or "")
