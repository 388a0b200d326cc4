"""The producer of `shipper.outputs.kafka.client` over confluent-kafka."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from threading import Event, Lock, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from shipper.outputs.kafka.client import Connection, away
from shipper.outputs.kafka.confluent_shared import translated
from shipper.outputs.kafka.message import Message

SERVED_S = 0.2
"""How long one wait for the library's events takes, in seconds."""
ROOM_S = 0.05
TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)


class ConfluentProducer:
    """`shipper.outputs.kafka.client.Producer` over confluent-kafka."""

    def __init__(self, producer: Any, connection: Connection) -> None:  # noqa: ANN401 -- the library's type is generic
        """Starts the thread that takes the library's reports."""
        self._producer, self._connection = producer, connection
        self._closing = Event()
        self._thread = Thread(target=self._serve, name="kafka-reports", daemon=True)
        self._thread.start()

    def deliver(self, messages: Iterable[Message]) -> list[Message]:
        """Send and wait. Raises KafkaUnavailable."""
        delivery = _Delivery()
        end = self._connection.clock.monotonic() + self._connection.settings.delivery_timeout + 1
        for message in messages:
            self._produce(message, delivery, end)
        left = end - self._connection.clock.monotonic()
        if not delivery.finished(max(0.0, left)):
            raise away(self._connection, "no acknowledgement in time")
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
                delivery.unexpect()
                if self._closing.wait(ROOM_S) or self._connection.clock.monotonic() > end:
                    raise away(self._connection, "no room for more messages") from error
                continue
            except KafkaException as error:
                delivery.report(message, error.args[0], None)
            return

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(SERVED_S)

    def close(self) -> None:
        """Give up what is on its way, at once."""
        self._closing.set()
        with suppress(KafkaException):
            self._producer.purge(blocking=False)
        self._thread.join(2 * SERVED_S)


class _Delivery:
    """The reports of one call's messages; they come in the producer's thread."""

    def __init__(self) -> None:
        self.too_large: list[Message] = []
        self.failed: tuple[Any, str] | None = None
        self._expected, self._reported, self._complete = 0, 0, False
        self._lock, self._done = Lock(), Event()

    def expect(self) -> None:
        self._expected += 1

    def unexpect(self) -> None:
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
        """Whether all that was expected is reported within `seconds`."""
        with self._lock:
            self._complete = True
            if self._reported == self._expected:
                return True
        return self._done.wait(seconds)
