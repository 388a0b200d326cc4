"""Kafka between node agents and the index: nothing lost, nothing duplicated, with both client libraries."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.record.default_records import DefaultRecordBatchBuilder

from shipper.agent.indexer import Indexer
from shipper.agent.indexer_status import IndexerPublisher
from shipper.bootstrap import build_indexer
from shipper.config.output_settings import KafkaSettings
from shipper.config.settings import Settings
from shipper.delivery.pace import Pace
from shipper.inputs.kafka.consumer import Partition, open_consumer
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.outputs.base import Output
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.kafka.output import KafkaOutput
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.backoff import Backoff
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable
from tests.outputs.conftest import make_document
from tests.services.kafka_broker import KafkaBroker, create_topics
from tests.waiting import LONG_S, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLIENTS = ("kafka-python", "confluent")
SESSION_S = 6.0
"""Shortest silence after which a broker removes a member from its group; for tests with a silent member."""
PATIENT_S = 60.0
"""Silence that no live member reaches, however busy the machine is."""


@dataclass
class Topic:
    """A topic of one test with its quarantine, and what is written and read there."""

    address: str
    name: str
    folder: Path
    client: str
    outputs: list[Output] = field(default_factory=list)
    members: list["Member"] = field(default_factory=list)

    def create(self, partitions: int = 3, **configs: str) -> "Topic":
        """Create both topics."""
        create_topics(self.address, self.name, f"{self.name}-quarantine", partitions=partitions, **configs)
        return self

    @property
    def url(self) -> str:
        """URL of the topic, as output and as input."""
        return f"kafka://{self.address}/{self.name}"

    def settings(self, group: str = "indexers", **kafka: Any) -> KafkaSettings:
        """Return settings with the client under test."""
        settings = {
            "client": self.client,
            "compression": "gzip",
            "session_timeout": PATIENT_S,
            "group": f"{self.name}-{group}",
        }
        return KafkaSettings.model_validate({**settings, **kafka})

    def output(self, **kafka: Any) -> KafkaOutput:
        """Return a node agent's output; dead letters go to the test's folder."""
        output = registry.output_of(Settings(output=self.url, state_dir=self.folder, kafka=self.settings(**kafka)))
        assert isinstance(output, KafkaOutput)
        self.outputs.append(output)
        return output

    def deliver(self, output: KafkaOutput, documents: Sequence[Document]) -> None:
        """Send one batch as the agent does, with retries while the broker is unavailable."""
        end = time.monotonic() + LONG_S
        while True:
            try:
                output.submit(documents).result(LONG_S)
            except OutputUnavailable:
                assert time.monotonic() < end
            else:
                return

    def send(self, documents: Sequence[Document], each: int = 500, **kafka: Any) -> None:
        """Send all of them."""
        output = self.output(**kafka)
        for start in range(0, len(documents), each):
            self.deliver(output, documents[start : start + each])
        output.close()

    def indexer(self, group: str = "indexers", output: Output | None = None, **kafka: Any) -> Indexer:
        """Return an indexer into the test's store, or into `output`."""
        settings = Settings(
            inputs=[self.url],
            output=f"local:{self.folder}/store",
            state_dir=self.folder,
            kafka=self.settings(group, **kafka),
        )
        indexer = build_indexer.indexer(settings, Clock())
        if output is not None:
            indexer.delivery.output = output
        return indexer

    def member(self, group: str = "indexers", output: Output | None = None, **kafka: Any) -> "Member":
        """Start an indexer in a thread."""
        member = Member(self.indexer(group, output, **kafka))
        self.members.append(member)
        return member

    def once(self, group: str = "indexers", **kafka: Any) -> dict[str, int]:
        """Index all messages; return the number of events by outcome."""
        indexer = self.indexer(group, **kafka)
        try:
            indexer.run_once()
        finally:
            indexer.close()
        return indexer.outcomes()

    def committed(self, group: str = "indexers") -> dict[Partition, int]:
        """Return the offsets that the group has committed for the events' topic."""
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        offsets = admin.list_group_offsets(f"{self.name}-{group}")[f"{self.name}-{group}"]
        admin.close()
        return {Partition(*place): committed.offset for place, committed in offsets.items() if committed.offset > 0}

    @property
    def reader(self) -> LocalReader:
        """Return the reader of the test's store."""
        return LocalReader(self.folder / "store", "keneyapp-logs", "keneyapp-quarantine")

    def stored(self) -> Counter[str]:
        """Return the number of documents of each id in the main indices."""
        if not (self.folder / "store").exists():
            return Counter()
        return Counter(entry["_id"] for entry in self.reader.search(Query(limit=None)))

    def close(self) -> None:
        """Stop everything that a failed test left running."""
        for output in self.outputs:
            output.close()
        for member in self.members:
            member.stop()


