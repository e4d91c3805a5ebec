"""Plans without an account: one stack, or all as one merged root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import deploy, plan, stack, targets
from infra.catalog import StackInfo
from infra.output import Ui

CODE = """
from infra.stack import Stack


class {name}(Stack):
    regions = {regions}

    def build(self):
        for region in self.regions:
            self.module("topic_" + region[:2], "topic", region=region, name=self.physical("news"), kms_key_arn="k")
"""
HOME, AWAY = "us-east-1", "eu-west-1"


@pytest.fixture
def two(plant: Callable[..., StackInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[StackInfo]:
    """One stack at home, and one whose home is elsewhere and that reaches home as well."""
    monkeypatch.setattr(deploy, "STATE", tmp_path / "state")
    monkeypatch.setattr(plan, "STATE", tmp_path / "state")
    return [
        plant("70_quasar", CODE.format(name="Quasar", regions=(HOME,))),
        plant("71_pulsar", CODE.format(name="Pulsar", regions=(AWAY, HOME))),
    ]


def configurations(two: list[StackInfo], tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {plan.module_name(info): stack.create(info, targets.offline(), tmp_path / info.slug)[1] for info in two}


def test_a_stack_becomes_a_module_that_gets_its_providers_from_the_root(two: list[StackInfo], tmp_path: Path) -> None:
    quasar, pulsar = (plan.as_child(each) for each in configurations(two, tmp_path).values())
    assert set(quasar) == {"module", "terraform"}
    assert quasar["terraform"] == {"required_providers": {"aws": stack.PROVIDERS["aws"]}}
    assert pulsar["terraform"]["required_providers"]["aws"]["configuration_aliases"] == ["aws.us_east_1"]
    assert pulsar["module"]["topic_us"]["providers"] == {"aws": "aws.us_east_1"}


def test_the_root_holds_each_region_once_and_maps_each_stacks_own_names_to_them(
    two: list[StackInfo], tmp_path: Path
) -> None:
    root = plan.merged_root(configurations(two, tmp_path))
    assert [provider["alias"] for provider in root["provider"]["aws"]] == ["us_east_1", "eu_west_1"]
    mappings = [block["providers"] for block in root["module"].values()]
    assert mappings == [{"aws": "aws.us_east_1"}, {"aws": "aws.eu_west_1", "aws.us_east_1": "aws.us_east_1"}]
    assert root["terraform"]["backend"] == {"local": {"path": "terraform.tfstate"}}


def test_all_stacks_are_planned_in_one_run_and_told_apart(
    two: list[StackInfo], terraform: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = plan.merged_root(configurations(two, tmp_path))
    events = [
        {
            "type": "planned_change",
            "change": {
                "resource": {
                    "addr": f"module.{name}.module.topic_us.aws_sns_topic.this",
                    "resource_type": "aws_sns_topic",
                },
                "action": "create",
            },
        }
        for name in root["module"]
    ]
    terraform.does(plan={"events": [*events, *events[1:]]})
    grouped = plan.plan_all(Ui())
    assert {name: len(changes) for name, changes in grouped.items()} == {"70_quasar": 1, "71_pulsar": 2}
    assert terraform.commands == ["init", "plan"]
    assert "-refresh=false" in terraform.calls[1]
    assert "71_pulsar\t2\t" in capsys.readouterr().out
    folder = Path(terraform.log[-2]["folder"])
    assert all(name.isidentifier() for name in root["module"]), "Terraform takes no digit in front"
    for block in json.loads((folder / "main.tf.json").read_text())["module"].values():
        child = json.loads((folder / block["source"] / "main.tf.json").read_text())
        for module in child["module"].values():
            assert (folder / block["source"] / module["source"] / "variables.tf").exists(), "sources lead somewhere"


def test_a_plan_without_an_account_asks_nobody(
    two: list[StackInfo], terraform: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan.plan_stack(two[0], "offline", Ui())
    assert "-refresh=false" in terraform.calls[-1]
    seen = terraform.log[-2]["environment"]
    assert seen["AWS_ACCESS_KEY_ID"] == "local" and "AWS_ENDPOINT_URL" not in seen
    assert capsys.readouterr().out == "70_quasar on AWS (offline): no change, everything is as it should be.\n"
    assert made.path.exists(), "the plan is kept for whoever reviews it"
