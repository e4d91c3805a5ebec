"""How the Python source of Kafka plans and waits, without a Spark, a broker, or their libraries."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import pytest

CODES = {
    "_ALL_BROKERS_DOWN": -187,
    "_TIMED_OUT": -185,
    "_TRANSPORT": -195,
    "_PARTITION_EOF": -191,
    "_AUTO_OFFSET_RESET": -140,
    "COORDINATOR_NOT_AVAILABLE": 15,
    "FENCED_LEADER_EPOCH": 74,
    "LEADER_NOT_AVAILABLE": 5,
    "NETWORK_EXCEPTION": 13,
    "NOT_LEADER_FOR_PARTITION": 6,
    "OFFSET_NOT_AVAILABLE": 78,
    "REQUEST_TIMED_OUT": 7,
    "UNKNOWN_LEADER_EPOCH": 75,
    "UNKNOWN_TOPIC_OR_PART": 3,
}


class KafkaException(Exception):
    """confluent-kafka's."""


class Error:
    """An error of confluent-kafka's."""

    def __init__(self, code: int, why: str = "") -> None:
        self._code, self._why = code, why

    def code(self) -> int:
        return self._code

    def str(self) -> str:
        return self._why or f"error {self._code}"

    __str__ = str

    def retriable(self) -> bool:
        return False


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the module, on stand-ins of what its environment has."""
    kafka = SimpleNamespace(
        Consumer=MagicMock(),
        IsolationLevel=SimpleNamespace(READ_COMMITTED=1),
        KafkaError=type("KafkaError", (Error,), CODES),
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


class Cluster:
    """One partition of one topic, which may be made anew."""

    def __init__(self, source: Any, given: Any) -> None:
        self.earliest, self.end = 0, 0
        self.real = source.Cluster(given)
        self.real._offsets = lambda places, spec: {topic: {number: self.earliest} for topic, number in places}
        self.real._known = lambda: {("t", "0")}
        self.lost, self.slices = self.real.lost, self.real.slices

    def ends(self) -> Any:
        return {"t": {"0": self.end}}

    def resolve(self, _: str) -> Any:
        return {"t": {"0": 0}}


@pytest.mark.parametrize("limit", ["0", "25"])
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    source: Any, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = options(source, failOnDataLoss="false", maxOffsetsPerTrigger=limit)
    reader = source.StreamReader(given)
    reader._cluster = cluster = Cluster(source, given)
    at, read = reader.initialOffset(), []
    for end in (900, 40, 40, 700, 700, 950):
        cluster.end = end
        if end == 900:
            reader._last = {"t": {"0": 0}} if limit == "0" else {"t": {"0": 875}}
            at = reader._last
        new = reader.latestOffset()
        read += [(each.start, each.until) for each in reader.partitions(at, new)]
        at = new
    wanted = [(0, 900), (0, 40), (40, 700), (700, 950)]
    assert read == (wanted if limit == "0" else [(875, 900), (0, 25), (25, 40), (40, 65), (65, 90), (90, 115)])
    assert sum("ends at 40 now, before 900" in each.message for each in caplog.records) == 1


def test_a_topic_that_was_made_anew_fails_a_query_that_must_lose_nothing(source: Any) -> None:
    reader = source.StreamReader(options(source))
    reader._cluster = cluster = Cluster(source, options(source))
    reader._last, cluster.end = {"t": {"0": 900}}, 40
    with pytest.raises(source.KafkaSourceError, match="t-0 ends at 40 now, before 900, which was read up to"):
        reader.latestOffset()
    with pytest.raises(source.KafkaSourceError, match="t-0 was read up to 900, and is to be read up to 40 now"):
        reader.partitions({"t": {"0": 900}}, {"t": {"0": 40}})


def test_a_partition_that_went_between_plan_and_reading_is_passed_over_or_fails_as_it_was_told(source: Any) -> None:
    start, end = {"t": {"0": 0, "1": 0}}, {"t": {"0": 5, "1": 5}}
    going_on = Cluster(source, options(source, failOnDataLoss="false")).slices(start, end)
    assert [(each.partition, each.until) for each in going_on] == [(0, 5)]
    with pytest.raises(source.KafkaSourceError, match="t-1 is gone"):
        Cluster(source, options(source)).slices(start, end)


@pytest.mark.parametrize("code", ["OFFSET_NOT_AVAILABLE", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "_TRANSPORT"])
def test_a_failover_is_waited_for_as_long_as_the_patience_lasts(source: Any, clock: Clock, code: str) -> None:
    cluster, asked = source.Cluster(options(source)), []

    def ask() -> str:
        asked.append(clock.now)
        if clock.now < until:
            raise KafkaException(Error(CODES[code]))
        return "answer"

    until = 3.0
    assert cluster._patiently(ask) == "answer" and len(asked) > 2
    until = 100.0
    with pytest.raises(
        source.KafkaSourceError, match=r"b:9092 gives no answer within 5 s: error -?\d+; next: see that"
    ):
        cluster._patiently(ask)


class Place(NamedTuple):
    """A partition, as an admin client names it."""

    topic: str
    partition: int


class Answer:
    """What an admin client gives for one partition."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def result(self) -> Answer:
        return self


def test_an_offset_that_a_lost_broker_leaves_open_is_asked_for_again(source: Any, clock: Clock) -> None:
    """librdkafka gives -1001, without any error; as an offset it would be lower than what was read: data loss."""
    cluster, answers = source.Cluster(options(source)), [-1001, -1001, 7]
    cluster._admin.list_offsets = lambda *_, **__: {Place("t", 0): Answer(answers.pop(0))}
    assert cluster._offsets([("t", "0")], None) == {"t": {"0": 7}}
    answers += [-1001] * 50
    with pytest.raises(source.KafkaSourceError, match="no answer within 5 s: no offset of t-0 was given; next: see"):
        cluster._offsets([("t", "0")], None)


def test_a_topic_without_a_leader_is_waited_for_and_one_that_is_not_there_is_told(source: Any, clock: Clock) -> None:
    cluster = source.Cluster(options(source))
    errors: list[Error | None] = [Error(CODES["LEADER_NOT_AVAILABLE"]), None, Error(CODES["UNKNOWN_TOPIC_OR_PART"])]
    cluster._admin.list_topics = lambda **_: SimpleNamespace(
        topics={"t": SimpleNamespace(error=errors.pop(0), partitions=[0])}
    )
    assert cluster._places() == [("t", "0")]
    with pytest.raises(source.KafkaSourceError, match="t at b:9092: error 3; make it first"):
        cluster._places()


def test_what_is_refused_is_told_at_once(source: Any, clock: Clock) -> None:
    def ask() -> None:
        raise KafkaException(Error(29))

    with pytest.raises(source.KafkaSourceError, match="b:9092 refuses: error 29; next: see which rights"):
        source.Cluster(options(source))._patiently(ask)
    assert clock.now == 0


def test_brokers_that_are_silent_end_the_query(source: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer(clock, [message(0)])
    monkeypatch.setattr(source, "_consumer", lambda _: consumer)
    with pytest.raises(source.KafkaSourceError, match=r"nothing came of t-0 from offset 1 on within 5 s"):
        list(source.read_slice(options(source), source.Slice("t", 0, 0, 3)))
    assert 5 < clock.now < 8