class Member:
    """An indexer in its own thread."""

    def __init__(self, indexer: Indexer) -> None:
        self.indexer = indexer
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="indexer")
        self.thread.start()

    def _run(self) -> None:
        try:
            self.indexer.run()
        except BaseException as error:  # noqa: BLE001 -- raised when it is stopped
            self.failure = error
        finally:
            self.indexer.close()

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        self.indexer.stopping.set()
        self.thread.join(LONG_S)
        assert not self.thread.is_alive()
        assert self.failure is None


class Sender:
    """A node agent that sends something every few milliseconds until it is stopped."""

    def __init__(self, topic: Topic, each: int = 50, **kafka: Any) -> None:
        self.sent: list[Document] = []
        self.failure: BaseException | None = None
        self._topic, self._each, self._output = topic, each, topic.output(**kafka)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender")
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._enough.wait(0.01):
                batch = events(self._each, len(self.sent))
                self._topic.deliver(self._output, batch)
                self.sent += batch
        except BaseException as error:  # noqa: BLE001 -- raised when it is stopped
            self.failure = error

    def stop(self) -> list[Document]:
        """Stop, and return all acknowledged documents."""
        self._enough.set()
        self._thread.join(2 * LONG_S)
        assert not self._thread.is_alive()
        assert self.failure is None
        return self.sent


@dataclass
class ManualOutput:
    """An output that completes its batches when a test says so, in any order."""

    url: str = "test:withholding"
    window: int = 64
    asked: list[tuple[Sequence[Document], Future[Written]]] = field(default_factory=list)

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Keep them."""
        self.asked.append((list(documents), Future()))
        return self.asked[-1][1]

    def answer(self, number: int) -> None:
        """Complete one batch."""
        documents, future = self.asked[number]
        future.set_result(Written(len(documents), 0))

    def close(self) -> None:
        """Nothing to release."""


class Unreliable:
    """A store that is sometimes unavailable, in part of the cases after it has stored the batch."""

    window = 64

    def __init__(self, store: LocalStore, failures: Mapping[int, str]) -> None:
        self.store, self.failures, self.calls, self.url = store, failures, 0, store.url

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Fail before or after storing, at the configured calls."""
        self.calls += 1
        how = self.failures.get(self.calls)
        future = Future[Written]() if how == "before" else self.store.submit(documents)
        if how is None:
            return future
        future = Future()
        future.set_exception(OutputUnavailable("the store is unavailable", "wait"))
        return future

    def close(self) -> None:
        """Close the store."""
        self.store.close()


@pytest.fixture
def topic(kafka: str, client: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Topic]:
    """Yield names of topics that no other test uses, not created yet."""
    fresh = Topic(kafka, f"t{abs(hash((request.node.name, time.time_ns()))):x}", tmp_path, client)
    yield fresh
    fresh.close()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """Return the name of each library."""
    return str(request.param)


def events(number: int, start: int = 0, **fields: Any) -> list[Document]:
    """Return documents with correlation ids, so that they go to all partitions."""
    return [make_document(n, correlation_id=f"c-{n % 97}", **fields) for n in range(start, start + number)]


def ids(documents: Sequence[Document]) -> Counter[str]:
    """Return the ids that a store must hold, once each."""
    return Counter(document.id.hex() for document in documents)


# --- round trip ---------------------------------------------------------------------------------


