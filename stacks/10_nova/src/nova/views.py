"""Typed views of what was merged: the shop's tables as they are now, and with every version of each row.

Rows are merged as documents, so a column that appears, goes or grows stops nothing and loses nothing. The views give
them the types of the source, and are made again when its columns change::

    python -m nova.views sync        # where the source and the warehouse are is in the environment

A column that was dropped stays, without a value in the current rows; in the histories it keeps those it had. A column
that was renamed is one that went and one that came. Rows that were there have no value in a column that came until they
change or are read again: the command asks Debezium to read a table again that has got a column.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.metrics import log
from nova import warehouse
from nova.warehouse import Warehouse

if TYPE_CHECKING:
    from nova.source import Column

MOST_DIGITS = 38
"""Of Snowflake's numbers."""


@dataclass(frozen=True)
class Change:
    """What became of a column of the source.

    Parameters
    ----------
    table, column : str
    what : str
        ``added``, ``dropped``, ``returned`` or ``changed``.
    before, after : str
        The types, as Snowflake has them.
    """

    table: str
    column: str
    what: str
    before: str = ""
    after: str = ""


def column_type(column: Column) -> str:
    """Return the type with which Snowflake holds every value of a column.

    Examples
    --------
    >>> from nova.source import Column
    >>> column_type(Column("total", "decimal", False, "decimal(20,4)", precision=20, scale=4))
    'NUMBER(20,4)'
    """
    if column.kind == "integer":
        return f"NUMBER({max(len(str(abs(column.low))), len(str(column.high)))},0)"
    if column.kind == "decimal":
        return f"NUMBER({column.precision},{column.scale})" if 0 < column.precision <= MOST_DIGITS else "VARCHAR"
    return {
        "boolean": "BOOLEAN",
        "bytes": "BINARY",
        "date": "DATE",
        "double": "FLOAT",
        "instant": "TIMESTAMP_TZ(6)",
        "json": "VARIANT",
        "local": "TIMESTAMP_NTZ(6)",
        "other": "VARCHAR",
        "text": "VARCHAR",
        "time": "TIME(6)",
    }[column.kind]


def literal(text: str) -> str:
    """Return a text as Snowflake's SQL has it: names of columns are what who may alter the shop's tables likes.

    Examples
    --------
    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a column's name as Snowflake has it without quotes, so that a plain word needs none in a query.

    Examples
    --------
    >>> identifier("first-name")
    '"FIRST-NAME"'
    """
    return '"' + name.upper().replace('"', '""') + '"'


def expression(name: str, kind: str) -> str:
    """Return how a column is read from a row's document, where Debezium has times as ISO 8601 and bytes as digits."""
    field = f"image[{literal(name)}]"
    text = f"{field}::varchar"
    plain = {"BINARY": f"to_binary({text}, 'HEX')", "DATE": f"left({text}, 10)::date", "VARIANT": f"parse_json({text})"}
    if kind in plain:
        return plain[kind]
    if kind.startswith(("TIME(", "TIMESTAMP_NTZ")):  # both are told as if they were in UTC
        return f"rtrim({text}, 'Z')::{kind.partition('(')[0].lower()}"
    if kind.startswith("TIMESTAMP_TZ"):
        return f"{text}::timestamp_tz"
    if kind.startswith("NUMBER"):
        return f"{text}::{kind.lower()}"
    return f"{field}::{kind.lower()}"


def compare(known: Sequence[tuple[str, str, bool]], found: Iterable[tuple[str, str]], table: str) -> list[Change]:
    """Return what differs between the columns that the views have and those of the source.

    Parameters
    ----------
    known : sequence of (str, str, bool)
        Names, types, and whether the column was dropped.
    found : iterable of (str, str)
        Names and types of the source.
    table : str
    """
    changes, now = [], dict(found)
    before = {name: (kind, dropped) for name, kind, dropped in known}
    for name, kind in now.items():
        old, dropped = before.get(name, ("", False))
        if name not in before:
            changes.append(Change(table, name, "added", after=kind))
        elif dropped:
            changes.append(Change(table, name, "returned", old, kind))
        elif old != kind:
            changes.append(Change(table, name, "changed", old, kind))
    gone = [name for name, (_, dropped) in before.items() if not dropped and name not in now]
    return changes + [Change(table, name, "dropped", before[name][0]) for name in gone]


