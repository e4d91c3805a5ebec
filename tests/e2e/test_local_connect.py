"""The local Kafka Connect worker: what MariaDB and PostgreSQL commit arrives in Kafka, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local import Cloud, Database
from infra.local.debezium import Debezium
from infra.local.mysql_client import Connection
from infra.paths import ROOT
from jobs.connectors import Connect, ConnectorRefused, write_secrets
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted
from tests.support.connector import module_settings
from tests.support.kafka import run
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

Change = dict[str, Any]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("connect")):
        made.up(["postgres", "mysql", "debezium"])
        yield made


@dataclass
class Source:
    """A database that is followed, its connector and its topics."""

    cloud: Cloud
    database: Database
    connector: str
    config: dict[str, str] = field(repr=False)

    @property
    def worker(self) -> Connect:
        return Connect(self.cloud.endpoint("debezium").url)

    def secrets(self, **values: str) -> None:
        worker = self.cloud.services["debezium"]
        assert isinstance(worker, Debezium)
        write_secrets(worker.secrets / f"{self.connector}.properties", values)

    def follow(self, **more: str) -> None:
        self.worker.apply(self.connector, self.config | {key.replace("_", "."): value for key, value in more.items()})
        self.worker.wait(self.connector)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        one = self.database
        rows: list[tuple[Any, ...]] = []
        if "mysql" in self.config["connector.class"]:
            with Connection(one.host, one.port, one.user, one.password, one.database) as mysql:
                for each in statements:
                    rows = list(mysql.query(each))
            return rows
        with psycopg.connect(
            host=one.host, port=one.port, user=one.user, password=one.password, dbname=one.database, autocommit=True
        ) as postgres:
            for each in statements:
                found = postgres.execute(each)
                rows = found.fetchall() if found.description else []
        return rows

    def changes(self, table: str) -> list[tuple[Any, Change | None]]:
        """Return what is in a table's topic: keys and changes; a tombstone has none."""
        schema = self.config.get("database.include.list", "public")
        topic = f"{self.config['topic.prefix']}.{schema}.{table}"
        code = (
            "names = set(admin.list_topics(timeout=10).topics)\nsay(read(sys.argv[2]) if sys.argv[2] in names else [])"
        )
        found = run(self.cloud, code, topic)
        return [(exactly(key), exactly(value) if value else None) for _, _, key, value in found]

    def until(self, table: str, wanted: Callable[[list[tuple[Any, Change | None]]], bool]) -> list[tuple[Any, Any]]:
        """Wait until a topic holds what is wanted, and return it."""
        seen: list[tuple[Any, Change | None]] = []

        def there() -> bool:
            seen[:] = self.changes(table)
            return wanted(seen)

        try:
            until(there, 40, f"changes of {table}")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.worker.status(self.connector)}; {seen[-3:]}") from error
        return seen


def exactly(text: str) -> Any:
    """Return what JSON says, numbers with all their digits."""
    return json.loads(text, parse_float=Decimal)


def mysql(cloud: Cloud, name: str) -> Source:
    database = cloud.provision_mysql(name)
    return declared(cloud, "mysql", database, name, {"database.server.id": str(5400 + sum(name.encode()))})


def postgres(cloud: Cloud, name: str) -> Source:
    database = cloud.provision_database(name)
    return declared(cloud, "postgres", database, name, {"slot.name": name, "publication.name": name})


def declared(cloud: Cloud, engine: str, database: Database, name: str, computed: dict[str, str]) -> Source:
    """Return a source whose connector has the settings of the module's stand-in."""
    variables = {
        "bootstrap_servers": cloud.endpoint("kafka").url,
        "database": database.database,
        "host": database.host,
        "partitions": "1",
        "port": str(database.port),
        "topic_prefix": f"from-{name}",
    }
    secret = cloud.services["debezium"].data / "secrets" / f"of-{name}.properties"
    login = {
        "database.user": f"${{file:{secret}:username}}",
        "database.password": f"${{file:{secret}:password}}",
        **({"database.ssl.mode": "disabled"} if engine == "mysql" else {"database.sslmode": "disable"}),
    }
    source = Source(cloud, database, f"of-{name}", module_settings(engine, variables, computed) | login)
    source.secrets(username=database.user, password=database.password)
    return source


@pytest.fixture(scope="module")
def shop(cloud: Cloud) -> Iterator[Source]:
    """A MySQL database with a table of orders that was there before anybody followed it."""
    source = mysql(cloud, "shop")
    source.sql(
        "create table orders (id bigint primary key, state varchar(20))",
        "insert into orders values (1, 'new'), (2, 'new')",
        "create table signals (id varchar(42) primary key, type varchar(32), data varchar(2048))",
    )
    source.follow(signal_data_collection="shop.signals")
    source.until("orders", lambda found: len(found) == 2)
    yield source
    source.worker.remove(source.connector)


