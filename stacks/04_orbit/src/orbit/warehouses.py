"""The three warehouses as far as the raw layer needs them: make the tables, take a delivery once, answer a query.

Where each is, and how it is entered, stands in the environment, as in dbt/profiles.yml.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from jobs.deliveries import Delivery
from jobs.faults import fault_point
from orbit.files import ORIGIN, TABLES

RAW, SCHEMAS = "orbit_raw", ("orbit_marts", "orbit_core", "orbit_staging", "orbit_raw")
DELIVERIES = ("object", "file", "source_table", "status", "code", "records")
BALANCES = ("file", "read", "loaded", "updated", "duplicate", "quarantined")


class Warehouse(Protocol):
    """What the pipeline asks of a warehouse; dbt has its own way to it (dbt/profiles.yml)."""

    text: str
    """Its type for texts."""
    number: str
    """Its type for whole numbers."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""

    def make_schema(self) -> None:
        """Make the raw schema unless it exists."""

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""

    def clear(self) -> None:
        """Remove all schemas of the stack."""

    def close(self) -> None:
        """End the connection."""


class DuckDb:
    """A file of DuckDB."""

    text, number = "varchar", "bigint"

    def __init__(self) -> None:
        import duckdb

        self.connection: Any = duckdb.connect(os.environ["ORBIT_DUCKDB_PATH"])
        self.connection.execute("set enable_progress_bar = false")  # it would stand in front of a line of the log

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return list(self.connection.execute(statement).fetchall())

    def make_schema(self) -> None:
        """Make the raw schema unless it exists."""
        self.connection.execute(f"create schema if not exists {RAW}")

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        self.connection.execute(
            f"insert into {RAW}.{delivery.table} by name select * from"
            " read_csv($path, header = true, all_varchar = true, quote = '\"', escape = '\"', delim = ',')",
            {"path": str(delivery.path)},
        )

    def clear(self) -> None:
        """Remove all schemas of the stack."""
        for schema in SCHEMAS:
            self.connection.execute(f"drop schema if exists {schema} cascade")

    def close(self) -> None:
        """End the connection: while it lasts, no other process can open the file."""
        # dbt keeps the file open in this process: closing alone would leave what was written in the log beside it.
        self.connection.execute("checkpoint")
        self.connection.close()


class Snowflake:
    """Snowflake, or what answers at ``ORBIT_SNOWFLAKE_HOST`` and ``_PORT``."""

    text, number = "varchar", "bigint"

    def __init__(self) -> None:
        import snowflake.connector

        setting = os.environ.get
        entry: dict[str, Any] = {"password": setting("ORBIT_SNOWFLAKE_PASSWORD", "")}
        if key := setting("ORBIT_SNOWFLAKE_PRIVATE_KEY"):
            entry = {"private_key": _der(key)}
        # Without these three, Snowflake's own: <account>.snowflakecomputing.com, by TLS.
        place = {"host": setting("ORBIT_SNOWFLAKE_HOST"), "port": setting("ORBIT_SNOWFLAKE_PORT")}
        place["protocol"] = setting("ORBIT_SNOWFLAKE_PROTOCOL")
        self.connection = snowflake.connector.connect(
            account=setting("ORBIT_SNOWFLAKE_ACCOUNT", "orrery"),
            user=setting("ORBIT_SNOWFLAKE_USER", "orbit"),
            role=setting("ORBIT_SNOWFLAKE_ROLE") or None,
            warehouse=setting("ORBIT_SNOWFLAKE_WAREHOUSE") or None,
            database=os.environ["ORBIT_DATABASE"],
            schema=RAW,
            **entry,
            **{name: value for name, value in place.items() if value},
        )

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return [tuple(row) for row in self.connection.cursor().execute(statement).fetchall()]

    def make_schema(self) -> None:
        """Make the raw schema unless it exists: in an account Terraform made it, and the role may not."""
        found = self.query("select schema_name from information_schema.schemata")
        if RAW not in {str(row[0]).lower() for row in found}:
            self.query(f"create schema {RAW}")

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        # The table's own stage is its owner's: no further right is needed.
        self.query(f"put 'file://{delivery.path}' @{RAW}.%{delivery.table} auto_compress=false overwrite=true")
        self.query(
            f"copy into {RAW}.{delivery.table} from '@{RAW}.%{delivery.table}/{delivery.path.name}' purge = true"
            " file_format = (type = csv skip_header = 1 field_optionally_enclosed_by = '\"' empty_field_as_null = true"
            " escape_unenclosed_field = none)"  # else a backslash takes away the comma behind it
        )

    def clear(self) -> None:
        """Remove all schemas of the stack."""
        for schema in SCHEMAS:
            self.query(f"drop schema if exists {schema} cascade")

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


