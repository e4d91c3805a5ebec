"""The whole stack, planned with each warehouse: AWS by its real provider, the others against their schemas.

The plan of all stacks leaves the warehouse out, because the providers of Snowflake and Google can't be downloaded
everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import stack, targets
from infra.terraform import write_configuration
from tests.modules.terraform_cli import TerraformError, run

from .test_unit_stack import BEYOND, chosen

pytestmark = pytest.mark.terraform
BESIDE_AWS = {
    "snowflake": {"snowflake_database": 1, "snowflake_schema": 4, "snowflake_warehouse": 1},
    "bigquery": {"google_bigquery_dataset": 4, "google_bigquery_dataset_iam_member": 4},
    "duckdb": {},
}


def plan(warehouse: str, folder: Path, spoil: str = "") -> dict[str, int]:
    """Plan the stack and return how many resources of each type it would create."""
    _, made = stack.create(chosen(warehouse), targets.offline(), folder)
    if spoil:
        made["module"][spoil]["database"] = "not a name"
    write_configuration(folder, made)
    mocked = "".join(f'mock_provider "{name}" {{}}\n' for name in made["provider"] if name != "aws")
    (folder / "stack.tftest.hcl").write_text(mocked + 'run "stack" {\n  command = plan\n}\n')
    run(folder, "init", "-backend=false", "-input=false", "-no-color")
    events = map(json.loads, run(folder, "test", "-json", "-verbose").splitlines())
    planned = next(event["test_plan"] for event in events if "test_plan" in event)
    counts: dict[str, int] = {}
    for each in planned["resource_changes"]:
        counts[each["type"]] = counts.get(each["type"], 0) + 1
    return counts


@pytest.mark.parametrize("warehouse", BEYOND)
def test_the_stack_can_be_planned(tmp_path: Path, warehouse: str) -> None:
    counts = plan(warehouse, tmp_path)
    assert counts["aws_ecs_task_definition"] == 1 and counts["aws_s3_bucket"] == 2
    assert counts.get("aws_secretsmanager_secret", 0) == (warehouse != "duckdb")
    assert BESIDE_AWS[warehouse].items() <= counts.items()
    assert bool(BESIDE_AWS[warehouse]) == any(not kind.startswith("aws_") for kind in counts)


def test_a_mistake_in_what_snowflake_gets_is_found(tmp_path: Path) -> None:
    with pytest.raises(TerraformError, match="database must be upper-case letters"):
        plan("snowflake", tmp_path, spoil="warehouse")
