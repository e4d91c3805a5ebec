"""Retail orders in the shape of UCI's Online Retail, with what a shop knows beside them, made from a seed.

``python -m nebula.generate --lines 10000 --seed 1 --days 10 --out FOLDER`` writes a folder of deliveries, one file for
each feed and day: same arguments, same bytes. Customers move and change their segment, products are put into other
categories, some of both are told of late or deleted; facts come late and out of order; lines are cancelled, returned,
doubled, or without a customer until a later delivery names one. ``--dirty 0.02`` spoils that share of the lines.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from nebula.feeds import FEEDS

START = date(2024, 1, 1)
COUNTRIES = ("United Kingdom", "Germany", "France", "EIRE", "Spain", "Netherlands", "Belgium", "Portugal")
CITIES = ("Leeds", "Bonn", "Lyon", "Cork", "Vigo", "Delft", "Ghent", "Braga")
SEGMENTS = ("consumer", "small business", "corporate", "wholesale")
CATEGORIES = ("kitchen", "garden", "lighting", "stationery", "toys", "seasonal", "bags")
SUPPLIERS = ("North Star Ltd", "Halley & Sons", "Perseid Goods")
COLOURS = ("RED", "BLUE", "IVORY", "PINK", "WHITE", "GREEN")
THINGS = ("T-LIGHT HOLDER", "METAL LANTERN", "CAKE TIN", "LUNCH BAG", "DOORMAT", "TEA TOWEL", "MUG", "£ MONEY BOX")
MILESTONES = (("placed", 0.0), ("paid", 0.2), ("picked", 8.0), ("shipped", 24.0), ("delivered", 60.0))
"""Events of an order with the hours after which they come, as a mean."""
WAREHOUSES = ("LEEDS", "LILLE")
BAD_KINDS = ("bad_date", "bad_quantity", "bad_price", "no_invoice", "bad_customer")
"""What can be wrong with a bad line; staging rejects it with this very reason."""


class Shop:
    """A shop's days, written feed by feed.

    Parameters
    ----------
    folder : Path
        Where the deliveries go.
    lines : int
        Sales lines, without those that are doubled or told again.
    days : int
        Days over which they are spread evenly, from `START`.
    seed : int
    dirty : float
        The share of lines that are spoiled.
    customers : int, optional
        How many there are; one for every fifty lines by default, at least ten.
    """

    def __init__(
        self, folder: Path, lines: int, days: int, seed: int = 1, dirty: float = 0.0, customers: int | None = None
    ) -> None:
        self.folder, self.lines, self.days, self.dirty = folder, lines, days, dirty
        self.random = random.Random(seed)
        self.customers = customers or max(10, lines // 50)
        self.products = max(10, min(4000, lines // 100))
        self.late: dict[int, list[tuple[str, Sequence[Any]]]] = {}
        self.writers: dict[str, Any] = {}
        self.open = ExitStack()
        self.invoice, self.spoiled, self.change_no = 536_365, 0, 0
        self.counts: Counter[str] = Counter()

    def write(self) -> Counter[str]:
        """Write all days; return how many records each feed has."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for day in range(self.days):
            today = START + timedelta(days=day)
            self._masters(day, today)
            share = self.lines * (day + 1) // self.days - self.lines * day // self.days
            self._orders(day, today, share)
            self._stock(day, today)
            self._deliver(day, today)
        return self.counts

    def _put(self, day: int, feed: str, row: Sequence[Any], lateness: float = 0.05) -> None:
        """Deliver a record on its day, or up to five days later."""
        draw = self.random.random
        lag = 1 + int(draw() * 5) if draw() < lateness else 0
        if lag and day + lag < self.days:
            self.late.setdefault(day + lag, []).append((feed, row))
        else:
            self._row(START + timedelta(days=day), feed, row)

    def _row(self, today: date, feed: str, row: Sequence[Any]) -> None:
        if feed not in self.writers:
            path = self.folder / f"{today.isoformat()}-{feed}.csv"
            file = self.open.enter_context(path.open("w", newline="", encoding="utf-8"))
            self.writers[feed] = csv.writer(file, lineterminator="\n")
            self.writers[feed].writerow(FEEDS[feed])
        self.counts[feed] += 1
        self.writers[feed].writerow(row)

    def _deliver(self, day: int, today: date) -> None:
        """Write what came late until today, and close the day's files."""
        late = self.late.pop(day, [])
        self.random.shuffle(late)
        for feed, row in late:
            self._row(today, feed, row)
        self.open.close()
        self.writers = {}

    def _masters(self, day: int, today: date) -> None:
        """Tell of new customers and products, of what changed with them, and of promotions."""
        draw = self.random.random
        if day == 0:
            for number in range(self.customers):
                # One in ten is told of on a later day, after the first orders: a late-arriving member.
                registered = int(draw() * self.days) if draw() < 0.1 else 0
                self._customer(max(0, registered), number, self._moment(START - timedelta(days=30)))
            for number in range(self.products):
                self._product(
                    int(draw() * self.days) if draw() < 0.1 else 0, number, self._moment(START - timedelta(30))
                )
        else:
            for _ in range(max(3, self.customers // 100)):
                self._customer(day, int(draw() * self.customers), self._moment(today), deleted=draw() < 0.06)
            for _ in range(max(2, self.products // 50)):
                self._product(day, int(draw() * self.products), self._moment(today), deleted=draw() < 0.06)
        if day % 10 == 0:
            number = day // 10
            for kind, percent in (("code", 10), ("bundle", 15)):
                ends = today + timedelta(days=9)
                row = (
                    f"{kind.upper()}{number}",
                    self._moment(today),
                    f"{kind} {percent} %",
                    kind,
                    percent,
                    today,
                    ends,
                )
                self._put(day, "promotions", row, lateness=0.5)

    def _customer(self, day: int, number: int, moment: datetime, *, deleted: bool = False) -> None:
        draw = self.random.random
        place, self.change_no = int(draw() * len(COUNTRIES)), self.change_no + 1
        row = [12_000 + number, moment, self.change_no, "true" if deleted else "false"]
        if deleted:
            row += [""] * 5
        else:
            mail = f"c{number}{'.new' if draw() < 0.2 else ''}@example.com"
            row += [f"Customer {number}", mail, COUNTRIES[place], CITIES[place], SEGMENTS[int(draw() * draw() * 4)]]
        self._put(day, "customer_changes", row)

    def _product(self, day: int, number: int, moment: datetime, *, deleted: bool = False) -> None:
        draw = self.random.random
        self.change_no += 1
        row = [code(number), moment, self.change_no, "true" if deleted else "false"]
        row += (
            [""] * 3
            if deleted
            else [name(number, int(draw() < 0.2)), CATEGORIES[int(draw() * 7)], SUPPLIERS[int(draw() * 3)]]
        )
        self._put(day, "product_changes", row)

    def _orders(self, day: int, today: date, lines: int) -> None:
        draw = self.random.random
        while lines > 0:
            size = min(lines, 1 + int(draw() * 39))
            lines -= size
            self.invoice += 1
            cancels = draw() < 0.03
            number, moment = f"{'C' if cancels else ''}{self.invoice}", self._moment(today)
            customer = None if draw() < 0.2 else int(draw() * draw() * self.customers)
            self._lines(day, number, moment, customer, size, sign=-1 if cancels else 1)
            if not cancels:
                self._events(day, number, moment, customer)
                if draw() < 0.15:
                    for kind in ("CODE", "BUNDLE") if draw() < 0.3 else ("CODE",):
                        row = (number, f"{kind}{day // 10}", f"{1 + draw() * 20:.2f}")
                        self._put(day, "order_promotions", row)

    def _lines(self, day: int, number: str, moment: datetime, customer: int | None, size: int, sign: int) -> None:
        draw = self.random.random
        country = COUNTRIES[(customer or 0) % len(COUNTRIES)]
        buyer = "" if customer is None else str(12_000 + customer)
        told = str(12_000 + int(draw() * self.customers)) if customer is None and draw() < 0.3 else ""
        for _ in range(size):
            item = int(draw() * draw() * self.products)
            price = f"{0.29 + item % 37 * 0.45:.2f}"
            row = [number, code(item), name(item, 0), sign * (1 + int(draw() * 24)), moment, price, buyer, country]
            if draw() < 0.01:  # stock that was lost: no price, a note instead of a description, no customer
                row = [number, code(item), "damages", -1 - int(draw() * 9), moment, "0.0", "", country]
            if draw() < self.dirty:
                row = self._spoil(row)
            self._put(day, "sales_lines", row, lateness=0.03)
            if draw() < 0.012:
                self._put(day, "sales_lines", row, lateness=0.3)
            if told and row[6] == "":
                self._put(day, "sales_lines", [*row[:6], told, row[7]], lateness=1.0)

    def _spoil(self, row: list[Any]) -> list[Any]:
        kind = BAD_KINDS[self.spoiled % len(BAD_KINDS)]
        self.spoiled += 1
        place, value = {
            "bad_date": (4, "0000-00-00 00:00:00"),
            "bad_quantity": (3, "six"),
            "bad_price": (5, "1,95 GBP"),
            "no_invoice": (0, ""),
            "bad_customer": (6, "anonymous"),
        }[kind]
        return [*row[:place], value, *row[place + 1 :]]

    def _events(self, day: int, number: str, moment: datetime, customer: int | None) -> None:
        draw = self.random.random
        buyer = "" if customer is None else str(12_000 + customer)
        steps = MILESTONES if draw() < 0.9 else MILESTONES[: 1 + int(draw() * 5)]
        for event, hours in steps:
            at = moment + timedelta(minutes=int(hours * 60 * (0.5 + draw())))
            self._event(day, (number, event, at, buyer), at)
        if len(steps) == len(MILESTONES) and draw() < 0.04:
            at += timedelta(days=1 + int(draw() * 10))
            self._event(day, (number, "returned", at, buyer), at)

    def _event(self, day: int, row: Sequence[Any], at: datetime) -> None:
        due = (at.date() - START).days
        if due >= self.days:
            return  # after the last delivery
        if due == day:
            self._put(day, "order_events", row)
        else:
            lag = int(self.random.random() * 3) if self.random.random() < 0.05 else 0
            self.late.setdefault(min(due + lag, self.days - 1), []).append(("order_events", row))

    def _stock(self, day: int, today: date) -> None:
        """Count each product about once a week, in one warehouse or both."""
        draw = self.random.random
        for item in range(self.products):
            for number, warehouse in enumerate(WAREHOUSES):
                if (item + number * 3 + day) % 7 == 0 and draw() < 0.9:
                    self._put(day, "stock_counts", (code(item), warehouse, today, int(draw() * 400)))

    def _moment(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 8) + timedelta(seconds=60 * int(self.random.random() * 600))


def code(number: int) -> str:
    """Return a stock code, some with a letter, as UCI has them."""
    return f"{20_000 + number // 2}{'A' if number % 2 else ''}"


def name(number: int, revision: int) -> str:
    """Return a product's description, or how it is called later."""
    text = f"{COLOURS[number % 6]} {THINGS[number // 6 % 8]} {number}"
    return text.replace("METAL", "TIN").replace("BAG", "BOX") + " NEW" * revision if revision else text


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000, help="sales lines, without those told twice")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=10, help="days, each with a delivery of each feed")
    parser.add_argument("--customers", type=int, help="customers; one for fifty lines by default")
    parser.add_argument("--dirty", type=float, default=0.0, help="share of the lines that are spoiled, e.g. 0.02")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the deliveries")
    chosen = parser.parse_args(arguments)
    shop = Shop(chosen.out, chosen.lines, chosen.days, chosen.seed, chosen.dirty, chosen.customers)
    for feed, count in shop.write().items():
        print(f"{count:>10,}  {feed}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
