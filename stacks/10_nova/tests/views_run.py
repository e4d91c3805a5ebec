"""Views of columns with any name, and what waits for its merge. Run by the environment ``snowflake``; says what is wrong."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from unittest.mock import patch

from merge_runs import opened
from nova import behind, load, recover, views, warehouse
from nova.source import Column
from nova.warehouse import Warehouse

NAMES = ["plain", "order", "from", "first-name", 'so "called"', "a.b", "é", "x) from nova_core.columns --"]
"""None with an apostrophe: fakesnow's own list of columns can't take one."""


def check_any_name(store: Warehouse) -> None:
    found = [Column(name, "text", True, "varchar(9)") for name in NAMES]
    found += [Column("much", "decimal", True, "decimal(65,30)", precision=65, scale=30)]
    found += [Column("size", "other", True, "enum('s','m')")]
    row = {**{name: f"of {name}" for name in NAMES}, "much": "1." + "3" * 30, "size": "m"}
    image = views.literal(json.dumps(row))
    store.query(
        "insert into nova_core.current_rows (source_table, row_key, position, image)"
        f" select 'orders', '1', 1, parse_json({image})"
    )
    views.sync(store, {"orders": found})
    (seen,) = store.query("select * from nova_shop.orders")
    assert list(seen) == list(row.values()), seen
    (plain,) = store.query("select plain from nova_shop.orders")
    assert plain == ("of plain",)
    assert store.query("select * from nova_history.orders") == []
    assert views.sync(store, {"orders": found}) == [], "a second time finds differences"
    views.sync(store, {"orders": found[1:]})
    assert store.query("select plain, size from nova_shop.orders") == [(None, "m")]


def wait_for_merge(store: Warehouse) -> None:
    store.query("update nova_core.progress set position = 10, batch = 3")
    assert behind.waits_ms(store, 5_000) == 0
    arrive = (
        "insert into nova_landing.messages (topic, kafka_partition, kafka_offset, produced_ms, batch) select 't', 0,"
    )
    store.query(f"{arrive} 1, 1000, 3")
    assert behind.waits_ms(store, 5_000) == 0, "what was looked at does not wait in the landing table"
    store.query(f"{arrive} 2, 4000, 4")
    assert behind.waits_ms(store, 5_000) == 1_000
    ended = (
        "insert into nova_core.transactions (kafka_offset, sent_ms, tx, position, ended_ms, seen_ms) select 1, 1, 'a',"
    )
    store.query(f"{ended} 9, 100, 100")
    assert behind.waits_ms(store, 5_000) == 1_000, "what is merged does not wait"
    store.query(f"{ended} 11, 3000, 3000")
    assert behind.waits_ms(store, 5_000) == 2_000
    store.query(
        "insert into nova_core.changes (source_table, kafka_partition, kafka_offset, kind, op, row_key, source_ms, sent_ms)"
        " select 'orders', 0, 1, 'transaction', 'c', '1', 2000, 2000"
    )
    assert behind.waits_ms(store, 5_000) == 3_000, "a change whose end never came"


def forget_what_waits(store: Warehouse) -> None:
    kept = "select count(*) from nova_core.current_rows"
    rows = store.number(kept)
    recover.forget(store)
    recover.land_from(store, {("t", 0): 7, ("u", 1): 0})
    assert behind.waits_ms(store, 5_000) == 0 and store.number(kept) == rows
    assert store.query("select awaiting_snapshot, batch, position from nova_core.progress") == [(True, 4, 10)]
    places = store.query("select topic, kafka_partition, next_offset from nova_landing.offsets order by topic")
    assert places == [("t", 0, 7), ("u", 1, 0)]
    recover.forget(store)
    recover.land_from(store, {("t", 0): 8})
    assert store.query("select topic, next_offset from nova_landing.offsets") == [("t", 8)]


def claim_what_two_have_claimed(store: Warehouse) -> None:
    store.query("delete from nova_landing.loader")
    store.query("insert into nova_landing.loader (loader, batch) values ('a', 0), ('b', 4)")
    load.Landing(store, "c").claim()
    assert store.query("select loader, batch from nova_landing.loader") == [("c", 4)]


def tell_what_is_refused(store: Warehouse) -> None:
    """A statement that is refused is tried again like one that nobody answered, and told apart."""
    from snowflake.connector.errors import OperationalError

    told, stopped = list[str](), threading.Event()

    def work(store: Warehouse) -> None:
        if not told:
            store.query("select * from nova_core.nowhere")
        stopped.set()
        raise OperationalError("nobody answers")

    with (
        patch.object(warehouse, "opened", lambda: nullcontext(store)),
        patch.object(warehouse.metrics, "emit"),
        patch.object(warehouse, "log", lambda _, event, **__: told.append(event)),
    ):
        warehouse.insist(work, stopped)
    assert told == ["warehouse_refuses", "warehouse_away"], told


CHECKS = (check_any_name, wait_for_merge, forget_what_waits, claim_what_two_have_claimed, tell_what_is_refused)


def main() -> None:
    store, _ = opened()
    assert warehouse.SESSION["ABORT_DETACHED_QUERY"]
    for each in CHECKS:
        each(store)
        print(each.__name__, flush=True)


if __name__ == "__main__":
    main()
