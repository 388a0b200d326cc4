"""History: counters at each step of past time, as OpenMetrics that Prometheus accepts."""

import io
import pickle
import random
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import accumulate, groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from shipper.metrics.openmetrics_history import BREAK_MS, LINGER_MS, LOOKBACK_MS, History, Summary
from shipper_schemas.metrics import Increment, Metric

LOGINS = Metric("logins_total", "counter", "Logins.", ("service",))
VISITS = Metric("visits", "counter", 'Visits; a "name" without _total,\nin two lines.')
SECONDS = Metric("request_seconds", "histogram", "Durations.", ("service",), (0.1, 1.0))
METRICS = (LOGINS, VISITS, SECONDS)
STEP = 15_000
HOUR_MS = 3_600_000
T = 1_700_000_010_000  # a step's boundary
Event = tuple[int, Increment]
Name = tuple[str, tuple[tuple[str, str], ...]]
Series = dict[Name, list[tuple[int, float]]]


def history(events: Iterable[Event] = (), **options: Any) -> History:
    """Return a history of these events."""
    past = History(METRICS, **options)
    for time_ms, increment in events:
        past.add(time_ms, [increment])
    return past


def written(past: History) -> tuple[str, Summary]:
    """Return its text and its summary."""
    file = io.StringIO()
    summary = past.write(file)
    return file.getvalue(), summary


def series(text: str) -> Series:
    """Return samples by series, as an OpenMetrics parser reads them; times in ms.

    Each time is parsed separately: this parser treats the second point of a histogram as a duplicate and drops it.
    """
    about, points = [], defaultdict(list)
    for numbered in enumerate(text.splitlines()):
        if numbered[1].startswith("# "):
            about.append(numbered)
        else:
            points[int(numbered[1].rpartition(" ")[2])].append(numbered)
    samples_of: Series = defaultdict(list)
    for time_s, samples in sorted(points.items()):
        for family in families("".join(f"{line}\n" for _, line in sorted([*about, *samples]))):
            for sample in family.samples:
                samples_of[sample.name, tuple(sorted(sample.labels.items()))].append((time_s * 1000, sample.value))
    return samples_of


def families(text: str) -> Iterator[Family]:
    """Yield the metric families that an OpenMetrics parser reads."""
    yield from openmetrics(text)  # type: ignore[no-untyped-call]


def check_order(text: str) -> None:
    """Expect the samples of a counter or histogram together, with strictly rising times."""
    samples = [line.split(" ") for line in text.splitlines() if not line.startswith("# ")]
    metrics = [re.sub(r'_(bucket|count|sum)|le="[^"]*",', "", name) for name, _, _ in samples]
    together = [metric for metric, _ in groupby(metrics)]
    assert len(together) == len(set(together))
    times: defaultdict[str, list[int]] = defaultdict(list)
    for name, _, time_s in samples:
        times[name].append(int(time_s))
    assert all(earlier < later for ordered in times.values() for earlier, later in pairwise(ordered))


def login(service: str = "a", amount: float = 1) -> Increment:
    """Return the increment of one login."""
    return Increment(LOGINS.name, (service,), amount)


