"""The shop's database, MySQL or PostgreSQL: how it is entered, its tables, who may capture them.

Beside each captured table lies a ``truth_`` table, which is not captured: whoever changes the shop writes there, in
the same transaction, what each row became. So there is a second account of every version, which no part of the
pipeline has touched.

``python -m nova.source make`` makes what is missing of all that. The database is named by ``NOVA_SOURCE`` (``mysql``
or ``postgresql``), ``NOVA_SOURCE_HOST``, ``_PORT``, ``_DATABASE``, and ``_USER`` and ``_PASSWORD`` or
``_SECRET_ARN``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.metrics import log

SQL = Path(__file__).resolve().parents[2] / "sql" / "source"
KEYS: Mapping[str, tuple[str, ...]] = {
    "customers": ("id",),
    "orders": ("id",),
    "order_lines": ("order_id", "line_no"),
    "payments": ("reference",),
}
"""The captured tables and the columns of their keys."""
SIGNALS, HEARTBEAT = "signals", "heartbeat"
TRUTH = "truth_"
ENGINES = ("mysql", "postgresql")
DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}

KINDS = {
    "mysql": {
        "tinyint": "integer",
        "smallint": "integer",
        "mediumint": "integer",
        "int": "integer",
        "bigint": "integer",
        "decimal": "decimal",
        "double": "double",
        "char": "text",
        "varchar": "text",
        "text": "text",
        "longtext": "text",
        "json": "json",
        "varbinary": "bytes",
        "blob": "bytes",
        "bit": "boolean",
        "date": "date",
        "time": "time",
        "datetime": "local",
        "timestamp": "instant",
    },
    "postgresql": {
        "smallint": "integer",
        "integer": "integer",
        "bigint": "integer",
        "numeric": "decimal",
        "double precision": "double",
        "character": "text",
        "character varying": "text",
        "text": "text",
        "json": "json",
        "jsonb": "json",
        "bytea": "bytes",
        "boolean": "boolean",
        "date": "date",
        "time without time zone": "time",
        "timestamp without time zone": "local",
        "timestamp with time zone": "instant",
    },
}
"""What the databases' types mean: ``local`` is a time without zone, ``instant`` a moment. Others are ``other``."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LOG_KEPT_H = 168
"""How long RDS for MySQL keeps its binary log, in hours: as long as Kafka its topics, and the most that RDS takes."""
ZONES = {"+00:00": "UTC", "+05:30": "Asia/Kolkata", "-03:00": "Etc/GMT+3"}
"""Time zones of sessions, as MySQL takes them and as PostgreSQL does."""
BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "integer": 32, "bigint": 64}


class SourceError(Exception):
    """The shop's database can't be used as it is; the message says why, and what to do."""


