"""The pages: which address shows what."""

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
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, hint_for_command
from shipper.web.app import Answer
from shipper.web.pages.bounded_search import Busy, Finding, Found, Store
from shipper.web.pages.event_rows import row
from shipper.web.pages.overview import overview
from shipper.web.pages.quarantine_view import options_of, refused, release, search
from shipper.web.pages.rate_sampler import SAMPLES, Pulse
from shipper.web.pages.search_form import LIMITS, Asked, asked, link
from shipper.web.pages.timeline_view import traced
from shipper_processors.times import format_ms, parse_ms
from shipper_schemas.event import LEVELS
from shipper_schemas.violation import Kind

if TYPE_CHECKING:
    from shipper.web.pages.render import Render

FOLDER = Path(__file__).parent / "assets"
HTML = "text/html; charset=utf-8"
TIMELINE_LIMIT, TAIL_LIMIT, QUARANTINE_LIMIT = 1000, 100, 100
LATE_MS = 30_000
"""How much later than its own time an event may be stored and still come into the live tail."""
ADDRESSES = {
    "/": "how the agent is: checks, rates, lag, output, counters, violations by reason, files; current by itself",
    "/search": "events by `id`, `event`, `level`, `container`, `text`, `since`, `until`, at most `limit`; newest first",
    "/timeline": "all entries of the correlation id `id`, across containers",
    "/tail": "the newest events by `event`, `level`, `container`, `text`, `id`, and those that follow",
    "/quarantine": "refused entries by `reason`, with the commands that release them",
}
"""The pages, and the fields of their addresses."""
DIGITS = 14
"""Of a time in milliseconds, for some thousand years."""
EVERY = ("2", "5", "15", "60")
"""Seconds after which a tail without JavaScript may load itself anew."""
RETRY_S = "3"
SPANS = ("15m", "1h", "24h", "7d")


class Shown(NamedTuple):
    """A template, with its values and the status of the answer."""

    template: str
    values: dict[str, Any]
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