def kill(cloud: Cloud, name: str) -> None:
    pid = pid_of(cloud, name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(cloud, name, pid), 60, f"{name} comes back")


def before_and_after(changes: list[tuple[Any, Any]]) -> list[tuple[str, Any, Any]]:
    return [(one["op"], one["before"], one["after"]) for _, one in changes if one]


def test_what_was_there_comes_first_then_each_change_with_its_transaction(shop: Source) -> None:
    shop.sql(
        "begin",
        "insert into orders values (3, 'new')",
        "update orders set state = 'paid' where id = 1",
        "commit",
        "delete from orders where id = 2",
    )
    found = shop.until("orders", lambda found: len(found) >= 6)
    first, second, third = ({"id": number, "state": "new"} for number in (1, 2, 3))
    assert before_and_after(found) == [
        ("r", None, first),
        ("r", None, second),
        ("c", None, third),
        ("u", first, {"id": 1, "state": "paid"}),
        ("d", second, None),
    ]
    assert found[-1] == ({"id": 2}, None)  # the tombstone
    in_one, also_in_it, alone = (one["transaction"] for _, one in found[2:5])
    assert in_one["id"] == also_in_it["id"] != alone["id"]
    assert (in_one["total_order"], also_in_it["total_order"]) == (1, 2)


def test_a_table_is_read_again_on_demand_while_changes_go_on(shop: Source) -> None:
    before = len(shop.changes("orders"))
    table = json.dumps({"data-collections": ["shop.orders"], "type": "incremental"})
    shop.sql(f"insert into signals values ('again', 'execute-snapshot', '{table}')")
    present = {int(number) for (number,) in shop.sql("select id from orders")}

    def all_again(found: list[tuple[Any, Any]]) -> bool:
        return {key["id"] for key, one in found[before:] if one and one["op"] == "r"} == present

    shop.until("orders", all_again)


def test_no_value_is_bent(cloud: Cloud) -> None:
    """Where MariaDB, MySQL's connector and JSON could lose something: it is written down in ADR 24 what comes out."""
    source = mysql(cloud, "kinds")
    source.sql(
        """create table kinds (id bigint unsigned primary key, exact decimal(38, 10), at datetime(6), moment timestamp(6) null,
        day date, clock time(1), span time(1), word varchar(50), body json, flag boolean, raw varbinary(8), rough double)""",
        """insert into kinds values (18446744073709551615, -1234567890123456789012345678.0123456789,
        '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.123456', '2026-02-28', '23:59:59.5', '-25:01:02.5', 'ünï 🎉',
        '{"a":  [1, 2.50]}', true, x'00ff', 0.1)""",
    )
    source.follow()
    source.until("kinds", lambda found: len(found) == 1)
    zeros = "insert into kinds (id, at, day, word) values (0, '0000-00-00 00:00:00', '0000-00-00', '')"
    source.sql("set sql_mode = ''", "set time_zone = '+02:00'", zeros)
    source.sql("set time_zone = '+02:00'", "insert into kinds (id, moment) values (9, '2026-07-01 12:00:00')")
    (key, first), (_, empty), (_, zoned) = source.until("kinds", lambda found: len(found) == 3)
    assert key == {"id": 18446744073709551615}
    assert first["after"] == {
        "id": 18446744073709551615,
        "exact": Decimal("-1234567890123456789012345678.0123456789"),
        "at": "2026-01-02T03:04:05.123456Z",  # as if the clock on the wall were UTC's
        "moment": "2026-01-02T03:04:05.123456Z",
        "day": "2026-02-28Z",
        "clock": "23:59:59.5Z",
        "span": None,  # a time that is no time of day has no ISO form: see the module's README
        "word": "ünï 🎉",
        "body": '{"a":  [1, 2.50]}',
        "flag": 1,
        "raw": "00ff",
        "rough": Decimal("0.1"),
    }
    assert (empty["after"]["at"], empty["after"]["day"], empty["after"]["word"]) == (None, None, "")
    assert zoned["after"]["moment"] == "2026-07-01T10:00:00.000000Z"
    source.sql("alter table kinds add column later int default 7", "insert into kinds (id) values (10)")
    assert source.until("kinds", lambda found: len(found) == 4)[-1][1]["after"]["later"] == 7
    assert source.worker.remove(source.connector)
    assert source.worker.status(source.connector).state == "MISSING"