@pytest.mark.parametrize("each", [1, 50])
def test_messages_are_stored_once_and_unchanged(topic: Topic, each: int) -> None:
    """All arrives unchanged, the quarantine too; a second read of the topic finds only duplicates."""
    topic.create()
    sent = events(3000)
    refused = [
        make_document(
            n, prefix="keneyapp-quarantine", raw=f"line {n}", reasons=[{"kind": "json_invalid", "detail": "x"}]
        )
        for n in range(40)
    ]
    topic.send([*sent, *refused], events_per_record=each)
    assert topic.once() == {"indexed": 3000, "quarantined": 40, "dropped": 0, "duplicate": 0}
    assert topic.stored() == ids(sent)
    stored = {entry["_id"]: entry for entry in topic.reader.search(Query(limit=None, correlation_id="c-5"))}
    expected = {document.id.hex(): orjson.loads(document.body) for document in sent if document.correlation_id == "c-5"}
    assert {
        key: {name: value for name, value in entry.items() if name not in {"_id", "_index"}}
        for key, entry in stored.items()
    } == expected
    assert {entry["raw"] for entry in topic.reader.quarantine()} == {f"line {n}" for n in range(40)}
    assert topic.once("again") == {"indexed": 0, "quarantined": 0, "dropped": 0, "duplicate": 3040}


def test_one_client_reads_what_the_other_wrote(topic: Topic) -> None:
    """Node agents and indexers may use different libraries; both map a key to the same partition."""
    topic.create(8)
    topic.send(events(500))
    other = next(name for name in CLIENTS if name != topic.client)
    topic.send(events(500, 500), client=other)
    assert topic.once(client=other)["indexed"] == 1000
    assert topic.stored() == ids(events(1000))
    places: dict[bytes, set[int]] = {}
    consumer = KafkaConsumer(bootstrap_servers=topic.address)
    consumer.assign([TopicPartition(topic.name, number) for number in range(8)])
    consumer.seek_to_beginning()
    until(lambda: gather(consumer, places) == 1000)
    consumer.close()
    assert len(places) == 97
    assert {len(partitions) for partitions in places.values()} == {1}


def gather(consumer: Any, places: dict[bytes, set[int]]) -> int:
    """Note the partitions of each key; return the number of messages read."""
    for records in consumer.poll(100, max_records=2000).values():
        for record in records:
            places.setdefault(record.key, set()).add(record.partition)
    return sum(consumer.position(place) for place in consumer.assignment())


# --- order of commits ----------------------------------------------------------------------------


def test_offsets_are_committed_only_after_the_output_answered(topic: Topic) -> None:
    """The acknowledgement of a later batch moves no offset past an unacknowledged earlier one."""
    topic.create(1)
    topic.send(events(300))
    output = ManualOutput()
    indexer = topic.indexer(output=output)
    indexer.pace = Pace(poll=0.05, batch_bytes=1, batch_age=0.0)
    read = 0

    def turn_until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LONG_S
        while not condition():
            indexer.turn()
            assert time.monotonic() < end

    turn_until(lambda: sum(len(documents) for documents, _ in output.asked) >= 300)
    topic.send(events(100, 300))
    turn_until(lambda: sum(len(documents) for documents, _ in output.asked) >= 400)
    assert len(output.asked) >= 2
    partition = Partition(topic.name, 0)
    assert topic.committed() == {}
    output.answer(1)
    for _ in range(20):
        indexer.turn()
    assert topic.committed() == {}
    output.answer(0)
    read = len(output.asked[0][0]) + len(output.asked[1][0])
    turn_until(lambda: topic.committed() == {partition: read})
    indexer.close()


def test_an_unavailable_output_delays_and_duplicates_nothing(topic: Topic) -> None:
    """A batch that was given up is read again from the last acknowledged offset; the membership is kept."""
    topic.create()
    store = Unreliable(LocalStore(topic.folder / "store"), {2: "before", 3: "after", 5: "before", 6: "after"})
    indexer = topic.indexer(output=store)
    indexer.pace = Pace(poll=0.05, batch_bytes=60_000, batch_age=0.2)
    indexer.delivery.backoff = Backoff(first=0.3)
    sender = Sender(topic)
    end = time.monotonic() + LONG_S
    while store.calls <= 12:
        indexer.turn()
        assert time.monotonic() < end, store.calls
    sent = ids(sender.stop())
    while topic.stored() != sent:
        indexer.turn()
        assert time.monotonic() < end, indexer.spans
    spare = Partition(f"{topic.name}-quarantine", 0) in indexer.spans
    indexer.close()
    assert spare  # still a member
    assert indexer.outcomes()["duplicate"] > 0
    assert sum(topic.committed().values()) == len(sent)


