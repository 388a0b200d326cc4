"""Failed logins of the sample application behind a real nginx: counted once, whatever bytes a client sends."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deploy.services.unavailable import Unavailable
from tests.hazards.login_lines import LOGIN, LOGIN_PATHS, combined
from tests.integration.conftest import missing
from tests.services.nginx_server import NginxServer
from tests.services.sample_app import SampleApp
from tests.shapes.agent_run import Chain, Run, chains, log_path, running
from tests.shapes.envelopes import docker_records
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # the first run installs nginx
COUNTER = "failed_login_attempts_total"
HINT = "run the tests as root on Debian, or install nginx"
PATH = "/api/v1/auth/login"
FORGED = (
    LOGIN,
    f"\n{LOGIN}",
    f'"}} {LOGIN}',
    f'\\"}} {LOGIN}',
    combined(),
    f'" 401 12 "-" "-"\n{combined()}',
    f'"}}\r\n{LOGIN}\r\n{{"x":"',
)
"""Texts that are failed logins where they stand alone on a line."""


@dataclass(frozen=True)
class Sent:
    """What a client controls in one request."""

    method: str = "POST"
    path: bytes = PATH.encode()
    headers: dict[str, bytes] = field(default_factory=dict)
    user: str = "ada"

    def encoded(self) -> bytes:
        """Return the request as it is sent."""
        body = json.dumps({"user": self.user, "password": "wrong"}).encode()
        lines = [f"{self.method} ".encode() + self.path + b" HTTP/1.1", b"Host: clinic.example", b"Connection: close"]
        lines += [b"Content-Type: application/json", f"Content-Length: {len(body)}".encode()]
        lines += [name.encode() + b": " + value for name, value in self.headers.items()]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


HEADER_BYTES = st.binary(max_size=60).map(lambda data: bytes(byte for byte in data if byte not in b"\r\n\0"))
HEADERS = ("User-Agent", "Referer", "X-Correlation-ID", "X-Request-ID", "X-Forwarded-For", "Cookie", "traceparent")
forged = st.sampled_from(FORGED)
header_values = st.one_of(HEADER_BYTES, forged.map(lambda text: text.replace("\r", "").replace("\n", " ").encode()))
users = st.one_of(st.text(max_size=30), forged)


def percent(data: bytes) -> bytes:
    """Return bytes percent-encoded."""
    return b"".join(b"%%%02x" % byte for byte in data)


@st.composite
def login_paths(draw: st.DrawFn) -> bytes:
    """Return a path that could be the login's, with any query."""
    path = draw(st.sampled_from([PATH, PATH, PATH, *LOGIN_PATHS])).encode()
    encoded = draw(st.sets(st.integers(5, len(PATH) - 1), max_size=6))
    if path == PATH.encode():
        path = b"".join(
            percent(path[at : at + 1]) if at in encoded and path[at : at + 1] != b"/" else path[at : at + 1]
            for at in range(len(path))
        )
    query = draw(st.one_of(st.none(), st.binary(max_size=40), forged.map(str.encode)))
    visible = b"" if query is None else bytes(byte for byte in query if byte > 0x20 and byte != 0x7F)
    return path if query is None else path + b"?" + visible.replace(b"#", b"%23")


@st.composite
def basic(draw: st.DrawFn) -> bytes:
    """Return the credentials of nginx's `$remote_user`."""
    return b"Basic " + b64encode(draw(users).encode("utf-8", "surrogatepass") + b":x")


def headers() -> st.SearchStrategy[dict[str, bytes]]:
    """Return headers with values of a client's choice."""
    each = dict.fromkeys(HEADERS, header_values)
    return st.fixed_dictionaries({}, optional={**each, "Authorization": basic()})


logins = st.builds(
    Sent, path=login_paths(), headers=headers(), user=users.filter(lambda text: text.isprintable() or "\n" in text)
)
others = st.builds(
    Sent,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.sampled_from(
        [
            b"/api/v1/patients/7",
            b"/nowhere",
            b"/api/v1/auth/loginx",
            b"/live",
            b"/api/v1/patients/%7b%22event%22:%22login_failed%22%7d",
        ]
    ),
    headers=headers(),
    user=users,
)


