"""The warehouse: statements from files, and transactions that are whole or nothing."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs import snowflake
from jobs.metrics import log
from nova import metrics

SQL = Path(__file__).resolve().parents[2] / "sql"
SCHEMAS = {
    "nova_landing": "Messages as they came",
    "nova_core": "Changes, versions and current rows of all tables",
    "nova_shop": "The shop's tables as they are now",
    "nova_history": "The shop's tables with every version of each row",
}
LOADER_TABLES = {
    "incoming": "Where a file is copied to, within the transaction that takes its rows on",
    "offsets": "How far each partition is landed",
    "loader": "Who may load, and the number of the last batch",
}
"""The loader's own tables."""
TABLES = ("customers", "orders", "order_lines", "payments")
"""The captured tables."""
AWAY_S = 1.0
"""How long to wait before a warehouse that is away is tried again, in seconds."""

SESSION = {"ABORT_DETACHED_QUERY": True, "LOCK_TIMEOUT": 60}
"""Of Snowflake's sessions: what a killed loader left undone ends, and who waits for its lock (seconds) tries again."""


class Warehouse:
    """One session in the warehouse.

    Parameters
    ----------
    connection : Connection
        Of Snowflake's client; autocommit unless within `transaction`.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; ``%s`` in it are values."""
        cursor = self.connection.cursor()
        return [tuple(row) for row in cursor.execute(statement, tuple(values) or None).fetchall()]

    def number(self, statement: str) -> int | None:
        """Return the one number, or nothing, that a query finds."""
        rows = self.query(statement)
        return None if not rows or rows[0][0] is None else int(rows[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of it or nothing."""
        self.query("begin")
        try:
            yield
        except BaseException:
            # The session may be gone, and with it the transaction: the first error is the one to tell.
            try:
                self.query("rollback")
            except Exception:
                self.connection = None
            raise
        self.query("commit")

    def close(self) -> None:
        """End the session."""
        if self.connection is not None:
            self.connection.close()


@contextmanager
def opened() -> Iterator[Warehouse]:
    """Connect for a while, by what ``NOVA_*`` in the environment says."""
    if secret := os.environ.get("NOVA_SECRET_ARN"):
        snowflake.open_secret("NOVA", secret)
    warehouse = Warehouse(snowflake.connect("NOVA", "nova_core", session=SESSION))
    try:
        yield warehouse
    finally:
        warehouse.close()


def insist(work: Callable[[Warehouse], None], stopped: threading.Event, seconds: float = math.inf) -> None:
    """Do some work in a session, and all of it again, in a new one, where the warehouse is away or refuses something.

    Parameters
    ----------
    work : callable
        Takes the session. It goes on where the warehouse says that it was.
    stopped : Event
        Set when nobody wants it any more.
    seconds : float
        After which nothing is begun again.

    Raises
    ------
    Error or RequestException
        Snowflake's, when the time is over.
    """
    from snowflake.connector.errors import Error, ProgrammingError
    from snowflake.connector.vendored.requests.exceptions import RequestException  # an answer that broke off

    ends = time.monotonic() + seconds
    while not stopped.is_set():
        try:
            with opened() as store:
                work(store)
            return
        except (Error, RequestException) as error:
            metrics.emit(nova_error_count=1)
            # A statement without the right to it is refused for good, and a lock that somebody holds for some minutes
            # is refused in the same way: so it is tried again, and told apart.
            refused = isinstance(error, ProgrammingError)
            log("warning", "warehouse_refuses" if refused else "warehouse_away", error=str(error)[:300])
            if time.monotonic() > ends:
                raise
            stopped.wait(AWAY_S)


def statements(path: Path) -> list[str]:
    """Return the statements of a file; a semicolon ends one at the end of a line only."""
    return [each.strip() for each in (path.read_text() + "\n").split(";\n") if each.strip()]


def merge_statements() -> list[str]:
    """Return the statements that merge, in their order: Snowflake's task runs the very same."""
    return [each for path in sorted((SQL / "merge").glob("*.sql")) for each in statements(path)]


def setup_statements() -> list[str]:
    """Return the statements that make what the merge keeps; a second run changes nothing."""
    known = [
        "insert into nova_core.tables (source_table)"
        f" select '{table}' where not exists (select 1 from nova_core.tables where source_table = '{table}')"
        for table in TABLES
    ]
    return [*statements(SQL / "core.sql"), *known]


def columns(table: str) -> list[dict[str, Any]]:
    """Return the columns of a landing table as Terraform takes them, read from the file that makes it locally."""
    (made,) = (each for each in statements(SQL / "landing.sql") if f" nova_landing.{table} (" in each)
    body = made.partition(f" nova_landing.{table} (")[2].rstrip(")")
    found = []
    for line in re.split(r",\s(?![^(]*\))", body):
        name, kind = line.strip().split(" ", 1)
        sort = kind.removesuffix(" not null")
        found.append({"name": name.upper(), "type": sort.upper(), "nullable": sort == kind})
    return found


def make(warehouse: Warehouse) -> None:
    """Make what is missing in the local warehouse; in an account Terraform and the task's setup do so."""
    present = {str(row[0]).lower() for row in warehouse.query("select schema_name from information_schema.schemata")}
    for each in SCHEMAS:
        if each not in present:
            warehouse.query(f"create schema if not exists {each}")
    for statement in [
        *statements(SQL / "landing.sql"),
        *setup_statements(),
        *statements(SQL / "local.sql"),
    ]:
        warehouse.query(statement)


def clear(warehouse: Warehouse) -> None:
    """Remove all schemas."""
    for each in reversed(SCHEMAS):
        warehouse.query(f"drop schema if exists {each} cascade")
