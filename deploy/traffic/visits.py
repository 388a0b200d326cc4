"""Visits: users who log in, or fail to, and work with patients."""

import http.client
import json
import random
import threading
from urllib.parse import urlsplit

from deploy.traffic.truth import Truth

PASSWORDS = {
    "nurse": "correct horse", "doctor": "battery staple", "pharmacist": "tin opener", "registrar": "paper clip",
}  # fmt: skip
MEDICATIONS = ("amoxicillin", "ibuprofen", "metformin", "omeprazole", "paracetamol", "salbutamol")
WEIGHTS = (8, 13, 5, 3, 21, 2)
FAILING = ("/api/v1/lab/results/7", "/api/v1/overview")
OK, CREATED, NO_CONTENT = 200, 201, 204
REFUSED_LOGIN, REFUSED_PAYMENT = 401, 402
KEPT = 50
"""Number of patients, appointments and prescriptions that are remembered; older ones are dropped."""


class Traffic:
    """Sends requests to the sample application; `truth` counts the confirmed ones."""

    def __init__(self, url: str, seed: int) -> None:
        """`url` has no path."""
        self.truth = Truth(seed)
        self._host, self._lock = urlsplit(url).netloc, threading.Lock()
        self._random = random.Random(seed)
        self._patients: list[int] = []
        self._appointments: list[int] = []
        self._prescriptions: list[int] = []
        self._episode: str | None = None
        """The common correlation id of all requests during an episode, else None."""

    @property
    def sent(self) -> int:
        """Number of requests so far."""
        return sum(self.truth.requests.values()) + self.truth.unanswered

    def step(self) -> None:
        """Send one visit: a login, then some work, sometimes a failure."""
        refused = self._chance(0.35)
        self.login(refused=refused)
        if refused:
            return
        self.work()
        if self._chance(0.06):
            self.fail()
        if self._chance(0.05):
            self.ask("GET", "/health", correlation_id="not usable: <script>")

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def login(self, *, refused: bool) -> None:
        """Log in with the right password or a wrong one."""
        user = self._random.choice(list(PASSWORDS))
        password = "guess" if refused else PASSWORDS[user]
        status, _ = self.ask("POST", "/api/v1/auth/login", {"user": user, "password": password})
        self._count("logins", {OK: "success", REFUSED_LOGIN: "failure"}.get(status))

    def work(self) -> None:
        """Send a random request on patients, appointments, prescriptions or payments."""
        work = self._random.choices(
            (self._register, self._read, self._update, self._discharge, self._schedule, self._close,
             self._prescribe, self._end_prescription, self._pay),
            (30, 20, 15, 8, 16, 12, 14, 3, 6),
        )[0]  # fmt: skip
        work()

    def _register(self) -> None:
        status, answer = self.ask("POST", "/api/v1/patients", {"name": "Ada"})
        if status == CREATED:
            self._patients = [*self._patients[-KEPT:], answer["id"]]
            self._count("patients", "create")

    def _read(self) -> None:
        """Read a record several times, so that the cache is used."""
        if self._patients:
            number = self._random.choice(self._patients)
            for _ in range(self._random.randint(3, 8)):
                self.ask("GET", f"/api/v1/patients/{number}")

    def _update(self) -> None:
        if self._patients:
            number = self._random.choice(self._patients)
            status, _ = self.ask("PUT", f"/api/v1/patients/{number}", {"name": "Grace"})
            self._count("patients", "update" if status == OK else None)

    def _discharge(self) -> None:
        if self._patients:
            status, _ = self.ask("DELETE", f"/api/v1/patients/{self._patients.pop()}")
            self._count("patients", "delete" if status == NO_CONTENT else None)

    def _schedule(self) -> None:
        status, answer = self.ask("POST", "/api/v1/appointments", {"patient": 1})
        if status == CREATED:
            self._appointments = [*self._appointments[-KEPT:], answer["id"]]
            self._count("appointments", "scheduled")

    def _close(self) -> None:
        if not self._appointments:
            return
        address = f"/api/v1/appointments/{self._appointments.pop(0)}"
        if self._chance(0.75):
            status, _ = self.ask("POST", f"{address}/complete", {"minutes": self._random.randint(5, 60)})
            self._count("appointments", "completed" if status == OK else None)
        else:
            status, _ = self.ask("DELETE", address)
            self._count("appointments", "cancelled" if status == OK else None)

    def _prescribe(self) -> None:
        medication = self._random.choices(MEDICATIONS, WEIGHTS)[0]
        status, answer = self.ask("POST", "/api/v1/prescriptions", {"patient": 1, "medication": medication})
        if status == CREATED:
            self._prescriptions = [*self._prescriptions[-KEPT:], answer["id"]]
            self._count("prescriptions", medication)

    def _end_prescription(self) -> None:
        if self._prescriptions:
            self.ask("DELETE", f"/api/v1/prescriptions/{self._prescriptions.pop(0)}")

    def _pay(self) -> None:
        amount = 0 if self._chance(0.2) else self._random.randint(5, 200)
        status, _ = self.ask("POST", "/api/v1/payments", {"amount": amount})
        self._count("payments", {CREATED: "success", REFUSED_PAYMENT: "failure"}.get(status))

    def fail(self) -> None:
        """Send a request that fails inside the application."""
        correlation_id = self._new_id()
        status, _ = self.ask("GET", self._random.choice(FAILING), correlation_id=correlation_id)
        if status:
            self.truth.failures.append(correlation_id)

    def episode(self) -> str:
        """Send several requests with one correlation id, the last of which fails; returns the id."""
        self._episode = self._new_id()
        try:
            self.login(refused=False)
            self._register()
            self._schedule()
            self._prescribe()
            self.fail()
            return self._episode
        finally:
            self._episode = None

    def _new_id(self) -> str:
        return self._episode or f"visit-{self._random.getrandbits(40):010x}"

    def _count(self, kind: str, what: str | None) -> None:
        """Count a confirmed request; unconfirmed ones are only in `requests`."""
        if what is not None:
            getattr(self.truth, kind)[what] += 1

    def ask(
        self, method: str, path: str, body: object = None, correlation_id: str | None = None, seconds: float = 10
    ) -> tuple[int, dict[str, int]]:
        """Send one request; returns status and decoded body, or status 0 without a response. Thread-safe."""
        headers = {"Content-Type": "application/json", "X-Correlation-ID": correlation_id or self._new_id()}
        connection = http.client.HTTPConnection(self._host, timeout=seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            with self._lock:
                self.truth.unanswered += 1
            return 0, {}
        finally:
            connection.close()
        with self._lock:
            self.truth.requests[str(answer.status)] += 1
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(content) if content and is_json else {}
