"""Kafka as a Python Data Source of Spark 4, for machines that have no ``spark-sql-kafka``; see `jobs.spark_kafka`.

The driver plans: which offsets of which partitions a micro-batch takes (`StreamReader`). Python's workers read them
with librdkafka, and hand over Arrow record batches (`read_slice`).

Spark asks a Python source for the newest offset without a limit and without the last one, so the reader keeps what it
handed out. And Spark does not write down where the first batch began: its offset holds that too, under `FIRST`, so that
it is the same batch when it has to be repeated. After a restart Spark shows the newest planned offset before anything
else, by asking for the partitions of an empty range.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition

from jobs.kafka import client_settings
from jobs.kafka_offsets import EARLIEST, FIRST, LATEST, Offsets, Place, admit, flat, nested, without_first
from jobs.spark_kafka import GROUP, SCHEMA

T = TypeVar("T")
LOG = logging.getLogger(__name__)

FIRST_MESSAGES, BATCH_MESSAGES, BATCH_BYTES = 500, 10_000, 4 << 20
POLL_S = 0.05
LAST_MS = 253_402_300_799_999  # the year 9999; producers may name later ones, which overflow in microseconds
ASK_S = 10.0
PAUSE_S = 0.3
TRANSIENT = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,  # this and the next ones while another broker takes a partition over
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,  # only of what the metadata has: a broker that has not heard of it yet
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.partition.eof": True,  # how a slice ends whose last records are markers of transactions
    "isolation.level": "read_committed",
    "queued.min.messages": BATCH_MESSAGES,  # to be read ahead; what is too much is thrown away at a slice's end
    "queued.max.messages.kbytes": 8_192,  # the bound of a worker's memory, beside a record batch
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 10,  # what is asked for is there; a wait would hold up the next slice
}
ARROW = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("timestampType", pa.int32()),
    ]
)


class KafkaSourceError(Exception):
    """Kafka can't be read as it was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """What `jobs.spark_kafka` passes, taken out of Spark's map of text."""

    servers: str
    group: str
    topics: tuple[str, ...]
    authentication: str
    region: str
    starting: str
    ending: str
    limit: int
    fail_on_data_loss: bool
    patience_s: float

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Options:
        """Read the options by the names that Spark's own source has for them."""
        return cls(
            servers=options["kafka.bootstrap.servers"],
            group=options.get("kafka.group.id", GROUP),
            topics=tuple(options["subscribe"].split(",")),
            authentication=options.get("authentication", "none"),
            region=options.get("region", ""),
            starting=options.get("startingOffsets", "earliest"),
            ending=options.get("endingOffsets", "latest"),
            limit=int(options.get("maxOffsetsPerTrigger", 0)),
            fail_on_data_loss=options.get("failOnDataLoss", "true") == "true",
            patience_s=int(options.get("kafkaConsumer.pollTimeoutMs", 120_000)) / 1000,
        )

    def client(self) -> dict[str, Any]:
        """Return the settings of a client; made where it is used, because a login can't be sent to a worker."""
        named = {"KAFKA_BOOTSTRAP_SERVERS": self.servers, "KAFKA_AUTHENTICATION": self.authentication}
        return {**client_settings({**named, "AWS_REGION": self.region}), "log_level": 0}


@dataclass(frozen=True)
class Slice(InputPartition):  # type: ignore[misc]  # pyspark has no types where this is checked
    """Some messages of one partition: from one offset to another, which is not included."""

    topic: str
    partition: int
    start: int
    until: int


class KafkaSource(DataSource):  # type: ignore[misc]  # pyspark has no types where this is checked
    """The data source as Spark finds it by its name."""

    @classmethod
    def name(cls) -> str:
        """Return what stands in ``format(…)``."""
        return "kafka_python"

    def schema(self) -> str:
        """Return the columns."""
        return SCHEMA

    def streamReader(self, schema: Any) -> StreamReader:
        """Return what plans and reads a stream."""
        return StreamReader(Options.of(self.options))

    def reader(self, schema: Any) -> BatchReader:
        """Return what plans and reads a batch."""
        return BatchReader(Options.of(self.options))


