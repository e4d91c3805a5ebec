"""The whole stack, planned with each source: AWS by its real provider, Snowflake against its schema.

The plan of all stacks leaves Snowflake out, because its provider can't be downloaded everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.terraform import write_configuration
from tests.modules.terraform_cli import TerraformError, run

from .test_unit_stack import made

pytestmark = pytest.mark.terraform


def plan(source: str, folder: Path, spoil: bool = False) -> dict[str, int]:
    """Plan the stack and return how many resources of each type it would create."""
    configuration = made(folder, f"source={source}")
    if spoil:
        configuration["module"]["pipeline"]["tasks"]["MERGE"]["statements"].append("drop table nova_core.versions")
    write_configuration(folder, configuration)
    mocked = "".join(f'mock_provider "{name}" {{}}\n' for name in configuration["provider"] if name != "aws")
    (folder / "stack.tftest.hcl").write_text(mocked + 'run "stack" {\n  command = plan\n}\n')
    run(folder, "init", "-backend=false", "-input=false", "-no-color")
    events = map(json.loads, run(folder, "test", "-json", "-verbose").splitlines())
    planned = next(event["test_plan"] for event in events if "test_plan" in event)
    counts: dict[str, int] = {}
    for each in planned["resource_changes"]:
        counts[each["type"]] = counts.get(each["type"], 0) + 1
    return counts


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_the_stack_can_be_planned(tmp_path: Path, source: str) -> None:
    counts = plan(source, tmp_path)
    assert counts["aws_mskconnect_connector"] == counts["aws_db_instance"] == counts["aws_msk_cluster"] == 1
    assert counts["snowflake_task"] == 1 and counts["snowflake_stream_on_table"] == 1


def test_a_statement_that_would_end_the_merges_transaction_is_found(tmp_path: Path) -> None:
    with pytest.raises(TerraformError, match="DDL|transaction"):
        plan("mysql", tmp_path, spoil=True)