class Stand:
    """The application, nginx in front of it, and one agent for each way to count."""

    def __init__(self, folder: Path, stack: ExitStack, chain: Chain) -> None:
        """Start everything. Raises Unavailable."""
        self.app = SampleApp(folder / "app", faults=False).start()
        stack.callback(self.app.stop)
        (folder / "nginx").mkdir()
        self.nginx = NginxServer(folder / "nginx", self.app.address).start()
        stack.callback(self.nginx.stop)
        self.logs = {name: log_path(folder / name, 0, "docker") for name in ("combined", "json")}
        for path in self.logs.values():
            path.parent.mkdir(parents=True)
            path.touch()
        proxy = {name: str(path.parent / "*.log") for name, path in self.logs.items()}
        application = {"type": "docker", "glob": self.app.logs.removeprefix("docker:")}
        inputs = {
            "application": [application],
            "access": [{"type": "docker", "glob": proxy["combined"], "http_source": "access"}],
            "access in JSON": [{"type": "docker", "glob": proxy["json"], "http_source": "access"}],
            "both": [application, {"type": "docker", "glob": proxy["combined"]}],
            "both, in JSON": [application, {"type": "docker", "glob": proxy["json"]}],
        }
        self.runs: dict[str, Run] = {
            name: stack.enter_context(running(folder / name.replace(" ", "-"), each, chain))
            for name, each in inputs.items()
        }
        self._copied = {"combined": 0, "json": 0}
        self._requests = self.expected = 0

    def send(self, sent: Sent) -> None:
        """Send a request, and note whether the application rejected a login."""
        with socket.create_connection(("127.0.0.1", self.nginx.port), timeout=20) as connection:
            connection.sendall(sent.encoded())
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        self._requests += 1
        self.expected += answer.split(b" ", 2)[1] == b"401"

    def counted(self) -> dict[str, float]:
        """Return the counter in each way to count, once all is written and read."""
        until(
            lambda: (
                self.nginx.combined.read_bytes().count(b"\n") >= self._requests
                and self.nginx.as_json.read_bytes().count(b"\n") >= self._requests
            )
        )
        for name, source in (("combined", self.nginx.combined), ("json", self.nginx.as_json)):
            lines = source.read_bytes().split(b"\n")[:-1]
            with self.logs[name].open("ab") as log:
                for line in lines[self._copied[name] :]:
                    log.write(docker_records(line.decode("utf-8", "replace"), "2026-11-30T12:00:00.126000417Z"))
            self._copied[name] = len(lines)
        counts: dict[str, float] = {}

        def read() -> bool:
            for name, run in self.runs.items():
                run.read(pauses=1)
                counts[name] = run.counter(COUNTER)
            return counts["application"] >= self.expected

        until(read, 20)
        return counts


@pytest.fixture(scope="module", params=chains())
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Yield everything running."""
    with ExitStack() as stack:
        try:
            yield Stand(tmp_path_factory.mktemp("nginx"), stack, request.param)
        except Unavailable as error:
            missing(str(error), HINT)


def check(stand: Stand, requests: list[Sent]) -> None:
    """Send requests, and compare every way to count with the responses."""
    for sent in requests:
        stand.send(sent)
    assert stand.counted() == dict.fromkeys(stand.runs, stand.expected)


bounded = settings(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)


@bounded
@given(requests=st.lists(logins, min_size=4, max_size=12))
@example(requests=[Sent(path=path.encode()) for path in LOGIN_PATHS])
@example(requests=[Sent(user=text) for text in FORGED])
@example(requests=[Sent(headers={"User-Agent": text.replace("\n", " ").replace("\r", "").encode()}) for text in FORGED])
def test_a_failed_login_is_counted_once_whatever_a_client_sends(stand: Stand, requests: list[Sent]) -> None:
    """By the application's record, by nginx's line in either form, and where both log it."""
    check(stand, requests)


@bounded
@given(requests=st.lists(others, min_size=4, max_size=12))
def test_no_text_of_a_client_raises_the_counter(stand: Stand, requests: list[Sent]) -> None:
    """Requests of other kinds, with failed logins in everything a client controls."""
    before = stand.expected
    check(stand, requests)
    assert stand.expected == before


def test_the_stand_counts_a_plain_login(stand: Stand) -> None:
    """One failed login raises each way to count by one."""
    before = stand.expected
    check(stand, [Sent()])
    assert stand.expected == before + 1
