"""CSV bytes into blocks of well-formed records, with the physical line number of each.

pandas' C parser is fast but forgives: it fills short rows, dies on long ones, and loses count of lines. So
the lines are judged before, on whole blocks in numpy: only a line whose quotes look odd is looked at in
Python.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from jobs.errors import FileRejected

BLOCK = 1 << 20
"""Bytes judged at a time: large enough for numpy, small enough for the processor's cache."""

MAX_RECORD_BYTES = 64 << 10
MAX_RECORD_LINES = 100
"""A quoted field may hold line ends, but one forgotten quote must not swallow the rest of the file."""

MAX_LINE_BYTES = 1 << 20

csv.field_size_limit((1 << 31) - 1)  # what is too long is judged here, with a reason; the parser would just raise

_QUOTE, _COMMA, _NEWLINE = 34, 44, 10
_SPECIAL = np.zeros(256, dtype=bool)
_SPECIAL[[_QUOTE, _COMMA, _NEWLINE]] = True
_FIELD = rb'(?:"[^"]*(?:""[^"]*)*"|[^",\n]*)'
_RECORD = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*\r?\n")
_UNFINISHED = re.compile(rb"(?:" + _FIELD + rb',)*"[^"]*(?:""[^"]*)*')

Lines = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Odd:
    """A record that cannot be read as one: its line number, why, and its bytes."""

    line: int
    reason: str
    raw: bytes


@dataclass
class Block:
    """Records that belong together only because they were read together.

    Parameters
    ----------
    data : bytes
        Well-formed records, each ended by a line feed.
    lines : array of int
        The physical line on which each of them starts, counted from 1.
    ends : array of int
        Where in ``data`` each of them ends.
    odd : list of Odd
        The others.
    blank_lines : int
        Lines with nothing on them: not records.
    """

    data: bytes
    lines: Lines
    ends: Lines
    odd: list[Odd] = field(default_factory=list)
    blank_lines: int = 0

    def raw(self, record: int) -> bytes:
        """Return one of the well-formed records as it was read, without its line end."""
        start = int(self.ends[record - 1]) if record else 0
        return self.data[start : int(self.ends[record])].rstrip(b"\r\n")


@dataclass(frozen=True)
class Header:
    """The first line that is not blank."""

    fields: list[str]
    raw: bytes


