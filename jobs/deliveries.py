"""A file is taken whole or refused whole: read strictly, and written for a bulk load.

What a warehouse's raw layer gets is the file's own texts, each record with the delivery's name and its own number.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.errors import FileRejected

LINE_CHARACTERS = 1 << 20
"""Most characters of a line, far beyond any record."""


@dataclass(frozen=True)
class Delivery:
    """A file in the form of a raw table, ready for a bulk load."""

    table: str
    name: str
    """The first digits of the content's hash, and the file's name without what would need quotes in SQL."""
    path: Path
    rows: int

    @property
    def digest(self) -> str:
        """The first digits of the content's hash: the same content is the same delivery, whatever its name."""
        return self.name.partition("-")[0]


def tidy(source: str) -> str:
    """Return a file's name without its folder and without what would need quotes in SQL or in a path."""
    return re.sub("[^A-Za-z0-9._-]", "_", source.rpartition("/")[2])[-120:]


def read(path: Path, encoding: str = "utf-8-sig") -> Iterator[list[str]]:
    """Yield the header of a CSV, then its records, all as wide as the header.

    Raises
    ------
    FileRejected
        No header, another encoding, NUL bytes, a line without end, a record of another width, broken quotes.
    """
    try:
        with open(path, newline="", encoding=encoding) as file:
            reader = csv.reader(_lines(file), strict=True)
            header = next(reader, [])
            if not header:
                raise FileRejected("empty_file", "it has no bytes, or an empty first line: deliver it again")
            yield header
            for record in reader:
                if len(record) != len(header):
                    what = f"line {reader.line_num} has {len(record)} fields instead of {len(header)}: is it cut?"
                    raise FileRejected("column_count", what)
                yield record
    except UnicodeDecodeError as error:
        wanted = encoding.removesuffix("-sig").upper()
        what = f"byte {error.object[error.start]:#04x} is not {wanted}: {error.reason}"
        raise FileRejected("bad_encoding", what) from error
    except csv.Error as error:
        raise FileRejected("bad_csv", f"{error}: is it cut, or quoted otherwise?") from error


def _lines(file: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, none longer than memory should hold, and none with what no warehouse takes."""
    for number, line in enumerate(iter(lambda: file.readline(LINE_CHARACTERS), ""), 1):
        if len(line) == LINE_CHARACTERS:
            raise FileRejected("line_too_long", f"line {number} has more than {LINE_CHARACTERS:,} characters")
        if "\0" in line:
            raise FileRejected("nul_byte", f"line {number} has a NUL byte: is it UTF-16, or broken?")
        yield line
        if not line.endswith(("\n", "\r")):  # told last: a record that lacks fields too is told by them
            raise FileRejected("no_line_end", "its last line has no line end: is it cut?")


def check_header(header: Sequence[str], columns: Sequence[str], required: Sequence[str] | None = None) -> None:
    """Refuse a header that is not what it should be, and say what is different.

    Parameters
    ----------
    header, columns : sequence of str
        What a file has, and what is known.
    required : sequence of str, optional
        The columns that a file must have, in any order. Without it: all of them, in theirs.

    Raises
    ------
    FileRejected
        Another delimiter; columns that are missing, new, repeated or moved.
    """
    missing = [name for name in required or columns if name not in header]
    new = [name for name in header if name not in columns]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if len(header) == 1 and new:
        raise FileRejected("wrong_delimiter", f"its header is one column, {header[0][:60]!r}: commas are expected")
    if missing or new:
        what = f"its columns changed: missing {', '.join(missing) or 'none'}; new {', '.join(new) or 'none'}"
        raise FileRejected("unknown_columns", what)
    if twice:
        raise FileRejected("repeated_column", f"it has a column twice: {', '.join(twice)}")
    if required is None and list(header) != list(columns):
        raise FileRejected("column_order", f"its columns are in another order: {', '.join(columns)} is expected")


def write(
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    source: str,
    content_hash: str,
    folder: Path,
    extra: Mapping[str, Any],
) -> Delivery:
    """Write a file's records as CSV for a bulk load, each followed by ``_file``, ``_line`` and what is extra.

    Parameters
    ----------
    table, columns : str, sequence of str
        The raw table, and its columns without those of the origin.
    rows : iterable
        The records, in order.
    source, content_hash : str
        The file's name, and the hash of its bytes, as it was delivered.
    folder : Path
        Where the delivery goes.
    extra : mapping
        Further columns of the origin, the same for each record.

    Raises
    ------
    FileRejected
        There is no record, or ``rows`` refuses one.
    """
    name = f"{content_hash[:12]}-{tidy(source)}"
    path, count, beside = folder / f"{name}.{table}.csv", 0, list(extra.values())
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer: Any = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, "_file", "_line", *extra])
        for count, record in enumerate(rows, 1):
            writer.writerow([*record, name, count, *beside])
    if not count:
        raise FileRejected("no_records", "it has a header and no records")
    return Delivery(table, name, path, count)
