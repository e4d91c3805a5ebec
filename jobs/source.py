"""Where bytes come from: an S3 object or a local file, read once, in pieces, hashed on the way."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.errors import FileRejected

CHUNK = 1 << 20
"""Bytes asked for at a time."""


@dataclass(frozen=True)
class Limits:
    """How far a file may unfold before it is refused.

    Parameters
    ----------
    max_bytes : int
        Most bytes that one file may hold once decompressed.
    max_ratio : int
        Most decompressed bytes per compressed byte; real CSV stays below 40, a bomb reaches 1,000.
    ratio_from : int
        Decompressed bytes before the ratio is looked at: small files compress as they like.
    """

    max_bytes: int = 20 << 30
    max_ratio: int = 100
    ratio_from: int = 16 << 20


@dataclass(frozen=True)
class Delivery:
    """One arrival of a file: the same content may arrive many times.

    Parameters
    ----------
    bucket, key, etag : str
        What S3 says; together they name one content of one object.
    size : int
        Bytes as stored.
    modified_at : datetime
        When it was delivered, in whole seconds (S3 tells no more). Of two files that disagree about a row,
        the later delivered one is right.
    """

    bucket: str
    key: str
    etag: str
    size: int
    modified_at: datetime

    @property
    def identity(self) -> str:
        """One string for all that tells this delivery from others."""
        return "\n".join((self.bucket, self.key, self.etag, self.modified_at.isoformat()))


class Content:
    """The decompressed bytes of a file; ``sha256`` is that of the bytes as delivered.

    gzip is recognised by its first bytes, not by its name. Iterate once.
    """

    def __init__(self, chunks: Iterable[bytes], limits: Limits | None = None) -> None:
        self._chunks = iter(chunks)
        self._limits = limits or Limits()
        self._hash = hashlib.sha256()
        self.bytes_in = 0
        self.bytes_out = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces of at most a few ``CHUNK``."""
        first = b""
        for chunk in self._raw():
            first += chunk
            if len(first) >= 2:
                break
        pieces = self._chain(first)
        for piece in self._gunzip(pieces) if first.startswith(b"\x1f\x8b") else pieces:
            self.bytes_out += len(piece)
            self._check_limits()
            yield piece

    def finish(self) -> str:
        """Read what is left, for the hash alone, and return the content hash."""
        for _ in self._raw():
            pass
        return self._hash.hexdigest()

    def _raw(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._hash.update(chunk)
            self.bytes_in += len(chunk)
            yield chunk

    def _chain(self, first: bytes) -> Iterator[bytes]:
        if first:
            yield first
        yield from self._raw()

    def _check_limits(self) -> None:
        limits = self._limits
        if self.bytes_out > limits.ratio_from and self.bytes_out > limits.max_ratio * self.bytes_in:
            raise FileRejected(
                "gzip_bomb",
                f"{self.bytes_in:,} compressed bytes had become {self.bytes_out:,} when reading stopped: "
                f"more than {limits.max_ratio} to 1",
            )
        if self.bytes_out > limits.max_bytes:
            raise FileRejected(
                "too_large", f"more than {limits.max_bytes:,} bytes once decompressed: deliver it in parts"
            )

    @staticmethod
    def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Decompress any number of gzip members, never more than ``CHUNK`` at a time."""
        member = zlib.decompressobj(wbits=31)
        begun = False
        try:
            for chunk in chunks:
                while chunk:
                    if member.eof:
                        chunk = chunk.lstrip(b"\0")  # tape-style padding behind the last member
                        if not chunk:
                            break
                        member, begun = zlib.decompressobj(wbits=31), False
                    begun = True
                    piece = member.decompress(chunk, CHUNK)
                    chunk = member.unconsumed_tail or member.unused_data
                    if piece:
                        yield piece
            while begun and not member.eof:  # what the decompressor still holds back
                piece = member.decompress(member.unconsumed_tail, CHUNK)
                if not piece:
                    break
                yield piece
        except zlib.error as error:
            raise FileRejected("gzip_corrupt", f"not readable as gzip ({error}): deliver it again") from error
        if begun and not member.eof:
            raise FileRejected("gzip_truncated", "the gzip stream ends early: deliver it again")


def open_object(s3: Any, bucket: str, key: str) -> tuple[Delivery, Iterator[bytes]]:
    """Open an S3 object for one streaming read.

    Parameters
    ----------
    s3 : boto3 S3 client
    bucket, key : str

    Returns
    -------
    Delivery, iterator of bytes
    """
    answer = s3.get_object(Bucket=bucket, Key=key)
    delivery = Delivery(
        bucket=bucket,
        key=key,
        etag=answer["ETag"].strip('"'),
        size=int(answer["ContentLength"]),
        modified_at=answer["LastModified"].replace(microsecond=0),
    )
    return delivery, answer["Body"].iter_chunks(CHUNK)


def listed_object(bucket: str, entry: Mapping[str, Any]) -> Delivery:
    """Return the delivery that an entry of ``list_objects_v2`` stands for, as ``open_object`` would."""
    return Delivery(
        bucket=bucket,
        key=entry["Key"],
        etag=entry["ETag"].strip('"'),
        size=int(entry["Size"]),
        modified_at=entry["LastModified"].replace(microsecond=0),
    )


def open_path(path: Path) -> tuple[Delivery, Iterator[bytes]]:
    """Open a local file as if it had been delivered: for trying and for benchmarks."""
    facts = path.stat()
    delivery = Delivery(
        bucket="file",
        key=str(path.resolve()),
        etag=f"{facts.st_size:x}-{facts.st_mtime_ns:x}",
        size=facts.st_size,
        modified_at=datetime.fromtimestamp(int(facts.st_mtime), UTC),
    )
    return delivery, _read(path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
