"""Pages as a browser gets them: protected, escaped, bounded, and closed without a token."""

import re
import time
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest

from shipper.model.quarantine_matches import QuarantineMatches
from shipper.model.query import Query
from shipper.system.errors import StoreUnreadable
from shipper.web.app import ADDRESSES as OTHERS
from shipper.web.auth import MOST_SESSIONS, SESSION_S
from shipper.web.pages.routes import ADDRESSES
from tests.web.pages.rig import FakeAgent, Memory, Site, event, quarantined

PATHS = ("/", "/search", "/timeline", "/tail", "/quarantine")
ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}\x1b[2J\x9b\u202e\u200b"
"""Attack on attributes, elements, templates, terminals and reading order."""
DECEIVING = set("\x1b\x9b\u202e\u200b")


class ParsedPage(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


def attacked() -> Site:
    """Return a site whose store, agent and quarantine are full of attacks."""
    names = (
        "level",
        "event",
        "correlation_id",
        "message",
        "path",
        "method",
        "error_type",
        "error_message",
        "exception",
    )
    body = event(1, "x")
    body |= dict.fromkeys(names, ATTACK) | {
        "service": {"name": ATTACK},
        "extra": {ATTACK: ATTACK},
        "status_code": ATTACK,
    }
    other = event(
        2, "y", message=ATTACK, service={"name": ATTACK}, correlation_id="visit-1", exception=f"{ATTACK}\n" * 9
    )
    held = quarantined(raw=ATTACK, service={"name": ATTACK}, log={"file": {"path": ATTACK}, "offset": ATTACK},
                   reasons=[{"kind": ATTACK, "field": ATTACK, "detail": ATTACK}])  # fmt: skip
    agent = FakeAgent(
        "degraded", error=ATTACK, unreadable={ATTACK: ATTACK}, configuration={"error": ATTACK, "file": ATTACK},
        logs=[{"path": ATTACK, "container": ATTACK, "size": 1, "lag_bytes": 1}], logins={ATTACK: 3, "b": 0},
    )  # fmt: skip
    return Site(Memory([body, other], [held]), agent)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", {}), ("/", {"part": "now"}), ("/search", {"limit": "50"}), ("/search", {"text": ATTACK}),
        ("/search", dict.fromkeys(("id", "event", "level", "container", "text", "since", "until"), ATTACK)),
        ("/timeline", {"id": ATTACK}), ("/timeline", {"id": "visit-1"}), ("/tail", {}), ("/tail", {"part": "rows"}),
        ("/tail", dict.fromkeys(("event", "container", "text", "every", "after"), ATTACK)), ("/quarantine", {}),
        ("/quarantine", {"reason": ATTACK}),
    ],
)  # fmt: skip
def test_log_data_and_parameters_are_only_text(path: str, query: dict[str, str]) -> None:
    """They create no element, attribute or link, and hide or reorder nothing."""
    site = attacked()
    reply = site.get(path, **query)
    seen = ParsedPage(reply.text)
    assert not DECEIVING & set(reply.text)
    assert {attributes.get("src", "").partition("?")[0] for attributes in seen.of("script")} <= {"assets/page.js"}
    assert not seen.of("img")
    assert "49" not in re.findall(r"\d+", seen.text.replace("7*7", ""))
    for tag, attributes in seen.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "action", "src", "data-live", "data-tail"):
            place = attributes.get(name)
            assert place is None or not urlsplit(place).scheme, place
            assert place is None or not set(place) & set("\"'<>"), place


def test_an_attack_is_visible() -> None:
    """Escaped, not dropped: readers see the attempt."""
    assert "<script>alert(1)</script>" in ParsedPage(attacked().get("/search", limit="50").text).text
    assert r"\x1b[2J\x9b\u202e\u200b" in ParsedPage(attacked().get("/quarantine").text).text


