"""A minimal Elasticsearch that keeps every document and its response, in the order of arrival."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from tests.compare.corpus import BURIED, REJECTED, THROTTLED

CREATED, REFUSED, CONFLICT, TOO_MANY = 201, 400, 409, 429


@dataclass(frozen=True, slots=True)
class Sent:
    """A document as it was sent, and the answer; `stage` is the run that sent it."""

    stage: int
    index: str
    id: str
    body: bytes
    status: int


class Sink:
    """A server that responds like Elasticsearch: an existing id is a conflict, and some texts are rejected or throttled once."""

    def __init__(self) -> None:
        self.stage = 0
        self.sent: list[Sent] = []
        self.url = ""
        self._ids: set[tuple[str, str]] = set()
        self._put_off: set[str] = set()
        self._lock = threading.Lock()

    @property
    def shipped(self) -> bool:
        """True once this stage has sent something."""
        return bool(self.sent) and self.sent[-1].stage == self.stage

    def bulk(self, path: str, body: bytes) -> dict[str, Any]:
        """Return the response to a bulk request to `path`."""
        default = path.strip("/").partition("/")[0]
        lines = body.split(b"\n")
        with self._lock:
            items = [self._item(default, *pair) for pair in zip(lines[::2], lines[1::2], strict=False)]
        return {"errors": any(item["create"]["status"] >= REFUSED for item in items), "items": items}

    def _item(self, default: str, action: bytes, body: bytes) -> dict[str, dict[str, Any]]:
        named = json.loads(action)["create"]
        index, id_ = named.get("_index", default), named["_id"]
        status = self._status(index, id_, body)
        if status != TOO_MANY:
            self.sent.append(Sent(self.stage, index, id_, body, status))
        answer: dict[str, Any] = {"_index": index, "_id": id_, "status": status}
        if status in (REFUSED, TOO_MANY):
            kind = "document_parsing_exception" if status == REFUSED else "es_rejected_execution_exception"
            answer["error"] = {"type": kind, "reason": "as the comparison wants it"}
        return {"create": answer}

    def _status(self, index: str, id_: str, body: bytes) -> int:
        if BURIED.encode() in body or (REJECTED.encode() in body and "quarantine" not in index):
            return REFUSED
        if THROTTLED.encode() in body and index not in self._put_off:
            self._put_off.add(index)
            return TOO_MANY
        if (index, id_) in self._ids:
            return CONFLICT
        self._ids.add((index, id_))
        return CREATED


class _Server(ThreadingHTTPServer):
    block_on_close = False

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without a question to a name server
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])


@contextmanager
def serving() -> Iterator[Sink]:
    """A sink on a free loopback port."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", -1

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = str(urlsplit(self.path).path)
            answer = sink.bulk(path, body) if path.endswith("/_bulk") else {"version": {"number": "9.0.0"}}
            data = json.dumps(answer).encode()
            self.send_response(200)
            for name, value in (
                ("content-type", "application/vnd.elasticsearch+json;compatible-with=8"),
                ("content-length", str(len(data))),
                ("x-elastic-product", "Elasticsearch"),
            ):
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 -- the library's names

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        sink.url = f"http://127.0.0.1:{server.server_port}"
        yield sink
        server.shutdown()
