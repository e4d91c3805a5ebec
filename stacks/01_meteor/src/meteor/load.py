"""One file into PostgreSQL, exactly once: staged while it is read, merged in one transaction."""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from jobs import load as loading
from jobs.balance import Imbalance
from jobs.database import Connection, migrate
from jobs.faults import fault_point
from jobs.load import Result, Staged
from jobs.quarantine import Quarantine, RejectedRow
from jobs.records import BLOCK, Block, Records
from jobs.source import Content, Delivery, Limits
from jobs.text import storable
from meteor.clean import COLUMNS, clean_frame, launch_keys
from meteor.formats import Layout, recognise

__all__ = ["Result", "load", "parse", "prepare"]

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
    """Load one delivered file; see `jobs.load.load`.

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
    return loading.load(connection, delivery, chunks, quarantine, _Launches(block_bytes), limits=limits)


class _Launches:
    """How a file of launches is staged and merged."""

    schema = SCHEMA

    def __init__(self, block_bytes: int) -> None:
        self.block_bytes = block_bytes
        self.reasons: dict[str, int] = {}
        self.read = 0

    def stage(self, connection: Connection, content: Content) -> Staged:
        """Read, clean and copy block by block.

        PostgreSQL parses one block while the next is cleaned: the socket's buffer is enough for that, a
        writer thread costs more than it brings.
        """
        connection.execute(_STAGING)
        records = Records(content, self.block_bytes)
        layout = recognise(records.header().fields)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for block in records.blocks(layout.columns):
                copy.write(self._rows(block, layout))
                fault_point("block")
        return Staged(layout.shape, self.read, self.reasons, records.blank_lines, layout.ignored)

    def merge(self, connection: Connection, delivery: Delivery, file_id: int) -> tuple[int, int]:
        """Update what changed, insert what is new."""
        run = connection.execute
        run("SET LOCAL work_mem = '64MB'")
        run("SET LOCAL default_statistics_target = 10")  # enough to choose a join, at a tenth of the time
        run("ANALYZE staging (launch_key, line, reason)")
        values = {"file_id": file_id, "delivered_at": delivery.modified_at}
        updated = run(_UPDATE, values).rowcount
        fault_point("updated")
        loaded = run(_INSERT, values).rowcount
        fault_point("inserted")
        return loaded, updated

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
