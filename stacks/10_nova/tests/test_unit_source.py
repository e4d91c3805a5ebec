"""The shop's database as it is made and entered, as far as it needs none."""

from __future__ import annotations

from typing import Any

import pytest
from nova import recover, source
from nova.source import Session, Settings, SourceError

BASE = {"NOVA_SOURCE_DATABASE": "shop", "NOVA_SOURCE_USER": "u", "NOVA_SOURCE_PASSWORD": "p"}


class Fake(Session):
    """A session that answers by what a query has in it, and keeps what it was told."""

    def __init__(self, engine: str, answers: dict[str, list[tuple[Any, ...]]]) -> None:
        self.engine, self.answers = engine, answers
        self.settings = Settings(engine, "127.0.0.1", 1, "shop", "u", "p")
        self.told: list[tuple[str, Any]] = []
        self.connection: Any = None

    def query(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
        self.told.append((statement, values))
        return next((rows for part, rows in self.answers.items() if part in statement), [])

    def execute(self, statement: str, values: Any = ()) -> int:
        self.told.append((statement, values))
        return 0

    def columns(self, table: str) -> list[source.Column]:
        return [source.Column("id", "integer", False, "bigint")]

    def statements(self, part: str) -> list[tuple[str, Any]]:
        return [each for each in self.told if part in each[0]]


def test_another_machine_has_to_prove_its_name() -> None:
    with pytest.raises(SourceError, match="db.example is not this machine: set NOVA_SOURCE_CA"):
        Settings.from_environment({**BASE, "NOVA_SOURCE_HOST": "db.example"})
    given = {**BASE, "NOVA_SOURCE_CA": "/ca.pem"}
    assert Settings.from_environment({**given, "NOVA_SOURCE_HOST": "db.example"}).ca == "/ca.pem"
    assert Settings.from_environment({**BASE, "NOVA_SOURCE_HOST": "127.0.0.1"}).ca == ""


def test_rds_keeps_its_log_for_a_week() -> None:
    shop = Fake("mysql", {"routines": [(1,)]})
    source.make(shop)
    assert shop.statements("rds_set_configuration('binlog") == [
        ("call mysql.rds_set_configuration('binlog retention hours', %s)", (168,))
    ]
    elsewhere = Fake("mysql", {})
    source.make(elsewhere)
    assert not elsewhere.statements("call mysql.rds")


def test_a_table_that_keeps_whole_rows_is_not_locked_again() -> None:
    shop = Fake("postgresql", {"pg_class": [("customers",), ("order_lines",), ("payments",)]})
    source.make(shop)
    assert [each for each, _ in shop.statements("replica identity full")] == [
        "alter table orders replica identity full"
    ]


class Client:
    """What `psycopg` needs of a connection, and its hash."""

    class pgconn:
        @staticmethod
        def encrypt_password(password: bytes, user: bytes, algorithm: bytes) -> bytes:
            assert password and user == b"nova_capture"
            return b"SCRAM-SHA-256$proof"


@pytest.mark.parametrize(
    ("known", "enters", "verb"), [(False, False, "create"), (True, False, "alter"), (True, True, "")]
)
def test_no_password_is_in_a_statement(monkeypatch: pytest.MonkeyPatch, known: bool, enters: bool, verb: str) -> None:
    shop = Fake("postgresql", {"rolname = %s": [(1,)] if known else []})
    shop.connection = Client()
    monkeypatch.setattr(source, "_enters", lambda *_: enters)
    monkeypatch.setattr("psycopg.sql.Composed.as_string", lambda self, _: "".join(str(each) for each in self))
    source._allow_postgresql(shop, "nova_capture", "top-secret")
    assert not [each for each in shop.told if "top-secret" in str(each)]
    roles = [each for each, _ in shop.told if "role" in each and "pg_roles" not in each and "grant" not in each]
    assert len(roles) == bool(verb) and all(verb in each and "SCRAM-SHA-256$proof" in each for each in roles)


@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_a_column_of_an_unknown_type_stops_nothing(engine: str) -> None:
    from nova.views import column_type

    shop = Fake(engine, {})
    column = Session._column(shop, ("size", "enum", "enum('s','m')", "YES", None, None, None), set())
    assert column.kind == "other" and column_type(column) == "VARCHAR"


def test_a_slot_that_is_read_from_is_not_dropped() -> None:
    with pytest.raises(recover.NotYet, match="remove the connector first"):
        recover.drop_slot(Fake("postgresql", {"pg_replication_slots": [(True,)]}), "s")
    shop = Fake("postgresql", {"from pg_replication_slots": [(False,)]})
    assert recover.drop_slot(shop, "s") and shop.statements("pg_drop_replication_slot(%s)") == [
        ("select pg_drop_replication_slot(%s)", ("s",))
    ]
    assert not recover.drop_slot(Fake("postgresql", {}), "s")


def test_the_end_of_the_log_is_found_in_mysql_8_4_too() -> None:
    from nova.pipeline import position

    class New(Fake):
        def errors(self) -> tuple[type[Exception], ...]:
            return (OSError,)

        def query(self, statement: str, values: Any = ()) -> list[tuple[Any, ...]]:
            if "master" in statement:
                raise OSError("You have an error in your SQL syntax")
            return super().query(statement, values)

    assert position(New("mysql", {"show binary log status": [("mysql-bin.000003", 157, "", "", "")]})) == 2 * (
        3 * 2**40 + 157
    )
