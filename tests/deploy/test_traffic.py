"""Traffic: the same seed, the same visits; the truth outlives an application that goes away."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.traffic.__main__ import main
from deploy.traffic.truth import Truth
from deploy.traffic.visits import Traffic

ANSWERS = {"POST": (201, b'{"id": 1}'), "GET": (200, b"{}"), "PUT": (200, b"{}"), "DELETE": (204, b"")}


class Recorder(ThreadingHTTPServer):
    """Answers everything well, and remembers what was asked in which order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def answer(self) -> None:
        """By its method; logins by their password."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, Recorder)
        self.server.asked.append((self.command, self.path, self.headers["X-Correlation-ID"], body))
        status, content = ANSWERS[self.command]
        if self.path.endswith("/login"):
            status, content = (401 if b"guess" in body else 200), b"{}"
        elif self.path.endswith("/complete"):
            status = 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 -- the server's names

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[Recorder]:
    """Listening."""
    recorder = Recorder()
    thread = threading.Thread(target=recorder.serve_forever, args=(0.02,))
    thread.start()
    yield recorder
    recorder.shutdown()
    thread.join()
    recorder.server_close()


def visits(server: Recorder, seed: int) -> tuple[list[tuple[str, str, str, bytes]], Truth]:
    """Return the requests of some visits, and the truth of them."""
    server.asked.clear()
    traffic = Traffic(server.url, seed)
    for _ in range(60):
        traffic.step()
    return list(server.asked), traffic.truth


def test_a_seed_makes_the_same_requests_again(server: Recorder) -> None:
    """Order, paths, correlation ids and bodies; another seed makes others."""
    assert visits(server, 3) == visits(server, 3)
    assert visits(server, 3) != visits(server, 4)


def test_the_truth_tells_every_request_that_was_answered(server: Recorder, tmp_path: Path) -> None:
    """By status and by kind, and a file holds all of it."""
    requests, truth = visits(server, 5)
    assert truth.requests.total() == len(requests)
    assert truth.logins["failure"] == sum(b"guess" in body for *_, body in requests)
    posted = [path for method, path, *_ in requests if method == "POST"]
    assert truth.patients["create"] == posted.count("/api/v1/patients")
    assert truth.prescriptions.total() == posted.count("/api/v1/prescriptions")
    truth.write(tmp_path / "truth.json")
    assert Truth.read(tmp_path / "truth.json") == truth


def test_an_application_that_is_away_leaves_requests_unanswered(tmp_path: Path) -> None:
    """Nobody can know what became of them: they are counted apart, and nothing else is."""
    with Recorder() as gone:
        url = gone.url
    path = tmp_path / "truth.json"
    done = CliRunner().invoke(main, ["--url", url, "--visits", "3", "--truth", str(path)])
    assert done.exit_code == 0
    truth = Truth.read(path)
    assert truth.unanswered >= 3
    assert not truth.requests
    assert not truth.logins


@pytest.mark.parametrize(("fault", "hint"), [("backlog", "--redis"), ("memory", "--mebibytes")])
def test_a_fault_that_needs_more_says_what(fault: str, hint: str) -> None:
    """A switch alone never guesses an address or an amount."""
    done = CliRunner().invoke(main, ["--fault", fault])
    assert done.exit_code == 2
    assert hint in done.output


def test_memory_is_held_by_the_generator_itself(server: Recorder) -> None:
    """It needs nothing of the application: it is an alert of the node."""
    done = CliRunner().invoke(main, ["--url", server.url, "--visits", "0", "--fault", "memory", "--mebibytes", "2"])
    assert done.exit_code == 0
    assert server.asked == []
