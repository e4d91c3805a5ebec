"""What Spark wrote into a stream's checkpoint before it ran a micro-batch: offsets and watermark, for the record.

The files are Spark's own, unchanged since 2.1: ``metadata`` has the stream's id, ``offsets/N`` a version, a line of
JSON with the watermark, and the offsets of each source. They may lie on any file system that Spark knows.
"""

from __future__ import annotations

import json
from typing import Any

from jobs.kafka_offsets import FIRST
from quasar.store import Batch

INITIAL = "sources/0/0"


class Checkpoint:
    """The checkpoint of a stream that reads one topic.

    Parameters
    ----------
    spark : SparkSession
    path : str
        As ``checkpointLocation`` has it.
    topic : str
    """

    def __init__(self, spark: Any, path: str, topic: str) -> None:
        self._jvm, self._topic = spark._jvm, topic
        self._root = self._jvm.org.apache.hadoop.fs.Path(path)
        self._files = self._root.getFileSystem(spark._jsc.hadoopConfiguration())

    def batch(self, number: int) -> Batch:
        """Return what is on record about a micro-batch that runs or ran.

        Spark drops late events by the watermark that the batch before began with: the same for all that stand in a row.
        """
        _, ends = self._offsets(number)
        late_before, starts = self._offsets(number - 1) if number else (0, self._first())
        return Batch(self.id, number, starts, ends, late_before)

    @property
    def id(self) -> str:
        """The stream's id, which stays over restarts."""
        return str(json.loads(self._read("metadata"))["id"])

    def position(self) -> dict[int, int]:
        """Return the offsets after the last micro-batch that was committed; nothing before the first."""
        folder = self._jvm.org.apache.hadoop.fs.Path(self._root, "commits")
        if not self._files.exists(folder):
            return {}
        names = [status.getPath().getName() for status in self._files.listStatus(folder)]
        numbers = [int(name) for name in names if name.isdigit()]
        return self._offsets(max(numbers))[1] if numbers else {}

    def _first(self) -> dict[int, int]:
        """Return where the stream began: the Python source says it with the first batch, Kafka's in a file."""
        source = json.loads(self._read("offsets/0").splitlines()[2])
        if FIRST in source:
            begins = source[FIRST][self._topic]
        elif self._files.exists(self._jvm.org.apache.hadoop.fs.Path(self._root, INITIAL)):
            text = self._read(INITIAL)
            begins = json.loads(text[text.index("{") :])[self._topic]
        else:
            begins = {}
        return {int(each): at for each, at in begins.items()}

    def _offsets(self, number: int) -> tuple[int, dict[int, int]]:
        version, about, source = self._read(f"offsets/{number}").splitlines()[:3]
        if version != "v1":
            raise ValueError(f"offsets of version {version} in {self._root.toString()} can't be read")
        ends = json.loads(source)[self._topic]
        return int(json.loads(about)["batchWatermarkMs"]), {int(each): int(end) for each, end in ends.items()}

    def _read(self, name: str) -> str:
        stream = self._files.open(self._jvm.org.apache.hadoop.fs.Path(self._root, name))
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()
