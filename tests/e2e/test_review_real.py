"""The offline review against the truth: the same edits, planned against what is really deployed on the local cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra import plan as plans
from infra import targets
from infra.local import Cloud
from infra.output import Ui
from infra.review import planning
from infra.review.trees import module_of
from infra.terraform import Terraform
from tests.review.edits import EDITS

pytestmark = pytest.mark.e2e

CARRIED = [edit for edit in EDITS if edit.local]


def write(folder: Path, side: int, target: targets.Target) -> None:
    """Write the merged root of all edits before (0) or after (1), for the local cloud."""
    provider = {"provider": {"aws": [target.provider("us-east-1", {})]}}
    configurations = {module_of(edit.name): {**provider, **edit.configurations()[side]} for edit in CARRIED}
    for name, configuration in configurations.items():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "main.tf.json").write_text(json.dumps(plans.as_child(configuration)))
    root = plans.merged_root(configurations)
    root["provider"]["aws"] = [{"alias": "us_east_1"} | target.provider("us-east-1", {})]
    (folder / "main.tf.json").write_text(json.dumps(root))


@pytest.fixture(scope="module")
def real(local_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """By edit: what Terraform would do to what is deployed."""
    urls = local_cloud.up(["aws"])["aws"].region_urls
    target = targets.local(local_cloud.aws_environment(), urls)
    folder = tmp_path_factory.mktemp("real")
    terraform = Terraform(folder, target.environment, Ui(), parallelism=40)
    write(folder, 0, target)
    terraform.init()
    terraform.apply(terraform.plan())
    write(folder, 1, target)
    plan = terraform.show(terraform.plan())
    names = [edit.name for edit in CARRIED]
    deltas = [each for change in plan["resource_changes"] if (each := planning.delta(change, names))]
    return {name: {each.address: each.action for each in deltas if each.stack == name} for name in names}


def test_the_offline_answers_are_the_real_ones(real: dict[str, dict[str, str]]) -> None:
    wrong: dict[str, Any] = {e.name: real[e.name] for e in CARRIED if real[e.name] != e.expected}
    assert wrong == {}