def test_no_password_is_in_a_log_or_a_topic(shop: Source) -> None:
    """The follower reads the binary log, and what it knows of the schema goes to a topic."""
    shop.sql(
        "create or replace user shop_guest@'%' identified by 'guests-password'", "insert into orders values (4, 'new')"
    )
    shop.until("orders", lambda found: any(key == {"id": 4} for key, _ in found))
    cloud, secrets = shop.cloud, [shop.database.password.encode(), b"guests-password"]
    for folder, unwanted in (
        (cloud.kafka.data, secrets),
        (cloud.place.home / "logs", secrets),
        (cloud.mysql.data.resolve(), secrets[:1]),  # a stack's own statements are in it as they are
    ):
        for file in folder.rglob("*"):
            assert not file.is_file() or not any(each in file.read_bytes() for each in unwanted), file


WRITER = """
import sys
from infra.local.mysql_client import Connection, MySqlError
host, port, user, password, database = sys.argv[1:6]
number = 0
for line in sys.stdin:
    number += 1
    try:
        with Connection(host, int(port), user, password, database) as one:
            for step in range(5):
                number += 1
                one.query("begin")
                one.query(f"insert into counted values ({number}, 0)")
                for value in (1, 2):
                    one.query(f"update counted set value = {value} where id = {number}")
                one.query("commit")
                print(number, flush=True)
    except (MySqlError, OSError):
        print("", flush=True)
"""


@dataclass
class Writer:
    """Writes until it is told to stop, and knows what was committed."""

    process: subprocess.Popen[str]
    committed: list[int] = field(default_factory=list)
    thread: threading.Thread = field(init=False)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self.go)
        self.thread.start()

    def stop(self) -> None:
        self.stopping = True
        self.thread.join(30)

    def go(self) -> None:
        assert self.process.stdin and self.process.stdout
        while not self.stopping:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            for _ in range(5):
                if not (line := self.process.stdout.readline().strip()):
                    break
                self.committed.append(int(line))


@pytest.fixture
def writing(shop: Source) -> Iterator[Writer]:
    """A process that commits rows of `counted`, each written three times in a transaction."""
    shop.sql("create table if not exists counted (id bigint primary key, value int)", "truncate counted")
    one = shop.database
    command = [sys.executable, "-P", "-c", WRITER, one.host, str(one.port), one.user, one.password, one.database]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    writer = Writer(process)
    yield writer
    writer.stop()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("killed", ["debezium", "kafka", "mysql"])
def test_what_was_committed_arrives_in_order_whatever_is_killed(shop: Source, writing: Writer, killed: str) -> None:
    until(lambda: len(writing.committed) > 30, 30, "rows before the kill")
    kill(shop.cloud, killed)
    until(lambda: shop.cloud.up(["mysql", "debezium"]), 60, "all of it answers")
    so_far = len(writing.committed)
    until(lambda: len(writing.committed) > so_far + 30, 30, "rows after the kill")
    writing.stop()
    committed = {int(number) for (number,) in shop.sql("select id from counted")}
    assert committed >= set(writing.committed)

    def all_there(found: list[tuple[Any, Any]]) -> bool:
        return committed <= {
            one["after"]["id"] for _, one in found if one and one["after"] and one["after"].get("value") == 2
        }

    found = shop.until("counted", all_there)
    last: dict[int, int] = {}
    for _, one in found:
        if one and one["op"] in "cru":
            number, value = one["after"]["id"], one["after"]["value"]
            # From the last position that was kept, changes come again, and all that follow them; before there was a
            # first position, the snapshot does. No change is passed over.
            assert one["op"] == "r" or value <= last.get(number, -1) + 1, (number, last.get(number), one)
            last[number] = value
    assert {last[number] for number in committed} == {2}


def test_postgresql_is_followed_too_and_leaves_no_slot(cloud: Cloud) -> None:
    source = postgres(cloud, "books")
    source.sql(
        "create table orders (id bigint primary key, exact numeric(38, 10), moment timestamptz, body jsonb)",
        "alter table orders replica identity full",
        "insert into orders values (1, 1.5, '2026-07-01 12:00:00+02', '{\"a\": 2.50}')",
    )
    source.follow()
    source.until("orders", lambda found: len(found) == 1)
    kill(cloud, "postgres")
    until(lambda: cloud.up(["postgres"]), 60, "PostgreSQL answers")
    source.sql("update orders set exact = -0.0000000001", "delete from orders")
    found = source.until("orders", lambda found: len(found) == 4)
    read = {"id": 1, "exact": Decimal("1.5"), "moment": "2026-07-01T10:00:00.000000Z", "body": '{"a": 2.50}'}
    changed = read | {"exact": Decimal("-0.0000000001")}
    assert before_and_after(found) == [("r", None, read), ("u", read, changed), ("d", changed, None)]
    cloud.drop_database("books")  # although it is followed
    slots = "select count(*) from pg_replication_slots"
    with cloud.postgres._connect(cloud._ports("postgres")) as admin:
        assert admin.execute(slots).fetchone() == (0,)
    source.worker.remove(source.connector)


