"""Cleaning: pure functions from the text of a file to values for the database, or to the reason why not.

Everything is text here; an empty string is "unknown". Values are cleaned once per distinct value, not once
per row: ten thousand rows hold some sixty companies.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jobs.text import decode, same, tidy

COLUMNS = (
    "company",
    "location",
    "launched_on",
    "launched_time",
    "rocket",
    "mission",
    "rocket_status",
    "price_musd",
    "mission_status",
)
"""What a clean launch is made of, in the order of the table."""

FIRST_DAY, LAST_DAY = "1957-01-01", "2100-12-31"

Objects = npt.NDArray[np.object_]


class Reject(str):
    """A reason code in the place of a value."""

    __slots__ = ()


@dataclass(frozen=True)
class Cleaned:
    """A block of launches after cleaning.

    Parameters
    ----------
    launches : DataFrame
        ``COLUMNS``, text; row by row as they were given. Rows with a reason hold anything.
    reasons : array of object
        None for a good row, else its first reason code.
    """

    launches: pd.DataFrame
    reasons: Objects

    @property
    def rejected(self) -> npt.NDArray[np.bool_]:
        """Which rows have a reason."""
        return ~pd.isna(self.reasons)


_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_WORDED = re.compile(r"(?:[A-Za-z]{3} )?([A-Za-z]{3}) (\d{1,2}), (\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?: UTC)?")
_PRICE = re.compile(r"\$?(-?)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?")


@lru_cache(1 << 16)
def clean_date(text: str) -> str:
    """``10/4/1957`` (month first), ``Fri Aug 07, 2020`` or ``2020-08-07`` as ISO date."""
    text = text.strip()
    if found := _SLASHED.fullmatch(text):
        month, day, year = found.groups()
        iso = f"{year}-{month.zfill(2)}-{day.zfill(2)}"
    elif found := _WORDED.fullmatch(text):
        iso = f"{found[3]}-{_MONTHS.get(found[1].lower(), 0):02}-{found[2]:0>2}"
    elif _ISO.fullmatch(text):
        iso = text
    elif not text:
        return Reject("missing_date")
    else:
        return Reject("repeated_header" if text.lower() in ("date", "datum") else "bad_date")
    try:
        datetime.date.fromisoformat(iso)
    except ValueError:
        return Reject("bad_date")
    return iso if FIRST_DAY <= iso <= LAST_DAY else Reject("date_out_of_range")


@lru_cache(1 << 16)
def clean_time(text: str) -> str:
    """``2:30:00``, ``05:12`` or ``05:12 UTC`` as ISO time; empty stays empty."""
    text = text.strip()
    if not text:
        return ""
    found = _TIME.fullmatch(text)
    if not found:
        return Reject("bad_time")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return Reject("bad_time")
    return f"{hour:02}:{minute:02}:{second:02}"


@lru_cache(1 << 16)
def clean_price(text: str) -> str:
    """``1,160.00`` or ``29.15`` as plain number without idle zeros; empty stays empty."""
    text = text.strip()
    if not text:
        return ""
    found = _PRICE.fullmatch(text)
    if not found or len(text) > 20 or not text.isascii():
        return Reject("bad_price")
    if found[1]:
        return Reject("negative_price")
    number = Decimal(found[2].replace(",", "") + (found[3] or "")).normalize()
    return f"{number:f}"


_ROCKET_STATUS = {"": "", "active": "Active", "retired": "Retired", "inactive": "Retired"}
_MISSION_STATUS = {status.lower(): status for status in ("Success", "Failure", "Partial Failure", "Prelaunch Failure")}


@lru_cache(1 << 10)
def clean_rocket_status(text: str) -> str:
    """``Retired``, or ``StatusRetired`` as shape (b) has it."""
    found = _ROCKET_STATUS.get(tidy(text).lower().removeprefix("status"))
    return Reject("unknown_rocket_status") if found is None else found


@lru_cache(1 << 10)
def clean_mission_status(text: str) -> str:
    """One of the four outcomes."""
    text = tidy(text)
    found = _MISSION_STATUS.get(text.lower())
    return found or Reject("unknown_mission_status" if text else "missing_mission_status")


def _named(column: str) -> Callable[[str], str]:
    missing = Reject(f"missing_{column}")

    @lru_cache(1 << 14)
    def clean(text: str) -> str:
        return tidy(text) or missing

    return clean


clean_company, clean_rocket = _named("company"), _named("rocket")
clean_location = lru_cache(1 << 14)(tidy)


def _clean_missions(column: Objects) -> tuple[Objects, npt.NDArray[np.bool_] | None]:
    """Nearly every mission has its own name: row by row is faster than by distinct value."""
    values = [tidy(text) for text in column]
    if "" not in values:
        return _objects(values), None
    missing = Reject("missing_mission")
    return _objects([value or missing for value in values]), np.array([not value for value in values])


_RULES: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("company", "company", clean_company),
    ("location", "location", clean_location),
    ("date", "launched_on", clean_date),
    ("time", "launched_time", clean_time),
    ("rocket", "rocket", clean_rocket),
    ("rocket_status", "rocket_status", clean_rocket_status),
    ("price", "price_musd", clean_price),
    ("mission_status", "mission_status", clean_mission_status),
)


def clean_frame(raw: pd.DataFrame, *, mixed: bool = False) -> Cleaned:
    """Clean a block of rows of either shape.

    Parameters
    ----------
    raw : DataFrame
        Text columns under our names (``meteor.formats.SHAPES``).
    mixed : bool
        The text is bytes read as latin-1: decode it value by value.

    Returns
    -------
    Cleaned
    """
    columns: dict[str, Objects] = {str(name): raw[name].to_numpy(dtype=object) for name in raw.columns}
    if "datum" in columns:
        columns["date"], columns["time"] = _split_datum(columns.pop("datum"))
        columns["rocket"], columns["mission"] = _split_detail(columns.pop("detail"))

    reasons = np.full(len(raw), None, dtype=object)
    out: dict[str, Objects] = {}
    for source, target, rule in _RULES:
        out[target], rejected = _by_value(columns[source], _after_decoding(rule) if mixed else rule)
        _note(reasons, out[target], rejected)
    missions = columns["mission"]
    if mixed:
        missions = _objects([decode(text.encode("latin-1")) for text in missions])
    out["mission"], rejected = _clean_missions(missions)
    _note(reasons, out["mission"], rejected)
    return Cleaned(pd.DataFrame(out, columns=list(COLUMNS), dtype=object), reasons)


def launch_keys(launches: pd.DataFrame) -> list[str]:
    """Return the natural key of each launch: who, on which day, with what, for what; as 32 hex digits.

    The time is not part of it: it is what corrections correct most often. This must never change while a
    database holds rows that were loaded with it; a test pins it.
    """
    company, _ = _by_value(launches["company"].to_numpy(), same)
    rocket, _ = _by_value(launches["rocket"].to_numpy(), same)
    mission = map(same, launches["mission"].to_numpy())
    parts = map("\x1f".join, zip(company, launches["launched_on"].to_numpy(), rocket, mission, strict=True))
    return [blake2b(text.encode(), digest_size=16).hexdigest() for text in parts]


def _by_value(column: Objects, rule: Callable[[str], str]) -> tuple[Objects, npt.NDArray[np.bool_] | None]:
    """Apply ``rule`` once per distinct value; say which rows it rejects, or None when it rejects none."""
    codes, values = pd.factorize(column)
    results = [rule(value) for value in values]
    cleaned = _objects(results)[codes]
    bad = [type(result) is Reject for result in results]
    return cleaned, np.array(bad, dtype=bool)[codes] if any(bad) else None


def _note(reasons: Objects, values: Objects, rejected: npt.NDArray[np.bool_] | None) -> None:
    if rejected is not None:
        first = rejected & pd.isna(reasons)
        reasons[first] = values[first]


def _after_decoding(rule: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: rule(text if text.isascii() else decode(text.encode("latin-1")))


def _split_datum(column: Objects) -> tuple[Objects, Objects]:
    """``Fri Aug 07, 2020 05:12 UTC`` into date and time: the year ends six characters behind the comma."""
    cuts = [text.find(", ") + 6 for text in column]
    dates = [text[:cut] for text, cut in zip(column, cuts, strict=True)]
    return _objects(dates), _objects([text[cut:] for text, cut in zip(column, cuts, strict=True)])


def _split_detail(column: Objects) -> tuple[Objects, Objects]:
    """``Falcon 9 Block 5 | Starlink V1 L9`` into rocket and mission."""
    parts = [text.partition(" | ") for text in column]
    return _objects([part[0] for part in parts]), _objects([part[2] for part in parts])


def _objects(values: list[Any]) -> Objects:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