def test_a_counter_step_by_step() -> None:
    """It is zero one step before the first event; an event shows at the first step that is not before it."""
    text, summary = written(history([(T + 15_001, login()), (T, login()), (T + 1, login(amount=2))]))
    assert text.startswith('# HELP logins Logins.\n# TYPE logins counter\nlogins_total{service="a"} 0 1699999995\n')
    shown = series(text)["logins_total", (("service", "a"),)]
    assert shown[:4] == [(T - STEP, 0), (T, 1), (T + STEP, 3), (T + 2 * STEP, 4)]
    assert shown[4:] == [(T + (2 + n) * STEP, 4) for n in range(1, LINGER_MS // STEP + 1)]
    assert summary == Summary(1, len(shown), T - STEP, shown[-1][0])
    assert text.endswith("\n# EOF\n")


def test_a_histogram_step_by_step() -> None:
    """Buckets are cumulative, and include their upper bound."""
    events = [(T, Increment(SECONDS.name, ("a",), value)) for value in (0.1, 0.5, 7)]
    text, summary = written(history(events))
    a, shown = ("service", "a"), series(text)
    at_second = {name: samples[1] for name, samples in shown.items()}
    assert at_second == {
        ("request_seconds_bucket", (("le", "0.1"), a)): (T, 1),
        ("request_seconds_bucket", (("le", "1.0"), a)): (T, 2),
        ("request_seconds_bucket", (("le", "+Inf"), a)): (T, 3),
        ("request_seconds_count", (a,)): (T, 3),
        ("request_seconds_sum", (a,)): (T, 7.6),
    }
    assert all(samples[0] == (T - STEP, 0) for samples in shown.values())
    assert summary.series == 5
    assert summary.samples == sum(map(len, shown.values()))


def test_names_and_values_are_escaped_as_in_the_live_exposition() -> None:
    """A counter without _total gets the suffix; help and label values may contain any character."""
    text, _ = written(history([(T, login('x"\\\n y')), (T, Increment(VISITS.name, ()))]))
    assert '# HELP visits Visits; a \\"name\\" without _total,\\nin two lines.\n# TYPE visits counter\n' in text
    assert series(text)["logins_total", (("service", 'x"\\\n y'),)][1] == (T, 1)
    assert series(text)["visits_total", ()][1] == (T, 1)


def test_labels_are_added_to_every_series() -> None:
    """A metric's own label of the same name is renamed as in a scrape."""
    labelled = history([(T, login())], labels={"job": "shipper", "service": "replay"})
    (name,) = series(written(labelled)[0])
    assert name[1] == (("exported_service", "a"), ("job", "shipper"), ("service", "replay"))


def test_declared_series_show_zero_throughout() -> None:
    """Other series start one step before their first increment."""
    events = [(T, login("a")), (T + 10 * STEP, login("b"))]
    shown = series(written(history(events, declared=[(LOGINS.name, ("c",)), ("gone_total", ())]))[0])
    first = {labels[0][1]: samples[0] for (_, labels), samples in shown.items()}
    assert first == {"a": (T - STEP, 0), "b": (T + 9 * STEP, 0), "c": (T - STEP, 0)}
    assert len({samples[-1][0] for samples in shown.values()}) == 1
    assert {value for _, value in shown["logins_total", (("service", "c"),)]} == {0}


def test_years_without_an_event_are_left_out() -> None:
    """The old value is repeated once before the next increment, so that `increase()` sees it."""
    later = T + 1000 * BREAK_MS
    shown = series(written(history([(T, login()), (later, login()), (later, login("b"))]))[0])
    a, b = shown["logins_total", (("service", "a"),)], shown["logins_total", (("service", "b"),)]
    assert len(a) == 2 * (2 + LINGER_MS // STEP)
    assert a[a.index((T + LINGER_MS, 1)) + 1 :][:2] == [(later - STEP, 1), (later, 2)]
    assert b[:2] == [(later - STEP, 0), (later, 1)]


@pytest.mark.parametrize("apart_ms", [23 * HOUR_MS, HOUR_MS + STEP, HOUR_MS])
def test_sparse_times_do_not_cause_a_huge_history(apart_ms: int) -> None:
    """The text grows with the number of lines, not with the time between them."""
    declared = [(LOGINS.name, (service,)) for service in "abcdefghij"]
    size = len(written(history([(T + n * apart_ms, login()) for n in range(30)], declared=declared))[0])
    an_hour_of_each = (
        30 * len(declared) * ((HOUR_MS + LINGER_MS) // STEP + 2) * len('logins_total{service="a"} 30 1699999995\n')
    )
    assert size < an_hour_of_each
    assert apart_ms == HOUR_MS or size < an_hour_of_each / 10


def test_a_quiet_hour_is_not_left_out() -> None:
    """Up to `BREAK_MS` there is a sample at each step; a longer gap has none."""
    for pause_ms, left_out in ((BREAK_MS, False), (BREAK_MS + STEP, True)):
        shown = series(written(history([(T, login()), (T + pause_ms, login())]))[0])
        gaps = {later - time for (time, _), (later, _) in pairwise(shown["logins_total", (("service", "a"),)])}
        assert gaps == {STEP, *([pause_ms - LINGER_MS - STEP] if left_out else [])}


@pytest.mark.parametrize("options", [{}, {"declared": [(LOGINS.name, ("a",))]}])
def test_a_history_without_events_has_no_samples(options: dict[str, Any]) -> None:
    """Its text is still valid."""
    text, summary = written(history(**options))
    assert summary == Summary(0, 0, None, None)
    assert [(family.name, family.samples) for family in families(text)] == [
        ("logins", []), ("visits", []), ("request_seconds", []),
    ]  # fmt: skip


@pytest.mark.parametrize("step_ms", [0, -1000, 1500, LOOKBACK_MS])
def test_an_invalid_step_is_rejected(step_ms: int) -> None:
    """Prometheus truncates to seconds, and a series is stale after five minutes."""
    with pytest.raises(ValueError, match="whole seconds"):
        History(METRICS, step_ms)


def test_gauges_other_steps_and_unknown_metrics_are_rejected() -> None:
    """Gauges have no increments, parts need the same steps, and increments need a declared metric."""
    with pytest.raises(ValueError, match="gauge"):
        History([Metric("depth", "gauge", "h")])
    with pytest.raises(ValueError, match="cannot merge"):
        history().merge(history(step_ms=30_000))
    with pytest.raises(KeyError):
        history([(T, Increment("other_total", ()))])


def test_a_merged_history_shows_the_declared_series_of_both() -> None:
    """They are zero from the beginning."""
    whole = history([(T, login())])
    whole.merge(history(declared=[(LOGINS.name, ("b",))]))
    assert series(written(whole)[0])["logins_total", (("service", "b"),)][0] == (T - STEP, 0)


def test_merging_does_not_change_the_other_part() -> None:
    """A part can still be written separately."""
    part, whole = history([(T, login())]), history()
    before = written(part)
    whole.merge(part)
    whole.add(T, [login()])
    assert written(part) == before


services = st.sampled_from("ab")
durations = st.floats(0, 10) | st.sampled_from([0.1, 1.0, 5e-324])
increments = st.one_of(
    st.builds(lambda service, amount: login(service, amount), services, st.integers(1, 3) | st.floats(0, 10)),
    st.builds(lambda service, value: Increment(SECONDS.name, (service,), value), services, durations),
    st.just(Increment(VISITS.name, ())),
)
times = st.integers(T - 600_000, T) | st.sampled_from([T, T + STEP, T + 5 * BREAK_MS, -7, 0])
events = st.tuples(times, increments)
events_in_parts = st.lists(st.tuples(events, st.integers(0, 2)), max_size=30)
steps = st.sampled_from([STEP, 30_000, 60_000])


@given(events_in_parts, st.randoms(use_true_random=False), steps)
def test_order_and_parts_do_not_change_the_text(
    placed: list[tuple[Event, int]], chance: random.Random, step_ms: int
) -> None:
    """Processes read files in parallel: the text is the same, to the last digit."""
    parts = [history(step_ms=step_ms) for _ in range(3)]
    for (time_ms, increment), part in chance.sample(placed, len(placed)):
        parts[part].add(time_ms, [increment])
    whole = history(step_ms=step_ms)
    for one in chance.sample(parts, 3):
        whole.merge(pickle.loads(pickle.dumps(one)))
    assert written(whole) == written(history([event for event, _ in placed], step_ms=step_ms))


@pytest.mark.integration
@given(st.lists(events, max_size=30), steps)
def test_every_sample_is_the_sum_of_the_events_up_to_it(past: list[Event], step_ms: int) -> None:
    """Each series starts at zero before its first event, and has a sample one step before each change."""
    text, _ = written(history(past, step_ms=step_ms))
    check_order(text)
    shown, truth = series(text), expected(past)
    assert shown.keys() == truth.keys()
    for name, samples in shown.items():
        times, totals = truth[name]
        assert samples[0][0] < times[0]
        assert samples[-1][0] >= times[-1] + LINGER_MS
        for time, value in samples:
            assert value == totals[bisect_right(times, time)]
        for (earlier, before), (later, after) in pairwise(samples):
            assert after == before or later - earlier == step_ms


def expected(events: Iterable[Event]) -> dict[Name, tuple[list[int], list[float]]]:
    """Return by series the event times, and the totals before the first and after each event, computed naively."""
    added: defaultdict[Name, list[tuple[int, Fraction]]] = defaultdict(list)
    for time, (metric, labels, amount) in sorted(events, key=lambda event: event[0]):
        named = tuple(("service", label) for label in labels)
        if metric != SECONDS.name:
            added[f"{metric.removesuffix('_total')}_total", named].append((time, Fraction(amount)))
            continue
        added[f"{metric}_sum", named].append((time, Fraction(amount)))
        added[f"{metric}_count", named].append((time, Fraction(1)))
        for bound in ("0.1", "1.0", "+Inf"):
            within = Fraction(amount <= float(bound))
            added[f"{metric}_bucket", (("le", bound), *named)].append((time, within))
    return {
        name: (
            [time for time, _ in ones],
            [float(total) for total in accumulate((n for _, n in ones), initial=Fraction())],
        )
        for name, ones in added.items()
    }
