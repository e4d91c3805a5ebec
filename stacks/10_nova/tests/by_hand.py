"""Copy the shop into the warehouse by hand, without any pipeline, or plant a mistake there: what the comparison is tried on.

Also what else the tests ask of the shop. Run by the environment ``nova``: ``by_hand.py copy``, ``wrong``, ``rights USER``,
``shop STATEMENT …``, ``warehouse STATEMENT …``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from nova import source, warehouse
from nova.load import FILE_FORMAT
from nova.source import KEYS, TRUTH, Column
from nova.views import column_type

OWN = {"valid_from": "number(30,0)", "valid_to": "number(30,0)", "version_kind": "varchar"}


def told(column: Column, value: Any) -> str | None:
    """Return a value of the source as a text that the warehouse can cast."""
    if value is None or (isinstance(value, str) and value.startswith("0000-00-00")):
        return None if column.nullable or value is None else str(date(1970, 1, 1))
    if column.kind == "boolean":
        return str(value not in (False, b"\0")).lower()
    if column.kind == "bytes":
        return bytes(value).hex()
    if column.kind == "double":
        return repr(value)
    if column.kind == "instant":
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if column.kind == "time" and not hasattr(value, "hour"):
        return (datetime.min + value).time().isoformat()
    return str(value)


def cast(kind: str, place: int) -> str:
    text = f"substr(column{place}, 2)"
    if kind == "BINARY":
        return f"to_binary({text}, 'HEX')"
    if kind == "VARIANT":
        return f"parse_json({text})"
    return f"{text}::{kind.split('(')[0] if kind.startswith('TIME') else kind}"


def fill(store: warehouse.Warehouse, table: str, types: dict[str, str], rows: Iterable[Sequence[str | None]]) -> None:
    store.query(f"create or replace table {table} ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
    store.query(
        f"create or replace table {table}_raw ({', '.join(f'column{n + 1} varchar' for n in range(len(types)))})"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{table}.csv"
        path.write_text("".join(",".join(map(field, row)) + "\n" for row in rows), encoding="utf-8", newline="")
        store.query("create stage if not exists nova_shop.files")
        store.query(f"put 'file://{path}' @nova_shop.files auto_compress = false overwrite = true")
    store.query(f"copy into {table}_raw from '@nova_shop.files/{table}.csv' purge = true {FILE_FORMAT}")
    read = ", ".join(cast(kind, place) for place, kind in enumerate(types.values(), start=1))
    store.query(f"insert into {table} select {read} from {table}_raw")


def field(value: str | None) -> str:
    """Return a field of the file; a sign before each value keeps it from being taken for null."""
    return "" if value is None else '"=' + value.replace('"', '""') + '"'


def copy() -> None:
    with source.opened() as shop, warehouse.opened() as store:
        for schema in ("nova_shop", "nova_history"):
            store.query(f"create schema if not exists {schema}")
        for table, key in KEYS.items():
            columns = shop.columns(table)
            names = ", ".join(each.name for each in columns)
            types = {each.name: column_type(each) for each in columns}
            rows = shop.query(f"select {names} from {table}")
            shown = [[told(column, value) for column, value in zip(columns, row, strict=True)] for row in rows]
            fill(store, f"nova_shop.{table}", types, shown)
            changes = shop.query(f"select {names}, tx, op from {TRUTH}{table} order by {', '.join(key)}, seq")
            width = len(key) if columns[1].name == key[-1] else 1
            fill(store, f"nova_history.{table}", types | OWN, list(history(columns, changes, width)))


def history(columns: Sequence[Column], changes: Iterable[tuple[Any, ...]], width: int) -> Iterable[list[str | None]]:
    """Yield the versions of all rows by what the truth says; one session made them, so their names have the order."""
    for _, rows in groupby(changes, lambda row: row[:width]):
        last = {row[-2]: row for row in rows}  # of each transaction its last state, in the order of the commits
        places = [int(run) * 10**6 + int(number) for run, _, number in (tx.split("-") for tx in last)]
        for number, row in enumerate(last.values()):
            if row[-1] != "d":
                until = str(places[number + 1]) if number + 1 < len(places) else None
                shown = [told(column, value) for column, value in zip(columns, row[:-2], strict=True)]
                yield [*shown, str(places[number]), until, "transaction"]


def wrong() -> dict[str, int]:
    """Return how many orders have sums that are wrong, and how many rows are not as their truth says."""
    with source.opened() as shop:
        found = {"sums": shop.query(SUMS)[0][0]}
        for table, key in KEYS.items():
            keys = ", ".join(key)
            last = f"select t.* from {TRUTH}{table} t join (select max(seq) seq from {TRUTH}{table} group by {keys}) l on t.seq = l.seq"
            same = " and ".join(f"own.{name} = truth.{name}" for name in (*key, "revision", "changed_at"))
            alive = f"from ({last}) truth join {table} own on {same} where truth.op <> 'd'"
            rows = shop.query(
                f"select (select count(*) from {table}), (select count(*) {alive}), sum(case when op = 'd' then 0 else 1 end) from ({last}) truth"
            )[0]
            found[table] = max(rows) - min(rows)
        return {name: int(count) for name, count in found.items()}


def rights(user: str) -> dict[str, bool]:
    """Make the user that captures, and return what it may do."""
    with source.opened() as shop:
        source.allow_capture(shop, user, "a'b\\c%s")
        source.allow_capture(shop, user, SECRET)
        settings = replace(shop.settings, user=user, password=SECRET)
    tried = {}
    for statement in TRIED[settings.engine]:
        with source.opened(settings) as capture:
            try:
                capture.query(statement)
                tried[statement] = True
            except capture.errors():
                tried[statement] = False
    return tried


SECRET = "it's 100 % \\ secret"
SUMS = """
select count(*) from orders
left join (select order_id, sum(amount) as amount from order_lines group by order_id) as line on line.order_id = orders.id
left join (select order_id, sum(amount) as amount from payments group by order_id) as payment on payment.order_id = orders.id
where total <> coalesce(line.amount, 0) or paid <> coalesce(payment.amount, 0) or paid > total
"""
TRIED = {
    "mysql": [
        "select * from orders",
        "select * from payments",
        "show master status",
        "insert into signals (id, type) values ('1', 'execute-snapshot')",
        "delete from signals",
        "update heartbeat set beat_at = now(6)",
        "select * from truth_orders",
        "select * from runs",
        "delete from orders",
        "drop table heartbeat",
        "create user other",
    ]
}

if __name__ == "__main__":
    if sys.argv[1] == "copy":
        copy()
    elif sys.argv[1] == "wrong":
        print(json.dumps(wrong()))
    elif sys.argv[1] == "rights":
        print(json.dumps(rights(sys.argv[2])))
    elif sys.argv[1] == "shop":
        with source.opened() as there:
            for each in sys.argv[2:]:
                print(json.dumps(there.query(each) if each.startswith("select") else there.execute(each), default=str))
    else:
        with warehouse.opened() as opened:
            for each in sys.argv[2:]:
                opened.query(each)
