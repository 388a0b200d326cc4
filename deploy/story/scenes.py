"""Scenes: what happens on the stage. Each gives what it saw as it goes on, and leaves the telling to others."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from deploy.story.stage import AVAILABLE, POOL, Stage, TooLate, waited
from deploy.traffic import faults

FOLLOWED = "story-one-too-many"
"""The correlation id of the refused login that is followed all the way."""
LIMIT = 10
"""Refused logins within five minutes that the alert lets pass."""
LOGINS = "HighFailedLoginAttempts"
FAILED = 'failed_login_attempts_total{job="shipper",service="backend"}'
READ = "application:failed_login_attempts:increase5m"
ENOUGH = 20
"""Samples from which on `increase()`, which extrapolates, reads ten refused logins as ten."""
P95 = "job:http_request_duration_seconds:p95_5m"
SURELY_SLOW_S = 1.3
"""At the threshold of 1 s, the last quick answers before the end would take the alert back."""
GENTLY_S = 0.3
"""Between failures: thousands of quick answers would hide the slow ones from the percentile."""
TASKS, SHORT_OF_MEMORY, HELD_S = 150, 5.0, 6.0
EXHAUSTED = "DatabaseConnectionPoolExhausted"
IN_SERVERS = {EXHAUSTED, "LowCacheHitRate", "CeleryQueueBacklog"}
"""Alerts on PostgreSQL and Redis, which nothing can provoke where the application keeps all in memory."""
PATIENCE_S = 90.0


class Step(NamedTuple):
    """Something that was seen to be so."""

    what: str
    at: float
    """Seconds since the scene began."""


@contextmanager
def people_at_work(stage: Stage, pause: float = 0.25) -> Iterator[None]:
    """Load that nobody has to be told of: everyone knows the password. It ends with the block."""
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(pause):
            stage.traffic.login(refused=False)
            stage.traffic.work()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(30)


def as_many_as_may(stage: Stage) -> None:
    """Refused logins up to the limit, seen by Prometheus, which tells nobody. Raises TooLate."""
    waited(lambda: stage.value(f"count_over_time({FAILED}[1m])") >= ENOUGH, "Prometheus has seen a while of peace")
    for _ in range(LIMIT // 5):
        faults.failed_logins(stage.traffic)
    waited(lambda: stage.value(READ) == LIMIT, f"Prometheus has seen {LIMIT} refused logins")
    if LOGINS in stage.prometheus.alerts("pending") + stage.prometheus.alerts():
        raise TooLate(f"too early: {LOGINS} after {LIMIT} refused logins, which it lets pass")


def one_too_many(stage: Stage) -> Iterator[Step]:
    """The next refused login, on its way from the application to a person. Raises TooLate."""
    began = time.monotonic()
    guess = {"user": "nurse", "password": "guess"}
    status, _ = stage.traffic.ask("POST", "/api/v1/auth/login", guess, correlation_id=FOLLOWED)
    yield Step(f"login refused with {status}", time.monotonic() - began)
    for what, condition in (
        ("line in the container's log", lambda: stage.written(FOLLOWED)),
        ("counted by shipper", lambda: stage.counted("failed_login_attempts_total", service="backend") > LIMIT),
        ("scraped by Prometheus", lambda: stage.value(FAILED) > LIMIT),
        ("alert pending", lambda: LOGINS in stage.prometheus.alerts("pending") + stage.prometheus.alerts()),
        ("alert firing", lambda: LOGINS in stage.prometheus.alerts()),
        ("Slack told by Alertmanager", lambda: stage.told(LOGINS)),
    ):
        waited(condition, what)
        yield Step(what, time.monotonic() - began)


def other_alerts(stage: Stage) -> Iterator[Step]:
    """Every alert but the first and the last, as Slack hears of it: slowness alone, since failures silence it."""
    yield Step("HighResponseTime", while_slow(stage, lambda: stage.told("HighResponseTime")))
    waiting = {"HighErrorRate", "HighMemoryUsage"}
    stage.node[AVAILABLE] = SHORT_OF_MEMORY
    with ExitStack() as during:
        if stage.behind.given:
            waiting |= IN_SERVERS
            faults.backlog(stage.traffic, stage.behind.given["REDIS_URL"], TASKS)
        began = held_until = time.monotonic()
        while waiting:
            if time.monotonic() - began > PATIENCE_S:
                raise TooLate(f"not told to Slack within {PATIENCE_S:.0f} s: {', '.join(sorted(waiting))}")
            if EXHAUSTED in waiting and time.monotonic() >= held_until:
                during.enter_context(faults.connections_held(stage.traffic, POOL, HELD_S))
                held_until = time.monotonic() + HELD_S
            faults.errors(stage.traffic)
            faults.cache_misses(stage.traffic)
            time.sleep(GENTLY_S)
            heard = sorted((when, name) for name in waiting if (when := stage.heard(name)) is not None)
            for when, name in heard:
                waiting.remove(name)
                yield Step(name, when - began)


def while_slow(stage: Stage, condition: Callable[[], object]) -> float:
    """Return the seconds of slow answers until a condition came true. Raises TooLate."""
    enough = threading.Event()

    def go_on() -> None:
        while not enough.is_set():
            faults.slow(stage.traffic)

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(POOL - 1)]
    for thread in threads:
        thread.start()
    try:
        return waited(condition, "HighResponseTime, while reports are slow", PATIENCE_S)
    finally:
        enough.set()
        for thread in threads:
            thread.join(10)


def outage(stage: Stage) -> Iterator[Step]:
    """The application ends while it is slow: its end is told, and its slowness not again. Raises TooLate."""
    while_slow(stage, lambda: stage.value(P95) > SURELY_SLOW_S and "HighResponseTime" in stage.prometheus.alerts())
    began = time.monotonic()
    stage.stop_application()
    for what, condition in (
        ("the application has ended", lambda: True),
        ("PagerDuty told of APIDown", lambda: stage.paged("APIDown")),
        ("Slack told of APIDown", lambda: stage.told("APIDown")),
        (
            "HighResponseTime still fires, and APIDown silences it",
            lambda: "APIDown" in stage.alertmanager.silencing("HighResponseTime"),
        ),
    ):
        waited(condition, what)
        yield Step(what, time.monotonic() - began)