@pytest.mark.parametrize("path", [*PATHS, "/assets/page.css", "/assets/page.js", "/status"])
def test_every_page_has_security_headers(path: str) -> None:
    """Only own styles and scripts, none inline; no frames, no sniffing, no referrer for other sites.

    The same-origin referrer stays, since browsers derive the Origin header of our forms from it.
    """
    reply = Site().get(path)
    assert reply.status == 200
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src", "form-action")} == {"'self'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert ("immutable" in reply.headers["Cache-Control"]) == path.startswith("/assets/")


def test_pages_reference_only_existing_files() -> None:
    """Styles, script and icon exist and are relative, so that a proxy may add a path prefix."""
    site = Site()
    seen = ParsedPage(site.get("/").text)
    wanted = [attributes["href"] for attributes in seen.of("link")] + [script["src"] for script in seen.of("script")]
    assert len(wanted) == 3
    for address in wanted:
        assert address is not None
        assert site.get(f"/{address.partition('?')[0]}").status == 200


def test_search_shows_a_table_and_its_limit() -> None:
    """Newest first, each entry with its JSON and its timeline."""
    store = Memory([event(second, f"e{second}") for second in range(59)])
    reply = Site(store).get("/search", limit="50", level="info")
    seen = ParsedPage(reply.text)
    assert len([row for row in seen.of("tr") if "data-key" in row]) == 50
    assert reply.text.index("e58") < reply.text.index("e57")
    assert "Only the newest 50 are shown" in seen.text
    assert '"event": "e58"' in seen.text
    assert {"class": "id", "href": "timeline?id=visit-1", "title": "Timeline of visit-1"} in seen.of("a")


def test_an_empty_search_and_an_empty_result_have_a_hint() -> None:
    """No table without rows, and no search without a filter."""
    site = Site()
    assert "Enter a search" in site.get("/search").text
    assert site.store.queries == []
    assert "No matching events" in site.get("/search", event="x").text
    assert site.get("/search", level="loud").status == 400


def test_a_timeline_can_be_shared_and_named() -> None:
    """By its address alone; with errors, gaps and folded traces."""
    store = Memory([
        event(1, "request_start"), event(1.1, "request_seen"), event(3, "failed", level="error", exception="Trace\nline", correlation_id="visit-1"),
        event(2, "other", correlation_id="visit-2"),
    ])  # fmt: skip
    reply = Site(store).get("/timeline", id="visit-1")
    seen = ParsedPage(reply.text)
    assert "visit-1 · shipper on node-1" in seen.text
    assert [link["href"] for link in seen.of("a") if "data-copy-link" in link] == ["timeline?id=visit-1"]
    assert "1.90s without an entry" in seen.text
    assert "1 error at +2.000s in backend: failed" in seen.text
    assert "Stack trace, 2 lines" in seen.text
    assert "shipper search visit-1 --output local:/store" in seen.text
    assert "other" not in {part.strip() for part in seen.text.split("\n")}


def test_an_unknown_correlation_id_is_searched_in_the_quarantine() -> None:
    """As on the command line; a 404 with a hint."""
    site = Site(Memory([], [quarantined(raw='{"correlation_id": "bad id"}')]))
    reply = site.get("/timeline", id="bad id")
    assert reply.status == 404
    assert "shipper quarantine release cccccccccccc" in reply.text
    assert "No quarantined entry mentions it" in site.get("/timeline", id="nope").text
    assert "One request, across all containers" in site.get("/timeline").text


def test_quarantined_entries_that_match_are_reported() -> None:
    """With a search that has results, one that has none, and a timeline: number, reason and configuration."""
    store = Memory(
        [event(0, "login_failed")], [quarantined(event="login_failed", correlation_id="visit-1", level="error")]
    )
    site = Site(store)
    for page, query in (
        ("/search", {"event": "login_failed"}),
        ("/search", {"level": "error"}),
        ("/timeline", {"id": "visit-1"}),
    ):
        reply = site.get(page, **query)
        assert "1 quarantined entry matches this search, for correlation_id_missing" in reply.text
        assert "schema: {require_correlation_id: never}" in reply.text
        assert "shipper quarantine release --reason correlation_id_missing --output local:/store" in reply.text
    store.events.clear()
    reply = site.get("/timeline", id="visit-1")
    assert (reply.status, "1 quarantined entry matches this search" in reply.text) == (404, True)
    assert "quarantined entr" not in site.get("/search", event="logout").text


