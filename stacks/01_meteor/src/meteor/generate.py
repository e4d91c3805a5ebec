"""Launch files as people publish them, made from a seed: the same arguments, the same bytes, anywhere.

``python -m meteor.generate --rows 10000 --seed 1 --shape a --out launches.csv`` writes the file and, beside
it, ``launches.csv.truth.json``: what a correct load of it into an empty table must count.

Every row is a function of the seed and its own number (no state, and not numpy's generators, whose streams
may change between versions), so a gigabyte takes a few minutes and a row can be made again alone.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

_BLOCK = 50_000

_COMPANIES = (
    "RVSN USSR",
    "CASC",
    "Arianespace",
    "General Dynamics",
    "NASA",
    "VKS RF",
    "SpaceX",
    "US Air Force",
    "ULA",
    "Boeing",
    "Martin Marietta",
    "Roscosmos",
    "Northrop",
    "MHI",
    "ISRO",
    "Lockheed",
    "ILS",
    "Rocket Lab",
    "Sea Launch",
    "KCST",
    "Land Launch",
    "Armée de l'Air",
    "ISAS",
    "AEB",
    "IAI",
    "Blue Origin",
    "Virgin Orbit",
    "Yuzhmash",
    "ASI",
    "ExPace",
)
_LOCATIONS = (
    "Site 1/5, Baikonur Cosmodrome, Kazakhstan",
    "LC-18A, Cape Canaveral AFS, Florida, USA",
    "SLC-40, Cape Canaveral SFS, Florida, USA",
    "LC-39A, Kennedy Space Center, Florida, USA",
    "Site 132/1, Plesetsk Cosmodrome, Russia",
    "ELA-3, Guiana Space Centre, French Guiana, France",
    "Rocket Lab LC-1A, Māhia Peninsula, New Zealand",
    "VLS Pad, Alcântara Launch Center, Maranhão, Brazil",
    "LA-Y1, Tanegashima Space Center, Japan",
    "LC-3, Xichang Satellite Launch Center, China",
    "Vandenberg SFB, California, USA",
)
_ROCKETS = (
    "Sputnik 8K71PS",
    "Vanguard",
    "Juno I",
    "Cosmos-3M (11K65M)",
    "Voskhod",
    "Molniya-M /Block ML",
    "Soyuz U",
    "Ariane 5 ECA",
    "Falcon 9 Block 5",
    "Atlas-SLV3 Agena-D",
    "Long March 3B/E",
    "Electron/Curie",
    "PSLV-XL",
    "H-IIA 202",
    "Proton-M/Briz-M",
    "Delta IV Heavy",
    "Diamant A",
    "Zenit-3 SL",
    "Titan IIIC",
    "Space Shuttle Columbia",
)
_NAMES = (
    "Starlink V1 L",
    "Cosmos ",
    "Yaogan-",
    "Intelsat ",
    "NROL-",
    "Molniya-1 ",
    "Zenit-2 ",
    "Astérix ",
    "Galileo FOC FM",
    "Échostar ",
    "Beidou-3 G",
    "Sirius ",
    "GPS III SV",
    "Progress MS-",
    "Diadème ",
    "Amos-",
)
_PRICES = ("", "", "", "29.15", "50.0", "62.0", "109.0", "7.5", "450.0", "1,160.00", "5,000.00", "20")
_STATUSES = ("Success",) * 17 + ("Failure", "Failure", "Partial Failure", "Prelaunch Failure")

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

HEADERS = {
    "a": "Company,Location,Date,Time,Rocket,Mission,RocketStatus,Price,MissionStatus",
    "b": "Unnamed: 0,Unnamed: 0.1,Company Name,Location,Datum,Detail,Status Rocket, Rocket,Status Mission",
}

BAD_KINDS = (
    "too_few_columns",
    "too_many_columns",
    "impossible_date",
    "negative_price",
    "price_in_words",
    "no_mission",
    "stray_quote",
    "date_of_the_future",
    "unknown_status",
    "impossible_time",
    "repeated_header",
    "nul_byte",
)
"""What is wrong with a bad row; ``REASONS`` says what the loader calls it."""

REASONS = {
    "too_few_columns": "column_count",
    "too_many_columns": "column_count",
    "impossible_date": "bad_date",
    "negative_price": "negative_price",
    "price_in_words": "bad_price",
    "no_mission": "missing_mission",
    "stray_quote": "bad_quoting",
    "date_of_the_future": "date_out_of_range",
    "unknown_status": "unknown_mission_status",
    "impossible_time": "bad_time",
    "repeated_header": "repeated_header",
    "nul_byte": "nul_byte",
}

ODD_KINDS = (
    "double_encoded",
    "cp1252",
    "cyrillic",
    "line_ends_inside",
    "blanks_around",
    "doubled_quotes",
    "blank_line",
)
"""What looks wrong and is loaded all the same."""


@dataclass
class Truth:
    """What a correct load into an empty table counts.

    Parameters
    ----------
    read, loaded, updated, duplicate, quarantined : int
        The balance.
    reasons : dict
        Quarantined rows by reason code.
    blank_lines : int
    sha256 : str
        Of the file as written: its content hash in the ledger.
    bytes : int
        Of the CSV, before compression.
    again : dict
        The balance when the file is loaded on top of its ``revision`` 0.
    """

    rows: int
    seed: int
    shape: str
    dirty: float
    revision: int
    read: int = 0
    loaded: int = 0
    updated: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: dict[str, int] | None = None
    blank_lines: int = 0
    sha256: str = ""
    bytes: int = 0
    again: dict[str, int] | None = None


def _mix(seed: int, stream: int, rows: Numbers) -> Numbers:
    """Return a random number for each row: splitmix64 of seed, stream and row."""
    with np.errstate(over="ignore"):
        x = rows + np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1342543DE82EF95) % 2**64)
        x = (x + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))


def _pick(seed: int, stream: int, rows: Numbers, values: npt.NDArray[np.object_]) -> list[str]:
    found: list[str] = values[_mix(seed, stream, rows) % np.uint64(len(values))].tolist()
    return found


def _array(values: list[str] | tuple[str, ...]) -> npt.NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _bytes(text: str, encoding: str = "utf-8") -> str:
    """Return the bytes of ``text`` as latin-1 characters: lines are made as text, written as bytes."""
    return text.encode(encoding, errors="replace").decode("latin-1")


_FIRST = date(1957, 10, 4)
_CALENDAR = [_FIRST + timedelta(days=number) for number in range((date(2022, 7, 29) - _FIRST).days + 1)]
_DATES_A = _array([f"{day.month}/{day.day}/{day.year}" for day in _CALENDAR])
_DATES_B = _array([f"{_DAYS[day.weekday()]} {_MONTHS[day.month - 1]} {day.day:02}, {day.year}" for day in _CALENDAR])
_CLOCK = [(second // 3600, second // 60 % 60) for second in range(0, 86_400, 60)]
_TIMES_A = _array(["" if number % 40 == 0 else f"{h}:{m:02}:00" for number, (h, m) in enumerate(_CLOCK)])
_TIMES_B = _array(["" if number % 40 == 0 else f" {h:02}:{m:02} UTC" for number, (h, m) in enumerate(_CLOCK)])


def _quoted(text: str) -> str:
    return f'"{text}"' if "," in text else text


_COMPANY = _array([_bytes(name) for name in _COMPANIES])
_LOCATION = _array([_bytes(_quoted(name)) for name in _LOCATIONS])
_ROCKET = _array(_ROCKETS)
_NAME = _array([_bytes(name) for name in _NAMES])
_PRICE = _array([_quoted(price) for price in _PRICES])
_STATUS = _array(_STATUSES)


def generate(
    out: Path,
    *,
    rows: int,
    seed: int = 1,
    shape: str = "a",
    dirty: float = 0.02,
    revision: int = 0,
    compress: bool = False,
    line_end: str = "\r\n",
    bom: bool = False,
) -> Truth:
    """Write a launch file and its truth.

    Parameters
    ----------
    out : Path
        The truth is written beside it as ``<out>.truth.json``.
    rows : int
        Records behind the header, bad ones and duplicates among them.
    seed : int
    shape : str
        ``a`` or ``b``.
    dirty : float
        Share of bad rows; as many odd ones, and half as many duplicates, come on top. 0 writes a clean file.
    revision : int
        From 1 on, one launch in ten differs in its price from revision 0: a late correction.
    compress : bool
        Write gzip (without a time stamp).
    line_end : str
    bom : bool
        Begin with a byte order mark.

    Returns
    -------
    Truth
    """
    truth = Truth(rows=rows, seed=seed, shape=shape, dirty=dirty, revision=revision)
    digest = hashlib.sha256()
    with ExitStack() as stack:
        raw: BinaryIO = stack.enter_context(out.open("wb"))
        target: BinaryIO | gzip.GzipFile = raw
        if compress:
            target = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))
        for piece in _pieces(truth, line_end, bom):
            target.write(piece)
            truth.bytes += len(piece)
    with out.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    truth.sha256 = digest.hexdigest()
    Path(f"{out}.truth.json").write_text(json.dumps(asdict(truth), indent=2) + "\n", encoding="utf-8")
    return truth


def _pieces(truth: Truth, line_end: str, bom: bool) -> Iterator[bytes]:
    reasons: Counter[str] = Counter()
    changed = 0
    yield (b"\xef\xbb\xbf" if bom else b"") + (HEADERS[truth.shape] + line_end).encode()
    for first in range(0, truth.rows, _BLOCK):
        numbers = np.arange(first, min(first + _BLOCK, truth.rows), dtype=np.uint64)
        lines, corrected = _good(truth, numbers)
        changed += int(corrected.sum())
        if truth.dirty:
            changed -= _spoil(truth, numbers, lines, corrected, reasons)
        yield (line_end.join(lines) + line_end).encode("latin-1")
    truth.read = truth.rows
    truth.quarantined = sum(reasons.values())
    truth.reasons = dict(sorted(reasons.items()))
    truth.loaded = truth.read - truth.quarantined - truth.duplicate
    truth.again = {
        "read": truth.read,
        "loaded": 0,
        "updated": changed,
        "duplicate": truth.read - truth.quarantined - changed,
        "quarantined": truth.quarantined,
    }


def _fields(truth: Truth, rows: Numbers) -> tuple[list[list[str]], npt.NDArray[np.bool_]]:
    """Return the columns of good rows, and which rows a revision corrects."""
    seed = truth.seed
    is_a = truth.shape == "a"
    company = _pick(seed, 1, rows, _COMPANY)
    location = _pick(seed, 2, rows, _LOCATION)
    # Launches are published sorted by day; the days advance with the row number.
    day = (rows * np.uint64(len(_CALENDAR)) // np.uint64(max(truth.rows, 1))).astype(np.int64)
    times = _pick(seed, 3, rows, _TIMES_A if is_a else _TIMES_B)
    rocket = _pick(seed, 4, rows, _ROCKET)
    names = _pick(seed, 5, rows, _NAME)
    mission = [name + number for name, number in zip(names, map(str, rows.tolist()), strict=True)]
    status = _pick(seed, 7, rows, _STATUS)
    retired = ((_mix(seed, 8, rows) % np.uint64(5)) != 0).tolist()
    prices = _PRICE[_mix(seed, 6, rows) % np.uint64(len(_PRICE))]
    corrected = np.zeros(len(rows), dtype=bool)
    if truth.revision:
        corrected = _mix(seed, 9, rows) % np.uint64(10) == 0
        prices[corrected] = f"{1000 + truth.revision}.5"
    if is_a:
        state = ["Retired" if flag else "Active" for flag in retired]
        dates: list[str] = _DATES_A[day].tolist()
        return [company, location, dates, times, rocket, mission, state, prices.tolist(), status], corrected
    state = ["StatusRetired" if flag else "StatusActive" for flag in retired]
    datum = [on + at for on, at in zip(_DATES_B[day].tolist(), times, strict=True)]
    detail = [f"{what} | {why}" for what, why in zip(rocket, mission, strict=True)]
    # As published: prices carry a blank behind them, dates hold a comma.
    paid = [f'"{p[1:-1]} "' if p.startswith('"') else p and p + " " for p in prices.tolist()]
    index = list(map(str, rows.tolist()))
    quoted = [f'"{text}"' for text in datum]
    return [index, index, company, location, quoted, detail, state, paid, status], corrected


def _good(truth: Truth, rows: Numbers) -> tuple[list[str], npt.NDArray[np.bool_]]:
    columns, corrected = _fields(truth, rows)
    return list(map(",".join, zip(*columns, strict=True))), corrected


def _spoil(
    truth: Truth, rows: Numbers, lines: list[str], corrected: npt.NDArray[np.bool_], reasons: Counter[str]
) -> int:
    """Make bad, odd and doubled rows out of some good ones; return how many corrections that undoes."""
    undone = 0
    chance = _mix(truth.seed, 10, rows).astype(np.float64) / 2.0**64
    kinds = _mix(truth.seed, 11, rows)
    spoilt = np.flatnonzero(chance < 2.5 * truth.dirty)
    for at in spoilt.tolist():
        row, kind = rows[at : at + 1], int(kinds[at])
        if chance[at] < truth.dirty:
            name = BAD_KINDS[kind % len(BAD_KINDS)]
            lines[at] = _bad(truth, name, row)
            reasons[REASONS[name]] += 1
            undone += int(corrected[at])
        elif chance[at] < 2 * truth.dirty:
            lines[at] = _odd(truth, ODD_KINDS[kind % len(ODD_KINDS)], row)
        elif at and chance[at - 1] >= 2.5 * truth.dirty:  # the row before, which is good, once more
            lines[at] = lines[at - 1]
            truth.duplicate += 1
            undone += int(corrected[at])
    return undone


def _bad(truth: Truth, kind: str, row: Numbers) -> str:
    fields = [column[0] for column in _fields(truth, row)[0]]
    at = _Positions(truth.shape)
    if kind == "too_few_columns":
        return ",".join(fields[:-2])
    if kind == "too_many_columns":
        return ",".join([*fields, "Success"])
    if kind == "repeated_header":
        return HEADERS[truth.shape]
    if kind == "stray_quote":
        fields[at.rocket] = f'4" {fields[at.rocket]}'
    elif kind == "nul_byte":
        fields[at.rocket] = f"\0{fields[at.rocket]}"
    elif kind == "negative_price":
        fields[at.price] = "-62.0"
    elif kind == "price_in_words":
        fields[at.price] = "about 60"
    elif kind == "unknown_status":
        fields[-1] = "Sucess"
    elif kind == "no_mission":
        fields[at.mission] = "  " if truth.shape == "a" else fields[at.mission].partition(" | ")[0]
    else:
        date_text, time_text = {
            "impossible_date": ("2/30/1998", "Mon Feb 30, 1998"),
            "date_of_the_future": ("7/20/2969", "Fri Jul 20, 2969"),
            "impossible_time": ("1/2/1999", "Sat Jan 02, 1999 25:61 UTC"),
        }[kind]
        if truth.shape == "a":
            fields[at.date] = date_text
            fields[at.date + 1] = "25:61:00" if kind == "impossible_time" else "1:00:00"
        else:
            fields[at.date] = f'"{time_text}"'
    return ",".join(fields)


def _odd(truth: Truth, kind: str, row: Numbers) -> str:
    columns = _fields(truth, row)[0]
    fields = [column[0] for column in columns]
    at = _Positions(truth.shape)
    edits: dict[str, Callable[[str], str]] = {
        "double_encoded": lambda text: _bytes(_read_wrong(text, "cp1252")),
        "cyrillic": lambda text: _bytes(_read_wrong(text, "cp1251")),
        "cp1252": lambda text: _bytes(text.encode("latin-1").decode("utf-8"), "cp1252"),
        "line_ends_inside": lambda text: f'"{text}\r\n"',
        "blanks_around": lambda text: f"  {text.replace(' ', '  ')}\t",
        "doubled_quotes": lambda text: f'"{text} ""again"""',
    }
    if kind == "blank_line":
        truth.blank_lines += 1
        return ",".join(fields) + "\r\n"
    column = at.company if kind in ("double_encoded", "cp1252", "cyrillic") else at.mission
    if kind == "blanks_around" and truth.shape == "b":
        column = at.company
    fields[column] = edits[kind](fields[column])
    return ",".join(fields)


