"""The users of Elasticsearch that Compose makes: each may do what it is for, and no password is seen on the way."""

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.deploy.compose import ROOT
from tests.integration.conftest import missing

SCRIPT = ROOT / "deploy" / "compose" / "users.sh"
PASSWORDS = {
    "ELASTIC_PASSWORD": "pw-elastic",
    "KIBANA_PASSWORD": "pw-kibana",
    "GRAFANA_ELASTICSEARCH_PASSWORD": "pw-grafana",
}
OURS = ["keneyapp-logs*", "keneyapp-quarantine*"]


class Asked(NamedTuple):
    """One request, and the command lines that were to be seen while it was answered."""

    method: str
    path: str
    user: str
    body: dict[str, Any]
    processes: str


def command_lines() -> str:
    """Return the command lines that everybody on the machine may read."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(line for line in lines if "curl" in line)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Asked]]]:
    """A server that takes everything, the first request only at the second try."""
    requests: list[Asked] = []
    refused: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            user = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            if refused:
                requests.append(Asked(self.command, self.path, user, json.loads(text), command_lines()))
            self.send_response(200 if refused else 503)
            refused.append(self.path)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_PUT  # noqa: N815 -- the name that the server calls

        def log_message(self, *args: object) -> None:
            """No noise."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}", requests
        http_server.shutdown()


def test_each_user_may_do_what_it_is_for(server: tuple[str, list[Asked]], tmp_path: Path) -> None:
    """The agent adds and cannot read, dashboards read and cannot add; a server that is not ready is asked again."""
    if shutil.which("curl") is None:
        missing("no curl", "apt-get install curl")
    (tmp_path / "shipper-elasticsearch-password").write_text("pw-shipper", encoding="utf-8")
    url, requests = server
    env = {**os.environ, **PASSWORDS, "ELASTICSEARCH": url, "SECRETS": str(tmp_path), "RETRY_DELAY": "0"}
    done = subprocess.run(["bash", SCRIPT], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert {request.user for request in requests} == {"elastic:pw-elastic"}
    bodies = {request.path.removeprefix("/_security/"): request.body for request in requests}
    assert bodies["user/kibana_system/_password"] == {"password": "pw-kibana"}
    assert (bodies["user/shipper"]["password"], bodies["user/shipper"]["roles"]) == ("pw-shipper", ["shipper"])
    assert (bodies["user/grafana"]["password"], bodies["user/grafana"]["roles"]) == ("pw-grafana", ["log_reader"])
    agent, reader = ({"cluster": ["monitor"], "indices": [{"names": OURS, "privileges": privileges}]}
                     for privileges in (["create_doc", "auto_configure", "view_index_metadata"],
                                        ["read", "view_index_metadata"]))  # fmt: skip
    assert (bodies["role/shipper"], bodies["role/log_reader"]) == (agent, reader)
    seen = "".join(request.processes for request in requests)
    assert "curl" in seen
    assert "pw-" not in seen