class StreamReader(DataSourceStreamReader):  # type: ignore[misc]  # pyspark has no types where this is checked
    """Plans the micro-batches of one query; Spark pickles it for the workers before it has asked anything."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._cluster: Cluster | None = None
        self._first: Offsets | None = None
        self._last: dict[str, Any] | None = None

    @property
    def cluster(self) -> Cluster:
        """The connection for planning, made when it is first needed."""
        if self._cluster is None:
            self._cluster = Cluster(self.options)
        return self._cluster

    def initialOffset(self) -> Offsets:
        """Return where the query began: now, or as its only batch so far has it."""
        if self._first is None:
            self._first = self.cluster.resolve(self.options.starting)
        return self._first

    def latestOffset(self) -> dict[str, Any]:
        """Return where the next batch ends; the same as the last time when nothing came."""
        begin = without_first(self._last) if self._last else self.initialOffset()
        ends = self.cluster.ends()
        wanted: dict[str, Any] = admit(self._kept(begin, ends), ends, self.options.limit)
        if self._last is None:
            self._last = {**wanted, FIRST: begin}
        elif wanted != begin:
            self._last = wanted
        return self._last

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> list[Slice]:
        """Return the slices of a batch; an empty range is how Spark shows the newest offset after a restart."""
        if self._last is None:
            self._last, self._first = end, end.get(FIRST)
        return self.cluster.slices(without_first(start), without_first(end)) if start != end else []

    def read(self, partition: Slice) -> Iterator[pa.RecordBatch]:
        """Read a slice, in a worker."""
        return read_slice(self.options, partition)

    def _kept(self, last: Offsets, ends: Offsets) -> Offsets:
        """Return where the query goes on: 0 where a topic was made anew; refuse when what it has read is gone.

        It is seen by an end below what was read: a new topic that has grown beyond that looks like the old one.
        """
        there, kept = dict(flat(ends)), dict(flat(last))
        for (topic, partition), offset in flat(last):
            end = there.get((topic, partition))
            if end is None or end < offset:
                gone = "is gone" if end is None else f"ends at {end} now, before {offset}, which was read up to"
                self.cluster.lost(f"{topic}-{partition} {gone}")
                kept[topic, partition] = 0
        return nested(kept)


class BatchReader(DataSourceReader):  # type: ignore[misc]  # pyspark has no types where this is checked
    """Reads what is between two offsets, once."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def partitions(self) -> list[Slice]:
        """Return the slices."""
        cluster = Cluster(self.options)
        return cluster.slices(cluster.resolve(self.options.starting), cluster.resolve(self.options.ending))

    def read(self, partition: Slice | None) -> Iterator[pa.RecordBatch]:
        """Read a slice, in a worker; Spark asks for none when there is none."""
        return read_slice(self.options, partition) if partition else iter(())