# --- rebalances -------------------------------------------------------------------------------------


class Idle:
    """A member that only takes its share of the partitions."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do."""

    def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Nothing to commit."""
        return {}

    def lost(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do."""


def test_what_a_rebalance_interrupts_is_read_again_from_partitions_that_are_kept(topic: Topic) -> None:
    """A client may leave a kept partition's position after messages that were read and not acknowledged."""
    topic.create(4)
    topic.send(events(400))
    output = ManualOutput()
    indexer = topic.indexer(output=output)
    indexer.pace = Pace(poll=0.05, batch_age=0.1)
    end = time.monotonic() + LONG_S
    while sum(len(documents) for documents, _ in output.asked) < 400 or len(indexer.spans) < 8:
        indexer.turn()
        assert time.monotonic() < end
    before = len(output.asked)
    names = (topic.name, f"{topic.name}-quarantine")
    other = open_consumer(topic.url, topic.settings(), names, Idle())
    joining = threading.Event()
    thread = threading.Thread(target=lambda: [other.poll(0.1, 1) for _ in iter(joining.is_set, True)])
    thread.start()
    until_turned = [document for documents, _ in output.asked[before:] for document in documents]
    while len(indexer.spans) != 4 or not until_turned:
        indexer.turn()
        until_turned = [document for documents, _ in output.asked[before:] for document in documents]
        assert time.monotonic() < end, (len(indexer.spans), len(until_turned))
    kept = sum(span.end for partition, span in indexer.spans.items() if partition.topic == topic.name)
    while len(until_turned) < kept:
        indexer.turn()
        until_turned = [document for documents, _ in output.asked[before:] for document in documents]
        assert time.monotonic() < end, (kept, len(until_turned))
    assert max(ids(until_turned).values()) == 1
    joining.set()
    thread.join()
    other.close()
    indexer.close()


def test_a_member_that_polls_briefly_is_taken_in(topic: Topic) -> None:
    """However much time passes between two polls, as on a busy machine, and while acknowledgements are pending."""
    topic.create()
    topic.send(events(300))
    consumer = open_consumer(topic.url, topic.settings(), [topic.name], Idle())
    end, polled = time.monotonic() + LONG_S, 0
    while polled < 300:
        polled += len(consumer.poll(0, 500))
        time.sleep(0.05)
        assert time.monotonic() < end, polled
    consumer.close()


def test_members_come_and_go(topic: Topic) -> None:
    """A second indexer joins the group while messages arrive, and the first leaves: each message is indexed once."""
    topic.create(4)
    sender, first = Sender(topic), topic.member()
    until(lambda: first.indexer.outcomes()["indexed"] > 300)
    second = topic.member()
    until(lambda: second.indexer.outcomes()["indexed"] > 300)
    before = first.indexer.outcomes()["indexed"]
    until(lambda: first.indexer.outcomes()["indexed"] > before + 300)
    first.stop()
    sent = ids(sender.stop())
    until(lambda: topic.stored() == sent)
    second.stop()
    assert sum(topic.committed().values()) == len(sent)
    outcomes = first.indexer.outcomes(), second.indexer.outcomes()
    assert sum(outcome["indexed"] for outcome in outcomes) == len(sent)
    assert sum(outcome["duplicate"] for outcome in outcomes) == 0


def test_a_killed_member_loses_nothing(topic: Topic) -> None:
    """SIGKILL of one of two `shipper run`: the other takes its partitions and reads on from the last commit."""
    topic.create(4)
    sender = Sender(topic)
    processes = [start_indexer(topic, number) for number in range(2)]
    try:
        until(lambda: sum("partitions_assigned" in log(topic, number) for number in range(2)) == 2)
        before = len(topic.stored())
        until(lambda: len(topic.stored()) > before + 1000)
        processes[0].send_signal(signal.SIGKILL)
        before = len(topic.stored())
        until(lambda: len(topic.stored()) > before + 2000)
        sent = ids(sender.stop())
        until(lambda: topic.stored() == sent)
        processes[1].send_signal(signal.SIGTERM)
        assert processes[1].wait(LONG_S) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert topic.stored() == sent
    assert sum(topic.committed().values()) == len(sent)


