"""Messages that a pipeline can't use: kept as they were, with where they came from and why they were set aside.

The headers are those of Kafka Connect's dead-letter queue (KIP-298), so that tools which know it know these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PREFIX = "__connect.errors."
REASON = PREFIX + "exception.class.name"
MESSAGE = PREFIX + "exception.message"
LONGEST = 1000


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
