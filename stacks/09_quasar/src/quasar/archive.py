"""Every message to S3, as it came, and what can't be used to the dead-letter topic too.

A micro-batch writes Parquet below ``archive/CHECKPOINT/data/N/verdict=…/day=…``, then its dead letters, and last of
all its manifest, one object: what no manifest names has not happened. A batch that is repeated finds its manifest
and does nothing, or makes its files anew. So a message is in the archive once, and a dead letter once or, after a
crash, twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

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
LETTER = ("topic", "partition", "offset", "reason", "detail", "key", "value")
FLUSH_S = 60.0
LARGEST = 2_000_000
"""The largest dead letter, in bytes; what is larger goes without its value."""
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


@dataclass(frozen=True)
class Manifest:
    """What one micro-batch put into the archive.

    Parameters
    ----------
    files : sequence of Archived
    starts, ends : mapping
        Partition to its first offset, and to the offset after its last message.
    """

    files: Sequence[Archived]
    starts: Mapping[int, int]
    ends: Mapping[int, int]


class ArchiveError(Exception):
    """The archive contradicts the stream; the message says what to do."""


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
        """Tell whether a batch is in the archive.

        Raises
        ------
        ArchiveError
            Another one of the same number is: the checkpoint is not the one that it was.
        """
        key = self.manifest(batch)
        if key not in self._keys(key):
            return False
        body = json.loads(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        if {int(each): end for each, end in body["ends"].items()} != dict(batch.ends):
            raise ArchiveError(
                f"{key} is about other messages than batch {batch.number} of the checkpoint, which was changed by hand"
                " or restored; next: begin with a new checkpoint"
            )
        return True

    def rows(self, key: str) -> Iterator[dict[str, Any]]:
        """Return what dead letters need of the rows of a file, one after another."""
        from pyarrow import BufferReader, parquet

        body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        for batch in parquet.ParquetFile(BufferReader(body)).iter_batches(100, columns=list(LETTER)):
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

    def manifests(self, newest: Mapping[str, str]) -> list[str]:
        """Return the keys of the manifests of all streams that ever wrote here, in order.

        Parameters
        ----------
        newest : mapping
            Checkpoint to the last manifest that is known already: only later ones are listed.
        """
        paginator = self._s3.get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=self.bucket, Prefix=self._prefix, Delimiter="/")
        streams = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        after = {stream: newest.get(stream.removeprefix(self._prefix).rstrip("/"), "") for stream in streams}
        return [key for stream in streams for key in self._keys(f"{stream}{MANIFESTS}/", after[stream])]

    def read(self, manifest: str) -> Manifest:
        """Return what a manifest says."""
        body = json.loads(self._s3.get_object(Bucket=self.bucket, Key=manifest)["Body"].read())
        starts, ends = ({int(each): at for each, at in body[name].items()} for name in ("starts", "ends"))
        return Manifest([Archived(*each) for each in body["files"]], starts, ends)

    def _keys(self, prefix: str, after: str = "") -> Iterator[str]:
        more = {"StartAfter": after} if after else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **more)
        return (entry["Key"] for page in pages for entry in page.get("Contents", []))


def columns(messages: DataFrame) -> DataFrame:
    """Return what the archive keeps of messages: their bytes, where they were, and their fields as far as there are."""
    from pyspark.sql import functions as f

    usable = f.col("reason").isNull()
    # A broken clock of somebody's producer may say any year, also one that nobody after us can read.
    readable = f.col("timestamp").between(f.lit("1970-01-01").cast("timestamp"), f.lit("9998-12-31").cast("timestamp"))
    arrived = f.when(readable, f.col("timestamp")).otherwise(f.lit("9998-12-31").cast("timestamp"))
    day = f.when(usable, f.col("event_time")).otherwise(arrived)
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
    fault_point("archived")
    return found


def put_files(bucket: str, folder: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the rows of a task as Parquet, in a worker: a file for each verdict and day.

    Parameters
    ----------
    bucket, folder : str
        Where.
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
    # Names of this attempt alone: one that was given up may still write, and must not touch what a manifest names.
    task_name = f"{task:05}-{uuid4().hex[:12]}"
    s3, kept, size, round_ = boto3.client("s3"), [], 0, 0
    for batch in batches:
        kept.append(batch)
        size += batch.nbytes
        if size >= FILE_BYTES:
            yield _put(s3, bucket, folder, f"{task_name}-{round_:03}", pa.Table.from_batches(kept))
            kept, size, round_ = [], 0, round_ + 1
    if kept:
        yield _put(s3, bucket, folder, f"{task_name}-{round_:03}", pa.Table.from_batches(kept))


def _put(s3: Any, bucket: str, folder: str, name: str, rows: pa.Table) -> pa.RecordBatch:
    import pyarrow as pa
    from pyarrow import compute, parquet

    found = []
    for group in rows.group_by(["verdict", "day"]).aggregate([]).to_pylist():
        mine = compute.and_(*(compute.equal(rows[column], group[column]) for column in ("verdict", "day")))
        file = pa.BufferOutputStream()
        parquet.write_table(rows.filter(mine).drop_columns(["verdict"]), file, compression="zstd")
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
        self._large: list[DeadLetter] = []
        self.sent = 0
        own = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(FLUSH_S * 1000)}
        own["message.max.bytes"] = LARGEST
        self._producer = Producer({**settings, **own})

    def send(self, files: Iterable[Iterable[dict[str, Any]]]) -> None:
        """Send the rows of some files of the archive, and return when they are acknowledged.

        Raises
        ------
        OSError
            The broker did not take them all.
        """
        self._failed, self._large = 0, []
        for row in chain.from_iterable(files):
            self._produce(DeadLetter(*(row[name] for name in LETTER)))
            self.sent += 1
        left = self._producer.flush(FLUSH_S)
        while self._large:
            self._produce(self._large.pop())
            left = self._producer.flush(FLUSH_S)
        if left or self._failed:
            raise OSError(f"{left + self._failed} dead letters were not taken by {self._topic}")

    def _produce(self, letter: DeadLetter) -> None:
        """Send one; one that is too large goes without its value, which the archive has."""
        from confluent_kafka import KafkaError, KafkaException

        while True:
            try:
                told = partial(self._delivered, letter)
                self._producer.produce(self._topic, on_delivery=told, **letter.produced())
                return
            except BufferError:
                self._producer.poll(0.5)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE or letter.value is None:
                    raise
                letter = _emptied(letter)

    def _delivered(self, letter: DeadLetter, error: Any, message: Any) -> None:
        from confluent_kafka import KafkaError

        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and letter.value is not None:
            self._large.append(_emptied(letter))
        else:
            self._failed += 1


def _emptied(letter: DeadLetter) -> DeadLetter:
    size = len(letter.value or b"")
    return replace(letter, value=None, message=f"{letter.message}; its {size:,} bytes are in the archive alone")
