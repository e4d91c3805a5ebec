"""What a stack's README says runs locally is what is deployed there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import catalog, ledger

pytestmark = pytest.mark.e2e

STACKS = ("01_meteor", "14_blackhole")


@pytest.mark.parametrize("name", STACKS)
def test_the_types_that_are_deployed_are_those_that_the_readme_names(
    orrery: Any, deployments: dict[str, Any], name: str
) -> None:
    assert deployments[name].returncode == 0, deployments[name].stderr
    folder = orrery.folder(name.replace("_", "-"))
    made = json.loads((folder / "main.tf.json").read_text())["module"]
    stand_ins = {f"module.{key}" for key, block in made.items() if block["source"].endswith("/standin")}
    state = json.loads((folder / "terraform.tfstate").read_text())
    own = [each for each in state["resources"] if each["mode"] == "managed" and each["module"] not in stand_ins]
    named = [entry.type for entry in ledger.of_stack(catalog.built(name)) if entry.claim in ("executed", "accepted")]
    assert sorted({each["type"] for each in own}) == named
