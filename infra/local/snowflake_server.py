"""The process of the service ``snowflake``: fakesnow's server on files, so that tables outlive the process.

Run by the environment ``snowflake``, as a file: ``python -P snowflake_server.py PORT FOLDER``. fakesnow's own command
keeps everything in memory; a folder can be asked for by a session, but then no two sessions can have it.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

import duckdb
import pyarrow as pa
import uvicorn
from fakesnow import arrow, transforms
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp, parse_one
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LONGEST, MOST_KNOWN = 20_000, 500
"""Characters of a statement that is worth to be remembered, and how many are."""
PLAIN = (exp.Select, exp.Union, exp.Insert, exp.Update, exp.Delete, exp.Transaction, exp.Commit, exp.Rollback)
CHECKPOINT = "256MB"
"""How much of its log DuckDB lets stand before it writes a database's file, for which every statement waits."""
IDLE_S = 5.0
"""How long a transaction may be idle, in seconds, before it is ended when another one needs what it holds."""


def mend_statements(cursor: Any) -> None:
    """Make ``create temporary table a.b.c`` an ordinary table of that schema, and a merge one that fakesnow reads.

    DuckDB 2 has temporary tables in a catalog of their own and refuses another name, on which dbt's unit tests and
    merges depend. What differs: other sessions see the table, and it stays until it is dropped, as dbt does.
    """
    original, merge = cursor._transform, transforms.merge

    def transform(self: Any, expression: Any, params: Any) -> Any:
        if isinstance(expression, exp.Create) and (table := expression.find(exp.Table)) and table.db:
            properties = expression.args.get("properties")
            for each in list(properties.expressions) if properties else []:
                if isinstance(each, exp.TemporaryProperty):
                    each.pop()
        transformed = original(self, expression, params)
        if (comment := transformed.args.get("table_comment")) and comment[1] is None:
            # Noting that there is none would be a write to a second database, which DuckDB refuses in a transaction.
            del transformed.args["table_comment"]
        return transformed

    def split_merge(expression: Any) -> Any:
        return merge(name_the_source(expression) if isinstance(expression, exp.Merge) else expression)

    cursor._transform, transforms.merge = transform, split_merge