def log(topic: Topic, number: int) -> str:
    """Return the log of an indexer."""
    return (topic.folder / f"indexer-{number}.log").read_text()


def start_indexer(topic: Topic, number: int) -> subprocess.Popen[bytes]:
    """Start `shipper run` between the topic and the store."""
    config = topic.folder / f"config-{number}.yaml"
    config.write_text(
        json.dumps(
            {
                "inputs": [topic.url], "output": f"local:{topic.folder}/store", "state_dir": f"{topic.folder}/state",
                "listen": "off", "kafka": topic.settings(session_timeout=SESSION_S).model_dump(mode="json", exclude_defaults=True),
            }
        )
    )  # fmt: skip
    with (topic.folder / f"indexer-{number}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "shipper", "run", "--config", str(config), "--log-format", "json"],
            stdout=log,
            stderr=log,
        )


# --- the broker -------------------------------------------------------------------------------------


def test_a_killed_broker_delays_and_loses_nothing(own_kafka: KafkaBroker, client: str, tmp_path: Path) -> None:
    """SIGKILL of the broker while messages are sent: both ends recover, and all is stored once."""
    before_it = set(threading.enumerate())
    topic = Topic(own_kafka.address, f"killed-{client}-{time.time_ns()}", tmp_path, client).create()
    try:
        sender, member = Sender(topic, delivery_timeout=5), topic.member(session_timeout=SESSION_S)
        until(lambda: member.indexer.outcomes()["indexed"] > 1000)
        own_kafka.kill()
        until(lambda: member.indexer.input_state.error is not None)
        own_kafka.start()
        before = len(sender.sent)
        until(lambda: len(sender.sent) > before + 1000)
        sent = ids(sender.stop())
        until(lambda: topic.stored() == sent)
        until(lambda: member.indexer.input_state.error is None)
        member.stop()
        assert sum(topic.committed().values()) >= len(sent)
    finally:
        topic.close()
    until(lambda: not {thread for thread in threading.enumerate() if "kafka" in thread.name} - before_it, LONG_S)


def test_an_unavailable_broker_is_reported_in_time(client: str, tmp_path: Path) -> None:
    """The future raises OutputUnavailable with its hint, does not hang, and leaves no thread behind after any attempt."""
    before_it = set(threading.enumerate())
    topic = Topic("127.0.0.1:1", "nowhere", tmp_path, client)
    output = topic.output(delivery_timeout=2)
    with pytest.raises(OutputUnavailable, match=r"Kafka on 127\.0\.0\.1:1 is unavailable") as refusal:
        output.submit(events(1)).result(20)
    assert "brokers are running" in refusal.value.hint
    output.close()
    until(lambda: not {thread for thread in threading.enumerate() if "kafka" in thread.name} - before_it)


def test_a_missing_topic_is_reported_with_the_command_that_creates_it(topic: Topic) -> None:
    """Topics are not created by accident, with one partition and one replica."""
    output = topic.output()
    with pytest.raises(OutputUnavailable, match=f"topic {topic.name} does not exist") as refusal:
        output.submit(events(1)).result(LONG_S)
    assert f"--create --topic {topic.name}" in refusal.value.hint
    topic.create()
    assert output.submit(events(10)).result(LONG_S) == Written(10, 0)


def test_a_message_too_large_becomes_a_dead_letter_and_holds_up_no_other(topic: Topic) -> None:
    """Messages sent with it or later are not rejected with it, and it is not retried for ever."""
    topic.create(1, **{"max.message.bytes": "20000"})
    large = [make_document(n, message=os.urandom(20_000).hex()) for n in (10_000, 10_001)]
    sent = [*events(200), large[0], *events(200, 200), large[1], *events(200, 400)]
    output = topic.output()
    answers = [output.submit(sent[start : start + 151]) for start in range(0, len(sent), 151)]
    written = [answer.result(LONG_S) for answer in answers]
    assert sum(batch.stored for batch in written) == 600
    assert sum(batch.refused for batch in written) == 2
    letters = list(DeadLetters(topic.folder).letters())
    assert sorted(letter["id"] for letter in letters) == sorted(document.id.hex() for document in large)
    assert {letter["document"].encode() for letter in letters} == {document.body for document in large}
    assert "max.message.bytes" in letters[0]["reason"]
    topic.once()
    assert topic.stored() == ids(events(600))


