"""What to print about loads, and what to ask the tables."""

from __future__ import annotations

from typing import Any

from jobs.balance import format_balance
from jobs.database import Connection

__all__ = ["file_by_key", "format_balance", "launches_by_company", "launches_by_year", "quarantine_sample", "totals"]

Row = tuple[Any, ...]


def totals(connection: Connection) -> dict[str, int]:
    """Return how many launches, files and quarantined records there are."""
    row = _rows(
        connection,
        "SELECT (SELECT count(*) FROM meteor.launches),"
        " (SELECT count(*) FROM meteor.files WHERE status = 'loaded'),"
        " (SELECT count(*) FROM meteor.files WHERE status = 'rejected'),"
        " (SELECT count(*) FROM meteor.quarantine)",
    )[0]
    return dict(zip(("launches", "files_loaded", "files_rejected", "quarantined"), row, strict=True))


def file_by_key(connection: Connection, bucket: str, key: str) -> dict[str, Any] | None:
    """Return what the newest delivery under a key came to, or None while it is not done.

    ``status`` is the outcome of the delivery, the counts are those of its content when that was loaded.
    """
    files: tuple[str, ...] = (
        "file_id",
        "content_hash",
        "shape",
        "read",
        "loaded",
        "updated",
        "duplicate",
        "quarantined",
    )
    files += ("blank_lines", "bytes_read", "seconds", "quarantine_key", "error_code", "error")
    columns = [
        "d.outcome",
        "d.etag",
        "d.modified_at::text",
        "d.recorded_at::text",
        *(f"f.{name}" for name in files),
    ]
    rows = _rows(
        connection,
        f"SELECT {', '.join(columns)} FROM meteor.deliveries AS d JOIN meteor.files AS f USING (file_id)"
        " WHERE (d.bucket, d.key) = (%s, %s) ORDER BY d.modified_at DESC, d.recorded_at DESC LIMIT 1",
        (bucket, key),
    )
    if not rows:
        return None
    found = dict(zip(("status", "etag", "modified_at", "recorded_at", *files), rows[0], strict=True))
    reasons = _rows(
        connection,
        "SELECT reason, count(*) FROM meteor.quarantine WHERE file_id = %s GROUP BY reason ORDER BY reason",
        (found["file_id"],),
    )
    return {**found, "reasons": dict(reasons)}


def launches_by_company(connection: Connection, limit: int = 10) -> list[Row]:
    """Return company, launches, successes and first and last year, for the busiest companies."""
    return _rows(
        connection,
        "SELECT company, count(*), count(*) FILTER (WHERE mission_status = 'Success'),"
        " extract(year FROM min(launched_on))::int, extract(year FROM max(launched_on))::int"
        " FROM meteor.launches GROUP BY company ORDER BY count(*) DESC, company LIMIT %s",
        (limit,),
    )


def launches_by_year(connection: Connection, limit: int = 10) -> list[Row]:
    """Return year, launches and successes, newest first."""
    return _rows(
        connection,
        "SELECT extract(year FROM launched_on)::int AS year, count(*),"
        " count(*) FILTER (WHERE mission_status = 'Success')"
        " FROM meteor.launches GROUP BY year ORDER BY year DESC LIMIT %s",
        (limit,),
    )


def quarantine_sample(connection: Connection, file_id: int, limit: int = 5) -> list[Row]:
    """Return line, reason and raw text of some of a file's quarantined records; first one of each reason."""
    return _rows(
        connection,
        "SELECT line, reason, raw FROM ("
        " SELECT line, reason, raw, row_number() OVER (PARTITION BY reason ORDER BY line) AS turn"
        " FROM meteor.quarantine WHERE file_id = %s"
        ") AS found ORDER BY turn, line LIMIT %s",
        (file_id, limit),
    )


def _rows(connection: Connection, query: str, values: tuple[Any, ...] = ()) -> list[Row]:
    return connection.execute(query.encode(), values).fetchall()
