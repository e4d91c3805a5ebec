"""The three warehouses as far as the raw layer needs them: take a delivery once, answer a query, know the batches.

A delivery is a batch. It is landed with its entry in ``batches`` in one transaction, and stays *pending* until dbt has
built everything from it: whatever is killed in between, the next run builds the same batches again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from jobs.deliveries import Delivery
from jobs.faults import fault_point
from nebula.feeds import FEEDS, ORIGIN, columns

RAW = "nebula_raw"
BATCHES = (
    "batch_id bigint, digest {text}, file_name {text}, feed {text}, row_count bigint,"
    " landed_at timestamp, built_at timestamp"
)
PENDING = f"select batch_id from {RAW}.batches where built_at is null"


class Unusable(Exception):
    """A warehouse that can't be reached, or on which another run is at work."""


def setting(name: str) -> str:
    """Return a variable of the environment that the target needs.

    Raises
    ------
    Unusable
        It is not set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise Unusable(f"the variable {name} is not set: it says where the warehouse is (dbt/profiles.yml)")
    return value


class Warehouse(Protocol):
    """What the pipeline asks of a warehouse; dbt has its own way to it (dbt/profiles.yml)."""

    text: str
    """Its type for texts."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    def copy(self, delivery: Delivery) -> None:
        """Append a delivery to its table, within the open transaction."""

    def step_aside(self) -> None:
        """Let dbt in, where only one process or connection can be at work; the next query comes back."""

    def close(self) -> None:
        """End the connection."""


class DuckDb:
    """A file of DuckDB, named by ``NEBULA_DUCKDB_PATH``. One process at a time can open it."""

    text = "varchar"

    def __init__(self) -> None:
        self.path = setting("NEBULA_DUCKDB_PATH")
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """The connection, opened when it is needed."""
        import duckdb

        if self._connection is None:
            try:
                self._connection = duckdb.connect(self.path)
            except duckdb.IOException as error:
                raise Unusable(f"the DuckDB file can't be opened: {str(error).splitlines()[0]}") from error
        return self._connection

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

    def step_aside(self) -> None:
        """Close the file: dbt opens it itself."""
        self.close()

    def close(self) -> None:
        """End the connection: while it lasts, no other process can open the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Postgres:
    """PostgreSQL at ``NEBULA_HOST``; the stand-in for Redshift and Aurora. A lock lasts as long as the connection."""

    text = "text"

    def __init__(self) -> None:
        import psycopg

        from jobs.database import connect

        parameters = dict(
            host=setting("NEBULA_HOST"),
            port=os.environ.get("NEBULA_PORT") or "5432",
            dbname=setting("NEBULA_DATABASE"),
            user=setting("NEBULA_USER"),
            password=setting("NEBULA_PASSWORD"),
            sslmode=os.environ.get("NEBULA_SSLMODE") or "prefer",
        )
        try:
            self.connection = connect(**parameters)
        except psycopg.OperationalError as error:
            raise Unusable(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error
        if not self.query("select pg_try_advisory_lock(hashtext('nebula.pipeline'))")[0][0]:
            self.connection.close()
            raise Unusable("another run of the pipeline works on this database: wait for its end")

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

    def step_aside(self) -> None:
        """Stay: dbt has connections of its own, and the lock lasts as long as this one."""

    def close(self) -> None:
        """End the connection, and the lock with it."""
        self.connection.close()


class Redshift:
    """Redshift at ``NEBULA_HOST``.

    It copies from S3: from below ``NEBULA_COPY_PREFIX`` (s3://bucket/prefix/), with the role ``NEBULA_COPY_ROLE``.
    """

    text = "varchar(65535)"  # the most that there is, as feeds.py takes no more

    def __init__(self) -> None:
        import redshift_connector

        self.connection: Any = redshift_connector.connect(
            host=setting("NEBULA_HOST"),
            port=int(os.environ.get("NEBULA_PORT") or 5439),
            database=setting("NEBULA_DATABASE"),
            user=setting("NEBULA_USER"),
            password=setting("NEBULA_PASSWORD"),
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

        bucket, _, prefix = setting("NEBULA_COPY_PREFIX").removeprefix("s3://").partition("/")
        key = f"{prefix.rstrip('/')}/{delivery.path.name}".lstrip("/")
        boto3.client("s3").upload_file(str(delivery.path), bucket, key)
        listed = ", ".join(columns(delivery.table) + ORIGIN)
        self.query(
            f"copy {RAW}.{delivery.table} ({listed}) from 's3://{bucket}/{key}'"
            f" iam_role '{setting('NEBULA_COPY_ROLE')}' format csv ignoreheader 1 encoding utf8"
        )

    def step_aside(self) -> None:
        """Stay: dbt has connections of its own."""

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
            entry = f"{batch}, '{each.digest}', '{each.name}', '{each.table}', {each.rows}, {_now()}, null"
            warehouse.query(f"insert into {RAW}.batches select {entry}")
            fault_point("landing")
        warehouse.query("commit")
    except BaseException:
        with suppress(Exception):  # the first error is the one that counts
            warehouse.query("rollback")
        raise


def mark_built(warehouse: Warehouse) -> None:
    """Say that everything pending is built."""
    warehouse.query(f"update {RAW}.batches set built_at = {_now()} where built_at is null")


def _now() -> str:
    return f"timestamp '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'"
