"""Kafka messages in the indexer: translated to documents and batched with their offsets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.inputs.kafka.consumer import Partition
from shipper.inputs.kafka.read_message import InvalidMessage, QuarantineBuilder, Received, documents
from shipper.model.batch import INDEXED, QUARANTINED
from shipper.model.documents import Document
from shipper.outputs.kafka.message import Prefixes
from shipper.pipeline.pipeline import WITHHELD, failure_of
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew, is_daily
from shipper_schemas.violation import Kind, Violation

CLOCKS_APART_MS = 86_400_000
UNREAD = "the message could not be read"
"""Reason beside an internal error: a message that was not read as an entry cannot be released as one."""


class Translate(NamedTuple):
    """Translates a message to its documents, or to an entry of the quarantine if the shipper did not write it."""

    prefixes: Prefixes
    foreign: QuarantineBuilder
    skew: Skew

    @classmethod
    def of(cls, prefixes: Prefixes, redactor: Redactor, host: str, skew: Skew) -> "Translate":
        """Return a translator for the node `host`; clocks of nodes may be `CLOCKS_APART_MS` ahead beyond `skew`."""
        apart = skew._replace(future_ms=skew.future_ms + CLOCKS_APART_MS)
        return cls(prefixes, QuarantineBuilder(prefixes, redactor, host), apart)

    def __call__(self, received: Received, now_ms: int) -> list[Document]:
        """Return the documents of one message; `now_ms` is the time of a message without one."""
        believed = self.skew.accepted_times(now_ms)
        try:
            return documents(received, self.prefixes, believed, now_ms)
        except InvalidMessage as refusal:
            return [self._quarantined(received, str(refusal), (), now_ms, believed)]
        except Exception as error:  # noqa: BLE001 -- one message that we cannot read must not stop the rest
            return [self._quarantined(received, UNREAD, [failure_of(error)], now_ms, believed)]

    def _quarantined(
        self, received: Received, reason: str, failures: Sequence[Violation], now_ms: int, believed: range
    ) -> Document:
        """Return a quarantine entry for a message; without its text if redaction fails on it."""
        try:
            return self.foreign(received, reason, now_ms, believed, failures)
        except Exception as error:  # noqa: BLE001 -- nor must that stop the rest
            reasons = [failure_of(error), Violation(Kind.ENVELOPE_INVALID, None, UNREAD)]
            return self.foreign.entry(received, WITHHELD, reasons, now_ms, believed)


@dataclass(slots=True)
class MessageBatch:
    """Messages read together: their documents and their offsets by partition."""

    documents: list[Document] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    first: dict[Partition, int] = field(default_factory=dict)
    """Offset of the first message of each partition."""
    next: dict[Partition, int] = field(default_factory=dict)
    """Offset after the last message of each partition."""
    oldest_ms: int | None = None
    """Timestamp of the oldest message (milliseconds since the epoch)."""
    orphaned: int = 0
    """Messages that cannot be read again, since their topic is gone."""

    def forget(self, partition: Partition) -> None:
        """Keep the documents of a partition whose topic is gone, but neither commit nor rewind its offsets."""
        if (first := self.first.pop(partition, None)) is not None:
            self.orphaned += self.next.pop(partition) - first

    def add(self, received: Received, carried: list[Document], quarantine_prefix: str) -> None:
        """Add one message and its documents."""
        partition = Partition(received.topic, received.partition)
        self.first.setdefault(partition, received.offset)
        self.next[partition] = received.offset + 1
        self.documents += carried
        for document in carried:
            self.bytes += len(document.body)
            self.events[QUARANTINED if is_daily(document.index, quarantine_prefix) else INDEXED] += 1
        written = received.timestamp_ms
        if written >= 0 and (self.oldest_ms is None or written < self.oldest_ms):
            self.oldest_ms = written
