"""A real Kubernetes API server on loopback, with its etcd; no node and no controller."""

import json
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from deploy.services.processes import ServerProcess, free_port
from deploy.services.unavailable import Unavailable

SCRIPT = Path(__file__).with_name("kubernetes.sh")
ADMIN = "admin-token"


class KubeApiServer:
    """An API server with RBAC; `request` is made as its administrator."""

    def __init__(self, folder: Path) -> None:
        """Find the programs, start nothing. Raises Unavailable."""
        found = subprocess.run([SCRIPT, "cached"], capture_output=True, text=True, check=False)
        if found.returncode:
            raise Unavailable(found.stderr.strip())
        self._programs, self._folder = Path(found.stdout.strip()), folder
        self._etcd_port, self.port = free_port(), free_port()
        self.store = f"http://127.0.0.1:{self._etcd_port}"
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = folder / "certificates" / "apiserver.crt"
        self.etcd, self.process = ServerProcess(folder, "etcd"), ServerProcess(folder, "kube-apiserver")

    def start(self) -> "KubeApiServer":
        """Start both over their existing data. Raises Unavailable."""
        self._start_etcd()
        self.start_server()
        return self

    def _start_etcd(self) -> None:
        peer = f"http://127.0.0.1:{free_port()}"
        store = self.store
        self.etcd.start(
            [
                str(self._programs / "etcd"), "--data-dir", str(self._folder / "etcd"), "--unsafe-no-fsync",
                "--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            ],
            lambda: self._answers(f"{store}/health"),
            seconds=60,
        )  # fmt: skip

    def start_server(self) -> None:
        """Start the API server, over a running etcd. Raises Unavailable."""
        key, tokens = self._folder / "accounts.key", self._folder / "tokens.csv"
        if not key.exists():
            subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n', encoding="utf-8")
        self.process.start(
            [
                str(self._programs / "kube-apiserver"), f"--etcd-servers={self.store}", f"--secure-port={self.port}",
                "--bind-address=127.0.0.1", f"--cert-dir={self.ca_file.parent}", "--service-cluster-ip-range=10.0.0.0/24",
                "--authorization-mode=RBAC", f"--token-auth-file={tokens}", "--disable-admission-plugins=ServiceAccount",
                "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
            ],
            lambda: self._answers(f"{self.url}/readyz"),
            seconds=180,
        )  # fmt: skip

    def compact(self) -> None:
        """Drop every version but the present one, and restart, so that nothing knows an earlier one."""
        self.process.stop()
        revision = json.loads(self._send(f"{self.store}/v3/kv/range", "POST", {"key": "AA=="}))["header"]["revision"]
        self._send(f"{self.store}/v3/kv/compaction", "POST", {"revision": revision, "physical": True})
        self.start_server()

    def request(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request, and return the answer. Raises OSError."""
        return json.loads(self._send(f"{self.url}{path}", method, content))

    def _answers(self, url: str) -> bool:
        try:
            self._send(url, "GET", None)
        except OSError:
            return False
        return True

    def _send(self, url: str, method: str, content: Any) -> bytes:
        data = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # made by the server at its first start
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return bytes(answer.read())

    def stop(self) -> None:
        """End both."""
        self.process.stop()
        self.etcd.stop()