# --- foreign messages ------------------------------------------------------------------------------


class Undecodable(str):
    """A header name that is not UTF-8 on the wire."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"ind\xff\xfex"


def produce_undecodable(topic: Topic) -> None:
    """Send a hand-written Produce request, since no client sends such a header (Kafka protocol, Produce version 7)."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=9999,
    )  # fmt: skip
    builder.append(0, timestamp=int(time.time() * 1000), key=None, value=b"bad", headers=[(Undecodable("x"), b"y")])
    records = bytes(builder.build())
    name = topic.name.encode()
    text = lambda data: struct.pack(">h", len(data)) + data  # noqa: E731 -- a string of the protocol
    body = struct.pack(">hhi", 0, 7, 1) + text(b"test") + struct.pack(">hhi", -1, 1, 5000)
    body += struct.pack(">i", 1) + text(name) + struct.pack(">iii", 1, 0, len(records)) + records
    host, _, port = topic.address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        assert connection.recv(4096)


def test_a_header_that_is_not_text_ends_no_indexer(topic: Topic, client: str) -> None:
    """One library quarantines the message; the other names it, and which library can read it, and commits nothing."""
    topic.create(1)
    topic.send(events(5))
    produce_undecodable(topic)
    topic.send(events(5, 5))
    if client == "confluent":
        assert topic.once() == {"indexed": 10, "quarantined": 1, "dropped": 0, "duplicate": 0}
        assert topic.stored() == ids(events(10))
        return
    member = topic.member()
    until(lambda: "kafka-python cannot read" in (member.indexer.input_state.error or ""))
    member.stop()
    assert topic.stored() == ids(events(5))
    assert sum(topic.committed().values()) == 5
    assert topic.once(client="confluent")["quarantined"] == 1
    assert topic.stored() == ids(events(10))


def test_what_others_wrote_goes_to_the_quarantine(topic: Topic) -> None:
    """It blocks nothing, cannot choose an index, and a second read finds it stored."""
    topic.create(1)
    index = events(1)[0].index.encode()
    foreign: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (b'{"hello":"kcat"}', []),
        (b"\x00\xff\x1b[2J", []),
        (events(1)[0].body, [("id", b"1" * 40), ("index", b"other-index-2026.11.23")]),
        (events(1)[0].body, [("id", b"no id"), ("index", index)]),
        (None, [("id", b"1" * 40), ("index", index)]),
        (b"[1, 2]", [("id", b"1" * 40), ("index", index)]),
    ]
    producer = KafkaProducer(bootstrap_servers=topic.address)
    for value, headers in foreign:
        producer.send(topic.name, value=value, key=b"k", headers=headers)
    producer.flush()
    producer.close()
    topic.send(events(20))
    assert topic.once() == {"indexed": 20, "quarantined": 6, "dropped": 0, "duplicate": 0}
    assert topic.stored() == ids(events(20))
    entries = sorted(topic.reader.quarantine(), key=lambda entry: entry["log"]["offset"])
    assert [entry["log"]["offset"] for entry in entries] == list(range(6))
    assert {entry["log"]["file"]["path"] for entry in entries} == {f"kafka://{topic.name}/0"}
    assert {entry["reasons"][0]["kind"] for entry in entries} == {"envelope_invalid"}
    assert [entry["raw"] for entry in entries[:2]] == ['{"hello":"kcat"}', "\x00\\xff\x1b[2J"]
    assert sum(topic.committed().values()) == 26
    assert topic.once("again")["duplicate"] == 26
    names = {path.name for path in (topic.folder / "store").glob("*.db")}
    assert all(name.startswith(("keneyapp-logs-2026.11.23", "keneyapp-quarantine-")) for name in names)


# --- topics that change under the indexer --------------------------------------------------------


def deleted(topic: Topic) -> None:
    """Delete the events' topic and wait until it is gone."""
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    admin.delete_topics([topic.name])
    until(lambda: topic.name not in admin.list_topics())
    admin.close()