def test_a_quarantine_that_cannot_be_searched_does_not_hide_the_events() -> None:
    """The page says that the count is incomplete."""

    class Denied(Memory):
        def matching_quarantine(self, query: Query) -> QuarantineMatches:
            raise StoreUnreadable("no permission")

    reply = Site(Denied([event(0, "login_failed")])).get("/search", event="login_failed")
    assert (reply.status, "1 event, newest first" in reply.text) == (200, True)
    assert "The quarantine was not searched to its end" in reply.text


def test_a_timeline_of_an_id_that_processes_count_up_is_shown_by_container() -> None:
    """Two processes that both counted up to 7 served different requests."""
    local = {"correlation_id": "7", "correlation_scope": "local"}
    entries = [
        event(second, "step", container={"id": name * 12, "name": name}, **local)
        for second, name in ((0, "app-a"), (1, "app-b"), (2, "app-a"))
    ]
    reply = Site(Memory(entries)).get("/timeline", id="7")
    assert "unique only within one container and run" in reply.text
    assert [text.split("<")[0] for text in reply.text.split("<h2>")[1:]] == ["Container app-a", "Container app-b"]
    assert reply.text.count("No errors.") == 2


def test_the_quarantine_lists_reasons_and_commands() -> None:
    """Filtered by reason, as linked from the overview."""
    site = Site(Memory([], [quarantined(), quarantined(reasons=[{"kind": "blank", "detail": "an empty line"}])]))
    assert site.get("/quarantine").text.count("shipper quarantine release cccccccccccc") == 2
    of_one = site.get("/quarantine", reason="blank").text
    assert of_one.count("shipper quarantine release cccccccccccc") == 1
    assert "shipper quarantine release --reason blank" in of_one
    assert "No quarantined entries" in Site().get("/quarantine").text
    unknown = site.get("/quarantine", reason="blanc")
    assert (unknown.status, "unknown reason" in unknown.text) == (400, True)
    assert "release --all" not in unknown.text


def test_the_quarantine_groups_entries_by_reason_service_and_event() -> None:
    """As the command does, with a link to the newest entry of a group; a single entry needs no group."""
    other = quarantined(event="<b>", service={"name": "worker"}, **{"@timestamp": "2026-11-23T09:00:00.000Z"})
    page = Site(Memory([], [quarantined(), quarantined(), other])).get("/quarantine")
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td class=.num.>(.*?)</td>", page.text)
    assert rows == [
        ("correlation_id_missing", "backend", "-", "2"),
        ("correlation_id_missing", "worker", "&lt;b&gt;", "1"),
    ]
    (anchor, _) = (link["href"] for link in ParsedPage(page.text).of("a") if link.get("href", "").startswith("#q-"))
    assert f'id="{anchor[1:]}"' in page.text
    assert "by reason, service and event" not in Site(Memory([], [quarantined()])).get("/quarantine").text


def test_the_tail_continues_from_the_newest_entry_and_looks_back_a_little() -> None:
    """Entries stored late still appear; an entry dated in the future does not stop the tail."""
    site = Site(Memory([event(10, "x")]))
    first = ParsedPage(site.get("/tail").text)
    (newest,) = [body["data-newest"] for body in first.of("tbody") if "data-newest" in body]
    assert newest == "1795428000000"  # not after now
    assert [table for table in first.of("table") if table.get("data-tail") == "tail?part=rows"]
    site.get("/tail", part="rows", after=newest or "", event="x")
    assert site.store.queries[-1].since == 1_795_428_000_000 - 30_000
    site.get("/tail", part="rows", after="9" * 14)
    assert site.store.queries[-1].since == 1_795_428_000_000 - 30_000
    site.fake.lag_s = 600
    site.clock.now += 10
    site.pages.tick()
    site.get("/tail", part="rows", after=newest or "")
    assert site.store.queries[-1].since == 1_795_428_000_000 - 630_000  # storing is behind


