"""How a base becomes a state: references are followed, so that few rounds of planning are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.errors import OrreryError
from infra.output import Ui
from infra.review import planning, trees
from infra.review.synthetic import Synthetic

TYPES = {"aws_vpc": (1, {"id": "string"}), "aws_subnet": (1, {"id": "string", "vpc_id": "given", "ports": "list"})}


def plan(subnet: dict[str, Any], net: dict[str, Any], *vpcs: str) -> dict[str, Any]:
    """Return a plan of one subnet, whose module gets the VPC's id from another module."""

    def creation(address: str, unknown: dict[str, Any]) -> dict[str, Any]:
        module, kind, name = address.rsplit(".", 2)
        change = {"actions": ["create"], "before": None, "after": {}, "after_unknown": unknown}
        return {
            **{"address": address, "module_address": module, "mode": "managed", "type": kind, "name": name},
            **{"provider_name": "registry.terraform.io/hashicorp/aws", "change": change},
        }

    inputs = {"vpc": {"references": ["module.net.id", "module.net"]}}
    inner = {"address": "aws_subnet.this", "expressions": subnet}
    calls = {
        "net": {"source": "./net", "module": net},
        "a": {"source": "./a", "expressions": inputs, "module": {"resources": [inner]}},
    }
    return {
        "configuration": {"root_module": {"module_calls": calls}},
        "resource_changes": [
            *(creation(each, {"id": True}) for each in vpcs),
            creation("module.a.aws_subnet.this", {"id": True, "vpc_id": True}),
        ],
    }


def net(*references: str, names: tuple[str, ...] = ("this",)) -> dict[str, Any]:
    """Return a module whose output leads to these references."""
    return {
        "resources": [{"address": f"aws_vpc.{name}"} for name in names],
        "outputs": {"id": {"expression": {"references": list(references)}}},
    }


GIVEN = {"vpc_id": {"references": ["var.vpc"]}}


def attributes(found: dict[str, Any], root: Path = Path("/nowhere")) -> tuple[Any, Any]:
    """Return the ids that the VPC has and that the subnet knows, after one plan."""
    made = Synthetic().follow(found, TYPES, "123456789012", root).resources
    vpcs = [each["attributes"]["id"] for each in made.values() if each["type"] == "aws_vpc"]
    return vpcs[0], made["module.a.aws_subnet.this"]["attributes"]["vpc_id"]


def test_a_reference_is_followed_through_inputs_and_outputs() -> None:
    vpc, known = attributes(plan(GIVEN, net("aws_vpc.this.id", "aws_vpc.this"), "module.net.aws_vpc.this"))
    assert known == vpc


def test_of_two_branches_the_one_that_is_planned_counts() -> None:
    written = net("aws_vpc.one.id", "aws_vpc.one", "aws_vpc.two.id", "aws_vpc.two", names=("one", "two"))
    vpc, known = attributes(plan(GIVEN, written, "module.net.aws_vpc.two"))
    assert known == vpc


def test_two_sources_make_no_guess() -> None:
    written = net("aws_vpc.one.id", "aws_vpc.one", "aws_vpc.two.id", "aws_vpc.two", names=("one", "two"))
    _, known = attributes(plan(GIVEN, written, "module.net.aws_vpc.one", "module.net.aws_vpc.two"))
    assert known is None, "what the configuration gives and nobody knows stays open"


def test_a_local_value_is_read_in_the_modules_files(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "main.tf").write_text("locals {\n  unrelated = 1\n  vpc       = one(aws_vpc.this)\n}\n")
    found = plan(GIVEN, net("local.vpc.id", "local.vpc"), "module.net.aws_vpc.this")
    vpc, known = attributes(found, tmp_path)
    assert known == vpc
    assert attributes(found)[1] is None, "without the file nobody knows"


def test_what_was_there_before_is_kept() -> None:
    found = plan(GIVEN, net("aws_vpc.this.id", "aws_vpc.this"), "module.net.aws_vpc.this")
    before = Synthetic({"module.a.aws_subnet.this": {"attributes": {"vpc_id": "vpc-real", "id": "subnet-real"}}})
    made = before.follow(found, TYPES, "123456789012", Path("/nowhere")).resources
    assert made["module.a.aws_subnet.this"]["attributes"] == {"vpc_id": "vpc-real", "id": "subnet-real"}


@pytest.mark.terraform
@pytest.mark.xdist_group("review-settling")
def test_the_built_stacks_settle_in_five_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FOLDER", tmp_path)
    monkeypatch.setattr(planning, "_kept", lambda _, name: tmp_path / "kept" / f"{name}.json")
    plans = []
    planned = planning._planned
    monkeypatch.setattr(planning, "_planned", lambda *given: plans.append(planned(*given)) or plans[-1])
    tree = trees.head()
    with planning.offline_aws() as endpoint:
        base, synthetic, _ = planning._base(tree, sorted(tree.stacks), endpoint, Ui())
    assert synthetic.unsettled == ()
    # 02_comet's task definition holds the databases' addresses in its JSON, and its schedules hold its ARN: that chain
    # takes one plan more than the three of the other stacks; 10_nova's, which is also told the connector's, one more.
    assert len(plans) == 5, "a reference more is not followed; see what the last plan but one still changes"
    assert not plans[-1].changes
    kept = {each["address"]: each["change"] for each in base["resource_changes"]}
    assert kept.keys() == synthetic.resources.keys()
    assert all(each["after"] == synthetic.resources[address]["attributes"] for address, each in kept.items())


def test_each_stack_that_can_t_be_planned_is_told_its_own_error(tmp_path: Path) -> None:
    details = "Invalid value\nports are few\nmodule.stack_one.x\n\nMissing item\nno region\nstack_two/main.tf.json:3"
    said = OrreryError("terraform plan failed: Invalid value (and 1 more)", next_step="", details=details)
    found = planning._blamed(said, trees.Tree("head", tmp_path, tmp_path, {}), ["one", "two", "three"])
    assert isinstance(found, planning._NotPlanned)
    assert found.reasons == {
        "one": "terraform plan failed: Invalid value ports are few module.stack_one.x",
        "two": "terraform plan failed: Missing item no region stack_two/main.tf.json:3",
    }
