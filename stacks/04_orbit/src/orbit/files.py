"""The two files as they arrive, checked, and in the form of the raw tables: texts, and where they came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobs.deliveries import Delivery, Refused, records, write
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

__all__ = ["ORIGIN", "TABLES", "Delivery", "Refused", "approaches", "bodies"]


def bodies(source: Path, folder: Path) -> Delivery:
    """Check the CSV of a small-body query and write it as a delivery.

    Raises
    ------
    Refused
        Another header (each column that is missing or new is named), another encoding, a line that is cut.
    """
    return _write("small_bodies", source, folder, records(source, COLUMNS))


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

    try:
        return _write("approaches", source, folder, rows())
    except json.JSONDecodeError as error:
        raise Refused(f"{source.name}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{source.name} is not a feed of NeoWs: {type(error).__name__} {error}") from error


def _write(table: str, source: Path, folder: Path, rows: Iterable[list[str]]) -> Delivery:
    loaded_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return write(table, TABLES[table], source, folder, rows, {"_loaded_at": loaded_at})
