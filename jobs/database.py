"""PostgreSQL: connecting by environment, and schemas that migrate themselves once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]

_OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        "idle_in_transaction_session_timeout=900000",
        "tcp_keepalives_idle=30",
        "tcp_keepalives_interval=10",
        "tcp_keepalives_count=3",
        "timezone=UTC",
        "datestyle=ISO",
    )
)


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the database is, from ``DB_*`` in the environment.

    Parameters
    ----------
    host, port, database : str, int, str
    secret_arn : str
        A Secrets Manager secret with ``username`` and ``password`` as JSON.
    sslmode : str
        ``verify-full`` with ``sslrootcert`` on AWS; ``disable`` or ``prefer`` on loopback.
    sslrootcert : str
        A file of certificate authorities; ``DB_SSLROOTCERT``. Empty means libpq's default.
    """

    host: str
    port: int
    database: str
    secret_arn: str
    sslmode: str = "verify-full"
    sslrootcert: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> DatabaseSettings:
        """Read the settings; a missing one raises ``KeyError`` with its name."""
        return cls(
            host=environment["DB_HOST"],
            port=int(environment.get("DB_PORT") or 5432),
            database=environment["DB_NAME"],
            secret_arn=environment["DB_SECRET_ARN"],
            sslmode=environment.get("DB_SSLMODE") or "verify-full",
            sslrootcert=environment.get("DB_SSLROOTCERT", ""),
        )


def connect(dsn: str = "", **parameters: Any) -> Connection:
    """Open a connection that cannot hold a lock for ever.

    A loader that vanishes without closing its socket (a frozen function, a pulled cable) is noticed by the
    server's keep-alives and by the limit on idle transactions, so that its locks and its temporary table go
    away.
    """
    return psycopg.connect(dsn, autocommit=True, connect_timeout=10, options=_OPTIONS, **parameters)


def connect_with_secret(settings: DatabaseSettings, secrets: Any) -> Connection:
    """Open a connection with the credentials that Secrets Manager holds now: a rotation needs no restart.

    Parameters
    ----------
    settings : DatabaseSettings
    secrets : boto3 Secrets Manager client
    """
    secret = json.loads(secrets.get_secret_value(SecretId=settings.secret_arn)["SecretString"])
    extra = {"sslrootcert": settings.sslrootcert} if settings.sslrootcert else {}
    return connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.database,
        user=secret["username"],
        password=secret["password"],
        sslmode=settings.sslmode,
        **extra,
    )


def lock(connection: Connection, name: str) -> None:
    """Wait for the advisory lock of that name; it is released with the transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def migrate(connection: Connection, schema: str, folder: Traversable) -> list[str]:
    """Bring ``schema`` to the newest version; safe when several loaders start at once.

    Parameters
    ----------
    connection : Connection
    schema : str
        Created when it is missing. Its table ``migrations`` holds what was applied.
    folder : Traversable
        Holds ``001_name.sql``, ``002_name.sql``, … which run in that order, once each, all or nothing.

    Returns
    -------
    list of str
        The files that this call applied.
    """
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    if _applied(connection, schema) >= {file.name for file in files}:
        return []
    done = []
    with connection.transaction():
        lock(connection, f"migrate {schema}")
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        table = sql.Identifier(schema, "migrations")
        connection.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            ).format(table)
        )
        applied = _applied(connection, schema)
        for file in files:
            if file.name not in applied:
                connection.execute(file.read_bytes())
                connection.execute(sql.SQL("INSERT INTO {} (name) VALUES (%s)").format(table), (file.name,))
                done.append(file.name)
    return done


def _applied(connection: Connection, schema: str) -> set[str]:
    found = connection.execute("SELECT to_regclass(format('%%I.migrations', %s::text))", (schema,)).fetchone()
    if found is None or found[0] is None:
        return set()
    rows = connection.execute(sql.SQL("SELECT name FROM {}").format(sql.Identifier(schema, "migrations")))
    return {name for (name,) in rows}