def end_broken_transactions(cursor: Any) -> None:
    """Answer with an error, once, after a statement failed within a transaction, and let the session go on.

    DuckDB refuses all that follows. fakesnow takes that for a fault of its own, and clients repeat the statement for
    minutes. Snowflake would keep what the transaction did before: here all of it is undone, and the error says so.
    """
    original = cursor.execute

    def execute(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(self, *arguments, **named)
        except duckdb.TransactionException as error:
            with contextlib.suppress(duckdb.Error):
                self._duck_conn.execute("rollback")
            message = f"the transaction was rolled back, because a statement in it failed: {error}"
            raise ProgrammingError(msg=message, errno=90232, sqlstate="25P02") from error

    cursor.execute = execute


def end_abandoned_transactions(cursor: Any, sessions: Mapping[str, Any]) -> None:
    """End what is left of a transaction whose client was killed, once another can't work because of it.

    HTTP does not tell of a client that is gone. Snowflake ends a transaction that has been idle for five minutes and
    keeps another waiting; here it is `IDLE_S`, and the other one gets an error and has to try again.

    Parameters
    ----------
    cursor : type
        fakesnow's cursor.
    sessions : mapping
        The server's, by token.
    """
    original = cursor.execute

    def execute(self: Any, *arguments: Any, **named: Any) -> Any:
        self._conn._idle_since = math.inf
        try:
            return original(self, *arguments, **named)
        except duckdb.TransactionException:
            for each in list(sessions.values()):
                if time.monotonic() - getattr(each, "_idle_since", math.inf) > IDLE_S:
                    with contextlib.suppress(duckdb.Error):  # it is in none
                        each._duck_conn.execute("rollback")
                    each._in_transaction = False
            raise
        finally:
            self._conn._idle_since = time.monotonic()

    cursor.execute = execute


def remember_statements(cursor: Any) -> None:
    """Translate a statement once: a pipeline says the same ones each second, and translating costs more than most do.

    What a translation depends on beside the text is the session's database and schema; with parameters or variables it
    is made anew, and so is whatever is more than reading and changing rows.
    """
    original_execute, original_transform = cursor.execute, cursor._transform
    known: OrderedDict[tuple[Any, ...], list[Any]] = OrderedDict()

    def execute(self: Any, command: str, params: Any = None, *arguments: Any, **named: Any) -> Any:
        here = self._conn
        key: tuple[Any, ...] = (command, here.database, here.database_set, here.schema, here.schema_set)
        if params or named.get("binding_params") or here.variables._variables or len(command) > LONGEST:
            key = ()
        if parts := known.get(key):
            with contextlib.suppress(KeyError):  # another thread has just dropped it
                known.move_to_end(key)
            return repeat(self, parts)
        self._parts = []
        done = original_execute(self, command, params, *arguments, **named)
        if key and is_plain(self._parts):
            for part in self._parts:
                part.sql = partial(_same, part.sql(dialect="duckdb"))
            known[key] = self._parts
            if len(known) > MOST_KNOWN:
                known.popitem(last=False)
        return done

    def repeat(self: Any, parts: list[Any]) -> Any:
        self._sqlstate = None
        try:
            for part in parts:
                self._execute(part)
        except ProgrammingError as error:
            self._sqlstate = error.sqlstate
            raise
        return self

    def transform(self: Any, expression: Any, params: Any) -> Any:
        made = original_transform(self, expression, params)
        self._parts.append(made)
        return made

    cursor.execute, cursor._transform = execute, transform


def remember_descriptions(cursor: Any) -> None:
    """Translate once how the columns of an answer are asked for, which is done after each statement."""

    @lru_cache(MOST_KNOWN)
    def described(statement: str) -> Any:
        made: Any = parse_one(f"DESCRIBE {statement}", read="duckdb")
        made.sql = partial(_same, made.sql(dialect="duckdb"))
        return made

    def describe(self: Any) -> Any:
        with self._conn.cursor() as other:  # this one's answer is not fetched yet
            other._execute(described(self._last_sql), self._last_params)
            return other.fetchall()

    cursor._describe_last_sql = describe


def _same(text: str, **_: Any) -> str:
    return text


def is_plain(parts: list[Any]) -> bool:
    """Tell whether a translation, in its parts, is good for the next time: nothing in it is of this time alone."""
    if not parts or any(part is transforms.SUCCESS_NOP for part in parts):  # `set` is done by translating it
        return False
    if "merge_counts" in parts[-1].args:  # a merge is several parts
        return True
    return all(isinstance(part, PLAIN) and part.args.keys() <= part.arg_types.keys() for part in parts)


def keep_null_times(arrow: Any) -> None:
    """Answer with null where a time is null: fakesnow takes a time apart, and clients put 1970 together again."""
    original = arrow.timestamp_to_sf_struct

    def taken_apart(times: Any) -> Any:
        made = original(times)
        parts = [part.fill_null(0) for part in made.flatten()]
        missing = times.combine_chunks().is_null() if isinstance(times, pa.ChunkedArray) else times.is_null()
        return pa.StructArray.from_arrays(parts, fields=list(made.type), mask=missing)

    arrow.timestamp_to_sf_struct = taken_apart


def name_the_source(merge: Any) -> Any:
    """Put the source's name before what a merge inserts without one, as dbt writes it.

    Such a column can only be the source's; fakesnow would look for it in both tables and find it twice.
    """
    source = merge.args["using"].alias_or_name
    for when in merge.args["whens"]:
        then = when.args.get("then")
        if isinstance(then, exp.Insert):
            for column in then.expression.find_all(exp.Column):
                if not column.table:
                    column.set("table", exp.to_identifier(source))
    return merge


def mend(cursor: Any, sessions: Mapping[str, Any] | None = None) -> None:
    """Mend all that is to be mended, once in a process; `sessions` are the server's, by token."""
    mend_statements(cursor)
    remember_statements(cursor)
    remember_descriptions(cursor)
    if sessions is not None:
        end_abandoned_transactions(cursor, sessions)
    end_broken_transactions(cursor)
    keep_null_times(arrow)


def main(port: int, folder: str) -> None:
    """Serve until a signal comes."""
    server: Any = import_module("fakesnow.server")  # the package has a function of that name in front of it
    mend(FakeSnowflakeCursor, server.sessions)
    server.shared_fs = FakeSnow(db_path=folder)
    server.shared_fs.duck_conn.execute(f"SET GLOBAL checkpoint_threshold = '{CHECKPOINT}'")

    async def health(request: Request) -> JSONResponse:
        server.shared_fs.duck_conn.cursor().execute("select 1")
        return JSONResponse({"data": folder})

    server.app.router.routes.append(Route("/_orrery/health", health))
    # Each session would be a line in the log otherwise, and each statement another.
    uvicorn.run(server.app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