@dataclass(frozen=True)
class Column:
    """A column of the source.

    Parameters
    ----------
    name, kind : str
        `kind` is one of the values in `KINDS`.
    nullable : bool
    declared : str
        The type as the database writes it, such as ``decimal(20,4)``.
    precision, scale : int
        Digits of a decimal, all and behind the point.
    length : int
        Most characters of a text, most bytes of bytes; 0 means no limit.
    low, high : int
        The range of an integer.
    """

    name: str
    kind: str
    nullable: bool
    declared: str
    precision: int = 0
    scale: int = 0
    length: int = 0
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Settings:
    """Where the database is, and who enters it.

    Parameters
    ----------
    engine : str
        ``mysql`` or ``postgresql``.
    host, port, database, user, password : str, int, str, str, str
    ca : str
        A file of certificate authorities: then the connection is by TLS, and the server has to prove its name.
    """

    engine: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ca: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises
        ------
        SourceError
            One is missing or makes no sense.
        """

        def setting(name: str, default: str = "") -> str:
            return environment.get(f"NOVA_SOURCE{name}") or default

        engine = setting("", "mysql")
        if engine not in ENGINES:
            raise SourceError(f"NOVA_SOURCE={engine}, but it may be {' or '.join(ENGINES)}")
        missing = [f"NOVA_SOURCE_{each}" for each in ("HOST", "DATABASE") if not setting(f"_{each}")]
        if not setting("_SECRET_ARN") and not setting("_USER"):
            missing.append("NOVA_SOURCE_USER (or NOVA_SOURCE_SECRET_ARN)")
        if missing:
            raise SourceError(f"the shop's database is not named: set {', '.join(missing)}")
        user, password = setting("_USER"), setting("_PASSWORD")
        if secret := setting("_SECRET_ARN"):
            user, password = read_secret(secret)
        port = setting("_PORT", str(DEFAULT_PORTS[engine]))
        if not port.isdigit():
            raise SourceError(f"NOVA_SOURCE_PORT={port} is no number")
        host, local = setting("_HOST"), setting("_HOST") in LOOPBACK
        # A local server has no certificate; any other has to prove its name before it gets a password.
        ca = "" if local else setting("_CA")
        if not ca and not local:
            raise SourceError(
                f"{host} is not this machine: set NOVA_SOURCE_CA to the file of who signs its certificate"
            )
        return cls(engine, host, int(port), setting("_DATABASE"), user, password, ca)


def read_secret(arn: str) -> tuple[str, str]:
    """Return the user and the password that a secret holds."""
    import boto3

    held = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return str(held["username"]), str(held["password"])


class Session:
    """A session in the shop's database, the same for both engines; times are given and taken in UTC.

    Parameters
    ----------
    settings : Settings
    zone : str
        The session's own time zone, one of `ZONES`: what a time without zone means in a column with one.

    Raises
    ------
    SourceError
        Nobody answers, or the login is refused.
    """

    def __init__(self, settings: Settings, zone: str = "+00:00") -> None:
        self.settings = settings
        self.engine = settings.engine
        self.now = "now(6)" if self.engine == "mysql" else "clock_timestamp()"
        try:
            self.connection: Any = _mysql(settings, zone) if self.engine == "mysql" else _postgresql(settings, zone)
        except self.errors() as error:
            place = f"{settings.host}:{settings.port}/{settings.database}"
            raise SourceError(f"the shop's database {place} can't be entered: {_text(error)}") from error

    def errors(self) -> tuple[type[Exception], ...]:
        """Return what the client raises when the database refuses something, or is gone."""
        if self.engine == "mysql":
            import pymysql

            return (pymysql.MySQLError, OSError)
        import psycopg

        return (psycopg.Error, OSError)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement, ``%s`` in it are values, and return how many rows it changed."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return int(cursor.rowcount)

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def stream(self, statement: str, size: int = 5_000) -> Iterator[tuple[Any, ...]]:
        """Run a query within a transaction and yield its rows; some thousand are in memory at a time."""
        if self.engine == "mysql":
            import pymysql.cursors

            cursor = self.connection.cursor(pymysql.cursors.SSCursor)
        else:
            import psycopg

            cursor = psycopg.ServerCursor(self.connection, "nova_rows")
        with cursor:
            cursor.execute(statement)
            while rows := cursor.fetchmany(size):
                yield from rows

    def begin(self, *, snapshot: bool = False) -> None:
        """Begin a transaction; with `snapshot`, one that reads the database as it is now, whatever others commit."""
        if self.engine == "mysql":
            if snapshot:
                self.execute("set transaction isolation level repeatable read")
            self.execute("start transaction" + (" with consistent snapshot" if snapshot else ""))
        else:
            self.execute("begin" + (" isolation level repeatable read" if snapshot else ""))

    def commit(self) -> None:
        """End the transaction; what it did is there for all."""
        self.execute("commit")

    def rollback(self) -> None:
        """End the transaction as if it had not been."""
        self.execute("rollback")

    def close(self) -> None:
        """End the session."""
        self.connection.close()

    def columns(self, table: str) -> list[Column]:
        """Return the columns of a table as they are now, in their order; none if it does not exist."""
        scope = "database()" if self.engine == "mysql" else "current_schema()"
        full = "column_type" if self.engine == "mysql" else "data_type"
        rows = self.query(
            f"select column_name, data_type, {full}, is_nullable, numeric_precision, numeric_scale, "
            "character_maximum_length from information_schema.columns "
            f"where table_schema = {scope} and table_name = %s order by ordinal_position",
            (table,),
        )
        documents = self._documents(table) if rows else set()
        return [self._column(row, documents) for row in rows]

    def _column(self, row: tuple[Any, ...], documents: set[str]) -> Column:
        name, plain, declared, nullable, precision, scale, length = row
        kind = KINDS[self.engine].get(str(plain), "other")
        low = high = 0
        if kind == "integer":
            bits = BITS[str(plain)]
            unsigned = "unsigned" in str(declared)
            low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if kind == "decimal" or (self.engine == "postgresql" and length):
            declared = f"{plain}({precision},{scale})" if kind == "decimal" else f"{plain}({length})"
        if name in documents:
            kind = "json"
        of_decimal = kind == "decimal"
        return Column(
            str(name),
            kind,
            nullable == "YES",
            str(declared),
            int(precision or 0) if of_decimal else 0,
            int(scale or 0) if of_decimal else 0,
            min(int(length or 0), 2**31),
            low,
            high,
        )

    def _documents(self, table: str) -> set[str]:
        """Return MariaDB's columns of JSON: there they are texts with a check."""
        if self.engine != "mysql" or not self.query("show variables like 'version_source_revision'"):
            return set()
        if not self.query(
            "select 1 from information_schema.columns where table_schema = 'information_schema' "
            "and table_name = 'CHECK_CONSTRAINTS' and column_name = 'TABLE_NAME'"
        ):
            return set()  # MySQL, whose JSON is a type
        checks = self.query(
            "select check_clause from information_schema.check_constraints "
            "where constraint_schema = database() and table_name = %s",
            (table,),
        )
        return {found[1] for (clause,) in checks if (found := re.match(r"json_valid\(`(\w+)`\)", str(clause)))}


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Session]:
    """Open a session for a while, by default with what the environment says."""
    session = Session(settings or Settings.from_environment())
    try:
        yield session
    finally:
        session.close()


