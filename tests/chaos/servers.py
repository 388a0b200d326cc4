"""Places with real servers: Elasticsearch behind a gate, and Kafka with an indexer behind it."""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from elasticsearch import Elasticsearch, helpers

from shipper.config.settings import Settings
from shipper.outputs import registry
from tests.chaos import gate
from tests.chaos.agent import GRACE_S, Subject
from tests.chaos.books import Stored, in_letters, in_store
from tests.chaos.faults import ELASTICSEARCH, KAFKA, OF_INDEXER, OF_LETTERS, OF_STORE, POINT_S, at_point, fault, several
from tests.chaos.logs import Log
from tests.chaos.places import subject
from tests.chaos.schedule import KILL
from tests.chaos.world import CONFIG, World
from tests.services.elasticsearch_node import ElasticsearchNode
from tests.services.kafka_broker import KafkaBroker, create_topics

NAME = "search.chaos.test"
"""The host name under which the agent reaches the server; see the launcher."""
PARTITIONS = 3
CLIENTS = ("kafka-python", "confluent")


class ElasticsearchPlace:
    """Generated logs, shipped through a gate into a real node whose name can stop resolving."""

    name = ELASTICSEARCH

    def __init__(self, folder: Path) -> None:
        """Start a node. Raises Unavailable."""
        folder.mkdir(parents=True, exist_ok=True)
        self.node = ElasticsearchNode(folder).start()
        self.gate = gate.Gate(self.node.url)
        threading.Thread(target=self.gate.serve_forever, daemon=True).start()
        self.changing = threading.Lock()
        list(registry.installation(Settings(output=self.node.url, elasticsearch={"replicas": 0})))

    def open(self, world: World) -> Subject:
        """Return an agent that reaches the gate by name; the node's indices are deleted."""
        with self._client() as client:
            for index in client.indices.get(index="keneyapp-*"):
                client.indices.delete(index=index)
        (world.folder / "names").write_text("there")
        config = (
            "elasticsearch: {replicas: 0, request_timeout: 3s, retry_for: 4s, request_bytes: 64KiB, in_flight: 3}\n"
        )
        agent = subject(world, f"http://{NAME}:{self.gate.server_port}", config)
        agent.environment["CHAOS_NAMES"] = str(world.folder / "names")
        return agent

    def _client(self) -> Elasticsearch:
        return Elasticsearch(self.node.url, request_timeout=60)

    def logs(self, world: World) -> list[Log]:
        """Return one log of each kind."""
        return several(world)

    def settle(self, world: World) -> None:
        """Restore the node, its name and the gate, and ship everything that was written."""
        self.gate.manner = gate.passes
        (world.folder / "names").write_text("there")
        if self.node.process.pid is None:
            self.node.start()
        world.agent.once()

    def stored(self, world: World) -> Iterator[Stored]:
        """Yield the documents of all indices, and the dead letters."""
        with self._client() as client:
            client.indices.refresh(index="keneyapp-*")
            for hit in helpers.scan(client, index="keneyapp-*", size=5000):
                yield hit["_index"], json.dumps(hit["_source"]).encode()
        yield from in_letters(world.agent.state)

    def close(self, world: World) -> None:
        """Release nothing: the node serves the next world too."""

    def end(self) -> None:
        """Stop the node."""
        self.gate.shutdown()
        self.gate.server_close()
        self.node.kill()


def place_of(world: World) -> ElasticsearchPlace:
    """Return the world's place as an ElasticsearchPlace."""
    assert isinstance(world.place, ElasticsearchPlace)
    return world.place


