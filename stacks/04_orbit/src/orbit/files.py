"""A file as it arrives, recognised, checked, and in the form of the raw tables: texts, and where they came from.

Three forms are known: the CSV of JPL's small-body database, the JSON of its query API (``fields`` and ``data``), and
the JSON of NeoWs (``near_earth_objects``). Columns are told by their names, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.deliveries import Delivery, check_header, read, tidy, write
from jobs.errors import FileRejected
from jobs.source import Content
from orbit.generate import COLUMNS

BODIES = tuple(name.lower() for name in COLUMNS)
REQUIRED = (
    *("spkid", "full_name", "name", "pha", "H", "diameter", "albedo", "orbit_id", "e", "a", "q", "i", "moid", "class"),
    *("first_obs", "last_obs", "n_obs_used", "condition_code"),
)
"""What the models read. The other columns of JPL's are kept where a file has them."""
APPROACHES = (
    "neo_reference_id",
    "name",
    "close_approach_date",
    "epoch_date_close_approach",
    "velocity_km_s",
    "miss_distance_au",
    "orbiting_body",
)
ORIGIN = ("_file", "_line", "_loaded_at")
TABLES = {"small_bodies": BODIES, "approaches": APPROACHES}
"""The raw tables with their columns, all of them texts; `ORIGIN` follows in each."""

JSON_BYTES = 128 << 20
"""Most bytes of a JSON file: unlike a CSV it is held in memory."""


def unpack(source: str, content: Content, folder: Path) -> Path:
    """Write a file's bytes into a folder, out of gzip where it is packed.

    Raises
    ------
    FileRejected
        A gzip that is cut or broken, or that unfolds beyond the limits.
    """
    path = folder / f"{tidy(source)}.unpacked"
    with open(path, "wb") as file:
        file.writelines(content)
    return path


def prepare(source: str, path: Path, content_hash: str, folder: Path) -> Delivery:
    """Recognise an unpacked file, check it, and write it as a delivery: the whole file, or nothing.

    Parameters
    ----------
    source : str
        The file's name as it was delivered.
    path : Path
        Its bytes.
    content_hash : str
        Of the bytes as delivered.
    folder : Path
        Where the delivery goes.

    Raises
    ------
    FileRejected
        Another kind of file, other columns (each that is missing or new is named), another encoding, a line that is
        cut, no records.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
    table, rows = "small_bodies", _csv(path)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        table, rows = _json(path)
    origin = {"_loaded_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")}
    return write(table, TABLES[table], rows, source, content_hash, folder, origin)


# ----------------------------------------------------------------------------------------------------- bodies


def _csv(path: Path) -> Iterator[Sequence[str]]:
    """Yield the records of a CSV in the order of `BODIES`."""
    records = read(path)
    order = _order(next(records))
    for record in records:
        yield [record[place] if place is not None else "" for place in order]


def _order(header: Sequence[str]) -> list[int | None]:
    """Return where each column of `BODIES` stands in a header, None for one that it may lack."""
    named = [name.strip().replace(".", "_") for name in header]  # the API writes tp.cal where the CSV has tp_cal
    check_header(named, COLUMNS, REQUIRED)
    return [named.index(name) if name in named else None for name in COLUMNS]


# ------------------------------------------------------------------------------------------------------- JSON


def _json(path: Path) -> tuple[str, Iterator[Sequence[str]]]:
    """Return the table that a JSON file belongs to, and its records."""
    if path.stat().st_size > JSON_BYTES:
        raise FileRejected("too_large", f"more than {JSON_BYTES >> 20} MB of JSON: deliver it in parts, or as CSV")
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileRejected("bad_encoding", f"it is not UTF-8: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise FileRejected("bad_json", f"{error}: is it cut?") from error
    if isinstance(document, dict) and "near_earth_objects" in document:
        return "approaches", _whole(_approaches(document["near_earth_objects"]))
    if isinstance(document, dict) and {"fields", "data"} <= document.keys():
        return "small_bodies", _whole(_query(document["fields"], document["data"]))
    raise FileRejected(
        "unknown_json", "it is neither NeoWs' near_earth_objects nor a small-body query's fields and data"
    )


def _whole(rows: Iterator[Sequence[str]]) -> Iterator[Sequence[str]]:
    try:
        yield from rows
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise FileRejected("unknown_json", f"it has another shape: {type(error).__name__} {error}") from error


def _query(fields: Sequence[str], data: Sequence[Sequence[Any]]) -> Iterator[Sequence[str]]:
    order = _order(fields)
    for number, record in enumerate(data, 1):
        if len(record) != len(fields):
            raise FileRejected("column_count", f"record {number} has {len(record)} values instead of {len(fields)}")
        yield [_text(record[place]) if place is not None else "" for place in order]


def _approaches(found: Any) -> Iterator[Sequence[str]]:
    """Flatten a feed (a list for each day) or a page of all bodies (one list): a row for each approach of each body."""
    for bodies in found.values() if isinstance(found, dict) else [found]:
        for body in bodies:
            for each in body["close_approach_data"]:
                yield [
                    _text(body["neo_reference_id"]),
                    _text(body["name"]),
                    _text(each["close_approach_date"]),
                    _text(each["epoch_date_close_approach"]),
                    _text(each["relative_velocity"]["kilometers_per_second"]),
                    _text(each["miss_distance"]["astronomical"]),
                    _text(each["orbiting_body"]),
                ]


def _text(value: Any) -> str:
    """Return a value of JSON as the raw tables hold it: null is empty, a number as it is written.

    JSON can escape what no warehouse takes.
    """
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    if "\0" in text:
        raise FileRejected("nul_byte", f"a value has a NUL byte: {text[:40]!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise FileRejected("bad_encoding", f"a value has half of a character: {text[:40]!r}")
    return text
