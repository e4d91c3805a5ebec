"""One file into PostgreSQL, exactly once: staged while it is read, merged in one transaction."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from jobs.balance import Balance, Imbalance
from jobs.database import Connection, lock, migrate
from jobs.errors import FileRejected
from jobs.faults import fault_point
from jobs.ledger import Entry, Ledger
from jobs.quarantine import Quarantine, RejectedRow
from jobs.records import BLOCK, Block, Records
from jobs.source import Content, Delivery, Limits
from jobs.text import storable
from meteor.clean import COLUMNS, clean_frame, launch_keys
from meteor.formats import Layout, recognise

SCHEMA = "meteor"

_STAGING = """
CREATE TEMPORARY TABLE staging (
    launch_key uuid, company text, location text, launched_on date, launched_time time, rocket text, mission
    text, rocket_status text, price_musd numeric, mission_status text, line bigint, reason text, raw text
) ON COMMIT DROP
"""

_COPY = "COPY staging FROM STDIN WITH (NULL '')"

# Of several rows for one launch in one file the last one counts. Empty means unknown, so it does not erase
# what is known.
_UPDATE = """
UPDATE meteor.launches AS l
SET company = s.company, location = coalesce(s.location, l.location), launched_time =
coalesce(s.launched_time, l.launched_time),
    rocket = s.rocket, mission = s.mission, rocket_status = coalesce(s.rocket_status, l.rocket_status),
    price_musd = coalesce(s.price_musd, l.price_musd), mission_status = s.mission_status,
    file_id = %(file_id)s, line = s.line, delivered_at = %(delivered_at)s
FROM (
    SELECT DISTINCT ON (s.launch_key) s.* FROM staging AS s JOIN meteor.launches AS known USING (launch_key)
    WHERE s.reason IS NULL ORDER BY s.launch_key, s.line DESC
) AS s
WHERE l.launch_key = s.launch_key AND l.delivered_at <= %(delivered_at)s
  AND (l.company, l.location, l.launched_time, l.rocket, l.mission, l.rocket_status, l.price_musd,
  l.mission_status)
      IS DISTINCT FROM (
          s.company, coalesce(s.location, l.location), coalesce(s.launched_time, l.launched_time), s.rocket,
          s.mission, coalesce(s.rocket_status, l.rocket_status), coalesce(s.price_musd, l.price_musd),
          s.mission_status)
"""

_INSERT = """
INSERT INTO meteor.launches (
    launch_key, company, location, launched_on, launched_time, rocket, mission, rocket_status, price_musd,
    mission_status, file_id, line, delivered_at)
SELECT DISTINCT ON (launch_key)
    launch_key, company, location, launched_on, launched_time, rocket, mission, rocket_status, price_musd,
    mission_status, %(file_id)s, line, %(delivered_at)s
