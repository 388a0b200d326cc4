"""The pages in a real browser: with no event, one and very many, with hostile content, on a phone, in dark mode.

No page may load anything from another site, or leave an error on the console.

"""

import json
import re
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from elasticsearch import Elasticsearch
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from deploy.services.debian import program
from deploy.services.processes import free_port
from deploy.services.sinks import Serving
from deploy.services.unavailable import Unavailable
from shipper.config.settings import Settings
from shipper.outputs import registry
from tests.hazards import hostile
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
OPTIONS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu",
]  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = [(name, size, scheme) for name, size in (("desk", DESK), ("phone", PHONE)) for scheme in ("light", "dark")]
ERROR_PAGE = re.compile(r"the server responded with a status of (400|401|404)")
"""Chromium's console message for a page with an error status, such as an unknown correlation id."""
MANY = 100_000
REJECTED_ENTRIES = 1
"""Number of the story's rejected entries: one without a correlation id."""
VISIT = "visit-2497544eb5"
TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/services/pharmacy.py", line {line}, in ask\n    return self.ask(timeout={line})\n'
    for line in range(12)
)
WAIT_MS = 90_000


@pytest.fixture(scope="module", autouse=True)
def ids_are_required() -> Iterator[None]:
    """Quarantine each structured entry without an id, so that the pages have some to show."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHIPPER_SCHEMA__REQUIRE_CORRELATION_ID", "always")
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    try:
        path = program("chromium", "chromium")
    except Unavailable as error:
        missing(str(error), "apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield chromium
        chromium.close()


@dataclass
class Tab:
    """A browser tab, and everything that went wrong in it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, place: str = "/") -> Page:
        """Open a page of the agent."""
        self.page.goto(f"{self.base}{place}", wait_until="load")
        return self.page

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all matching elements, with blanks folded."""
        return [" ".join(text.split()) for text in self.page.locator(selector).all_inner_texts()]


@contextmanager
def open_tab(browser: Browser, base: str, *, size: Any = DESK, scheme: Any = "light", **options: Any) -> Iterator[Tab]:
    """Open a tab in its own context; fail if a page logged an error or requested another site."""
    context = browser.new_context(viewport=size, color_scheme=scheme, **options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    tab = Tab(page, base)
    page.on("console", lambda message: tab.wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: tab.wrong.append(str(error)))
    page.on("dialog", lambda dialog: (tab.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: tab.requests.append(request.url))
    try:
        yield tab
    finally:
        context.close()
    assert [text for text in tab.wrong if not ERROR_PAGE.search(text)] == []
    assert [url for url in tab.requests if not url.startswith(base)] == []


# --- agents -----------------------------------------------------------------------------------------


class Containers:
    """Docker's folders of containers, and their output."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.at, self.printed = folder, datetime.now(UTC) - timedelta(hours=1), 0

    @property
    def input(self) -> str:
        """Return the input as `--input` takes it."""
        return f"docker:{self.folder}/*/*-json.log"

    def log(self, name: str) -> Path:
        """Return the log of a container, created if it does not exist."""
        id_ = name.encode().hex().ljust(64, "0")[:64]
        folder = self.folder / id_
        if not folder.exists():
            folder.mkdir(parents=True)
            labels = {"com.docker.compose.service": name}
            config = {
                "ID": id_,
                "Name": f"/{name}",
                "Image": "sha256:0",
                "Config": {"Image": f"{name}:1", "Labels": labels},
            }
            (folder / "config.v2.json").write_text(json.dumps(config))
        return folder / f"{id_}-json.log"

    def say(self, name: str, *entries: dict[str, Any] | str, ms: float = 1) -> None:
        """Print entries, each `ms` milliseconds after the one before."""
        with self.log(name).open("a", encoding="utf-8") as file:
            file.writelines(self.line(entry, ms) for entry in entries)

    def line(self, entry: dict[str, Any] | str, ms: float) -> str:
        """Return a line as Docker writes it."""
        self.at += timedelta(milliseconds=ms)
        self.printed += 1
        text = entry if isinstance(entry, str) else json.dumps(entry)
        time = self.at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        return json.dumps({"log": f"{text}\n", "stream": "stdout", "time": time}) + "\n"


