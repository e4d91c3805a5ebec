"""One delivered file into PostgreSQL, exactly once: what all loads of files have in common.

A stack brings a `Job`: how a file is staged, and how what was staged is merged. Nothing is visible before the end,
and everything is then: rows, quarantine, the record of the file. A crash anywhere leaves the database as it was, and
the same call again does the whole work again.

The stack's schema holds the tables ``files``, ``deliveries`` and ``quarantine`` (see a stack's migrations for their
columns). The temporary table ``staging``, which `Job.stage` makes, has the columns ``line``, ``reason`` and ``raw``
beside its own; a record whose ``reason`` is set goes to quarantine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from psycopg import sql

from jobs.balance import Balance, Imbalance
from jobs.database import Connection, lock
from jobs.errors import FileRejected
from jobs.faults import fault_point
from jobs.ledger import Entry, Ledger
from jobs.quarantine import Quarantine
from jobs.source import Content, Delivery, Limits


@dataclass(frozen=True)
class Result:
    """What became of one delivery.

    Parameters
    ----------
    status : str
        ``loaded``, ``already_loaded`` (nothing was done: the content is known), ``rejected`` or
        ``already_rejected``.
    balance : Balance
        What *this* delivery did; all zero unless ``loaded``.
    reasons : dict
        Quarantined records by reason code.
    """

    status: str
    delivery: Delivery
    content_hash: str
    balance: Balance
    shape: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    blank_lines: int = 0
    ignored_columns: tuple[str, ...] = ()
    bytes_read: int = 0
    quarantine_key: str | None = None
    error_code: str | None = None
    error: str | None = None
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON would have it."""
        return {
            "status": self.status,
            "bucket": self.delivery.bucket,
            "key": self.delivery.key,
            "content_hash": self.content_hash,
            **self.balance.as_dict(),
            "reasons": dict(sorted(self.reasons.items())),
            "blank_lines": self.blank_lines,
            "shape": self.shape,
            "ignored_columns": list(self.ignored_columns),
            "bytes_read": self.bytes_read,
            "quarantine_key": self.quarantine_key,
            "error_code": self.error_code,
            "error": self.error,
            "seconds": round(self.seconds, 3),
            "timings": {name: round(seconds, 3) for name, seconds in self.timings.items()},
        }


@dataclass(frozen=True)
class Staged:
    """What was read of a file.

    Parameters
    ----------
    shape : str
        Which of the stack's layouts it has.
    read : int
        Records read, the bad ones among them; as many are in ``staging``.
    reasons : dict
        How many of them were refused, by reason code.
    """

    shape: str
    read: int
    reasons: dict[str, int]
    blank_lines: int = 0
    ignored_columns: tuple[str, ...] = ()


class Job(Protocol):
    """What a stack brings."""

    schema: str

    def stage(self, connection: Connection, content: Content) -> Staged:
        """Create the temporary table ``staging`` and fill it with all records of the file.

        Raises
        ------
        FileRejected
            No retry will mend this file.
        """

    def merge(self, connection: Connection, delivery: Delivery, file_id: int) -> tuple[int, int]:
        """Bring the good records of ``staging`` into the tables; return how many were loaded and updated."""


def load(
    connection: Connection,
    delivery: Delivery,
    chunks: Iterable[bytes],
    quarantine: Quarantine,
    job: Job,
    *,
    limits: Limits | None = None,
) -> Result:
    """Load one delivered file.

    Parameters
    ----------
    connection : Connection
        In autocommit mode, with the tables prepared.
    delivery : Delivery
    chunks : iterable of bytes
        The object as stored, read once.
    quarantine : Quarantine
        Where rejected rows, or the whole file, go.
    job : Job
        What is done with it.
    limits : Limits, optional

    Returns
    -------
    Result
        Also for a file that is refused; only what a retry may mend raises.
    """
    started = time.perf_counter()
    content = Content(chunks, limits)
    try:
        return _Load(connection, delivery, content, quarantine, job, started).run()
    except FileRejected as refusal:
        return _refuse(connection, delivery, content, quarantine, job.schema, refusal, started)


