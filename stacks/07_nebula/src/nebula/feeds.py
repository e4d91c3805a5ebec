"""The seven feeds as they arrive: each file is known by its header, and looked at before anything is loaded."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jobs.deliveries import LINE_CHARACTERS, Delivery, check_header, read, write
from jobs.errors import FileRejected

SALES = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
"""The columns of UCI's Online Retail, which is a feed of sales lines by itself."""
VALUE_BYTES = 65_535
"""Most bytes of a value: the longest text of Redshift."""

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

_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


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
    FileRejected
        There is no such file, or none in a folder.
    """
    found: list[Path] = []
    for each in given:
        inside = sorted(each.glob("*.csv")) if each.is_dir() else [each]
        if not inside or not all(path.is_file() for path in inside):
            raise FileRejected("no_file", f"{each}: there is no such file, or no *.csv in the folder")
        found += inside
    return found


def content_hash(source: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encoding(source: Path) -> str:
    """Return ``utf-8-sig`` for a file that is UTF-8 as a whole, else ``cp1252``.

    Raises
    ------
    FileRejected
        It holds letters of UTF-8 beside bytes that are none: two encodings in one file.
    """
    try:
        with open(source, newline="", encoding="utf-8") as file:
            while file.read(LINE_CHARACTERS):
                pass
    except UnicodeDecodeError as error:
        with open(source, "rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if _UTF8_LETTER.search(content):
                what = "it mixes encodings: some letters are UTF-8, some are not"
                raise FileRejected("mixed_encodings", what) from error
        return "cp1252"
    return "utf-8-sig"


def _short_enough(records: Iterable[list[str]]) -> Iterator[list[str]]:
    """Pass records on; refuse a file with a value that Redshift has no column for: its COPY would fail as a whole."""
    for number, record in enumerate(records, 1):
        if max(map(len, record)) > VALUE_BYTES // 4 and max(len(each.encode()) for each in record) > VALUE_BYTES:
            raise FileRejected("value_too_long", f"record {number} has a value of more than {VALUE_BYTES:,} bytes")
        yield record


def prepare(source: Path, folder: Path, batch: int) -> Delivery:
    """Check a file and write it in the form of its raw table: the whole file, or nothing.

    Raises
    ------
    FileRejected
        Its header is no feed's, it mixes encodings, it is cut, or what `jobs.deliveries.read` refuses.
    """
    rows = read(source, encoding(source))
    header = next(rows)
    # The feed whose columns it shares most; a file with another delimiter shares none.
    feed = max(FEEDS, key=lambda name: len(set(FEEDS[name]) & set(header)))
    check_header(header, FEEDS[feed])
    return write(feed, columns(feed), _short_enough(rows), source.name, content_hash(source), folder, {"_batch": batch})
