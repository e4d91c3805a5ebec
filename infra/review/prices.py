"""The price table of the review, read and checked.

``prices.toml`` holds what AWS asks, each figure with the dated public source it was read from. This file turns it into
data and refuses what is incomplete: a figure without a source, a source without a date, a misspelt key.
"""

from __future__ import annotations

import datetime
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from infra.errors import OrreryError

FILE = Path(__file__).with_name("prices.toml")
GLOBAL = "global"
"""Stands where a region would for services that have none, such as Route 53."""
KINDS = ("fixed", "use", "free")

Condition = Mapping[str, tuple[Any, ...] | bool]
"""By the path of an attribute: the values that fit, or whether it has to be set."""


@dataclass(frozen=True, order=True)
class Source:
    """Where a figure was read.

    Parameters
    ----------
    name : str
        The public price list or page.
    date : datetime.date
        The day for which it says so.
    via : str
        Where it was seen, if not at AWS itself.
    """

    name: str
    date: datetime.date
    via: str = ""


@dataclass(frozen=True)
class Figure:
    """A price in USD and its source."""

    usd: Decimal
    source: Source


@dataclass(frozen=True)
class Part:
    """One thing that is charged about a resource, in one of its variants.

    Parameters
    ----------
    what : str
        What is charged. Of the parts with one name, the first whose conditions fit counts.
    kind : str
        ``fixed`` (counted), ``use`` (its unit price is shown) or ``free``.
    unit : str
        What the price is for: "key-month", "million requests".
    hourly : bool
        The price is for an hour.
    count : tuple of str
        Paths of attributes: their number, or how many elements they have, multiplies the price.
    count_default : int, optional
        What counts where such an attribute isn't set or not known yet.
    times : int
        A constant that multiplies the price.
    by : str
        Path of the attribute that chooses among several prices.
    when, unless : mapping
        Conditions on attributes: all of `when` must fit, none of `unless`.
    optional : bool
        It may be that no variant fits.
    in_regions : str
        Path of an attribute that names regions: charged once in each of them.
    prices : mapping
        By region, then by the value of `by` ("" without): the figures.
    source : Source, optional
        Where a part without a figure is described.
    """

    what: str
    kind: str = "fixed"
    unit: str = ""
    hourly: bool = False
    count: tuple[str, ...] = ()
    count_default: int | None = None
    times: int = 1
    by: str = ""
    when: Condition = field(default_factory=dict)
    unless: Condition = field(default_factory=dict)
    optional: bool = False
    in_regions: str = ""
    prices: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    source: Source | None = None


@dataclass(frozen=True)
class Entry:
    """What is charged for a resource type.

    Parameters
    ----------
    assumption : str
        What the estimate takes for granted, in words.
    defaults : mapping
        What the provider takes for attributes that aren't set.
    parts : tuple of Part
        What is charged.
    """

    assumption: str
    defaults: Mapping[str, Any]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Table:
    """The whole price table.

    Parameters
    ----------
    hours : Decimal
        Hours in a month.
    entries : mapping
        By resource type: what is charged.
    unknown : mapping
        By resource type: why it has no price here.
    """

    hours: Decimal
    entries: Mapping[str, Entry]
    unknown: Mapping[str, str]


