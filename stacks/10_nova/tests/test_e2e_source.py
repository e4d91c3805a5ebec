"""The shop's side, on MariaDB and PostgreSQL: what the workload leaves behind whatever is killed, and what the comparison finds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra import envs
from infra.local import Cloud
from tests.support.local_aws import until

from .conftest import HOME, entrance, program, started

pytestmark = pytest.mark.e2e
BY_HAND = str(HOME / "tests" / "by_hand.py")
SERVICES = {"mysql": "mysql", "postgresql": "postgres"}
Events = dict[str, list[dict[str, Any]]]


@dataclass
class Shop:
    """A shop in one of the databases, with a warehouse."""

    cloud: Cloud
    engine: str
    environment: dict[str, str]

    def run(self, *arguments: str, code: int = 0) -> str:
        done = program(self.cloud, f"of_{self.engine}", *arguments, **self.environment)
        assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def events(self, *arguments: str, code: int = 0) -> Events:
        found: Events = {}
        for line in self.run("-m", *arguments, code=code).splitlines():
            found.setdefault(json.loads(line)["event"], []).append(json.loads(line))
        return found

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(envs.ensure("nova")), "-P", "-m", "nova.workload", "run", *arguments]
        environment = {**entrance(self.cloud, "unused"), **self.environment}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask(self, *statements: str) -> list[Any]:
        return [json.loads(line) for line in self.run(BY_HAND, "shop", *statements).splitlines()]

    def number(self, statement: str) -> int:
        return int(self.ask(statement)[0][0][0])

    def wrong(self) -> dict[str, int]:
        """What is wrong with sums and truths."""
        found: dict[str, int] = json.loads(self.run(BY_HAND, "wrong"))
        return {name: count for name, count in found.items() if count}

    def grown(self, process: subprocess.Popen[str], by: int) -> None:
        """Wait until the workload has done something."""
        before = self.number("select coalesce(max(seq), 0) from truth_orders")
        until(lambda: self.number("select coalesce(max(seq), 0) from truth_orders") > before + by, 60, "orders")
        assert process.poll() is None, process.stdout and process.stdout.read()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    yield from started(tmp_path_factory.mktemp("source") / ".orrery", ["mysql", "postgres", "snowflake"])


@pytest.fixture(scope="module", params=list(SERVICES))
def shop(cloud: Cloud, request: pytest.FixtureRequest) -> Shop:
    engine = request.param
    one = cloud.provision_mysql("a_shop") if engine == "mysql" else cloud.provision_database("a_shop")
    place = {"HOST": one.host, "PORT": one.port, "DATABASE": one.database, "USER": one.user, "PASSWORD": one.password}
    environment = {"NOVA_SOURCE": engine, **{f"NOVA_SOURCE_{name}": str(value) for name, value in place.items()}}
    made = Shop(cloud, engine, environment)
    for _ in range(2):  # a second time changes nothing
        assert made.events("nova.source", "make")["made"]
    return made


def test_the_comparison_finds_what_is_planted_and_nothing_else(shop: Shop) -> None:
    shop.events("nova.workload", "run", "--changes", "400", "--sessions", "1", "--seed", "5")
    assert shop.wrong() == {}
    shop.run(BY_HAND, "copy")
    compared = shop.events("nova.compare", "--history", "--whole")
    assert set(compared) == {"compared"} and all(each["ok"] for each in compared["compared"])
    assert len(compared["compared"]) == 8

    (lines,) = shop.ask("select order_id, line_no from order_lines order by order_id, line_no limit 1")
    order, line = (str(value) for value in lines[0])
    (payments,) = shop.ask("select reference from payments order by reference limit 2")
    (customers,) = shop.ask("select id from customers order by id limit 3")
    one, two, three = (str(row[0]) for row in customers)
    shop.run(
        BY_HAND,
        "warehouse",
        f"update nova_shop.customers set name = name || ' ' where id = {one}",
        f"update nova_shop.customers set credit = credit + 0.0001 where id = {two}",
        f"update nova_shop.customers set changed_at = dateadd(microsecond, 1, changed_at) where id = {three}",
        f"delete from nova_shop.payments where reference = '{payments[0][0]}'",
        f"insert into nova_shop.payments select * from nova_shop.payments where reference = '{payments[1][0]}'",
        f"update nova_shop.order_lines set quantity = quantity + 1 where order_id = {order} and line_no = {line}",
        "alter table nova_shop.orders drop column note",
        f"delete from nova_history.order_lines where order_id = {order} and line_no = {line}",
        f"update nova_history.customers set valid_to = valid_from + 1 where id = {one} and valid_to is null",
        f"update nova_history.customers set valid_from = valid_from + 1 where id = {two}",
    )
    compared = shop.events("nova.compare", "--history", "--whole", code=1)
    found = {(each["table"], each["key"], each["column"]) for each in compared["difference"]}
    planted = {
        ("customers", one, "name"),
        ("customers", two, "credit"),
        ("customers", three, "changed_at"),
        ("payments", payments[0][0], "(row)"),
        ("payments", payments[1][0], "(row)"),
        ("order_lines", f"{order}/{line}", "quantity"),
        ("orders", "", "(type) note"),
        ("order_lines", f"{order}/{line}", "(versions)"),
    }
    # A transaction at two positions is noticed where the second is met, at this row or at another.
    assert {each for each in found if not each[2].startswith("(valid_")} == planted
    assert ("customers", one, "(valid_to)") in found
    assert any(column == "(valid_from)" for _, _, column in found)
    assert "is not as the shop" in compared["differs"][0]["error"]


def test_a_workload_that_is_killed_leaves_whole_transactions_and_goes_on(shop: Shop) -> None:
    process = shop.start("--seed", "7", "--sessions", "4")
    try:
        shop.grown(process, 100)
    finally:
        process.kill()
        process.communicate()
    assert shop.wrong() == {}
    done = shop.events("nova.workload", "run", "--seed", "7", "--sessions", "4", "--changes", "300")["worked"][0]
    assert done["changes"] >= 300 and done["transactions"] < done["changes"]
    assert shop.wrong() == {}
    # The checks see what they are for.
    shop.ask("update orders set total = total + 1 where id in (select * from (select min(id) from orders) one)")
    shop.ask("update customers set revision = -1 where id in (select * from (select max(id) from customers) one)")
    assert shop.wrong() == {"sums": 1, "customers": 1}
    shop.ask("update orders set total = total - 1 where id in (select * from (select min(id) from orders) one)")


def test_tables_are_altered_under_the_workload(shop: Shop) -> None:
    process = shop.start("--seed", "9", "--sessions", "3")
    try:
        shop.grown(process, 20)
        for each in (
            "add orders channel --type varchar(20)",
            "add customers tier --type integer --default 3",
            "rename orders note --to remark",
            "drop customers nickname",
            "widen order_lines sku --type varchar(200)",
        ):
            assert shop.events("nova.workload", "alter", *each.split())["altered"]
        shop.grown(process, 20)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert json.loads(said.splitlines()[-1])["event"] == "worked"
    assert shop.number("select count(*) from orders where channel is not null") > 0
    assert shop.number("select count(*) from orders where remark is not null") > 0
    assert shop.wrong() in ({}, {"customers": 1})  # one was spoilt above
    told = shop.events("nova.workload", "alter", "drop", "orders", "total", code=1)
    assert "can't do without total" in told["failed"][0]["error"]


def test_the_workload_goes_on_when_the_server_comes_back(shop: Shop) -> None:
    process = shop.start("--seed", "11", "--sessions", "3")
    service = SERVICES[shop.engine]
    try:
        shop.grown(process, 20)
        pid = next(each.pid for each in shop.cloud.status() if each.name == service)
        assert pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: healthy(shop.cloud, service, pid), 60, f"{service} comes back")
        shop.grown(process, 20)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert json.loads(said.splitlines()[-1])["lost"] >= 1
    assert shop.wrong() in ({}, {"customers": 1})


def healthy(cloud: Cloud, service: str, old: int) -> bool:
    return any(each.name == service and each.pid != old and each.state == "running" for each in cloud.status())


def test_the_shop_is_filled_by_copies(shop: Shop) -> None:
    before = shop.number("select count(*) from order_lines")
    assert shop.events("nova.workload", "fill", "--rows", "20000")["filled"][0]["rows"] >= 20_000
    assert shop.number("select count(*) from order_lines") > before + 5_000
    assert shop.wrong() in ({}, {"customers": 1})


def test_who_captures_may_read_what_is_captured_and_no_more(shop: Shop) -> None:
    if shop.engine == "postgresql":  # locally, the owner of a database makes no users: that is told
        assert (
            "may not make the user"
            in program(shop.cloud, "unused", BY_HAND, "rights", "a_shop_capture", **shop.environment).stderr
        )
        (tables,) = shop.ask("select tablename from pg_publication_tables where pubname = 'nova' order by 1")
        captured = ["customers", "heartbeat", "order_lines", "orders", "payments", "signals"]
        assert [row[0] for row in tables] == captured
        return
    rights = json.loads(shop.run(BY_HAND, "rights", "a_shop_capture"))
    assert list(rights.values()) == [True] * 6 + [False] * 5, rights
