"""A file is taken whole or refused whole, with what is wrong in one line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from orbit import files, generate

from jobs.deliveries import Delivery
from jobs.errors import FileRejected
from jobs.source import Content


def delivery(path: Path, folder: Path) -> Delivery:
    """Unpack and prepare a file as the pipeline does."""
    folder.mkdir(exist_ok=True)
    content = Content(iter([path.read_bytes()]))
    unpacked = files.unpack(path.name, content, folder)
    return files.prepare(path.name, unpacked, content.finish(), folder)


def rows(made: Delivery) -> list[dict[str, str]]:
    with open(made.path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_delivery_keeps_every_field_and_says_where_it_stood(delivered: SimpleNamespace, tmp_path: Path) -> None:
    made = delivery(delivered.first, tmp_path)
    with open(made.path, newline="") as file, open(delivered.first, newline="") as source:
        for number, (row, record) in enumerate(zip(csv.reader(file), csv.reader(source), strict=True)):
            assert row[:75] == ([name.lower() for name in record] if number == 0 else record)
            assert number == 0 or row[75:77] == [made.name, str(number)]
    assert made.rows == 120 and made.name.endswith("-first.csv")
    assert made.digest == hashlib.sha256(delivered.first.read_bytes()).hexdigest()[:12]


def test_the_same_content_is_the_same_delivery_and_a_strange_name_is_harmless(
    delivered: SimpleNamespace, tmp_path: Path
) -> None:
    strange = tmp_path / "it's \\ a file;.csv"
    strange.write_bytes(delivered.first.read_bytes())
    first, second = delivery(delivered.first, tmp_path / "a"), delivery(strange, tmp_path / "b")
    assert first.digest == second.digest
    assert second.name.endswith("-it_s___a_file_.csv")


def test_columns_are_told_by_their_names(delivered: SimpleNamespace, tmp_path: Path) -> None:
    """In another order, without those that no model reads, with the names of the query API, packed: the same records."""
    with open(delivered.first, newline="") as file:
        records = list(csv.DictReader(file))
    chosen = [*reversed(files.REQUIRED), "tp_cal"]
    path = tmp_path / "short.csv.gz"
    with gzip.open(path, "wt", newline="") as packed:
        writer = csv.writer(packed, lineterminator="\n")
        writer.writerow([name.replace("_cal", ".cal") for name in chosen])
        writer.writerows([record[name] for name in chosen] for record in records)
    found = rows(delivery(path, tmp_path))
    assert [row["tp_cal"] for row in found] == [record["tp_cal"] for record in records]
    assert [row["h"] for row in found] == [record["H"] for record in records]
    assert {row["sigma_e"] for row in found} == {""}


def test_the_answer_of_the_query_api_gives_the_same_records(delivered: SimpleNamespace, tmp_path: Path) -> None:
    with open(delivered.first, newline="") as file:
        header, *records = csv.reader(file)
    path = tmp_path / "answer.json"
    data = [[value or None for value in record] for record in records]
    path.write_text(json.dumps({"signature": {}, "fields": header, "data": data, "count": len(data)}))
    columns = files.BODIES
    plain = [[row[name] for name in columns] for row in rows(delivery(delivered.first, tmp_path / "csv"))]
    assert [[row[name] for name in columns] for row in rows(delivery(path, tmp_path / "json"))] == plain


Change = Callable[[str], str]


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (lambda text: text.replace("moid,", "earth_moid,", 1), "unknown_columns", "missing moid; new earth_moid"),
        (lambda text: text.replace(",DT\n", ",DT,extra\n", 1), "unknown_columns", "missing none; new extra"),
        (lambda text: text.replace(",", ";"), "wrong_delimiter", "commas are expected"),
        (lambda text: text.replace(",DT\n", ",A3\n", 1), "repeated_column", "A3"),
        (lambda text: text[:-40], "column_count", "line 121 has 64 fields instead of 75: is it cut?"),
        (lambda text: text[:-1], "no_line_end", "is it cut?"),
        (lambda text: text.replace("Otto Matic", '"Otto', 1), "bad_csv", "is it cut"),
        (lambda text: text.splitlines()[0] + "\n", "no_records", "no records"),
        (lambda text: "", "empty_file", "no bytes"),
        (lambda text: text.replace("JPL 1", "JPL\0", 1), "nul_byte", "line 2"),
        (lambda text: text.replace("JPL 1", "x" * (1 << 20), 1), "line_too_long", "line 2"),
    ],
)
def test_a_file_that_changed_is_refused(
    delivered: SimpleNamespace, tmp_path: Path, change: Change, code: str, reason: str
) -> None:
    path = tmp_path / "changed.csv"
    path.write_text(change(delivered.first.read_text()))
    with pytest.raises(FileRejected) as refused:
        delivery(path, tmp_path)
    assert refused.value.code == code and reason in refused.value.message


@pytest.mark.parametrize("wrong", ["Ottó Matic".encode("latin-1"), "Ottó".encode("utf-16")])
def test_mixed_encodings_are_refused(delivered: SimpleNamespace, tmp_path: Path, wrong: bytes) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes(delivered.first.read_bytes().replace(b"Otto Matic", wrong, 1))
    with pytest.raises(FileRejected, match=r"bad_encoding: byte 0x\w\w is not UTF-8"):
        delivery(path, tmp_path)


def test_a_feed_becomes_one_row_for_each_approach(delivered: SimpleNamespace, tmp_path: Path) -> None:
    made = delivery(delivered.feed, tmp_path)
    assert made.table == "approaches" and made.rows == generate.approaches(130)["element_count"]
    first = rows(made)[0]
    assert first["orbiting_body"] == "Earth" and float(first["miss_distance_au"]) > 0


def test_a_page_of_all_bodies_is_a_feed_too(delivered: SimpleNamespace, tmp_path: Path) -> None:
    days = json.loads(delivered.feed.read_text())["near_earth_objects"]
    path = tmp_path / "browse.json"
    path.write_text(json.dumps({"page": {}, "near_earth_objects": [body for day in days.values() for body in day]}))
    assert delivery(path, tmp_path).rows == sum(map(len, days.values()))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"near_earth_objects": {"2020', "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("[]", "unknown_json"),
        ("{}", "unknown_json"),
        (json.dumps({"near_earth_objects": {"d": [{}]}}), "unknown_json"),
        (json.dumps({"near_earth_objects": {}}), "no_records"),
        (json.dumps({"fields": list(files.REQUIRED), "data": [["half \ud800"] * 18]}), "bad_encoding"),
        (json.dumps({"fields": list(files.REQUIRED), "data": [["nul \0"] * 18]}), "nul_byte"),
        (json.dumps({"fields": ["spkid"], "data": []}), "unknown_columns"),
        (json.dumps({"fields": list(files.REQUIRED), "data": [["1"]]}), "column_count"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "feed.json"
    path.write_text(text)
    with pytest.raises(FileRejected) as refused:
        delivery(path, tmp_path)
    assert refused.value.code == code
