"""What a change costs a month: an estimate with its assumptions, from the dated price table.

What can't be priced is listed as unknown, on both sides of the change: counting one side only would show a saving or a
rise that isn't there. What follows use is listed with its unit price and not counted. Nothing is counted as zero
because its price is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from infra.review import prices
from infra.review.prices import GLOBAL, Condition, Entry, Figure, Part, Source, Table

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Priced:
    """A resource to price.

    Parameters
    ----------
    address : str
        Its address.
    type : str
        Its Terraform type.
    region : str
        Where it is.
    before, after : mapping, optional
        Its attributes; none where it doesn't exist. What `after` leaves out, because the plan doesn't know it yet, is
        taken as it was; what it gives as null is not set.
    """

    address: str
    type: str
    region: str
    before: Values | None
    after: Values | None


@dataclass(frozen=True)
class Line:
    """A resource with a fixed price.

    Parameters
    ----------
    address, type, region : str
        The resource.
    before, after : Decimal
        USD a month, to the cent.
    assumption : str
        What the figures take for granted.
    working : tuple of str
        How they come about: of what is there after the change, or before it if nothing is left.
    sources : tuple of Source
        Where the prices were read.
    """

    address: str
    type: str
    region: str
    before: Decimal
    after: Decimal
    assumption: str
    working: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, order=True)
class ByUse:
    """Something whose cost follows use: shown, not counted.

    Parameters
    ----------
    type, region, price : str
        What it is, where, and its unit price in words.
    assumption : str
        What that takes for granted.
    change : str
        "new", "gone", or "stays": whether the change adds or removes it.
    addresses : tuple of str
        The resources.
    sources : tuple of Source
        Where the price was read.
    """

    type: str
    region: str
    price: str
    assumption: str
    change: str
    addresses: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, order=True)
class Unknown:
    """Resources of one type that can't be priced, and why."""

    type: str
    region: str
    reason: str
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.addresses)


@dataclass(frozen=True)
class Estimate:
    """What the resources cost a month.

    Parameters
    ----------
    lines : tuple of Line
        What is counted.
    total_before, total_after : Decimal
        The sums of the lines, USD a month.
    by_use : tuple of ByUse
        What follows use, and is not in the sums.
    unknown : tuple of Unknown
        What has no price here, and is not in the sums.
    free : int
        How many resources AWS charges nothing for.
    """

    lines: tuple[Line, ...]
    total_before: Decimal
    total_after: Decimal
    by_use: tuple[ByUse, ...]
    unknown: tuple[Unknown, ...]
    free: int

    @property
    def delta(self) -> Decimal:
        """What the change adds, USD a month; what it saves is negative."""
        return self.total_after - self.total_before


class _NoPriceError(Exception):
    """A resource can't be priced; the text says why."""


@dataclass(frozen=True)
class _Charge:
    """A part that counts, worked out."""

    kind: str
    usd: Decimal
    working: str
    sources: tuple[Source, ...]


def estimate(resources: Iterable[Priced], table: Table | None = None) -> Estimate:
    """Estimate what resources cost a month before and after a change.

    Parameters
    ----------
    resources : iterable of Priced
        The resources; for the cost of a change, those that it touches.
    table : Table, optional
        Prices; by default those of ``prices.toml``.

    Returns
    -------
    Estimate
        The same for the same resources in any order.
    """
    table = table or prices.load()
    lines: list[Line] = []
    by_use: dict[tuple[str, str, str, str, str, tuple[Source, ...]], list[str]] = defaultdict(list)
    unknown: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    free = 0
    for each in sorted(resources, key=lambda each: (each.address, each.region)):
        if each.before is None and each.after is None:
            continue
        try:
            before = _charges(table, each, each.before)
            after = _charges(table, each, each.after if each.after is None else {**(each.before or {}), **each.after})
        except _NoPriceError as reason:
            unknown[each.type, each.region, str(reason)].append(each.address)
            continue
        charges = [*before, *after]
        assumption = table.entries[each.type].assumption
        if any(charge.kind == "fixed" for charge in charges):
            lines.append(_line(each, assumption, before, after))
        for charge in sorted({charge for charge in charges if charge.kind == "use"}, key=lambda use: use.working):
            change = "stays" if charge in before and charge in after else "new" if charge in after else "gone"
            by_use[each.type, each.region, charge.working, assumption, change, charge.sources].append(each.address)
        free += all(charge.kind == "free" for charge in charges)
    return Estimate(
        tuple(lines),
        sum((line.before for line in lines), NOTHING),
        sum((line.after for line in lines), NOTHING),
        tuple(sorted(ByUse(*key[:5], tuple(addresses), key[5]) for key, addresses in by_use.items())),
        tuple(sorted(Unknown(*key, tuple(addresses)) for key, addresses in unknown.items())),
        free,
    )


def _line(each: Priced, assumption: str, before: list[_Charge], after: list[_Charge]) -> Line:
    was, is_ = ([charge for charge in side if charge.kind == "fixed"] for side in (before, after))
    shown = is_ or was
    working = [charge.working for charge in shown]
    if was and not is_ and each.after is not None:
        working = [f"before: {text}" for text in working] + ["after: nothing fixed"]
    return Line(
        each.address,
        each.type,
        each.region,
        _sum(was),
        _sum(is_),
        assumption,
        tuple(working),
        tuple(sorted({source for charge in shown for source in charge.sources})),
    )


