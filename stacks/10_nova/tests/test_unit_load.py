"""Landing: what fits its schema, how files are written, and what the statements leave whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from nova import metrics, warehouse
from nova.load import SCHEMAS, Landing, Loader, Message, Names, OutOfStep, read, write
from nova.views import Change, column_type, compare, expression

from .model import NAMED, run

COLUMN_KINDS = {
    "NUMBER(20,0)": "image['x']::varchar::number(20,0)",
    "BINARY": "to_binary(image['x']::varchar, 'HEX')",
    "DATE": "left(image['x']::varchar, 10)::date",
    "TIME(6)": "rtrim(image['x']::varchar, 'Z')::time",
    "TIMESTAMP_NTZ(6)": "rtrim(image['x']::varchar, 'Z')::timestamp_ntz",
    "TIMESTAMP_TZ(6)": "image['x']::varchar::timestamp_tz",
    "VARIANT": "parse_json(image['x']::varchar)",
    "BOOLEAN": "image['x']::boolean",
}


def test_a_file_gives_back_every_text_and_tells_empty_from_nothing(tmp_path: Path) -> None:
    texts = ['{"a": "é😀 \\" , \\n"}', "", 'a "quoted" text', None]
    write(tmp_path / "file.csv", [Message("t", 0, place, "k", text) for place, text in enumerate(texts)])
    lines = (tmp_path / "file.csv").read_text().splitlines()
    assert [row[4] for row in csv.reader(lines)] == [text or "" for text in texts]
    assert '"k","",0' in lines[1] and '"k",,0' in lines[3]


def test_all_that_debezium_says_fits_the_schemas() -> None:
    import jsonschema

    judges = {
        NAMED.topic(path.stem): jsonschema.Draft7Validator(json.loads(path.read_text()))
        for path in SCHEMAS.glob("*.json")
    }
    count = 0
    for batch in run(1, "mysql").messages():
        for each in batch:
            if each.value is not None:
                document = json.loads(each.value)
                if document.get("after"):
                    document["after"] |= {"order_id": 1, "line_no": 1, "reference": "r"}
                judges[each.topic].validate(document)
                count += 1
    assert count > 100 and judges.keys() == set(NAMED.topics)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        (
            "orders",
            {"op": "x", "after": None, "source": {"connector": "mysql", "snapshot": "false", "table": "orders"}},
        ),
        (
            "orders",
            {"op": "c", "after": {"total": "1"}, "source": {"connector": "mysql", "snapshot": "f", "table": "orders"}},
        ),
        (
            "orders",
            {"op": "c", "after": {"id": 1}, "source": {"connector": "mysql", "snapshot": "f", "table": "customers"}},
        ),
        (
            "orders",
            {
                "op": "d",
                "after": None,
                "source": {"connector": "mysql", "snapshot": "false", "table": "orders"},
                "transaction": None,
            },
        ),
        (
            "orders",
            {
                "op": "r",
                "after": {"id": 1},
                "source": {"connector": "mysql", "snapshot": "true", "table": "orders", "file": "binlog.000001"},
            },
        ),
        (
            "orders",
            {
                "op": "r",
                "after": {"id": 1},
                "source": {"connector": "postgresql", "snapshot": "true", "table": "orders", "lsn": None},
            },
        ),
        ("transaction", {"status": "END", "id": "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"}),
    ],
    ids=[
        "operation",
        "without its key",
        "another table",
        "no transaction",
        "no position",
        "no LSN",
        "a global transaction id",
    ],
)
def test_what_would_be_merged_wrongly_does_not_fit(name: str, document: dict[str, object]) -> None:
    import jsonschema

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))


class Store(warehouse.Warehouse):
    """A warehouse that has landed three messages, and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.told.append(statement)
        if statement.startswith("select loader"):
            return [("me",)]
        return [("t", 0, 3)] if statement.startswith("select topic") else []


def test_a_batch_is_not_landed_again_after_a_commit_whose_answer_was_lost() -> None:
    store = Store()
    Landing(store, "me").put([], {("t", 0): 5}, {("t", 0): 3})
    assert store.told[-1] == "commit"
    for before in ({}, {("t", 0): 2}):
        store.told.clear()
        with pytest.raises(OutOfStep):
            Landing(store, "me").put([Message("t", 0, 2, "k", "{}")], {("t", 0): 3}, before)
        assert store.told[-1] == "rollback" and not [each for each in store.told if each.startswith("copy")]


