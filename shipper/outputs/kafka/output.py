"""The Kafka output: sends batches as messages, complete once every in-sync replica has them.

A batch that is retried after a failure may be in the topic twice: its ids are the same, and the index keeps one of
each. So a failed producer is replaced, and idempotence across producers is not needed.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.kafka.client import Client, KafkaUnavailable, Producer, require_topics
from shipper.outputs.kafka.message import Message, Prefixes, Topics, messages
from shipper.outputs.worker_threads import Workers
from shipper.system.errors import OutputUnavailable, ShipperError
from shipper.system.own_log import own_log

CLOSE_S = 2.0


@dataclass(slots=True)
class _SharedProducer:
    """A producer that several workers share. Once it is retired, the last one closes it."""

    producer: Producer
    users: int = 0
    retired: bool = False


class KafkaOutput:
    """Sends events and quarantined entries to their topics, and too large ones to a file. For one thread."""

    def __init__(  # noqa: PLR0913 -- wired in one place
        self,
        url: str,
        client: Client,
        topics: Topics,
        prefixes: Prefixes,
        dead_letters: DeadLetters,
        *,
        window: int = 4,
        events_per_record: int = 1,
    ) -> None:
        """Does not connect yet: a broker that is unavailable now may be available at the first batch."""
        self.url, self.window = url, window
        self._client, self._topics, self._prefixes = client, topics, prefixes
        self._dead_letters, self._each = dead_letters, events_per_record
        self._lock = Lock()
        self._shared: _SharedProducer | None = None
        self._workers = Workers(window, self._write, "kafka")
        self._log = own_log("shipper.kafka")

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Queue `documents`; the future completes once each is acknowledged, or fails with OutputUnavailable."""
        return self._workers.submit(documents)

    def close(self) -> None:
        """Abandon batches in flight."""
        with self._lock:
            shared, self._shared = self._shared, None
        if shared is not None:
            shared.producer.close()
        self._workers.close(CLOSE_S)

    def _write(self, documents: Sequence[Document]) -> Written:
        """Call `_send`; turn unexpected errors into OutputUnavailable, so that no bug of a library ends the agent."""
        try:
            return self._send(documents)
        except ShipperError:
            raise
        except Exception as error:
            self._log.exception("output_failed")
            what = f"internal error while writing to {self.url}: {type(error).__name__}: {error}"
            raise OutputUnavailable(what, "report it as a bug, with the log", resumes=True) from error

    def _send(self, documents: Sequence[Document]) -> Written:
        """Send a batch, in a worker thread. Raises OutputUnavailable."""
        try:
            suspects = self._deliver(messages(documents, self._topics, self._prefixes, self._each))
            rejected = self._too_large(suspects) if suspects else []
        except KafkaUnavailable as error:
            raise OutputUnavailable(error.what, error.hint, resumes=error.resumes) from error
        for message in rejected:
            size = f"a message of {len(message.value)} bytes before compression"
            reason = f"{size} exceeds max.message.bytes of topic {message.topic} or kafka.request_bytes"
            self._dead_letters.add(message.documents[0], reason)
        entries = sum(message.topic == self._topics.quarantine for message in rejected)
        return Written(len(documents) - len(rejected), 0, len(rejected), refused_entries=entries)

    def _deliver(self, batch: Iterable[Message]) -> list[Message]:
        """Send with the shared producer, and return messages rejected for their size. Raises KafkaUnavailable."""
        shared = self._acquire()
        try:
            rejected = shared.producer.deliver(batch)
            shared.retired = shared.retired or bool(rejected)
        except KafkaUnavailable as error:
            shared.retired = True
            raise self._cause(error) from error
        finally:
            self._release(shared)
        return rejected

    def _too_large(self, suspects: Sequence[Message]) -> list[Message]:
        """Return those of `suspects` that are rejected also when sent alone. Raises KafkaUnavailable.

        A message may be rejected because of another: the broker rejects a whole batch, and kafka-python then rejects
        all messages in its queue. So the smaller and the larger half are retried separately, each with a new producer.
        """
        single = messages(
            [document for message in suspects for document in message.documents], self._topics, self._prefixes
        )
        waiting = [sorted(single, key=lambda message: len(message.value))]
        too_large: list[Message] = []
        while waiting:
            group = waiting.pop()
            producer = self._client.producer(alone=len(group) == 1)
            try:
                rejected = producer.deliver(group)
            finally:
                producer.close()
            if len(group) == 1:
                too_large += rejected
            elif rejected:
                half = (len(rejected) + 1) // 2
                waiting += [part for part in (rejected[:half], rejected[half:]) if part]
        return too_large

    def _acquire(self) -> _SharedProducer:
        """The shared producer, created if there is none. Raises KafkaUnavailable."""
        with self._lock:
            if self._shared is None or self._shared.retired:
                require_topics(self._client, self._topics)
                self._shared = _SharedProducer(self._client.producer())
            self._shared.users += 1
            return self._shared

    def _release(self, shared: _SharedProducer) -> None:
        with self._lock:
            shared.users -= 1
            last = shared.retired and shared.users == 0
        if last:
            shared.producer.close()

    def _cause(self, error: KafkaUnavailable) -> KafkaUnavailable:
        """The brokers' own reason for a failure if they report one, else `error`."""
        try:
            require_topics(self._client, self._topics)
        except KafkaUnavailable as cause:
            return cause
        return error
