"""Modules that need each other can be planned together: what one learns from the other is known only after the apply."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.stack import PROVIDERS
from tests.modules.inventory import HOME_REGION, OFFLINE_PROVIDER
from tests.modules.terraform_cli import TerraformError, copy_of_modules, run

pytestmark = pytest.mark.terraform

ROLE = "orrery-together-snowflake-alarms"
COUNT = "count = var.alarm_role_arn == null ? 0 : 1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline in Snowflake, the topic that it tells, and the role with which it does: each needs another's output."""
    modules = copy_of_modules(tmp_path)
    shutil.copy(modules / "snowflake_pipeline" / "examples" / "basic" / "main.tf", tmp_path / "pipeline.tf")
    text = (tmp_path / "pipeline.tf").read_text().replace("../..", "./modules/snowflake_pipeline")
    text = text.replace('"arn:aws:sns:us-east-1:111122223333:orrery-example-alerts"', "module.alerts.arn")
    text = text.replace("role/orrery-example-snowflake-alarms", f"role/{ROLE}")
    assert text.count("module.alerts.arn") == text.count(ROLE) == 1
    (tmp_path / "pipeline.tf").write_text(text)
    configuration: dict[str, Any] = {
        "terraform": {"required_providers": {name: PROVIDERS[name] for name in ("aws", "snowflake")}},
        "provider": {"aws": OFFLINE_PROVIDER | {"region": HOME_REGION}},
        "module": {
            "alerts": {
                "source": "./modules/topic",
                "name": "orrery-together-alerts",
                "kms_key_arn": "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
            },
            "alarms": {
                "source": "./modules/partner_role",
                "name": ROLE,
                "description": "Snowflake tells of failed tasks",
                "principal_arn": "${module.pipeline.alarm_user_arn}",
                "external_id": "${module.pipeline.alarm_external_id}",
                "grants": {"publish": {"actions": ["sns:Publish"], "resources": ["${module.alerts.arn}"]}},
            },
        },
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(configuration))
    (tmp_path / "all.tftest.hcl").write_text('mock_provider "snowflake" {}\nrun "all" {\n  command = plan\n}\n')
    return tmp_path


def planned(root: Path) -> dict[str, Any]:
    """Return the planned resources by address."""
    run(root, "init", "-backend=false", "-input=false", "-no-color")
    events = map(json.loads, run(root, "test", "-json", "-verbose").splitlines())
    plan = next(event["test_plan"] for event in events if "test_plan" in event)
    return {each["address"]: each["change"] for each in plan["resource_changes"]}


def test_a_pipeline_its_topic_and_its_role_are_planned_together(root: Path) -> None:
    found = planned(root)
    told = found["module.pipeline.snowflake_notification_integration.this[0]"]
    assert told["after_unknown"]["aws_sns_topic_arn"] and told["after"]["aws_sns_role_arn"].endswith(f":role/{ROLE}")
    assert found["module.alarms.aws_iam_role.this"]["after_unknown"]["assume_role_policy"]


def test_a_number_that_hangs_on_what_is_not_known_yet_is_found(root: Path) -> None:
    file = root / "modules" / "snowflake_pipeline" / "tasks.tf"
    assert COUNT in file.read_text()
    file.write_text(file.read_text().replace(COUNT, COUNT.replace("role", "topic")))
    with pytest.raises(TerraformError, match="Invalid count argument"):
        planned(root)