def test_without_javascript_a_tail_reloads_itself_on_request() -> None:
    """And not by default."""
    site = Site()
    assert 'http-equiv="refresh"' not in site.get("/tail").text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in site.get("/tail", every="5").text
    assert 'http-equiv="refresh"' not in site.get("/tail", every="0.1").text


def test_an_agent_without_events_has_a_hint() -> None:
    """With files and without."""
    assert "No file matches the inputs yet" in Site(fake=FakeAgent(lines=0)).get("/").text
    logs = [{"path": "/logs/a", "size": 0, "lag_bytes": 0}]
    assert "1 log followed" in Site(fake=FakeAgent(lines=0, logs=logs)).get("/").text
    assert "No events yet" not in Site().get("/").text


def test_an_unavailable_store_is_reported_with_its_hint() -> None:
    """The overview still works."""
    site = Site(Memory(broken=StoreUnreadable("http://es:9200 cannot be reached", "see whether it runs")))
    reply = site.get("/search", event="x")
    assert (reply.status, "see whether it runs" in reply.text) == (502, True)
    assert site.get("/").status == 200


def test_too_many_searches_are_rejected_with_retry_after() -> None:
    """503, with a page that explains it."""
    site = Site(Memory([event(1, "x")]))
    site.pages._searches._wait_s = 0
    held = [site.pages._searches.slot() for _ in range(2)]
    for one in held:
        one.__enter__()
    reply = site.get("/search", event="x")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "3")
    assert "Other searches are running" in reply.text
    assert site.get("/").status == 200


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_read_only(path: str) -> None:
    """POST is rejected; HEAD is like GET without the body."""
    site = Site()
    assert site.post(path).status == 405
    head = site.get(path, method="HEAD")
    assert (head.status, head.text) == (200, "")
    assert head.headers["Content-Length"] == str(len(site.get(path).text.encode()))


def test_exactly_the_served_addresses_are_documented() -> None:
    """The reference lists them."""
    site = Site()
    assert site.pages.paths == ADDRESSES.keys()
    for address in OTHERS:
        assert site.get(address).status in (200, 303, 405)


def test_a_wrong_method_is_answered_with_the_right_ones() -> None:
    """Opening the sign-out address in a browser explains what is allowed."""
    site = Site()
    assert "use POST" in site.get("/logout").text
    assert "use GET, HEAD" in site.post("/status").text


def test_an_address_with_too_many_parameters_is_rejected() -> None:
    """No form of ours has as many."""
    assert Site().get("/search", **{f"f{number}": "x" for number in range(40)}).status == 400


# --- strangers ------------------------------------------------------------------------------------


def site_beyond_loopback(token: str | None = "s3cret") -> Site:
    """Return a site that requires a token."""
    return Site(Memory([event(1, "secret_event")], [quarantined()]), token=token, loopback=False)


@pytest.mark.parametrize("path", PATHS)
def test_without_a_session_there_is_only_the_sign_in_form(path: str) -> None:
    """401, without events, output or counters; styles are public."""
    site = site_beyond_loopback()
    reply = site.get(path, limit="50")
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert 'action="login"' in reply.text
    assert not {"secret_event", "correlation_id_missing", "local:/store", "failed_login"} & set(
        re.findall(r"[\w:/]+", reply.text)
    )
    assert site.get("/assets/page.css").status == 200


def test_sign_in_redirects_and_sign_out_ends_the_session() -> None:
    """The cookie is not the token, hidden from scripts and other sites, and invalid afterwards."""
    site = site_beyond_loopback()
    (following,) = [
        field["value"]
        for field in ParsedPage(site.get("/timeline", id="visit-1", x="ä&").text).of("input")
        if field["name"] == "following"
    ]
    reply = site.post("/login", token="s3cret", following=following or "")
    assert (reply.status, reply.headers["Location"]) == (303, "timeline?id=visit-1&x=%C3%A4%26")
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    assert "s3cret" not in cookie
    page = site.get("/search", limit="50")
    assert "secret_event" in page.text
    assert "Sign out" in page.text
    assert site.get("/status").status == 200
    kept = site.cookie
    assert site.post("/logout").status == 303
    assert site.get("/").status == 401
    site.cookie = kept
    assert site.get("/").status == 401


