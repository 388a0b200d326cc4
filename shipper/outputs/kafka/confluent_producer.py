"""Producer with confluent-kafka."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from threading import Event, Lock, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shipper.outputs.kafka.client import Connection, brokers_unavailable
from shipper.outputs.kafka.confluent_shared import translated
from shipper.outputs.kafka.message import Message

POLL_S = 0.2
"""Longest wait for events of the library, in seconds."""
QUEUE_FULL_WAIT_S = 0.05
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)


class ConfluentProducer:
    """`shipper.outputs.kafka.client.Producer` with confluent-kafka."""

    def __init__(self, producer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library's type is generic
        """Start the thread that receives the library's delivery reports."""
        self._producer, self._connection = producer, connection
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="kafka-reports", daemon=True)
        self._thread.start()

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send messages, wait, and return those that are too large. Raises KafkaUnavailable."""
        delivery = _Delivery()
        end = self._connection.clock.monotonic() + self._connection.settings.delivery_timeout + 1
        for message in messages:
            self._produce(message, delivery, end)
        left = end - self._connection.clock.monotonic()
        if not delivery.finished(max(0.0, left)):
            raise brokers_unavailable(self._connection, "no acknowledgement in time")
        if delivery.failed is not None:
            error, topic = delivery.failed
            raise translated(error, self._connection, topic)
        return delivery.too_large

    def _produce(self, message: Message, delivery: "_Delivery", end: float) -> None:
        topic, key, value, headers, _ = message
        report = partial(delivery.report, message)
        while True:
            delivery.expect()
            try:
                self._producer.produce(topic, value, key, on_delivery=report, headers=headers)
            except BufferError as error:
                delivery.cancel()
                if self._closing.wait(QUEUE_FULL_WAIT_S) or self._connection.clock.monotonic() > end:
                    raise brokers_unavailable(self._connection, "the producer's queue is full") from error
                continue
            except KafkaException as error:
                delivery.report(message, error.args[0], None)
            return

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)

    def close(self) -> None:
        """Abandon messages in flight without waiting."""
        self._closing.set()
        with suppress(KafkaException):
            self._producer.purge(blocking=False)
        self._thread.join(2 * POLL_S)


class _Delivery:
    """Delivery reports of one call's messages; they arrive in the producer's thread."""

    def __init__(self) -> None:
        self.too_large: list[Message] = []
        self.failed: tuple[Any, str] | None = None
        self._expected, self._reported, self._complete = 0, 0, False
        self._lock, self._done = Lock(), Event()

    def expect(self) -> None:
        self._expected += 1

    def cancel(self) -> None:
        self._expected -= 1

    def report(self, message: Message, error: Any, _reported: Any) -> None:  # noqa: ANN401 -- the library's types
        if error is not None:
            if error.code() in TOO_LARGE:
                self.too_large.append(message)
            else:
                self.failed = (error, message.topic)
        with self._lock:
            self._reported += 1
            if self._complete and self._reported == self._expected:
                self._done.set()

    def finished(self, seconds: float) -> bool:
        """Return True if all expected reports arrive within `seconds`."""
        with self._lock:
            self._complete = True
            if self._reported == self._expected:
                return True
        return self._done.wait(seconds)
