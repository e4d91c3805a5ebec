"""The workload, as far as it needs no database: its values, its statements, what it makes of errors."""

from __future__ import annotations

import json
import random
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from nova import source, workload
from nova.source import Column
from nova.workload import Values

COLUMNS = [
    Column("n", "integer", True, "bigint unsigned", low=0, high=2**64 - 1),
    Column("d", "decimal", False, "decimal(20,4)", precision=20, scale=4),
    Column("t", "text", False, "varchar(8)", length=8),
    Column("x", "bytes", False, "varbinary(4)", length=4),
    Column("j", "json", False, "json"),
    Column("day", "date", False, "date"),
    Column("at", "local", False, "datetime(6)"),
    Column("moment", "instant", False, "timestamp(6)"),
    Column("hour", "time", False, "time(6)"),
    Column("yes", "boolean", False, "bit(1)"),
    Column("f", "double", False, "double"),
]


def values(engine: str, column: Column) -> list[object]:
    made = Values(engine, random.Random(3))
    return [made.of(column) for _ in range(400)]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.kind)
def test_the_same_seed_gives_the_same_values(column: Column) -> None:
    assert values("mysql", column) == values("mysql", column)


def test_values_fit_their_columns_and_go_to_their_edges() -> None:
    by_kind = {column.kind: values("mysql", column) for column in COLUMNS}
    numbers = set(by_kind["integer"])
    assert {None, 0, 2**64 - 1} <= numbers and all(0 <= each < 2**64 for each in numbers if isinstance(each, int))
    assert {Decimal("9999999999999999.9999"), Decimal("-9999999999999999.9999"), Decimal("0.0001")} <= set(
        by_kind["decimal"]
    )
    assert all(isinstance(each, Decimal) and each.as_tuple().exponent == -4 for each in by_kind["decimal"])
    assert all(isinstance(each, str) and len(each) <= 8 for each in by_kind["text"]) and "" in by_kind["text"]
    assert all(isinstance(each, bytes) and len(each) <= 4 for each in by_kind["bytes"]) and b"" in by_kind["bytes"]
    assert all(isinstance(each, str) and (json.loads(each) or True) for each in by_kind["json"])
    assert source_dates(by_kind["date"]) == {workload.ZERO_DATE}
    assert all(isinstance(each, datetime) for each in by_kind["local"] + by_kind["instant"])
    assert all(isinstance(each, time) for each in by_kind["time"])
    assert {"-0.0", "5e-324"} <= {repr(each) for each in by_kind["double"]}


def source_dates(made: list[object]) -> set[object]:
    return {each for each in made if not isinstance(each, date)}


def test_postgresql_has_no_zero_dates_and_gets_doubles_as_texts_that_keep_the_sign_of_zero() -> None:
    by_kind = {column.kind: values("postgresql", column) for column in COLUMNS}
    assert not source_dates(by_kind["date"])
    assert "-0.0" in by_kind["double"]


def test_a_condition_names_each_key() -> None:
    assert workload._where("orders", [(1,), (2,)]) == ("id in (%s, %s)", [1, 2])
    two = "(order_id = %s and line_no = %s)"
    assert workload._where("order_lines", [(1, 2), (3, 4)]) == (f"{two} or {two}", [1, 2, 3, 4])


def test_the_truth_of_a_table_has_its_columns_and_takes_rows_without_them() -> None:
    made = source.truth_table("mysql", "orders", COLUMNS[:2])
    assert "n bigint unsigned null, d decimal(20,4) null" in made and "auto_increment" in made


class Refusal(Exception):
    def __init__(self, *arguments: object, sqlstate: str | None = None) -> None:
        super().__init__(*arguments)
        self.sqlstate = sqlstate


class OperationalError(Exception):
    """As the clients call what happens when a server is gone."""


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (Refusal(2013, "Lost connection"), "lost"),
        (ConnectionResetError(104, "reset"), "lost"),
        (OperationalError("the connection is closed"), "lost"),
        (Refusal("terminating connection", sqlstate="57P01"), "lost"),
        (Refusal(1213, "Deadlock found"), "turned_back"),
        (Refusal("deadlock detected", sqlstate="40P01"), "turned_back"),
        (Refusal(1054, "Unknown column"), "altered"),
        (Refusal("no such column", sqlstate="42703"), "altered"),
        (Refusal(1062, "Duplicate entry"), "refused"),
        (Refusal("duplicate key", sqlstate="23505"), "refused"),
    ],
)
def test_what_a_session_does_about_an_error(error: Exception, meaning: str) -> None:
    assert workload._failure(error) == meaning


def test_settings_say_what_is_missing() -> None:
    with pytest.raises(source.SourceError, match="NOVA_SOURCE_HOST, NOVA_SOURCE_DATABASE, NOVA_SOURCE_USER"):
        source.Settings.from_environment({})
    with pytest.raises(source.SourceError, match="mysql or postgresql"):
        source.Settings.from_environment({"NOVA_SOURCE": "oracle"})
    base = {"NOVA_SOURCE_HOST": "localhost", "NOVA_SOURCE_DATABASE": "d"}
    named = {**base, "NOVA_SOURCE_USER": "u", "NOVA_SOURCE_PASSWORD": "p"}
    settings = source.Settings.from_environment(named)
    assert (settings.engine, settings.port) == ("mysql", 3306) and "password" not in repr(settings)
    with pytest.raises(source.SourceError, match="no number"):
        source.Settings.from_environment({**named, "NOVA_SOURCE_PORT": "x"})