@dataclass(eq=False)
class RunningAgent:
    """An agent that serves pages."""

    agent: AgentProcess
    containers: Containers
    base: str

    def stored(self) -> float:
        """Return the number of events that it has stored."""
        return self.agent.metric("shipper_events_total", outcome="indexed")


@contextmanager
def running_agent(folder: Path, fill: Callable[[Containers], None], **options: Any) -> Iterator[RunningAgent]:
    """Yield an agent that has stored everything that `fill` prints."""
    containers = Containers(folder / "containers")
    fill(containers)
    lines = sum(path.read_bytes().count(b"\n") for path in containers.folder.glob("*/*.log"))
    listen = f"{options.pop('host', '127.0.0.1')}:{free_port()}"
    agent = AgentProcess(folder, containers.input, listen=listen, **options)
    local = listen.replace("0.0.0.0", "127.0.0.1")
    agent.listen = listen
    agent.start()
    agent.listen = local
    try:
        running = RunningAgent(agent, containers, f"http://{local}")
        until(partial(settled, agent, lines), 240)
        yield running
    finally:
        agent.stop()


def settled(agent: AgentProcess, lines: int) -> bool:
    """Return True once it is ready and all lines have an outcome."""
    try:
        with urllib.request.urlopen(f"http://{agent.listen}/ready", timeout=5):
            return agent.metric("shipper_lines_total") >= lines
    except OSError:
        return False


def story(containers: Containers) -> None:
    """Print one failed visit across three containers, and an entry without a correlation id."""
    say = containers.say
    say(
        "gateway",
        {"correlation_id": VISIT, "event": "request_start", "level": "info", "method": "POST", "path": "/visits"},
    )
    say("backend", {"correlation_id": VISIT, "event": "login_failed", "level": "warning", "user_id": 7}, ms=3)
    say("backend", {"correlation_id": VISIT, "event": "visit_created", "level": "info", "duration_ms": 40.5}, ms=45)
    say(
        "worker",
        {"correlation_id": VISIT, "event": "prescription_failed", "level": "error", "duration_ms": 1031.5,
         "error_type": "RuntimeError", "error_message": "pharmacy did not answer", "exception": f"{TRACE}RuntimeError: no"},
        ms=1100,
    )  # fmt: skip
    say("gateway", {"correlation_id": VISIT, "event": "request_complete", "level": "error", "status_code": 500,
                    "duration_ms": 1220.0}, ms=60)  # fmt: skip
    say("backend", {"event": "nightly_job", "level": "info"})


