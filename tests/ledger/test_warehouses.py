"""What stands for Snowflake and BigQuery while pipelines run locally: they hold rows, and little else of a warehouse."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from infra import envs
from infra.local import Cloud
from infra.local.cloud import without_proxy
from tests.modules.inventory import INVENTORIES

pytestmark = pytest.mark.e2e

# Each prints one JSON object: what a statement gave, or the class of the error that it was refused with.
SNOWFLAKE = """
import json, sys
import snowflake.connector

session = snowflake.connector.connect(
    account="orrery", user="nobody", password="any", host="127.0.0.1", port=int(sys.argv[1]), protocol="http",
    database="ledger", schema="probe", role="NO_SUCH_ROLE", warehouse="NO_SUCH_WAREHOUSE", network_timeout=20,
)
found = {}
for statement in json.loads(sys.argv[2]):
    try:
        found[statement] = [[str(each) for each in row] for row in session.cursor().execute(statement).fetchall()]
    except snowflake.connector.errors.ProgrammingError as error:
        found[statement] = type(error).__name__
print(json.dumps(found))
"""
BIGQUERY = """
import json, sys
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

options = ClientOptions(api_endpoint="http://127.0.0.1:" + sys.argv[1])
client = bigquery.Client("probe", AnonymousCredentials(), client_options=options)
client.create_dataset("probe", exists_ok=True)
found = {}
for statement in json.loads(sys.argv[2]):
    limit = bigquery.QueryJobConfig(maximum_bytes_billed=1)
    try:
        job = client.query(statement, job_config=limit, retry=None, job_retry=None)
        found[statement] = [[str(each) for each in row.values()] for row in job.result(retry=None, job_retry=None)]
    except Exception as error:
        found[statement] = type(error).__name__
print(json.dumps(found))
"""


def asked(cloud: Cloud, service: str, program: str, *statements: str) -> dict[str, Any]:
    """Return what a local warehouse made of each statement."""
    port = cloud.up([service])[service].port
    command = [str(envs.ensure("orbit")), "-P", "-c", program, str(port), json.dumps(statements)]
    done = subprocess.run(command, env={**os.environ, **without_proxy()}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_local_snowflake_holds_rows_and_has_no_warehouses_roles_or_time_travel(local_cloud: Cloud) -> None:
    missing = (
        "create warehouse probe warehouse_size = 'XSMALL'",
        "create role probe",
        "grant select on table probe.t to role probe",
        "select a from probe.t at(offset => -1)",
        "create stream changes on table probe.t",
    )
    found = asked(
        local_cloud,
        "snowflake",
        SNOWFLAKE,
        *(
            "create schema if not exists probe",
            "create or replace table probe.t as select 1 as a",
            "select a from probe.t",
        ),
        "use warehouse no_such_warehouse",
        "use role no_such_role",
        *missing,
    )
    assert found["select a from probe.t"] == [["1"]]
    assert {each for each in missing if found[each] == "ProgrammingError"} == set(missing)
    for unheeded in ("use warehouse no_such_warehouse", "use role no_such_role"):
        assert isinstance(found[unheeded], list), "it knows which there are: say so in the ledger"


def test_the_local_snowflake_has_no_streams_and_no_tasks(local_cloud: Cloud) -> None:
    missing = (
        "create stream arrivals on table probe.landed append_only = true",
        "create task merge warehouse = probe when system$stream_has_data('arrivals') as delete from probe.landed",
        "select system$stream_has_data('arrivals')",
        "begin delete from probe.landed; end",
    )
    found = asked(
        local_cloud, "snowflake", SNOWFLAKE, "create or replace table probe.landed as select 1 as a", *missing
    )
    assert {each for each in missing if found[each] == "ProgrammingError"} == set(missing), found


def test_what_a_task_would_run_runs_by_hand_on_the_local_snowflake(local_cloud: Cloud) -> None:
    """The statements of the module's example, with a view for the stream, in one transaction."""
    planned = json.loads((INVENTORIES / "snowflake_pipeline_basic.json").read_text())["values"]
    task = planned['module.pipeline.snowflake_task.this["MERGE"]']["sql_statement"]
    setup, _, within = task.removeprefix("BEGIN\n").partition("BEGIN TRANSACTION;\n")
    statements, sink = [each for each in within.split("\n;\n") if each][:-1], within.split("\n;\n")[-1]
    assert len(statements) == 3 and sink.startswith("INSERT INTO ORRERY_EXAMPLE_SALES.LANDING.STREAM_SINK")
    columns = planned['module.pipeline.snowflake_table.this["MESSAGES"]']["column"]
    listed = ", ".join(f"{each['name']} {each['type']}" for each in columns if "default" not in each)
    orders = "select order_id, status from shop.orders order by order_id"
    found = asked(
        local_cloud,
        "snowflake",
        SNOWFLAKE,
        *(
            "create schema if not exists landing",
            "create schema if not exists work",
            "create schema if not exists shop",
        ),
        f"create or replace table landing.messages ({listed})",
        "create view if not exists landing.arrivals as select * from landing.messages",
        """insert into landing.messages select 'orders', 0, column1, parse_json(column2) from values
        (1, '{"id": 7, "status": "open"}'), (2, '{"id": 8, "status": "open"}'), (3, '{"id": 7, "status": "paid"}')""",
        *(each for each in setup.split("\n;\n") if each),
        *("begin", *statements, "rollback", "select count(*) from shop.orders"),
        *("begin", *statements, "commit", orders),
    )
    assert found["select count(*) from shop.orders"] == [["0"]], "a run that fails leaves nothing"
    assert found[orders] == [["7", "paid"], ["8", "open"]], found


def test_the_local_bigquery_holds_rows_and_counts_no_bytes(local_cloud: Cloud) -> None:
    """A query that would bill more than the limit is refused by BigQuery."""
    found = asked(
        local_cloud,
        "bigquery",
        BIGQUERY,
        "create or replace table probe.t as select x from unnest(generate_array(1, 1000)) as x",
        "select sum(x) from probe.t",
        "select row_count from probe.__TABLES__",
    )
    assert found["select sum(x) from probe.t"] == [["500500"]], "it heeds a limit on bytes: say so in the ledger"
    assert isinstance(found["select row_count from probe.__TABLES__"], str)
