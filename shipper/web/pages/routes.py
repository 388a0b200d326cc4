"""Routes: the pages by their path."""

import hashlib
import mimetypes
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shipper import __version__
from shipper.config.settings import Settings
from shipper.metrics.health import AgentView
from shipper.model.query import Query
from shipper.presentation.quarantine_notice import quarantine_notice
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, hint_for_command
from shipper.web.app import Response
from shipper.web.pages.bounded_search import BoundedSearch, Busy, Matches, Store
from shipper.web.pages.event_rows import row
from shipper.web.pages.overview import overview
from shipper.web.pages.quarantine_view import (
    quarantined_entry,
    quarantined_groups,
    release_command,
    search_command,
    store_options,
)
from shipper.web.pages.rate_sampler import SAMPLES, RateSampler
from shipper.web.pages.search_form import LIMITS, SearchForm, link, parse_form
from shipper.web.pages.timeline_view import timeline_views
from shipper_processors.times import format_ms, parse_ms
from shipper_schemas.event import LEVELS
from shipper_schemas.violation import Kind

if TYPE_CHECKING:
    from shipper.web.pages.render import Render

FOLDER = Path(__file__).parent / "assets"
HTML = "text/html; charset=utf-8"
TIMELINE_LIMIT, TAIL_LIMIT, QUARANTINE_LIMIT = 1000, 100, 100
LATE_MS = 30_000
"""Maximum delay in milliseconds between an event's time and its storage for the live tail to show it."""
ADDRESSES = {
    "/": "overview: checks, rates, lag, output, counters, violations by reason, files; updated automatically",
    "/search": "events by `id`, `event`, `level`, `container`, `text`, `since`, `until`, `limit`; newest first",
    "/timeline": "all entries of the correlation id `id`, across containers",
    "/tail": "live tail of events by `event`, `level`, `container`, `text`, `id`",
    "/quarantine": "quarantined entries by `reason`, with the commands to release them",
}
"""The pages and their query parameters."""
DIGITS = 14
"""Maximum number of digits of a time in milliseconds."""
EVERY = ("2", "5", "15", "60")
"""Reload intervals in seconds of a live tail without JavaScript."""
RETRY_S = "3"
SPANS = ("15m", "1h", "24h", "7d")


class View(NamedTuple):
    """A template with its values, and the status of the response."""

    template: str
    values: dict[str, Any]
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


