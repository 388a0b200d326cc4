"""Scenes of the story. Each yields its steps as they happen; printing is done elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from deploy.story.stage import AVAILABLE, POOL, Stage, TooLate, waited
from deploy.traffic import faults

FOLLOWED = "story-one-too-many"
"""The correlation id of the failed login that is followed to Slack."""
LIMIT = 10
"""Failed logins within five minutes that do not trigger the alert."""
LOGINS = "HighFailedLoginAttempts"
FAILED = 'failed_login_attempts_total{job="shipper",service="backend"}'
READ = "application:failed_login_attempts:increase5m"
ENOUGH = 20
"""Number of samples from which on `increase()`, which extrapolates, reads ten failed logins as ten."""
P95 = "job:http_request_duration_seconds:p95_5m"
SURELY_SLOW_S = 1.3
"""Well above the threshold of 1 s, so that the last fast responses before the stop do not resolve the alert."""
GENTLY_S = 0.3
"""Pause between failures: thousands of fast responses would hide the slow ones from the percentile."""
TASKS, SHORT_OF_MEMORY, HELD_S = 150, 5.0, 6.0
EXHAUSTED = "DatabaseConnectionPoolExhausted"
IN_SERVERS = {EXHAUSTED, "LowCacheHitRate", "CeleryQueueBacklog"}
"""Alerts on PostgreSQL and Redis, which cannot be triggered if the application keeps everything in memory."""
TIMEOUT_S = 90.0


class Step(NamedTuple):
    """A step that has happened."""

    what: str
    at: float
    """Seconds since the scene began."""


@contextmanager
def background_traffic(stage: Stage, pause: float = 0.25) -> Iterator[None]:
    """Normal load without failed logins, until the end of the block."""
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


def logins_up_to_the_limit(stage: Stage) -> None:
    """Send failed logins up to the limit, and check that no alert is pending. Raises TooLate."""
    waited(lambda: stage.value(f"count_over_time({FAILED}[1m])") >= ENOUGH, "Prometheus has enough samples")
    for _ in range(LIMIT // 5):
        faults.failed_logins(stage.traffic)
    waited(lambda: stage.value(READ) == LIMIT, f"Prometheus has counted {LIMIT} failed logins")
    if LOGINS in stage.prometheus.alerts("pending") + stage.prometheus.alerts():
        raise TooLate(f"too early: {LOGINS} after {LIMIT} failed logins, which is within the limit")


def login_beyond_the_limit(stage: Stage) -> Iterator[Step]:
    """Send one more failed login, and yield each step on its way to Slack. Raises TooLate."""
    began = time.monotonic()
    guess = {"user": "nurse", "password": "guess"}
    status, _ = stage.traffic.ask("POST", "/api/v1/auth/login", guess, correlation_id=FOLLOWED)
    yield Step(f"login failed with status {status}", time.monotonic() - began)
    for what, condition in (
        ("line in the container's log", lambda: stage.written(FOLLOWED)),
        ("counted by shipper", lambda: stage.counted("failed_login_attempts_total", service="backend") > LIMIT),
        ("scraped by Prometheus", lambda: stage.value(FAILED) > LIMIT),
        ("alert pending", lambda: LOGINS in stage.prometheus.alerts("pending") + stage.prometheus.alerts()),
        ("alert firing", lambda: LOGINS in stage.prometheus.alerts()),
        ("message in Slack", lambda: stage.slack_message(LOGINS)),
    ):
        waited(condition, what)
        yield Step(what, time.monotonic() - began)


def other_alerts(stage: Stage) -> Iterator[Step]:
    """Trigger every alert but the first and the last, and yield each; slowness separately, since errors inhibit it."""
    yield Step("HighResponseTime", while_slow(stage, lambda: stage.slack_message("HighResponseTime")))
    waiting = {"HighErrorRate", "HighMemoryUsage"}
    stage.node[AVAILABLE] = SHORT_OF_MEMORY
    with ExitStack() as during:
        if stage.behind.environment:
            waiting |= IN_SERVERS
            faults.backlog(stage.traffic, stage.behind.environment["REDIS_URL"], TASKS)
        began = held_until = time.monotonic()
        while waiting:
            if time.monotonic() - began > TIMEOUT_S:
                raise TooLate(f"not in Slack within {TIMEOUT_S:.0f} s: {', '.join(sorted(waiting))}")
            if EXHAUSTED in waiting and time.monotonic() >= held_until:
                during.enter_context(faults.connections_held(stage.traffic, POOL, HELD_S))
                held_until = time.monotonic() + HELD_S
            faults.errors(stage.traffic)
            faults.cache_misses(stage.traffic)
            time.sleep(GENTLY_S)
            slack_arrival = sorted((when, name) for name in waiting if (when := stage.slack_arrival(name)) is not None)
            for when, name in slack_arrival:
                waiting.remove(name)
                yield Step(name, when - began)


def while_slow(stage: Stage, condition: Callable[[], object]) -> float:
    """Keep responses slow until a condition is true, and return the seconds. Raises TooLate."""
    enough = threading.Event()

    def go_on() -> None:
        while not enough.is_set():
            faults.slow(stage.traffic)

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(POOL - 1)]
    for thread in threads:
        thread.start()
    try:
        return waited(condition, "HighResponseTime, while reports are slow", TIMEOUT_S)
    finally:
        enough.set()
        for thread in threads:
            thread.join(10)


def outage(stage: Stage) -> Iterator[Step]:
    """Stop the application while it is slow: APIDown is sent and inhibits HighResponseTime. Raises TooLate."""
    while_slow(stage, lambda: stage.value(P95) > SURELY_SLOW_S and "HighResponseTime" in stage.prometheus.alerts())
    began = time.monotonic()
    stage.stop_application()
    for what, condition in (
        ("the application has stopped", lambda: True),
        ("APIDown in PagerDuty", lambda: stage.paged("APIDown")),
        ("APIDown in Slack", lambda: stage.slack_message("APIDown")),
        (
            "HighResponseTime still fires, and APIDown inhibits it",
            lambda: "APIDown" in stage.alertmanager.silencing("HighResponseTime"),
        ),
    ):
        waited(condition, what)
        yield Step(what, time.monotonic() - began)
