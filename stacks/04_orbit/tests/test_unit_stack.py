"""04_orbit as Terraform gets it, with each of its three warehouses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, settings, stack, targets
from infra.errors import OrreryError

BIGQUERY = {
    "project_id": "orbit-marts",
    "project_number": "123456789012",
    "location": "EU",
    "kms_key": "projects/orbit-marts/locations/europe/keyRings/data/cryptoKeys/orbit",
    "members": ["serviceAccount:orbit@orbit-marts.iam.gserviceaccount.com"],
}
BEYOND = {"snowflake": {"warehouse"}, "bigquery": {"raw", "staging", "core", "marts"}, "duckdb": set()}
"""The modules of each warehouse that are not AWS'."""


def chosen(warehouse: str) -> catalog.StackInfo:
    info = settings.choose(catalog.built("04_orbit"), [f"warehouse={warehouse}"])
    return replace(info, settings={**info.settings, "bigquery": BIGQUERY})


@pytest.fixture(scope="module", params=BEYOND)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A warehouse, and the configuration with it."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, stack.create(chosen(request.param), targets.offline(), folder)[1]


def test_only_the_chosen_warehouse_is_there(made: tuple[str, dict[str, Any]]) -> None:
    warehouse, configuration = made
    own = {"alerts", "key", "landing", "missed", "network", "nightly"} | (
        {"entrance"} if warehouse != "duckdb" else set()
    )
    assert configuration["module"].keys() == own | BEYOND[warehouse]
    others = {"snowflake": {"snowflake"}, "bigquery": {"google"}, "duckdb": set()}[warehouse]
    assert configuration["provider"].keys() == {"aws"} | others


def test_the_task_may_do_what_it_needs_and_no_more(made: tuple[str, dict[str, Any]]) -> None:
    warehouse, configuration = made
    grants = configuration["module"]["nightly"]["grants"]
    assert {name: sorted(each["actions"]) for name, each in grants.items()} == {
        "read_landing": ["s3:GetObject", "s3:GetObjectVersion"],
        "list_landing": ["s3:ListBucket"],
        "write_outcomes": ["s3:AbortMultipartUpload", "s3:PutObject"],
        "data_key": ["kms:Decrypt", "kms:GenerateDataKey"],
        **(
            {"store": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]}
            if warehouse == "duckdb"
            else {"entrance": ["secretsmanager:GetSecretValue"]}
        ),
    }
    assert all(each.endswith("/incoming/*") for each in grants["read_landing"]["resources"])
    assert all(each.endswith("/quarantine/*") for each in grants["write_outcomes"]["resources"])


def test_the_task_is_told_where_its_warehouse_is_and_no_password(made: tuple[str, dict[str, Any]]) -> None:
    warehouse, configuration = made
    told = configuration["module"]["nightly"]["environment"]
    assert told["ORBIT_TARGET"] == warehouse
    database = {"snowflake": "${module.warehouse.database}", "bigquery": "orbit-marts", "duckdb": "orbit"}[warehouse]
    assert told["ORBIT_DATABASE"] == database
    assert not [name for name in told if "PASSWORD" in name or "PRIVATE" in name or "TOKEN" in name]


def test_everything_is_encrypted_with_the_stacks_own_key(made: tuple[str, dict[str, Any]]) -> None:
    modules = made[1]["module"]
    encrypted = [name for name in modules if name not in ("key", *BEYOND[made[0]])]
    assert {modules[name]["kms_key_arn"] for name in encrypted} == {"${module.key.arn}"}


def test_the_network_has_a_way_out_only_where_the_warehouse_is_elsewhere(made: tuple[str, dict[str, Any]]) -> None:
    assert made[1]["module"]["network"]["way_out"] == (made[0] != "duckdb")


@pytest.mark.parametrize("warehouse", BEYOND)
def test_a_warehouse_that_somebody_else_made_is_entered_by_the_same_names(tmp_path: Path, warehouse: str) -> None:
    info = chosen(warehouse)
    info = replace(info, settings={**info.settings, "make_warehouse": False})
    made = stack.create(info, targets.offline(), tmp_path)[1]
    assert list(made["provider"]) == ["aws"] and not BEYOND[warehouse] & made["module"].keys()
    told = made["module"]["nightly"]["environment"]
    database = {"snowflake": "ORRERY_04_ORBIT_DATA", "bigquery": "orbit-marts", "duckdb": "orbit"}[warehouse]
    assert told["ORBIT_DATABASE"] == database
    assert told.get("ORBIT_SNOWFLAKE_ROLE", database) in (database, "ORRERY_04_ORBIT_DATA_WRITER")


def test_an_unknown_warehouse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="04_orbit has no warehouse 'redshift'"):
        stack.create(chosen("redshift"), targets.offline(), tmp_path)


def test_bigquery_without_a_project_is_refused_before_terraform_runs(tmp_path: Path) -> None:
    info = settings.choose(catalog.built("04_orbit"), ["warehouse=bigquery"])
    with pytest.raises(OrreryError, match="lacks project_id, project_number, kms_key"):
        stack.create(info, targets.offline(), tmp_path)


@pytest.mark.parametrize("warehouse", BEYOND)
def test_the_local_cloud_leaves_the_warehouse_out_and_says_so(tmp_path: Path, warehouse: str) -> None:
    local = targets.local({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {})
    info = settings.choose(catalog.built("04_orbit"), [f"warehouse={warehouse}"])
    made, configuration = stack.create(info, local, tmp_path)
    assert list(configuration["provider"]) == ["aws"] and len(made.skipped) == 2 + len(BEYOND[warehouse])
    assert info.needed_services == ("aws", *({warehouse} - {"duckdb"}))


def test_what_is_planned_everywhere_needs_no_other_provider(tmp_path: Path) -> None:
    info = settings.for_plans(catalog.built("04_orbit"))
    made = stack.create(info, targets.offline(), tmp_path)[1]
    assert list(made["provider"]) == ["aws"]
    assert {"entrance", "network", "nightly"} <= made["module"].keys(), "what AWS has of it is planned"
