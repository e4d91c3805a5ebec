"""Producer ids, and transactions over partitions and offsets.

A decision to commit or abort is written to a journal before its markers are: a broker that dies in between writes the
rest when it starts again.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.local.broker.checksum import crc32c
from infra.local.broker.groups import Groups, Journal, Offset
from infra.local.broker.log import HEADER, Refused, Topics, going_on

OLD_EPOCH, WRONG_STATE, UNKNOWN_ID, WRONG_TIMEOUT = 47, 48, 49, 50
LARGEST_EPOCH = 32_000
MOST_TIMEOUT_MS = 900_000
LINES_KEPT = 20_000


@dataclass
class Transaction:
    """A transactional id: who holds it, and what its transaction touches.

    Its states: empty, open, and commit or abort while that is carried out.
    """

    id: str
    producer: int
    epoch: int
    timeout_ms: int
    state: str = "empty"
    committed: bool = False  # how the last one ended
    partitions: set[tuple[str, int]] = field(default_factory=set)
    offsets: dict[tuple[str, str, int], Offset] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def entry(self) -> list[object]:
        """Return it as the journal keeps it."""
        offsets = [[*key, each.offset, each.leader_epoch, each.metadata] for key, each in self.offsets.items()]
        facts = [self.id, self.producer, self.epoch, self.timeout_ms, self.state, self.committed]
        return [*facts, sorted(map(list, self.partitions)), offsets]


class Transactions:
    """All producer ids and transactions of a broker."""

    def __init__(self, folder: Path, topics: Topics, groups: Groups) -> None:
        self._topics, self._groups = topics, groups
        self.all: dict[str, Transaction] = {}
        self._next = 1000
        self._journal = Journal(folder / "transactions.jsonl")
        for entry in self._journal.old:
            if isinstance(entry, int):
                self._next = entry
                continue
            id, producer, epoch, timeout_ms, state, committed, partitions, offsets = entry
            one = Transaction(id, producer, epoch, timeout_ms, state, committed)
            one.partitions = {(topic, number) for topic, number in partitions}
            one.offsets = {(group, topic, number): Offset(*facts) for group, topic, number, *facts in offsets}
            self.all[id] = one
        self._journal.old = []
        for one in self.all.values():
            with going_on(one.id):
                self._finish(one)
        self._abort_orphans()

    def begin_producer(self, id: str | None, timeout_ms: int) -> tuple[int, int]:
        """Return a producer's id and epoch; one that held the transactional id before is locked out."""
        if id is None:
            return self._new_producer(), 0
        if not 0 < timeout_ms <= MOST_TIMEOUT_MS:
            raise Refused(WRONG_TIMEOUT)
        one = self.all.get(id)
        if one is None:
            one = Transaction(id, self._new_producer(), 0, timeout_ms)
            self._change(one)
        else:
            self._finish(one)
            producer, epoch = one.producer, one.epoch + 1
            if one.state == "open":
                self._decide(one, commit=False, epoch=epoch)
            if epoch > LARGEST_EPOCH:
                producer, epoch = self._new_producer(), 0
            self._change(one, producer=producer, epoch=epoch, timeout_ms=timeout_ms)
        return one.producer, one.epoch

    def check(self, id: str, producer: int, epoch: int) -> Transaction:
        """Return the transaction of its present holder, or refuse."""
        one = self.all.get(id)
        if one is None or one.producer != producer:
            raise Refused(UNKNOWN_ID)
        if one.epoch != epoch:
            raise Refused(OLD_EPOCH, "the producer was replaced by a newer one")
        return one

    def add(self, one: Transaction, partitions: set[tuple[str, int]]) -> None:
        """Take partitions into a transaction, which begins with the first."""
        self._finish(one)
        if one.state != "open":
            self._change(one, state="open", begun=time.monotonic(), partitions=set(partitions))
        elif not partitions <= one.partitions:
            self._change(one, partitions=one.partitions | partitions)

    def add_offsets(self, one: Transaction, offsets: dict[tuple[str, str, int], Offset]) -> None:
        """Take a group's offsets into a transaction: they count when it is committed."""
        if one.state != "open":
            raise Refused(WRONG_STATE)
        self._change(one, offsets=one.offsets | offsets)

    def check_produce(self, id: str, producer: int, epoch: int, topic: str, partition: int) -> None:
        """Refuse records of a transaction that is not open for this partition."""
        one = self.check(id, producer, epoch)
        if one.state != "open" or (topic, partition) not in one.partitions:
            raise Refused(WRONG_STATE)

    def end(self, one: Transaction, *, commit: bool) -> None:
        """Commit or abort; a second request for the same is fine."""
        self._finish(one)
        if one.state == "open":
            self._decide(one, commit=commit)
        elif one.committed != commit:
            raise Refused(WRONG_STATE)

    def pending(self, group: str) -> set[tuple[str, int]]:
        """Return the partitions for which a transaction that is not over has offsets of a group."""
        return {(topic, number) for one in self.all.values() for name, topic, number in one.offsets if name == group}

    async def watch(self) -> None:
        """Abort transactions that take too long, for as long as the broker runs."""
        while True:
            for one in list(self.all.values()):
                with going_on(one.id):
                    self._tick(one)
            await asyncio.sleep(0.5)

    def _tick(self, one: Transaction) -> None:
        self._finish(one)
        if one.state == "open" and time.monotonic() - one.begun > one.timeout_ms / 1000:
            self._decide(one, commit=False, epoch=one.epoch + 1)

    def _decide(self, one: Transaction, *, commit: bool, epoch: int | None = None) -> None:
        epoch = one.epoch if epoch is None else epoch
        self._change(one, state="commit" if commit else "abort", committed=commit, epoch=epoch)
        self._carry_out(one)

    def _finish(self, one: Transaction) -> None:
        """Carry out what was decided and could not be carried out then."""
        if one.state in ("commit", "abort"):
            self._carry_out(one)

    def _abort_orphans(self) -> None:
        """End what is open in a partition and belongs to no transaction: its readers would wait for ever."""
        owned = {
            (one.producer, *place) for one in self.all.values() if one.state != "empty" for place in one.partitions
        }
        for topic in self._topics.all.values():
            for number, part in enumerate(topic.partitions):
                for producer in [each for each in part.open if (each, topic.name, number) not in owned]:
                    data = marker(producer, part.writers[producer].epoch, commit=False)
                    with going_on(topic.name):
                        part.mark(data, producer)

    def _carry_out(self, one: Transaction) -> None:
        data = marker(one.producer, one.epoch, commit=one.committed)
        for name, number in sorted(one.partitions):
            topic = self._topics.all.get(name)
            if topic and number < len(topic.partitions):
                topic.partitions[number].mark(data, one.producer)
        if one.committed:
            for key, offset in one.offsets.items():
                self._groups.offsets.commit(key, offset)
        self._change(one, state="empty", partitions=set(), offsets={})

    def _new_producer(self) -> int:
        number = self._next + 1
        self._journal.add(number)
        self._next = number
        return number

    def _change(self, one: Transaction, **changes: Any) -> None:
        """Write a change down, then make it: what the journal does not have did not happen."""
        self._journal.add(replace(one, **changes).entry())
        for name, value in changes.items():
            setattr(one, name, value)
        self.all[one.id] = one
        if self._journal.lines > LINES_KEPT and self._journal.lines > 2 * len(self.all):
            self._journal.replace([self._next, *(each.entry() for each in self.all.values())])


def marker(producer: int, epoch: int, *, commit: bool) -> bytes:
    """Return the control batch that ends a transaction in a partition."""
    now = int(time.time() * 1000)
    key, value = struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, 0)
    record = b"\0\0\0" + bytes([2 * len(key)]) + key + bytes([2 * len(value)]) + value + b"\0"
    record = bytes([2 * len(record)]) + record  # lengths are zigzag numbers, of one byte here
    rest = HEADER.pack(0, 0, 0, 2, 0, 0x30, 0, now, now, producer, epoch, -1, 1)[21:] + record
    return struct.pack(">qiibI", 0, len(rest) + 9, 0, 2, crc32c(rest)) + rest
