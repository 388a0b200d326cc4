"""The Kafka output: batches as messages, done when every in-sync replica has them.

A batch that is sent again after a failure may stand in the topic twice: its ids are the same, and the index keeps one
of each. So a producer that failed is thrown away, and idempotence from one producer to the next is not needed.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

import structlog

from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.kafka.client import Client, KafkaUnavailable, Producer, require_topics
from shipper.outputs.kafka.message import Message, Prefixes, Topics, messages
from shipper.outputs.worker_threads import Workers
from shipper.system.errors import OutputUnavailable, ShipperError

CLOSE_S = 2.0


@dataclass(slots=True)
class _Lent:
    """A producer that several workers use at once. The last one closes it, once it is retired."""

    producer: Producer
    users: int = 0
    retired: bool = False


class KafkaOutput:
    """Sends documents to a topic, refused entries to another, and what is too large to a file. For one thread."""

    def __init__(  # noqa: PLR0913 -- what it is made of
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
        """Connects to nothing yet: a broker that is away now may be there when something is sent."""
        self.url, self.window = url, window
        self._client, self._topics, self._prefixes = client, topics, prefixes
        self._dead_letters, self._each = dead_letters, events_per_record
        self._lock = Lock()
        self._lent: _Lent | None = None
        self._workers = Workers(window, self._safely_written, "kafka")
        self._log = structlog.get_logger("shipper.kafka")

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Send `documents`; done when the broker has acknowledged each, or OutputUnavailable in its place."""
        return self._workers.submit(documents)

    def close(self) -> None:
        """Give up what is on its way."""
        with self._lock:
            lent, self._lent = self._lent, None
        if lent is not None:
            lent.producer.close()
        self._workers.close(CLOSE_S)

    def _safely_written(self, documents: Sequence[Document]) -> Written:
        """`_written`, whose every failure can be tried again: an error of a library must not end the agent."""
        try:
            return self._written(documents)
        except ShipperError:
            raise
        except Exception as error:
            self._log.exception("output_failed")
            what = f"the output failed on {self.url} with {type(error).__name__}: {error}"
            raise OutputUnavailable(what, "please report it with the log", resumes=True) from error

    def _written(self, documents: Sequence[Document]) -> Written:
        """In a worker's thread. Raises OutputUnavailable."""
        try:
            suspects = self._delivered(messages(documents, self._topics, self._prefixes, self._each))
            refused = self._too_large(suspects) if suspects else []
        except KafkaUnavailable as error:
            raise OutputUnavailable(error.what, error.hint, resumes=error.resumes) from error
        for message in refused:
            size = f"a message of {len(message.value)} bytes before compression"
            reason = f"{size} is larger than topic {message.topic} takes (max.message.bytes) or kafka.request_bytes"
            self._dead_letters.add(message.documents[0], reason)
        entries = sum(message.topic == self._topics.quarantine for message in refused)
        return Written(len(documents) - len(refused), 0, len(refused), refused_entries=entries)

    def _delivered(self, found: Iterable[Message]) -> list[Message]:
        """Send by the producer of all batches; gives what is refused for its size. Raises KafkaUnavailable."""
        lent = self._borrow()
        try:
            refused = lent.producer.deliver(found)
            lent.retired = lent.retired or bool(refused)
        except KafkaUnavailable as error:
            lent.retired = True
            raise self._cause(error) from error
        finally:
            self._give_back(lent)
        return refused

    def _too_large(self, suspects: Sequence[Message]) -> list[Message]:
        """Those of `suspects` that are refused also by themselves. Raises KafkaUnavailable.

        A refusal need not be a message's own: the broker refuses as a whole what came together, and kafka-python then
        refuses all that it still holds. So the smaller and the larger half are tried apart, each by a new producer.
        """
        single = messages(
            [document for message in suspects for document in message.documents], self._topics, self._prefixes
        )
        waiting = [sorted(single, key=lambda message: len(message.value))]
        found: list[Message] = []
        while waiting:
            group = waiting.pop()
            producer = self._client.producer(alone=len(group) == 1)
            try:
                refused = producer.deliver(group)
            finally:
                producer.close()
            if len(group) == 1:
                found += refused
            elif refused:
                half = (len(refused) + 1) // 2
                waiting += [part for part in (refused[:half], refused[half:]) if part]
        return found

    def _borrow(self) -> _Lent:
        """The producer of all batches, made where there is none. Raises KafkaUnavailable."""
        with self._lock:
            if self._lent is None or self._lent.retired:
                require_topics(self._client, self._topics)
                self._lent = _Lent(self._client.producer())
            self._lent.users += 1
            return self._lent

    def _give_back(self, lent: _Lent) -> None:
        with self._lock:
            lent.users -= 1
            last = lent.retired and lent.users == 0
        if last:
            lent.producer.close()

    def _cause(self, error: KafkaUnavailable) -> KafkaUnavailable:
        """What is the matter, where the brokers tell it; `error` itself elsewhere."""
        try:
            require_topics(self._client, self._topics)
        except KafkaUnavailable as found:
            return found
        return error
