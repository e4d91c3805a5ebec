"""A shop that is only a model, and what Debezium would say of it: canned messages, and the truth to compare with.

Its rows are small; what matters is the order of things: transactions over several tables, keys that change, deletions,
snapshots that are broken off, rows read again on demand, and a connector that dies and says things twice.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nova.load import CONTROL, Message, Names
from nova.warehouse import TABLES

NAMED = Names("orrery-test")
PARTITIONS = 3
FILE = 1 << 40
SINCE_MS = 1_700_000_000_000
"""When the first message was sent; each later one a millisecond after the one before."""
Row = dict[str, Any]
State = dict[tuple[str, int], Row]
"""Rows by table and key."""


@dataclass
class Model:
    """The shop, its commits, and the topics.

    Parameters
    ----------
    seed : int
        What happens.
    source : str
        ``mysql`` or ``postgresql``.
    """

    seed: int
    source: str
    state: State = field(default_factory=dict)
    commits: list[tuple[int, State, dict[tuple[str, int], Row | None]]] = field(default_factory=list)
    """Of each commit: its position, the state after it, and the last state of each row that it touched."""
    topics: dict[tuple[str, int], list[tuple[str | None, str | None]]] = field(default_factory=dict)
    said: list[tuple[str, str | None, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.place = 1_000
        self.number = 700
        self.streamed = 0
        for _ in range(30):
            self._change({})

    # -- the source ---------------------------------------------------------------------------------------------

    def _change(self, touched: dict[tuple[str, int], Row | None]) -> list[tuple[str, str, int, Row | None]]:
        """Change one row; return the events of that: operation, table, key, row after it."""
        table = self.random.choice(TABLES)
        keys = [key for name, key in self.state if name == table]
        row = {"id": self.random.randrange(40), "v": self.random.choice(["", "é😀", None, "x" * 30]), "n": self.place}
        self.place += 1
        if not keys or (self.random.random() < 0.3 and (table, row["id"]) not in self.state):
            events = [("c", table, row["id"], row)] if (table, row["id"]) not in self.state else []
        elif self.random.random() < 0.25:
            events = [("d", table, self.random.choice(keys), None)]
        else:
            old = self.random.choice(keys)
            if self.random.random() < 0.2 and (table, row["id"]) not in self.state:
                events = [("d", table, old, None), ("c", table, row["id"], row)]  # the key changes
            else:
                events = [("u", table, old, {**row, "id": old})]
        for _, name, key, after in events:
            touched[name, key] = after
            if after is None:
                self.state.pop((name, key), None)
            else:
                self.state[name, key] = after
        return events

    def position(self, place: int, *, between: bool) -> int:
        """Return a place of the log as the merge counts it."""
        if self.source == "mysql":
            return 2 * (3 * FILE + place) + (0 if between else 1)
        return 2 * place - (0 if between else 1)

    def transaction(self, changes: int, *, cut: int | None = None) -> None:
        """Commit some changes, and let the connector tell of them; a second time from `cut` on, where it died."""
        begin = self.place
        self.number += 1
        touched: dict[tuple[str, int], Row | None] = {}
        events = [event for _ in range(changes) for event in self._change(touched)]
        self.place += 10
        position = self.position(begin if self.source == "mysql" else self.place, between=False)
        self.commits.append((position, dict(self.state), touched))
        says = [self._border("BEGIN", begin)]
        counts: dict[str, int] = {}
        for order, (op, table, key, after) in enumerate(events, start=1):
            counts[table] = counts.get(table, 0) + 1
            says += self._said(op, table, key, after, begin, order)
        counts["heartbeat"] = 1  # captured, but none of ours
        if cut is not None and self.random.random() < 0.5 and len(says) > 2:  # it dies within a transaction
            middle = self.random.randrange(2, len(says) + 1)
            says = says[:middle] + says[self.random.randrange(1, middle) :]
        says.append(self._border("END", begin, counts))
        self.said += says
        if cut is not None:
            self.said += self.said[max(self.streamed, len(self.said) - cut) :]

    def _tx(self, begin: int, place: int) -> str:
        return f"file=binlog.000003,pos={begin}" if self.source == "mysql" else f"{self.number}:{place}"

    def _border(self, status: str, begin: int, counts: dict[str, int] | None = None) -> tuple[str, str | None, Any]:
        tx = self._tx(begin, self.place if status == "END" else begin)
        parts = counts and [{"data_collection": f"shop.{name}", "event_count": count} for name, count in counts.items()]
        total = sum(counts.values()) if counts else None
        value = {
            "status": status,
            "id": tx,
            "event_count": total,
            "data_collections": parts,
            "ts_ms": 1_700_000_000_000,
        }
        return "transaction", json.dumps({"id": tx}), value

    def _said(
        self, op: str, table: str, key: int, after: Row | None, begin: int, order: int
    ) -> list[tuple[str, str | None, Any]]:
        # In PostgreSQL, transactions run side by side: a change may be older than what is committed already.
        place = begin + order if self.source == "mysql" else begin - self.random.randrange(50)
        transaction = {"id": self._tx(begin, place), "total_order": order, "data_collection_order": order}
        value = {
            "before": None,
            "after": after,
            "op": op,
            "source": self._source(table, "false", place),
            "transaction": transaction,
            "ts_ms": 1_700_000_000_000,
        }
        said: list[tuple[str, str | None, Any]] = [(table, json.dumps({"id": key}), value)]
        return said + ([(table, json.dumps({"id": key}), None)] if op == "d" else [])

    def _source(self, table: str, snapshot: str, place: int) -> dict[str, Any]:
        common = {"connector": self.source, "table": table, "snapshot": snapshot, "ts_ms": 1_700_000_000_000}
        if self.source == "mysql":
            return {**common, "file": "binlog.000003", "pos": place, "row": 0}
        if snapshot == "incremental":
            return {**common, "lsn": None, "sequence": json.dumps([str(place), str(place)])}
        return {**common, "lsn": place, "sequence": json.dumps([None, str(place)])}

    # -- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(self, *, broken_off: bool = False) -> None:
        """Let the connector read all tables, whole or with an end before the last."""
        self._notify("Initial Snapshot", "STARTED")
        for number, table in enumerate(TABLES):
            rows = [(key, row) for (name, key), row in self.state.items() if name == table]
            for key, row in rows:
                self._read(table, key, row, "true", self.place)
            if broken_off and number == 1:
                return
            self._notify("Initial Snapshot", "TABLE_SCAN_COMPLETED", table, len(rows))
        self._notify("Initial Snapshot", "COMPLETED")
        self.streamed = len(self.said)
        if not self.commits:
            self.commits.append((self.position(self.place, between=True), dict(self.state), {}))

    def read_again(self, table: str) -> None:
        """Let the connector read one table again, between two transactions."""
        self.place += 1
        for (name, key), row in list(self.state.items()):
            if name == table:
                self._read(table, key, row, "incremental", self.place)
        self.place += 1

    def _read(self, table: str, key: int, row: Row, snapshot: str, place: int) -> None:
        value = {
            "before": None,
            "after": row,
            "op": "r",
            "source": self._source(table, snapshot, place),
            "transaction": None,
            "ts_ms": 1_700_000_000_000,
        }
        self.said.append((table, json.dumps({"id": key}), value))

    def _notify(self, kind: str, status: str, table: str = "", rows: int = 0) -> None:
        more = {"scanned_collection": f"shop.{table}", "total_rows_scanned": str(rows)} if table else {}
        at = SINCE_MS + len(self.said)
        value = {"id": "1", "aggregate_type": kind, "type": status, "additional_data": more, "timestamp": at}
        self.said.append(("notifications", json.dumps({"id": "1"}), value))

    # -- the topics ---------------------------------------------------------------------------------------------

    def messages(self) -> Iterator[list[Message]]:
        """Yield all that was said in batches: each partition in its order, but none as far as another.

        With some seeds, topics get a partition more on the way, and keys move to others.
        """
        waiting: dict[tuple[str, int], list[Message]] = {}
        for number, (name, key, value) in enumerate(self.said):
            partitions = PARTITIONS + (self.seed % 3 == 0 and number > len(self.said) // 2)
            partition = 0 if name in CONTROL else hash_of(key) % partitions
            line = waiting.setdefault((name, partition), [])
            text = None if value is None else json.dumps(value, ensure_ascii=False)
            line.append(Message(NAMED.topic(name), partition, len(line), key, text, SINCE_MS + number))
        while waiting:
            batch = []
            for place in list(waiting):
                count = self.random.randrange(60 if place[0] in CONTROL else 14)
                batch += waiting[place][:count]
                waiting[place] = waiting[place][count:]
                if not waiting[place]:
                    del waiting[place]
            if batch:
                yield batch


def hash_of(key: str | None) -> int:
    """Return the same number for a key in each run, as Kafka's partitioner does."""
    return sum((key or "").encode())


def run(seed: int, source: str) -> Model:
    """Return a shop with a life behind it."""
    model = Model(seed, source)
    if seed % 2:
        model.snapshot(broken_off=True)
        for _ in range(3):
            model._change({})  # while the connector is dead: the next snapshot has it
        model.place += 10
    model.snapshot()
    for number in range(14):
        cut = model.random.randrange(2, 12) if model.random.random() < 0.3 else None
        model.transaction(model.random.randrange(1, 9), cut=cut)
        if number in (5, 10):
            model.read_again(model.random.choice(TABLES))
    model.transaction(1)
    return model
