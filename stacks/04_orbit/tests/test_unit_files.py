"""A file is taken whole or refused whole, with what is wrong in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from orbit import files, generate


def test_a_delivery_keeps_every_field_and_says_where_it_stood(delivered: SimpleNamespace, tmp_path: Path) -> None:
    made = files.bodies(delivered.first, tmp_path)
    with open(made.path, newline="") as file, open(delivered.first, newline="") as source:
        for number, (row, record) in enumerate(zip(csv.reader(file), csv.reader(source), strict=True)):
            assert row[:75] == ([name.lower() for name in record] if number == 0 else record)
            assert number == 0 or row[75:77] == [made.name, str(number)]
    assert made.rows == 120 and made.name.endswith("-first.csv")


def test_the_same_content_is_the_same_delivery_and_a_strange_name_is_harmless(
    delivered: SimpleNamespace, tmp_path: Path
) -> None:
    strange = tmp_path / "it's \\ a file;.csv"
    strange.write_bytes(delivered.first.read_bytes())
    first, second = files.bodies(delivered.first, tmp_path), files.bodies(strange, tmp_path)
    assert first.name.split("-")[0] == second.name.split("-")[0]
    assert second.name.endswith("-it_s___a_file_.csv")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("moid,", "earth_moid,", 1), "missing moid; new earth_moid"),
        (lambda text: text.replace(",DT\n", ",DT,extra\n", 1), "missing none; new extra"),
        (lambda text: text.replace(",", ";"), "another delimiter?"),
        (lambda text: text.replace("id,spkid,", "spkid,id,", 1), "another order"),
        (lambda text: text[:-40], "is it cut?"),
        (lambda text: text.splitlines()[0] + "\n", "has no rows"),
        (lambda text: "", "missing id"),
    ],
)
def test_a_file_that_changed_is_refused(
    delivered: SimpleNamespace, tmp_path: Path, change: object, reason: str
) -> None:
    path = tmp_path / "changed.csv"
    path.write_text(change(delivered.first.read_text()))  # type: ignore[operator]
    with pytest.raises(files.Refused, match=reason.replace("?", "[?]")):
        files.bodies(path, tmp_path)


def test_mixed_encodings_are_refused(delivered: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes(delivered.first.read_bytes().replace(b"Otto Matic", "Ottó Matic".encode("latin-1"), 1))
    with pytest.raises(files.Refused, match="utf-8"):
        files.bodies(path, tmp_path)


def test_a_feed_becomes_one_row_for_each_approach(delivered: SimpleNamespace, tmp_path: Path) -> None:
    made = files.approaches(delivered.feed, tmp_path)
    assert made.rows == generate.approaches(130)["element_count"]
    with open(made.path, newline="") as file:
        first = next(csv.DictReader(file))
    assert first["orbiting_body"] == "Earth" and float(first["miss_distance_au"]) > 0


@pytest.mark.parametrize("text", ["not json", "[]", "{}", json.dumps({"near_earth_objects": {"d": [{}]}})])
def test_what_is_no_feed_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "feed.json"
    path.write_text(text)
    with pytest.raises(files.Refused, match=r"feed\.json"):
        files.approaches(path, tmp_path)
