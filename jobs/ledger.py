"""The checkpoint of a file pipeline: which contents are done, and which deliveries brought them.

A content is known by its SHA-256, so the same file under another name is not loaded again; a delivery by
bucket, key, ETag and time, so that it is not even read again. Both are written in the transaction that loads
the rows: they are true together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from jobs.balance import Balance
from jobs.database import Connection, lock
from jobs.source import Delivery, listed_object


@dataclass(frozen=True)
class Entry:
    """What the ledger says about one content."""

    file_id: int
    content_hash: str
    status: str
    error_code: str | None
    balance: Balance


class Ledger:
    """The tables ``files`` and ``deliveries`` of one schema (see a stack's migrations for their columns)."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection = connection
        self._files = sql.Identifier(schema, "files")
        self._deliveries = sql.Identifier(schema, "deliveries")
        self._schema = schema

    def lock_delivery(self, delivery: Delivery) -> None:
        """Let one loader at a time work on a delivery."""
        lock(self._connection, f"{self._schema} delivery {delivery.identity}")

    def lock_content(self, content_hash: str) -> None:
        """Let one loader at a time decide about a content."""
        lock(self._connection, f"{self._schema} content {content_hash}")

    def by_delivery(self, delivery: Delivery) -> Entry | None:
        """Return what this delivery brought, when it is done."""
        return self._entry(
            sql.SQL(
                "JOIN {} d USING (file_id) WHERE (d.bucket, d.key, d.etag, d.modified_at) = (%s, %s, %s, %s)"
            ).format(self._deliveries),
            (delivery.bucket, delivery.key, delivery.etag, delivery.modified_at),
        )

    def by_content(self, content_hash: str) -> Entry | None:
        """Return what is known about this content."""
        return self._entry(sql.SQL("WHERE content_hash = %s"), (content_hash,))

    def _entry(self, where: sql.Composable, values: tuple[Any, ...]) -> Entry | None:
        query = sql.SQL(
            "SELECT file_id, content_hash, status, error_code, read, loaded, updated, duplicate, quarantined FROM {} f "
        ).format(self._files)
        row = self._connection.execute(query + where, values).fetchone()
        return Entry(row[0], row[1], row[2], row[3], Balance(*row[4:])) if row else None

    def next_id(self) -> int:
        """Reserve the number under which a file will be recorded."""
        row = self._connection.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'file_id'))", (f"{self._schema}.files",)
        ).fetchone()
        assert row is not None
        return int(row[0])

    def record(
        self,
        *,
        file_id: int,
        content_hash: str,
        delivery: Delivery,
        status: str,
        balance: Balance,
        seconds: float,
        shape: str | None = None,
        blank_lines: int = 0,
        bytes_read: int = 0,
        quarantine_key: str | None = None,
        error_code: str | None = None,
        error: str | None = None,
    ) -> None:
        """Write a content, and the delivery that brought it, as done."""
        columns = {
            "file_id": file_id,
            "content_hash": content_hash,
            "delivered_at": delivery.modified_at,
            "status": status,
            **balance.as_dict(),
            "shape": shape,
            "blank_lines": blank_lines,
            "bytes_read": bytes_read,
            "seconds": seconds,
            "quarantine_key": quarantine_key,
            "error_code": error_code,
            "error": error,
        }
        self._connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                self._files,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(map(sql.Placeholder, columns)),
            ),
            columns,
        )
        self.record_delivery(file_id, delivery, status)

    def record_delivery(self, file_id: int, delivery: Delivery, outcome: str) -> None:
        """Write what a delivery came to: ``loaded``, ``rejected``, or ``already_`` one of them."""
        self._connection.execute(
            sql.SQL(
                "INSERT INTO {} (bucket, key, etag, modified_at, file_id, outcome)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
            ).format(self._deliveries),
            (delivery.bucket, delivery.key, delivery.etag, delivery.modified_at, file_id, outcome),
        )

    def unknown(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Return those that are not done, oldest first: a later delivered correction must come later."""
        wanted = sorted(deliveries, key=lambda delivery: (delivery.modified_at, delivery.key))
        done = self._connection.execute(
            sql.SQL(
                "SELECT bucket, key, etag, modified_at FROM {}"
                " JOIN unnest(%s::text[], %s::text[], %s::text[],"
                " %s::timestamptz[]) AS o (bucket, key, etag, modified_at)"
                " USING (bucket, key, etag, modified_at)"
            ).format(self._deliveries),
            (
                [delivery.bucket for delivery in wanted],
                [delivery.key for delivery in wanted],
                [delivery.etag for delivery in wanted],
                [delivery.modified_at for delivery in wanted],
            ),
        )
        known = set(done.fetchall())
        return [one for one in wanted if (one.bucket, one.key, one.etag, one.modified_at) not in known]

    def undelivered(self, s3: Any, bucket: str, prefix: str) -> list[str]:
        """Return the keys below a prefix whose present content is not done, oldest first."""
        found: list[Delivery] = []
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            listed = (listed_object(bucket, entry) for entry in page.get("Contents", []))
            found += self.unknown(one for one in listed if not one.key.endswith("/"))
        return [one.key for one in sorted(found, key=lambda one: (one.modified_at, one.key))]
