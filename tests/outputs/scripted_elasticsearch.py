"""A fake Elasticsearch: templates, indices and ids over HTTP, and responses that a test scripts."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

Answer = tuple[int, Any]
Script = Callable[[str, str, bytes], Answer | None]
OURS = {"_meta": {"managed_by": "shipper", "version": 1}}
MAPPING = {"_meta": {"managed_by": "shipper"}, "dynamic": "false"}


class ScriptedElasticsearch:
    """Stores documents in memory. `script` gets method, path and body first, and may respond instead."""

    def __init__(self) -> None:
        self.templates: set[str] = set()
        self.indices: dict[str, bool] = {}
        """By index name, True if it was created from a template of ours."""
        self.mappings: dict[str, dict[str, Any]] = {}
        """By index name, a mapping other than that of the template."""
        self.overriding: list[dict[str, Any]] = []
        """Other templates, each with its name, patterns and priority as the server lists them."""
        self.simulates = True
        self.stored: dict[tuple[str, str], Any] = {}
        self.requests: list[tuple[str, str]] = []
        self.script: Script = lambda _method, _path, _body: None
        self.url = ""

    def bulks(self) -> int:
        """Number of bulk requests received."""
        return sum(path.endswith("/_bulk") for _, path in self.requests)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """The response of a node."""
        self.requests.append((method, path))
        scripted = self.script(method, path, body)
        if scripted is not None:
            return scripted
        parts = path.split("/")
        index, kind, name = parts[1], parts[-2], parts[-1]
        if path == "/":
            return 200, {"version": {"number": "9.5.3"}}
        if path.startswith(("/_index_template", "/_template")):
            return self._template(path, name)
        if path.endswith("/_mapping"):
            if index not in self.indices:
                return 404, error("index_not_found_exception")
            mapping = MAPPING if self.indices[index] else {}
            return 200, {index: {"mappings": self.mappings.get(index, mapping)}}
        if name == "_bulk":
            return 200, self._bulk(index, body)
        if kind == "_create":
            self.indices.setdefault(index, self._managed(index))
            self.stored[index, name] = json.loads(body)
            return 201, {"result": "created"}
        if kind == "_update":
            self.stored[index, name].update(json.loads(body)["doc"])
        return (200 if (index, name) in self.stored else 404), {}

    def _template(self, path: str, name: str) -> Answer:
        if path.startswith("/_index_template/_simulate_index/"):
            if not self.simulates:
                return 403, error("security_exception", "action [indices:admin/index_template/simulate_index]")
            return 200, {"template": {"mappings": MAPPING}} if self._managed(name) else {"template": {}}
        if path in ("/_index_template", "/_template"):
            listed = [*self.overriding, *({"name": name, "index_template": own(name)} for name in self.templates)]
            return 200, {"index_templates": listed} if path == "/_index_template" else {}
        if path.startswith("/_index_template/"):
            templates = [{"name": name, "index_template": OURS}]
            return (
                (200, {"index_templates": templates}) if name in self.templates else (404, error("resource_not_found"))
            )
        return 405, {}

    def _managed(self, index: str) -> bool:
        overridden = any(fnmatch(index, pattern) for one in self.overriding for pattern in patterns_of(one))
        return not overridden and any(index.startswith(f"{name}-") for name in self.templates)

    def _bulk(self, default: str, body: bytes) -> dict[str, Any]:
        lines = body.splitlines()
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            operation = json.loads(action)["create"]
            index = operation.get("_index", default)
            self.indices.setdefault(index, self._managed(index))
            there = (index, operation["_id"]) in self.stored
            self.stored.setdefault((index, operation["_id"]), json.loads(document))
            items.append({"create": {"status": 409 if there else 201}})
        return {"errors": False, "items": items}


def own(name: str) -> dict[str, Any]:
    """One of our templates, as the server lists it."""
    return {**OURS, "index_patterns": [f"{name}-*.*.*"], "priority": 200 + len(name)}


def patterns_of(template: Mapping[str, Any]) -> list[str]:
    """The patterns of a listed template."""
    patterns: list[str] = template["index_template"]["index_patterns"]
    return patterns


def error(kind: str, reason: str = "") -> dict[str, Any]:
    """An error body in the form of the server."""
    return {"error": {"type": kind, "reason": reason}}


class Server(ThreadingHTTPServer):
    """Does no DNS lookup, and does not wait for connections when it closes."""

    block_on_close = False

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


@contextmanager
def served(node: ScriptedElasticsearch) -> Iterator[ScriptedElasticsearch]:
    """Serve the node on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, wbufsize = "HTTP/1.1", -1  # head and body in one segment: else each waits for the other's ACK

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, said = node.answer(self.command, unquote(urlsplit(self.path).path), body)
            data = said if isinstance(said, bytes) else json.dumps(said, separators=(",", ":")).encode()
            kind = "application/json" if isinstance(said, Mapping) else "text/html"
            self.send_response(status)
            for name, value in (("content-type", kind), ("content-length", str(len(data)))):
                self.send_header(name, value)
            self.send_header("x-elastic-product", "Elasticsearch")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 -- the library's names

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        node.url = f"http://127.0.0.1:{server.server_port}"
        yield node
        server.shutdown()
