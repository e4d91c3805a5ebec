"""Land Kafka's messages in the warehouse: each once, whatever is killed.

A batch is a file that is copied in one transaction, and how far each partition is landed is written in that very
transaction: the offsets in the warehouse are the only ones that count. Kafka's own, of the group, are for the alarm on
lag. Of two loaders, the older one is stopped by a row that the newer one has claimed.

``python -m nova.load`` goes on until it is told to stop; ``--seconds`` ends it, ``--once`` when all is landed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.dead_letters import DeadLetter
from jobs.faults import fault_point
from jobs.kafka import client_settings
from jobs.metrics import log
from nova import metrics, warehouse
from nova.warehouse import TABLES, Warehouse

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
CONTROL = ("transaction", "notifications")
"""Topics beside those of the tables: ends of transactions, and what Debezium says of its snapshots."""
MOST = 20_000
LINGER_S = 0.15
LOOK_S = 60.0
"""How often topics are looked at for new partitions, in seconds."""
BUFFER_KB = 32_768
"""What the client reads ahead, in kilobytes: a warehouse that is away costs no more memory than this."""
FILE_FORMAT = (
    "file_format = (type = csv field_optionally_enclosed_by = '\"' empty_field_as_null = true"
    " escape_unenclosed_field = none)"
)
UNREADABLE = {"status": "UNREADABLE"}
"""What is landed in the place of a dead letter that no transaction's count tells of: a border, or a ``TRUNCATE``."""
TRUNCATED = "truncated"
"""Why a message is a dead letter that says of a whole table that it was emptied."""
Place = tuple[str, int]


class TakenOver(Exception):
    """A newer loader has claimed the landing tables."""


class OutOfStep(Exception):
    """The warehouse is not as far as this loader believes: a commit was done whose answer was lost."""


@dataclass(frozen=True)
class Message:
    """One message of Kafka, its value as text; None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    produced_ms: int = 0


@dataclass(frozen=True)
class Names:
    """How the topics are named.

    Parameters
    ----------
    prefix : str
        Debezium's ``topic.prefix``; behind it the table, without its database or schema.
    """

    prefix: str

    def topic(self, name: str) -> str:
        """Return the topic of a table, or of transactions or notifications."""
        return f"{self.prefix}.{name}"

    @property
    def topics(self) -> list[str]:
        """Return all topics that are landed."""
        return [self.topic(name) for name in (*TABLES, *CONTROL)]

    @property
    def dead_letters(self) -> str:
        """Return the topic of what can't be landed."""
        return self.topic("dead-letters")

    @property
    def group(self) -> str:
        """Return the consumer group whose offsets the alarm on lag looks at."""
        return f"{self.prefix}-loader"


def names() -> Names:
    """Return the names that ``NOVA_TOPIC_PREFIX`` gives."""
    return Names(os.environ["NOVA_TOPIC_PREFIX"])


class Judge:
    """Tells what does not fit its topic's JSON Schema."""

    def __init__(self, named: Names) -> None:
        import fastjsonschema

        self._tables = {named.topic(name) for name in TABLES}
        self._checks: dict[str, Callable[[Any], Any]] = {}
        for name in (*TABLES, *CONTROL):
            schema = json.loads((SCHEMAS / f"{name}.json").read_text())
            self._checks[named.topic(name)] = fastjsonschema.compile(schema)

    def __call__(self, topic: str, key: bytes | None, value: bytes | None) -> tuple[str, str]:
        """Return why a message can't be landed: one word, and what exactly; two empty texts when it can."""
        import fastjsonschema

        reason, why, document = read(key, value, keyed=topic in self._tables)
        if reason or value is None:
            return reason, why
        try:
            self._checks[topic](document)
        except fastjsonschema.JsonSchemaException as error:
            return "not_by_schema", str(error)
        return "", ""


