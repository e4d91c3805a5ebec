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
from pathlib import Path

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
    newest_ms : int or None
        When the source committed the newest of them, in milliseconds since 1970.
    """

    kind: str
    until: int | None
    rows: int
    seconds: float
    newest_ms: int | None


def merge(store: Warehouse) -> Merged:
    """Run the statements once, in one transaction."""
    started = time.monotonic()
    with store.transaction():
        before = store.number("select position from nova_core.progress")
        for number, statement in enumerate(warehouse.merge_statements(), start=1):
            store.query(statement)
            fault_point(f"merge_{number:02}")
        kind, until = store.query("select kind, until from nova_core.plan")[0]
        rows, newest = store.query("select count(*), max(source_ms) from nova_core.batch")[0]
    fault_point("merged")
    # A snapshot may lie before what is merged: its source was restored.
    is_new = until is not None and (kind == "snapshot" or before is None or int(until) > before)
    done = int(until) if is_new else None
    newest_ms = None if newest is None else int(newest)
    return Merged(str(kind), done, int(rows), time.monotonic() - started, newest_ms)


def waiting(store: Warehouse) -> bool:
    """Tell whether anything came since the last merge: what a task asks SYSTEM$STREAM_HAS_DATA."""
    newest = "select coalesce(max(batch), 0) from nova_landing.loader"
    return (store.number(newest) or 0) > (store.number("select batch from nova_core.progress") or 0)


def merge_all(store: Warehouse, lags: Path | None = None) -> list[Merged]:
    """Merge until nothing is ready any more; write lags where a file is named (`_lags`)."""
    done: list[Merged] = []
    while True:
        merged = merge(store)
        if merged.until is None:
            return done
        done.append(merged)
        metrics.merged(merged.rows, merged.seconds, merged.newest_ms)
        if lags and merged.kind == "transactions":
            _lags(store, lags)


def _lags(store: Warehouse, path: Path) -> None:
    """Append how old each change was when it became visible, in milliseconds: the shop notes when it changes a row."""
    visible = time.time() * 1000
    rows = store.query(
        "select date_part(epoch_millisecond, rtrim(image:changed_at::varchar, 'Z')::timestamp_ntz)"
        " from nova_core.batch where kind = 'transaction' and op <> 'd'"
    )
    with open(path, "a") as file:
        file.writelines(f"{visible - float(changed):.0f}\n" for (changed,) in rows if changed is not None)


def follow(store: Warehouse, stopped: threading.Event, lags: Path | None = None) -> None:
    """Merge whenever something has come, until `stopped` is set."""
    while not stopped.is_set():
        if waiting(store):
            merge_all(store, lags)
        else:
            stopped.wait(PAUSE_S)


def follow_always(stopped: threading.Event, lags: Path | None = None) -> None:
    """Merge until `stopped` is set, and wait where the warehouse is away."""
    warehouse.insist(lambda store: follow(store, stopped, lags), stopped)


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
    if not given.once:
        follow_always(stopped)
    log("info", "finished", part="merge")
    return 0


if __name__ == "__main__":
    sys.exit(main())
