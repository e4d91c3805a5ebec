"""A file of the archive into the operational database: COPY into staging, then one statement for each table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files

from comet import statements
from comet.contract import Layout, recognise
from jobs import load as loading
from jobs.database import Connection, migrate
from jobs.faults import fault_point
from jobs.load import Result, Staged
from jobs.quarantine import Quarantine
from jobs.records import BLOCK, Block, Header, Records
from jobs.source import Content, Delivery, Limits
from jobs.text import decode, storable

SCHEMA = "archive"


def prepare(connection: Connection) -> list[str]:
    """Create or upgrade the tables; return the migrations applied."""
    return migrate(connection, SCHEMA, files("comet") / "migrations")


def land(
    connection: Connection,
    delivery: Delivery,
    chunks: Iterable[bytes],
    quarantine: Quarantine,
    *,
    limits: Limits | None = None,
    block_bytes: int = BLOCK,
) -> Result:
    """Load one delivered file; see `jobs.load.load`."""
    return loading.load(connection, delivery, chunks, quarantine, _Planets(block_bytes), limits=limits)


class _Planets:
    """How a file of planets is staged and merged."""

    schema = SCHEMA

    def __init__(self, block_bytes: int) -> None:
        self.block_bytes = block_bytes
        self.layout = Layout("", ())

    def stage(self, connection: Connection, content: Content) -> Staged:
        """Copy the records as they came; the database judges them, all at once."""
        records = Records(content, self.block_bytes)
        self.layout = layout = recognise(_header(records).fields)
        connection.execute(statements.staging(layout).encode())
        read = 0
        with connection.cursor() as cursor, cursor.copy(statements.copy_staging(layout).encode()) as copy:
            for block in records.blocks(layout.columns):
                copy.write(b"".join(_rows(block, layout)))
                read += len(block.lines) + len(block.odd)
                fault_point("block")
        connection.execute("SET LOCAL work_mem = '64MB'")
        connection.execute("SET LOCAL default_statistics_target = 10")  # enough to choose a join
        connection.execute(statements.judge(layout).encode())
        fault_point("judged")
        found = connection.execute("SELECT reason, count(*) FROM staging WHERE reason IS NOT NULL GROUP BY reason")
        return Staged(layout.shape, read, dict(found.fetchall()), records.blank_lines, layout.ignored)

    def merge(self, connection: Connection, delivery: Delivery, file_id: int) -> tuple[int, int]:
        """Bring what is new or changed into the tables, from systems down to measurements."""
        counts = {"loaded": 0, "updated": 0}
        values = {"file_id": file_id, "delivered_at": delivery.modified_at}
        for name, statement in statements.merge(self.layout):
            done = connection.execute(statement.encode(), values if "%(" in statement else None)
            if name in counts:
                counts[name] = done.rowcount
            fault_point(name)
        return counts["loaded"], counts["updated"]


def _header(records: Records) -> Header:
    """Return the header behind the ``#`` lines that the archive puts above it."""
    header = records.header()
    while header.raw.lstrip().startswith(b"#"):
        header = records.header()
    return header


def _rows(block: Block, layout: Layout) -> Iterator[bytes]:
    """Yield records as CSV for COPY: line, reason, the record as it came, and its fields."""
    plain = _is_utf8(block.data)
    for record, line in enumerate(block.lines.tolist()):
        raw = block.raw(record)
        if not plain:
            raw = decode(raw).encode()
        yield b'%d,,"%s",%s\n' % (line, raw.replace(b'"', b'""'), raw)
    nothing = b"," * layout.columns
    for odd in block.odd:
        raw = storable(odd.raw).encode()
        yield b'%d,%s,"%s"%s\n' % (odd.line, odd.reason.encode(), raw.replace(b'"', b'""'), nothing)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
