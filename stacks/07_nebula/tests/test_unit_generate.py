"""The generator: the same bytes from the same arguments, with all that makes retail data hard."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

from nebula import generate

Records = list[dict[str, str]]


def read(folder: Path, feed: str) -> Records:
    found: Records = []
    for path in sorted(folder.glob(f"*-{feed}.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            found += [row | {"told": path.name[:10]} for row in csv.DictReader(file)]
    return found


def test_the_same_arguments_make_the_same_bytes(deliveries: Path, tmp_path: Path) -> None:
    generate.Shop(tmp_path, lines=600, days=6, seed=3, dirty=0.03).write()
    mine, theirs = sorted(tmp_path.iterdir()), sorted(deliveries.iterdir())
    assert [path.name for path in mine] == [path.name for path in theirs]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(mine, theirs, strict=True))


def test_a_shop_has_what_makes_it_hard(tmp_path: Path) -> None:
    generate.Shop(tmp_path, lines=5000, days=12, seed=1, dirty=0.02).write()
    lines = read(tmp_path, "sales_lines")
    plain = [tuple(row[name] for name in row if name != "told") for row in lines]
    assert any(
        row["InvoiceNo"].startswith("C") and int(row["Quantity"]) < 0 for row in lines if row["Quantity"] != "six"
    )
    assert max(Counter(plain).values()) > 1, "lines come twice"
    assert any(row["told"] > row["InvoiceDate"][:10] for row in lines), "lines come late"
    told: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in lines:
        told[tuple(row[name] for name in ("InvoiceNo", "StockCode", "InvoiceDate", "Quantity", "UnitPrice"))].add(
            row["CustomerID"]
        )
    assert any("" in buyers and len(buyers) > 1 for buyers in told.values()), "customers are named later"
    customers = read(tmp_path, "customer_changes")
    first = {row["customer_id"]: row["told"] for row in reversed(customers)}
    bought = {row["CustomerID"]: row["told"] for row in reversed(lines)}
    assert any(bought[name] < first[name] for name in bought if name in first), "some buy before anybody tells of them"
    assert any(row["is_deleted"] == "true" for row in customers)
    moved: dict[str, set[str]] = defaultdict(set)
    for row in customers:
        moved[row["customer_id"]].add(row["country"])
    assert any(len(countries - {""}) > 1 for countries in moved.values()), "customers move"
    assert {row["event"] for row in read(tmp_path, "order_events")} >= {
        "placed",
        "paid",
        "picked",
        "shipped",
        "delivered",
    }
    used = Counter(row["order_no"] for row in read(tmp_path, "order_promotions"))
    assert max(used.values()) == 2, "orders use several promotions"


def test_the_share_that_is_spoiled_is_as_asked(tmp_path: Path) -> None:
    shop = generate.Shop(tmp_path, lines=5000, days=2, seed=1, dirty=0.02)
    shop.write()
    assert 70 <= shop.spoiled <= 130
