"""The gateways: what a killed run left is counted right, whatever happened to the topic meanwhile."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from quasar import simulate
from quasar.generate import Plan, messages
from quasar.journal import Journal, JournalError
from quasar.simulate import LARGEST, Gateway

PLAN = Plan(seed=1, base_ms=1_764_500_000_000)


class Killed(Exception):
    """The gateway was killed while it sent."""


class Kafka:
    """A topic in memory, in place of the client: a flush that dies leaves some of what was sent, of each partition."""

    def __init__(self, partitions: int, chance: random.Random) -> None:
        self.topic: list[list[tuple[bytes, bytes | None]]] = [[] for _ in range(partitions)]
        self.chance, self.dies = chance, False
        self._sent: list[list[tuple[bytes, bytes | None]]] = []

    def grow(self) -> None:
        self.topic.append([])

    def list_topics(self, name: str, timeout: float) -> Any:
        return SimpleNamespace(topics={name: SimpleNamespace(error=None, partitions=dict(enumerate(self.topic)))})

    def produce(self, topic: str, value: bytes | None, key: bytes, partition: int) -> None:
        if len(value or b"") > LARGEST:
            raise KafkaException(SimpleNamespace(str=lambda: "Message size too large"))
        self._sent += [[] for _ in range(len(self.topic) - len(self._sent))]
        self._sent[partition].append((key, value))

    def flush(self, timeout: float) -> int:
        for there, sent in zip(self.topic, self._sent, strict=False):
            there += sent[: self.chance.randint(0, len(sent))] if self.dies else sent
        self._sent = []
        if self.dies:
            self.dies = False
            raise Killed
        return 0

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        return 0, len(self.topic[place.partition])

    def close(self) -> None:
        pass


class KafkaException(Exception):
    """As the client's."""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Kafka:
    made = Kafka(3, random.Random(getattr(request, "param", 0)))
    client: Any = ModuleType("confluent_kafka")
    client.Producer = client.Consumer = lambda settings: made
    client.KafkaException = KafkaException
    client.TopicPartition = lambda topic, partition: SimpleNamespace(partition=partition)
    monkeypatch.setitem(sys.modules, "confluent_kafka", client)
    monkeypatch.setattr(simulate.time, "sleep", lambda _: None)
    return made


@pytest.mark.parametrize("kafka", range(8), indirect=True)
def test_a_partition_that_is_added_after_a_kill_makes_no_slot_missing_or_doubled(kafka: Kafka, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", PLAN, "telemetry")
    Gateway(journal, "telemetry", {}).send(300)
    kafka.dies = True
    with pytest.raises(Killed):
        Gateway(journal, "telemetry", {}).send(500)
    kafka.grow()
    again = Gateway(journal, "telemetry", {})
    for count in (100, 700, 300):  # the first is less than what the killed run had under way
        again.send(count)
    there = Counter(message for partition in kafka.topic for message in partition)
    assert there == Counter((key, value) for _, _, key, value in messages(PLAN, 0, 1400))
    assert journal.sent == 1400 and journal.ends == {each: len(held) for each, held in enumerate(kafka.topic)}
    assert kafka.topic[3], "and the new partition is used"
    journal.close()


def test_a_message_that_no_topic_takes_is_told(kafka: Kafka, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", PLAN, "telemetry")
    with pytest.raises(JournalError, match=r"a message of 150,000 bytes can't be sent: .*too large; 100,000 are"):
        Gateway(journal, "telemetry", {}).send_lines([b"x" * 150_000])
    journal.close()


def test_what_would_be_of_the_future_is_not_sent(kafka: Kafka, tmp_path: Path) -> None:
    plan = Plan(seed=1, base_ms=int(time.time() * 1000) - 60_000, per_second=10)
    journal = Journal(tmp_path / "journal", plan, "telemetry")
    gateway = Gateway(journal, "telemetry", {})
    simulate.simulate(gateway, journal, 400, paced=False)
    with pytest.raises(JournalError, match=r"only 2\d\d messages are left until now"):
        simulate.simulate(gateway, journal, 400, paced=False)
    assert journal.sent == 400 and sum(map(len, kafka.topic)) == 400
    journal.close()
