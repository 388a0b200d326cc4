"""A history becomes blocks, and Prometheus gives the original numbers."""

from bisect import bisect_right
from collections.abc import Iterator

import pytest

from deploy.services.prometheus_server import PrometheusServer, blocks_from
from deploy.services.unavailable import Unavailable
from shipper.metrics.openmetrics_history import History, Summary
from shipper_schemas.metrics import Increment, Metric
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

LOGINS = Metric("failed_login_attempts_total", "counter", "Logins refused.", ("service",))
DECLARED = Metric("patient_operations_total", "counter", "None happens here.")
SECONDS = Metric("request_seconds", "histogram", "Durations.", (), (0.1, 1.0))
STEP, MINUTE, HOUR = 15_000, 60_000, 3_600_000
T = 1_700_002_800_000  # a full hour, 2023-11-14 23:00 UTC
EARLY = [T + n * 7 * MINUTE + 21_001 for n in range(40)]
"""Over more than four hours, hence in several blocks."""
LATE = [T + 90 * 24 * HOUR + n * 11 * MINUTE + 21_001 for n in range(20)]
"""After three months in which nothing happened."""
TIMES = EARLY + LATE
SLOWLY = 0.5
X = f'{LOGINS.name}{{service="a"}}'


def happened() -> History:
    """Return two histories, merged; the second holds the earlier events."""
    metrics = (LOGINS, DECLARED, SECONDS)
    declared = [(DECLARED.name, ())]
    whole, part = (History(metrics, STEP, declared=declared, labels={"job": "shipper"}) for _ in range(2))
    for time_ms in reversed(TIMES):
        (part if time_ms % 2 else whole).add(
            time_ms, [Increment(LOGINS.name, ("a",)), Increment(SECONDS.name, (), SLOWLY)]
        )
    part.add(TIMES[-1], [Increment(LOGINS.name, ("seen once",))])
    whole.merge(part)
    return whole


@pytest.fixture(scope="module")
def summary_and_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Summary, PrometheusServer]]:
    """Write the blocks; yield their summary and a server over them."""
    folder = tmp_path_factory.mktemp("prometheus")
    with (folder / "history.om").open("w", encoding="utf-8") as file:
        summary = happened().write(file)
    try:
        blocks_from(folder / "history.om", folder / "data")
        server = PrometheusServer(folder).start()
    except Unavailable as error:
        missing(str(error), "install the package prometheus")
    try:
        yield summary, server
    finally:
        server.stop()


@pytest.fixture
def summary(summary_and_server: tuple[Summary, PrometheusServer]) -> Summary:
    """Return the summary of the written blocks."""
    return summary_and_server[0]


@pytest.fixture
def server(summary_and_server: tuple[Summary, PrometheusServer]) -> PrometheusServer:
    """Return the server over the blocks."""
    return summary_and_server[1]


def between(start_ms: int, end_ms: int) -> int:
    """Return the number of logins after `start_ms`, up to `end_ms`."""
    return bisect_right(TIMES, end_ms) - bisect_right(TIMES, start_ms)


@pytest.mark.parametrize("hours", [1, 2, 3, 4])
def test_increase_over_a_full_hour(server: PrometheusServer, hours: int) -> None:
    """The first event included, and across blocks. From Prometheus 3 on, a range excludes its start: half a percent."""
    end_ms = T + hours * HOUR
    truth = between(end_ms - HOUR, end_ms)
    assert truth > 7
    assert server.value(f"increase({X}[1h])", end_ms) == pytest.approx(truth, rel=0.005)
    assert server.value("increase(request_seconds_count[1h])", end_ms) == pytest.approx(truth, rel=0.005)


@pytest.mark.parametrize("minutes", [1, 10, 60, 120])
@pytest.mark.parametrize("end_ms", [T + 37 * MINUTE, T + 3 * HOUR, EARLY[-1] + 5 * MINUTE, LATE[0] + 45 * MINUTE])
def test_the_exact_number_in_any_range(server: PrometheusServer, minutes: int, end_ms: int) -> None:
    """Between steps, before the first event, at a block's edge, and inside a long pause."""
    end_ms += 7_000 - end_ms % STEP
    start_ms = end_ms - minutes * MINUTE
    truth = between(start_ms + -start_ms % STEP, end_ms - end_ms % STEP)
    assert server.value(f"max_over_time({X}[{minutes}m]) - min_over_time({X}[{minutes}m])", end_ms) == truth
    assert server.value(f"increase({X}[{minutes}m])", end_ms) == pytest.approx(truth, rel=0.35 / min(minutes, 30))


def test_increase_over_everything(server: PrometheusServer, summary: Summary) -> None:
    """At the last sample, over a range that reaches beyond the first, every number is exact."""
    assert (summary.first_ms, summary.last_ms) == (T + 15_000, LATE[-1] + 8_999 + 5 * MINUTE)
    range_s = (LATE[-1] - EARLY[0]) // 1000 + 3600

    def totals(query: str) -> dict[tuple[tuple[str, str], ...], float]:
        return server.ask(f"increase({query}[{range_s}s])", LATE[-1] + 8_999 + 5 * MINUTE)

    job = ("job", "shipper")
    assert totals(LOGINS.name) == {(job, ("service", "a")): len(TIMES), (job, ("service", "seen once")): 1}
    assert totals(DECLARED.name) == {(job,): 0}
    assert totals("request_seconds_sum") == {(job,): len(TIMES) * SLOWLY}
    assert totals("request_seconds_bucket") == {
        (job, ("le", "0.1")): 0, (job, ("le", "1.0")): len(TIMES), (job, ("le", "+Inf")): len(TIMES),
    }  # fmt: skip


@pytest.mark.parametrize("minutes", [1, 30, 119, 120, 121, 279])
def test_the_value_at_a_moment(server: PrometheusServer, minutes: int) -> None:
    """The value is that of a scrape at the step before."""
    moment = T + minutes * MINUTE + 14_000
    assert server.value(X, moment) == between(0, moment - 14_000)


def test_rates_come_back_to_zero(server: PrometheusServer) -> None:
    """After the last event, and before a long pause, which has no samples."""
    for last in (EARLY[-1], LATE[-1]):
        assert server.value(f"rate({X}[4m])", last + 5 * MINUTE) == 0
    assert server.ask(X, EARLY[-1] + 11 * MINUTE) == {}
