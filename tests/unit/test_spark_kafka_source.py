"""How the Python source of Kafka plans and waits, without a Spark, a broker, or their libraries."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

CODES = {
    "_ALL_BROKERS_DOWN": -187,
    "_TIMED_OUT": -185,
    "_TRANSPORT": -195,
    "_PARTITION_EOF": -191,
    "_AUTO_OFFSET_RESET": -140,
    "COORDINATOR_NOT_AVAILABLE": 15,
    "LEADER_NOT_AVAILABLE": 5,
    "NOT_LEADER_FOR_PARTITION": 6,
    "REQUEST_TIMED_OUT": 7,
}


class KafkaException(Exception):
    """confluent-kafka's."""


class Error:
    """An error of confluent-kafka's."""

    def __init__(self, code: int) -> None:
        self._code = code

    def code(self) -> int:
        return self._code

    def str(self) -> str:
        return f"error {self._code}"

    __str__ = str

    def retriable(self) -> bool:
        return False


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the module, on stand-ins of what its environment has."""
    kafka = SimpleNamespace(
        Consumer=MagicMock(),
        IsolationLevel=SimpleNamespace(READ_COMMITTED=1),
        KafkaError=SimpleNamespace(**CODES),
        KafkaException=KafkaException,
        TopicPartition=lambda topic, partition, offset=-1: (topic, partition, offset),
    )
    spark = SimpleNamespace(
        DataSource=object, DataSourceReader=object, DataSourceStreamReader=object, InputPartition=object
    )
    stubs: dict[str, Any] = {
        "pyarrow": MagicMock(),
        "confluent_kafka": kafka,
        "confluent_kafka.admin": SimpleNamespace(AdminClient=MagicMock(), OffsetSpec=MagicMock()),
        "pyspark": ModuleType("pyspark"),
        "pyspark.sql": ModuleType("pyspark.sql"),
        "pyspark.sql.datasource": spark,
    }
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    monkeypatch.delitem(sys.modules, "jobs.spark_kafka_source", raising=False)
    module = importlib.import_module("jobs.spark_kafka_source")
    monkeypatch.setattr(module, "record_batch", lambda _, messages: SimpleNamespace(nbytes=9, rows=messages))
    yield module
    sys.modules.pop("jobs.spark_kafka_source", None)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(source: Any, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(source, "time", made)
    return made


def options(source: Any, **more: str) -> Any:
    named = {"kafka.bootstrap.servers": "b:9092", "subscribe": "t", "kafkaConsumer.pollTimeoutMs": "5000", **more}
    return source.Options.of(named)


def message(offset: int) -> Any:
    return SimpleNamespace(error=lambda: None, offset=lambda: offset)


class Consumer:
    """Answers with what a test gives it; a poll without anything takes a second."""

    def __init__(self, clock: Clock, *answers: list[Any]) -> None:
        self.clock, self.answers = clock, list(answers)

    def assign(self, places: list[Any]) -> None:
        pass

    def unassign(self) -> None:
        pass

    def consume(self, _: int, timeout: float) -> list[Any]:
        if self.answers:
            return self.answers.pop(0)
        self.clock.now += 1
        return []


def test_a_slow_sink_does_not_count_as_brokers_that_are_silent(
    source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = Consumer(clock, [message(0), message(1)], [], [message(2)])
    monkeypatch.setattr(source, "_consumer", lambda _: consumer)
    read = []
    for batch in source.read_slice(options(source), source.Slice("t", 0, 0, 3)):
        read += [each.offset() for each in batch.rows]
        clock.now += 100  # the sink takes longer than the patience
    assert read == [0, 1, 2]


def test_brokers_that_are_silent_end_the_query(source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer(clock, [message(0)])
    monkeypatch.setattr(source, "_consumer", lambda _: consumer)
    with pytest.raises(source.KafkaSourceError, match=r"nothing came of t-0 from offset 1 on within 5 s"):
        list(source.read_slice(options(source), source.Slice("t", 0, 0, 3)))
    assert 5 < clock.now < 8