def for_a_while(world: World, name: str, seconds: float, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Apply a change for some seconds while the schedule continues; one such change at a time."""

    def run() -> None:
        begin()
        try:
            world.rest(seconds)
        finally:
            end()

    if world.background(run, "server"):
        world.tried[name] += 1


def answers(name: str, manner: Callable[[random.Random], gate.Manner]) -> None:
    """Declare a fault in which the gate responds in another manner for some seconds."""

    @fault(name, (ELASTICSEARCH,), 1.2)
    def act(world: World, chance: random.Random) -> None:
        place, other = place_of(world), manner(chance)

        def begin() -> None:
            place.gate.manner = other

        def end() -> None:
            place.gate.manner = gate.passes

        for_a_while(world, name, chance.uniform(0.5, 2.5), begin, end)


answers("Elasticsearch answers 429", lambda _chance: gate.error_response(429, "es_rejected_execution_exception"))
answers("Elasticsearch answers 503", lambda _chance: gate.error_response(503, "unavailable", **{"Retry-After": "1"}))
answers("Elasticsearch answers HTML", lambda chance: gate.html(chance.choice([200, 502])))
answers("Elasticsearch answers half a body", lambda _chance: gate.half_answers)
answers("Elasticsearch's answer lost", lambda _chance: gate.no_answer)
answers("bulk cut in the middle", lambda _chance: gate.cut_request)


@fault("Elasticsearch answers 413", (ELASTICSEARCH,), 1.5)
def answers_413(world: World, chance: random.Random) -> None:
    """Limit the size of requests, so low for a while that long entries become dead letters; kill during one of them."""
    place = place_of(world)
    if "server" in world.busy:
        return
    place.gate.manner = gate.too_large(chance.choice([2000, 4000, 30_000]))
    try:
        if chance.random() < 0.6:
            world.kill()
            world.tried[KILL] += 1
            at_point(world, chance.choice(sorted(OF_LETTERS)), chance.randrange(1, 3))
            world.ensure()
        time.sleep(chance.uniform(0.5, 2.0))
    finally:
        place.gate.manner = gate.passes
    world.tried["Elasticsearch answers 413"] += 1


@fault("DNS gone", (ELASTICSEARCH,), 1.2)
def dns_gone(world: World, chance: random.Random) -> None:
    """Make the server's name unresolvable for some seconds and cut open connections."""
    place, names = place_of(world), world.folder / "names"

    def begin() -> None:
        names.write_text("gone")
        place.gate.cut()

    for_a_while(world, "DNS gone", chance.uniform(0.5, 2.5), begin, lambda: (names.write_text("there"), None)[1])


@fault("Elasticsearch slow", (ELASTICSEARCH,), 1)
def elasticsearch_slow(world: World, chance: random.Random) -> None:
    """Stop the server with SIGSTOP for longer than a request may take."""
    process = place_of(world).node.process
    if process.pid is None:
        return

    def send(number: signal.Signals) -> Callable[[], None]:
        return lambda: process._process.send_signal(number) if process._process is not None else None

    for_a_while(world, "Elasticsearch slow", chance.uniform(2.0, 5.0), send(signal.SIGSTOP), send(signal.SIGCONT))


@fault("Elasticsearch killed", (ELASTICSEARCH,), 0.7)
def elasticsearch_killed(world: World, chance: random.Random) -> None:
    """Send SIGKILL to the server and start it again."""
    node = place_of(world).node
    for_a_while(world, "Elasticsearch killed", chance.uniform(0.5, 2.0), node.kill, lambda: (node.start(), None)[1])


class KafkaPlace:
    """Generated logs, shipped to a real broker, and an indexer from there into the embedded store."""

    name = KAFKA

    def __init__(self, folder: Path) -> None:
        """Start a broker. Raises Unavailable."""
        folder.mkdir(parents=True, exist_ok=True)
        self.broker = KafkaBroker(folder).start()

    def open(self, world: World) -> Subject:
        """Return an agent that writes to topics of this world, and add its indexer."""
        topic, client = f"logs-{world.schedule.seed}-{int(time.time())}", CLIENTS[world.schedule.seed % 2]
        create_topics(self.broker.address, topic, f"{topic}-quarantine", partitions=PARTITIONS)
        config = f"kafka: {{client: {client}, session_timeout: 6s, delivery_timeout: 5s, group: {topic}}}\n"
        url = f"kafka://{self.broker.address}/{topic}"
        self.indexer = Subject(world.folder, "indexer", [url], f"local:{world.folder}/store", CONFIG + config)
        world.others.append(self.indexer)
        return subject(world, url, config)

    def logs(self, world: World) -> list[Log]:
        """Return one log of each kind."""
        return several(world)

    def settle(self, world: World) -> None:
        """Restore the broker, ship everything that was written, and index it."""
        if self.broker.process.pid is None:
            self.broker.start()
        world.agent.once()
        if not self.indexer.stop(GRACE_S):
            raise AssertionError("the indexer did not end in time")
        self.indexer.once()

    def stored(self, world: World) -> Iterator[Stored]:
        """Yield the documents that the indexer stored, and the dead letters of both processes."""
        yield from in_store(world.folder / "store")
        for process in (world.agent, self.indexer):
            yield from in_letters(process.state)

    def close(self, world: World) -> None:
        """Kill the indexer; the broker serves the next world too."""
        self.indexer.kill()

    def end(self) -> None:
        """Stop the broker."""
        self.broker.kill()


def indexer_of(world: World) -> Subject:
    """Return the running indexer."""
    (indexer,) = world.others
    if not indexer.alive:
        indexer.start(native=True)
    return indexer


@fault("Kafka broker killed", (KAFKA,), 2)
def broker_killed(world: World, chance: random.Random) -> None:
    """Send SIGKILL to the broker and start it again; agent and indexer recover without help."""
    assert isinstance(world.place, KafkaPlace)
    broker = world.place.broker
    for_a_while(world, "Kafka broker killed", chance.uniform(0.3, 2.0), broker.kill, lambda: (broker.start(), None)[1])


@fault("Kafka broker slow", (KAFKA,), 1)
def broker_slow(world: World, chance: random.Random) -> None:
    """Stop the broker with SIGSTOP for some seconds."""
    assert isinstance(world.place, KafkaPlace)
    process = world.place.broker.process

    def send(number: signal.Signals) -> Callable[[], None]:
        return lambda: process._process.send_signal(number) if process._process is not None else None

    for_a_while(world, "Kafka broker slow", chance.uniform(1.0, 4.0), send(signal.SIGSTOP), send(signal.SIGCONT))


@fault("indexer killed", (KAFKA,), 5)
def indexer_killed(world: World, chance: random.Random) -> None:
    """Kill the indexer at an arbitrary instruction."""
    indexer_of(world).kill()
    world.tried[f"{KILL}: indexer"] += 1


@fault("indexer's fail point", (KAFKA,), 4)
def indexer_fail_point(world: World, chance: random.Random) -> None:
    """Kill the indexer at a fail point, for example between the index and the offsets."""
    (indexer,) = world.others
    indexer.kill()
    name = chance.choice(sorted(OF_INDEXER | OF_STORE - {"a day file is drafted"}))
    indexer.start(native=True, point=f"{name}:{chance.randrange(1, 4)}")
    reached = indexer.wait_for_point(POINT_S * 2)
    world.tried[f"{KILL}: indexer, {name}" if reached else f"{KILL}: indexer"] += 1


@fault("indexer's short grace", (KAFKA,), 1)
def indexer_short_grace(world: World, chance: random.Random) -> None:
    """Send SIGTERM to the indexer, and SIGKILL a moment later."""
    with suppress(IndexError):
        indexer_of(world).stop(chance.uniform(0.0, 1.0))
        world.tried["indexer: short grace"] += 1
