"""Cleaning: pure functions of text."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meteor import clean
from meteor.clean import COLUMNS, Reject, clean_frame, launch_keys
from meteor.formats import recognise
from meteor.generate import HEADERS

from jobs.errors import FileRejected

GOOD = {
    "company": "SpaceX",
    "location": "LC-39A, Kennedy",
    "date": "8/7/2020",
    "time": "5:12:00",
    "rocket": "Falcon 9 Block 5",
    "mission": "Starlink V1 L9",
    "rocket_status": "Active",
    "price": "50.0",
    "mission_status": "Success",
}
CLEAN = [
    *("SpaceX", "LC-39A, Kennedy", "2020-08-07", "05:12:00", "Falcon 9 Block 5", "Starlink V1 L9"),
    *("Active", "50", "Success"),
]


def frame(*rows: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), dtype=object)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("10/4/1957", "1957-10-04"),
        (" 07/29/2022 ", "2022-07-29"),
        ("Fri Aug 07, 2020", "2020-08-07"),
        ("Aug 7, 2020", "2020-08-07"),
        ("2020-08-07", "2020-08-07"),
        ("2/29/2000", "2000-02-29"),
        ("2/29/1900", "bad_date"),
        ("13/1/1999", "bad_date"),
        ("10/4/57", "bad_date"),
        ("Fri Foo 07, 2020", "bad_date"),
        ("10/4/1956", "date_out_of_range"),
        ("10/4/2957", "date_out_of_range"),
        ("", "missing_date"),
        ("Date", "repeated_header"),
    ],
)
def test_dates(text: str, date: str) -> None:
    assert clean.clean_date(text) == date


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2:30:00", "02:30:00"),
        ("05:12 UTC", "05:12:00"),
        ("", ""),
        ("24:00", "bad_time"),
        ("noon", "bad_time"),
    ],
)
def test_times(text: str, time: str) -> None:
    assert clean.clean_time(text) == time


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("1,160.00", "1160"),
        ("5,000.00 ", "5000"),
        ("29.15", "29.15"),
        ("$62", "62"),
        ("20", "20"),
        ("100", "100"),
        ("0.00", "0"),
        ("", ""),
        ("-62.0", "negative_price"),
        ("1,16.00", "bad_price"),
        ("1e3", "bad_price"),
        ("١٢", "bad_price"),
        ("NaN", "bad_price"),
    ],
)
def test_prices(text: str, price: str) -> None:
    assert clean.clean_price(text) == price


RULES = [
    clean.clean_date,
    clean.clean_time,
    clean.clean_price,
    clean.clean_rocket_status,
    clean.clean_mission_status,
]
RULES += [clean.clean_company, clean.clean_location]


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[0-9,.$:/ -]{1,12}")))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    for rule in RULES:
        once = rule(text)
        if not isinstance(once, Reject):
            assert rule(once) == once


def test_both_shapes_make_the_same_launch() -> None:
    b = {
        "company": "SpaceX",
        "location": "LC-39A,  Kennedy ",
        "datum": "Fri Aug 07, 2020 05:12 UTC",
        "detail": "Falcon 9 Block 5 | Starlink V1 L9",
        "rocket_status": "StatusActive",
        "price": "50.0 ",
        "mission_status": "Success",
    }
    of_a, of_b = clean_frame(frame(GOOD)), clean_frame(frame(b))
    assert of_a.launches.loc[0].tolist() == of_b.launches.loc[0].tolist() == CLEAN
    assert launch_keys(of_a.launches) == launch_keys(of_b.launches)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"company": " "}, "missing_company"),
        ({"rocket": ""}, "missing_rocket"),
        ({"mission": "\t"}, "missing_mission"),
        ({"date": "2/30/1999", "price": "-1"}, "bad_date"),  # the first of two reasons
        ({"mission_status": ""}, "missing_mission_status"),
        ({"mission_status": "Sucess"}, "unknown_mission_status"),
        ({"rocket_status": "Lost"}, "unknown_rocket_status"),
        ({"location": "", "time": "", "price": "", "rocket_status": ""}, None),  # unknown is no mistake
    ],
)
def test_a_bad_row_has_its_reason_and_its_neighbours_stay(change: dict[str, str], reason: str | None) -> None:
    cleaned = clean_frame(frame(GOOD, {**GOOD, **change}, GOOD))
    assert list(cleaned.reasons) == [None, reason, None]
    assert cleaned.launches.loc[2].tolist() == CLEAN


def test_mixed_encodings_are_decoded_value_by_value() -> None:
    company, location = b"Arm\xe9e".decode("latin-1"), "Māhia".encode().decode("latin-1")
    mission = "Astérix".encode().decode("latin-1")
    row = {**GOOD, "company": company, "location": location, "mission": mission}
    cleaned = clean_frame(frame(row), mixed=True).launches
    assert cleaned.loc[0, ["company", "location", "mission"]].tolist() == ["Armée", "Māhia", "Astérix"]


TEXT = st.one_of(st.sampled_from(sorted({*GOOD.values(), "", "2/30/1999", "-1", "x"})), st.text(max_size=10))


@settings(max_examples=30)
@given(st.lists(st.fixed_dictionaries({name: TEXT for name in GOOD}), min_size=1, max_size=8))
def test_any_rows_are_either_clean_or_have_a_reason(rows: list[dict[str, str]]) -> None:
    cleaned = clean_frame(frame(*rows))
    assert len(cleaned.launches) == len(cleaned.reasons) == len(rows)
    good = cleaned.launches[~cleaned.rejected]
    again = clean_frame(
        good.rename(columns={"launched_on": "date", "launched_time": "time", "price_musd": "price"}).reset_index(
            drop=True
        )
    )
    assert not again.rejected.any()
    assert again.launches.to_numpy().tolist() == good.to_numpy().tolist()


def test_the_natural_key_never_changes() -> None:
    launches = clean_frame(frame(GOOD, {**GOOD, "company": "SPACEX ", "time": "6:00:00"})).launches
    assert launch_keys(launches) == ["2f903f4f5070299daac9673bf8f911c0"] * 2


@pytest.mark.parametrize("shape", ["a", "b"])
def test_headers_are_recognised_in_any_spelling_and_order(shape: str) -> None:
    names = HEADERS[shape].split(",")
    assert recognise(names).shape == shape
    odd = [name.strip().upper().replace(" ", "_") for name in reversed(names)]
    assert recognise([*odd, "Remarks", ""]).ignored == ("Remarks",)
    with_index = recognise(["", *names])
    assert with_index.columns == len(names) + 1


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Field,Description", "unknown_header"),
        (HEADERS["a"].replace(",", ";"), "unknown_header"),
        (HEADERS["a"] + ",Price", "repeated_column"),
    ],
)
def test_other_headers_are_refused_with_what_is_missing(header: str, code: str) -> None:
    with pytest.raises(FileRejected) as refusal:
        recognise(header.split(","))
    assert refusal.value.code == code


def test_columns_match_the_table() -> None:
    from importlib.resources import files

    ddl = (files("meteor") / "migrations" / "001_create.sql").read_text(encoding="utf-8")
    table = ddl.partition("CREATE TABLE meteor.launches (")[2].partition(");")[0]
    names = [line.split()[0] for line in table.splitlines() if line.strip()]
    assert names == ["launch_key", *COLUMNS, "file_id", "line", "delivered_at"]
