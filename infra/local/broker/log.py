"""Topics and partitions on disk: batches exactly as clients send them, appended to segments.

An append is one ``write`` before it is acknowledged: what was acknowledged outlives the process, however it ends. It is
not flushed to the disk each time, as Kafka doesn't: a machine that loses power may lose the last seconds. A write that
was cut off is cut away when the log is opened. Nothing else is kept on disk: indexes, producers and open transactions
are read from the batches' headers.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import json
import os
import re
import shutil
import struct
import time
import uuid
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.broker import checksum

HEADER = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length of the rest, leader epoch, magic, CRC-32C, attributes, last offset's delta, first and last time
in ms, producer, its epoch, first sequence number, number of records."""
BEFORE_LENGTH = 12  # base offset and length don't count in the length
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
MARKER_AT = 61 + 5  # in a control batch: after length, attributes, time, offset and key length, one byte each
REMEMBERED = 5  # batches that an idempotent producer may send again
SEQUENCES = 1 << 31

DEFAULTS: dict[str, str] = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "delete.retention.ms": "86400000",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "67108864",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
"""The settings that a topic takes, and what they are when they are not set."""
WORDS = {"cleanup.policy", "compression.type", "message.timestamp.type", "unclean.leader.election.enable"}
NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Refused(Exception):
    """A request that gets one of Kafka's error codes."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message


UNKNOWN_TOPIC, CORRUPT, TOO_LARGE, OUT_OF_RANGE = 3, 2, 10, 1
OUT_OF_ORDER, OLD_EPOCH, WRONG_FORMAT, INVALID_TOPIC, TOPIC_EXISTS = 45, 47, 43, 17, 36
INVALID_PARTITIONS, INVALID_CONFIG, INVALID_TIMESTAMP = 37, 40, 32


@dataclass(frozen=True)
class Batch:
    """The header of a batch of records."""

    base: int
    size: int
    magic: int
    attributes: int
    last_delta: int
    latest_ms: int
    producer: int
    epoch: int
    sequence: int

    @property
    def last(self) -> int:
        """Return the last offset."""
        return self.base + self.last_delta

    @property
    def last_sequence(self) -> int:
        """Return the last sequence number; they start again at 0 after the largest."""
        return (self.sequence + self.last_delta) % SEQUENCES


def header(data: bytes, at: int = 0) -> Batch:
    """Return the header of the batch that begins there."""
    base, rest, _, magic, _, attributes, delta, _, latest, producer, epoch, sequence, _ = HEADER.unpack_from(data, at)
    return Batch(base, rest + BEFORE_LENGTH, magic, attributes, delta, latest, producer, epoch, sequence)


def batches(data: bytes) -> Iterator[tuple[Batch, memoryview]]:
    """Return the batches that a client sent, each whole.

    Raises
    ------
    Refused
        They are cut off, or of a format before Kafka 0.11.
    """
    view, at = memoryview(data), 0
    while at < len(data):
        if len(data) - at < HEADER.size:
            raise Refused(CORRUPT, "a batch is cut off")
        found = header(data, at)
        if found.magic != 2:
            raise Refused(WRONG_FORMAT, "records before version 2")
        if found.size < HEADER.size or at + found.size > len(data) or found.last_delta < 0:
            raise Refused(CORRUPT, "a batch is cut off")
        yield found, view[at : at + found.size]
        at += found.size


@dataclass
class Segment:
    """One file of batches, and where in it they are."""

    path: Path
    base: int
    file: int
    size: int = 0
    made: float = field(default_factory=time.time)
    latest_ms: int = -1
    offsets: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))

    def note(self, batch: Batch) -> None:
        """Remember where a batch is that was appended."""
        self.offsets.append(batch.base)
        self.places.append(self.size)
        self.latest_ms = max(self.latest_ms, batch.latest_ms)
        self.times.append(self.latest_ms)
        self.size += batch.size


@dataclass
class Writer:
    """What a partition knows about an idempotent producer: its epoch, and its last batches."""

    epoch: int
    recent: list[tuple[int, int, int]] = field(default_factory=list)  # first and last sequence number, base offset


class Partition:
    """The log of one partition.

    Parameters
    ----------
    folder : Path
        Where its segments are; made when it is missing.
    settings : mapping
        The topic's, which may change.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.settings = folder, settings
        self.start = self.end = 0
        self.segments: list[Segment] = []
        self.writers: dict[int, Writer] = {}
        self.open: dict[int, int] = {}  # producer -> first offset of its transaction
        self.aborted: list[tuple[int, int, int]] = []  # producer, first offset, offset of the marker
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    @property
    def stable(self) -> int:
        """Return the offset up to which every transaction has ended."""
        return min(self.open.values(), default=self.end)

    def append(self, data: bytes) -> int:
        """Append what a producer sent, and return the offset of its first record.

        A batch that an idempotent producer sends again is not appended again.

        Raises
        ------
        Refused
            Too large, out of order, of a producer that was replaced, stamped as only a topic may, or not a batch.
        """
        first = -1
        for batch, piece in batches(data):
            if batch.size > int(self.setting("max.message.bytes")):
                raise Refused(TOO_LARGE, f"a batch of {batch.size} bytes")
            if batch.attributes & CONTROL:
                raise Refused(CORRUPT, "a control batch from a client")
            if batch.attributes & LOG_APPEND_TIME:
                raise Refused(INVALID_TIMESTAMP, "LogAppendTime is the topic's to say, not a producer's")
            base = self._again(batch) if batch.producer >= 0 else None
            if base is None:
                base = self.end
                kept = bytes(piece)
                if self._says_time:
                    kept = checksum.appended_at(kept, int(time.time() * 1000))
                self._write(batch, kept)
            first = base if first < 0 else first
        if first < 0:
            raise Refused(CORRUPT, "no batch at all")
        return first

    def appended_at(self, offset: int) -> int:
        """Return when the batch with an offset was appended, in ms since 1970; -1 where producers say the time."""
        if not self._says_time:
            return -1
        segment = self.segments[self._segment_of(offset)]
        number = bisect.bisect_right(segment.offsets, offset) - 1
        if number < 0:  # it is deleted already
            return -1
        return header(os.pread(segment.file, HEADER.size, segment.places[number])).latest_ms

    @property
    def _says_time(self) -> bool:
        return self.setting("message.timestamp.type") == "LogAppendTime"

    def mark(self, marker: bytes, producer: int) -> None:
        """End a producer's transaction; nothing when it has none here."""
        if producer in self.open:
            self._write(header(marker), marker)

    def read(self, offset: int, most: int, end: int) -> bytes:
        """Return whole batches from the one with an offset up to ``end``: one, or as many as ``most`` bytes hold."""
        parts, size = [], 0
        for number in range(self._segment_of(offset), len(self.segments)):
            segment = self.segments[number]
            first = max(bisect.bisect_right(segment.offsets, offset) - 1, 0)
            last = bisect.bisect_left(segment.offsets, end)  # of the first batch that is not wanted
            if first >= last:
                break
            begin = segment.places[first]
            stop = segment.size if last == len(segment.offsets) else segment.places[last]
            if size + stop - begin > most:  # as many batches as fit, but one at least
                fitting = bisect.bisect_right(segment.places, begin + most - size, first, last) - 1
                if fitting <= first and not size:
                    fitting = first + 1
                stop = segment.size if fitting == len(segment.offsets) else segment.places[fitting]
                if stop > begin:
                    parts.append(os.pread(segment.file, stop - begin, begin))
                break
            parts.append(os.pread(segment.file, stop - begin, begin))
            size += stop - begin
        return b"".join(parts)

    def aborted_between(self, offset: int, end: int) -> list[dict[str, int]]:
        """Return the aborted transactions that touch a range of offsets."""
        return [
            {"producer": producer, "first": first}
            for producer, first, marker in self.aborted
            if marker >= offset and first < end
        ]

    def at_time(self, since_ms: int) -> tuple[int, int]:
        """Return offset and time of the first batch with a record of that time or later; -1 where there is none."""
        for segment in self.segments:
            if segment.latest_ms >= since_ms:
                number = bisect.bisect_left(segment.times, since_ms)
                return max(segment.offsets[number], self.start), segment.times[number]
        return -1, -1

    def delete_before(self, offset: int) -> int:
        """Forget records before an offset (-1 is all), and return the first that is left.

        Whole segments go first, and need nothing written: their files' names say where the log begins. So a full disk
        can be emptied.
        """
        offset = self.end if offset == -1 else offset
        if not 0 <= offset <= self.end:
            raise Refused(OUT_OF_RANGE, f"it ends at {self.end}")
        if offset > self.start:
            self._drop_segments(offset)
            self.start = max(self.start, self.segments[0].base)
        if offset > self.start:  # within a segment
            fresh = self.folder / "start.new"
            fresh.write_text(str(offset))
            fresh.replace(self.folder / "start")
            self.start = offset
        return self.start

    def retain(self, now_ms: float) -> None:
        """Delete segments that are too old, or beyond the size that is kept."""
        if "delete" not in self.setting("cleanup.policy"):
            return
        oldest, most = int(self.setting("retention.ms")), int(self.setting("retention.bytes"))
        begin, size = self.start, sum(each.size for each in self.segments)
        for number, segment in enumerate(self.segments):
            too_old = oldest >= 0 and segment.latest_ms < now_ms - oldest
            following = self.segments[number + 1].base if number + 1 < len(self.segments) else self.end
            too_much = 0 <= most < size - segment.size and following < self.end
            if not segment.offsets or not (too_old or too_much) or following > self.stable:
                break
            begin, size = following, size - segment.size
        if begin > self.start:
            self.delete_before(begin)

    def setting(self, name: str) -> str:
        """Return a setting of the topic."""
        return self.settings.get(name, DEFAULTS[name])

    def close(self) -> None:
        """Let go of the files."""
        for segment in self.segments:
            os.close(segment.file)
        self.segments = []

    def _again(self, batch: Batch) -> int | None:
        """Return where a batch is already, nothing for a new one; refuse one that does not follow the last."""
        writer = self.writers.get(batch.producer)
        if writer is None:
            return None
        if batch.epoch < writer.epoch:
            raise Refused(OLD_EPOCH, "the producer was replaced by a newer one")
        if batch.epoch > writer.epoch:
            if batch.sequence != 0:
                raise Refused(OUT_OF_ORDER, "a new epoch begins with 0")
            return None
        for first, last, base in writer.recent:
            if (first, last) == (batch.sequence, batch.last_sequence):
                return base
        expected = (writer.recent[-1][1] + 1) % SEQUENCES if writer.recent else 0
        if writer.recent and batch.sequence != expected:
            raise Refused(OUT_OF_ORDER, f"{expected} was expected, not {batch.sequence}")
        return None

    def _write(self, batch: Batch, data: bytes) -> None:
        segment = self._active(batch)
        placed = struct.pack(">q", self.end) + data[8:12] + struct.pack(">i", 0) + data[16:]
        written = os.pwrite(segment.file, placed, segment.size)
        if written != len(placed):
            os.ftruncate(segment.file, segment.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(segment.path))
        self._note(segment, header(placed), placed)

    def _note(self, segment: Segment, batch: Batch, data: bytes) -> None:
        """Take in a batch that is in the file."""
        segment.note(batch)
        self.end = batch.last + 1
        if batch.producer < 0:
            return
        if batch.attributes & CONTROL:
            first = self.open.pop(batch.producer, None)
            (committed,) = struct.unpack_from(">h", data, MARKER_AT + 2)
            if first is not None and not committed:
                self.aborted.append((batch.producer, first, batch.base))
        elif batch.attributes & TRANSACTIONAL:
            self.open.setdefault(batch.producer, batch.base)
        writer = self.writers.get(batch.producer)
        if writer is None or writer.epoch < batch.epoch:
            writer = self.writers[batch.producer] = Writer(batch.epoch)
        if not batch.attributes & CONTROL:
            writer.recent = [*writer.recent, (batch.sequence, batch.last_sequence, batch.base)][-REMEMBERED:]

    def _active(self, batch: Batch) -> Segment:
        """Return the segment to append to: a new one when the last is full or old."""
        last = self.segments[-1]
        full = last.size + batch.size > int(self.setting("segment.bytes"))
        old = time.time() - last.made > int(self.setting("segment.ms")) / 1000
        if last.offsets and (full or old):
            self.segments.append(self._opened(self.end))
        return self.segments[-1]

    def _opened(self, base: int) -> Segment:
        path = self.folder / f"{base:020}.log"
        return Segment(path, base, os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

    def _segment_of(self, offset: int) -> int:
        return max(bisect.bisect_right([each.base for each in self.segments], offset) - 1, 0)

    def _drop_segments(self, start: int) -> None:
        """Delete the segments that hold only what is before an offset; the last one stays, as an empty one."""
        if start == self.end and self.segments[-1].offsets:
            self.segments.append(self._opened(self.end))
        while len(self.segments) > 1 and self.segments[1].base <= start:
            self.segments[0].path.unlink()
            os.close(self.segments.pop(0).file)
        self.aborted = [each for each in self.aborted if each[2] >= start]

    def _load(self) -> None:
        """Read the headers of all batches; cut away what a crash left half written."""
        for path in sorted(self.folder.glob("*.log")):
            segment = self._opened(int(path.stem))
            segment.made = path.stat().st_mtime
            self.segments.append(segment)
            self.end = max(self.end, segment.base)
            size, at = path.stat().st_size, 0
            while size - at >= HEADER.size:
                data = os.pread(segment.file, HEADER.size + 16, at)
                batch = header(data)
                if batch.base != self.end or batch.magic != 2 or batch.size < HEADER.size or at + batch.size > size:
                    break
                self._note(segment, batch, data)
                at += batch.size
            cut(segment.file, at, path)
        if not self.segments:
            self.segments.append(self._opened(0))
        mark = self.folder / "start"
        begin = int(mark.read_text()) if mark.exists() else 0
        self.start = min(max(begin, self.segments[0].base), self.end)


@dataclass
class Topic:
    """One topic: its settings, and its partitions."""

    name: str
    folder: Path
    settings: dict[str, str]
    partitions: list[Partition]

    def save(self, partitions: int, settings: Mapping[str, str]) -> None:
        """Write down how many partitions it is about to have, and which settings."""
        write_json(self.folder / "topic.json", {"partitions": partitions, "settings": dict(settings)})


class Topics:
    """All topics of a broker, each a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: dict[str, Topic] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if path.name.startswith("~"):  # half made, or half deleted; no topic's name has that letter
                shutil.rmtree(path)
            else:
                self._load(path)

    def get(self, name: str, partition: int) -> Partition:
        """Return a partition, or refuse."""
        topic = self.all.get(name)
        if topic is None or not 0 <= partition < len(topic.partitions):
            raise Refused(UNKNOWN_TOPIC, "there is no such topic or partition")
        return topic.partitions[partition]

    def create(self, name: str, partitions: int, settings: Mapping[str, str], *, validate: bool = False) -> None:
        """Make a topic; it is there whole or not at all."""
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise Refused(INVALID_TOPIC, "a name has up to 249 letters, digits, '.', '_' and '-'")
        if name in self.all:
            raise Refused(TOPIC_EXISTS, f"Topic '{name}' already exists.")
        if not 1 <= partitions <= 10_000:
            raise Refused(INVALID_PARTITIONS, "a topic has 1 to 10000 partitions")
        check_settings(settings)
        if validate:
            return
        fresh, place = self.folder / f"~{name}", self.folder / name
        try:
            fresh.mkdir(mode=0o700)
            write_json(fresh / "topic.json", {"partitions": partitions, "settings": dict(settings)})
            fresh.replace(place)
            self._load(place)
        except OSError:
            for each in (fresh, place):
                shutil.rmtree(each, ignore_errors=True)
            raise

    def grow(self, name: str, count: int, *, validate: bool = False) -> None:
        """Give a topic more partitions."""
        topic = self.all.get(name)
        if topic is None:
            raise Refused(UNKNOWN_TOPIC, "there is no such topic")
        if not len(topic.partitions) < count <= 10_000:
            has = f"Topic currently has {len(topic.partitions)} partitions, {count} would not be an increase."
            raise Refused(INVALID_PARTITIONS, has)
        if validate:
            return
        topic.save(count, topic.settings)
        added = range(len(topic.partitions), count)
        topic.partitions.extend([Partition(topic.folder / str(number), topic.settings) for number in added])

    def configure(self, name: str, settings: Mapping[str, str], *, validate: bool = False) -> None:
        """Replace a topic's settings."""
        topic = self.all.get(name)
        if topic is None:
            raise Refused(UNKNOWN_TOPIC, "there is no such topic")
        check_settings(settings)
        if not validate:
            topic.save(len(topic.partitions), settings)
            topic.settings.clear()
            topic.settings.update(settings)

    def delete(self, name: str) -> None:
        """Delete a topic."""
        topic = self.all.pop(name, None)
        if topic is None:
            raise Refused(UNKNOWN_TOPIC, "there is no such topic")
        for each in topic.partitions:
            each.close()
        gone = self.folder / f"~{uuid.uuid4().hex}"
        topic.folder.replace(gone)
        shutil.rmtree(gone)

    def retain(self) -> None:
        """Delete what is kept no longer."""
        for topic in self.all.values():
            for each in topic.partitions:
                with going_on(topic.name):
                    each.retain(time.time() * 1000)

    def _load(self, path: Path) -> None:
        facts = json.loads((path / "topic.json").read_text())
        settings = dict(facts["settings"])
        partitions = [Partition(path / str(number), settings) for number in range(facts["partitions"])]
        self.all[path.name] = Topic(path.name, path, settings, partitions)


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuse settings that a topic does not take."""
    for name, value in settings.items():
        if name not in DEFAULTS:
            raise Refused(INVALID_CONFIG, f"Unknown topic config name: {name}")
        if name == "cleanup.policy" and not set(value.split(",")) <= {"delete", "compact"}:
            raise Refused(INVALID_CONFIG, f"Invalid value {value} for configuration {name}")
        if name == "message.timestamp.type" and value not in ("CreateTime", "LogAppendTime"):
            raise Refused(INVALID_CONFIG, f"Invalid value {value} for configuration {name}")
        if name not in WORDS:
            try:
                float(value) if name == "min.cleanable.dirty.ratio" else int(value)
            except ValueError:
                raise Refused(INVALID_CONFIG, f"Invalid value {value} for configuration {name}: not a number") from None


def cut(file: int, size: int, path: Path) -> None:
    """Cut away what a crash left half written at a file's end, and say how much it was."""
    if beyond := os.fstat(file).st_size - size:
        print(f"{path}: {beyond} bytes at its end are no whole entry, and are cut away", flush=True)
        os.ftruncate(file, size)


@contextlib.contextmanager
def going_on(what: str) -> Iterator[None]:
    """Say that the disk refuses something, and go on: it is tried again, and the broker serves meanwhile."""
    try:
        yield
    except OSError as error:
        print(f"{what}: {error}", flush=True)


def write_json(path: Path, document: object) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(document))
    fresh.replace(path)
