"""Gateways that send telemetry: ``python -m quasar.simulate --topic T --journal FILE --events 60000``.

Where Kafka is, is in the environment (`jobs.kafka.client_settings`). Each run goes on where the last one stopped,
however it stopped: what the broker has beyond the journal's last line is counted, and not sent again. So slots are
in the topic once, in order within a partition, and the journal says how many, as long as nobody else writes to the
topic.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jobs.faults import fault_point
from jobs.kafka import client_settings
from jobs.metrics import log
from quasar.generate import DAY_MS, Plan, messages
from quasar.journal import Journal, JournalError
from quasar.metrics import measure

BLOCK = 5000
LARGEST = 100_000
"""Of a message and of a batch, in bytes; the topic takes somewhat more, as what is around them counts there."""
DEVICE = re.compile(rb'"device_id"\s*:\s*"([^"]*)"')
ANSWER_S = 30.0


class Gateway:
    """Sends slots in blocks: all of a block are acknowledged, then the journal says so, then comes the next.

    Parameters
    ----------
    journal : Journal
    topic : str
    settings : mapping
        As `jobs.kafka.client_settings` returns them.
    """

    def __init__(self, journal: Journal, topic: str, settings: dict[str, Any]) -> None:
        from confluent_kafka import Producer

        self._journal, self._topic, self._settings = journal, topic, settings
        self._failed: list[str] = []
        self._producer = Producer(
            {
                **settings,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.max.bytes": LARGEST,
                "queue.buffering.max.messages": 4 * BLOCK,
                "message.timeout.ms": 240_000,  # a broker that is away for less ends nothing
                "on_delivery": self._delivered,
            }
        )
        self._there = self._beyond()

    def send(self, count: int) -> None:
        """Send the next slots, and return when they are acknowledged and written down.

        Raises
        ------
        JournalError
            The broker did not take one.
        """
        if not any(self._there.values()):  # what a killed run left is where it was when that run sent it
            self._grow()
        ends, first = dict(self._journal.ends), self._journal.sent
        partitions = len(ends)
        for _, held, key, value in messages(self._journal.plan, first, count):
            partition = held.device % partitions
            ends[partition] += 1
            if self._there.get(partition):
                self._there[partition] -= 1
                continue
            self._produce(key, value, partition)
        self._flush()
        fault_point("unjournaled")
        self._journal.acknowledge(first + count, ends)

    def send_lines(self, lines: Iterable[bytes]) -> int:
        """Send somebody's own messages, and return how many there were when all are acknowledged.

        Raises
        ------
        JournalError
            The broker did not take one.
        """
        self._grow()
        partitions, count = len(self._journal.ends), 0
        self._journal.acknowledge(self._journal.sent, self._journal.ends, mixed=True)
        for line in lines:
            found = DEVICE.search(line)
            key = found[1] if found else b""
            self._produce(key, line, zlib.crc32(key) % partitions)
            count += 1
        self._flush()
        self._journal.acknowledge(self._journal.sent, self._ends(range(partitions)))
        return count

    def _flush(self) -> None:
        left = self._producer.flush(ANSWER_S * 10)
        if left or self._failed:
            raise JournalError(f"{left or len(self._failed)} messages were not taken: {(self._failed or ['?'])[0]}")

    def _produce(self, key: bytes, value: bytes | None, partition: int) -> None:
        from confluent_kafka import KafkaException

        while True:
            try:
                self._producer.produce(self._topic, value, key, partition)
                return
            except BufferError:
                self._producer.poll(0.5)
            except KafkaException as error:
                what = f"a message of {len(value or b''):,} bytes can't be sent"
                raise JournalError(f"{what}: {error.args[0].str()}; {LARGEST:,} are the most") from None

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self._failed.append(str(error))

    def _partitions(self) -> int:
        """Return how many partitions the topic has; it waits for the broker."""
        from confluent_kafka import KafkaException

        ends_at = time.monotonic() + ANSWER_S
        while True:
            try:
                topic = self._producer.list_topics(self._topic, timeout=5).topics[self._topic]
                if not topic.error:
                    return len(topic.partitions)
                problem = str(topic.error)
            except KafkaException as error:
                problem = str(error)
            if time.monotonic() > ends_at:
                raise JournalError(f"the topic {self._topic} can't be asked about: {problem}")

    def _grow(self) -> None:
        """Write down new partitions before the first message goes there."""
        partitions, known = self._partitions(), self._journal.ends
        if partitions != len(known):
            new = self._ends(range(len(known), partitions))
            self._journal.acknowledge(self._journal.sent, {**known, **new})

    def _beyond(self) -> dict[int, int]:
        """Return how many messages each partition has that the journal doesn't know: a killed run's last block.

        What that run had under way may still be on its way into the broker: two looks have to agree.
        """
        known = self._journal.ends
        if not known:
            return {}
        seen, last = self._ends(known), None
        while seen != last:
            time.sleep(0.3)
            seen, last = self._ends(known), seen
        if self._journal.mixed:  # a killed run may have been somebody's file: it can't be told what is whose
            self._journal.acknowledge(self._journal.sent, seen)
            return {}
        beyond = {partition: end - known[partition] for partition, end in seen.items()}
        if min(beyond.values()) < 0 or sum(beyond.values()) > BLOCK:
            raise JournalError(
                f"{self._topic} is not as the journal left it: {beyond}; others wrote, or it was made anew"
            )
        return beyond

    def _ends(self, partitions: Any) -> dict[int, int]:
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        consumer = Consumer({**self._settings, "group.id": f"{self._topic}-ends", "enable.auto.commit": False})
        ends_at = time.monotonic() + ANSWER_S
        try:
            while True:
                try:
                    return {
                        each: consumer.get_watermark_offsets(TopicPartition(self._topic, each), timeout=5)[1]
                        for each in partitions
                    }
                except KafkaException as error:
                    if time.monotonic() > ends_at:
                        raise JournalError(f"the ends of {self._topic} can't be asked for: {error}") from None
        finally:
            consumer.close()


def simulate(gateway: Gateway, journal: Journal, events: int, *, paced: bool) -> None:
    """Send slots.

    Parameters
    ----------
    gateway : Gateway
    journal : Journal
    events : int
        How many.
    paced : bool
        Send each when the gateway's clock says so, instead of as fast as the broker takes them.

    Raises
    ------
    JournalError
        Some would be of the future, which readers refuse by the broker's clock; none was sent.
    """
    plan, last = journal.plan, journal.sent + events
    now_ms = time.time() * 1000
    if not paced and plan.sent_at(last - 1) > now_ms:
        possible = max(0, int((now_ms - plan.base_ms) * plan.per_second / 1000) - journal.sent)
        step = "send fewer, or --paced, which waits for their time, or begin with a new journal and topic"
        raise JournalError(f"only {possible:,} messages are left until now, all others are of the future: {step}")
    block = max(1, min(BLOCK, int(plan.per_second / 20))) if paced else BLOCK
    while journal.sent < last:
        count = min(block, last - journal.sent)
        if paced:
            time.sleep(max(0.0, plan.sent_at(journal.sent + count) / 1000 - time.time()))
        gateway.send(count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 is done, 1 an error."""
    parser = argparse.ArgumentParser(prog="quasar.simulate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--topic", required=True)
    parser.add_argument("--journal", type=Path, required=True, help="the file that says how far it came")
    parser.add_argument("--events", type=int, default=60_000, help="how many messages to send")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--devices", type=int, default=4000)
    parser.add_argument("--per-second", type=float, default=20.0, help="messages in a second of the gateways' clock")
    parser.add_argument("--file", type=Path, help="send the lines of this file instead, each as a message")
    parser.add_argument("--paced", action="store_true", help="send by the clock, from now on; else as fast as it goes")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # The first run begins a day ago at the latest: that leaves room for others before the gateways' clock is now.
    span_ms = 0 if given.paced else max(DAY_MS, int(given.events * 1000 / given.per_second))
    plan = Plan(given.seed, int(time.time() * 1000) - span_ms, given.per_second, given.devices)
    try:
        journal = Journal(given.journal, plan, given.topic)
        before, started = journal.sent, time.monotonic()
        gateway = Gateway(journal, given.topic, client_settings())
        if given.file:
            with open(given.file, "rb") as lines:
                log("info", "sent", lines=gateway.send_lines(line.rstrip(b"\r\n") for line in lines))
            return 0
        simulate(gateway, journal, given.events, paced=given.paced)
    except KeyError as error:
        log("error", "failed", error=f"{error.args[0]} is not set")
        return 1
    except (JournalError, OSError, ValueError) as error:
        log("error", "failed", error=str(error))
        return 1
    took = time.monotonic() - started
    measure("simulate", {"messaging.client.sent.messages": journal.sent - before})
    log(
        "info",
        "simulated",
        sent=journal.sent - before,
        acknowledged=journal.sent,
        seconds=round(took, 2),
        pid=os.getpid(),
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
