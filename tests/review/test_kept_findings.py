"""What is found in a base is kept, and forgotten when anything that it follows from changes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from infra import scan
from infra.output import Ui
from infra.review import command, planning, trees
from tests.review.plans import comparison

FINDING = scan.Finding("ORR_1", "Encrypt it.", "high", "module.stack_a.x.y", "modules/m/main.tf", 1, "docs")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trees.Tree:
    (tmp_path / "stacks" / "a").mkdir(parents=True)
    (tmp_path / "policies").mkdir()
    for name in ("stacks/a/stack.py", "stacks/a/stack.toml", "policies/one.py"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(command, "POLICIES", tmp_path / "policies")
    monkeypatch.setattr(planning, "kept_folder", lambda: tmp_path / "kept")
    return trees.Tree("x", tmp_path, tmp_path, {"a": trees.Synthesised("a", {}, {}, fingerprint="1")})


PLAN: dict[str, Any] = {
    "configuration": {"root_module": {"module_calls": {"stack_a": {}}}},
    "resource_changes": [{"change": {"after": {}}}],
}


def test_a_base_is_judged_once(tree: trees.Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []

    def findings(plans: Any, ui: Ui) -> list[list[scan.Finding]]:
        judged.append(len(plans))
        return [[FINDING], []][-len(plans) :]

    monkeypatch.setattr(scan, "findings", findings)
    compared = comparison(base_plan=PLAN, head_plan=PLAN)
    first = command.policy_changes(tree, tree, compared, Ui())
    assert command.policy_changes(tree, tree, compared, Ui()) == first == ([], [FINDING])
    assert judged == [2, 1], "the second time only the head"


@pytest.mark.parametrize("file", ["stacks/a/stack.py", "stacks/a/stack.toml", "policies/one.py", "policies/new.yaml"])
def test_findings_follow_from_these_files(tree: trees.Tree, file: str) -> None:
    before = command.judged_by(tree, PLAN)
    (tree.root / file).write_text("another line")
    assert command.judged_by(tree, PLAN) != before


def test_findings_follow_from_the_stacks(tree: trees.Tree) -> None:
    changed = dataclasses.replace(tree.stacks["a"], fingerprint="2")
    other = dataclasses.replace(tree, stacks={"a": changed})
    assert command.judged_by(other, PLAN) != command.judged_by(tree, PLAN)
    unplanned = {**tree.stacks, "b": dataclasses.replace(changed, id="b")}
    assert command.judged_by(dataclasses.replace(tree, stacks=unplanned), PLAN) == command.judged_by(tree, PLAN)
