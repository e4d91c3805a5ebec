"""What to print about loads, and what to ask the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.database import Connection

Row = tuple[Any, ...]


def format_balance(result: Mapping[str, Any]) -> str:
    """Return the balance of a load in a few lines for people.

    Parameters
    ----------
    result : mapping
        One of the handler's ``files``, or its ``totals``: whatever has the five counts.
    """
    parts = [f"{result[name]:,} {name}" for name in ("loaded", "updated", "duplicate", "quarantined")]
    lines = [f"{result['read']:,} read = " + " + ".join(parts)]
    status = result.get("status", "loaded")
    if status == "rejected":
        lines = [f"refused, whole file in quarantine: {result['error_code']}: {result['error']}"]
    elif status != "loaded":
        lines.append(f"nothing to do: this content was {status.removeprefix('already_')} before")
    for reason, count in sorted(result.get("reasons", {}).items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"  {count:>9,}  {reason}")
    if result.get("quarantine_key"):
        lines.append(f"  in quarantine: {result['quarantine_key']}")
    return "\n".join(lines)


def totals(connection: Connection) -> dict[str, int]:
    """Return how many launches, files and quarantined records there are."""
    row = _rows(
        connection,
        "SELECT (SELECT count(*) FROM meteor.launches), (SELECT count(*) FROM meteor.files WHERE status = 'loaded'),"
        " (SELECT count(*) FROM meteor.files WHERE status = 'rejected'), (SELECT count(*) FROM meteor.quarantine)",
    )[0]
    return dict(zip(("launches", "files_loaded", "files_rejected", "quarantined"), row, strict=True))


def file_by_key(connection: Connection, bucket: str, key: str) -> dict[str, Any] | None:
    """Return the ledger's record of what was last delivered under a key: status, error, balance, timings."""
    names = (
        *("status", "shape", "read", "loaded", "updated", "duplicate", "quarantined", "blank_lines", "bytes_read"),
        *("seconds", "quarantine_key", "error_code", "error", "content_hash", "file_id", "etag"),
    )
    rows = _rows(
        connection,
        f"SELECT {', '.join(names)} FROM meteor.deliveries JOIN meteor.files USING (file_id)"
        " WHERE (bucket, key) = (%s, %s) ORDER BY modified_at DESC, deliveries.recorded_at DESC LIMIT 1",
        (bucket, key),
    )
    if not rows:
        return None
    found = dict(zip(names, rows[0], strict=True))
    found["reasons"] = dict(
        _rows(
            connection,
            "SELECT reason, count(*) FROM meteor.quarantine WHERE file_id = %s GROUP BY reason ORDER BY reason",
            (found["file_id"],),
        )
    )
    return found


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


def quarantine_sample(connection: Connection, limit: int = 5) -> list[Row]:
    """Return line, reason and raw text of the newest file's quarantined records, one for each reason first."""
    return _rows(
        connection,
        "SELECT line, reason, raw FROM ("
        " SELECT *, row_number() OVER (PARTITION BY reason ORDER BY line) AS turn FROM meteor.quarantine"
        " WHERE file_id = (SELECT max(file_id) FROM meteor.quarantine)"
        ") AS found ORDER BY turn, line LIMIT %s",
        (limit,),
    )


def _rows(connection: Connection, query: str, values: tuple[Any, ...] = ()) -> list[Row]:
    return connection.execute(query.encode(), values).fetchall()
