"""The function behind the landing bucket: S3 events and the daily sweep end in ``meteor.load``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import boto3
from meteor import report
from meteor.load import SCHEMA, Result, load, prepare

from jobs.balance import Balance
from jobs.database import Connection, DatabaseSettings, connect_with_secret
from jobs.ledger import Ledger
from jobs.metrics import emit, log
from jobs.quarantine import S3Quarantine
from jobs.source import Limits, open_object

MARGIN_MS = 60_000
"""The sweep begins no further file with less time than this: the next sweep, or a retry, takes over."""


class SomeFailed(RuntimeError):
    """Files that a retry may load: raised after all others were tried, so that the event comes again."""


@dataclass(frozen=True)
class Settings:
    """What the function reads from its environment (README.md lists it)."""

    bucket: str
    landing: str
    quarantine: str
    limits: Limits
    database: DatabaseSettings

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings."""
        default = Limits()
        return cls(
            bucket=os.environ["LANDING_BUCKET"],
            landing=os.environ.get("LANDING_PREFIX", "incoming/"),
            quarantine=os.environ.get("QUARANTINE_PREFIX", "quarantine/"),
            limits=Limits(
                max_bytes=int(os.environ.get("MAX_FILE_BYTES") or default.max_bytes),
                max_ratio=int(os.environ.get("MAX_GZIP_RATIO") or default.max_ratio),
            ),
            database=DatabaseSettings.from_environment(),
        )


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Load what an event names, or what a sweep finds.

    Parameters
    ----------
    event : dict
        S3 notifications (``Records``), ``{"sweep": true}`` from the schedule, or ``{"report": "<key>"}`` from
        whoever wants to know what became of a file and can't reach the database.
    context : LambdaContext
        For the time that is left.

    Returns
    -------
    dict
        ``files`` (one result each), ``totals`` (their balance), ``ignored`` and ``remaining`` keys; for a
        report ``file`` (None while it is not done), ``totals``, ``companies``, ``quarantine``.

    Raises
    ------
    SomeFailed
        When a file could not be tried to its end. A file that is refused is no failure: it is in quarantine.
    """
    settings = Settings.from_environment()
    if "report" in event:
        return _report(str(event["report"]), settings)
    s3 = boto3.client("s3")
    ignored: list[str] = []
    remaining: list[str] = []
    results: list[Result] = []
    failed: dict[str, str] = {}
    wanted = _named(event, settings, ignored)
    if not wanted and not event.get("sweep"):
        log("info", "nothing_to_do", ignored=ignored)
        return _answer(results, ignored, remaining)

    with connect_with_secret(settings.database, boto3.client("secretsmanager")) as connection:
        prepare(connection)
        if event.get("sweep"):
            wanted += Ledger(connection, SCHEMA).undelivered(s3, settings.bucket, settings.landing)
        for key in wanted:
            if event.get("sweep") and _time_is_short(context):
                remaining.append(key)
                continue
            try:
                results.append(_load(connection, s3, settings, key))
            except s3.exceptions.NoSuchKey:  # deleted before its event came: nothing a retry could bring back
                ignored.append(f"gone {settings.bucket}/{key}")
            except Exception as error:  # one file's trouble must not keep the others out
                failed[key] = f"{type(error).__name__}: {error}"
                log("error", "load_failed", key=key, error=failed[key])
                if connection.closed:
                    failed.update({later: "not tried: the connection is lost" for later in _behind(wanted, key)})
                    break
    answer = _answer(results, ignored, remaining)
    log("info", "done", **{name: value for name, value in answer.items() if name != "files"}, failed=failed)
    if failed:
        emit("Orrery/Meteor", {"Function": "meteor_loader"}, {"FilesFailed": len(failed)})
        raise SomeFailed(f"{len(failed)} of {len(wanted)} files failed: {failed}")
    return answer


def _report(key: str, settings: Settings) -> dict[str, Any]:
    """Return the ledger's record of one file (None: not tried yet), and what the database holds in all."""
    with connect_with_secret(settings.database, boto3.client("secretsmanager")) as connection:
        prepare(connection)
        file = report.file_by_key(connection, settings.bucket, key)
        return {
            "file": file,
            "totals": report.totals(connection),
            "companies": report.launches_by_company(connection, 5),
            "quarantine": report.quarantine_sample(connection, file["file_id"]) if file else [],
        }


def _named(event: dict[str, Any], settings: Settings, ignored: list[str]) -> list[str]:
    """Return the landing keys that an event names; others are ignored, or quarantine would feed itself."""
    wanted: list[str] = []
    for record in event.get("Records", []):
        entity = record.get("s3", {})
        key = unquote_plus(entity.get("object", {}).get("key", ""))
        bucket = entity.get("bucket", {}).get("name", "")
        created = str(record.get("eventName", "")).startswith(("ObjectCreated:", "s3:ObjectCreated:"))
        if created and bucket == settings.bucket and _is_file(key, settings):
            if key not in wanted:
                wanted.append(key)
        else:
            ignored.append(f"{record.get('eventName', '?')} {bucket}/{key}")
    return wanted


def _is_file(key: str, settings: Settings) -> bool:
    return key.startswith(settings.landing) and not key.endswith("/")


def _time_is_short(context: Any) -> bool:
    left = getattr(context, "get_remaining_time_in_millis", None)
    return left is not None and left() < MARGIN_MS


def _load(connection: Connection, s3: Any, settings: Settings, key: str) -> Result:
    delivery, chunks = open_object(s3, settings.bucket, key)
    quarantine = S3Quarantine(s3, settings.bucket, settings.quarantine)
    result = load(connection, delivery, chunks, quarantine, limits=settings.limits)
    log("error" if result.status == "rejected" else "info", "file", **result.as_dict())
    balance = result.balance
    emit(
        "Orrery/Meteor",
        {"Function": "meteor_loader"},
        {
            "FilesLoaded": int(result.status == "loaded"),
            "FilesRejected": int(result.status == "rejected"),
            "RowsRead": balance.read,
            "RowsLoaded": balance.loaded,
            "RowsUpdated": balance.updated,
            "RowsDuplicate": balance.duplicate,
            "RowsQuarantined": balance.quarantined,
            "Seconds": result.seconds,
        },
        units={"Seconds": "Seconds"},
    )
    return result


def _behind(keys: list[str], key: str) -> list[str]:
    return keys[keys.index(key) + 1 :]


def _answer(results: list[Result], ignored: list[str], remaining: list[str]) -> dict[str, Any]:
    totals = sum((result.balance for result in results), Balance())
    return {
        "files": [result.as_dict() for result in results],
        "totals": totals.as_dict(),
        "ignored": ignored,
        "remaining": remaining,
    }