class WebPages:
    """Overview, search, timeline, live tail and quarantine of one agent."""

    def __init__(self, agent: AgentView, store: Store, settings: Callable[[], Settings], clock: Clock) -> None:
        """`settings` returns those in effect; templates are loaded on the first request."""
        self._agent, self._settings, self._clock = agent, settings, clock
        self._searches = BoundedSearch(store, clock)
        self._sampler = RateSampler(lambda: agent.snapshot.metrics(), clock.monotonic)
        self._shows: dict[str, Callable[[Mapping[str, str]], View]] = {
            "/": self._overview,
            "/search": self._search,
            "/timeline": self._timeline,
            "/tail": self._tail,
            "/quarantine": self._quarantine,
        }
        self.paths: Collection[str] = frozenset(self._shows)
        self.assets: Mapping[str, Response] = {f"/assets/{path.name}": asset(path) for path in sorted(FOLDER.iterdir())}

    def tick(self) -> None:
        """Sample the rates."""
        self._sampler.sample()

    def answer(
        self, path: str, query: Mapping[str, str], *, signed_in: bool, open_to_local_users: bool = False
    ) -> Response:
        """Return the page at `path`."""
        try:
            shown = self._shows[path](query)
        except Busy:
            shown = View("busy", {}, HTTPStatus.SERVICE_UNAVAILABLE, (("Retry-After", RETRY_S),))
        except ShipperError as error:
            shown = View("problem", {"what": error.what, "hint": hint_for_command(error)}, HTTPStatus.BAD_GATEWAY)
        body = self._render(
            shown.template,
            page=path.removeprefix("/"),
            signed_in=signed_in,
            open_to_local_users=open_to_local_users,
            **shown.values,
        )
        return Response(shown.status, HTML, body, shown.headers)

    def sign_in(self, following: str, problem: str | None, *, closed: bool, again: bool) -> Response:
        """Return the sign-in page; without a form if the agent is `closed`, since no token is valid."""
        values = {"following": following, "problem": problem, "again": again, "closed": closed}
        body = self._render("sign_in", page="login", signed_in=False, open_to_local_users=False, **values)
        return Response(HTTPStatus.UNAUTHORIZED, HTML, body)

    @cached_property
    def _render(self) -> "Render":
        from shipper.web.pages.render import Render  # noqa: PLC0415 -- not loaded before the first page

        digest = hashlib.sha256(b"".join(asset.body for asset in self.assets.values())).hexdigest()[:12]
        return Render(
            version=__version__, host=self._settings().host, digest=digest, levels=LEVELS, kinds=list(Kind), link=link,
            samples=SAMPLES,
        )  # fmt: skip

    def _now(self) -> str:
        return format_ms(self._clock.wall_ms())

    def _overview(self, fields: Mapping[str, str]) -> View:
        self.tick()
        inputs = [item.url for item in self._settings().inputs]
        view = overview(self._agent.snapshot, self._sampler, inputs)
        part = fields.get("part") == "now"
        return View("now" if part else "overview", {"view": view, "now": self._now()})

    def _search(self, fields: Mapping[str, str]) -> View:
        form = parse_form(fields, self._clock.wall_ms())
        is_requested = form.is_narrowed or "limit" in fields
        matches = self._matches(form) if is_requested else None
        held = self._held(form.query) if matches and form.query else None
        more = _more(matches, f"newest {form.values['limit']}") if matches else None
        return View(
            "search",
            {"form": form, "rows": [row(body) for body in matches.entries] if matches else None, "more": more,
             "held": held, "limits": LIMITS, "spans": SPANS, "share": form.link("search", limit=form.values["limit"])},
            HTTPStatus.BAD_REQUEST if form.problem else HTTPStatus.OK,
        )  # fmt: skip

    def _matches(self, form: SearchForm) -> Matches | None:
        return self._searches.search(form.query) if form.query is not None else None

    def _held(self, query: Query) -> dict[str, Any] | None:
        """Return the notice about quarantined entries that match a query; None if none does."""
        notice = quarantine_notice(self._searches.matching_quarantine(query))
        if notice is None:
            return None
        release = release_command(f"--reason {notice.reason}", self._options()) if notice.line else None
        return {**notice._asdict(), "release": release}

    def _timeline(self, fields: Mapping[str, str]) -> View:
        wanted = fields.get("id", "").strip()
        form = parse_form({"id": wanted}, self._clock.wall_ms())
        values: dict[str, Any] = {
            "id": wanted,
            "problem": form.problem,
            "views": None,
            "scope": None,
            "more": None,
            "held": None,
            "quarantined": None,
        }
        if not wanted or form.problem:
            return View("timeline", values, HTTPStatus.BAD_REQUEST if form.problem else HTTPStatus.OK)
        query = Query(correlation_id=wanted, limit=TIMELINE_LIMIT)
        matches = self._searches.search(query)
        values["share"], values["held"] = link("timeline", id=wanted), self._held(query)
        if matches.entries:
            more = _more(matches, f"first {TIMELINE_LIMIT}")
            command = search_command(wanted, self._options())
            views, scope = timeline_views(matches.entries)
            return View("timeline", {**values, "views": views, "scope": scope, "more": more, "command": command})
        if values["held"] is None:
            quarantined = self._searches.quarantined(1, mentioning=wanted)
            values["quarantined"] = [quarantined_entry(body, self._options()) for body in quarantined.entries]
        return View("timeline", {**values, "more": _more(matches, f"first {TIMELINE_LIMIT}")}, HTTPStatus.NOT_FOUND)

    def _tail(self, fields: Mapping[str, str]) -> View:
        now = self._clock.wall_ms()
        form = parse_form({name: fields.get(name, "") for name in ("id", "event", "level", "container", "text")}, now)
        part, matches = fields.get("part") == "rows", Matches([])
        if form.query is not None:
            since = self._since(fields.get("after", ""), now) if part else None
            matches = self._searches.search(replace(form.query, since=since, limit=TAIL_LIMIT))
        every = fields.get("every", "")
        is_incomplete = matches.more == "time" or matches.missing is not None
        values = {
            "form": form, "rows": [row(body) for body in matches.entries], "newest": _newest(matches, now),
            "more": _more(matches, f"newest {TAIL_LIMIT}") if is_incomplete else None, "now": self._now(),
            "every": every if every in EVERY else "", "choices": EVERY,
        }  # fmt: skip
        status = HTTPStatus.BAD_REQUEST if form.problem else HTTPStatus.OK
        return View("tail_rows" if part else "tail", values, status)

    def _since(self, after: str, now: int) -> int | None:
        """Return the start time of the next query of a tail that has events up to `after`; earlier by the lag."""
        if not after.isdecimal() or len(after) > DIGITS:
            return None
        behind = max(self._sampler.levels(lambda sample: sample.lag_s), default=0.0)
        return min(int(after), now) - LATE_MS - int(behind * 1000)

    def _quarantine(self, fields: Mapping[str, str]) -> View:
        wanted = fields.get("reason", "")
        reason = wanted if wanted in list(Kind) else None
        if wanted and reason is None:
            values = {"reason": None, "problem": f"unknown reason {wanted!r}: choose one from the list"}
            return View("quarantine", values, HTTPStatus.BAD_REQUEST)
        matches = self._searches.quarantined(QUARANTINE_LIMIT, reason=reason)
        options = self._options()
        which = f"--reason {reason}" if reason else "--all"
        return View(
            "quarantine",
            {"reason": reason, "problem": None,
             "entries": [quarantined_entry(body, options) for body in matches.entries],
             "groups": quarantined_groups(matches.entries),
             "more": _more(matches, f"newest {QUARANTINE_LIMIT}"), "all": release_command(which, options)},
        )  # fmt: skip

    def _options(self) -> str:
        loaded = self._agent.snapshot.status().get("configuration") or {}
        return store_options(self._settings().output, loaded.get("file"))


def _more(matches: Matches, which: str) -> str | None:
    """Return a sentence about what a search did not cover, or the limit that ended it; None if it is complete."""
    if matches.missing is not None:
        return matches.missing
    return {
        "count": f"Only the {which} are shown: narrow the search by time, level or event.",
        "bytes": "The entries are too large to show more on one page: narrow the search.",
        "time": "The search was stopped after ten seconds; there may be more: narrow it by time.",
    }.get(matches.more or "")


def _newest(matches: Matches, now_ms: int) -> int:
    """Return the time of the newest entry, not after now, in milliseconds since the epoch."""
    times = [parse_ms(str(body.get("@timestamp"))) or 0 for body in matches.entries]
    return min(max(times, default=now_ms), now_ms)


def asset(path: Path) -> Response:
    """Return a file of `assets/`; browsers may cache it, since its address changes with its content."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    keep = (("Cache-Control", "public, max-age=31536000, immutable"),)
    return Response(HTTPStatus.OK, text, path.read_bytes(), keep)