@functools.cache
def load(file: Path = FILE) -> Table:
    """Read the price table.

    Raises
    ------
    OrreryError
        When something is missing or misspelt, with the place.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong("", f"can't be read: {error}") from error
    _check("", data, required={"hours_per_month", "sources", "types", "free", "unknown"})
    sources = {key: _source(f"sources.{key}", each) for key, each in data["sources"].items()}
    entries = {type_: _entry(f"types.{type_}", each, sources) for type_, each in data["types"].items()}
    for key, group in data["free"].items():
        for type_, entry in _free(f"free.{key}", group, sources).items():
            if type_ in entries:
                raise _wrong(f"free.{key}", f"{type_} has an entry already")
            entries[type_] = entry
    for type_ in data["unknown"]:
        if type_ in entries:
            raise _wrong(f"unknown.{type_}", "has an entry already")
    hours = _number("hours_per_month", data["hours_per_month"])
    return Table(hours, dict(sorted(entries.items())), dict(sorted(data["unknown"].items())))


def _wrong(where: str, what: str) -> OrreryError:
    place = f"prices.toml: {where} " if where else "prices.toml "
    return OrreryError(f"{place}{what}", next_step="mend infra/review/prices.toml: its first lines say how to write it")


def _check(where: str, data: Any, required: set[str], optional: set[str] | None = None) -> None:
    """Refuse a table that lacks a key, leaves it empty, or has one that nobody reads."""
    if not isinstance(data, Mapping):
        raise _wrong(where, "must be a table")
    for key in sorted(required):
        if data.get(key) in (None, "", []):
            raise _wrong(where, f"has no {key}")
    for key in sorted(set(data) - required - (optional or set())):
        raise _wrong(where, f"has the unknown key {key}")


def _source(where: str, data: Any) -> Source:
    _check(where, data, {"name", "date"}, {"via"})
    if type(data["date"]) is not datetime.date:
        raise _wrong(where, "has a date that is none: write 2026-09-14, without quotes")
    return Source(data["name"], data["date"], data.get("via", ""))


def _named(where: str, key: Any, sources: Mapping[str, Source]) -> Source:
    if key not in sources:
        raise _wrong(where, f"names the source {key!r}, which is not below [sources]")
    return sources[key]


def _number(where: str, text: Any) -> Decimal:
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise _wrong(where, f'must be a number above zero in quotes, like "0.40", not {text!r}')
    return number


def _entry(where: str, data: Any, sources: Mapping[str, Source]) -> Entry:
    _check(where, data, {"assumption", "parts"}, {"defaults"})
    parts = tuple(_part(f"{where}.parts[{n}]", each, sources) for n, each in enumerate(data["parts"]))
    return Entry(data["assumption"], data.get("defaults", {}), parts)


def _free(where: str, data: Any, sources: Mapping[str, Source]) -> dict[str, Entry]:
    """Return the entries of a group of types that AWS charges nothing for."""
    _check(where, data, {"assumption", "source", "types"})
    part = Part("nothing", kind="free", source=_named(where, data["source"], sources))
    return {type_: Entry(data["assumption"], {}, (part,)) for type_ in data["types"]}


def _part(where: str, data: Any, sources: Mapping[str, Source]) -> Part:
    known = {name for name in Part.__dataclass_fields__ if name != "what"}
    _check(where, data, {"what"}, known)
    kind = data.get("kind", "fixed")
    if kind not in KINDS:
        raise _wrong(where, f"has the kind {kind!r}; there are {', '.join(KINDS)}")
    if kind != "free" and not data.get("unit"):
        raise _wrong(where, "has no unit")
    if kind == "fixed" and not data.get("prices"):
        raise _wrong(where, "is fixed and has no prices")
    if not data.get("prices") and not data.get("source"):
        raise _wrong(where, "has neither prices nor a source")
    count = data.get("count", [])
    return Part(
        **{key: value for key, value in data.items() if key not in ("count", "when", "unless", "prices", "source")},
        count=tuple([count] if isinstance(count, str) else count),
        when=_condition(f"{where}.when", data.get("when", {})),
        unless=_condition(f"{where}.unless", data.get("unless", {})),
        prices={
            region: _figures(f"{where}.prices.{region}", each, bool(data.get("by")), sources)
            for region, each in data.get("prices", {}).items()
        },
        source=_named(where, data["source"], sources) if "source" in data else None,
    )


def _condition(where: str, data: Mapping[str, Any]) -> Condition:
    for path, values in data.items():
        if not isinstance(values, list | bool):
            raise _wrong(where, f"must give {path} a list of values, or true for set and false for not set")
    return {path: values if isinstance(values, bool) else tuple(values) for path, values in data.items()}


def _figures(where: str, data: Any, chosen: bool, sources: Mapping[str, Source]) -> dict[str, Figure]:
    """Return the figures of a region: several if an attribute chooses among them, otherwise one."""
    if not chosen:
        return {"": _figure(where, data, sources)}
    return {name: _figure(f"{where}.{name}", each, sources) for name, each in data.items()}


def _figure(where: str, data: Any, sources: Mapping[str, Source]) -> Figure:
    _check(where, data, {"usd", "source"})
    return Figure(_number(where, data["usd"]), _named(where, data["source"], sources))