class Cluster:
    """What the driver asks the brokers."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._told: set[str] = set()
        self._admin = AdminClient(options.client())
        if options.authentication == "iam":
            self._admin.poll(1)  # the first login is only asked for here

    def ends(self) -> Offsets:
        """Return the end of each partition that there is now: the first offset that is not committed yet."""
        return self._offsets(self._places(), OffsetSpec.latest())

    def resolve(self, named: str) -> Offsets:
        """Return the offset of each partition for ``earliest``, ``latest`` or offsets as JSON."""
        places = self._places()
        if named in ("earliest", "latest"):
            return self._offsets(places, OffsetSpec.earliest() if named == "earliest" else OffsetSpec.latest())
        try:
            given = {place: int(offset) for place, offset in flat(json.loads(named))}
        except (ValueError, TypeError, AttributeError) as error:
            raise KafkaSourceError(f"offsets are earliest, latest or one for each partition, not {named}") from error
        if set(given) != set(places):
            differ = sorted(f"{topic}-{partition}" for topic, partition in set(given) ^ set(places))
            raise KafkaSourceError(f"offsets must name each partition of the topics, and no other: see {differ}")
        for mark, spec in ((EARLIEST, OffsetSpec.earliest()), (LATEST, OffsetSpec.latest())):
            if marked := [place for place, offset in given.items() if offset == mark]:
                given |= dict(flat(self._offsets(marked, spec)))
        return nested(given)

    def slices(self, start: Offsets, end: Offsets) -> list[Slice]:
        """Return what is to be read between two offsets; refuse when some of it was deleted."""
        begins = dict(flat(start))
        wanted = {place: (begins.get(place, 0), until) for place, until in flat(end)}
        wanted = {place: (begin, until) for place, (begin, until) in wanted.items() if begin != until}
        known = self._known() if wanted else set()
        for topic, partition in set(wanted) - known:
            self.lost(f"{topic}-{partition} is gone")
            del wanted[topic, partition]
        there = dict(flat(self._offsets(list(wanted), OffsetSpec.earliest()))) if wanted else {}
        found = []
        for (topic, partition), (begin, until) in wanted.items():
            earliest = there[topic, partition]
            if begin > until:  # the topic was made anew, and the query was told to go on
                self.lost(f"{topic}-{partition} was read up to {begin}, and is to be read up to {until} now")
                begin = earliest
            if begin < earliest:
                self.lost(f"{topic}-{partition} begins at {earliest} now, after {begin}, where the query was to go on")
            if (begin := max(begin, earliest)) < until:
                found.append(Slice(topic, int(partition), begin, until))
        return found

    def lost(self, what: str) -> None:
        """Fail because messages are gone; only warn, once, when the query was told to go on."""
        if self.options.fail_on_data_loss:
            raise data_loss(what)
        if what not in self._told:
            self._told.add(what)
            LOG.warning("messages are gone before they were read, and the query goes on: %s", what)

    def _known(self) -> set[Place]:
        """Return the partitions that there are now, also where a topic is gone."""
        topics = self._topics()
        return {(name, str(each)) for name, topic in topics.items() if not topic.error for each in topic.partitions}

    def _places(self) -> list[Place]:
        """Return the partitions that the topics have now; each topic must be there."""
        known = self._topics()
        for topic in self.options.topics:
            if topic not in known or known[topic].error:
                problem = known[topic].error if topic in known else "there is no such topic"
                raise KafkaSourceError(f"{topic} at {self.options.servers}: {problem}; make it first")
        return [(topic, str(each)) for topic in self.options.topics for each in sorted(known[topic].partitions)]

    def _topics(self) -> dict[str, Any]:
        """Return the brokers' topics by name; what is known to be there but has no leader yet is waited for."""

        def ask() -> dict[str, Any]:
            found: dict[str, Any] = self._admin.list_topics(timeout=ASK_S).topics
            for error in (found[name].error for name in self.options.topics if name in found):
                if error and error.code() in TRANSIENT - {KafkaError.UNKNOWN_TOPIC_OR_PART}:
                    raise KafkaException(error)
            return found

        return self._patiently(ask)

    def _offsets(self, places: Sequence[Place], spec: Any) -> Offsets:
        wanted = {TopicPartition(topic, int(partition)): spec for topic, partition in places}
        committed = IsolationLevel.READ_COMMITTED

        def ask() -> dict[Place, int]:
            answers = self._admin.list_offsets(wanted, isolation_level=committed, request_timeout=ASK_S)
            found = {(each.topic, str(each.partition)): answer.result().offset for each, answer in answers.items()}
            # librdkafka gives -1001 and no error for the partitions of a broker that it lost while it asked.
            if silent := sorted(f"{topic}-{partition}" for (topic, partition), offset in found.items() if offset < 0):
                raise KafkaException(KafkaError(KafkaError._TRANSPORT, f"no offset of {', '.join(silent)} was given"))
            return found

        found = self._patiently(ask)
        return nested({place: found[place] for place in places})

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while brokers are away, as long as the options allow."""
        deadline = time.monotonic() + self.options.patience_s
        while True:
            try:
                return ask()
            except KafkaException as error:
                servers, why = self.options.servers, error.args[0]
                if why.code() not in TRANSIENT:
                    step = "see which rights the job has on topics and cluster, and its KAFKA_AUTHENTICATION"
                    raise KafkaSourceError(f"{servers} refuses: {why}; next: {step}") from error
                if time.monotonic() > deadline:
                    waited = f"no answer within {self.options.patience_s:.0f} s: {why}"
                    step = "see that the brokers run and can be reached from here, then start the query again"
                    raise KafkaSourceError(f"{servers} gives {waited}; next: {step}") from error
                time.sleep(PAUSE_S)


def read_slice(options: Options, wanted: Slice) -> Iterator[pa.RecordBatch]:
    """Read a slice to its end, also where its last offsets are those of markers or of aborted messages.

    Parameters
    ----------
    options : Options
    wanted : Slice

    Yields
    ------
    pyarrow.RecordBatch
        Up to `BATCH_MESSAGES` messages in order, of about `BATCH_BYTES` by the size of those before; at first up to
        `FIRST_MESSAGES` of whatever size.

    Raises
    ------
    KafkaSourceError
        Messages of it are gone, or the brokers don't answer as long as the options allow.
    """
    consumer = _consumer(options)
    consumer.assign([TopicPartition(wanted.topic, wanted.partition, wanted.start)])
    try:
        position, size, heard = wanted.start, FIRST_MESSAGES, time.monotonic()
        while position < wanted.until:
            if time.monotonic() - heard > options.patience_s:
                waited = f"nothing came of {wanted.topic}-{wanted.partition} from offset {position} on"
                raise KafkaSourceError(f"{waited} within {options.patience_s:.0f} s; next: ask the brokers' log why")
            before = position
            messages = consumer.consume(min(size, wanted.until - position), POLL_S)
            events = [each for each in messages if each.error() is not None]
            if events:
                messages = [each for each in messages if each.error() is None]
            if messages:
                position = messages[-1].offset() + 1
                while messages and messages[-1].offset() >= wanted.until:
                    messages.pop()
            if messages:
                batch = record_batch(wanted, messages)
                size = max(1, min(BATCH_MESSAGES, BATCH_BYTES * len(messages) // max(1, batch.nbytes)))
                yield batch
            if position > before:
                heard = time.monotonic()  # after the yield: who takes the batch may hold it as long as it likes
            for event in events:
                position = max(position, _position_of(event, wanted, options))
    finally:
        consumer.unassign()


def record_batch(wanted: Slice, messages: Sequence[Any]) -> pa.RecordBatch:
    """Return messages of a slice as Arrow columns."""
    stamps = [each.timestamp() for each in messages]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([each.key() for each in messages], pa.binary()),
            pa.array([each.value() for each in messages], pa.binary()),
            pa.repeat(wanted.topic, len(messages)),
            pa.repeat(pa.scalar(wanted.partition, pa.int32()), len(messages)),
            pa.array([each.offset() for each in messages], pa.int64()),
            pa.array([min(stamp[1], LAST_MS) * 1000 for stamp in stamps], pa.timestamp("us", tz="UTC")),
            pa.array([stamp[0] - 1 for stamp in stamps], pa.int32()),  # Kafka counts from -1, librdkafka from 0
        ],
        schema=ARROW,
    )


def data_loss(what: str) -> KafkaSourceError:
    """Return the error for messages that are gone."""
    known = "they were deleted by retention, or their topic was made anew"
    step = "start with a new checkpoint, or with fail_on_data_loss=False, which goes on with what there is"
    return KafkaSourceError(f"failOnDataLoss: messages are gone before they were read: {what}. {known}; next: {step}")


_consumers: dict[Options, Any] = {}


def _consumer(options: Options) -> Any:
    """Return this worker's consumer: a worker reads one slice after another, and lives on for the next batch."""
    if options not in _consumers:
        reset = "error" if options.fail_on_data_loss else "earliest"
        _consumers[options] = Consumer(
            {**options.client(), **CONSUMER, "group.id": options.group, "auto.offset.reset": reset}
        )
    return _consumers[options]


def _position_of(event: Any, wanted: Slice, options: Options) -> int:
    """Return how far an event says that a slice was read; fail on what no patience mends."""
    error = event.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return int(event.offset())
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise data_loss(f"{wanted.topic}-{wanted.partition} from offset {wanted.start} on: {error.str()}")
    if error.code() in TRANSIENT or error.retriable():
        return 0
    raise KafkaSourceError(
        f"{wanted.topic}-{wanted.partition} can't be read: {error}; next: see the job's rights on the topic"
    )