class BigQuery:
    """BigQuery, or what answers at ``ORBIT_BIGQUERY_ENDPOINT``."""

    text, number = "string", "int64"

    def __init__(self) -> None:
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery

        project, endpoint = os.environ["ORBIT_DATABASE"], os.environ.get("ORBIT_BIGQUERY_ENDPOINT")
        if endpoint:
            options = ClientOptions(api_endpoint=endpoint)
            self.client = bigquery.Client(project, AnonymousCredentials(), client_options=options)
        else:
            self.client = bigquery.Client(project)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        # Without a limit the client repeats for ten minutes what a server refuses with a status of 5xx.
        result = self.client.query(statement, retry=None, job_retry=None).result(retry=None, job_retry=None)
        return [tuple(row.values()) for row in result]

    def make_schema(self) -> None:
        """Make the raw dataset unless it exists: in a project Terraform made it, and the account may not."""
        if RAW not in {each.dataset_id for each in self.client.list_datasets(retry=None)}:
            self.client.create_dataset(RAW, exists_ok=True)

    def load(self, delivery: Delivery) -> None:
        """Append a delivery to its table, all of it or nothing."""
        from google.cloud import bigquery

        fields = [bigquery.SchemaField(name, "STRING") for name in (*TABLES[delivery.table], *ORIGIN)]
        config = bigquery.LoadJobConfig(
            source_format="CSV",
            skip_leading_rows=1,
            schema=fields,
            write_disposition="WRITE_APPEND",
            allow_quoted_newlines=True,
        )
        with open(delivery.path, "rb") as file:
            table = f"{self.client.project}.{RAW}.{delivery.table}"
            self.client.load_table_from_file(file, table, job_config=config).result(retry=None)

    def clear(self) -> None:
        """Remove all datasets of the stack."""
        for schema in SCHEMAS:
            self.client.delete_dataset(schema, delete_contents=True, not_found_ok=True, retry=None)

    def close(self) -> None:
        """End the connection."""
        self.client.close()


WAREHOUSES: dict[str, type[Warehouse]] = {"duckdb": DuckDb, "snowflake": Snowflake, "bigquery": BigQuery}


def _der(pem: str) -> bytes:
    """Return a private key as Snowflake's connector takes it."""
    from cryptography.hazmat.primitives import serialization as forms

    key = forms.load_pem_private_key(pem.encode(), password=None)
    der: bytes = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return der


# ------------------------------------------------------------------------------------------ the raw layer in SQL


def make_tables(warehouse: Warehouse) -> None:
    """Make the raw tables, and those that remember what became of each file, unless they exist."""
    warehouse.make_schema()
    texts = {table: (*columns, *ORIGIN) for table, columns in TABLES.items()}
    texts |= {"deliveries": DELIVERIES, "balances": BALANCES}
    for table, columns in texts.items():
        numbers = {"deliveries": DELIVERIES[-1:], "balances": BALANCES[1:]}.get(table, ())
        listed = [f"{name} {warehouse.number if name in numbers else warehouse.text}" for name in columns]
        warehouse.query(f"create table if not exists {RAW}.{table} ({', '.join(listed)})")


def load_once(warehouse: Warehouse, delivery: Delivery) -> str:
    """Load a delivery unless its content is there; return the name under which it is there.

    A process that dies between the load and its record in ``deliveries`` leaves no doubt: the records say it.
    """
    found = warehouse.query(f"select min(_file) from {RAW}.{delivery.table} where _file like '{delivery.digest}-%'")
    if found[0][0]:
        return str(found[0][0])
    warehouse.load(delivery)
    fault_point("loaded")
    return delivery.name


def insert(warehouse: Warehouse, table: str, rows: Sequence[Sequence[str | int]]) -> None:
    """Append rows to a table of the raw schema, in one statement; no text in them has a quote or a backslash."""
    if rows:
        values = [", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in row) for row in rows]
        columns = ", ".join({"deliveries": DELIVERIES, "balances": BALANCES}[table])
        warehouse.query(f"insert into {RAW}.{table} ({columns}) values {', '.join(f'({row})' for row in values)}")