FROM staging AS s
WHERE reason IS NULL AND NOT EXISTS (SELECT FROM meteor.launches AS l WHERE l.launch_key = s.launch_key)
ORDER BY launch_key, line DESC
"""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


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


def prepare(connection: Connection) -> list[str]:
    """Create or upgrade the tables; return the migrations applied."""
    return migrate(connection, SCHEMA, files("meteor") / "migrations")


def load(
    connection: Connection,
    delivery: Delivery,
    chunks: Iterable[bytes],
    quarantine: Quarantine,
    *,
    limits: Limits | None = None,
    block_bytes: int = BLOCK,
) -> Result:
    """Load one delivered file.

    Nothing is visible before the end, and everything is then: rows, quarantine, the record of the file. A
    crash anywhere leaves the database as it was, and the same call again does the whole work again.

    Parameters
    ----------
    connection : Connection
        In autocommit mode, with the tables prepared.
    delivery : Delivery
    chunks : iterable of bytes
        The object as stored, read once.
    quarantine : Quarantine
        Where rejected rows, or the whole file, go.
    limits : Limits, optional
    block_bytes : int

    Returns
    -------
    Result
        Also for a file that is refused; only what a retry may mend raises.
    """
    started = time.perf_counter()
    content = Content(chunks, limits)
    try:
        return _Load(connection, delivery, content, quarantine, block_bytes, started).run()
    except FileRejected as refusal:
        return _refuse(connection, delivery, content, quarantine, refusal, started)


class _Load:
    def __init__(
        self,
        connection: Connection,
        delivery: Delivery,
        content: Content,
        quarantine: Quarantine,
        block_bytes: int,
        started: float,
    ) -> None:
        self.connection = connection
        self.delivery = delivery
        self.content = content
        self.quarantine = quarantine
        self.block_bytes = block_bytes
        self.started = started
        self.ledger = Ledger(connection, SCHEMA)
        self.reasons: dict[str, int] = {}
        self.read = 0
        self.timings: dict[str, float] = {}

    def run(self) -> Result:
        with self.connection.transaction():
            self.ledger.lock_delivery(self.delivery)
            if known := self.ledger.by_delivery(self.delivery):
                return _known(known, self.delivery, self.started)
            fault_point("locked")
            self.connection.execute(_STAGING)
            layout, blank_lines = self._stage()
            content_hash = self.content.finish()
            fault_point("staged")
            self.ledger.lock_content(content_hash)
            if known := self.ledger.by_content(content_hash):
                self.ledger.record_delivery(known.file_id, self.delivery, f"already_{known.status}")
                return _known(known, self.delivery, self.started)
            balance, file_id = self._merge()
            key = self._quarantine(content_hash) if balance.quarantined else None
            seconds = time.perf_counter() - self.started
            self.ledger.record(
                file_id=file_id,
                content_hash=content_hash,
                delivery=self.delivery,
                status="loaded",
                balance=balance,
                seconds=seconds,
                shape=layout.shape,
                blank_lines=blank_lines,
                bytes_read=self.content.bytes_out,
                quarantine_key=key,
            )
            fault_point("recorded")
            if balance.quarantined:
                self.connection.execute(
                    "INSERT INTO meteor.quarantine (file_id, line, reason, raw) "
                    "SELECT %s, line, reason, coalesce(raw, '') FROM staging WHERE reason IS NOT NULL",
                    (file_id,),
                )
            fault_point("before_commit")
        fault_point("committed")
        return Result(
            status="loaded",
            delivery=self.delivery,
            content_hash=content_hash,
            balance=balance,
            shape=layout.shape,
            reasons=self.reasons,
            blank_lines=blank_lines,
            ignored_columns=layout.ignored,
            bytes_read=self.content.bytes_out,
            quarantine_key=key,
            seconds=time.perf_counter() - self.started,
            timings=self.timings,
        )

    def _stage(self) -> tuple[Layout, int]:
        """Read, clean and copy block by block.

        PostgreSQL parses one block while the next is cleaned: the socket's buffer is enough for that, a
        writer thread costs more than it brings.
        """
        begun = time.perf_counter()
        records = Records(self.content, self.block_bytes)
        layout = recognise(records.header().fields)
        with self.connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for block in records.blocks(layout.columns):
                copy.write(self._rows(block, layout))
                fault_point("block")
        if not self.read:
            raise FileRejected("no_records", "the file holds a header and nothing else: deliver it with its records")
        self.timings["stage"] = time.perf_counter() - begun
        return layout, records.blank_lines

    def _rows(self, block: Block, layout: Layout) -> bytes:
        """Return a block as rows for COPY; rejected records carry a reason instead of a key."""
        self.read += len(block.lines) + len(block.odd)
        rejected: list[RejectedRow] = [(odd.line, odd.reason, storable(odd.raw)) for odd in block.odd]
        rows: list[str] = []
        if len(block.lines):
            frame, mixed = parse(block, layout)
            cleaned = clean_frame(frame, mixed=mixed)
            launches, lines = cleaned.launches, block.lines
            bad = cleaned.rejected
            if bad.any():
                rejected += [
                    (int(lines[row]), str(cleaned.reasons[row]), storable(block.raw(row)))
                    for row in np.flatnonzero(bad).tolist()
                ]
                launches, lines = launches[~bad], lines[~bad]
            rows = _copy_rows(launches, lines, escape=b"\\" in block.data)
        for line, reason, raw in rejected:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            rows.append("\t" * len(COLUMNS) + f"\t{line}\t{reason}\t{raw.translate(_ESCAPES)}\n")
        # Encoded row by row: as one string, a single name beyond ASCII would double the size of all others.
        return b"".join(map(str.encode, rows))

    def _merge(self) -> tuple[Balance, int]:
        begun = time.perf_counter()
        run = self.connection.execute
        run("SET LOCAL work_mem = '64MB'")
        run("SET LOCAL default_statistics_target = 10")  # enough to choose a join, at a tenth of the time
        run("ANALYZE staging (launch_key, line, reason)")
        row = run("SELECT count(*), count(reason) FROM staging").fetchone()
        assert row is not None
        staged, quarantined = row
        if staged != self.read or quarantined != sum(self.reasons.values()):
            raise Imbalance(f"{self.read} records read, {staged} staged, {quarantined} of them without a launch")
        # One merge at a time: two files with the same launches neither race nor deadlock. Readers are not
        # held up.
        lock(self.connection, f"{SCHEMA} merge")
        file_id = self.ledger.next_id()
        values = {"file_id": file_id, "delivered_at": self.delivery.modified_at}
        updated = run(_UPDATE, values).rowcount
        fault_point("updated")
        loaded = run(_INSERT, values).rowcount
        fault_point("inserted")
        self.timings["merge"] = time.perf_counter() - begun
        return Balance(
            read=staged,
            loaded=loaded,
            updated=updated,
            duplicate=staged - quarantined - loaded - updated,
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


def parse(block: Block, layout: Layout) -> tuple[pd.DataFrame, bool]:
    """Read a block with pandas' C parser.

    Returns
    -------
    DataFrame, bool
        Text under our names; whether it is latin-1 that must be decoded value by value.
    """
    data = block.data
    mixed = False
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            data, mixed = data.decode("latin-1").encode("utf-8"), True
    frame = pd.read_csv(
        io.BytesIO(data),
        header=None,
        names=range(layout.columns),
        usecols=list(layout.positions.values()),
        dtype=object,
        na_filter=False,
        skip_blank_lines=False,
        lineterminator="\n",
        low_memory=False,
        encoding="utf-8",
    )
    if len(frame) != len(block.lines):
        raise Imbalance(f"{len(block.lines)} records became {len(frame)} rows behind line {block.lines[0]}")
    return frame.rename(columns={position: name for name, position in layout.positions.items()}), mixed


def _copy_rows(launches: pd.DataFrame, lines: Any, *, escape: bool) -> list[str]:
    columns: list[Any] = [launch_keys(launches)]
    for name in COLUMNS:
        values = launches[name].tolist()
        columns.append([value.replace("\\", "\\\\") for value in values] if escape else values)
    columns.append([f"{line}\t\t\n" for line in lines.tolist()])
    return list(map("\t".join, zip(*columns, strict=True)))


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
    refusal: FileRejected,
    started: float,
) -> Result:
    """Put the whole file into quarantine and on record, so that no retry and no sweep tries it again."""
    content_hash = content.finish()
    key = quarantine.put_file(content_hash, delivery)
    fault_point("file_quarantined")
    ledger = Ledger(connection, SCHEMA)
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
