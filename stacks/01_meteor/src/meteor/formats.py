"""The shapes in which launch files are published, recognised by their header."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from jobs.errors import FileRejected

SHAPES: dict[str, dict[str, str]] = {
    "a": {
        "company": "company",
        "location": "location",
        "date": "date",
        "time": "time",
        "rocket": "rocket",
        "mission": "mission",
        "rocketstatus": "rocket_status",
        "price": "price",
        "missionstatus": "mission_status",
    },
    "b": {
        "companyname": "company",
        "location": "location",
        "datum": "datum",
        "detail": "detail",
        "statusrocket": "rocket_status",
        "rocket": "price",  # published like this: the column named " Rocket" holds the price
        "statusmission": "mission_status",
    },
}
"""Shape -> header without case, blanks and punctuation -> our name."""


@dataclass(frozen=True)
class Layout:
    """Where a file keeps what we need.

    Parameters
    ----------
    shape : str
        ``a`` or ``b``.
    columns : int
        Fields per record.
    positions : dict
        Our name -> position of the field.
    ignored : tuple of str
        Columns that nothing is read from; unnamed index columns are not mentioned.
    """

    shape: str
    columns: int
    positions: dict[str, int]
    ignored: tuple[str, ...]


def recognise(header: list[str]) -> Layout:
    """Recognise a file by its header, whatever the order of the columns.

    Raises
    ------
    FileRejected
        ``unknown_header``, with what is missing for the nearest shape; ``repeated_column`` when a name comes
        twice.
    """
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    nearest, missing = "", list[str]()
    for shape, wanted in SHAPES.items():
        lacking = [name for name in wanted if name not in names]
        if not lacking:
            return _layout(shape, wanted, names, header)
        if not nearest or len(lacking) < len(missing):
            nearest, missing = shape, lacking
    raise FileRejected(
        "unknown_header",
        f"not a launch file: of shape ({nearest}) the header lacks {', '.join(missing)}; it reads {_shown(header)}",
    )


def _layout(shape: str, wanted: dict[str, str], names: list[str], header: list[str]) -> Layout:
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name in wanted)
    if twice:
        raise FileRejected("repeated_column", f"the header names {', '.join(twice)} more than once")
    return Layout(
        shape=shape,
        columns=len(names),
        positions={ours: names.index(name) for name, ours in wanted.items()},
        ignored=tuple(
            shown.strip()
            for name, shown in zip(names, header, strict=True)
            if name not in wanted and name and not name.startswith("unnamed")
        ),
    )


def _shown(header: list[str]) -> str:
    text = ",".join(header)
    return repr(text if len(text) <= 120 else text[:117] + "...")