def _read_wrong(text: str, encoding: str) -> str:
    """Return UTF-8 (as latin-1 characters) as a program shows it that takes it for ``encoding``."""
    raw = text.encode("latin-1")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode("utf-8")


class _Positions:
    """Where the fields lie that rows are spoilt in."""

    def __init__(self, shape: str) -> None:
        self.company, self.date, self.rocket, self.mission, self.price = (
            (0, 2, 4, 5, 7) if shape == "a" else (2, 4, 5, 5, 7)
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m meteor.generate", description=about)
    parser.add_argument("--rows", type=int, required=True, help="records behind the header")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=sorted(HEADERS), default="a")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dirty", type=float, default=0.02, help="share of bad rows (default: %(default)s)")
    parser.add_argument("--revision", type=int, default=0, help="1, 2, …: correct one launch in ten")
    parser.add_argument("--gz", action="store_true", help="compress")
    parser.add_argument("--lf", action="store_true", help="end lines with LF instead of CRLF")
    parser.add_argument("--bom", action="store_true", help="begin with a byte order mark")
    given = parser.parse_args(arguments)
    truth = generate(
        given.out,
        rows=given.rows,
        seed=given.seed,
        shape=given.shape,
        dirty=given.dirty,
        revision=given.revision,
        compress=given.gz,
        line_end="\n" if given.lf else "\r\n",
        bom=given.bom,
    )
    print(json.dumps(asdict(truth)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