class WebPages:
    """Status, search, timeline, tail and quarantine of one agent."""

    def __init__(self, agent: AgentView, store: Store, settings: Callable[[], Settings], clock: Clock) -> None:
        """`settings` gives those in effect; templates are loaded when somebody looks for the first time."""
        self._agent, self._settings, self._clock = agent, settings, clock
        self._finding = Finding(store, clock)
        self._pulse = Pulse(lambda: agent.snapshot.metrics(), clock.monotonic)
        self._shows: dict[str, Callable[[Mapping[str, str]], Shown]] = {
            "/": self._overview,
            "/search": self._search,
            "/timeline": self._timeline,
            "/tail": self._tail,
            "/quarantine": self._quarantine,
        }
        self.paths: Collection[str] = frozenset(self._shows)
        self.assets: Mapping[str, Answer] = {f"/assets/{path.name}": asset(path) for path in sorted(FOLDER.iterdir())}

    def beat(self) -> None:
        """Keep the pulse."""
        self._pulse.beat()

    def answer(self, path: str, query: Mapping[str, str], *, signed_in: bool) -> Answer:
        """The page at `path`."""
        try:
            shown = self._shows[path](query)
        except Busy:
            shown = Shown("busy", {}, HTTPStatus.SERVICE_UNAVAILABLE, (("Retry-After", RETRY_S),))
        except ShipperError as error:
            shown = Shown("problem", {"what": error.what, "hint": hint_for_command(error)}, HTTPStatus.BAD_GATEWAY)
        body = self._render(shown.template, page=path.removeprefix("/"), signed_in=signed_in, **shown.values)
        return Answer(shown.status, HTML, body, shown.headers)

    def sign_in(self, following: str, problem: str | None, *, closed: bool, again: bool) -> Answer:
        """The page that asks for the token; it has no form where the agent is `closed`, since no token is right."""
        values = {"following": following, "problem": problem, "again": again, "closed": closed}
        body = self._render("sign_in", page="login", signed_in=False, **values)
        return Answer(HTTPStatus.UNAUTHORIZED, HTML, body)

    @cached_property
    def _render(self) -> "Render":
        from shipper.web.pages.render import Render  # noqa: PLC0415 -- an agent that nobody looks at does not pay for it

        digest = hashlib.sha256(b"".join(found.body for found in self.assets.values())).hexdigest()[:12]
        return Render(
            version=__version__, host=self._settings().host, digest=digest, levels=LEVELS, kinds=list(Kind), link=link,
            samples=SAMPLES,
        )  # fmt: skip

    def _now(self) -> str:
        return format_ms(self._clock.wall_ms())

    def _overview(self, fields: Mapping[str, str]) -> Shown:
        self.beat()
        inputs = [item.url for item in self._settings().inputs]
        found = overview(self._agent.snapshot, self._pulse, inputs)
        part = fields.get("part") == "now"
        return Shown("now" if part else "overview", {"view": found, "now": self._now()})

    def _search(self, fields: Mapping[str, str]) -> Shown:
        question = asked(fields, self._clock.wall_ms())
        given = question.anything or "limit" in fields
        found = self._found(question) if given else None
        more = _more(found, f"newest {question.values['limit']}") if found else None
        return Shown(
            "search",
            {"asked": question, "rows": [row(body) for body in found.entries] if found else None, "more": more,
             "limits": LIMITS, "spans": SPANS, "share": question.link("search", limit=question.values["limit"])},
            HTTPStatus.BAD_REQUEST if question.problem else HTTPStatus.OK,
        )  # fmt: skip

    def _found(self, question: Asked) -> Found | None:
        return self._finding.search(question.query) if question.query is not None else None

    def _timeline(self, fields: Mapping[str, str]) -> Shown:
        wanted = fields.get("id", "").strip()
        question = asked({"id": wanted}, self._clock.wall_ms())
        values: dict[str, Any] = {"id": wanted, "problem": question.problem, "view": None, "more": None, "held": None}
        if not wanted or question.problem:
            return Shown("timeline", values, HTTPStatus.BAD_REQUEST if question.problem else HTTPStatus.OK)
        found = self._finding.search(Query(correlation_id=wanted, limit=TIMELINE_LIMIT))
        values["share"] = link("timeline", id=wanted)
        if found.entries:
            more = _more(found, f"first {TIMELINE_LIMIT}")
            command = search(wanted, self._options())
            return Shown("timeline", {**values, "view": traced(found.entries), "more": more, "command": command})
        held = self._finding.quarantined(1, mentioning=wanted)
        values["held"] = [refused(body, self._options()) for body in held.entries]
        return Shown("timeline", {**values, "more": _more(found, f"first {TIMELINE_LIMIT}")}, HTTPStatus.NOT_FOUND)

    def _tail(self, fields: Mapping[str, str]) -> Shown:
        now = self._clock.wall_ms()
        question = asked({name: fields.get(name, "") for name in ("id", "event", "level", "container", "text")}, now)
        part, found = fields.get("part") == "rows", Found([])
        if question.query is not None:
            since = self._since(fields.get("after", ""), now) if part else None
            found = self._finding.search(replace(question.query, since=since, limit=TAIL_LIMIT))
        every = fields.get("every", "")
        values = {
            "asked": question, "rows": [row(body) for body in found.entries], "newest": _newest(found, now),
            "more": _more(found, f"newest {TAIL_LIMIT}") if found.more == "time" else None, "now": self._now(),
            "every": every if every in EVERY else "", "choices": EVERY,
        }  # fmt: skip
        status = HTTPStatus.BAD_REQUEST if question.problem else HTTPStatus.OK
        return Shown("tail_rows" if part else "tail", values, status)

    def _since(self, after: str, now: int) -> int | None:
        """From when on a tail asks that has seen events up to `after`; further back where storing is behind."""
        if not after.isdecimal() or len(after) > DIGITS:
            return None
        behind = max(self._pulse.levels(lambda sample: sample.lag_s), default=0.0)
        return min(int(after), now) - LATE_MS - int(behind * 1000)

    def _quarantine(self, fields: Mapping[str, str]) -> Shown:
        given = fields.get("reason", "")
        reason = given if given in list(Kind) else None
        if given and reason is None:
            values = {"reason": None, "problem": f"{given!r} is no reason: choose one of the list"}
            return Shown("quarantine", values, HTTPStatus.BAD_REQUEST)
        found = self._finding.quarantined(QUARANTINE_LIMIT, reason=reason)
        options = self._options()
        which = f"--reason {reason}" if reason else "--all"
        return Shown(
            "quarantine",
            {"reason": reason, "problem": None, "entries": [refused(body, options) for body in found.entries],
             "more": _more(found, f"newest {QUARANTINE_LIMIT}"), "all": release(which, options)},
        )  # fmt: skip

    def _options(self) -> str:
        loaded = self._agent.snapshot.status().get("configuration") or {}
        return options_of(self._settings().output, loaded.get("file"))


def _more(found: Found, which: str) -> str | None:
    """What ended a search before it had everything, as a sentence."""
    return {
        "count": f"Only the {which} are shown: narrow it down by time, level or event.",
        "bytes": "The entries are large, and more of them would not fit a page: narrow it down.",
        "time": "The search was ended after ten seconds, and there may be more: narrow it down by time.",
    }.get(found.more or "")


def _newest(found: Found, now_ms: int) -> int:
    """The time from which a tail goes on, in milliseconds since the epoch."""
    times = [parse_ms(str(body.get("@timestamp"))) or 0 for body in found.entries]
    return min(max(times, default=now_ms), now_ms)


def asset(path: Path) -> Answer:
    """A file of `assets/`, which browsers may keep: its address changes with what it holds."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    keep = (("Cache-Control", "public, max-age=31536000, immutable"),)
    return Answer(HTTPStatus.OK, text, path.read_bytes(), keep)