def crowd(containers: Containers) -> None:
    """Print very many events of many visits, and the story at their end."""
    names = ("gateway", "backend", "worker")
    for name in names:
        levels = ("info", "info", "debug", "warning")
        with containers.log(name).open("w", encoding="utf-8") as file:
            file.writelines(
                containers.line(
                    {"correlation_id": f"visit-{number // 5:05d}", "event": "request_complete", "level": levels[number % 4],
                     "status_code": 200, "duration_ms": 12.5, "message": f"visit of ward {number % 50}"}, 0.1,
                )
                for number in range(MANY // len(names) + 1)
            )  # fmt: skip
    story(containers)


def hostility(containers: Containers) -> None:
    """Print all hostile content, as a runtime writes it, in containers whose labels are hostile too."""
    containers.log("backend").write_bytes(b"".join(hostile.RECORDS.values()))
    for number, claimed in enumerate(hostile.SERVICES.values()):
        log = containers.log(f"c{number}")
        config = log.parent / "config.v2.json"
        content = json.loads(config.read_text())
        content["Config"]["Labels"]["com.docker.compose.service"] = claimed
        config.write_text(json.dumps(content))
        containers.say(f"c{number}", {"correlation_id": "hostile-1", "event": "login_failed", "message": hostile.HTML})


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """Yield an agent without logs."""
    with running_agent(tmp_path_factory.mktemp("nothing"), lambda _: None) as running:
        yield running


def start(containers: Containers) -> None:
    """Print one event."""
    containers.say("backend", {"correlation_id": "only-1", "event": "started", "level": "info", "message": "up"})


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """Yield an agent with one event."""
    with running_agent(tmp_path_factory.mktemp("one"), start) as running:
        yield running


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[RunningAgent]:
    """Yield an agent with one event, to which a test adds."""
    with running_agent(tmp_path, start) as running:
        yield running


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """Yield an agent with very many events."""
    with running_agent(tmp_path_factory.mktemp("many"), crowd) as running:
        yield running


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """Yield an agent with hostile content."""
    with running_agent(tmp_path_factory.mktemp("attacked"), hostility) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """Yield an agent that listens beyond loopback, with a token."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text("a-long-secret")
    config = folder / "shipper.yaml"
    config.write_text(f"token_file: {folder}/token\n")
    with running_agent(folder, story, host="0.0.0.0", config=config) as running:
        yield running


# --- every page -----------------------------------------------------------------------------------


def faults(page: Page) -> list[str]:
    """Return the page's serious accessibility violations, and its width if it exceeds the window."""
    violations = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return [*violations, *([f"{wide} wide in {room}"] if wide > room else [])]


@pytest.mark.parametrize(("size", "scheme"), [look[1:] for look in LOOKS], ids=[f"{a}-{c}" for a, _, c in LOOKS])
def test_every_screen_can_be_used_at_every_size_in_every_light(
    browser: Browser, nothing: RunningAgent, one: RunningAgent, many: RunningAgent, attacked: RunningAgent, guarded: RunningAgent, size: Any, scheme: str
) -> None:  # fmt: skip
    """With 0, 1 and 100,000 events and hostile ones: no serious violation, nothing beyond the edge of a phone."""
    screens = {many: ("/", "/search?limit=50", f"/timeline?id={VISIT}", "/tail?level=warning", "/quarantine")}
    if (size, scheme) in ((DESK, "light"), (PHONE, "dark")):  # the same styles apply to the other combinations
        screens |= {
            nothing: ("/", "/search?limit=50", "/tail", "/timeline?id=nobody"),
            one: ("/search?event=started", "/timeline?id=only-1", "/search?level=loud"),
            attacked: ("/", "/search?limit=50", "/timeline?id=hostile-1", "/quarantine"),
            guarded: ("/",),
        }
    problems: dict[str, list[str]] = {}
    for agent, places in screens.items():
        with open_tab(browser, agent.base, size=size, scheme=scheme) as tab:
            for place in places:
                page = tab.go(place)
                for details in page.locator("details").all()[:4]:
                    details.evaluate("one => { one.open = true; }")
                if wrong := faults(page):
                    problems[f"{agent.agent.folder.name} {place}"] = wrong
    assert problems == {}


def test_nothing_one_and_very_many_events_each_say_what_they_are(
    browser: Browser, nothing: RunningAgent, one: RunningAgent, many: RunningAgent
) -> None:
    """An empty page says what to do; a search among 100,000 events is as quick as among one."""
    with open_tab(browser, nothing.base) as tab:
        page = tab.go()
        assert "No events yet" in page.inner_text("main")
        assert "shipper check" in page.inner_text("main")
        for place, said in (
            ("/search?limit=50", "No matching events"),
            ("/tail", "No events yet"),
            ("/quarantine", "No quarantined entries"),
        ):
            assert said in tab.go(place).inner_text("main")
    with open_tab(browser, one.base) as tab:
        assert "1 event, newest first" in tab.go("/search?event=started").inner_text("main")
    with open_tab(browser, many.base) as tab:
        page = tab.go()
        assert f"{many.containers.printed - REJECTED_ENTRIES:,} events" in page.inner_text("main")
        assert len(tab.texts("section.tiles figure")) == 4
        page = tab.go("/search?text=ward+17&level=warning&limit=500")
        assert page.locator("tr[data-key]").count() == 500
        assert "Only the newest 500" in page.inner_text("main")
        page = tab.go("/timeline?id=visit-00042")
        assert page.locator("table.timeline tr[id]").count() == 15


def test_hostile_content_is_shown_and_does_nothing(browser: Browser, attacked: RunningAgent) -> None:
    """In every field, label and name: no script runs, nothing is loaded, no text is reordered."""
    places = ("/", "/search?limit=500", "/search?event=login_failed", "/timeline?id=hostile-1", "/tail", "/quarantine",
              "/search?text=%22%3E%3Cscript%3Edocument.title%3D%27owned%27%3C%2Fscript%3E&event=%E2%80%AE&container=%1B%5B2J",
              "/timeline?id=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")  # fmt: skip
    with open_tab(browser, attacked.base) as tab:
        for place in places:
            page = tab.go(place)
            assert page.title() != "owned"
            assert hostile.deceiving(page.content()) == [], place
            assert page.locator("main img, main script, main iframe, main a[href^='javascript']").count() == 0
            assert {
                shown.rpartition("/")[2].partition("?")[0]
                for shown in page.eval_on_selector_all("script", "all => all.map(one => one.src)")
            } == {"page.js"}
        shown = tab.go("/timeline?id=hostile-1").content()
        assert "&lt;script&gt;document.title=" in shown
        assert r"\u202e" in shown


# --- use cases --------------------------------------------------------------------------------


def tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not lead to {selector}")


def test_the_keyboard_alone_leads_from_the_front_to_the_stack_trace(browser: Browser, many: RunningAgent) -> None:
    """Tab, type, Enter: to a search, to the timeline, into the trace and the JSON; the focus is always visible."""
    with open_tab(browser, many.base) as tab:
        page = tab.go()
        tab_to(page, ".skip", 1)
        tab_to(page, "nav a[href='search']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search")
        tab_to(page, "#f-event")
        page.keyboard.type("prescription_failed")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?*event=prescription_failed*")
        tab_to(page, "tr a.id")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/timeline?id={VISIT}")
        tab_to(page, ".trace summary")
        page.keyboard.press("Enter")
        assert page.locator(".trace[open] pre").inner_text().endswith("RuntimeError: no")
        tab_to(page, ".json summary")
        page.keyboard.press("Enter")
        assert json.loads(page.locator(".json[open] pre").inner_text())["correlation_id"] == VISIT


def test_a_timeline_goes_across_containers_and_its_link_opens_the_same(browser: Browser, many: RunningAgent) -> None:
    """Lanes, bars by duration, marked errors, visible gaps, folded traces; the link opens the same page for others."""
    with open_tab(browser, many.base, permissions=["clipboard-read", "clipboard-write"]) as tab:
        page = tab.go()
        page.fill("#lookup", VISIT)
        page.press("#lookup", "Enter")
        page.wait_for_url("**/timeline?*")
        assert tab.texts(".lane span") == ["gateway", "backend", "worker"]
        rows = tab.texts("table.timeline tbody tr")
        assert "without an entry" in rows[3]
        assert page.locator("tr.wrong").count() == 2
        widths = [float(str(bar.get_attribute("width"))) for bar in page.locator("td.bars rect").all()]
        assert widths[0] < widths[2] < widths[3] < widths[4] == 1000
        assert not page.locator(".trace pre").is_visible()
        page.click(".trace summary")
        assert "pharmacy.py" in page.inner_text(".trace pre")
        page.click("button.copy >> nth=0")
        until(lambda: page.inner_text("#said") == "Copied")
        link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{many.base}/timeline?id={VISIT}"
    with open_tab(browser, many.base) as other:
        other.page.goto(link)
        assert other.texts("table.timeline tbody tr") == rows


def test_a_live_tail_follows_its_filter_and_pauses(browser: Browser, growing: RunningAgent) -> None:
    """New events appear at the top; while paused no request is sent, and later the missed events follow."""
    say = growing.containers.say
    with open_tab(browser, growing.base) as tab:
        growing.containers.at = datetime.now(UTC)
        page = tab.go("/tail?level=warning")
        page.wait_for_selector("#waiting")
        say("backend", {"correlation_id": "t-1", "event": "not_asked_for", "level": "info"})
        say("backend", {"correlation_id": "t-1", "event": "first_warning", "level": "warning"})
        page.wait_for_selector("td.event >> text=first_warning")
        page.click("#hold")
        assert page.get_attribute("#hold", "aria-pressed") == "true"
        stored, requests = growing.stored(), len(tab.requests)
        say("backend", {"correlation_id": "t-1", "event": "second_warning", "level": "error"})
        until(lambda: growing.stored() > stored)
        page.wait_for_timeout(2500)  # longer than a poll interval
        assert len(tab.requests) == requests
        assert tab.texts("td.event") == ["first_warning"]
        page.click("#hold")
        page.wait_for_selector("td.event >> text=second_warning")
        assert tab.texts("td.event") == ["second_warning", "first_warning"]
        assert page.locator("#waiting").is_hidden()


def test_the_overview_stays_current_and_keeps_what_is_open(browser: Browser, growing: RunningAgent) -> None:
    """Numbers update automatically; opened details stay open."""
    with open_tab(browser, growing.base) as tab:
        page = tab.go()
        page.click("[data-part=counters] summary")
        page.mouse.move(1, 1)
        page.evaluate("document.activeElement.blur()")
        before = tab.texts(".tile .total")[0]
        growing.containers.say("backend", {"correlation_id": "t-2", "event": "login_failed", "level": "warning"})
        page.wait_for_selector("td:has-text('failed_login_attempts_total') + td:text-is('1')")
        assert tab.texts(".tile .total")[0] != before
        assert page.locator("[data-part=counters] details").get_attribute("open") is not None
        until(lambda: page.locator(".tile polyline").count() == 4)  # a rate needs two samples


def test_the_pages_work_without_javascript(browser: Browser, many: RunningAgent) -> None:
    """Status with its charts, search, timeline, folded traces, tail by a link, commands: no button without effect."""
    with open_tab(browser, many.base, java_script_enabled=False) as tab:
        until(lambda: tab.go().locator("section.tiles svg polyline").count() == 4)
        page = tab.page
        page.click("nav >> text=Search")
        page.fill("#f-event", "prescription_failed")
        page.click("button.first")
        page.click("tr a.id")
        assert page.locator("table.timeline tr.wrong").count() == 2
        page.click(".trace summary")
        assert page.locator(".trace pre").is_visible()
        page = tab.go("/tail?level=error")
        assert tab.texts("td.event") == ["request_complete", "prescription_failed"]
        page.click("noscript a >> text=2 s")
        page.wait_for_url("**/tail?level=error&every=2")
        requests = len(tab.requests)
        until(lambda: (page.wait_for_timeout(200), len(tab.requests) > requests)[1])
        page = tab.go("/quarantine")
        assert "shipper quarantine release" in page.inner_text("main")
        assert page.locator("button:visible", has_text=re.compile("Copy|Pause")).count() == 0


def test_the_release_command_does_what_it_says(browser: Browser, many: RunningAgent) -> None:
    """The command is copied from the page; the entry is rejected again, since nothing was fixed."""
    with open_tab(browser, many.base) as tab:
        page = tab.go()
        page.click("text=correlation_id_missing")
        page.wait_for_url("**/quarantine?reason=correlation_id_missing")
        command = page.inner_text(".release code")
    done = subprocess.run(
        command.replace("shipper ", f"{many.agent.command()[0]} -m shipper ", 1), shell=True, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[:2]) == (1, ["released: 0", "still rejected: 1"]), done.stderr


def test_searches_of_many_do_not_stop_the_counting(many: RunningAgent) -> None:
    """Searches beyond the limit get 503, and lines are counted meanwhile."""
    answers: list[int] = []

    def search() -> None:
        try:
            with urllib.request.urlopen(
                f"{many.base}/search?text=nowhere+ward&container=none&limit=500", timeout=100
            ) as response:
                answers.append(response.status)
        except urllib.error.HTTPError as error:
            with error:
                answers.append(error.code)

    people = [threading.Thread(target=search) for _ in range(12)]
    before = many.agent.metric("shipper_lines_read_total")
    for person in people:
        person.start()
    many.containers.say("backend", *({"correlation_id": "busy-1", "event": "x", "level": "info"} for _ in range(500)))
    until(lambda: many.agent.metric("shipper_lines_read_total") >= before + 500)
    for person in people:
        person.join(100)
    assert len(answers) == 12
    assert set(answers) <= {200, 503}
    assert 200 in answers


def test_the_pages_work_the_same_over_elasticsearch(browser: Browser, elasticsearch: str, tmp_path: Path) -> None:
    """Search, timeline across containers and quarantine."""
    own = uuid.uuid4().hex[:8]
    names = {"prefix": f"t{own}-logs", "quarantine_prefix": f"t{own}-quarantine"}
    config = tmp_path / "shipper.yaml"
    config.write_text(json.dumps({"index": names, "elasticsearch": {"replicas": 0}}))
    settings = Settings.model_validate({**json.loads(config.read_text()), "output": elasticsearch})
    list(registry.installation(settings))
    client = Elasticsearch(elasticsearch)
    try:
        with running_agent(tmp_path, story, output=elasticsearch, config=config) as running:
            client.indices.refresh(index=f"t{own}-*")
            with open_tab(browser, running.base) as tab:
                page = tab.go("/search?text=pharmacy&level=error")
                assert tab.texts("td.event") == ["prescription_failed"]
                page.click("tr a.id")
                page.wait_for_url("**/timeline?*")
                assert tab.texts(".lane span") == ["gateway", "backend", "worker"]
                assert page.locator("tr.wrong").count() == 2
                assert f"shipper search {VISIT} --config {config}" in page.inner_text("main")
                assert "nightly_job" in tab.go("/quarantine").inner_text("main")
                assert len(tab.go("/tail").locator("td.event").all()) == 5
    finally:
        for index in client.indices.get(index=[f"{name}-*" for name in names.values()]):
            client.indices.delete(index=index)
        for name in names.values():
            client.options(ignore_status=404).indices.delete_index_template(name=name)
        client.close()


# --- other sites and people ---------------------------------------------------------------------------------------


class Elsewhere(Serving):
    """A page of another site that links to ours, and tries more than that."""

    def __init__(self, target: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f'<!doctype html><title>x</title><a href="{target}/timeline?id={VISIT}">look</a><iframe src="{target}/"></iframe>'
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def sign_in(page: Page) -> None:
    """Type the token."""
    page.fill("#token", "a-long-secret")
    page.click("button.first")


def test_beyond_loopback_people_sign_in_and_out(browser: Browser, guarded: RunningAgent) -> None:
    """They reach the requested page; what they leave behind opens nothing."""
    with open_tab(browser, guarded.base) as tab:
        page = tab.go(f"/timeline?id={VISIT}")
        assert VISIT not in page.inner_text("main")
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("[role=alert]")
        sign_in(page)
        page.wait_for_url(f"**/timeline?id={VISIT}")
        assert page.locator("table.timeline").count() == 1
        (cookie,) = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert "a-long-secret" not in cookie["value"]
        assert page.evaluate("document.cookie") == ""
        page.click("text=Sign out")
        page.wait_for_selector("#token")
        page.context.add_cookies([{**cookie, "expires": -1}])  # type: ignore[typeddict-item]
        tab.go("/")
        assert page.locator("#token").count() == 1


def test_a_link_on_another_site_opens_for_who_is_signed_in_and_a_frame_does_not(
    browser: Browser, guarded: RunningAgent
) -> None:
    """The strict cookie is sent after one more redirect; a frame shows no page of ours."""
    context: BrowserContext = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    try:
        page = context.new_page()
        page.goto(guarded.base)
        sign_in(page)
        page.wait_for_selector("section.tiles")
        with Elsewhere(guarded.base) as site:
            page.goto(f"http://{site.address.replace('127.0.0.1', 'localhost')}")
            (frame,) = page.frames[1:]
            assert "Healthy" not in frame.content()
            page.click("text=look")
            page.wait_for_selector("table.timeline")
    finally:
        context.close()
