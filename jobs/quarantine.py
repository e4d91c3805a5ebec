"""What could not be loaded, kept where people and programs find it.

Keys are derived from the content hash: a retry writes the same object again instead of a second one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from jobs.source import Delivery

RejectedRow = tuple[int, str, str]
"""Line number, reason code, raw line."""


class Quarantine(Protocol):
    """A place for rejected rows and files."""

    def put_rows(self, content_hash: str, rows: Iterable[RejectedRow]) -> str:
        """Keep the rejected rows of one file as JSON lines; return where."""

    def put_file(self, content_hash: str, delivery: Delivery) -> str:
        """Keep a whole file that was refused; return where."""


class S3Quarantine:
    """Quarantine below a prefix of a bucket.

    Parameters
    ----------
    s3 : boto3 S3 client
    bucket : str
    prefix : str
        Ends with a slash.
    """

    def __init__(self, s3: Any, bucket: str, prefix: str = "quarantine/") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def put_rows(self, content_hash: str, rows: Iterable[RejectedRow]) -> str:
        """Stream the rows into one object, without holding them in memory."""
        key = f"{self._prefix}rows/{content_hash}.jsonl"
        self._s3.upload_fileobj(
            _Stream(_json_lines(rows)), self._bucket, key, ExtraArgs={"ContentType": "application/x-ndjson"}
        )
        return key

    def put_file(self, content_hash: str, delivery: Delivery) -> str:
        """Copy the object inside S3. The original stays: the landing prefix is never rewritten."""
        key = f"{self._prefix}files/{content_hash}/{delivery.key.rsplit('/', 1)[-1]}"
        source = {"Bucket": delivery.bucket, "Key": delivery.key}
        # Without its tags: reading those would need one more permission.
        self._s3.copy(source, self._bucket, key, ExtraArgs={"TaggingDirective": "REPLACE"})
        return key


class FolderQuarantine:
    """Quarantine in a local folder, for trying and for benchmarks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put_rows(self, content_hash: str, rows: Iterable[RejectedRow]) -> str:
        """Write the rows into one file."""
        path = self._folder / "rows" / f"{content_hash}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(_json_lines(rows))
        return str(path)

    def put_file(self, content_hash: str, delivery: Delivery) -> str:
        """Note which file was refused; it lies on this machine already."""
        path = self._folder / "files" / f"{content_hash}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{delivery.key}\n", encoding="utf-8")
        return str(path)


def _json_lines(rows: Iterable[RejectedRow]) -> Iterator[bytes]:
    for line, reason, raw in rows:
        yield json.dumps({"line": line, "reason": reason, "raw": raw}, ensure_ascii=False).encode() + b"\n"


class _Stream(io.RawIOBase):
    """An iterator of bytes as the file object that boto3 wants."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        self._rest = data[size:] if size >= 0 else b""
        return data[:size] if size >= 0 else data
