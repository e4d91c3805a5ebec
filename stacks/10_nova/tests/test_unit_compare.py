"""The comparison finds each kind of difference, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from nova.compare import (
    Comparison,
    State,
    Strange,
    TargetType,
    Transactions,
    Version,
    _states,
    beyond,
    canonical,
    compare_ordered,
    compare_types,
    compare_versions,
    from_source,
    settle,
)
from nova.source import Column

KINDS = {
    kind: Column(kind, kind, True, kind, precision=20, scale=4, low=0, high=2**64 - 1)
    for kind in ["integer", "decimal", "double", "text", "bytes", "json", "boolean", "date", "time", "local", "instant"]
}
INDIA = timezone(timedelta(hours=5, minutes=30))

SAME: list[tuple[str, Any, Any]] = [
    ("integer", 2**64 - 1, 2**64 - 1),
    ("decimal", Decimal("1.5000"), Decimal("1.5")),
    ("decimal", Decimal(2**64 - 1), 2**64 - 1),
    ("double", -0.0, -0.0),
    ("double", 5e-324, 5e-324),
    ("text", "cafe\u0301  ", "cafe\u0301  "),
    ("text", None, None),
    ("bytes", b"\0\xff", bytearray(b"\0\xff")),
    ("json", '{"a": 1.0, "b": [true, null]}', '{"b":[true,null],"a":1}'),
    ("json", '"\\u00e9"', '"é"'),
    ("boolean", b"\x01", True),
    ("boolean", b"\0", False),
    ("date", date(9999, 12, 31), date(9999, 12, 31)),
    ("date", "0000-00-00", None),
    ("time", timedelta(hours=23, microseconds=1), time(23, 0, 0, 1)),
    ("local", datetime(1753, 1, 1), datetime(1753, 1, 1)),
    ("local", "0000-00-00 00:00:00.000000", None),
    ("instant", datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 17, 30, tzinfo=INDIA)),
    ("instant", datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 17, 30, tzinfo=INDIA)),
]
DIFFERENT: list[tuple[str, Any, Any]] = [
    ("integer", 2**64 - 1, -1),
    ("integer", 1, True),
    ("integer", 1, "1"),
    ("integer", 1, 1.0),
    ("decimal", Decimal("0.0001"), Decimal("0.0002")),
    ("decimal", Decimal("9" * 38), Decimal("9" * 37 + "8")),
    ("decimal", Decimal("1.5"), 1.5),
    ("double", -0.0, 0.0),
    ("double", 0.1, 0.10000000000000002),
    ("double", 1.0, 1),
    ("text", "", None),
    ("text", "a ", "a"),
    ("text", "é", "e\u0301"),
    ("text", "a", b"a"),
    ("bytes", b"", None),
    ("bytes", b"a\0", b"a"),
    ("bytes", b"a", "61"),
    ("json", "null", None),
    ("json", "1", "true"),
    ("json", '"1"', "1"),
    ("json", "{}", "[]"),
    ("json", '{"a": 9007199254740993}', '{"a": 9007199254740992}'),
    ("json", "0.1", "0.1000000001"),
    ("json", "{}", "{"),
    ("boolean", b"\x01", 1),
    ("boolean", b"\0", None),
    ("date", date(1970, 1, 1), None),
    ("date", date(2024, 1, 1), datetime(2024, 1, 1)),
    ("time", timedelta(hours=1), time(1, 0, 0, 1)),
    ("time", timedelta(hours=25), time(1)),
    ("local", datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC)),
    ("local", datetime(2024, 1, 1, 0, 0, 0, 1), datetime(2024, 1, 1)),
    ("instant", datetime(2024, 1, 1), datetime(2024, 1, 1)),
    ("instant", datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 12, tzinfo=INDIA)),
]


def rows_differ(column: Column, source: Any, target: Any) -> bool:
    found = Comparison()
    compare_ordered("t", ["id"], [ID, column], [(1, source)], [(1, target)], found)
    return found.count == 1 and found.differences[0].column == column.name


ID = Column("id", "integer", False, "bigint", high=2**63 - 1)


@pytest.mark.parametrize(("kind", "source", "target"), SAME)
def test_what_is_the_same(kind: str, source: Any, target: Any) -> None:
    assert not rows_differ(KINDS[kind], source, target)


@pytest.mark.parametrize(("kind", "source", "target"), DIFFERENT)
def test_what_is_not_the_same(kind: str, source: Any, target: Any) -> None:
    assert rows_differ(KINDS[kind], source, target)


def test_a_zero_date_that_may_not_be_null_is_what_debezium_makes_of_it() -> None:
    column = replace(KINDS["date"], nullable=False)
    assert from_source(column, "0000-00-00") == date(1970, 1, 1)
    assert from_source(replace(KINDS["local"], nullable=False), "0000-00-00 00:00:00") == datetime(1970, 1, 1)


def test_a_wrong_type_equals_nothing_of_the_right_one() -> None:
    assert canonical(KINDS["text"], 5) == Strange("int", "5")


# -- rows -----------------------------------------------------------------------------------------------------------

COLUMNS = [ID, KINDS["text"]]


def ordered(
    source: list[tuple[Any, ...]], target: list[tuple[Any, ...]]
) -> tuple[int, list[tuple[str, str, str, str]]]:
    found = Comparison()
    count = compare_ordered("t", ["id"], COLUMNS, source, target, found)
    return count, [(each.key, each.column, each.source, each.target) for each in found.differences]


def test_rows_that_are_missing_or_too_many_are_found_and_the_others_still_compared() -> None:
    source = [(1, "a"), (2, "b"), (4, "d"), (2**64 - 1, "z")]
    assert ordered(source, list(source)) == (4, [])
    assert ordered(source, [(1, "a"), (3, "c"), (4, "D"), (2**64 - 1, "z")]) == (
        4,
        [
            ("2", "(row)", "a row", "(no row)"),
            ("3", "(row)", "(no row)", "a row"),
            ("4", "text", "d", "D"),
        ],
    )
    assert ordered([], [(1, "a")]) == (0, [("1", "(row)", "(no row)", "a row")])
    assert ordered([(1, "a")], [(1, "a"), (1, "a")])[1] == [("1", "(row)", "(no row)", "a row")]


def test_keys_of_postgresql_are_decimals_and_meet_the_warehouses_numbers() -> None:
    found = Comparison()
    columns = [Column("id", "decimal", False, "numeric(20,0)", precision=20)]
    compare_ordered("t", ["id"], columns, [(Decimal(9),), (Decimal(10),)], [(9,), (10,)], found)
    assert found.count == 0


def test_all_differences_are_counted_and_the_first_kept() -> None:
    found = Comparison(most=2)
    compare_ordered("t", ["id"], COLUMNS, [(number, "a") for number in range(5)], [], found)
    assert (found.count, len(found.differences)) == (5, 2)


def test_a_page_begins_behind_the_last_row() -> None:
    assert beyond(["a"], [1]) == ("((a > %s))", [1])
    assert beyond(["a", "b"], [1, 2]) == ("((a > %s) or (a = %s and b > %s))", [1, 1, 2])


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("integer", TargetType("FIXED", 20, 0), TargetType("FIXED", 19, 0)),
        ("integer", TargetType("FIXED", 38, 0), TargetType("FIXED", 38, 2)),
        ("decimal", TargetType("FIXED", 20, 4), TargetType("FIXED", 38, 4)),
        ("decimal", TargetType("FIXED", 20, 4), TargetType("REAL")),
        ("double", TargetType("REAL"), TargetType("FIXED", 38, 10)),
        ("text", TargetType("TEXT"), TargetType("VARIANT")),
        ("bytes", TargetType("BINARY"), TargetType("TEXT")),
        ("json", TargetType("VARIANT"), TargetType("TEXT")),
        ("boolean", TargetType("BOOLEAN"), TargetType("FIXED", 1, 0)),
        ("local", TargetType("TIMESTAMP_NTZ"), TargetType("TIMESTAMP_TZ")),
        ("instant", TargetType("TIMESTAMP_LTZ"), TargetType("TIMESTAMP_NTZ")),
        ("date", TargetType("DATE"), TargetType("TIMESTAMP_NTZ")),
        ("time", TargetType("TIME"), TargetType("TEXT")),
    ],
)
def test_types(kind: str, right: TargetType, wrong: TargetType) -> None:
    for kept, differences in ((right, 0), (wrong, 1)):
        found = Comparison()
        compare_types("t", [KINDS[kind]], {kind: kept}, found)
        assert found.count == differences


def test_a_column_or_a_view_that_is_not_there_is_told() -> None:
    found = Comparison()
    compare_types("t", COLUMNS, {"id": TargetType("FIXED", 19, 0)}, found)
    compare_types("t", COLUMNS, {}, found)
    assert [each.target for each in found.differences] == ["no such column", "no such view"]


# -- histories ------------------------------------------------------------------------------------------------------

HISTORY = [ID, KINDS["text"]]


def state(tx: str, text: str | None, op: str = "u") -> State:
    return State(tx, op, None if text is None else (1, text))


def version(text: str, since: int, until: int | None, kind: str = "transaction") -> Version:
    return Version(since, until, kind, (1, text))


STATES = [state("t1", "a", "c"), state("t2", "b"), state("t3", None, "d"), state("t4", "c", "c")]
VERSIONS = [version("a", 1, 3), version("b", 3, 5), version("c", 7, None)]


def history(
    states: list[State], versions: list[Version], *, whole: bool = False, others: dict[str, int] | None = None
) -> list[str]:
    found, known = Comparison(), Transactions()
    for tx, position in (others or {}).items():
        known.agree(tx, position)
    compare_versions("t", (1,), HISTORY, states, versions, known, found)
    settle(known, found, whole=whole)
    return [each.column for each in found.differences]


def test_every_version_in_the_order_of_the_commits() -> None:
    assert history(STATES, VERSIONS, whole=True) == []
    assert history(STATES, VERSIONS, whole=True, others={"t0": 0, "t2": 3, "t5": 9}) == []


def test_a_snapshot_hides_what_was_before() -> None:
    assert history(STATES, [version("b", 4, 5, "full"), version("c", 7, None)]) == []
    assert history(STATES, [version("c", 8, None, "full")]) == []
    assert history(STATES[:3], []) == []
    assert history(STATES, [version("c", 7, None)]) == []
    # A row whose truth begins later: filled without it.
    assert history([], [version("a", 2, None, "full")]) == []
    assert history([state("t1", "b")], [version("a", 2, 3, "full"), version("b", 3, None)]) == []
    assert history([state("t1", None, "d")], [version("a", 2, 3, "full")]) == []
    assert (
        history([state("t1", None, "d"), state("t2", "b", "c")], [version("a", 2, 3, "full"), version("b", 5, None)])
        == []
    )


def test_a_row_that_was_read_again_has_no_other_version() -> None:
    again = [version("a", 1, 3), version("b", 3, 4), version("b", 4, 5, "incremental"), version("c", 7, None)]
    assert history(STATES, again, whole=True) == []


Planted = Callable[[list[Version]], list[Version]]


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (lambda each: [each[0], each[2]], "(versions)"),
        (lambda each: each[:2], "(versions)"),
        (lambda each: each[1:], "(versions)"),
        (lambda each: [], "(versions)"),
        (lambda each: [each[0], each[0], *each[1:]], "(versions)"),
        (lambda each: [replace(each[0], row=(1, "b")), replace(each[1], row=(1, "a")), each[2]], "text"),
        (lambda each: [replace(each[0], until=None), *each[1:]], "(valid_to)"),
        (lambda each: [each[0], replace(each[1], until=7), each[2]], "(valid_from)"),  # the row was away in between
        (lambda each: [*each[:2], replace(each[2], until=9)], "(valid_to)"),
        (lambda each: [each[0], replace(each[1], since=4), each[2]], "(valid_from)"),
        (lambda each: [*each[:2], replace(each[2], since=5)], "(valid_from)"),  # the deletion's transaction is there
    ],
)
def test_a_planted_mistake_in_a_history_is_found(planted: Planted, told: str) -> None:
    assert told in history(STATES, planted(list(VERSIONS)))


def test_a_transaction_has_one_position_and_a_position_one_transaction() -> None:
    assert history(STATES, VERSIONS, others={"t2": 4}) == ["(valid_to)", "(valid_from)"]
    assert history(STATES, VERSIONS, others={"other": 7}) == ["(valid_from)"]


def test_half_a_transaction_is_found() -> None:
    only_last = [version("c", 7, None)]
    assert history(STATES, only_last, others={"t2": 3}) == ["(transaction)"]
    assert history(STATES, only_last, whole=True) == ["(transaction)"] * 3


def test_the_truth_of_a_transaction_is_what_it_made_in_the_end() -> None:
    rows = [
        (1, "a", "t1", "c"),
        (1, "b", "t1", "u"),
        (1, None, "t2", "d"),
        (1, "c", "t2", "c"),
        (1, None, "t3", "d"),
        (1, "x", "t4", "c"),
        (1, None, "t4", "d"),
    ]
    assert _states(rows) == [state("t1", "b", "c"), state("t2", "c", "d"), state("t3", None, "d")]
    assert _states([(1, None, "t1", "d")]) == [state("t1", None, "d")]  # it was there before the truth