def sync(store: Warehouse, columns: Mapping[str, Sequence[Column]]) -> list[Change]:
    """Bring the views to the columns of the source, and return what differed; a first time is no difference.

    Parameters
    ----------
    store : Warehouse
    columns : mapping
        Of each table, as `nova.source.Session.columns` gives them.
    """
    told = []
    for table, found in columns.items():
        known = _registered(store, table)
        changes = compare(known, [(each.name, column_type(each)) for each in found], table)
        if not changes:
            continue
        with store.transaction():
            for change in changes:
                _register(store, change, found)
        _make_views(store, table)
        told += changes if known else []
    return told


def _registered(store: Warehouse, table: str) -> list[tuple[str, str, bool]]:
    rows = store.query(
        "select column_name, column_type, dropped from nova_core.columns"
        f" where source_table = '{table}' order by ordinal"
    )
    return [(str(name), str(kind), bool(dropped)) for name, kind, dropped in rows]


def _register(store: Warehouse, change: Change, found: Sequence[Column]) -> None:
    where = f"where source_table = '{change.table}' and column_name = {literal(change.column)}"
    if change.what == "dropped":
        store.query(f"update nova_core.columns set dropped = true {where}")
        return
    declared = literal(next(each.declared for each in found if each.name == change.column))
    if change.what == "added":
        place = f"(select coalesce(max(ordinal), 0) + 1 from nova_core.columns where source_table = '{change.table}')"
        store.query(
            "insert into nova_core.columns (source_table, ordinal, column_name, column_type, source_type, dropped)"
            f" select '{change.table}', {place}, {literal(change.column)}, '{change.after}', {declared}, false"
        )
    else:
        store.query(
            f"update nova_core.columns set column_type = '{change.after}', source_type = {declared},"
            f" dropped = false {where}"
        )


def _make_views(store: Warehouse, table: str) -> None:
    now, ever = [], []
    for name, kind, dropped in _registered(store, table):
        read = expression(name, kind)
        now.append(f"{f'null::{kind.lower()}' if dropped else read} as {identifier(name)}")
        ever.append(f"{read} as {identifier(name)}")
    store.query(
        f"create or replace view nova_shop.{table} as select {', '.join(now)}"
        f" from nova_core.current_rows where source_table = '{table}'"
    )
    store.query(
        f"create or replace view nova_history.{table} as select {', '.join(ever)},"
        " valid_from, valid_to, kind as version_kind, tx as version_transaction, source_ms as version_ms"
        f" from nova_core.versions where source_table = '{table}'"
    )


def broken_off(store: Warehouse) -> list[str]:
    """Return the tables that Debezium was asked to read again, and could not: it says so, and goes on without them."""
    rows = store.query(
        "select source_table from nova_core.notifications"
        " where snapshot = 'Incremental Snapshot' and status = 'TABLE_SCAN_COMPLETED'"
        " qualify row_number() over (partition by source_table order by kafka_offset desc) = 1"
        " and outcome = 'SQL_EXCEPTION'"
    )
    return [str(table) for (table,) in rows]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    from nova import source
    from nova.pipeline import reread

    parser = argparse.ArgumentParser(prog="nova.views", description="Bring the typed views to the source's columns.")
    parser.add_argument("command", choices=["sync"])
    parser.parse_args(arguments)
    try:
        with source.opened() as session:
            columns = {table: session.columns(table) for table in warehouse.TABLES}
    except source.SourceError as error:
        log("error", "failed", error=str(error))
        return 1
    for table, found in columns.items():
        for column in found:
            if column.kind == "other":
                log("warning", "shown_as_text", table=table, column=column.name, type=column.declared)
    with warehouse.opened() as store:
        changes = sync(store, columns)
        for each in changes:
            log(
                "warning",
                "column",
                table=each.table,
                column=each.column,
                what=each.what,
                before=each.before,
                after=each.after,
            )
        again = {*broken_off(store), *(each.table for each in changes if each.what in ("added", "returned"))}
    for table in sorted(again):
        log("info", "reread", table=table, signal=reread(table))
    log("info", "finished", part="views")
    return 0


if __name__ == "__main__":
    sys.exit(main())
