"""Bytes into records, line by line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import records
from jobs.errors import FileRejected
from jobs.records import Records

Found = list[tuple[int, str, bytes]]


def split(data: bytes, columns: int, *, piece: int = 1 << 16, block: int = 1 << 16) -> tuple[Found, int]:
    """Return every record as (line, reason or "good", bytes), by line, and the number of blank lines."""
    reader = Records((data[at : at + piece] for at in range(0, len(data), piece)), block)
    reader.header()
    found: Found = []
    for one in reader.blocks(columns):
        found += [(int(line), "good", one.raw(at)) for at, line in enumerate(one.lines)]
        found += [(odd.line, odd.reason, odd.raw) for odd in one.odd]
    return sorted(found), reader.blank_lines


FIELD = st.text(alphabet='ab ",\n\r\té\\', max_size=6)
ROWS = st.lists(st.lists(FIELD, min_size=3, max_size=3), max_size=12)
SIZES = st.integers(1, 40)


@given(ROWS, st.sampled_from(["\n", "\r\n"]), SIZES, SIZES)
def test_well_formed_csv_is_read_as_the_standard_library_reads_it(
    rows: list[list[str]], line_end: str, piece: int, block: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b", "c"], *rows])
    found, blank = split(out.getvalue().encode(), 3, piece=piece, block=block)
    assert blank == 0
    assert [reason for _, reason, _ in found] == ["good"] * len(rows)
    parsed = [next(csv.reader(io.StringIO(raw.decode(), newline=""))) for _, _, raw in found]
    assert parsed == rows
    starts, line = [], 2
    for row in rows:
        starts.append(line)
        line += 1 + sum(field.count("\n") for field in row)
    assert [line for line, _, _ in found] == starts


@given(st.lists(st.text(alphabet='ab",\r\0', max_size=8), max_size=12), SIZES, SIZES)
def test_no_line_is_lost_whatever_it_holds_and_however_it_is_cut(lines: list[str], piece: int, block: int) -> None:
    data = "\n".join(["x,y", *lines]).encode()
    found, blank = split(data, 2, piece=piece, block=block)
    assert (found, blank) == split(data, 2)
    counted = sum(raw.count(b"\n") + 1 for _, _, raw in found) + blank
    # The file's last line counts only when something is on it.
    assert counted in (len(lines), len(lines) - (1 if lines and not lines[-1] else 0))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,2", "column_count"),
        (b"1,2,3,4", "column_count"),
        (b'1,"2,3', "bad_quoting"),
        (b'1,2" rocket,3', "bad_quoting"),
        (b'1,"2" rocket,3', "bad_quoting"),
        (b"1,\0,3", "nul_byte"),
        (b'1,"2\n3"', "column_count"),
        (b'1,"2\n2",3', "good"),
        (b'1,"2 ""two""",3', "good"),
        (b'"1","2","3"', "good"),
        (b",,", "good"),
    ],
)
def test_a_record_is_judged_alone(line: bytes, reason: str) -> None:
    found, _ = split(b"a,b,c\r\n1,2,3\r\n" + line + b"\r\n4,5,6\r\n", 3)
    height = line.count(b"\n")
    assert found == [(2, "good", b"1,2,3"), (3, reason, line), (4 + height, "good", b"4,5,6")]


def test_blank_lines_are_counted_and_lines_stay_physical() -> None:
    found, blank = split(b"\n\xef\xbb\xbf"[1:] + b"a,b\n\n1,2\n   \r\n\n3,4", 2)
    assert (found, blank) == ([(3, "good", b"1,2"), (6, "good", b"3,4")], 3)


def test_a_forgotten_quote_costs_one_record_not_the_file() -> None:
    body = b'1,"2\n' + b"3,4\n" * (records.MAX_RECORD_LINES + 5)
    found, _ = split(b"a,b\n" + body, 2)
    assert found[0] == (2, "bad_quoting", b'1,"2')
    assert len(found) == records.MAX_RECORD_LINES + 6
    assert {reason for _, reason, _ in found[1:]} == {"good"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\n \n", "empty_file"),
        (b"PK\x03\x04 and so on", "not_csv"),
        (b"\x7fELF\x02\x01\x01\0\0", "not_csv"),
        ("Company,Date".encode("utf-16"), "utf16"),
        (b"a,b\n" + b"x" * (records.MAX_LINE_BYTES + 1), "line_too_long"),
        (b"0" * 200_000, "line_too_long"),
        (b"0" * (3 * records.MAX_LINE_BYTES), "line_too_long"),
    ],
)
def test_what_is_no_csv_is_refused_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(FileRejected) as refusal:
        split(data, 2)
    assert refusal.value.code == code


@pytest.mark.parametrize("columns", [2, 3])
def test_a_field_that_is_longer_than_the_csv_module_likes_is_judged_all_the_same(columns: int) -> None:
    long = b'1,"' + b"x," * 100_000 + b'"'
    found, _ = split(b"a,b\n" + long + b"\n2,3\n", columns)
    assert [reason for _, reason, _ in found] == (["good", "good"] if columns == 2 else ["column_count"] * 2)