def _mysql(settings: Settings, zone: str) -> Any:
    import pymysql

    # Zero dates are allowed, as in many a database that has grown old; all else is as strict as it can be.
    mode = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    connection = pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        database=settings.database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=10,
        init_command=f"set session time_zone = '{zone}', sql_mode = '{mode}', innodb_lock_wait_timeout = 10",
        ssl={"ca": settings.ca} if settings.ca else None,
    )
    with connection.cursor() as cursor:
        cursor.execute("set session transaction isolation level read committed")
    return connection


def _postgresql(settings: Settings, zone: str) -> Any:
    import psycopg
    import psycopg.types.string

    options = f"-c timezone={ZONES[zone]} -c datestyle=ISO -c lock_timeout=10s"
    secure = {"sslmode": "verify-full", "sslrootcert": settings.ca} if settings.ca else {"sslmode": "prefer"}
    connection = psycopg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        dbname=settings.database,
        autocommit=True,
        connect_timeout=10,
        options=options,
        cursor_factory=psycopg.ClientCursor,
        **secure,  # type: ignore[arg-type]
    )
    for each in ("json", "jsonb"):  # as it is written: floats would bend its numbers
        connection.adapters.register_loader(each, psycopg.types.string.TextLoader)
    return connection


def _text(error: Exception) -> str:
    return str(error.args[-1] if error.args else error).strip().splitlines()[0]


def statements(path: Path) -> list[str]:
    """Return the statements of a file; a semicolon ends one at the end of a line only."""
    return [each.strip() for each in (path.read_text() + "\n").split(";\n") if each.strip()]


def make(session: Session) -> None:
    """Make the tables that are missing, and the truth beside each; a second run changes nothing."""
    for statement in statements(SQL / f"{session.engine}.sql"):
        session.execute(statement)
    if not session.query(f"select 1 from {HEARTBEAT}"):
        session.execute(f"insert into {HEARTBEAT} (id) values (1)")
    for table in KEYS:
        if not session.columns(TRUTH + table):
            session.execute(truth_table(session.engine, table, session.columns(table)))
    if session.engine == "mysql":
        _keep_log(session)
    else:
        _keep_whole_rows(session)


def _keep_log(session: Session) -> None:
    """Let RDS keep its binary log, which it purges at once otherwise: a connector that stops would lose its place."""
    on_rds = session.query(
        "select 1 from information_schema.routines"
        " where routine_schema = 'mysql' and routine_name = 'rds_set_configuration'"
    )
    if on_rds:
        session.execute("call mysql.rds_set_configuration('binlog retention hours', %s)", (LOG_KEPT_H,))


def _keep_whole_rows(session: Session) -> None:
    """Let PostgreSQL's log have whole rows, also what was too large to lie in the row, and old keys.

    Only where it does not yet: the statement waits for, and holds up, all that use the table.
    """
    kept = session.query(
        "select relname from pg_class where relnamespace = current_schema()::regnamespace and relreplident = 'f'"
    )
    for table in KEYS:
        if (table,) not in kept:
            session.execute(f"alter table {table} replica identity full")


def truth_table(engine: str, table: str, columns: Sequence[Column]) -> str:
    """Return the statement that makes the truth of a table: the same columns, and none of them has to be there.

    ``seq`` rises with each version of a row: who writes it holds the row's lock until the end of the transaction.
    """
    number = "bigint unsigned not null auto_increment" if engine == "mysql" else "bigint generated always as identity"
    own = [f"seq {number} primary key", "tx varchar(40) not null", "op char(1) not null"]
    rows = [f"{each.name} {truth_type(each)}" for each in columns]
    binary = " character set utf8mb4 collate utf8mb4_bin" if engine == "mysql" else ""
    return f"create table {TRUTH}{table} ({', '.join([*own, *rows])}){binary}"


def truth_type(column: Column) -> str:
    """Return a column's type in the truth: as it is declared, but null is allowed."""
    declared = "json" if column.kind == "json" and column.declared == "longtext" else column.declared
    return f"{declared} null"


