"""The three warehouses as far as the raw layer needs them: take a delivery once, answer a query, know the batches.

A delivery is a batch. It is landed with its entry in ``batches`` in one transaction, and stays *pending* until dbt has
built everything from it: whatever is killed in between, the next run builds the same batches again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from jobs.deliveries import Delivery
from jobs.faults import fault_point
from nebula.feeds import FEEDS, ORIGIN, columns

RAW = "nebula_raw"
BATCHES = "batch_id bigint, digest {text}, file_name {text}, feed {text}, row_count bigint, landed_at timestamp, built_at timestamp"
PENDING = f"select batch_id from {RAW}.batches where built_at is null"


class Busy(Exception):
    """Another run works on the same warehouse."""


class Warehouse(Protocol):
    """What the pipeline asks of a warehouse; dbt has its own way to it (dbt/profiles.yml)."""

    text: str
    """Its type for texts."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    def copy(self, delivery: Delivery) -> None:
        """Append a delivery to its table, within the open transaction."""

    def close(self) -> None:
        """End the connection."""


class DuckDb:
    """A file of DuckDB, named by ``NEBULA_DUCKDB_PATH``. One process at a time can open it."""

    text = "varchar"

    def __init__(self) -> None:
        import duckdb

        try:
            self.connection: Any = duckdb.connect(os.environ["NEBULA_DUCKDB_PATH"])
        except duckdb.IOException as error:
            raise Busy(f"the DuckDB file can't be opened: {str(error).splitlines()[0]}") from error

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return list(self.connection.execute(statement).fetchall())

    def copy(self, delivery: Delivery) -> None:
        """Append a delivery to its table, within the open transaction."""
        listed = ", ".join(columns(delivery.table) + ORIGIN)
        self.connection.execute(
            f"insert into {RAW}.{delivery.table} ({listed}) select {listed} from"
            " read_csv($path, header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',')",
            {"path": str(delivery.path)},
        )

    def close(self) -> None:
        """End the connection: while it lasts, no other process can open the file."""
        self.connection.close()


class Postgres:
    """PostgreSQL at ``NEBULA_HOST``; the stand-in for Redshift and Aurora. A lock lasts as long as the connection."""

    text = "text"

    def __init__(self) -> None:
        from jobs.database import connect

        self.connection = connect(
            host=os.environ["NEBULA_HOST"],
            port=os.environ.get("NEBULA_PORT") or "5432",
            dbname=os.environ["NEBULA_DATABASE"],
            user=os.environ["NEBULA_USER"],
            password=os.environ["NEBULA_PASSWORD"],
            sslmode=os.environ.get("NEBULA_SSLMODE") or "prefer",
        )
        if not self.query("select pg_try_advisory_lock(hashtext('nebula.pipeline'))")[0][0]:
            self.connection.close()
            raise Busy("another run of the pipeline works on this database: wait for its end")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        done = self.connection.execute(statement.encode())
        return done.fetchall() if done.description else []

    def copy(self, delivery: Delivery) -> None:
        """Append a delivery to its table, within the open transaction."""
        listed = ", ".join(columns(delivery.table) + ORIGIN)
        command = f"copy {RAW}.{delivery.table} ({listed}) from stdin with (format csv, header true)"
        with self.connection.cursor().copy(command.encode()) as into, open(delivery.path, "rb") as file:
            while piece := file.read(1 << 20):
                into.write(piece)

    def close(self) -> None:
        """End the connection, and the lock with it."""
        self.connection.close()


class Redshift:
    """Redshift at ``NEBULA_HOST``. It copies from S3: ``NEBULA_COPY_PREFIX`` (s3://bucket/prefix/), ``NEBULA_COPY_ROLE``."""

    text = "varchar(4096)"

    def __init__(self) -> None:
        import redshift_connector

        self.connection: Any = redshift_connector.connect(
            host=os.environ["NEBULA_HOST"],
            port=int(os.environ.get("NEBULA_PORT") or 5439),
            database=os.environ["NEBULA_DATABASE"],
            user=os.environ["NEBULA_USER"],
            password=os.environ["NEBULA_PASSWORD"],
            sslmode=os.environ.get("NEBULA_SSLMODE") or "verify-full",
        )
        self.connection.autocommit = True

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def copy(self, delivery: Delivery) -> None:
        """Put a delivery into S3 and append it to its table, within the open transaction."""
        import boto3

        bucket, _, prefix = os.environ["NEBULA_COPY_PREFIX"].removeprefix("s3://").partition("/")
        key = f"{prefix.rstrip('/')}/{delivery.path.name}".lstrip("/")
        boto3.client("s3").upload_file(str(delivery.path), bucket, key)
        listed = ", ".join(columns(delivery.table) + ORIGIN)
        self.query(
            f"copy {RAW}.{delivery.table} ({listed}) from 's3://{bucket}/{key}'"
            f" iam_role '{os.environ['NEBULA_COPY_ROLE']}' format csv ignoreheader 1 encoding utf8"
        )

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


WAREHOUSES: dict[str, type[Warehouse]] = {"duckdb": DuckDb, "postgres": Postgres, "redshift": Redshift}


def make_raw(warehouse: Warehouse) -> None:
    """Make the raw schema and its tables unless they exist."""
    warehouse.query(f"create schema if not exists {RAW}")
    warehouse.query(f"create table if not exists {RAW}.batches ({BATCHES.format(text=warehouse.text)})")
    for feed in FEEDS:
        texts = ", ".join(f"{name} {warehouse.text}" for name in columns(feed))
        warehouse.query(
            f"create table if not exists {RAW}.{feed} ({texts}, _file {warehouse.text}, _line bigint, _batch bigint)"
        )
        if isinstance(warehouse, Postgres):
            warehouse.query(f"create index if not exists {feed}_batch on {RAW}.{feed} using brin (_batch)")


def known(warehouse: Warehouse) -> dict[str, bool]:
    """Return the digests of all deliveries that were landed, and whether they are built too."""
    return {
        str(digest): built is not None
        for digest, built in warehouse.query(f"select digest, built_at from {RAW}.batches")
    }


def next_batch(warehouse: Warehouse) -> int:
    """Return the number of the next batch."""
    return int(warehouse.query(f"select coalesce(max(batch_id), 0) + 1 from {RAW}.batches")[0][0])


def land(warehouse: Warehouse, deliveries: Sequence[Delivery], first: int) -> None:
    """Load deliveries, each with its entry in ``batches``, all of them in one transaction."""
    warehouse.query("begin")
    try:
        for batch, each in enumerate(deliveries, first):
            warehouse.copy(each)
            entry = f"{batch}, '{each.digest}', '{each.name}', '{each.table}', {each.rows}, current_timestamp, null"
            warehouse.query(f"insert into {RAW}.batches select {entry}")
            fault_point("landing")
        warehouse.query("commit")
    except BaseException:
        with suppress(Exception):  # the first error is the one that counts
            warehouse.query("rollback")
        raise


def mark_built(warehouse: Warehouse) -> None:
    """Say that everything pending is built."""
    warehouse.query(f"update {RAW}.batches set built_at = current_timestamp where built_at is null")