def test_a_wrong_token_is_rejected() -> None:
    """The form appears again with the requested location."""
    site = site_beyond_loopback()
    for wrong in ("", "S3CRET", "s3cret ", "s3cret\x00", "é" * 50):
        reply = site.post("/login", token=wrong, following="search?event=x")
        assert reply.status == 401
        assert "Set-Cookie" not in reply.headers
        assert 'value="search?event=x"' in reply.text


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "login", "../x", "a\r\nb"],
)
def test_sign_in_never_redirects_to_another_site(place: str) -> None:
    """Only to own pages."""
    assert site_beyond_loopback().post("/login", token="s3cret", following=place).headers["Location"] == "./"


def test_a_program_sends_its_token_in_a_header() -> None:
    """A wrong token is answered with JSON."""
    site = site_beyond_loopback()
    assert "secret_event" in site.get("/search", limit="50", headers={"Authorization": "Bearer s3cret"}).text
    wrong = site.get("/search", headers={"Authorization": "Bearer nope"})
    assert (wrong.status, wrong.headers["Content-Type"]) == (401, "application/json")


def test_a_session_ends_after_a_shift() -> None:
    """And the oldest session ends if there are too many."""
    site = site_beyond_loopback()
    site.post("/login", token="s3cret")
    first = site.cookie
    site.clock.now += SESSION_S + 1
    assert site.get("/").status == 401
    site.post("/login", token="s3cret")
    second = site.cookie
    for _ in range(MOST_SESSIONS):
        site.cookie = ""
        site.post("/login", token="s3cret")
    site.cookie = second
    assert site.get("/").status == 401
    assert first != second


@pytest.mark.parametrize("other", ['prefs={"a": 1}', "x=a b", "a b=c", "x=é", 'x="', "path", "", "=", "x=[1],{}"])
def test_cookies_of_other_programs_on_the_host_are_ignored(other: str) -> None:
    """Cookies ignore ports, so others may appear anywhere in the header, in any form."""
    site = site_beyond_loopback()
    site.post("/login", token="s3cret")
    own = site.cookie
    for site.cookie in (f"{other}; {own}", f"{own}; {other}", f"{other};{own} ;{other}"):
        assert site.get("/").status == 200
    site.cookie = other
    assert site.get("/").status == 401


def test_a_large_cookie_is_parsed_quickly() -> None:
    """Its length is bounded by the header limit."""
    site = site_beyond_loopback()
    site.cookie = 'a="' + '\\"' * 32_000 + '"'
    began = time.process_time()
    assert site.get("/").status == 401
    assert time.process_time() - began < 1


def test_without_a_configured_token_access_is_closed() -> None:
    """An empty token does not help; the page shows a hint."""
    site = site_beyond_loopback(None)
    assert "token_file" in site.get("/").text
    assert site.post("/login", token="").status == 401
    assert site.post("/login", token="None").status == 401
    assert '<input id="token"' not in site.get("/").text


def test_behind_tls_the_cookie_is_secure() -> None:
    """As reported by the proxy."""
    reply = site_beyond_loopback().post("/login", {"X-Forwarded-Proto": "https"}, token="s3cret")
    assert "; Secure" in reply.headers["Set-Cookie"]


def test_on_loopback_without_a_token_there_is_no_sign_in() -> None:
    """The form redirects to the overview, and each page says who can read it."""
    assert Site().get("/login").headers["Location"] == "./"
    assert "Sign out" not in Site().get("/").text
    for path in ("/", "/search", "/tail", "/quarantine"):
        assert "every user of this machine can read these pages" in Site().get(path).text


