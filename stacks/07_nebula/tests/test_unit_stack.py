"""07_nebula as Terraform gets it, with either warehouse."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, stack, targets
from infra.errors import OrreryError

HOME = Path(__file__).resolve().parents[1]
Modules = dict[str, Any]


def made_with(warehouse: str, folder: Path) -> Modules:
    info = catalog.built("07_nebula")
    info = replace(info, settings={**info.settings, "warehouse": warehouse})
    _, configuration = stack.create(info, targets.offline(), folder)
    modules: Modules = configuration["module"]
    return modules


@pytest.fixture(scope="module", params=["redshift", "postgres"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Modules:
    return made_with(request.param, tmp_path_factory.mktemp("nebula"))


def test_the_task_may_do_what_it_needs_and_no_more(made: Modules) -> None:
    grants = made["nightly"]["grants"]
    actions = {action for grant in grants.values() for action in grant["actions"]}
    assert actions == {
        "s3:GetObject",
        "s3:ListBucket",
        "s3:AbortMultipartUpload",
        "s3:PutObject",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    written = {each.rpartition("/")[0].rpartition("/")[2] for each in grants["write_outcomes"]["resources"]}
    staged = {"staged"} if made["warehouse"]["source"].endswith("redshift_serverless") else set()
    assert written == {"quarantine", "taken"} | staged
    assert all(each.endswith("/incoming/*") for each in grants["read_landing"]["resources"])


def test_the_warehouse_copies_from_what_the_task_stages_and_from_nothing_else(tmp_path: Path) -> None:
    made = made_with("redshift", tmp_path)
    (source,) = made["warehouse"]["copy_sources"].values()
    environment = made["nightly"]["environment"]
    assert source["bucket_arn"] == "${module.landing.arn}"
    assert environment["NEBULA_COPY_PREFIX"] == f"s3://{made['landing']['name']}/{source['prefix']}"
    assert environment["NEBULA_COPY_ROLE"] == "${module.warehouse.copy_role_arn}"
    assert environment["NEBULA_SSLMODE"] == "verify-full"


def test_no_password_is_in_the_tasks_environment(made: Modules) -> None:
    names = set(made["nightly"]["environment"])
    assert "NEBULA_SECRET_ARN" in names
    assert not [name for name in names if "PASSWORD" in name or "USER" in name]


def test_everything_is_encrypted_with_the_stacks_own_key(made: Modules) -> None:
    encrypted = ("warehouse", "landing", "missed", "alerts", "nightly", "network")
    assert {made[name]["kms_key_arn"] for name in encrypted} == {"${module.key.arn}"}


def test_the_line_that_the_alarm_on_silence_waits_for_is_one_that_the_task_writes(made: Modules) -> None:
    event = re.search(r'\$\.event = "(\w+)"', made["nightly"]["heartbeat_pattern"])
    assert event and f'log("info", "{event[1]}"' in (HOME / "src" / "nebula" / "task.py").read_text()


def test_a_warehouse_that_is_none_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="there is no warehouse 'oracle'") as refused:
        made_with("oracle", tmp_path)
    assert refused.value.next_step == "use SET=warehouse=redshift or SET=warehouse=postgres"