@pytest.mark.parametrize("number", [200, 500, 900], ids=["fewer", "as many", "more"])
def test_a_topic_that_is_created_again_is_read_from_its_beginning(topic: Topic, number: int) -> None:
    """Its old offsets mean nothing: everything is stored, the fault is counted and named, and health is degraded."""
    topic.create(1)
    first, second = events(500), events(number, 1000)
    topic.send(first)
    member = topic.member()
    until(lambda: topic.stored() == ids(first), LONG_S)
    deleted(topic)
    create_topics(topic.address, topic.name, partitions=1)
    topic.send(second)
    until(lambda: topic.stored() == ids([*first, *second]), LONG_S)
    until(lambda: bool(member.indexer.recent_faults()), LONG_S)
    (what,) = member.indexer.recent_faults().values()
    assert f"partition 0 of topic {topic.name} was deleted and created again" in what
    publisher = IndexerPublisher(member.indexer, topic.url, "indexers", "local")
    assert publisher.snapshot.health().status == "degraded"
    assert what in publisher.snapshot.status()["unreadable"].values()
    assert member.indexer.ledger.published.values["shipper_partition_resets_total", ("recreated",)] >= 1
    until(lambda: topic.committed() == {Partition(topic.name, 0): len(topic_messages(topic))}, LONG_S)
    member.stop()
    assert topic.once()["indexed"] == 0


def topic_messages(topic: Topic) -> list[int]:
    """Return the offsets of the messages of the first partition."""
    consumer = KafkaConsumer(bootstrap_servers=topic.address)
    place = TopicPartition(topic.name, 0)
    end = consumer.end_offsets([place])[place]
    consumer.close()
    return list(range(end))


def test_a_topic_that_is_created_again_between_two_runs_is_read_from_its_beginning(topic: Topic) -> None:
    """The group's offset names the topic that it belongs to; here somebody has put the old one back."""
    topic.create(1)
    first, second = events(300), events(900, 1000)
    topic.send(first, each=1)
    topic.once()
    old = group_offset(topic)
    deleted(topic)
    create_topics(topic.address, topic.name, partitions=1)
    topic.send(second, each=1)
    put_offset(topic, old)
    topic.once()
    assert topic.stored() == ids([*first, *second])


def test_a_group_whose_offset_is_beyond_the_end_reads_what_is_there(topic: Topic) -> None:
    """The partition is shorter than what was read of it: nothing readable is passed over, and it is said."""
    topic.create(1)
    sent = events(300)
    topic.send(sent, each=1)
    put_offset(topic, OffsetAndMetadata(5000, "", -1))
    member = topic.member()
    until(lambda: topic.stored() == ids(sent), LONG_S)
    until(lambda: any("became shorter" in what for what in member.indexer.recent_faults().values()), LONG_S)
    until(lambda: topic.committed() == {Partition(topic.name, 0): 300}, LONG_S)
    member.stop()


def test_messages_that_expire_unread_are_counted(topic: Topic) -> None:
    """Retention, or an operator, deleted them before an indexer came: their number is known exactly."""
    topic.create(1)
    sent = events(300)
    topic.send(sent[:100], each=1)
    topic.once()
    topic.send(sent[100:], each=1)
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    admin.delete_records({TopicPartition(topic.name, 0): 170})
    admin.close()
    member = topic.member()
    until(lambda: topic.stored() == ids([*sent[:100], *sent[170:]]), LONG_S)
    lost = ("shipper_messages_lost_total", ("expired",))
    until(lambda: member.indexer.ledger.published.values.get(lost, 0) == 70, LONG_S)
    assert any("70 messages were not read" in what for what in member.indexer.recent_faults().values())
    member.stop()
    assert member.indexer.ledger.published.values[lost] == 70


def group_offset(topic: Topic) -> Any:
    """Return the committed offset of the first partition, with its metadata."""
    admin = KafkaAdminClient(bootstrap_servers=topic.address)
    group = f"{topic.name}-indexers"
    offsets = admin.list_group_offsets(group)[group]
    admin.close()
    return offsets[TopicPartition(topic.name, 0)]


def put_offset(topic: Topic, offset: Any) -> None:
    """Commit an offset for the group, as a tool does."""
    consumer = KafkaConsumer(bootstrap_servers=topic.address, group_id=f"{topic.name}-indexers")
    consumer.assign([TopicPartition(topic.name, 0)])
    consumer.commit({TopicPartition(topic.name, 0): offset})
    consumer.close()