def test_a_configured_token_holds_on_loopback_too() -> None:
    """Any local user reaches the port; state and store are their owner's alone."""
    site = Site(Memory([event(1, "secret_event")], [quarantined()]), token="s3cret")
    for path in ("/", "/search", "/timeline", "/tail", "/quarantine", "/status"):
        reply = site.get(path, limit="50", id="visit-1")
        assert (reply.status, "secret_event" in reply.text) == (401, False)
        assert site.get(path, headers={"Authorization": "Bearer wrong"}).status == 401
        assert site.get(path, headers={"Authorization": "Bearer s3cret"}, id="visit-1").status == 200
    assert [site.get(path).status for path in ("/metrics", "/health", "/live", "/ready")] == [200, 200, 200, 200]
    assert site.post("/login", token="s3cret", following="tail").status == 303
    page = site.get("/tail")
    assert (page.status, "every user" in page.text, "Sign out" in page.text) == (200, False, True)


@pytest.mark.parametrize("loopback", [True, False])
def test_wrong_tokens_slow_a_client_down(*, loopback: bool) -> None:
    """After ten, none is compared for a while, not even the right one; sessions and open addresses stay."""
    site = Site(token="s3cret", loopback=loopback)
    assert site.post("/login", token="s3cret").status == 303
    session, site.cookie = site.cookie, ""
    wrong, right = ({"Authorization": f"Bearer {token}"} for token in ("wrong", "s3cret"))
    assert [site.get("/status", headers=wrong).status for _ in range(11)] == [401] * 11
    reply = site.get("/status", headers=right)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert "Too many wrong tokens" in site.post("/login", token="s3cret").text
    assert site.get("/status", headers={"Cookie": session}).status == 200
    assert site.get("/metrics").status == 200
    site.clock.now += 0.6
    assert site.get("/status", headers=right).status == 200
    assert site.get("/status", headers=wrong).status == 401
    assert site.get("/status", headers=right).status == 429


ELSEWHERE: dict[str, dict[str, str]] = {
    "a script": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "a picture of a subdomain": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "a frame": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
}


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_a_page_of_another_site_cannot_start_a_search(headers: dict[str, str]) -> None:
    """Only links are allowed."""
    site = Site(Memory([event(1, "x")]))
    assert site.get("/search", headers=headers, limit="50").status == 403
    assert site.store.queries == []
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert site.get("/search", headers=link, limit="50").status == 200
    assert site.get("/metrics", headers=headers).status == 200


def test_a_form_of_another_site_cannot_sign_in_or_out() -> None:
    """According to the browser's Origin and Sec-Fetch-Site headers."""
    site = site_beyond_loopback()
    assert site.post("/login", {"Origin": "https://evil.example"}, token="s3cret").status == 403
    assert site.post("/login", {"Origin": "http://localhost:9108"}, token="s3cret").status == 303
    assert site.post("/logout", {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert site.get("/").status == 200


def test_a_shared_link_reloads_once_before_it_asks_for_the_token() -> None:
    """A browser omits a strict cookie after a link on another site, and sends it when the page reloads."""
    site = site_beyond_loopback()
    link: dict[str, Any] = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert '<meta http-equiv="refresh" content="0">' in site.get("/timeline", id="visit-1", headers=link).text
    link["Sec-Fetch-Site"] = "same-origin"
    assert "refresh" not in site.get("/timeline", id="visit-1", headers=link).text


def test_forms_use_existing_addresses() -> None:
    """Relative addresses that are served."""
    for path in PATHS:
        for form in ParsedPage(Site().get(path).text).of("form"):
            assert f"/{form['action']}" in PATHS


@pytest.mark.parametrize(("closed", "forms"), [(True, 0), (False, 1)])
@pytest.mark.parametrize("problem", [None, "Another text.", "no token: token_file names none"])
def test_the_sign_in_form_depends_on_the_state_and_not_on_the_message(
    problem: str | None, closed: bool, forms: int
) -> None:
    """A message may be reworded, and may name any setting."""
    answer = Site().pages.sign_in("./", problem, closed=closed, again=False)
    page = ParsedPage(answer.body.decode())
    assert len(page.of("form")) == forms
    assert problem is None or problem in page.text
