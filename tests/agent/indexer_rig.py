"""An indexer with a scripted output, and an endless topic of one partition."""

import random
from collections.abc import Mapping

from shipper.agent.indexer import Indexer
from shipper.agent.kafka_messages import MessageBatch, Translate
from shipper.bootstrap import build_pipeline
from shipper.config.settings import Settings
from shipper.delivery.loop import Delivery
from shipper.delivery.pace import Pace
from shipper.inputs.kafka.consumer import Consumer, Partition, Progress, Rebalanced, Span
from shipper.inputs.kafka.read_message import Received
from shipper.metrics import catalogue
from shipper.metrics.registry import Ledger
from shipper.outputs.kafka.message import Prefixes
from shipper_processors.route import Skew
from tests.hazards.rig import ManualClock, MemoryOutput


class Topic(Consumer):
    """A consumer of one partition that returns one message per poll."""

    def __init__(self, group: Rebalanced) -> None:
        self.partition, self.read, self.committed = Partition("logs", 0), 0, 0
        group.assigned([self.partition])

    def poll(self, seconds: float, most: int) -> list[Received]:
        del seconds, most
        self.read += 1
        return [Received("logs", 0, self.read - 1, 0, b"not ours", ())]

    def commit(self, offsets: Mapping[Partition, Progress]) -> bool:
        self.committed = offsets[self.partition].offset
        return True

    def seek(self, partition: Partition, offset: int) -> bool:
        assert partition == self.partition
        self.read = offset
        return True

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def spans(self, seconds: float) -> dict[Partition, Span]:
        del seconds
        return {self.partition: Span(self.committed, self.read)}

    def close(self) -> None:
        pass


class Member:
    """One indexer, its clock, its output and its topic."""

    def __init__(self) -> None:
        self.clock, self.output = ManualClock(), MemoryOutput()
        self.topics: list[Topic] = []
        redactor = build_pipeline.redactor_of(Settings(), b"k" * 32)
        translate = Translate.of(Prefixes("keneyapp-logs", "keneyapp-quarantine"), redactor, "node-1", Skew())
        ledger = Ledger({metric.name: metric for metric in catalogue.saved("indexer")})
        ledger.declare(catalogue.from_zero("indexer"), 0.0)
        delivery: Delivery[MessageBatch] = Delivery(self.output, ledger, self.clock, jitter=random.Random(1))
        self.indexer = Indexer(self.join, translate, delivery, ledger, self.clock, Pace(poll=0.0))

    def join(self, group: Rebalanced) -> Topic:
        """Become the only member of the group."""
        self.topics.append(Topic(group))
        return self.topics[0]

    def turn(self, turns: int = 1) -> None:
        """Run turns, a minute apart."""
        for _ in range(turns):
            self.indexer.turn()
            self.clock.pass_seconds(60)