def drop(session: Session) -> None:
    """Drop all that `make` makes, but no user."""
    every = [*KEYS, *(TRUTH + table for table in KEYS), SIGNALS, HEARTBEAT, "runs"]
    session.execute(f"drop table if exists {', '.join(every)}")


def publish(session: Session, name: str) -> None:
    """Make PostgreSQL's publication: the captured tables, and those that Debezium has for itself."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SourceError(
            f"{name!r} can't be the name of a publication: use lower-case letters, digits and underscores"
        )
    tables = ", ".join([*KEYS, SIGNALS, HEARTBEAT])
    exists = session.query("select 1 from pg_publication where pubname = %s", (name,))
    verb = f"alter publication {name} set table" if exists else f"create publication {name} for table"
    session.execute(f"{verb} {tables}")


def allow_capture(session: Session, user: str, password: str) -> None:
    """Make the user that Debezium is, with no more than it needs.

    Raises
    ------
    SourceError
        Whoever is logged in may not make users.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", user):
        raise SourceError(f"{user!r} can't be the name of a user: use lower-case letters, digits and underscores")
    try:
        if session.engine == "mysql":
            _allow_mysql(session, user, password)
        else:
            _allow_postgresql(session, user, password)
    except session.errors() as error:
        raise SourceError(
            f"{session.settings.user} may not make the user {user}: {_text(error)}; "
            "let the owner of the server do it, or capture as the owner of the database"
        ) from error


def _allow_mysql(session: Session, user: str, password: str) -> None:
    database = session.settings.database
    session.execute(f"create user if not exists '{user}'@'%%' identified by %s", (password,))
    session.execute(f"alter user '{user}'@'%%' identified by %s", (password,))
    # RELOAD: the lock under which a snapshot's place in the log is read.
    session.execute(f"grant reload, replication slave, replication client, show databases on *.* to '{user}'@'%'")
    for table in (*KEYS, HEARTBEAT):
        session.execute(f"grant select on `{database}`.{table} to '{user}'@'%'")
    # An incremental snapshot opens and closes its windows in the table of signals.
    session.execute(f"grant select, insert, delete on `{database}`.{SIGNALS} to '{user}'@'%'")
    session.execute(f"grant update on `{database}`.{HEARTBEAT} to '{user}'@'%'")
    # In a grant on a whole database an underscore stands for any letter, unless it is escaped.
    escaped = database.replace("_", r"\_")
    session.execute(f"grant lock tables on `{escaped}`.* to '{user}'@'%'")


def _allow_postgresql(session: Session, user: str, password: str) -> None:
    from psycopg import sql

    known = session.query("select 1 from pg_roles where rolname = %s", (user,))
    amazon = session.query("select 1 from pg_roles where rolname = 'rds_replication'")
    if not known or not _enters(session.settings, user, password):
        what = "login" if amazon else "login replication"
        # The server's log has such statements as they are sent: with what proves the password, not with itself.
        proof = session.connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        statement = sql.SQL(f"{'alter' if known else 'create'} role {user} {what} password {{}}").format(
            sql.Literal(proof)
        )
        session.execute(statement.as_string(session.connection))
    if amazon:
        session.execute(f"grant rds_replication to {user}")
    session.execute(f"grant select on {', '.join([*KEYS, HEARTBEAT])} to {user}")
    session.execute(f"grant select, insert, delete on {SIGNALS} to {user}")
    session.execute(f"grant update on {HEARTBEAT} to {user}")


def _enters(settings: Settings, user: str, password: str) -> bool:
    """Tell whether a user can log in with a password."""
    try:
        Session(replace(settings, user=user, password=password)).close()
    except SourceError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m nova.source", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make the tables that are missing, and who may capture them")
    making.add_argument("--publication", default="nova", help="PostgreSQL's publication (default: %(default)s)")
    making.add_argument(
        "--capture-secret", default="", help="ARN of a secret: make the user that it names, or give it that password"
    )
    commands.add_parser("drop", help="drop the tables with all that is in them")
    given = parser.parse_args(arguments)
    try:
        with opened() as session:
            try:
                _run(session, given)
            except session.errors() as error:
                raise SourceError(f"the shop's database refused: {_text(error)}") from error
    except SourceError as error:
        log("error", "failed", error=str(error))
        return 1
    return 0


def _run(session: Session, given: argparse.Namespace) -> None:
    if given.command == "drop":
        drop(session)
        log("info", "dropped", tables=list(KEYS))
        return
    make(session)
    if session.engine == "postgresql":
        publish(session, given.publication)
    log("info", "made", tables=list(KEYS))
    if given.capture_secret:
        user, password = read_secret(given.capture_secret)
        allow_capture(session, user, password)
        log("info", "allowed", user=user)


if __name__ == "__main__":
    raise SystemExit(main())