HURRIED = {"errors_max_retries": "1"}


def test_a_service_that_closes_its_input_leaves_supervisord_no_broken_pipe(cloud: Cloud) -> None:
    """Else supervisord may wait for that pipe without a pause, and take a core."""
    held = Path(f"/proc/{pid_of(cloud, 'mysql')}/fd")
    assert (held / "0").readlink() == Path("/dev/null"), "MariaDB closes its input"
    assert str((held / "9").readlink()).startswith("pipe:")


def test_who_can_not_log_in_or_may_not_follow_is_told_why(shop: Source) -> None:
    source = mysql(shop.cloud, "shop")
    source.connector, source.config["topic.prefix"] = "of-nobody", "from-nobody"
    source.config["schema.history.internal.kafka.topic"] = "from-nobody.schema-history"
    path = shop.cloud.services["debezium"].data / "secrets" / "of-nobody.properties"
    source.config |= {f"database.{name}": f"${{file:{path}:{name}}}" for name in ("user", "password")}
    source.secrets(user="shop", password="wrong")
    with pytest.raises(
        ConnectorRefused, match=r"^Unable to connect: Access denied for user 'shop'@.*; next: check user"
    ):
        source.follow(**HURRIED)
    shop.sql(
        "create or replace user shop_weak@'%' identified by 'weak'",
        "grant select, lock tables on shop.* to shop_weak@'%'",
        "grant reload, show databases, binlog monitor on *.* to shop_weak@'%'",
    )
    source.secrets(user="shop_weak", password="weak")
    with pytest.raises(ConnectorRefused, match=r"REPLICATION SLAVE.*; next: grant"):
        source.follow(**HURRIED)
        until(lambda: source.worker.wait(source.connector) and False, 30, "the missing right is noticed")
    shop.sql("grant replication slave on *.* to shop_weak@'%'")
    assert source.worker.revive(source.connector) == "restarted"
    assert source.worker.wait(source.connector).state == "RUNNING", "not what the task before said"
    source.until("orders", lambda found: len(found) > 0)
    source.worker.remove(source.connector)


def test_a_log_that_is_gone_stops_the_connector_and_a_snapshot_mends_it(cloud: Cloud) -> None:
    source = mysql(cloud, "stale")
    source.sql("create table orders (id bigint primary key)", "insert into orders values (1)")
    source.follow(**HURRIED)
    source.until("orders", lambda found: len(found) == 1)
    source.worker.stop(source.connector)
    source.sql("insert into orders values (2)")
    with cloud.mysql._connect(cloud._ports("mysql")) as admin:
        admin.query("flush binary logs")
        logs = admin.query("show binary logs")

        def purged() -> bool:  # not while somebody still reads them
            admin.query(f"purge binary logs to '{logs[-1][0]}'")
            return len(admin.query("show binary logs")) == 1

        until(purged, 20, "the old logs go")
    assert source.worker.status(source.connector).state == "STOPPED"
    assert source.worker.revive(source.connector) == "resumed"
    until(lambda: source.worker.status(source.connector).state == "FAILED", 30, "it notices")
    found = source.worker.status(source.connector)
    assert "no longer available on the server" in found.problem and "--forget" in found.next_step
    source.worker.remove(source.connector, forget=True)
    source.follow(**HURRIED)
    source.until("orders", lambda found: [key["id"] for key, _ in found] == [1, 1, 2])
    source.worker.remove(source.connector)


def test_a_slot_that_is_gone_stops_the_connector(cloud: Cloud) -> None:
    source = postgres(cloud, "slotless")
    source.sql("create table orders (id bigint primary key)", "insert into orders values (1)")
    source.follow(**HURRIED)
    source.until("orders", lambda found: len(found) == 1)
    source.sql("insert into orders values (2)")
    source.until("orders", lambda found: len(found) == 2)
    source.worker.stop(source.connector)
    source.sql("select pg_drop_replication_slot('slotless')", "insert into orders values (3)")
    source.worker.resume(source.connector)
    until(lambda: source.worker.status(source.connector).state == "FAILED", 30, "it notices")
    found = source.worker.status(source.connector)
    assert "no longer available on the server" in found.problem and "--forget" in found.next_step
    source.worker.remove(source.connector, forget=True)
    source.follow(**HURRIED)
    source.until("orders", lambda found: [key["id"] for key, _ in found] == [1, 2, 1, 2, 3])
    source.worker.remove(source.connector)
