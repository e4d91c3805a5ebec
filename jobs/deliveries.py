"""A file is taken whole or refused whole: looked at before anything of it is loaded, then written for a bulk load.

What a warehouse's raw layer gets is the file's own texts, each record with the delivery's name and its own number.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PIECE = 1 << 20
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


class Refused(Exception):
    """A file that is not what it should be: nothing of it is loaded."""


@dataclass(frozen=True)
class Delivery:
    """A file of the raw form, ready for a bulk load."""

    table: str
    name: str
    """The first digits of the content's hash, and the file's name without what would need quotes in SQL."""
    path: Path
    rows: int

    @property
    def digest(self) -> str:
        """The part of the name that the content alone decides."""
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Content:
    """What one look at all bytes of a file tells.

    Parameters
    ----------
    digest : str
        The first twelve digits of its SHA-256.
    encoding : str
        ``utf-8-sig`` where it is valid UTF-8, else ``cp1252``.
    is_ended : bool
        Its last line has a line end: a file that was cut mostly has none.
    """

    digest: str
    encoding: str
    is_ended: bool


def inspect(source: Path) -> Content:
    """Read a file once, in pieces: its hash, its encoding, how it ends.

    Raises
    ------
    Refused
        It holds NUL bytes, or letters of UTF-8 beside bytes that are none: two encodings in one file.
    """
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    is_utf8, has_letters, tail = True, False, b""
    with open(source, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            if b"\0" in piece:
                raise Refused(f"{source.name} holds NUL bytes: is it another kind of file, or UTF-16?")
            if is_utf8:
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    is_utf8 = False
            if not piece.isascii():
                has_letters = has_letters or bool(_UTF8_LETTER.search(tail + piece))
            tail = piece[-3:]
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    if not is_utf8 and has_letters:
        raise Refused(f"{source.name} mixes encodings: some letters are UTF-8, some are not")
    return Content(digest.hexdigest()[:12], "utf-8-sig" if is_utf8 else "cp1252", tail.endswith((b"\n", b"\r")))


def digest(source: Path) -> str:
    """Return the first twelve digits of a file's SHA-256."""
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def records(source: Path, columns: Sequence[str], encoding: str = "utf-8-sig") -> Iterator[list[str]]:
    """Yield the records of a CSV whose header must be just these columns.

    Raises
    ------
    Refused
        Another header (each column that is missing or new is named), or a record with more or fewer fields.
    """
    with open(source, newline="", encoding=encoding) as file:
        reader = csv.reader(file, strict=True)
        check_header(source, next(reader, []), columns)
        for record in reader:
            if len(record) != len(columns):
                line, want = reader.line_num, len(columns)
                raise Refused(f"{source.name}, line {line}: {len(record)} fields instead of {want}: is it cut?")
            yield record


def check_header(source: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse a header that is not just these columns, and say what is different.

    Raises
    ------
    Refused
        As above.
    """
    if list(header) == list(columns):
        return
    missing = [name for name in columns if name not in header]
    new = [name for name in header if name not in columns]
    if len(header) == 1:
        what = f"its header is one column: {header[0][:60]!r}; another delimiter?"
    elif missing or new:
        what = f"its columns changed: missing {', '.join(missing) or 'none'}; new {', '.join(new) or 'none'}"
    else:
        what = "its columns are in another order, or repeated"
    raise Refused(f"{source.name}: {what}")


def write(
    table: str,
    columns: Sequence[str],
    source: Path,
    folder: Path,
    rows: Iterable[Sequence[str]],
    extra: Mapping[str, Any],
    content: str | None = None,
) -> Delivery:
    """Write a file's records as CSV for a bulk load, each followed by ``_file``, ``_line`` and what is extra.

    Parameters
    ----------
    table, columns : str, sequence of str
        The raw table, and its columns without those of the origin.
    source, folder : Path
        The file as it arrived, and where to write.
    rows : iterable
        Its records, in order.
    extra : mapping
        Further columns of the origin, the same for each record.
    content : str, optional
        The content's digest, where it is known already.

    Raises
    ------
    Refused
        A record can't be read, or there is none.
    """
    name = f"{content or digest(source)}-{re.sub('[^A-Za-z0-9._-]', '_', source.name)}"
    path, count, beside = folder / f"{name}.{table}.csv", 0, list(extra.values())
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer: Any = csv.writer(file, lineterminator="\n")
            writer.writerow([*columns, "_file", "_line", *extra])
            for count, record in enumerate(rows, 1):
                writer.writerow([*record, name, count, *beside])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{source.name}: {error}") from error
    if not count:
        raise Refused(f"{source.name} has no rows")
    return Delivery(table, name, path, count)
