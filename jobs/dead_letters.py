"""Messages that a pipeline can't use: kept as they were, with where they came from and why they were set aside.

The headers are those of Kafka Connect's dead-letter queue (KIP-298), so that tools which know it know these.

To look at the newest of a topic, one line of JSON each, oldest first::

    python -m jobs.dead_letters orrery-09-quasar-telemetry.dead-letters --most 20

Where the cluster is, and how to log in, is in the environment (`jobs.kafka.client_settings`) or ``--bootstrap``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.kafka import client_settings

PREFIX = "__connect.errors."
REASON = PREFIX + "exception.class.name"
MESSAGE = PREFIX + "exception.message"
LONGEST = 1000
SHOWN = 400
"""How much of a key or a message is shown, in characters."""
KAFKA_S = 20.0


@dataclass(frozen=True)
class DeadLetter:
    """A message, and why it was set aside.

    Parameters
    ----------
    topic, partition, offset : str, int, int
        Where it lies. A consumer that was killed sets a message aside twice; these three tell so.
    reason : str
        One word out of few, for counting: ``not_json``, ``too_large``.
    message : str
        What exactly is wrong.
    key, value : bytes or None
        The original.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    message: str
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> tuple[str, int, int]:
        """Return what makes it one and the same: its topic, partition and offset."""
        return self.topic, self.partition, self.offset

    def produced(self) -> dict[str, Any]:
        """Return the arguments for ``Producer.produce`` beside the dead-letter topic's name.

        Examples
        --------
        >>> letter = DeadLetter("telemetry", 3, 41, "not_json", "line 1: expected a value", b"d-7", b"{")
        >>> letter.produced()["headers"][2]
        ('__connect.errors.offset', b'41')
        """
        headers = {
            PREFIX + "topic": self.topic,
            PREFIX + "partition": self.partition,
            PREFIX + "offset": self.offset,
            REASON: self.reason,
            MESSAGE: self.message[:LONGEST],
        }
        return {
            "key": self.key,
            "value": self.value,
            "headers": [(name, str(value).encode()) for name, value in headers.items()],
        }

    @classmethod
    def consumed(cls, message: Any) -> DeadLetter:
        """Return what a consumer read from a dead-letter topic.

        Parameters
        ----------
        message : confluent_kafka.Message
            As ``Consumer.poll`` gives it.

        Raises
        ------
        ValueError
            It is no dead letter: a header is missing, or is no number where it should be.
        """
        headers = dict(message.headers() or [])
        try:
            text = {name: headers[PREFIX + name].decode() for name in ("topic", "partition", "offset")}
            reason, said = headers[REASON].decode(), headers[MESSAGE].decode()
            place = text["topic"], int(text["partition"]), int(text["offset"])
        except (AttributeError, KeyError, ValueError) as error:
            raise ValueError(f"{message.topic()} {message.partition()}:{message.offset()} is no dead letter") from error
        return cls(*place, reason, said, message.key(), message.value())


def newest(topic: str, most: int, since_ms: int = 0, environment: Mapping[str, str] = os.environ) -> list[Any]:
    """Return the newest messages of a topic, by the time at which they were set aside, oldest first.

    Parameters
    ----------
    topic : str
        A dead-letter topic.
    most : int
        How many at most, of as many offsets of each partition: where producers are transactional or the topic is
        compacted, not every offset is a message, and there are fewer.
    since_ms : int
        Those of this time and later, in milliseconds since 1970.
    environment : mapping
        What `jobs.kafka.client_settings` wants.

    Returns
    -------
    list of confluent_kafka.Message

    Raises
    ------
    LookupError
        There is no such topic.
    KafkaException
        Kafka is away.
    """
    from confluent_kafka import Consumer, TopicPartition

    own = {"group.id": "dead-letters", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**client_settings(environment), **own, "isolation.level": "read_committed"})
    try:
        partitions = consumer.list_topics(timeout=KAFKA_S).topics.get(topic)
        if partitions is None:
            raise LookupError(f"there is no topic {topic}")
        found: list[Any] = []
        for number in partitions.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=KAFKA_S)
            found += _read(consumer, topic, number, max(low, high - most), high)
    finally:
        consumer.close()
    recent = [each for each in found if each.timestamp()[1] >= since_ms]
    return sorted(recent, key=lambda each: each.timestamp()[1])[-most:]


def _read(consumer: Any, topic: str, partition: int, first: int, end: int) -> Iterator[Any]:
    """Read a part of a partition. Not every offset is of a message, so its end is told by the client too."""
    from confluent_kafka import KafkaError, KafkaException, TopicPartition

    consumer.assign([TopicPartition(topic, partition, first)])
    while (message := consumer.poll(KAFKA_S)) is not None:
        if message.error() and message.error().code() != KafkaError._PARTITION_EOF:
            raise KafkaException(message.error())
        if message.error() or message.offset() >= end:
            return
        yield message
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def described(message: Any) -> dict[str, Any]:
    """Return what a person wants to know of a message in a dead-letter topic."""
    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC).isoformat(timespec="milliseconds")
    try:
        letter = DeadLetter.consumed(message)
    except ValueError as error:
        return {"event": "no_dead_letter", "at": at, "error": str(error), "value": _shown(message.value())}
    place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
    said = {"reason": letter.reason, "message": letter.message}
    return {"event": "dead_letter", "at": at, **place, **said, "key": _shown(letter.key), "value": _shown(letter.value)}


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")[:SHOWN]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="jobs.dead_letters", description="Show the newest messages set aside.")
    parser.add_argument("topic")
    parser.add_argument("--most", type=int, default=20, help="how many (20)")
    parser.add_argument("--since-ms", type=int, default=0, help="only from this time on, in milliseconds since 1970")
    parser.add_argument("--bootstrap", help="host:port of the brokers; KAFKA_BOOTSTRAP_SERVERS else")
    given = parser.parse_args(arguments)
    environment = os.environ | ({"KAFKA_BOOTSTRAP_SERVERS": given.bootstrap} if given.bootstrap else {})
    try:
        for message in newest(given.topic, given.most, given.since_ms, environment):
            print(json.dumps(described(message), ensure_ascii=False))
    except KeyError as error:
        sys.stderr.write(f"error: {error.args[0]} is not set\n")
    except (LookupError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
    except Exception as error:
        if type(error).__name__ != "KafkaException":
            raise
        sys.stderr.write(f"error: Kafka at {environment['KAFKA_BOOTSTRAP_SERVERS']}: {error.args[0].str()}\n")
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
