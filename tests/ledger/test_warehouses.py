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
