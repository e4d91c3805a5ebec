"""Plans for AWS without an account: one stack, or all of them as one merged root.

Each Terraform run pays seconds of CPU for starting the provider and loading its schema. A merged root, with one
module per stack, pays them once: forty stacks cost little more than one.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from typing import Any

from infra import catalog, deploy, settings, stack, targets
from infra.catalog import StackInfo
from infra.output import Ui
from infra.paths import STATE
from infra.terraform import Change, Plan, Terraform, write_configuration

MERGED = STATE / "stacks" / "_merged"
"""Where the merged root lies."""


def plan_stack(info: StackInfo, target_name: str, ui: Ui) -> Plan:
    """Plan one stack, print the summary, and keep the plan beside the stack's state."""
    with deploy.session(info, target_name, ui) as at:
        plan = at.terraform.plan(refresh=target_name != "offline")
        deploy.show_plan(plan, info, "AWS (offline)" if target_name == "offline" else target_name, ui)
        return plan


def plan_all(ui: Ui) -> dict[str, list[Change]]:
    """Plan every built stack for AWS, offline, in one Terraform run, and print what each would change.

    Returns
    -------
    dict
        Stack id to its changes.
    """
    grouped = plan_many(ui)
    rows = [[name, len(found), json.dumps(Counter(each.action for each in found))] for name, found in grouped.items()]
    ui.table(["stack", "changes", "by action"], rows)
    return grouped


def plan_many(ui: Ui, copies: int = 1) -> dict[str, list[Change]]:
    """Plan every built stack in one Terraform run; return its changes by stack id.

    Parameters
    ----------
    ui : Ui
        Where to show progress.
    copies : int
        Put each stack into the root so many times: what the benchmark does to see forty of them.
    """
    _, plan, ids = _plan_merged(ui, copies)
    grouped: dict[str, list[Change]] = {each: [] for each in ids.values()}
    for change in plan.changes:
        grouped[ids[change.address.split(".")[1]]].append(change)
    return grouped


def merged_plan(ui: Ui) -> dict[str, Any]:
    """Return the plan of all built stacks in Terraform's JSON form."""
    terraform, plan, _ = _plan_merged(ui)
    return terraform.show(plan)


def _plan_merged(ui: Ui, copies: int = 1) -> tuple[Terraform, Plan, dict[str, str]]:
    """Synthesise all stacks into one root and plan it; return also each module's stack id."""
    infos = [settings.for_plans(info) for info in catalog.load().values() if info.built]
    root = MERGED
    root.mkdir(parents=True, exist_ok=True)
    with deploy.lock(root, "the merged plan"):
        configurations = {
            module_name(info): stack.create(info, targets.offline(), root / module_name(info))[1] for info in infos
        }
        for name, configuration in configurations.items():
            write_configuration(root / name, as_child(configuration))
        terraform = Terraform(root, targets.offline().environment, ui)
        terraform.write(merged_root(configurations, copies))
        terraform.init()
        ids = {_copy(module_name(info), number): info.id for info in infos for number in range(copies)}
        return terraform, terraform.plan(refresh=False), ids


def module_name(info: StackInfo) -> str:
    """Return a stack's module name in the merged root."""
    return module_of(info.id)


def module_of(stack_id: str) -> str:
    """Return the module name that belongs to a stack's id; Terraform wants a letter in front and no hyphens there."""
    return f"stack_{re.sub('[^a-z0-9]+', '_', stack_id.lower())}"


def _copy(module: str, number: int) -> str:
    return f"{module}_{number}" if number else module


def as_child(configuration: dict[str, Any]) -> dict[str, Any]:
    """Turn a synthesised stack into a module: no provider, no backend; aliases come from the root."""
    aliases = [f"aws.{each['alias']}" for each in configuration["provider"]["aws"] if "alias" in each]
    requirement = dict(stack.PROVIDERS["aws"]) | ({"configuration_aliases": aliases} if aliases else {})
    child = {key: value for key, value in configuration.items() if key not in ("provider", "terraform")}
    others = {name: stack.PROVIDERS[name] for name in configuration["provider"] if name != "aws"}
    child["terraform"] = {"required_providers": {"aws": requirement, **others}}
    return child


def merged_root(configurations: dict[str, dict[str, Any]], copies: int = 1) -> dict[str, Any]:
    """Return the root that holds one module per stack and each region's provider once.

    The tags of a stack are set on its own provider and so are missing here: one provider process per stack would
    cost what the merged root saves. They ride along as a variable, so that whoever reads the plan has them
    (`infra.enrich`).
    """
    provider = targets.offline()
    regions: dict[str, None] = {}
    blocks: dict[str, Any] = {}
    tags: dict[str, dict[str, str]] = {}
    for module, configuration in configurations.items():
        mapping: dict[str, str] = {}
        own_tags = configuration["provider"]["aws"][0]["default_tags"][0]["tags"]
        for each in configuration["provider"]["aws"]:
            regions.setdefault(each["region"])
            name = f"aws.{each['region'].replace('-', '_')}"
            mapping[f"aws.{each['alias']}" if "alias" in each else "aws"] = name
        for number in range(copies):
            blocks[_copy(module, number)] = {"source": f".{os.sep}{module}", "providers": mapping}
            tags[_copy(module, number)] = own_tags
    return {
        "module": blocks,
        "provider": {
            "aws": [{"alias": r.replace("-", "_")} | provider.provider(r, {"managed-by": "orrery"}) for r in regions]
        },
        "terraform": {
            "backend": provider.backend("merged", "us-east-1"),
            "required_providers": {"aws": stack.PROVIDERS["aws"]},
            "required_version": stack.TERRAFORM_VERSION,
        },
        "variable": {"stack_tags": {"description": "The tags of each stack.", "default": tags}},
    }
