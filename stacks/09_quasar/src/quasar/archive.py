"""Every message to S3, as it came, and what can't be used to the dead-letter topic too.

A micro-batch writes Parquet below ``archive/CHECKPOINT/data/N/verdict=…/day=…``, then its dead letters, and last of
all its manifest, one object: what no manifest names has not happened. A batch that is repeated finds its manifest
and does nothing, or makes its files anew. So a message is in the archive once, and a dead letter once or, after a
crash, twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import boto3

from jobs.dead_letters import DeadLetter
from jobs.faults import fault_point
from quasar.events import FIELDS, judged
from quasar.store import Batch

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

EVENT, MALFORMED = "event", "malformed"
MANIFESTS, DATA = "manifests", "data"
FLUSH_S = 60.0
FILE_BYTES = 64 << 20
"""How much a task keeps in its memory, before it writes files."""


@dataclass(frozen=True)
class Archived:
    """A file of the archive.

    Parameters
    ----------
    key : str
        In the bucket.
    verdict : str
        ``event`` or ``malformed``.
    day : str
        The day on which its events happened, or on which what is malformed arrived, like ``2026-11-30``.
    """

    key: str
    verdict: str
    day: str


class Archive:
    """The archive of one stream.

    Parameters
    ----------
    s3 : boto3 S3 client
    bucket, prefix : str
        Where it lies; the prefix ends with a slash.
    scheme : str
        By what Spark reaches the bucket: ``s3a`` with Hadoop's own client, ``s3`` on EMR.
    """

    def __init__(self, s3: Any, bucket: str, prefix: str = "archive/", scheme: str = "s3a") -> None:
        self._s3, self.bucket, self._prefix, self._scheme = s3, bucket, prefix, scheme

    def url(self, key: str) -> str:
        """Return a key as Spark names it."""
        return f"{self._scheme}://{self.bucket}/{key}"

    def folder(self, batch: Batch) -> str:
        """Return below which key a batch's files lie."""
        return f"{self._prefix}{batch.checkpoint_id}/{DATA}/{batch.number:012}/"

    def manifest(self, batch: Batch) -> str:
        """Return the key of a batch's manifest."""
        return f"{self._prefix}{batch.checkpoint_id}/{MANIFESTS}/{batch.number:012}.json"

    def has(self, batch: Batch) -> bool:
        """Tell whether a batch is in the archive."""
        return any(key == self.manifest(batch) for key in self._keys(self.manifest(batch)))

    def rows(self, key: str) -> Iterator[dict[str, Any]]:
        """Return the rows of a file, one after another."""
        from pyarrow import BufferReader, parquet

        body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        for batch in parquet.ParquetFile(BufferReader(body)).iter_batches(1000):
            yield from batch.to_pylist()

    def commit(self, batch: Batch, files: list[Archived]) -> None:
        """Write a batch's manifest: from then on it is in the archive."""
        body = {
            "batch": batch.number,
            "starts": batch.starts,
            "ends": batch.ends,
            "files": [[each.key, each.verdict, each.day] for each in files],
        }
        self._s3.put_object(Bucket=self.bucket, Key=self.manifest(batch), Body=json.dumps(body).encode())

    def manifests(self) -> list[str]:
        """Return the keys of all manifests, of all streams that ever wrote here."""
        return [key for key in self._keys(self._prefix) if f"/{MANIFESTS}/" in key]

    def read(self, manifest: str) -> tuple[list[Archived], dict[int, int]]:
        """Return the files of a manifest, and for each partition the offset after its last message."""
        body = json.loads(self._s3.get_object(Bucket=self.bucket, Key=manifest)["Body"].read())
        return [Archived(*each) for each in body["files"]], {int(each): end for each, end in body["ends"].items()}

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return (entry["Key"] for page in pages for entry in page.get("Contents", []))


def columns(messages: DataFrame) -> DataFrame:
    """Return what the archive keeps of messages: their bytes, where they were, and their fields as far as there are."""
    from pyspark.sql import functions as f

    usable = f.col("reason").isNull()
    day = f.when(usable, f.col("event_time")).otherwise(f.col("timestamp"))
    return judged(messages).select(
        "topic",
        "partition",
        "offset",
        "timestamp",
        "key",
        "value",
        *FIELDS,
        "event_time",
        "reason",
        "detail",
        f.when(usable, EVENT).otherwise(MALFORMED).alias("verdict"),
        f.date_format(day, "yyyy-MM-dd").alias("day"),
    )


