"""The speed layer: two streams over one topic, in one Spark.

``archive`` keeps every message (`quasar.archive`). ``windows`` removes copies, counts by minute and kind, and writes
whole values into PostgreSQL, late by two minutes at most. Each has a checkpoint and goes on by itself: the archive
does not wait for a database that is away, and no night is lost because a window is slow.

``python -m quasar.speed`` runs until it is stopped, ``--until-caught-up`` until all that is in the topic is in both.
It reads ``QUASAR_TOPIC``, ``QUASAR_DEAD_LETTERS``, ``QUASAR_BUCKET``, ``QUASAR_CHECKPOINTS`` (a folder or
``s3://…``), and what `jobs.kafka`, `jobs.database` and `jobs.spark` read. A stream that fails is started again from
its checkpoint. Where ``KAFKA_TOPICS`` says what the topics are, it makes them first.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

from jobs import kafka_topics, spark, spark_kafka
from jobs.faults import fault_point
from jobs.kafka import client_settings
from jobs.metrics import log
from quasar import archive
from quasar.checkpoint import Checkpoint
from quasar.events import judged
from quasar.metrics import measure
from quasar.store import Store, write_speed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LATENESS = "2 minutes"
"""How late an event may be. Spark keeps each id for twice as long, and looks at all of them in each micro-batch."""
ROCKSDB = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
SPARK = {
    # Minutes of events are too many for the heap; of RocksDB each batch writes what changed. A count of its rows would
    # cost a look at each one before it is written.
    "spark.sql.streaming.stateStore.providerClass": ROCKSDB,
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
    "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage": "true",
    "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB": "256",
    # The number of shuffle partitions is written into the checkpoint: the state stays spread as it was first.
    "spark.sql.shuffle.partitions": os.environ.get("QUASAR_SHUFFLE_PARTITIONS", "2"),
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",  # would only drop old state
    "spark.scheduler.mode": "FAIR",
}
STOP_S, CATCH_UP_S = 20.0, 60.0
GIVE_UP_S = 600.0
"""How long streams may fail, again and again, before the process ends with an error, in seconds."""


@dataclass(frozen=True)
class Settings:
    """What the speed layer is told by its environment; intervals in seconds, lateness as Spark writes it."""

    topic: str
    dead_letters: str
    bucket: str
    checkpoints: str
    scheme: str = "s3a"
    max_per_trigger: int = 200_000
    archive_every: float = 10.0
    windows_every: float = 2.0
    archive_files: int = 1
    lateness: str = LATENESS

    @classmethod
    def from_environment(cls) -> Settings:
        """Read ``QUASAR_*``; a missing one raises ``KeyError`` with its name."""
        environment = os.environ
        return cls(
            topic=environment["QUASAR_TOPIC"],
            dead_letters=environment["QUASAR_DEAD_LETTERS"],
            bucket=environment["QUASAR_BUCKET"],
            checkpoints=environment["QUASAR_CHECKPOINTS"].rstrip("/"),
            scheme=environment.get("QUASAR_SCHEME", cls.scheme),
            max_per_trigger=int(environment.get("QUASAR_MAX_PER_TRIGGER", cls.max_per_trigger)),
            archive_every=float(environment.get("QUASAR_ARCHIVE_EVERY_S", cls.archive_every)),
            windows_every=float(environment.get("QUASAR_WINDOWS_EVERY_S", cls.windows_every)),
            archive_files=int(environment.get("QUASAR_ARCHIVE_FILES", cls.archive_files)),
            lateness=environment.get("QUASAR_LATENESS", cls.lateness),
        )


def windows(messages: DataFrame, lateness: str = LATENESS) -> DataFrame:
    """Return the events of messages by minute and kind, each event once.

    Windows of five minutes are sums of these; the view ``windows`` makes them.
    """
    from pyspark.sql import functions as f

    usable = judged(messages).filter("reason IS NULL")
    events = usable.select("event_id", "event_time", "kind", "temperature_ucelsius", "voltage_uv")
    once = events.withWatermark("event_time", lateness).dropDuplicatesWithinWatermark(["event_id"])
    return (
        once.groupBy(f.window("event_time", "1 minute").alias("window"), "kind")
        .agg(
            f.count("*").alias("events"),
            *(
                how(column).alias(f"{name}_{suffix}")
                for name, column in (("temperature", "temperature_ucelsius"), ("voltage", "voltage_uv"))
                for suffix, how in (("sum", f.sum), ("min", f.min), ("max", f.max))
            ),
        )
        .select(
            f.unix_millis("window.start").alias("start_ms"),
            "kind",
            "events",
            *(f"{name}_{suffix}" for name in ("temperature", "voltage") for suffix in ("sum", "min", "max")),
        )
    )


class Stream:
    """One of the two queries, with its checkpoint, and how far it came."""

    def __init__(self, name: str, settings: Settings, session: SparkSession, begin: Callable[[Any], Any]) -> None:
        self.name = name
        self.path = f"{settings.checkpoints}/{name}"
        self.checkpoint = Checkpoint(session, self.path, settings.topic)
        self.query: Any = None
        self.told = -1
        self.failing_since: float | None = None
        self._begin = begin

    def start(self) -> None:
        """Start it, or start it again from its checkpoint."""
        self.query = self._begin(self)
        self.told = -1

    def stop(self) -> None:
        """Stop it between two batches where that comes soon; one that is cut off is done again by the next start."""
        if self.query is None:
            return
        ends_at = time.monotonic() + STOP_S
        while self.query.isActive and self.query.status["isTriggerActive"] and time.monotonic() < ends_at:
            time.sleep(0.05)
        self.query.stop()

    def has_reached(self, ends: dict[int, int]) -> bool:
        """Tell whether all messages before some offsets are committed."""
        position = self.checkpoint.position()
        return all(position.get(partition, 0) >= end for partition, end in ends.items())


class Speed:
    """Both streams, and the loop that looks after them.

    Parameters
    ----------
    settings : Settings
    session : SparkSession
    store : Store
    """

    def __init__(self, settings: Settings, session: SparkSession, store: Store) -> None:
        self._settings, self._session, self._store = settings, session, store
        self.stopping = store.stopping
        self._s3 = boto3.client("s3")
        self._letters = archive.DeadLetters(settings.dead_letters, client_settings())
        self._archive = archive.Archive(self._s3, settings.bucket, scheme=settings.scheme)
        self.streams = [
            Stream("archive", settings, session, self._begin_archive),
            Stream("windows", settings, session, self._begin_windows),
        ]
        self._ends = Ends(settings.topic)

    def run(self, *, until_caught_up: bool = False) -> None:
        """Run until `stopping` is set, or both streams have read what was in the topic.

        Raises
        ------
        Exception
            What a stream failed with, when it has failed for ten minutes, or for one where it is to catch up.
        """
        patience = CATCH_UP_S if until_caught_up else GIVE_UP_S
        try:
            for stream in self.streams:
                stream.start()
            while not self.stopping.wait(0.2):
                for stream in self.streams:
                    if self._tell(stream):
                        stream.failing_since = None
                    if not stream.query.isActive:
                        self._mend(stream, patience)
                if until_caught_up and self._caught_up():
                    break
        finally:
            for stream in self.streams:
                stream.stop()
            self._store.close()

    def _mend(self, stream: Stream, patience: float) -> None:
        """Start a stream again that failed, unless it has for too long without a batch that it finished."""
        error, now = stream.query.exception(), time.monotonic()
        if stream.failing_since is None:
            stream.failing_since = now
        log("warning", "stream_failed", name=stream.name, error=str(error).strip()[:2000])
        if now - stream.failing_since > patience:
            raise error or RuntimeError(f"the stream {stream.name} has ended")
        self.stopping.wait(1.0)
        stream.start()

    def _caught_up(self) -> bool:
        ends = self._ends.read()
        return ends is not None and all(stream.has_reached(ends) for stream in self.streams)

    def _tell(self, stream: Stream) -> bool:
        """Write the metrics of the batches that a stream has finished since; tell whether there were any."""
        new = [each for each in stream.query.recentProgress if each["batchId"] > stream.told and each["numInputRows"]]
        for progress in new:
            stream.told = progress["batchId"]
            measure(stream.name, self._values(stream, progress))
            took = {name: took_ms for name, took_ms in progress["durationMs"].items() if took_ms}
            log("info", "progress", name=stream.name, rows=progress["numInputRows"], took_ms=took)
        return bool(new)

    def _values(self, stream: Stream, progress: Any) -> dict[str, float]:
        """Return the metrics of a batch."""
        values: dict[str, float] = {
            "messaging.client.consumed.messages": progress["numInputRows"],
            "messaging.process.duration": progress["durationMs"]["triggerExecution"] / 1000,
        }
        ends = self._ends.read()
        if ends is not None:
            position = stream.checkpoint.position()
            values["messaging.kafka.consumer.lag"] = sum(end - position.get(each, 0) for each, end in ends.items())
        for state in progress["stateOperators"]:
            dropped = state.get("customMetrics", {}).get("numDroppedDuplicateRows")
            if dropped is not None:
                values["quasar.speed.duplicates"] = dropped
                values["quasar.speed.late"] = state.get("numRowsDroppedByWatermark", 0)
        if stream.name == "archive":
            values["quasar.dead_letters"], self._letters.sent = self._letters.sent, 0
        return values

    # -- what the streams do -----------------------------------------------------------------------------------

    def _messages(self, stream: Stream) -> DataFrame:
        topic, most = self._settings.topic, self._settings.max_per_trigger
        group = f"{topic}-{stream.name}"
        return spark_kafka.read_stream(self._session, [topic], max_per_trigger=most, group=group)

    def _begin_archive(self, stream: Stream) -> Any:
        def write(rows: DataFrame, number: int) -> None:
            batch = stream.checkpoint.batch(number)
            files = archive.write(self._archive, self._letters, rows, batch, self._settings.archive_files)
            log("info", "archived", batch=number, files=len(files))

        return self._query(
            stream, archive.columns(self._messages(stream)), write, self._settings.archive_every, "append"
        )

    def _begin_windows(self, stream: Stream) -> Any:
        def write(rows: DataFrame, number: int) -> None:
            changed = [tuple(row) for row in rows.collect()]
            times = [(_utc(row[0]), *row[1:]) for row in changed]
            batch = stream.checkpoint.batch(number)
            fault_point("unwritten")
            count = self._store.patiently(lambda connection: write_speed(connection, batch, times))
            fault_point("uncommitted_windows")
            log("info", "windows", batch=number, changed=count)

        rows = windows(self._messages(stream), self._settings.lateness)
        return self._query(stream, rows, write, self._settings.windows_every, "update")

    def _query(
        self, stream: Stream, rows: DataFrame, write: Callable[[DataFrame, int], None], every_s: float, mode: str
    ) -> Any:
        self._session.sparkContext.setLocalProperty("spark.scheduler.pool", stream.name)
        return (
            rows.writeStream.queryName(stream.name)
            .outputMode(mode)
            .trigger(processingTime=f"{round(every_s * 1000)} milliseconds")
            .option("checkpointLocation", stream.path)
            .foreachBatch(write)
            .start()
        )


class Ends:
    """The ends of a topic's partitions, asked for once a second at most."""

    def __init__(self, topic: str) -> None:
        from confluent_kafka import Consumer

        self._topic = topic
        self._consumer = Consumer({**client_settings(), "group.id": f"{topic}-ends", "log_level": 0})
        self._asked = -1.0
        self._known: dict[int, int] | None = None

    def read(self) -> dict[int, int] | None:
        """Return for each partition the offset after its last message; None while no broker answers."""
        from confluent_kafka import KafkaException, TopicPartition

        if self._known is None or time.monotonic() - self._asked > 1.0:
            try:
                topic = self._consumer.list_topics(self._topic, timeout=3).topics[self._topic]
                if topic.error or not topic.partitions:  # a broker that has just started does not know it yet
                    raise KafkaException(topic.error)
                self._known = {
                    each: self._consumer.get_watermark_offsets(TopicPartition(self._topic, each), timeout=3)[1]
                    for each in topic.partitions
                }
            except KafkaException:
                self._known = None
            self._asked = time.monotonic()
        return self._known


def _utc(milliseconds: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 is done, 1 an error."""
    parser = argparse.ArgumentParser(prog="quasar.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--until-caught-up", action="store_true", help="end when all that is in the topic is read")
    given = parser.parse_args(arguments)
    try:
        settings, store = Settings.from_environment(), Store.from_environment()
    except KeyError as error:
        log("error", "failed", error=f"{error.args[0]} is not set")
        return 1
    try:
        if "KAFKA_TOPICS" in os.environ and kafka_topics.main(["apply"]):
            return 1  # it has said why
        session = spark.session("quasar-speed", streaming=True, settings=SPARK)
        speed = Speed(settings, session, store)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: speed.stopping.set())
        speed.run(until_caught_up=given.until_caught_up)
        session.stop()
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:2000])
        return 1
    log("info", "finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