class Records:
    """A CSV file as a header and blocks of records.

    Parameters
    ----------
    pieces : iterable of bytes
        The file, in pieces of any size.
    block_bytes : int
        How much to judge at a time.
    """

    def __init__(self, pieces: Iterable[bytes], block_bytes: int = BLOCK) -> None:
        self._pieces = iter(pieces)
        self._block_bytes = self._window = block_bytes
        self._rest = b""
        self._line = 1
        self._ended = False
        self.blank_lines = 0

    def header(self) -> Header:
        """Read the header.

        Raises
        ------
        FileRejected
            For an empty file and for what is plainly no CSV.
        """
        self._fill_line()
        if not self._rest:
            raise FileRejected("empty_file", "the file holds no bytes: deliver it again")
        self._refuse_binary()
        self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
        while self._rest:
            end = self._rest.find(b"\n") + 1 or len(self._rest)
            raw, self._rest = self._rest[:end].rstrip(b"\r\n"), self._rest[end:]
            self._line += 1
            if raw.strip():
                if len(raw) > MAX_RECORD_BYTES:
                    message = f"the header is longer than {MAX_RECORD_BYTES:,} bytes: not a CSV"
                    raise FileRejected("line_too_long", message)
                text = raw.decode("utf-8", errors="replace")
                return Header(next(csv.reader([text])), raw)
            self.blank_lines += 1
            self._fill_line()
        raise FileRejected("empty_file", "the file holds blank lines only: deliver it again")

    def _refuse_binary(self) -> None:
        start = self._rest[:4096].partition(b"\n")[0]
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise FileRejected("utf16", "the file is UTF-16: save it as UTF-8")
        if start.startswith(b"PK\x03\x04"):
            raise FileRejected(
                "not_csv", "the file is a zip archive or a spreadsheet: deliver the CSV itself or its .gz"
            )
        if b"\0" in start:
            raise FileRejected("not_csv", "the file holds binary data, not CSV text")

    def blocks(self, columns: int) -> Iterator[Block]:
        """Yield everything behind the header.

        Parameters
        ----------
        columns : int
            Fields that a record must have.
        """
        while True:
            self._fill()
            if not self._rest:
                return
            data, self._rest = self._cut()
            if data:
                block, taken, lines = _judge(data, self._line, columns, last=self._ended and not self._rest)
                # A record that is longer than the window needs a larger one to make progress.
                self._window = self._block_bytes if taken else 2 * self._window
                self._rest = data[taken:] + self._rest
                self._line += lines
                self.blank_lines += block.blank_lines
                yield block

    def _fill_line(self) -> None:
        self._fill()
        while b"\n" not in self._rest and not self._ended and len(self._rest) <= MAX_LINE_BYTES:
            self._window *= 2
            self._fill()
        self._window = self._block_bytes

    def _fill(self) -> None:
        pieces, size = [self._rest], len(self._rest)
        while size <= self._window and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
            else:
                pieces.append(piece)
                size += len(piece)
        self._rest = b"".join(pieces)

    def _cut(self) -> tuple[bytes, bytes]:
        """Split what was read behind the last line that ends in the window, else the first that ends."""
        if self._ended and len(self._rest) <= self._window:
            return self._rest.removesuffix(b"\n") + b"\n", b""
        end = self._rest.rfind(b"\n", 0, self._window) + 1 or self._rest.find(b"\n") + 1
        if end:
            return self._rest[:end], self._rest[end:]
        if len(self._rest) > MAX_LINE_BYTES:
            message = f"line {self._line} is longer than {MAX_LINE_BYTES:,} bytes: not a CSV"
            raise FileRejected("line_too_long", message)
        self._window *= 2
        return b"", self._rest


@dataclass
class _Shape:
    """What numpy found out about each physical line of a block."""

    starts: Lines
    ends: Lines  # behind the line feed
    commas: Lines  # outside quotes, where the line stands alone
    alone: npt.NDArray[np.bool_]  # its quotes are all in place: a record if it starts one


def _shape(data: bytes) -> _Shape:
    text = np.frombuffer(data, dtype=np.uint8)
    at = np.flatnonzero(_SPECIAL[text])
    kind = text[at]
    is_newline = kind == _NEWLINE
    ends = at[is_newline] + 1
    starts = np.concatenate(([0], ends[:-1]))
    is_comma = kind == _COMMA
    if b'"' not in data:
        commas = np.diff(np.flatnonzero(is_newline), prepend=-1) - 1
        return _Shape(starts, ends, commas, np.ones(len(ends), dtype=bool))

    is_quote = kind == _QUOTE
    quotes_before = np.cumsum(is_quote)
    last = np.flatnonzero(is_newline)
    quotes_to_end = quotes_before[last]
    quotes_to_start = np.concatenate(([0], quotes_to_end[:-1]))
    line_of = np.repeat(np.arange(len(ends)), np.diff(last, prepend=-1))

    outside = ((quotes_before - quotes_to_start[line_of]) & 1) == 0
    commas = np.bincount(line_of[is_comma & outside], minlength=len(ends))

    quote_at = at[is_quote]
    quote_line = line_of[is_quote]
    opens = ((np.arange(len(quote_at)) - quotes_to_start[quote_line]) & 1) == 0
    before = text[np.maximum(quote_at - 1, 0)]
    after = text[np.minimum(quote_at + 1, len(text) - 1)]
    starts_field = (quote_at == starts[quote_line]) | (before == _COMMA)
    ends_field = (after == _COMMA) | (after == _NEWLINE)
    ends_field |= (after == 13) & (text[np.minimum(quote_at + 2, len(text) - 1)] == _NEWLINE)
    # A doubled quote inside a field closes and opens again: both neighbours are quotes of this line.
    doubled_open = np.zeros(len(quote_at), dtype=bool)
    doubled_open[1:] = (np.diff(quote_at) == 1) & (quote_line[1:] == quote_line[:-1])
    doubled_close = np.roll(doubled_open, -1)
    doubled_close[-1] = False
    in_place = np.where(opens, starts_field | doubled_open, ends_field | doubled_close)
    misplaced = np.bincount(quote_line[~in_place], minlength=len(ends))
    alone = (misplaced == 0) & (((quotes_to_end - quotes_to_start) & 1) == 0)
    return _Shape(starts, ends, commas, alone)


