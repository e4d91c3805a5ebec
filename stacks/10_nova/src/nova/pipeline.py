"""All that runs beside Debezium, in one process: for the local cloud, and for tests.

``python -m nova.pipeline follow`` lands and merges until it is told to stop. ``wait`` ends when all is merged that the
source had committed when it was called, and ``reread TABLE`` asks Debezium to read a table again while changes go on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from jobs.kafka import client_settings
from jobs.metrics import log
from nova import load, merge, source, warehouse

FILE_SIZE = 1 << 40
POLL_S = 0.2


class Failed(Exception):
    """Something does not go on, and a person has to look; the message says what to do."""


def position(session: source.Session) -> int:
    """Return how far the source's log goes, as the merge counts positions: even, so it lies behind all transactions."""
    if session.engine == "mysql":
        try:
            found = session.query("show master status")
        except session.errors():  # MySQL from 8.4 on has only the new words, MariaDB only the old ones
            found = session.query("show binary log status")
        file, place = found[0][:2]
        return 2 * (int(str(file).rpartition(".")[2]) * FILE_SIZE + int(place))
    (lsn,) = session.query("select pg_current_wal_lsn() - '0/0'::pg_lsn")[0]
    return 2 * int(lsn)


def wait(seconds: float) -> float:
    """Wait until all is merged that the source has now, and return how long that took, in seconds.

    Raises
    ------
    Failed
        It is not, after that time.
    """
    with source.opened() as session:
        wanted = position(session)
    started = time.monotonic()
    with warehouse.opened() as store:
        while True:
            reached = store.number("select position from nova_core.progress")
            if reached is not None and reached >= wanted:
                return time.monotonic() - started
            if time.monotonic() - started > seconds:
                raise Failed(
                    f"after {seconds:.0f} s all is merged up to {reached}, but the source is at {wanted}:"
                    " look at the connector's status, at the lines of loader and merge, and at the dead letters, of"
                    " which one may hold the merge"
                )
            time.sleep(POLL_S)


def reread(table: str) -> str:
    """Ask Debezium to read a table again, in pieces, while changes go on; return the name of that order."""
    name = f"again-{uuid.uuid4().hex[:12]}"
    with source.opened() as session:
        (scope,) = session.query("select database()" if session.engine == "mysql" else "select current_schema()")[0]
        data = json.dumps({"data-collections": [f"{scope}.{table}"], "type": "incremental"})
        session.execute(
            f"insert into {source.SIGNALS} (id, type, data) values (%s, 'execute-snapshot', %s)", (name, data)
        )
    return name


def _thread(work: Callable[[], None], stopped: threading.Event, wrong: list[BaseException]) -> threading.Thread:
    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            wrong.append(error)
        finally:
            stopped.set()

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread


def follow(lags: Path | None) -> int:
    """Land and merge until a signal comes; return the exit code."""
    stopped, wrong = threading.Event(), list[BaseException]()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    warehouse.insist(warehouse.make, stopped)
    loader = load.Loader(load.names(), client_settings())

    def landing() -> None:
        try:
            # The local warehouse forgets stages when it is started again.
            load.follow(loader, stopped, lambda *_: False, warehouse.make)
        finally:
            loader.close()

    threads = [
        _thread(landing, stopped, wrong),
        _thread(lambda: merge.follow_always(stopped, lags), stopped, wrong),
    ]
    log("info", "following", pid=os.getpid())
    while not stopped.is_set():
        stopped.wait(1)
    for thread in threads:
        thread.join()
    for error in wrong:
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:600])
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="nova.pipeline", description="Land and merge the shop's changes.")
    commands = parser.add_subparsers(dest="command", required=True)
    following = commands.add_parser("follow", help="land and merge until a signal comes")
    following.add_argument(
        "--lags", type=Path, help="write there how old each change was when it became visible, in ms"
    )
    waiting = commands.add_parser("wait", help="until all is merged that the source has committed")
    waiting.add_argument("--seconds", type=float, default=120)
    again = commands.add_parser("reread", help="ask Debezium to read a table again")
    again.add_argument("table", choices=warehouse.TABLES)
    commands.add_parser("clear", help="remove all that is in the warehouse")
    given = parser.parse_args(arguments)
    try:
        if given.command == "follow":
            return follow(given.lags)
        if given.command == "wait":
            log("info", "level", seconds=round(wait(given.seconds), 2))
        elif given.command == "reread":
            log("info", "asked", table=given.table, signal=reread(given.table))
        else:
            with warehouse.opened() as store:
                warehouse.clear(store)
    except (Failed, source.SourceError) as error:
        log("error", "failed", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
