"""The local Snowflake and BigQuery, spoken to by the vendors' own clients in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra import envs
from infra.local import Cloud
from infra.local.cloud import without_proxy
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted, until

pytestmark = pytest.mark.e2e

SNOWFLAKE = """
import os, signal, snowflake.connector, sys
port, *statements = sys.argv[1:]
with snowflake.connector.connect(
    account="orrery", user="any", password="any", host="127.0.0.1", port=int(port), protocol="http",
    database="KEPT", schema="PUBLIC", session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
) as connection:
    for statement in statements:
        if statement == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            rows = connection.cursor().execute(statement.removeprefix("try ")).fetchall()
        except snowflake.connector.errors.ProgrammingError as error:
            if not statement.startswith("try "):
                raise
            rows = error.msg
print(rows)
"""
BIGQUERY = """
import sys
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
port, *statements = sys.argv[1:]
client = bigquery.Client(
    "orrery", AnonymousCredentials(), client_options=ClientOptions(api_endpoint=f"http://127.0.0.1:{port}")
)
client.create_dataset("kept", exists_ok=True)
for statement in statements:
    rows = [tuple(row) for row in client.query(statement).result()]
print(rows)
"""
CLIENTS = {"snowflake": SNOWFLAKE, "bigquery": BIGQUERY}
MAKE = {
    "snowflake": "create or replace table kept.public.bodies (name varchar, e double)",
    "bigquery": "create or replace table kept.bodies (name string, e float64)",
}


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("warehouses")):
        made.up(["snowflake", "bigquery"])
        yield made


def ask(cloud: Cloud, name: str, *statements: str) -> str:
    done = call(cloud, name, *statements)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def call(cloud: Cloud, name: str, *statements: str) -> subprocess.CompletedProcess[str]:
    command = [str(envs.ensure("orbit")), "-P", "-c", CLIENTS[name], str(cloud.endpoint(name).port), *statements]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | without_proxy())


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
def test_tables_outlive_a_stop_and_a_kill(warehouses: Cloud, name: str) -> None:
    where = "kept.bodies" if name == "bigquery" else "kept.public.bodies"
    ask(warehouses, name, MAKE[name], f"insert into {where} values ('Toro', 0.4358)")
    select = f"select name, e from {where} order by name"
    assert ask(warehouses, name, select) == "[('Toro', 0.4358)]"
    warehouses.down([name])
    warehouses.up([name])
    assert ask(warehouses, name, select) == "[('Toro', 0.4358)]"
    ask(warehouses, name, f"insert into {where} values ('Adonis', 0.764)")
    pid = pid_of(warehouses, name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(warehouses, name, pid))
    assert ask(warehouses, name, select) == "[('Adonis', 0.764), ('Toro', 0.4358)]"


@pytest.mark.parametrize("name", ["snowflake", "bigquery"])
def test_nothing_listens_beyond_this_machine(warehouses: Cloud, name: str) -> None:
    sockets = psutil.Process(pid_of(warehouses, name)).net_connections("inet")
    listening = [one.laddr for one in sockets if one.status == psutil.CONN_LISTEN]
    assert {each.ip.removeprefix("::ffff:") for each in listening} == {"127.0.0.1"}  # gRPC maps it into IPv6
    assert warehouses.endpoint(name).port in {each.port for each in listening}


def test_a_hung_warehouse_is_noticed_and_up_brings_it_back(warehouses: Cloud) -> None:
    pid = pid_of(warehouses, "snowflake")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: any(one.name == "snowflake" and one.state == "unhealthy" for one in warehouses.status()))
    warehouses.up(["snowflake"])
    assert pid_of(warehouses, "snowflake") != pid


def test_snowflake_takes_what_dbt_writes(warehouses: Cloud) -> None:
    """A temporary table by its full name, and within a transaction a merge that inserts without naming its source."""
    found = ask(
        warehouses,
        "snowflake",
        "create or replace table kept.public.merged (name varchar, e double)",
        "insert into kept.public.merged values ('Toro', 0.1), ('Adonis', 0.764)",
        "create or replace temporary table kept.public.fresh as select 'Toro' as name, 0.4358 as e union all select 'Icarus', 0.827",
        "begin",
        "merge into kept.public.merged as d using kept.public.fresh as s on (s.name = d.name)"
        " when matched then update set e = s.e when not matched then insert (name, e) values (name, e)",
        "commit",
        "drop table kept.public.fresh",
        "select name, round(e::double, 4) from kept.public.merged order by name",
    )
    assert found == "[('Adonis', 0.764), ('Icarus', 0.827), ('Toro', 0.4358)]"


def test_a_null_time_is_read_as_null(warehouses: Cloud) -> None:
    for kind in ("timestamp_ntz", "timestamp_tz"):
        said = ask(warehouses, "snowflake", f"select null::{kind}, '2020-01-01 00:00:00'::{kind} is null")
        assert said == "[(None, False)]"


def test_a_statement_said_again_means_what_it_says_now(warehouses: Cloud) -> None:
    long = "select count(*) from numbers where n > 0 " + " ".join(f"and n <> {-number}" for number in range(40))
    there = ["create or replace table kept.public.numbers as select 1 as n", long]
    assert ask(warehouses, "snowflake", *there) == "[(1,)]"
    assert ask(warehouses, "snowflake", "insert into kept.public.numbers select 2", long) == "[(2,)]"
    other = ["create schema if not exists kept.other", "create or replace table kept.other.numbers as select 7 as n"]
    assert ask(warehouses, "snowflake", *other, "use schema kept.other", long) == "[(1,)]"
    merge = (
        "merge into kept.public.numbers as d using (select 3 as n) as s on d.n = s.n"
        " when matched then update set n = 4 when not matched then insert (n) values (s.n)"
    )
    assert [ask(warehouses, "snowflake", merge) for _ in range(2)] == ["[(1, 0)]", "[(0, 1)]"]
    every, wider = (
        "select * from kept.public.numbers order by 1",
        "alter table kept.public.numbers add column m integer",
    )
    assert ask(warehouses, "snowflake", every) == "[(1,), (2,), (4,)]"
    assert ask(warehouses, "snowflake", wider, every) == "[(1, None), (2, None), (4, None)]"
    gone = ask(warehouses, "snowflake", "drop table kept.public.numbers", f"try {every}")
    assert "does not exist" in gone
    again = ("create table kept.public.numbers as select 1 as n", "begin", f"try {wider} x", f"try {every}", every)
    assert ask(warehouses, "snowflake", *again) == "[(1,)]"
    assert [ask(warehouses, "snowflake", "set day = 7", "select $day") for _ in range(2)] == ["[(7,)]"] * 2
    here = "select count(*) from numbers"
    assert ask(warehouses, "snowflake", here) == "[(1,)]"
    assert "does not have a current schema" in ask(warehouses, "snowflake", "use database kept", f"try {here}")


def test_a_failure_within_a_transaction_ends_it_aloud(warehouses: Cloud) -> None:
    ask(warehouses, "snowflake", "create or replace table kept.public.broken (n integer)")
    failing = (
        "begin",
        "insert into kept.public.broken values (1)",
        "try select no_such_column from kept.public.broken",
    )
    count = "select count(*) from kept.public.broken"
    assert "rolled back" in ask(warehouses, "snowflake", *failing, f"try {count}")
    assert ask(warehouses, "snowflake", *failing, f"try {count}", count) == "[(0,)]"


def test_who_was_killed_in_a_transaction_keeps_others_waiting_for_seconds_only(warehouses: Cloud) -> None:
    ask(warehouses, "snowflake", "create or replace table kept.public.held (n integer)")
    ask(warehouses, "snowflake", "insert into kept.public.held values (1)")
    killed = call(warehouses, "snowflake", "begin", "update kept.public.held set n = 2", "die")
    assert killed.returncode == -signal.SIGKILL
    update = "update kept.public.held set n = n + 10"
    until(lambda: call(warehouses, "snowflake", update).returncode == 0, 60)
    assert ask(warehouses, "snowflake", "select n from kept.public.held") == "[(11,)]"


def test_bigquery_takes_what_dbt_writes(warehouses: Cloud) -> None:
    """Declared columns before a query in parentheses: how a table with a contract is made."""
    table = "create or replace table kept.declared (n int64, e float64) as (select 1 as n, cast(0.5 as float64) as e)"
    types = "select column_name, data_type from kept.INFORMATION_SCHEMA.COLUMNS where table_name = 'declared'"
    assert ask(warehouses, "bigquery", table, "select n, e from kept.declared") == "[(1, 0.5)]"
    assert ask(warehouses, "bigquery", types + " order by 1") == "[('e', 'FLOAT64'), ('n', 'INT64')]"


def test_the_services_download_nothing(warehouses: Cloud) -> None:
    for name in ("snowflake", "bigquery"):
        log = warehouses.log_path(name).read_text()
        assert "download" not in log.lower(), log
    home = Path(warehouses.services["bigquery"].data)
    assert list(home.glob(".duckdb/extensions/*/*/spatial.duckdb_extension"))
    assert sys.platform != "linux" or not psutil.Process(pid_of(warehouses, "bigquery")).children()