def read(key: bytes | None, value: bytes | None, *, keyed: bool) -> tuple[str, str, Any]:
    """Read a message as the warehouse will, which is stricter than Python.

    Parameters
    ----------
    key, value : bytes or None
        As they are in Kafka.
    keyed : bool
        Whether a change without a key can't be merged.

    Returns
    -------
    tuple of str, str and Any
        Why it can't be read: one word, and what exactly, both empty when it can; and the document.
    """
    try:
        text = None if key is None else key.decode()
    except UnicodeDecodeError as error:
        return "key_not_utf8", str(error), None
    if value is None:
        return "", "", None
    try:
        document = json.loads(value.decode(), parse_constant=_refuse, object_pairs_hook=_once_each)
        json.dumps(document, ensure_ascii=False).encode()  # half a character is none
    except ValueError as error:  # what is not UTF-8 too
        return "not_json", str(error), None
    if keyed and isinstance(document, dict) and document.get("op") == "t" and isinstance(document.get("source"), dict):
        return TRUNCATED, "TRUNCATE emptied the table, and tells of no row: only a new snapshot does", document
    if keyed and not text:
        return "no_key", "a change needs its row's key: has the table lost its primary key?", None
    return "", "", document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; the warehouse refuses one with a name twice, where Python takes the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("an object has a name twice")
    return made


class Landing:
    """The landing tables, as one loader writes them.

    Parameters
    ----------
    store : Warehouse
    name : str
        The loader's own, by which it claims them.
    """

    def __init__(self, store: Warehouse, name: str) -> None:
        self.store, self.name = store, name

    def claim(self) -> None:
        """Be the loader from now on; an older one finds out with its next batch."""
        self.store.query(
            "insert into nova_landing.loader (loader, batch)"
            " select '', 0 where not exists (select 1 from nova_landing.loader)"
        )
        with self.store.transaction():
            self.store.query(f"update nova_landing.loader set loader = '{self.name}'")
            batches = self.store.query("select batch from nova_landing.loader order by batch desc")
            if len(batches) > 1:  # two loaders were the first ones at once
                self.store.query("delete from nova_landing.loader")
                self.store.query(
                    f"insert into nova_landing.loader (loader, batch) select '{self.name}', {batches[0][0]}"
                )

    def offsets(self) -> dict[Place, int]:
        """Return the next offset of each partition that was ever landed."""
        found = self.store.query("select topic, kafka_partition, next_offset from nova_landing.offsets")
        return {(str(topic), int(partition)): int(offset) for topic, partition, offset in found}

    def put(self, messages: Sequence[Message], next_offsets: Mapping[Place, int], before: Mapping[Place, int]) -> None:
        """Land a batch, whole or not at all.

        Parameters
        ----------
        messages : sequence of Message
            Those that are to be landed; none twice.
        next_offsets : mapping
            How far each partition is landed with them, dead letters counted.
        before : mapping
            How far it was; a partition that was never landed is not in it.

        Raises
        ------
        OutOfStep
            It is landed as far as elsewhere; nothing is done.
        TakenOver
            A newer loader has come.
        """
        with tempfile.TemporaryDirectory(prefix="nova-") as folder:
            # A name of its own: Snowflake remembers for 64 days which files a table has had.
            path = Path(folder) / f"{uuid.uuid4().hex}.csv"
            if messages:
                write(path, messages)
                self.store.query(f"put 'file://{path}' @nova_landing.files auto_compress = false overwrite = true")
            fault_point("staged")
            with self.store.transaction():
                self._next_batch()
                landed = self.offsets()  # behind the update above, which waits for whoever else is at it
                if any(landed.get(place) != before.get(place) for place in next_offsets):
                    raise OutOfStep("the warehouse is not as far as this loader believes")
                if messages:
                    self._copy(path.name)
                fault_point("copied")
                self._remember(next_offsets)
            fault_point("landed")

    def _next_batch(self) -> None:
        self.store.query(f"update nova_landing.loader set batch = batch + 1 where loader = '{self.name}'")
        if self.store.query("select loader from nova_landing.loader") != [(self.name,)]:
            raise TakenOver("a newer loader has claimed the landing tables")

    def _copy(self, file: str) -> None:
        self.store.query(
            f"copy into nova_landing.incoming from '@nova_landing.files/{file}' purge = true {FILE_FORMAT}"
        )
        self.store.query(
            "insert into nova_landing.messages"
            " (topic, kafka_partition, kafka_offset, message_key, record, produced_ms, batch)"
            " select incoming.topic, incoming.kafka_partition, incoming.kafka_offset, incoming.message_key,"
            " parse_json(incoming.record), incoming.produced_ms, loader.batch"
            " from nova_landing.incoming as incoming cross join nova_landing.loader as loader"
        )
        self.store.query("delete from nova_landing.incoming")

    def _remember(self, next_offsets: Mapping[Place, int]) -> None:
        # No merge: there is one writer, and a merge is the dearest way to write a few rows.
        places = ", ".join(f"('{topic}', {partition})" for topic, partition in next_offsets)
        self.store.query(f"delete from nova_landing.offsets where (topic, kafka_partition) in ({places})")
        rows = ", ".join(f"('{topic}', {partition}, {offset})" for (topic, partition), offset in next_offsets.items())
        self.store.query(f"insert into nova_landing.offsets (topic, kafka_partition, next_offset) values {rows}")


