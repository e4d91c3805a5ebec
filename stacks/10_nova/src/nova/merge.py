"""Merge what was landed into current rows and versions, by the statements that Snowflake's task runs.

``python -m nova.merge`` goes on until it is told to stop; ``--once`` merges what is there.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from dataclasses import dataclass

from jobs.faults import fault_point
from jobs.metrics import log
from nova import metrics, warehouse
from nova.warehouse import Warehouse

PAUSE_S = 0.1


@dataclass(frozen=True)
class Merged:
    """What one run did.

    Parameters
    ----------
    kind : str
        ``transactions``, ``snapshot``, or ``wait`` where a snapshot is not here whole.
    until : int or None
        The source's position up to which all is merged; None when nothing was ready.
    rows : int
        How many states of rows were merged.
    seconds : float
        How long it took.
    """

    kind: str
    until: int | None
    rows: int
    seconds: float


def merge(store: Warehouse) -> Merged:
    """Run the statements once, in one transaction."""
    started = time.monotonic()
    with store.transaction():
        before = store.number("select position from nova_core.progress")
        for number, statement in enumerate(warehouse.merge_statements(), start=1):
            store.query(statement)
            fault_point(f"merge_{number:02}")
        kind, until = store.query("select kind, until from nova_core.plan")[0]
        rows = store.number("select count(*) from nova_core.batch") or 0
    fault_point("merged")
    done = None if until is None or (before is not None and int(until) <= before) else int(until)
    return Merged(str(kind), done, rows, time.monotonic() - started)


def waiting(store: Warehouse) -> bool:
    """Tell whether anything came since the last merge: what a task asks SYSTEM$STREAM_HAS_DATA."""
    newest = "select coalesce(max(batch), 0) from nova_landing.loader"
    return (store.number(newest) or 0) > (store.number("select batch from nova_core.progress") or 0)


def merge_all(store: Warehouse) -> list[Merged]:
    """Merge until nothing is ready any more."""
    done = []
    while True:
        merged = merge(store)
        if merged.until is None:
            return done
        done.append(merged)
        metrics.merged(merged.rows, merged.seconds)


def follow(store: Warehouse, stopped: threading.Event) -> None:
    """Merge whenever something has come, until `stopped` is set."""
    while not stopped.is_set():
        if waiting(store):
            merge_all(store)
        else:
            stopped.wait(PAUSE_S)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="nova.merge", description="Merge what was landed.")
    parser.add_argument("--once", action="store_true", help="merge what is there, and end")
    given = parser.parse_args(arguments)
    stopped = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    with warehouse.opened() as store:
        warehouse.make(store)
        log("info", "started", part="merge")
        if given.once:
            merge_all(store)
        else:
            follow(store, stopped)
    log("info", "finished", part="merge")
    return 0


if __name__ == "__main__":
    sys.exit(main())
