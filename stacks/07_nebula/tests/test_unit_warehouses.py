"""What the pipeline asks of a warehouse: landing is all or nothing, and Redshift copies from S3 under one role."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nebula import pipeline, warehouses

from jobs.deliveries import Delivery


class Recorder:
    """A warehouse that only writes down what it is asked."""

    text = "text"

    def __init__(self, broken: str = "") -> None:
        self.asked: list[str] = []
        self.broken = broken

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        self.asked.append(statement)
        return []

    def copy(self, delivery: Delivery) -> None:
        self.asked.append(f"copy {delivery.table}")
        if delivery.table == self.broken:
            raise RuntimeError("the connection is gone")

    def step_aside(self) -> None: ...

    def close(self) -> None: ...


def delivery(table: str) -> Delivery:
    return Delivery(table, f"0123456789ab-{table}.csv", Path(f"/tmp/0123456789ab-{table}.csv"), 3)


def test_deliveries_are_landed_in_one_transaction_each_with_its_batch() -> None:
    warehouse = Recorder()
    warehouses.land(warehouse, [delivery("sales_lines"), delivery("promotions")], first=8)
    assert [each.split(" select ")[-1].partition(",")[0] for each in warehouse.asked] == [
        "begin",
        "copy sales_lines",
        "8",
        "copy promotions",
        "9",
        "commit",
    ]


def test_a_landing_that_fails_is_rolled_back_and_says_why() -> None:
    warehouse = Recorder(broken="promotions")
    with pytest.raises(RuntimeError, match="the connection is gone"):
        warehouses.land(warehouse, [delivery("sales_lines"), delivery("promotions")], first=1)
    assert warehouse.asked[-1] == "rollback" and "commit" not in warehouse.asked


def test_a_file_that_is_named_twice_is_landed_once(deliveries: Path, tmp_path: Path) -> None:
    source = sorted(deliveries.glob("*sales_lines.csv"))[0]
    copied: list[str] = []

    class Warehouse(Recorder):
        def query(self, statement: str) -> list[tuple[Any, ...]]:
            return [(1,)] if "max(batch_id)" in statement else super().query(statement)

        def copy(self, delivery: Delivery) -> None:
            copied.append(delivery.path.read_text().splitlines()[1])

    brought, again = pipeline.land(Warehouse(), [source, source], tmp_path)
    rows = len(source.read_text().splitlines()) - 1
    assert list(brought.values()) == [rows] and again.duplicate == again.read == rows
    assert len(copied) == 1 and copied[0].endswith(",1,1"), "line 1 of batch 1"


def test_redshift_copies_what_was_put_into_s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    put: list[tuple[str, ...]] = []

    class Cursor:
        description = None

        def __enter__(self) -> Cursor:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, statement: str) -> None:
            asked.append(statement)

    settings: dict[str, Any] = {}

    def connect(**given: Any) -> SimpleNamespace:
        settings.update(given)
        return SimpleNamespace(cursor=Cursor, autocommit=False, close=lambda: None)

    monkeypatch.setitem(sys.modules, "redshift_connector", SimpleNamespace(connect=connect))
    s3 = SimpleNamespace(upload_file=lambda *given: put.append(given))
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda name: s3))
    for name, value in {
        "HOST": "warehouse",
        "DATABASE": "nebula",
        "USER": "loader",
        "PASSWORD": "any",
        "COPY_PREFIX": "s3://landing/copied/",
        "COPY_ROLE": "arn:aws:iam::000000000000:role/copy",
    }.items():
        monkeypatch.setenv(f"NEBULA_{name}", value)
    warehouse = warehouses.Redshift()
    assert settings["sslmode"] == "verify-full" and settings["port"] == 5439
    warehouse.copy(delivery("stock_counts"))
    assert put == [("/tmp/0123456789ab-stock_counts.csv", "landing", "copied/0123456789ab-stock_counts.csv")]
    assert asked == [
        "copy nebula_raw.stock_counts (stock_code, warehouse, counted_on, on_hand, _file, _line, _batch)"
        " from 's3://landing/copied/0123456789ab-stock_counts.csv'"
        " iam_role 'arn:aws:iam::000000000000:role/copy' format csv ignoreheader 1 encoding utf8"
    ]


def test_a_variable_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("NEBULA_DUCKDB_PATH", raising=False)
    assert pipeline.main(["--target", "duckdb", "--work", str(tmp_path)]) == 1
    assert "the variable NEBULA_DUCKDB_PATH is not set" in capsys.readouterr().err
