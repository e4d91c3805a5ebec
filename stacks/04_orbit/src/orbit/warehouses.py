"""The three warehouses as far as the raw layer needs them: make the tables, take a delivery once, answer a query."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from orbit.files import ORIGIN, TABLES, Delivery

RAW = "orbit_raw"


class Warehouse(Protocol):
    """What the pipeline asks of a warehouse; dbt has its own way to it (dbt/profiles.yml)."""

    text: str
    """Its type for texts."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    def make_schema(self) -> None:
        """Make the raw schema unless it exists."""

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""

    def close(self) -> None:
        """End the connection."""


class DuckDb:
    """A file of DuckDB."""

    text = "varchar"

    def __init__(self) -> None:
        import duckdb

        self.connection: Any = duckdb.connect(os.environ["ORBIT_DUCKDB_PATH"])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return list(self.connection.execute(statement).fetchall())

    def make_schema(self) -> None:
        """Make the raw schema unless it exists."""
        self.connection.execute(f"create schema if not exists {RAW}")

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        self.connection.execute(
            f"insert into {RAW}.{delivery.table} select * from"
            " read_csv($path, header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',')",
            {"path": str(delivery.path)},
        )

    def close(self) -> None:
        """End the connection: while it lasts, no other process can open the file."""
        self.connection.close()


class Snowflake:
    """Snowflake, or what answers at ``ORBIT_SNOWFLAKE_HOST`` and ``_PORT``."""

    text = "varchar"

    def __init__(self) -> None:
        import snowflake.connector

        self.connection = snowflake.connector.connect(
            account="orrery",
            user="orbit",
            password=os.environ["ORBIT_SNOWFLAKE_PASSWORD"],
            host=os.environ["ORBIT_SNOWFLAKE_HOST"],
            port=int(os.environ["ORBIT_SNOWFLAKE_PORT"]),
            protocol=os.environ.get("ORBIT_SNOWFLAKE_PROTOCOL", "https"),
            database=os.environ["ORBIT_DATABASE"],
            schema=RAW,
        )

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return [tuple(row) for row in self.connection.cursor().execute(statement).fetchall()]

    def make_schema(self) -> None:
        """Make the raw schema and the stage for files unless they exist."""
        self.query(f"create schema if not exists {RAW}")
        self.query(f"create stage if not exists {RAW}.landing")

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        self.query(f"put 'file://{delivery.path}' @{RAW}.landing auto_compress=false overwrite=true")
        self.query(
            f"copy into {RAW}.{delivery.table} from '@{RAW}.landing/{delivery.path.name}' file_format = (type = csv"
            " skip_header = 1 field_optionally_enclosed_by = '\"' empty_field_as_null = true)"
        )

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


class BigQuery:
    """BigQuery, or what answers at ``ORBIT_BIGQUERY_ENDPOINT``."""

    text = "string"

    def __init__(self) -> None:
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        options = ClientOptions(api_endpoint=os.environ["ORBIT_BIGQUERY_ENDPOINT"])
        self.client = bigquery.Client(os.environ["ORBIT_DATABASE"], AnonymousCredentials(), client_options=options)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        # Without a limit the client repeats for ten minutes what a server refuses with a status of 5xx.
        result = self.client.query(statement, retry=None, job_retry=None).result(retry=None, job_retry=None)
        return [tuple(row.values()) for row in result]

    def make_schema(self) -> None:
        """Make the raw dataset unless it exists."""
        self.client.create_dataset(RAW, exists_ok=True)

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        from google.cloud import bigquery

        fields = [bigquery.SchemaField(name, "STRING") for name in (*TABLES[delivery.table], *ORIGIN)]
        config = bigquery.LoadJobConfig(
            source_format="CSV", skip_leading_rows=1, schema=fields, write_disposition="WRITE_APPEND"
        )
        with open(delivery.path, "rb") as file:
            table = f"{self.client.project}.{RAW}.{delivery.table}"
            self.client.load_table_from_file(file, table, job_config=config).result(retry=None)

    def close(self) -> None:
        """End the connection."""
        self.client.close()


WAREHOUSES: dict[str, type[Warehouse]] = {"duckdb": DuckDb, "snowflake": Snowflake, "bigquery": BigQuery}


def land(warehouse: Warehouse, deliveries: Sequence[Delivery]) -> dict[str, int]:
    """Load the deliveries that are not there yet, and return how many rows each brought."""
    warehouse.make_schema()
    brought: dict[str, int] = {}
    for table, columns in TABLES.items():
        listed = ", ".join(f"{name} {warehouse.text}" for name in (*columns, *ORIGIN))
        warehouse.query(f"create table if not exists {RAW}.{table} ({listed})")
    for each in deliveries:
        found = warehouse.query(f"select count(*) from {RAW}.{each.table} where _file = '{each.name}'")
        brought[each.name] = 0 if found[0][0] else each.rows
        if not found[0][0]:
            warehouse.load(each)
    return brought
