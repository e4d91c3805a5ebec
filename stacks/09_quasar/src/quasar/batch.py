"""The batch layer: the days that new arrivals touched, worked out anew from the archive, each in one piece.

``python -m quasar.batch`` takes the manifests that no run took yet, and recomputes exactly the days that their files
are about: from all files of those days, each event once. It also works out, event by event, what the speed layer
must have left out, so that `quasar.reconcile` can say why the layers differ. A second run finds nothing new; ``--day
2026-11-30`` works a day out again, with the same result. It reads ``QUASAR_BUCKET``, ``QUASAR_SCHEME``, and what
`jobs.database` and `jobs.spark` read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import boto3

from jobs import spark
from jobs.database import Connection
from jobs.faults import fault_point
from jobs.metrics import log
from quasar.archive import EVENT, MALFORMED, Archive, Archived
from quasar.generate import DAY_MS, KINDS, MINUTE_MS
from quasar.metrics import measure
from quasar.reconcile import reconcile
from quasar.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BUCKET, PARTITION = 50_000, 1 << 40
"""How many offsets lie in a bucket of the join with micro-batches, and how many buckets a partition has at most: the
two make one number, by which Spark joins fastest."""
COLUMNS = (
    "events",
    "temperature_sum",
    "temperature_min",
    "temperature_max",
    "voltage_sum",
    "voltage_min",
    "voltage_max",
    "duplicates",
    "late",
    "late_temperature_sum",
    "late_voltage_sum",
    "pending",
)
FACTS = ("partition", "offset", "event_id", "kind", "event_time", "temperature_ucelsius", "voltage_uv")


@dataclass(frozen=True)
class SpeedBatch:
    """What a micro-batch of the speed layer took of one partition, and before when (ms) it dropped events."""

    partition: int
    start: int
    end: int
    late_before: int


@dataclass(frozen=True)
class Seen:
    """What the speed layer had read at one of its batches, and all batches up to there.

    Parameters
    ----------
    ends : mapping
        Partition to the offset after the last one that it read; empty when it has read nothing.
    late_before : int
        Milliseconds since 1970: whatever it reads later and happened then or earlier, it drops.
    batches : sequence of SpeedBatch
    """

    ends: Mapping[int, int] = field(default_factory=dict)
    late_before: int = 0
    batches: Sequence[SpeedBatch] = ()


@dataclass(frozen=True)
class Work:
    """What a run has to do.

    Parameters
    ----------
    manifests : mapping
        Those that no run took: key to files, and to the ends of partitions.
    days : mapping
        For each verdict the days to work out, and all files of each.
    seen : Seen
    """

    manifests: Mapping[str, tuple[list[Archived], dict[int, int]]]
    days: Mapping[str, Mapping[str, list[str]]]
    seen: Seen


def plan(connection: Connection, archive: Archive, again: Iterable[str] = ()) -> Work:
    """Return what is to be done.

    Parameters
    ----------
    connection : Connection
        In a transaction that sees one state: the speed layer goes on meanwhile.
    archive : Archive
    again : iterable of str
        Days to work out though nothing new came, like ``2026-11-30``.
    """
    taken = {row[0]: row[1] for row in connection.execute("SELECT manifest, ends FROM quasar.batch_manifests")}
    new = [key for key in archive.manifests() if key not in taken]
    with ThreadPoolExecutor(8) as pool:
        manifests = dict(zip(new, pool.map(archive.read, new), strict=True))
    files = [each for found, _ in manifests.values() for each in found]
    query = "SELECT DISTINCT day::text FROM quasar.batch_windows WHERE pending > 0"
    waiting = [row[0] for row in connection.execute(query)]
    touched = {EVENT: {each.day for each in files if each.verdict == EVENT} | {*waiting, *again}}
    touched[MALFORMED] = {each.day for each in files if each.verdict == MALFORMED}
    known = connection.execute("SELECT file, verdict, day::text FROM quasar.batch_files")
    all_files = [*(Archived(*row) for row in known), *files]
    days = {
        verdict: {day: [each.key for each in all_files if (each.verdict, each.day) == (verdict, day)] for day in wanted}
        for verdict, wanted in touched.items()
    }
    ends: dict[int, int] = {}
    for found in [*map(_offsets, taken.values()), *(ended for _, ended in manifests.values())]:
        ends = {p: max(ends.get(p, 0), found.get(p, 0)) for p in {*ends, *found}}
    return Work(manifests, days, seen(connection, ends))


def seen(connection: Connection, archived: Mapping[int, int]) -> Seen:
    """Return the newest state of the speed layer of which all messages are in the archive.

    Parameters
    ----------
    connection : Connection
    archived : mapping
        Partition to the offset after its last archived message.
    """
    query = (
        "SELECT generation, batch_id, starts, ends, (extract(epoch FROM late_before) * 1000)::bigint"
        " FROM quasar.speed_batches ORDER BY generation, batch_id"
    )
    rows = [(g, n, _offsets(s), _offsets(e), late) for g, n, s, e, late in connection.execute(query)]
    covered = [row for row in rows if all(end <= archived.get(each, 0) for each, end in row[3].items())]
    if not covered:
        return Seen()
    newest = covered[-1]
    batches: list[SpeedBatch] = []
    floors: dict[int, int] = {}
    for generation in sorted({row[0] for row in covered}, reverse=True):
        mine = [row for row in covered if row[0] == generation]
        for _, _, starts, ends, late in mine:
            for partition, end in ends.items():
                start, end = starts.get(partition, 0), min(end, floors.get(partition, end))
                if start < end:
                    batches.append(SpeedBatch(partition, start, end, late))
        # What a newer stream has read again is what it made of it, not the older one.
        for partition in newest[3]:
            begins = min((row[2].get(partition, 0) for row in mine if partition in row[3]), default=None)
            if begins is not None:
                floors[partition] = min(floors.get(partition, begins), begins)
    following = [row for row in rows if row[:2] > newest[:2] and row[0] == newest[0]]
    # The batch after it drops by the watermark that it began with, which only that batch's own record has.
    late_before = following[0][4] if following else newest[4]
    return Seen(newest[3], late_before, batches)


def _offsets(document: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in document.items()}


def once(rows: DataFrame, seen: Seen) -> DataFrame:
    """Return each event of the archive once, by numbers alone, and how many messages had it.

    Parameters
    ----------
    rows : DataFrame
        With the columns `FACTS`.
    seen : Seen
        Says what was late for the speed layer, and what it has not read.
    """
    from pyspark.sql import functions as f

    time_ms = f.unix_millis("event_time")
    listed = ", ".join(f"'{kind}'" for kind in KINDS)
    known = _batches(rows.sparkSession, seen)
    beside = f.expr(f"partition * {PARTITION}L + offset div {BUCKET}") == known.place
    within = (f.col("offset") >= known.start) & (f.col("offset") < known.end)
    told = rows.join(f.broadcast(known), beside & within, "left")
    return (
        told.withColumn("late", time_ms <= f.coalesce("late_before", f.lit(seen.late_before)))
        .withColumn("pending", f.col("late_before").isNull() & ~f.col("late"))
        .groupBy("event_id")
        .agg(
            # All of one message: the first one's.
            f.first(f.expr(f"array_position(array({listed}), kind)")).alias("kind_number"),
            f.first(f.expr(f"unix_millis(event_time) div {MINUTE_MS}")).alias("minute"),
            f.first("temperature_ucelsius").alias("temperature"),
            f.first("voltage_uv").alias("voltage"),
            f.min(f.col("late").cast("int")).alias("late"),
            f.min(f.col("pending").cast("int")).alias("pending"),
            f.count("*").alias("messages"),
        )
    )


def _batches(session: SparkSession, seen: Seen) -> DataFrame:
    """Return the micro-batches, one row for each bucket of offsets that they touch: so the join is one by equality."""
    rows = [
        (each.partition * PARTITION + bucket, each.start, each.end, each.late_before)
        for each in seen.batches
        for bucket in range(each.start // BUCKET, (each.end - 1) // BUCKET + 1)
    ]
    return session.createDataFrame(rows, "place long, start long, end long, late_before long")


def counted(events: DataFrame) -> DataFrame:
    """Return the events of `once` by minute and kind: the columns ``minute``, ``kind_number`` and `COLUMNS`."""
    from pyspark.sql import functions as f

    measures = [
        how(name).alias(f"{name}_{suffix}")
        for name in ("temperature", "voltage")
        for suffix, how in (("sum", f.sum), ("min", f.min), ("max", f.max))
    ]
    return (
        events.groupBy("minute", "kind_number")
        .agg(
            f.count("*").alias("events"),
            *measures,
            f.sum(f.col("messages") - 1).alias("duplicates"),
            f.sum("late").alias("late"),
            f.sum(f.col("late") * f.col("temperature")).alias("late_temperature_sum"),
            f.sum(f.col("late") * f.col("voltage")).alias("late_voltage_sum"),
            f.sum("pending").alias("pending"),
        )
        .select("minute", "kind_number", *COLUMNS)
    )


def compute(session: SparkSession, archive: Archive, work: Work) -> tuple[list[Any], list[Any]]:
    """Return the windows of the days, and the counts of what is malformed by day and reason."""
    from pyspark.sql import functions as f

    # A stream that lost its checkpoint archives again what is there: then a message has its place to be told by.
    streams = {file.split("/")[1] for days in work.days.values() for files in days.values() for file in files}

    def read(verdict: str, columns: Sequence[str]) -> DataFrame | None:
        urls = [archive.url(file) for files in work.days[verdict].values() for file in files]
        if not urls:
            return None
        rows = session.read.parquet(*urls).select(*columns)
        return rows.dropDuplicates(["partition", "offset"]) if len(streams) > 1 else rows

    events, malformed = read(EVENT, FACTS), read(MALFORMED, ("partition", "offset", "timestamp", "reason"))
    windows = counted(once(events, work.seen)).collect() if events is not None else []
    if malformed is None:
        return windows, []
    by_day = malformed.groupBy(f.to_date("timestamp").alias("day"), "reason")
    return windows, by_day.count().collect()


def write(connection: Connection, work: Work, windows: Sequence[Any], malformed: Sequence[Any]) -> None:
    """Put the days into the store in the place of what was there, and what was taken for them."""
    days = sorted(work.days[EVENT])
    connection.execute("DELETE FROM quasar.batch_windows WHERE day = ANY(%s::date[])", (days,))
    arrived = sorted(work.days[MALFORMED])
    connection.execute("DELETE FROM quasar.batch_malformed WHERE day = ANY(%s::date[])", (arrived,))
    late_before = datetime.fromtimestamp(work.seen.late_before / 1000, UTC)
    for day in days:
        mine = [row for row in windows if _day(row.minute) == day]
        loaded, duplicates = sum(row.events for row in mine), sum(row.duplicates for row in mine)
        connection.execute(
            "INSERT INTO quasar.batch_days (day, messages, loaded, duplicates, speed_ends, late_before)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (day) DO UPDATE SET messages = excluded.messages,"
            " loaded = excluded.loaded, duplicates = excluded.duplicates, speed_ends = excluded.speed_ends,"
            " late_before = excluded.late_before, computed_at = excluded.computed_at",
            (day, loaded + duplicates, loaded, duplicates, json.dumps(work.seen.ends), late_before),
        )
    columns = ", ".join(("day", "window_start", "kind", *COLUMNS))
    with connection.cursor().copy(f"COPY quasar.batch_windows ({columns}) FROM STDIN".encode()) as copy:
        for row in windows:
            start = datetime.fromtimestamp(row.minute * 60, UTC)
            copy.write_row((_day(row.minute), start, KINDS[row.kind_number - 1], *row[2:]))
    with connection.cursor().copy(b"COPY quasar.batch_malformed (day, reason, messages) FROM STDIN") as copy:
        for row in malformed:
            copy.write_row(tuple(row))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO quasar.batch_manifests (manifest, ends) VALUES (%s, %s)",
            [(key, json.dumps(ends)) for key, (_, ends) in work.manifests.items()],
        )
        cursor.executemany(
            "INSERT INTO quasar.batch_files (file, manifest, verdict, day) VALUES (%s, %s, %s, %s)",
            [(file.key, key, file.verdict, file.day) for key, (files, _) in work.manifests.items() for file in files],
        )


def _day(minute: int) -> str:
    return datetime.fromtimestamp(minute * MINUTE_MS // DAY_MS * DAY_MS / 1000, UTC).date().isoformat()


def run(session: SparkSession, archive: Archive, store: Store, again: Sequence[str] = ()) -> dict[str, Any]:
    """Work out what is to be worked out, and compare it with the speed layer.

    Returns
    -------
    dict
        What was done, and what the reconciliation says: see `quasar.reconcile.reconcile`.
    """
    started = time.monotonic()

    def planned(connection: Connection) -> Work:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return plan(connection, archive, again)

    work = store.patiently(planned)
    windows, malformed = compute(session, archive, work)
    fault_point("computed")

    def write_once(connection: Connection) -> None:
        # Another run may have been quicker: its manifests are there, and the insert of ours fails as a whole.
        connection.execute("LOCK TABLE quasar.batch_days IN EXCLUSIVE MODE")
        write(connection, work, windows, malformed)

    store.patiently(write_once)
    fault_point("unreconciled")
    found = store.patiently(reconcile)
    done = {
        "manifests": len(work.manifests),
        "days": sorted(work.days[EVENT]),
        "messages": sum(row.events + row.duplicates for row in windows),
        "loaded": sum(row.events for row in windows),
        "duplicates": sum(row.duplicates for row in windows),
        "seconds": round(time.monotonic() - started, 2),
    }
    measure(
        "batch",
        {
            "quasar.batch.loaded": done["loaded"],
            "quasar.batch.duplicates": done["duplicates"],
            "quasar.batch.duration": done["seconds"],
        },
    )
    return {**done, "reconciliation": found}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 is done, 1 an error."""
    parser = argparse.ArgumentParser(prog="quasar.batch", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--day", action="append", default=[], type=date.fromisoformat, help="work this day out again")
    given = parser.parse_args(arguments)
    try:
        archive = Archive(
            boto3.client("s3"), os.environ["QUASAR_BUCKET"], scheme=os.environ.get("QUASAR_SCHEME", "s3a")
        )
        store = Store.from_environment()
        session = spark.session("quasar-batch")
        done = run(session, archive, store, [day.isoformat() for day in given.day])
        session.stop()
    except KeyError as error:
        log("error", "failed", error=f"{error.args[0]} is not set")
        return 1
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:2000])
        return 1
    log("info", "finished", **done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
