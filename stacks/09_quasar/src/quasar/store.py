"""The serving store, PostgreSQL: how the layers write into it, so that a second time changes nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

import boto3
import psycopg

from jobs.database import Connection, DatabaseSettings, connect_with_secret, migrate
from jobs.metrics import log

T = TypeVar("T")
PATIENCE_S = 600.0
"""How long a layer waits for a store that does not answer; Kafka keeps what comes meanwhile."""

WINDOWS = (
    "events",
    "temperature_sum",
    "temperature_min",
    "temperature_max",
    "voltage_sum",
    "voltage_min",
    "voltage_max",
)


class StoreError(Exception):
    """The store contradicts the stream; the message says what to do."""


@dataclass(frozen=True)
class Batch:
    """A micro-batch: what it took from Kafka, and before when its events were too late.

    Parameters
    ----------
    checkpoint_id : str
        Of the stream; another one means that it began anew.
    number : int
    starts, ends : mapping
        Partition to first offset, and to the offset after the last.
    late_before_ms : int
        Milliseconds since 1970: events of then or earlier were dropped.
    """

    checkpoint_id: str
    number: int
    starts: Mapping[int, int]
    ends: Mapping[int, int]
    late_before_ms: int


# Nights may overlap (one is late, one by hand): what writes or compares days takes its turn. Readers never wait.
TAKE_TURN = "LOCK TABLE quasar.batch_days IN EXCLUSIVE MODE"


class Store:
    """A connection that comes back after the server was away.

    Parameters
    ----------
    opened : callable
        Opens a connection; `from_environment` has the usual one.
    """

    def __init__(self, opened: Callable[[], Connection]) -> None:
        self._opened = opened
        self.stopping = threading.Event()
        self._connection: Connection | None = None

    @classmethod
    def from_environment(cls) -> Store:
        """Return the store that ``DB_*`` in the environment names, its tables made when they are missing.

        Raises
        ------
        KeyError
            A variable is missing; the error has its name.
        """
        settings = DatabaseSettings.from_environment()

        def opened() -> Connection:
            connection = connect_with_secret(settings, boto3.client("secretsmanager"))
            migrate(connection, "quasar", files("quasar") / "migrations")
            return connection

        return cls(opened)

    def patiently(self, work: Callable[[Connection], T]) -> T:
        """Do some work in a transaction of its own; while the server is away, wait and do it again.

        Raises
        ------
        psycopg.Error
            It was away for ten minutes or until `stopping` was set, or the work itself is wrong.
        """
        ends_at, pause = time.monotonic() + PATIENCE_S, 0.1
        while True:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._opened()
                with self._connection.transaction():
                    return work(self._connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                if time.monotonic() > ends_at or self.stopping.is_set():
                    raise
                log("warning", "store_away", error=str(error).strip().splitlines()[0])
                self.stopping.wait(pause)
                pause = min(2 * pause, 2.0)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def write_speed(connection: Connection, batch: Batch, rows: Sequence[Sequence[Any]]) -> int:
    """Write what a micro-batch changed, and that it did; the same one again, or an earlier one, changes nothing.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    batch : Batch
    rows : sequence
        Start of a window, kind, and the columns `WINDOWS`: whole values, not what was added.

    Returns
    -------
    int
        How many windows changed.
    """
    generation = _generation(connection, batch.checkpoint_id)
    inserted = connection.execute(
        "INSERT INTO quasar.speed_batches (generation, batch_id, starts, ends, late_before)"
        " VALUES (%s, %s, %s, %s, to_timestamp(%s / 1000.0)) ON CONFLICT DO NOTHING",
        (generation, batch.number, json.dumps(batch.starts), json.dumps(batch.ends), batch.late_before_ms),
    )
    if not inserted.rowcount:
        query = "SELECT ends FROM quasar.speed_batches WHERE generation = %s AND batch_id = %s"
        known = connection.execute(query, (generation, batch.number)).fetchone()
        if known and {int(each): end for each, end in known[0].items()} != dict(batch.ends):
            raise StoreError(
                f"batch {batch.number} is in the store with other messages: the checkpoint was changed by hand or"
                " restored; next: begin with a new checkpoint"
            )
    if not rows:
        return 0
    columns = [list(column) for column in zip(*rows, strict=True)]
    numbers = ", ".join(["%s::bigint[]"] * len(WINDOWS))
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*WINDOWS, "generation", "batch_id", "updated_at"))
    done = connection.execute(
        f"INSERT INTO quasar.speed_windows AS old (window_start, kind, {', '.join(WINDOWS)}, generation, batch_id)"
        f" SELECT new.*, %s, %s FROM unnest(%s::timestamptz[], %s::text[], {numbers}) AS new"
        f" ON CONFLICT (window_start, kind) DO UPDATE SET {updates}"
        " WHERE (old.generation, old.batch_id) < (excluded.generation, excluded.batch_id)".encode(),
        (generation, batch.number, *columns),
    )
    return done.rowcount


def _generation(connection: Connection, checkpoint_id: str) -> int:
    """Return the number of a checkpoint; those of later ones are larger."""
    query = "SELECT generation FROM quasar.speed_generations WHERE checkpoint_id = %s"
    found = connection.execute(query, (checkpoint_id,)).fetchone()
    if found is None:
        insert = "INSERT INTO quasar.speed_generations (checkpoint_id) VALUES (%s) RETURNING generation"
        found = connection.execute(insert, (checkpoint_id,)).fetchone()
    assert found is not None
    return int(found[0])