def write(path: Path, messages: Iterable[Message]) -> None:
    """Write messages as the CSV that `FILE_FORMAT` describes; what is not given is an empty field without quotes."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        for each in messages:
            texts = (each.topic, each.partition, each.offset, each.key, each.value, each.produced_ms, 0)
            file.write(",".join(map(_field, texts)) + "\n")


def _field(value: str | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else '"' + value.replace('"', '""') + '"'


class Loader:
    """Reads the topics and lands them.

    Parameters
    ----------
    named : Names
    settings : mapping
        Of Kafka's client, as `jobs.kafka.client_settings` gives them.
    """

    def __init__(self, named: Names, settings: Mapping[str, Any]) -> None:
        from confluent_kafka import Consumer, Producer

        own = {
            "group.id": named.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": BUFFER_KB,
        }
        self.named, self.name = named, uuid.uuid4().hex
        self.consumer = Consumer({**settings, **own})
        self.producer = Producer({**settings, "acks": "all", "enable.idempotence": True})
        self.judge = Judge(named)
        self.landing: Landing | None = None
        self.next: dict[Place, int] = {}
        self.places: list[Place] = []
        self.looked = 0.0

    def enter(self, store: Warehouse) -> None:
        """Begin, or begin again, where the warehouse says."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        first = self.landing is None
        self.landing = Landing(store, self.name)
        if first:
            self.landing.claim()
        self.next = self.landing.offsets()
        self.places = self._partitions()
        self.consumer.assign([TopicPartition(*place, self.next.get(place, OFFSET_BEGINNING)) for place in self.places])

    def look_around(self, store: Warehouse) -> None:
        """Begin again, once a minute, where topics have got partitions more."""
        if time.monotonic() - self.looked < LOOK_S:
            return
        if self._partitions_now() != self.places:
            log("info", "more_partitions")
            self.enter(store)

    def _partitions_now(self) -> list[Place]:
        from confluent_kafka import KafkaException

        try:
            return self._partitions()
        except KafkaException as error:  # brokers that are away are asked again later
            self.looked = time.monotonic()
            log("warning", "kafka", error=str(error))
            return self.places

    def _partitions(self) -> list[Place]:
        present = self.consumer.list_topics(timeout=20).topics
        self.looked = time.monotonic()
        lacking = [topic for topic in self.named.topics if topic not in present]
        if lacking:
            raise LookupError(f"there is no topic {lacking[0]}: has the stack been deployed?")
        return [(topic, number) for topic in self.named.topics for number in sorted(present[topic].partitions)]

    def land(self, timeout_s: float = LINGER_S) -> int:
        """Land what has come within a moment; return how many messages that were."""
        assert self.landing
        started = time.monotonic()
        came = [each for each in self.consumer.consume(MOST, timeout=timeout_s) if not _failed(each)]
        if not came:
            return 0
        good, dead = [], []
        for each in came:
            reason, why = self.judge(each.topic(), each.key(), each.value())
            if reason:
                place = each.topic(), each.partition(), each.offset()
                dead.append(DeadLetter(*place, reason, why, each.key(), each.value()))
                # The merge must know of it, and wait (sql/merge/02_transactions.sql).
                if each.topic() == self.named.topic("transaction"):  # perhaps an end
                    good.append(Message(*place, None, json.dumps(UNREADABLE), each.timestamp()[1]))
                elif reason == TRUNCATED:  # where in the log, its source says
                    held = {**UNREADABLE, "source": json.loads(each.value())["source"]}
                    good.append(Message(*place, None, json.dumps(held), each.timestamp()[1]))
            else:
                good.append(_message(each))
        self._set_aside(dead)
        next_offsets: dict[Place, int] = {}
        for each in came:
            next_offsets[each.topic(), each.partition()] = each.offset() + 1
        self.landing.put(good, next_offsets, self.next)
        self.next |= next_offsets
        self._tell_group(next_offsets)
        metrics.landed(len(came), len(dead), self.lag(), time.monotonic() - started)
        return len(came)

    def lag(self) -> int:
        """Return how many messages are not landed, as far as the client knows."""
        from confluent_kafka import TopicPartition

        lag = 0
        for place, offset in self.next.items():
            _, high = self.consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            lag += max(0, high - offset)
        return lag

    def is_level(self) -> bool:
        """Tell whether all is landed that is in the topics now."""
        for each in self.consumer.assignment():
            low, high = self.consumer.get_watermark_offsets(each, timeout=10)
            if self.next.get((each.topic, each.partition), low) < high:
                return False
        return True

    def _set_aside(self, dead: Sequence[DeadLetter]) -> None:
        """Keep what can't be landed, before its offset counts as landed."""
        for each in dead:
            log("error", "dead_letter", place=each.place, reason=each.reason, error=each.message[:300])
            self.producer.produce(self.named.dead_letters, **each.produced())
        if dead and self.producer.flush(30):
            raise OSError(f"dead letters could not be written to {self.named.dead_letters}")

    def _tell_group(self, next_offsets: Mapping[Place, int]) -> None:
        from confluent_kafka import TopicPartition

        self.consumer.commit(
            offsets=[TopicPartition(*place, offset) for place, offset in next_offsets.items()], asynchronous=True
        )

    def close(self) -> None:
        """Leave Kafka."""
        self.consumer.close()


