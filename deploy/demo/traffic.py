"""Traffic with a seed and the truth about it."""

import http.client
import json
import random
from collections import Counter
from dataclasses import dataclass, field

FAILING = ("/api/v1/lab/results/7", "/api/v1/overview")


@dataclass
class Traffic:
    """Requests against the sample application; `truth` counts what the counters must come to."""

    port: int
    random: random.Random
    truth: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Correlation ids of requests that failed inside the application."""
    patients: list[int] = field(default_factory=list)
    requests: int = 0

    def step(self) -> None:
        """One visit: a login, then some work, sometimes a failure."""
        refused = self.random.random() < 0.35  # noqa: PLR2004
        self._login(refused=refused)
        if refused:
            return
        self._work()
        if self.random.random() < 0.06:  # noqa: PLR2004
            self._fail()
        if self.random.random() < 0.05:  # noqa: PLR2004
            self.ask("GET", "/health", correlation_id="not usable: \x1b[31m<script>".replace("\x1b", ""))

    def _login(self, *, refused: bool) -> None:
        status, _ = self.ask(
            "POST", "/api/v1/auth/login", {"user": "nurse", "password": "guess" if refused else "correct horse"}
        )
        self.truth["logins refused" if status == http.client.UNAUTHORIZED else "logins accepted"] += 1

    def _work(self) -> None:
        choice = self.random.random()
        if choice < 0.4 or not self.patients:  # noqa: PLR2004
            _, answer = self.ask("POST", "/api/v1/patients", {"name": "Ada"})
            self.patients.append(answer["id"])
            self.truth["patients created"] += 1
        elif choice < 0.6:  # noqa: PLR2004
            self.ask("PUT", f"/api/v1/patients/{self.random.choice(self.patients)}", {"name": "Grace"})
            self.truth["patients updated"] += 1
        elif choice < 0.7:  # noqa: PLR2004
            self.ask("DELETE", f"/api/v1/patients/{self.patients.pop()}")
            self.truth["patients deleted"] += 1
        elif choice < 0.85:  # noqa: PLR2004
            self.ask("POST", "/api/v1/appointments", {"patient": 1})
            self.truth["appointments scheduled"] += 1
        else:
            self.ask("POST", "/api/v1/prescriptions", {"patient": 1})
            self.truth["prescriptions created"] += 1

    def _fail(self) -> None:
        correlation_id = f"visit-{self.random.getrandbits(40):010x}"
        self.ask("GET", self.random.choice(FAILING), correlation_id=correlation_id)
        self.failures.append(correlation_id)

    def ask(
        self, method: str, path: str, body: object = None, correlation_id: str | None = None
    ) -> tuple[int, dict[str, int]]:
        """One request; gives status and decoded body."""
        headers = {"Content-Type": "application/json"}
        headers["X-Correlation-ID"] = correlation_id or f"visit-{self.random.getrandbits(40):010x}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.requests += 1
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(content) if content and is_json else {}