def write(archive: Archive, letters: DeadLetters, rows: DataFrame, batch: Batch, tasks: int) -> list[Archived]:
    """Put a micro-batch into the archive, once; return its files.

    Parameters
    ----------
    archive : Archive
    letters : DeadLetters
    rows : DataFrame
        As `columns` gives them.
    batch : Batch
    tasks : int
        How many tasks write, and so how many files there are for each day.
    """
    if archive.has(batch):
        return []
    # Spark's own writer makes its files under other names, and S3 has no renaming: each would be copied once more.
    put = partial(put_files, archive.bucket, archive.folder(batch))
    written = rows.coalesce(tasks).mapInArrow(put, "key string, verdict string, day string").collect()
    found = [Archived(*row) for row in written]
    letters.send(archive.rows(each.key) for each in found if each.verdict == MALFORMED)
    fault_point("uncommitted")
    archive.commit(batch, found)
    return found


def put_files(bucket: str, folder: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the rows of a task as Parquet, in a worker: a file for each verdict and day.

    Parameters
    ----------
    bucket, folder : str
        Where; a task that is repeated writes the same keys.
    batches : iterable of pyarrow.RecordBatch
        As `columns` has them.

    Yields
    ------
    pyarrow.RecordBatch
        Key, verdict and day of each file.
    """
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    task = context.partitionId() if context else 0
    s3, kept, size, round_ = boto3.client("s3"), [], 0, 0
    for batch in batches:
        kept.append(batch)
        size += batch.nbytes
        if size >= FILE_BYTES:
            yield _put(s3, bucket, folder, f"{task:05}-{round_:03}", pa.Table.from_batches(kept))
            kept, size, round_ = [], 0, round_ + 1
    if kept:
        yield _put(s3, bucket, folder, f"{task:05}-{round_:03}", pa.Table.from_batches(kept))


def _put(s3: Any, bucket: str, folder: str, name: str, rows: pa.Table) -> pa.RecordBatch:
    import pyarrow as pa
    from pyarrow import compute, parquet

    found = []
    for group in rows.group_by(["verdict", "day"]).aggregate([]).to_pylist():
        mine = compute.and_(*(compute.equal(rows[column], group[column]) for column in ("verdict", "day")))
        file = pa.BufferOutputStream()
        parquet.write_table(rows.filter(mine).drop_columns(["verdict", "day"]), file, compression="zstd")
        key = f"{folder}verdict={group['verdict']}/day={group['day']}/{name}.parquet"
        s3.put_object(Bucket=bucket, Key=key, Body=file.getvalue().to_pybytes())
        found.append({"key": key, **group})
    types = pa.schema([(column, pa.string()) for column in ("key", "verdict", "day")])
    return pa.RecordBatch.from_pylist(found, types)


class DeadLetters:
    """Sends what can't be used to the dead-letter topic.

    Parameters
    ----------
    topic : str
    settings : mapping
        As `jobs.kafka.client_settings` returns them.
    """

    def __init__(self, topic: str, settings: dict[str, Any]) -> None:
        from confluent_kafka import Producer

        self._topic, self._failed = topic, 0
        self.sent = 0
        own = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(FLUSH_S * 1000)}
        self._producer = Producer({**settings, **own})

    def send(self, files: Iterable[Iterable[dict[str, Any]]]) -> None:
        """Send the rows of some files of the archive, and return when they are acknowledged.

        Raises
        ------
        OSError
            The broker did not take them all.
        """
        names = ["topic", "partition", "offset", "reason", "detail", "key", "value"]
        self._failed = 0
        for row in chain.from_iterable(files):
            letter = DeadLetter(*(row[name] for name in names))
            while True:
                try:
                    self._producer.produce(self._topic, on_delivery=self._delivered, **letter.produced())
                    break
                except BufferError:
                    self._producer.poll(0.5)
            self.sent += 1
        left = self._producer.flush(FLUSH_S)
        if left or self._failed:
            raise OSError(f"{left + self._failed} dead letters were not taken by {self._topic}")

    def _delivered(self, error: Any, message: Any) -> None:
        self._failed += error is not None