def _sum(charges: list[_Charge]) -> Decimal:
    return sum((charge.usd for charge in charges), NOTHING).quantize(CENT, ROUND_HALF_UP)


def _charges(table: Table, resource: Priced, values: Values | None) -> list[_Charge]:
    """Return what is charged for one side of a change; nothing where the resource isn't there."""
    if values is None:
        return []
    entry = table.entries.get(resource.type)
    if entry is None:
        missing = "the price table has no entry for this type"
        if not resource.type.startswith("aws_"):
            missing = "the table holds prices of AWS only"
        raise _NoPriceError(table.unknown.get(resource.type, missing))
    values = {**entry.defaults, **{name: value for name, value in values.items() if value is not None}}
    return [
        _fixed(table, part, values, resource.region)
        if part.kind == "fixed"
        else _Charge(part.kind, NOTHING, *_unit_price(part, values, resource.region))
        for part in _applying(entry, values)
    ]


def _applying(entry: Entry, values: Values) -> Iterator[Part]:
    """Choose of each thing that is charged the first variant that fits."""
    by_name: dict[str, list[Part]] = defaultdict(list)
    for part in entry.parts:
        by_name[part.what].append(part)
    for what, variants in by_name.items():
        for part in variants:
            if _fits(part.when, values, all) and not _fits(part.unless, values, any):
                yield part
                break
        else:
            if not any(part.optional for part in variants):
                raise _NoPriceError(f"the price table has no {what} with these settings")


def _fits(condition: Condition, values: Values, how: Callable[[Iterable[bool]], bool]) -> bool:
    return how(_one_fits(wanted, list(_leaves(values, path))) for path, wanted in condition.items())


def _one_fits(wanted: tuple[Any, ...] | bool, found: list[Any]) -> bool:
    if isinstance(wanted, bool):
        return wanted == any(leaf != "" for leaf in found)
    return any(leaf in wanted for leaf in found)


def _leaves(values: Any, path: str) -> Iterator[Any]:
    """Yield what stands at a dotted path, through lists of blocks; nothing for what isn't set."""
    if isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value, path)
    elif not path:
        if values is not None:
            yield values
    elif isinstance(values, Mapping):
        name, _, rest = path.partition(".")
        yield from _leaves(values.get(name), rest)


def _fixed(table: Table, part: Part, values: Values, region: str) -> _Charge:
    """Work out a part with a fixed price."""
    regions = [str(name) for name in _leaves(values, part.in_regions)] if part.in_regions else [region]
    figures = [_figure(part, values, name) for name in regions]
    quantity, words = _quantity(part, values)
    hours = table.hours if part.hourly else Decimal(1)
    usd = sum((figure.usd for figure in figures), NOTHING) * quantity * hours
    # Regions may differ in price, so each is a term of its own.
    terms = [f"{words}{figure.usd} USD/{part.unit}{f' × {hours} h' if part.hourly else ''}" for figure in figures]
    return _Charge(
        part.kind,
        usd,
        f"{part.what}: {' + '.join(terms) or 'none'}",
        tuple(sorted({figure.source for figure in figures})),
    )


def _quantity(part: Part, values: Values) -> tuple[Decimal, str]:
    """Return what multiplies the price, and that in words."""
    quantity, words = Decimal(part.times), f"{part.times} × " if part.times > 1 else ""
    for path in part.count:
        found = list(_leaves(values, path))
        if found and all(isinstance(leaf, int | float) and not isinstance(leaf, bool) for leaf in found):
            number = sum((Decimal(str(leaf)) for leaf in found), Decimal(0))
        elif found:
            number = Decimal(len(found))
        elif part.count_default is not None:
            number = Decimal(part.count_default)
            path = f"{path}, taken as {part.count_default} because it isn't set or not known yet"
        else:
            raise _NoPriceError(f"{path} isn't known before the apply")
        quantity, words = quantity * number, f"{words}{number:f} ({path}) × "
    return quantity, words


def _figure(part: Part, values: Values, region: str) -> Figure:
    figures = part.prices.get(region) or part.prices.get(GLOBAL)
    if figures is None:
        raise _NoPriceError(f"no price for the {part.what} in {region or 'a region that is not known'}")
    if not part.by:
        return figures[""]
    name = next(_leaves(values, part.by), None)
    if name is None:
        raise _NoPriceError(f"{part.by} isn't known before the apply")
    if str(name) not in figures:
        raise _NoPriceError(f"no price for {name} in {region}")
    return figures[str(name)]


def _unit_price(part: Part, values: Values, region: str) -> tuple[str, tuple[Source, ...]]:
    """Say what something costs that follows use, or that it is free."""
    described = (part.source,) if part.source else ()
    if part.kind == "free":
        return f"{part.what}: free", described
    if not part.prices:
        return f"{part.what}: by the {part.unit}, at a price that is not in the table", described
    try:
        figure = _figure(part, values, region)
    except _NoPriceError as reason:
        return f"{part.what}: by the {part.unit}, {reason}", described
    return f"{part.what}: {figure.usd} USD/{part.unit}", (figure.source,)