def _judge(data: bytes, first_line: int, columns: int, *, last: bool) -> tuple[Block, int, int]:
    """Sort the lines of ``data`` into records, odd ones and blank ones.

    Returns
    -------
    Block, bytes taken, lines taken
        What is not taken is the start of a record that the next block ends.
    """
    shape = _shape(data)
    count = len(shape.ends)
    good = shape.alone & (shape.commas == columns - 1)
    has_nul = b"\0" in data
    if has_nul:
        good &= ~_lines_with_nul(data, shape)
    if columns == 1:
        good &= shape.ends - shape.starts > 2
    suspects = np.flatnonzero(~good)
    if not len(suspects):
        return Block(data, np.arange(first_line, first_line + count), shape.ends), len(data), count

    keep_lines = good.copy()
    record_ends = shape.ends.copy()
    odd: list[Odd] = []
    blank_lines = 0
    kept: list[bytes] = []
    copied = 0  # bytes of data that are decided
    next_line = 0
    taken_lines = count
    for line in suspects.tolist():
        if line < next_line:
            continue
        start = int(shape.starts[line])
        kept.append(data[copied:start])
        found = _one_record(data, shape, line, last=last)
        if found is None:  # goes on behind this block
            taken_lines, copied = line, start
            keep_lines[line:] = False
            break
        next_line = found
        end = int(shape.ends[next_line - 1])
        keep_lines[line:next_line] = False
        raw = data[start:end].rstrip(b"\r\n")
        reason = _reason(raw, columns, lines=next_line - line, alone=bool(shape.alone[line]))
        if reason is None:
            keep_lines[line] = True
            record_ends[line] = end
            kept.append(data[start:end])
        elif reason == "blank":
            blank_lines += 1
        else:
            odd.append(Odd(first_line + line, reason, raw))
        copied = end
    else:
        kept.append(data[copied:])
        copied = len(data)
    ends = np.cumsum((record_ends - shape.starts)[keep_lines])
    lines = np.flatnonzero(keep_lines) + first_line
    return Block(b"".join(kept), lines, ends, odd, blank_lines), copied, taken_lines


def _lines_with_nul(data: bytes, shape: _Shape) -> npt.NDArray[np.bool_]:
    at = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 0)
    found = np.zeros(len(shape.ends), dtype=bool)
    found[np.searchsorted(shape.ends, at, side="right")] = True
    return found


def _one_record(data: bytes, shape: _Shape, line: int, *, last: bool) -> int | None:
    """Return the line behind the record that starts on ``line``; None when it may go on in the next block."""
    if shape.alone[line]:
        return line + 1
    start = int(shape.starts[line])
    found = _RECORD.match(data, start, start + MAX_RECORD_BYTES)
    if found:
        behind = int(np.searchsorted(shape.ends, found.end())) + 1
        return behind if behind - line <= MAX_RECORD_LINES else line + 1
    whole = len(data) - start > MAX_RECORD_BYTES or len(shape.ends) - line > MAX_RECORD_LINES
    if last or whole or not _UNFINISHED.fullmatch(data, start):
        return line + 1
    return None


def _reason(raw: bytes, columns: int, *, lines: int, alone: bool) -> str | None:
    """Say why a record cannot be kept; None when it can."""
    if b"\0" in raw:
        return "nul_byte"
    if not raw.strip():
        return "blank"
    if alone:
        return None if columns == 1 and raw.count(b",") == 0 else "column_count"
    if lines == 1 and not _RECORD.fullmatch(raw + b"\n"):
        return "bad_quoting"
    fields = next(csv.reader(io.StringIO(raw.decode("latin-1"), newline="")))
    return None if len(fields) == columns else "column_count"