def test_a_partition_that_is_added_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = object.__new__(Loader)  # without a client of Kafka
    loader.named, loader.looked, loader.places = NAMED, -1e9, [("t", 0)]
    found, entered = [("t", 0)], []
    monkeypatch.setattr(loader, "_partitions_now", lambda: list(found))
    monkeypatch.setattr(loader, "enter", entered.append)
    store = Store()
    loader.look_around(store)
    assert entered == []
    found.append(("t", 1))
    loader.look_around(store)
    assert entered == [store]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b'{"id": 1}', None, ""),
        (None, None, ""),
        (None, b"{}", "no_key"),
        (None, b'{"op": "t", "source": {}}', "truncated"),
        (None, b'{"op": "t"}', "no_key"),
        (b"\xff", b"{}", "key_not_utf8"),
        (b"{}", b'{"op": NaN}', "not_json"),
        (b"{}", b'{"op": "c", "op": "d"}', "not_json"),
        (b"{}", b'{"op": "\\ud800"}', "not_json"),
        (b"{}", b'{"op": "c"}', ""),
        (b"{}", b"\xff", "not_json"),
    ],
)
def test_what_would_stop_the_merge_is_a_dead_letter(key: bytes | None, value: bytes | None, reason: str) -> None:
    assert read(key, value, keyed=True)[0] == reason


def test_the_border_of_a_transaction_needs_no_key() -> None:
    assert read(None, b'{"status": "END"}', keyed=False) == ("", "", {"status": "END"})


def test_topics_begin_with_the_stacks_name() -> None:
    named = Names("orrery-10-nova-shop")
    assert all(each.startswith("orrery-10-nova-shop.") for each in [*named.topics, named.dead_letters])


def test_terraform_gets_the_landing_tables_that_are_made_locally() -> None:
    found = {each["name"]: each for each in warehouse.columns("messages")}
    assert found["RECORD"] == {"name": "RECORD", "type": "VARIANT", "nullable": True}
    assert found["KAFKA_OFFSET"] == {"name": "KAFKA_OFFSET", "type": "NUMBER(19, 0)", "nullable": False}
    assert [each["name"] for each in warehouse.columns("offsets")] == ["TOPIC", "KAFKA_PARTITION", "NEXT_OFFSET"]


def test_no_statement_of_the_merge_ends_its_transaction() -> None:
    forbidden = ("create", "alter", "drop", "truncate", "commit", "begin")
    made = warehouse.merge_statements()
    assert len(made) == 17
    code = [[line for line in each.splitlines() if not line.startswith("--")] for each in made]
    assert not [lines[0] for lines in code if lines[0].split()[0].lower() in forbidden]


# ------------------------------------------------------------------------------------------------------- views


@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_a_column_is_read_with_its_type(kind: str) -> None:
    assert expression("x", kind) == COLUMN_KINDS[kind]


def test_a_columns_name_stays_within_its_quotes() -> None:
    from nova.views import identifier, literal

    assert expression("it's", "VARCHAR") == "image['it''s']::varchar"
    assert literal("\\'x") == "'\\\\''x'"  # a backslash before an apostrophe would end the text
    assert identifier('so "called"') == '"SO ""CALLED"""'


def test_the_widest_value_of_a_column_fits_its_type() -> None:
    from nova.source import Column

    assert column_type(Column("n", "integer", True, "bigint unsigned", low=0, high=2**64 - 1)) == "NUMBER(20,0)"
    assert column_type(Column("n", "integer", True, "tinyint", low=-128, high=127)) == "NUMBER(3,0)"
    assert column_type(Column("n", "decimal", True, "decimal(20,4)", precision=20, scale=4)) == "NUMBER(20,4)"


def test_what_became_of_columns_is_told() -> None:
    known = [
        ("id", "NUMBER(20,0)", False),
        ("note", "VARCHAR", False),
        ("old", "DATE", True),
        ("sum", "NUMBER(9,2)", False),
    ]
    found = [("id", "NUMBER(20,0)"), ("old", "DATE"), ("sum", "NUMBER(12,2)"), ("new", "VARCHAR")]
    assert compare(known, found, "orders") == [
        Change("orders", "old", "returned", "DATE", "DATE"),
        Change("orders", "sum", "changed", "NUMBER(9,2)", "NUMBER(12,2)"),
        Change("orders", "new", "added", after="VARCHAR"),
        Change("orders", "note", "dropped", "VARCHAR"),
    ]
    assert compare(known, [(name, kind) for name, kind, dropped in known if not dropped], "orders") == []


# ----------------------------------------------------------------------------------------------------- metrics


def test_only_metrics_that_are_known_are_emitted(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.landed(5, 1, 2, 0.5)
    line = json.loads(capsys.readouterr().out)
    assert line["messaging.client.consumed.messages"] == 5 and line["nova.dead_letter.messages"] == 1
    told = {each["Name"]: each["Unit"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert told.items() <= metrics.METRICS.items()
    with pytest.raises(KeyError):
        metrics.emit(nova_surprise=1)
