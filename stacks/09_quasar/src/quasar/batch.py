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
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3

from jobs import spark
from jobs.database import Connection
from jobs.faults import fault_point
from jobs.metrics import log
from quasar.archive import EVENT, MALFORMED, Archive, Archived, Manifest
from quasar.generate import DAY_MS, KINDS, MINUTE_MS
from quasar.metrics import measure
from quasar.reconcile import reconcile
from quasar.store import TAKE_TURN, Store

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
# Days that a later state of the speed layer may explain.
WAITING = """
SELECT DISTINCT day::text FROM quasar.batch_windows WHERE pending > 0
UNION
SELECT DISTINCT (window_start AT TIME ZONE 'UTC')::date::text FROM quasar.reconciliation WHERE NOT settled
"""
ARCHIVED = """
SELECT key, max(value::bigint) FROM quasar.batch_manifests, jsonb_each_text(ends) GROUP BY key
"""
BEGINS = """
SELECT key, min(value::bigint)
FROM quasar.batch_manifests, jsonb_each_text(starts)
WHERE manifest IN (SELECT manifest FROM quasar.batch_files WHERE verdict = 'event' AND day = ANY(%s::date[]))
GROUP BY key
"""
# Micro-batches that end after the first offset that matters, and the newest one.
SEEN = """
SELECT generation, batch_id, starts, ends, (extract(epoch FROM late_before) * 1000)::bigint
FROM quasar.speed_batches b, (SELECT %s::jsonb AS begins) AS wanted
WHERE EXISTS (
    SELECT FROM jsonb_each_text(b.ends) AS e
    WHERE e.value::bigint > coalesce((begins ->> e.key)::bigint, 0)
)
OR (generation, batch_id) = (
    SELECT generation, batch_id FROM quasar.speed_batches ORDER BY generation DESC, batch_id DESC LIMIT 1
)
ORDER BY generation, batch_id
"""
NEWEST = """
SELECT split_part(manifest, '/', 2), max(manifest) FROM quasar.batch_manifests GROUP BY 1
"""
# Kafka keeps messages for three days, and what is later than a week is refused.
FORGET = """
DELETE FROM quasar.speed_batches b WHERE recorded_at < now() - interval '14 days' AND EXISTS (
    SELECT FROM quasar.speed_batches later WHERE (later.generation, later.batch_id) > (b.generation, b.batch_id)
)
"""
ATTEMPTS = 3
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
        Those that no run took, by their keys.
    days : mapping
        For each verdict the days to work out, and all files of each.
    seen : Seen
    taken : int
        How many manifests were taken before: another number later means that another run was quicker.
    """

    manifests: Mapping[str, Manifest]
    days: Mapping[str, Mapping[str, list[str]]]
    seen: Seen
    taken: int


def plan(connection: Connection, archive: Archive, found: Mapping[str, Manifest], again: Iterable[str] = ()) -> Work:
    """Return what is to be done.

    Parameters
    ----------
    connection : Connection
        In a transaction that sees one state: the speed layer goes on meanwhile.
    archive : Archive
    found : mapping
        Manifests that may be new, by their keys.
    again : iterable of str
        Days to work out though nothing new came, like ``2026-11-30``.
    """
    keys = list(found)
    known = connection.execute("SELECT manifest FROM quasar.batch_manifests WHERE manifest = ANY(%s)", (keys,))
    taken = {row[0] for row in known}
    manifests = {key: manifest for key, manifest in found.items() if key not in taken}
    files = [each for manifest in manifests.values() for each in manifest.files]
    waiting = [day for (day,) in connection.execute(WAITING)]
    days = {verdict: _touched(connection, verdict, files, [*waiting, *again]) for verdict in (EVENT, MALFORMED)}
    begins, archived = _extent(connection, manifests, sorted(days[EVENT]))
    counted = connection.execute("SELECT count(*) FROM quasar.batch_manifests").fetchone()
    assert counted is not None
    return Work(manifests, days, seen(connection, archived, begins), int(counted[0]))


def _touched(
    connection: Connection, verdict: str, new: Sequence[Archived], again: Sequence[str]
) -> dict[str, list[str]]:
    """Return the days to work out, each with all of its files; a day without any is none."""
    days: dict[str, list[str]] = {each.day: [] for each in new if each.verdict == verdict}
    days |= {day: [] for day in again}
    query = "SELECT file, day::text FROM quasar.batch_files WHERE verdict = %s AND day = ANY(%s::date[])"
    for file, day in connection.execute(query, (verdict, sorted(days))):
        days[day].append(file)
    for each in new:
        if each.verdict == verdict:
            days[each.day].append(each.key)
    return {day: files for day, files in days.items() if files}


def _extent(
    connection: Connection, new: Mapping[str, Manifest], days: Sequence[str]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the first offset of each partition in the files of some days, and where the archive ends."""
    begins: dict[int, int] = {}
    ends = {int(partition): end for partition, end in connection.execute(ARCHIVED)}
    for partition, start in connection.execute(BEGINS, (list(days),)):
        begins[int(partition)] = start
    for manifest in new.values():
        for partition, end in manifest.ends.items():
            ends[partition] = max(ends.get(partition, 0), end)
            start = manifest.starts.get(partition, 0)
            begins[partition] = min(begins.get(partition, start), start)
    return begins, ends


