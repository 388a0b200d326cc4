"""The writing connection to a cluster: requests with ready bytes over pools of connections, one pool for each host.

The client library is for management and search. On the way of every event it costs an eighth of the agent's time and
11 MB, and does nothing there that urllib3, on which it rests, does not do.
"""

import base64
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

from shipper import __version__
from shipper.config.output_settings import ElasticsearchSettings
from shipper.outputs.elasticsearch.answers import (
    Answer,
    not_elasticsearch,
    timed_out,
    tls,
    tls_failure,
    unexpected_response,
    unreachable,
    with_port,
)

JSON, NDJSON = "application/json", "application/x-ndjson"
GZIP_LEVEL, GZIP_WINDOW = 1, 31
"""The fastest level makes bulk bodies an eighth; level 9 a tenth, in four times the time."""
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0
"""Seconds for which a host that failed is tried last; twice as long after each further failure."""
PRODUCT, ELASTICSEARCH = "x-elastic-product", "Elasticsearch"


@dataclass(slots=True)
class Host:
    """One node of the cluster: its pool, and its failures."""

    pool: urllib3.HTTPConnectionPool
    path: str
    """Prefix of all paths, without a slash at its end."""
    failures: int = 0
    rests_until: float = 0.0


class Connection:
    """Sends requests; safe for several threads.

    Requests rotate over all hosts, and a host that fails is tried last for a while. A request is retried once on
    each host if the connection breaks, as an idle one may; a response of any status is returned.
    """

    def __init__(
        self, url: str, settings: ElasticsearchSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Create the pools; sends nothing. Raises ConfigurationError if a file of the settings is unusable."""
        self._url, self._compress, self._monotonic = url, settings.compress, monotonic
        urls = [with_port(host) for host in (url, *settings.hosts)]
        context = tls(settings) if any(host.startswith("https:") for host in urls) else None
        options: dict[str, Any] = {
            "timeout": Timeout(total=settings.request_timeout), "maxsize": settings.in_flight, "block": True,
            "retries": False,
        }  # fmt: skip
        self._hosts = [_host(host, options, context) for host in urls]
        self._headers = {"accept": JSON, "user-agent": f"shipper/{__version__}", "connection": "keep-alive"}
        if settings.api_key is not None:
            self._headers["authorization"] = f"ApiKey {settings.api_key.get_secret_value()}"
        elif settings.username is not None and settings.password is not None:
            secret = f"{settings.username}:{settings.password.get_secret_value()}".encode()
            self._headers["authorization"] = f"Basic {base64.b64encode(secret).decode()}"
        self._lock = threading.Lock()
        self._turn = 0
        self._verified = False

    def get(self, target: str) -> Answer:
        """Return the response to a GET. Raises OutputUnavailable without one."""
        return self._request("GET", target, None, self._headers)

    def post(self, target: str) -> Answer:
        """Return the response to a POST without a body. Raises OutputUnavailable without one."""
        return self._request("POST", target, None, self._headers)

    def bulk(self, target: str, body: bytes) -> Answer:
        """Return the response to a bulk request of newline-delimited JSON. Raises OutputUnavailable without one."""
        headers = {**self._headers, "content-type": NDJSON}
        if self._compress:
            packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
            body = packer.compress(body) + packer.flush()
            headers["content-encoding"] = "gzip"
        return self._request("POST", target, body, headers)

    def close(self) -> None:
        """Close the idle connections; a request under way closes its own."""
        for host in self._hosts:
            host.pool.close()

    def _request(self, method: str, target: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        for attempts_left in range(len(self._hosts), -1, -1):
            host = self._next()
            try:
                response = host.pool.urlopen(
                    method, host.path + target, body=body, headers=headers, retries=False, redirect=False
                )
            except SSLError as error:
                raise tls_failure(self._url, error) from error
            except HTTPError as error:
                self._failed(host)
                if _is_timeout(error):
                    raise timed_out(self._url) from error
                if not attempts_left:
                    raise unreachable(self._url, error) from error
                continue
            answer = Answer(response.status, response.headers, response.data)
            host.failures = 0
            if answer.succeeded and not self._verified:
                self._verify(answer)
            return answer
        raise AssertionError  # the last attempt returns or raises

    def _verify(self, answer: Answer) -> None:
        """Raise OutputUnavailable for a server of another product; checked with the first success."""
        if answer.headers.get(PRODUCT) != ELASTICSEARCH:
            if not isinstance(answer.body(), dict):
                raise unexpected_response(self._url, str(answer.body()))
            raise not_elasticsearch(self._url)
        self._verified = True

    def _next(self) -> Host:
        """Return the host whose turn it is; one that failed only while no other is left."""
        with self._lock:
            self._turn += 1
            turn, now = self._turn, self._monotonic()
        hosts = [self._hosts[(turn + place) % len(self._hosts)] for place in range(len(self._hosts))]
        return next((host for host in hosts if host.rests_until <= now), None) or min(
            hosts, key=lambda host: host.rests_until
        )

    def _failed(self, host: Host) -> None:
        host.failures += 1
        rest = min(LONGEST_REST_S, FIRST_REST_S * 2 ** min(host.failures - 1, 10))
        host.rests_until = self._monotonic() + rest


def _host(url: str, options: dict[str, Any], context: Any) -> Host:  # noqa: ANN401 -- an SSL context, or None
    address = urlsplit(url)
    path = address.path.rstrip("/")
    name = address.hostname or ""
    if address.scheme == "https":
        return Host(urllib3.HTTPSConnectionPool(name, address.port, ssl_context=context, **options), path)
    return Host(urllib3.HTTPConnectionPool(name, address.port, **options), path)


def _is_timeout(error: HTTPError) -> bool:
    """Return True if the server was too slow; a refused connection is a failure of another kind in urllib3, too."""
    return isinstance(error, ConnectTimeoutError | ReadTimeoutError) and not isinstance(error, NewConnectionError)
