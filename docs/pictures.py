"""The pictures of the page: `python -m docs.pictures` takes them of an agent that follows two minutes of traffic.

Needs Chromium, which is installed from its Debian package where it is missing.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from deploy.demo.json_file import JsonFileLog
from deploy.services.debian import program
from deploy.services.http import answers
from deploy.services.processes import free_port
from deploy.services.waiting import waited

FOLDER = Path(__file__).with_name("_static")
HOST, VISIT = "node-1", "visit-2497544eb5"
TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/services/{name}.py", line {line}, in {name}\n    return pharmacy.ask(visit, timeout={line / 20})\n'
    for line, name in enumerate(["route", "visit", "prescribe", "dispense", "ask"] * 3, 11)
)
EVENTS: list[tuple[float, dict[str, Any]]] = [
    (6, {"event": "patient_created", "level": "info", "duration_ms": 31.5, "message": "Patient created successfully"}),
    (5, {"event": "login_succeeded", "level": "info", "outcome": "success"}),
    (3, {"event": "prescription_created", "level": "info", "medication": "ibuprofen"}),
    (2.5, {"event": "appointment_scheduled", "level": "info"}),
    (1, {"event": "prescription_created", "level": "info", "medication": "metformin"}),
    (1, {"event": "login_failed", "level": "warning", "client_ip": "10.20.30.40"}),
]
"""Events of the traffic, with their relative frequency."""

UNUSABLE = 0.02
"""Share of entries with no correlation id, or an unusable one."""


class Picture(NamedTuple):
    """A file, the address that it shows, the size of the window in pixels, and whether the room is lit."""

    name: str
    place: str
    width: int
    height: int
    scheme: Any = "light"


PICTURES = (
    Picture("page-overview.png", "/", 1180, 830),
    Picture("page-timeline.png", f"/timeline?id={VISIT}", 1180, 740, "dark"),
    Picture("page-phone.png", f"/timeline?id={VISIT}", 390, 760),
)

PLACE = "/var/lib/shipper"
"""Path that the pictures show for the folder, which differs each time."""
SHOW = """([folder, place]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(folder, place);
}"""


class Node:
    """Three containers on a node, and what they print."""

    def __init__(self, folder: Path) -> None:
        self._logs = {
            name: JsonFileLog(folder / "containers", name.encode().hex().ljust(64, "0"), name,
                              {"com.docker.compose.service": name})
            for name in ("gateway", "backend", "worker")
        }  # fmt: skip

    def close(self) -> None:
        """Close their logs."""
        for log in self._logs.values():
            log.close()

    def say(self, name: str, correlation_id: str | None, **fields: Any) -> None:  # noqa: ANN401
        """Print an entry."""
        identity = {} if correlation_id is None else {"correlation_id": correlation_id}
        self._logs[name].write(json.dumps(identity | fields).encode() + b"\n", "stdout")

    def traffic(self, seconds: float, chance: random.Random) -> None:
        """Visits, now more and now fewer, a few of them without an id or with one that cannot be used."""
        weights, entries = zip(*EVENTS, strict=True)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            number = chance.randrange(10**10)
            unusable = chance.choice([None, "not usable"]) if chance.random() < UNUSABLE else f"visit-{number:010x}"
            self.say("backend", unusable, **chance.choices(entries, weights)[0])
            time.sleep(0.01 + 0.05 * abs((left % 80) - 40) / 40)

    def failure(self) -> None:
        """One visit over all three that ends with an error."""
        self.say("gateway", VISIT, event="request_start", level="info", method="POST", path="/api/v1/patients")
        time.sleep(0.003)
        self.say("backend", VISIT, event="login_succeeded", level="info")
        time.sleep(0.037)
        self.say("backend", VISIT, event="patient_created", level="info", duration_ms=36.2,
                 message="Patient created successfully")  # fmt: skip
        time.sleep(0.007)
        self.say("worker", VISIT, event="cache_miss", level="warning", message="label cache is cold")
        time.sleep(1.13)
        self.say("worker", VISIT, event="prescription_failed", level="error", duration_ms=1031.0,
                 error_type="RuntimeError", error_message="pharmacy did not answer",
                 exception=f"{TRACE}RuntimeError: pharmacy did not answer")  # fmt: skip
        time.sleep(0.065)
        self.say("gateway", VISIT, event="request_complete", level="error", method="POST", path="/api/v1/patients",
                 status_code=500, duration_ms=1243.0)  # fmt: skip


@contextmanager
def agent(folder: Path) -> Iterator[str]:
    """An agent in that folder, over its containers; gives its address."""
    listen = f"127.0.0.1:{free_port()}"
    options = ["--input", "docker:containers/*/*-json.log", "--listen", listen]
    with (folder / "agent.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper", "run", *options],
            cwd=folder, env={**os.environ, "SHIPPER_HOST": HOST}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            if not waited(lambda: answers(f"http://{listen}/ready"), 90):
                raise TimeoutError(f"the agent does not answer:\n{(folder / 'agent.log').read_text()}")
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait()


def take(url: str, into: Path, folder: str) -> None:
    """Take all pictures of the agent at `url`, which runs in `folder`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium", "chromium"), args=["--no-sandbox"])
        for picture in PICTURES:
            size: Any = {"width": picture.width, "height": picture.height}
            page = browser.new_page(viewport=size, color_scheme=picture.scheme)
            page.goto(f"{url}{picture.place}", wait_until="load")
            page.evaluate(SHOW, [folder, PLACE])
            page.screenshot(path=into / picture.name)
            page.close()
        browser.close()


def main(seconds: float = 120, into: Path = FOLDER) -> None:
    """Let it run for a while, and look."""
    with (
        tempfile.TemporaryDirectory(prefix="shipper-pictures-") as name,
        closing(Node(Path(name))) as node,
        agent(Path(name)) as url,
    ):
        node.traffic(seconds, random.Random(2497544))
        node.failure()
        if not waited(lambda: answers(f"{url}/timeline?id={VISIT}"), 90):
            raise TimeoutError("the visit was not stored within 90 s")
        time.sleep(3)  # all of it, and one more point of the charts
        take(url, into, name)


if __name__ == "__main__":
    main()
