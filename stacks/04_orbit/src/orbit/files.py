"""The two files as they arrive, checked, and in the form of the raw tables: texts, and where they came from."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orbit.generate import COLUMNS

BODIES = tuple(name.lower() for name in COLUMNS)
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


def bodies(source: Path, folder: Path) -> Delivery:
    """Check the CSV of a small-body query and write it as a delivery.

    Raises
    ------
    Refused
        Another header (each column that is missing or new is named), another encoding, a line that is cut.
    """

    def rows() -> Iterator[list[str]]:
        with open(source, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            _check_header(source, next(reader, []))
            for record in reader:
                if len(record) != len(COLUMNS):
                    line, want = reader.line_num, len(COLUMNS)
                    raise Refused(f"{source.name}, line {line}: {len(record)} fields instead of {want}: is it cut?")
                yield record

    return _write("small_bodies", source, folder, rows())


def approaches(source: Path, folder: Path) -> Delivery:
    """Flatten a feed of NeoWs: one row for each approach of each body.

    Raises
    ------
    Refused
        Not JSON, or not of NeoWs' shape.
    """

    def rows() -> Iterator[list[str]]:
        feed = json.loads(source.read_text(encoding="utf-8"))
        for day in feed["near_earth_objects"].values():
            for body in day:
                for each in body["close_approach_data"]:
                    yield [
                        str(body["neo_reference_id"]),
                        body["name"],
                        each["close_approach_date"],
                        str(each["epoch_date_close_approach"]),
                        each["relative_velocity"]["kilometers_per_second"],
                        each["miss_distance"]["astronomical"],
                        each["orbiting_body"],
                    ]

    return _write("approaches", source, folder, rows())


def _check_header(source: Path, header: list[str]) -> None:
    if header == list(COLUMNS):
        return
    missing = [name for name in COLUMNS if name not in header]
    new = [name for name in header if name not in COLUMNS]
    if len(header) == 1:
        what = f"its header is one column: {header[0][:60]!r}; another delimiter?"
    elif missing or new:
        what = f"its columns changed: missing {', '.join(missing) or 'none'}; new {', '.join(new) or 'none'}"
    else:
        what = "its columns are in another order, or repeated"
    raise Refused(f"{source.name}: {what}")


def _write(table: str, source: Path, folder: Path, rows: Iterable[list[str]]) -> Delivery:
    name = f"{_digest(source)}-{re.sub('[^A-Za-z0-9._-]', '_', source.name)}"
    path, loaded_at = folder / f"{name}.{table}.csv", datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    count = 0
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer: Any = csv.writer(file, lineterminator="\n")
            writer.writerow([*TABLES[table], *ORIGIN])
            for count, record in enumerate(rows, 1):
                writer.writerow([*record, name, count, loaded_at])
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise Refused(f"{source.name}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{source.name} is not a feed of NeoWs: {type(error).__name__} {error}") from error
    if not count:
        raise Refused(f"{source.name} has no rows")
    return Delivery(table, name, path, count)


def _digest(source: Path) -> str:
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