def seen(connection: Connection, archived: Mapping[int, int], begins: Mapping[int, int]) -> Seen:
    """Return the newest state of the speed layer of which all messages are in the archive.

    Parameters
    ----------
    connection : Connection
    archived : mapping
        Partition to the offset after its last archived message.
    begins : mapping
        Partition to the first offset that matters: older batches are left out.
    """
    rows = [
        (generation, number, _offsets(starts), _offsets(ends), late)
        for generation, number, starts, ends, late in connection.execute(SEEN, (json.dumps(begins),))
    ]
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
            first = min((row[2].get(partition, 0) for row in mine if partition in row[3]), default=None)
            if first is not None:
                floors[partition] = min(floors.get(partition, first), first)
    following = [row for row in rows if row[:2] > newest[:2] and row[0] == newest[0]]
    # The batch after it drops by the watermark that it began with, which only that batch's own record has.
    late_before = following[0][4] if following else newest[4]
    return Seen(newest[3], late_before, _joined(batches))


def _joined(batches: Sequence[SpeedBatch]) -> list[SpeedBatch]:
    """Put neighbours together that dropped by the same watermark."""
    found: list[SpeedBatch] = []
    for each in sorted(batches, key=lambda batch: (batch.partition, batch.start)):
        last = found[-1] if found else None
        if last and (last.partition, last.end, last.late_before) == (each.partition, each.start, each.late_before):
            found[-1] = replace(last, end=each.end)
        else:
            found.append(each)
    return found


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
    # A stream that lost its checkpoint archives again what is there: then a message has its place to be told by.
    streams = {file.split("/")[1] for days in work.days.values() for files in days.values() for file in files}

    def read(verdict: str, columns: Sequence[str]) -> DataFrame | None:
        urls = [archive.url(file) for files in work.days[verdict].values() for file in files]
        if not urls:
            return None
        rows = session.read.parquet(*urls).select(*columns)
        return rows.dropDuplicates(["partition", "offset"]) if len(streams) > 1 else rows

    events, malformed = read(EVENT, FACTS), read(MALFORMED, ("partition", "offset", "day", "reason"))
    windows = counted(once(events, work.seen)).collect() if events is not None else []
    if malformed is None:
        return windows, []
    by_day = malformed.groupBy("day", "reason")
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
            "INSERT INTO quasar.batch_manifests (manifest, starts, ends) VALUES (%s, %s, %s)",
            [(key, json.dumps(each.starts), json.dumps(each.ends)) for key, each in work.manifests.items()],
        )
        cursor.executemany(
            "INSERT INTO quasar.batch_files (file, manifest, verdict, day) VALUES (%s, %s, %s, %s)",
            [(file.key, key, file.verdict, file.day) for key, each in work.manifests.items() for file in each.files],
        )


def _day(minute: int) -> str:
    return datetime.fromtimestamp(minute * MINUTE_MS // DAY_MS * DAY_MS / 1000, UTC).date().isoformat()


class BatchError(Exception):
    """The days can't be worked out now; the message says what to do."""


def _worked_out(
    session: SparkSession, archive: Archive, store: Store, again: Sequence[str]
) -> tuple[Work, list[Any], list[Any]]:
    """Plan, and compute: nothing is written."""
    newest: list[tuple[Any, ...]] = store.patiently(lambda connection: connection.execute(NEWEST).fetchall())
    keys = archive.manifests({str(stream): str(manifest) for stream, manifest in newest})
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(keys, pool.map(archive.read, keys), strict=True))

    def planned(connection: Connection) -> Work:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return plan(connection, archive, found, again)

    work = store.patiently(planned)
    return work, *compute(session, archive, work)


def write_once(connection: Connection, work: Work, windows: Sequence[Any], malformed: Sequence[Any]) -> bool:
    """Write what was worked out, unless another run has taken something meanwhile; tell whether it is in the store.

    A store that was killed while it committed may have done so: then all is there, and nothing is left to do.
    """
    connection.execute(TAKE_TURN)
    row = connection.execute("SELECT count(*) FROM quasar.batch_manifests").fetchone()
    mine = "SELECT count(*) FROM quasar.batch_manifests WHERE manifest = ANY(%s)"
    there = connection.execute(mine, (list(work.manifests),)).fetchone()
    assert row is not None and there is not None
    if work.manifests and there[0] == len(work.manifests) and row[0] == work.taken + there[0]:
        return True
    if row[0] != work.taken:
        return False
    write(connection, work, windows, malformed)
    connection.execute(FORGET)
    return True


def run(session: SparkSession, archive: Archive, store: Store, again: Sequence[str] = ()) -> dict[str, Any]:
    """Work out what is to be worked out, and compare it with the speed layer.

    Returns
    -------
    dict
        What was done, and what the reconciliation says: see `quasar.reconcile.reconcile`.
    """
    started = time.monotonic()
    for _ in range(ATTEMPTS):
        work, windows, malformed = _worked_out(session, archive, store, again)
        fault_point("computed")
        if store.patiently(partial(write_once, work=work, windows=windows, malformed=malformed)):
            break
        log("warning", "outdated", days=sorted(work.days[EVENT]))
    else:
        raise BatchError("other runs were quicker each time; next: let one run end, then run it again")
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
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:2000])
        return 1
    log("info", "finished", **done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
