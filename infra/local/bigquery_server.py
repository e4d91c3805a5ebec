"""The process of the service ``bigquery``: bqemulator with DuckDB's extension from a package.

Run by the environment ``bigquery``, as a file: ``python -P bigquery_server.py PORT GRPC_PORT FOLDER``, with ``HOME``
set to a folder of the local cloud, because DuckDB keeps extensions below it. bqemulator's own command would download
the extension at its first start, and does not start without.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
from bqemulator.config import LogLevel, PersistenceMode, Settings
from bqemulator.server import run_forever
from bqemulator.sql.rewriter import create_table_schema_ctas
from sqlglot import exp


def take_queries_in_parentheses(rewriter: Any) -> None:
    """Let ``create table x (columns) as (select …)`` work as it does without the parentheses, which dbt writes."""
    original = rewriter._first_select

    def first_select(body: Any) -> Any:
        return original(body.this if isinstance(body, exp.Subquery) else body)

    rewriter._first_select = first_select


def main(port: int, grpc_port: int, folder: Path) -> None:
    """Serve until a signal comes."""
    take_queries_in_parentheses(create_table_schema_ctas)
    package = Path(duckdb_extension_spatial.__file__).parent
    extension = package / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
    with duckdb.connect() as connection:
        connection.execute(f"INSTALL '{str(extension).replace(chr(39), chr(39) * 2)}'")
    run_forever(
        Settings(
            rest_host="127.0.0.1",
            rest_port=port,
            grpc_host="127.0.0.1",
            grpc_port=grpc_port,
            persistence_mode=PersistenceMode.PERSISTENT,
            data_dir=folder,
            default_project_id="orrery",
            log_level=LogLevel.WARNING,
            enable_format_extensions=False,  # Avro files: another download
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
