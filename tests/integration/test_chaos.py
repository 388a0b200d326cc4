"""Schedules of faults over the real agent: the books balance after each, and every fault occurs at least once."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.services.unavailable import Unavailable
from tests.chaos.engine import DockerPlace
from tests.chaos.faults import DOCKER, ELASTICSEARCH, FAULTS, FILES, KAFKA
from tests.chaos.lines import token
from tests.chaos.places import Files
from tests.chaos.schedule import KILL, POINT, Schedule
from tests.chaos.servers import ElasticsearchPlace, KafkaPlace
from tests.chaos.world import Outcome, Place, World
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ROUTINE = {KILL: 3.0, POINT: 2.0}
KILLS = 52
"""Number of kills of each of four agents."""
Server = TypeVar("Server", ElasticsearchPlace, KafkaPlace, DockerPlace)
SPARED = {"Elasticsearch killed"}
"""Faults that are left out: slow, and covered by `test_elasticsearch_kills`."""


def schedule(seed: int, place: str, names: list[str], length: int) -> Schedule:
    """Return a schedule with each of these faults once, among kills."""
    weights = {name: weight for name, weight in ROUTINE.items() if name in FAULTS}
    return Schedule.of(seed, place, weights, length, names)


def played(folder: Path, plan: Schedule, place: Place) -> Outcome:
    """Run a schedule and return its outcome; `missing` if a disk cannot be mounted."""
    try:
        outcome = World(folder / f"{plan.place}-{plan.seed}", plan, place).run()
    except Unavailable as error:
        missing(str(error), "run the tests as root")
    assert outcome.balanced, (
        f"{plan}\n{outcome.trouble}\n{outcome.balance}\nrepeat with: make chaos SEED={plan.seed} PLACE={plan.place}"
    )
    return outcome


def started(make: Callable[[Path], Server], folder: Path, hint: str) -> Iterator[Server]:
    """Yield a place with its own server and end it at last; `missing` if it is unavailable."""
    try:
        place = make(folder / "server")
    except Unavailable as error:
        missing(str(error), hint)
    yield place
    place.end()


def of(place: str) -> list[str]:
    """Return the faults of a place, without the routine ones."""
    return [
        name for name, fault in FAULTS.items() if place in fault.places and name not in ROUTINE and name not in SPARED
    ]


def test_every_fault_of_files_disks_clock_and_state(tmp_path: Path) -> None:
    """Three worlds side by side share them, so that none takes longer than half a minute."""
    names = of(FILES)
    plans = [schedule(seed, FILES, names[seed::3], 9) for seed in range(3)]
    with ThreadPoolExecutor(len(plans)) as pool:
        outcomes = list(pool.map(lambda plan: played(tmp_path, plan, Files()), plans))
    tried = sum((outcome.tried for outcome in outcomes), Counter[str]())
    assert {name for name in names if not name.startswith("fail point")} <= tried.keys()
    assert any(name.startswith(f"{KILL}: ") for name in tried)
    assert sum(outcome.balance.written for outcome in outcomes) > 1000


def test_two_hundred_kills_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    """Four agents are killed again and again while their logs grow and rotate; no file is deleted, so nothing is excused."""
    plans = [Schedule.of(seed, FILES, {KILL: 1.0}, KILLS) for seed in range(4)]
    with ThreadPoolExecutor(len(plans)) as pool:
        outcomes = list(pool.map(lambda plan: played(tmp_path, plan, Files()), plans))
    assert sum(outcome.tried[KILL] for outcome in outcomes) >= 200
    assert [outcome.balance.excused for outcome in outcomes] == [0] * len(plans)
    assert all(outcome.balance.written > 1000 for outcome in outcomes)
    ages = sorted(age for outcome in outcomes for age in outcome.ages)
    assert ages[len(ages) // 5] < 0.5
    assert ages[-len(ages) // 5] > 1.5


@pytest.fixture
def elasticsearch_place(tmp_path: Path) -> Iterator[ElasticsearchPlace]:
    """A node behind a gate."""
    yield from started(ElasticsearchPlace, tmp_path, "install a JDK 21 and Maven")


def test_every_fault_of_elasticsearch(tmp_path: Path, elasticsearch_place: ElasticsearchPlace) -> None:
    """429, 503, 413, HTML, half a body, cut requests and responses, an unresolvable name, a server that hangs."""
    names = [
        name for name in of(ELASTICSEARCH) if "Elasticsearch" in name or name in {"DNS gone", "bulk cut in the middle"}
    ]
    outcome = played(tmp_path, schedule(5, ELASTICSEARCH, names, len(names) + 3), elasticsearch_place)
    assert outcome.tried[KILL] > 0


@pytest.fixture
def kafka_place(tmp_path: Path) -> Iterator[KafkaPlace]:
    """A broker."""
    yield from started(KafkaPlace, tmp_path, "install a JDK 17 and Maven")


def test_every_fault_of_kafka(tmp_path: Path, kafka_place: KafkaPlace) -> None:
    """The broker is killed and stopped; agent and indexer are killed, also between the index and the offsets."""
    names = [name for name in of(KAFKA) if "Kafka" in name or "indexer" in name]
    outcome = played(tmp_path, schedule(6, KAFKA, names, len(names) + 3), kafka_place)
    assert outcome.tried["Kafka broker killed"] == 1
    assert any("indexer" in name for name in outcome.tried)


@pytest.fixture
def docker_place(tmp_path: Path) -> Iterator[DockerPlace]:
    """An engine."""
    yield from started(DockerPlace, tmp_path, "run the tests as root, where docker.io can be installed")


def test_every_fault_of_a_docker_engine(tmp_path: Path, docker_place: DockerPlace) -> None:
    """The engine is restarted and killed while containers print; containers are restarted, and removed after their last line."""
    names = [name for name in of(DOCKER) if "ocker" in name or "container" in name]
    outcome = played(tmp_path, schedule(8, DOCKER, names, len(names) + 2), docker_place)
    assert set(names) <= outcome.tried.keys()


@pytest.mark.parametrize("defect", ["loses", "duplicates", "counts twice"])
def test_the_books_notice_a_defect(tmp_path: Path, defect: str) -> None:
    """The harness reports an agent that drops a document, stores one twice, or counts one twice."""
    plan = Schedule.of(1, FILES, {"copytruncate": 1.0}, 3)
    outcome = World(tmp_path / "world", plan, Files(), defect=defect).run()
    assert outcome.trouble is None
    assert not outcome.balanced
    balance = outcome.balance
    assert bool(balance.lost) == (defect == "loses")
    assert bool(balance.duplicated) == (defect == "duplicates")
    assert ("failed_login_attempts_total" in balance.counters) == (defect == "counts twice")
    report = str(balance)
    assert defect != "loses" or token(balance.lost[0]) in report
    assert defect != "counts twice" or "failed_login_attempts_total is" in report