class _Load:
    def __init__(
        self,
        connection: Connection,
        delivery: Delivery,
        content: Content,
        quarantine: Quarantine,
        job: Job,
        started: float,
    ) -> None:
        self.connection = connection
        self.delivery = delivery
        self.content = content
        self.quarantine = quarantine
        self.job = job
        self.started = started
        self.ledger = Ledger(connection, job.schema)
        self.timings: dict[str, float] = {}

    def run(self) -> Result:
        with self.connection.transaction():
            self.ledger.lock_delivery(self.delivery)
            if known := self.ledger.by_delivery(self.delivery):
                return _known(known, self.delivery, self.started)
            fault_point("locked")
            begun = time.perf_counter()
            staged = self.job.stage(self.connection, self.content)
            if not staged.read:
                raise FileRejected(
                    "no_records", "the file holds a header and nothing else: deliver it with its records"
                )
            self.timings["stage"] = time.perf_counter() - begun
            content_hash = self.content.finish()
            fault_point("staged")
            self.ledger.lock_content(content_hash)
            if known := self.ledger.by_content(content_hash):
                self.ledger.record_delivery(known.file_id, self.delivery, f"already_{known.status}")
                return _known(known, self.delivery, self.started)
            balance, file_id = self._merge(staged)
            key = self._quarantine(content_hash) if balance.quarantined else None
            self.ledger.record(
                file_id=file_id,
                content_hash=content_hash,
                delivery=self.delivery,
                status="loaded",
                balance=balance,
                seconds=time.perf_counter() - self.started,
                shape=staged.shape,
                blank_lines=staged.blank_lines,
                bytes_read=self.content.bytes_out,
                quarantine_key=key,
            )
            fault_point("recorded")
            if balance.quarantined:
                insert = (
                    "INSERT INTO {} SELECT %s, line, reason, coalesce(raw, '') FROM staging WHERE reason IS NOT NULL"
                )
                table = sql.Identifier(self.job.schema, "quarantine")
                self.connection.execute(sql.SQL(insert).format(table), (file_id,))
            fault_point("before_commit")
        fault_point("committed")
        return Result(
            status="loaded",
            delivery=self.delivery,
            content_hash=content_hash,
            balance=balance,
            shape=staged.shape,
            reasons=staged.reasons,
            blank_lines=staged.blank_lines,
            ignored_columns=staged.ignored_columns,
            bytes_read=self.content.bytes_out,
            quarantine_key=key,
            seconds=time.perf_counter() - self.started,
            timings=self.timings,
        )

    def _merge(self, staged: Staged) -> tuple[Balance, int]:
        begun = time.perf_counter()
        row = self.connection.execute("SELECT count(*), count(reason) FROM staging").fetchone()
        assert row is not None
        count, quarantined = row
        if count != staged.read or quarantined != sum(staged.reasons.values()):
            raise Imbalance(f"{staged.read} records read, {count} staged, {quarantined} of them refused")
        # One merge at a time: two files with the same records neither race nor deadlock. Readers are not held up.
        lock(self.connection, f"{self.job.schema} merge")
        file_id = self.ledger.next_id()
        loaded, updated = self.job.merge(self.connection, self.delivery, file_id)
        self.timings["merge"] = time.perf_counter() - begun
        return Balance(
            read=count,
            loaded=loaded,
            updated=updated,
            duplicate=count - quarantined - loaded - updated,
            quarantined=quarantined,
        ), file_id

    def _quarantine(self, content_hash: str) -> str:
        """Write the object before the commit: after a crash between the two the retry writes it again."""
        begun = time.perf_counter()
        with self.connection.cursor() as cursor:
            query = (
                "COPY (SELECT line, reason, coalesce(raw, '') FROM staging"
                " WHERE reason IS NOT NULL ORDER BY line) TO STDOUT"
            )
            with cursor.copy(query) as copy:
                copy.set_types(["int8", "text", "text"])
                rows: Iterator[Any] = copy.rows()
                key = self.quarantine.put_rows(content_hash, rows)
        self.timings["quarantine"] = time.perf_counter() - begun
        fault_point("quarantined")
        return key


def _known(entry: Entry, delivery: Delivery, started: float) -> Result:
    return Result(
        status=f"already_{entry.status}",
        delivery=delivery,
        content_hash=entry.content_hash,
        balance=Balance(),
        error_code=entry.error_code,
        seconds=time.perf_counter() - started,
    )


def _refuse(
    connection: Connection,
    delivery: Delivery,
    content: Content,
    quarantine: Quarantine,
    schema: str,
    refusal: FileRejected,
    started: float,
) -> Result:
    """Put the whole file into quarantine and on record, so that no retry and no sweep tries it again."""
    content_hash = content.finish()
    key = quarantine.put_file(content_hash, delivery)
    fault_point("file_quarantined")
    ledger = Ledger(connection, schema)
    with connection.transaction():
        ledger.lock_content(content_hash)
        if known := ledger.by_content(content_hash):
            ledger.record_delivery(known.file_id, delivery, f"already_{known.status}")
            return _known(known, delivery, started)
        ledger.record(
            file_id=ledger.next_id(),
            content_hash=content_hash,
            delivery=delivery,
            status="rejected",
            balance=Balance(),
            seconds=time.perf_counter() - started,
            bytes_read=content.bytes_out,
            quarantine_key=key,
            error_code=refusal.code,
            error=refusal.message,
        )
    return Result(
        status="rejected",
        delivery=delivery,
        content_hash=content_hash,
        balance=Balance(),
        bytes_read=content.bytes_out,
        quarantine_key=key,
        error_code=refusal.code,
        error=refusal.message,
        seconds=time.perf_counter() - started,
    )
