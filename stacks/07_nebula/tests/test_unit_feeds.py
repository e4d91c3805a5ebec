"""A file is known by its header, and taken whole or refused whole, with what is wrong in one line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from nebula import feeds

from jobs.errors import FileRejected


@pytest.fixture
def lines(deliveries: Path) -> Path:
    return sorted(deliveries.glob("*sales_lines.csv"))[0]


def test_every_generated_file_is_known_by_its_header(deliveries: Path, tmp_path: Path) -> None:
    for path in deliveries.glob("*.csv"):
        made = feeds.prepare(path, tmp_path, batch=4)
        assert made.table == path.stem[11:], "the name of the file says nothing"
        with open(made.path, newline="") as file:
            first = next(csv.DictReader(file))
        assert first["_batch"] == "4" and first["_line"] == "1" and first["_file"] == made.name


def test_the_same_content_has_the_same_digest_whatever_it_is_called(lines: Path, tmp_path: Path) -> None:
    strange = tmp_path / "it's \\ a file;.csv"
    strange.write_bytes(lines.read_bytes())
    first, second = feeds.prepare(lines, tmp_path, 1), feeds.prepare(strange, tmp_path, 2)
    assert first.digest == second.digest and second.name.endswith("-it_s___a_file_.csv")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("UnitPrice", "Price", 1), "missing UnitPrice; new Price"),
        (lambda text: text.replace("Country\n", "Country,Channel\n", 1), "missing none; new Channel"),
        (lambda text: text.replace(",", ";"), "wrong_delimiter: .*commas are expected"),
        (lambda text: text.replace("Country\n", "Country,Quantity\n", 1), "a column twice: Quantity"),
        (lambda text: text.replace("InvoiceNo,StockCode", "StockCode,InvoiceNo", 1), "another order"),
        (lambda text: text[: text.rindex(",")] + "\n", "7 fields instead of 8: is it cut[?]"),
        (lambda text: text[:-4], "no line end: is it cut[?]"),
        (lambda text: text.splitlines()[0] + "\n", "no records"),
        (lambda text: text + '536365,"A\n', "unexpected end of data"),
        (lambda text: text.replace("T", "\0", 1), "line 2 has a NUL byte"),
        (lambda text: text.replace("\n536", "\n" + "x" * (1 << 20), 1), "more than 1,048,576 characters"),
        (lambda text: "", "no bytes"),
    ],
)
def test_a_file_that_changed_is_refused(lines: Path, tmp_path: Path, change: Callable[[str], str], reason: str) -> None:
    path = tmp_path / "changed.csv"
    path.write_text(change(lines.read_text()))
    with pytest.raises(FileRejected, match=reason):
        feeds.prepare(path, tmp_path, 1)


def test_one_encoding_is_taken_and_two_are_refused(lines: Path, tmp_path: Path) -> None:
    old, mixed = tmp_path / "old.csv", tmp_path / "mixed.csv"
    text = lines.read_text() + "536365,X,£ BOX,1,2024-01-01 10:00:00,1.0,,France\n"
    old.write_bytes(text.encode("cp1252"))
    mixed.write_bytes(text.encode("utf-8") + "536365,X,£ BAG,1,2024-01-01 10:00:00,1.0,,France\n".encode("cp1252"))
    assert "£ BOX" in feeds.prepare(old, tmp_path, 1).path.read_text(encoding="utf-8")
    with pytest.raises(FileRejected, match="mixes encodings"):
        feeds.prepare(mixed, tmp_path, 1)


def test_a_folder_means_its_files_in_order_and_nothing_is_no_answer(deliveries: Path, tmp_path: Path) -> None:
    assert feeds.files([deliveries]) == sorted(deliveries.glob("*.csv"))
    for nothing in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(FileRejected, match="no such file"):
            feeds.files([nothing])