def _failed(message: Any) -> bool:
    """Tell whether a message is none; raise where reading on would leave a gap."""
    from confluent_kafka import KafkaError

    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise LookupError(
            f"{message.topic()} {message.partition()} has no longer what is to be landed next: take a new snapshot"
        )
    log("warning", "kafka", error=error.str())
    return True


def _message(each: Any) -> Message:
    key, value = each.key(), each.value()
    return Message(
        each.topic(),
        each.partition(),
        each.offset(),
        None if key is None else key.decode(),
        None if value is None else value.decode(),
        each.timestamp()[1],
    )


def follow(
    loader: Loader,
    stopped: threading.Event,
    done: Callable[[Loader, int], bool],
    prepare: Callable[[Warehouse], None] = lambda _: None,
) -> None:
    """Land until `stopped`, or until `done` says so after a batch; wait where the warehouse is away.

    While it is away nothing is read: what waits, waits in Kafka.

    Parameters
    ----------
    loader : Loader
    stopped : Event
    done : callable
        Takes the loader and how many messages the batch had.
    prepare : callable
        What each session in the warehouse begins with.
    """

    def landing(store: Warehouse) -> None:
        prepare(store)
        loader.enter(store)
        log("info", "landing", topics=len(loader.named.topics))
        while not stopped.is_set():
            try:
                if done(loader, loader.land()):
                    return
            except OutOfStep as error:
                log("warning", "out_of_step", error=str(error))
                loader.enter(store)
            loader.look_around(store)

    warehouse.insist(landing, stopped)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="nova.load", description="Land Kafka's messages in the warehouse.")
    parser.add_argument("--once", action="store_true", help="end when all is landed that is in the topics")
    parser.add_argument("--seconds", type=float, default=0, help="end after this time")
    given = parser.parse_args(arguments)
    stopped, ends = threading.Event(), time.monotonic() + given.seconds
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())

    def done(loader: Loader, landed: int) -> bool:
        if given.seconds and time.monotonic() > ends:
            return True
        return bool(given.once) and not landed and loader.is_level()

    loader = Loader(names(), client_settings())
    try:
        follow(loader, stopped, done)
    except TakenOver as error:
        log("info", "taken_over", error=str(error))
    except LookupError as error:
        log("error", "failed", error=str(error))
        return 1
    finally:
        loader.close()
    log("info", "finished", part="load")
    return 0


if __name__ == "__main__":
    sys.exit(main())
