"""Responses of the packaged server and Kibana to `shipper setup`, recorded, since the published jars lack these features.

Sources: Elasticsearch reference, "Get lifecycle policy", "Get index template"; Kibana reference, "Import saved objects".
Everything that is written or searched is tested on the real server.

"""

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PRODUCT = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
ROOT = {"name": "n", "cluster_name": "c", "version": {"number": "9.5.3"}, "tagline": "You Know, for Search"}


class PackagedServer:
    """A server that keeps templates and policies that are put, and imports of saved objects."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.imported: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(*outer.get(self.path.partition("?")[0]))

            def do_PUT(self) -> None:
                outer.kept[self.path.partition("?")[0]] = json.loads(self._body())
                self._answer(200, {"acknowledged": True})

            def do_POST(self) -> None:
                if "/_simulate_index/" in self.path:
                    self._answer(*outer.simulated(self.path.partition("?")[0].rpartition("/")[2]))
                    return
                outer.imported.append(self._body())
                number = len(re.findall(rb'"type":"[a-z-]+"}?\n', outer.imported[-1]))
                self._answer(200, {"success": True, "successCount": number})

            def _body(self) -> bytes:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                return gzip.decompress(data) if self.headers["Content-Encoding"] == "gzip" else data

            def _answer(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**PRODUCT, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def get(self, path: str) -> tuple[int, object]:
        """Return status and body."""
        name = path.rpartition("/")[2]
        if path == "/":
            return 200, ROOT
        if path == "/_ilm/status":
            return 200, {"operation_mode": "RUNNING"}
        if path not in self.kept:
            return 404, {"error": {"type": "resource_not_found_exception", "reason": path}, "status": 404}
        if path.startswith("/_ilm/policy/"):
            return 200, {name: {"version": 1, "modified_date": "2026-11-23T00:00:00.000Z", **self.kept[path]}}
        shown = json.loads(json.dumps(self.kept[path]))
        settings = shown.get("template", {}).pop("settings", {})
        shown.setdefault("template", {})["settings"] = {"index": settings}
        return 200, {"index_templates": [{"name": name, "index_template": shown}]}

    def simulated(self, index: str) -> tuple[int, object]:
        """Return status and body of a simulated creation of `index`."""
        matching = [
            kept["template"]
            for path, kept in self.kept.items()
            if path.startswith("/_index_template/") and index.startswith(path.rpartition("/")[2])
        ]
        return 200, {"template": matching[0] if matching else {}, "overlapping": []}

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
