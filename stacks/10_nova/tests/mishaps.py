"""What goes wrong at a source, told by a model shop and landed in an order that hurts; each says what must be so afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from model import NAMED, SINCE_MS, Model
from nova import merge
from nova.load import Message
from nova.warehouse import Warehouse

Said = tuple[str, str | None, Any]


class Topics:
    """Lands what a model said, some of it before the rest, and merges what is ready."""

    def __init__(
        self, model: Model, store: Warehouse, raw: Any, land: Callable[[Any, list[Message], int], None]
    ) -> None:
        self.model, self.store, self.raw, self.put = model, store, raw, land
        self.landed: set[int] = set()
        self.offsets: dict[str, int] = {}
        self.batch = 0

    def land(self, wanted: Callable[[Said], bool] = lambda _: True) -> None:
        """Land what is wanted of what is not landed yet, and merge."""
        batch = []
        for number, said in enumerate(self.model.said):
            if number in self.landed or not wanted(said):
                continue
            self.landed.add(number)
            name, key, value = said
            offset = self.offsets[name] = self.offsets.get(name, -1) + 1
            text = None if value is None else json.dumps(value)
            batch.append(Message(NAMED.topic(name), 0, offset, key, text, SINCE_MS + number))
        if batch:
            self.batch += 1
            self.put(self.raw, batch, self.batch)
        while merge.merge(self.store).until is not None:
            pass

    def left(self) -> int:
        """Return how many changes wait."""
        return self.store.number("select count(*) from nova_core.changes") or 0


def broken_off_at_the_end(topics: Topics) -> None:
    """All is read, then the connector dies; a row changes, and all is read again, where the news come before the rows."""
    model = topics.model
    model.snapshot()
    assert model.said.pop()[2]["type"] == "COMPLETED"
    model.commits.clear()
    topics.land()
    key = next(iter(model.state))
    model.state[key] = {**model.state[key], "v": "while it was dead"}
    model.place += 10
    model.snapshot()
    topics.land(lambda said: said[0] == "notifications")
    assert topics.store.number("select position from nova_core.progress") is None, "a snapshot that broke off is merged"
    topics.land()
    model.transaction(3)


def broken_off_and_nothing_changed(topics: Topics) -> None:
    """As above, but the second reading finds the very same rows at the same place."""
    model = topics.model
    model.snapshot()
    model.said.pop()
    topics.land()
    model.snapshot()


def restored(topics: Topics) -> None:
    """The source is restored, its log begins anew at lower positions, and all is read again."""
    model = topics.model
    model.place = 500_000
    model.snapshot()
    model.transaction(3)
    model.transaction(3)
    topics.land()
    model.place = 1_000
    model.snapshot()
    model.transaction(3)
    topics.land()
    for _ in range(3):
        model.transaction(3)
        topics.land()


def one_table_is_read(topics: Topics) -> None:
    """A blocking snapshot of one table alone: nothing is closed, all waits for a whole one."""
    model = topics.model
    model.snapshot()
    topics.land()
    model.place += 10
    model._notify("Initial Snapshot", "STARTED")
    rows = [(key, row) for (name, key), row in model.state.items() if name == "orders"]
    for key, row in rows:
        model._read("orders", key, row, "true", model.place)
    model._notify("Initial Snapshot", "TABLE_SCAN_COMPLETED", "orders", len(rows))
    model._notify("Initial Snapshot", "COMPLETED")
    topics.land()
    found = topics.store.number("select count(*) from nova_core.current_rows")
    assert found == len(model.state), f"{found} rows are left of {len(model.state)}"
    model.place += 10
    model.snapshot()


def an_end_is_a_dead_letter(topics: Topics) -> None:
    """The end of a transaction can't be read: nothing behind it is merged, until all is read again."""
    model = topics.model
    model.snapshot()
    model.transaction(2)
    topics.land()
    before = topics.store.number("select position from nova_core.progress")
    model.transaction(4)
    assert model.said[-1][2]["status"] == "END"
    model.said[-1] = ("transaction", None, {"status": "UNREADABLE"})
    model.transaction(3)
    topics.land()
    model.transaction(3)
    topics.land()
    now = topics.store.number("select position from nova_core.progress")
    assert now == before, "what comes after an end that could not be read is merged"
    model.place += 10
    model.snapshot()
    model.transaction(2)


def a_table_is_truncated(topics: Topics) -> None:
    """It tells of no row: what is committed behind it waits, until all is read again."""
    model = topics.model
    model.snapshot()
    model.transaction(2)
    model.transaction(2)
    place = model.place
    for key in [key for key in model.state if key[0] == "orders"]:
        del model.state[key]
    model.said.append(("orders", None, {"status": "UNREADABLE", "source": model._source("orders", "false", place)}))
    model.place += 10
    # Its topic is read before that of the ends, which the merge must not take for its place in the log.
    topics.land(lambda said: said[0] != "transaction")
    topics.land()
    before = topics.store.number("select position from nova_core.progress")
    assert before == model.commits[-1][0], "what was committed before it is merged"
    model.transaction(3)
    topics.land()
    now = topics.store.number("select position from nova_core.progress")
    assert now == before, "what comes after a table was truncated is merged"
    model.place += 10
    model.snapshot()
    model.transaction(2)


def read_again_late(topics: Topics) -> None:
    """A table got values without events, such as a new column's default, and is read again; the rows come when all else is merged."""
    model = topics.model
    model.snapshot()
    model.transaction(2)
    topics.land()
    for place, row in model.state.items():
        if place[0] == "orders":
            model.state[place] = {**row, "new": "by default"}
    model.read_again("orders")
    model.transaction(1)
    topics.land(lambda said: (said[2] or {}).get("op") != "r")
    topics.land()
    model.transaction(1)


MISHAPS: dict[str, Callable[[Topics], None]] = {
    each.__name__: each
    for each in (
        broken_off_at_the_end,
        broken_off_and_nothing_changed,
        restored,
        one_table_is_read,
        an_end_is_a_dead_letter,
        a_table_is_truncated,
        read_again_late,
    )
}
