"""The seven feeds as they arrive: each file is known by its header, and looked at before anything is loaded."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from jobs.deliveries import Content, Delivery, Refused, check_header, inspect, records, write

SALES = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
"""The columns of UCI's Online Retail, which is a feed of sales lines by itself."""

FEEDS: dict[str, tuple[str, ...]] = {
    "sales_lines": SALES,
    "customer_changes": (
        "customer_id",
        "changed_at",
        "change_no",
        "is_deleted",
        "name",
        "email",
        "country",
        "city",
        "segment",
    ),
    "product_changes": (
        "stock_code",
        "changed_at",
        "change_no",
        "is_deleted",
        "description",
        "category",
        "supplier",
    ),
    "order_events": ("order_no", "event", "event_at", "customer_id"),
    "stock_counts": ("stock_code", "warehouse", "counted_on", "on_hand"),
    "promotions": ("promotion_id", "changed_at", "name", "kind", "discount_pct", "starts_on", "ends_on"),
    "order_promotions": ("order_no", "promotion_id", "discount_amount"),
}
"""Each feed with the columns of its files, in their order."""

ORIGIN = ("_file", "_line", "_batch")
"""What follows in each raw table: the delivery, the record's number in it, the batch."""


def columns(feed: str) -> tuple[str, ...]:
    """Return the columns of a feed's raw table, without those of the origin."""
    if feed == "sales_lines":
        return (
            "invoice_no",
            "stock_code",
            "description",
            "quantity",
            "invoice_date",
            "unit_price",
            "customer_id",
            "country",
        )
    return FEEDS[feed]


def files(given: Sequence[Path]) -> list[Path]:
    """Return the files that are meant: each file itself, of a folder all that end in ``.csv``, by name.

    Raises
    ------
    Refused
        There is no such file, or none in a folder.
    """
    found: list[Path] = []
    for each in given:
        inside = sorted(each.glob("*.csv")) if each.is_dir() else [each]
        if not inside or not all(path.is_file() for path in inside):
            raise Refused(f"{each}: there is no such file, or no *.csv in the folder")
        found += inside
    return found


def look(source: Path) -> tuple[str, Content]:
    """Return the feed that a file belongs to, and what its bytes tell.

    Raises
    ------
    Refused
        Its header is no feed's, it is cut, or it mixes encodings.
    """
    content = inspect(source)
    with open(source, newline="", encoding=content.encoding) as file:
        try:
            header = next(csv.reader(file, strict=True), [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise Refused(f"{source.name}: {error}") from error
    # The feed whose columns it shares most; a file with another delimiter shares none.
    feed = max(FEEDS, key=lambda name: len(set(FEEDS[name]) & set(header)))
    check_header(source, header, FEEDS[feed])
    if not content.is_ended:
        raise Refused(f"{source.name}: its last line has no line end: is it cut?")
    return feed, content


def prepare(source: Path, folder: Path, batch: int) -> Delivery:
    """Check a file and write it in the form of its raw table.

    Raises
    ------
    Refused
        As `look`, or a record is not as wide as the header, or there is none.
    """
    feed, content = look(source)
    rows = records(source, FEEDS[feed], content.encoding)
    return write(feed, columns(feed), source, folder, rows, {"_batch": batch}, content.digest)
