"""``orrery review``: compare, and write the review's three forms."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra import deploy, scan
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import ROOT, STATE
from infra.policies import FOLDER as POLICIES
from infra.review import document, markdown, model, planning, svg, trees
from infra.review.guards import lowered_classes
from infra.review.planning import Comparison
from infra.review.trees import Tree

OUT = STATE / "review" / "out"
REVIEWED = "reviewed.tfplan"
"""The plan beside its review, for ``orrery deploy --plan``."""


@dataclass(frozen=True)
class Written:
    """A review and the files that it was written to, by form."""

    review: model.Review
    files: Mapping[str, Path]


def review(infos: Sequence[StackInfo], ui: Ui, *, base: str = "", every: bool = False, out: Path = OUT) -> Written:
    """Review stacks of the checkout against a base, offline.

    Parameters
    ----------
    infos : sequence of StackInfo
        Which stacks; none means those that differ from the base.
    ui : Ui
        Where to show progress.
    base : str
        A branch or commit; the main branch unless given.
    every : bool
        All stacks, changed or not.
    out : Path
        Where the files go.

    Raises
    ------
    OrreryError
        There is nothing to compare with, or the files can't be written.
    """
    commit = trees.base_commit(base)
    trees.FOLDER.mkdir(parents=True, exist_ok=True)
    with deploy.lock(trees.FOLDER, "a review"):
        with ui.step("building the base's stacks"):
            before = trees.base(commit)
        with ui.step("building the stacks"):
            after = trees.head(chosen={info.id: info.chosen for info in infos if info.chosen})
        stacks = [info.id for info in infos] or (
            sorted(before.stacks.keys() | after.stacks.keys()) if every else trees.changed(before, after)
        )
        unchanged = trees.unchanged(before, after, stacks)
        with ui.step("comparing"):
            comparison = planning.compare(before, after, [name for name in stacks if name not in unchanged], ui)
        policy = policy_changes(before, after, comparison, ui)
    made = model.build(
        comparison,
        before.label,
        after.label,
        stacks,
        tag_changes(before, after, stacks),
        policy,
        classes=lowered_classes(tags_of(before, stacks), tags_of(after, stacks)),
        unchanged=unchanged,
        others={name: each.configuration for name, each in after.stacks.items()},
    )
    return Written(made, write(made, out))


def review_live(info: StackInfo, target_name: str, ui: Ui, *, out: Path = OUT) -> Written:
    """Review a stack's plan against its real state on a target; keep the plan, so that this very one can be applied."""
    with deploy.session(info, target_name, ui) as at:
        saved = at.terraform.plan()
        plan = at.terraform.show(saved)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved.path, out / REVIEWED)
    made = from_plan(plan, info.id, f"deployed on {target_name}", "working tree")
    return Written(made, write(made, out))


def review_file(file: Path, *, out: Path = OUT) -> Written:
    """Review a plan that was written elsewhere by ``terraform show -json``.

    Raises
    ------
    OrreryError
        The file is missing, cut short or no plan; see `planning.read_plan`.
    """
    made = from_plan(planning.read_plan(file), file.stem, "its state", file.name)
    return Written(made, write(made, out))


def from_plan(plan: Mapping[str, Any], name: str, base: str, head: str) -> model.Review:
    """Return the review of one stack's own plan, in Terraform's JSON form."""
    prefix = f"module.{trees.module_of(name)}."
    changes = [{**each, "address": prefix + each["address"]} for each in plan["resource_changes"]]
    deltas = tuple(d for each in changes if (d := planning.delta(each, [name])))
    inner = {"module": plan.get("configuration", {}).get("root_module", {}), "expressions": {}}
    wrapped: dict[str, Any] = {
        "configuration": {"root_module": {"module_calls": {trees.module_of(name): inner}}},
        "planned_values": {},
        "prior_state": {"values": {"root_module": {"child_modules": [_renamed(plan, prefix)]}}},
    }
    return model.build(Comparison(deltas, wrapped, wrapped, (), {}), base, head, [name])


def _renamed(plan: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the prior state of a single stack in the form of the merged root."""

    def under(module: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "resources": [{**each, "address": prefix + each["address"]} for each in module.get("resources", [])],
            "child_modules": [under(child) for child in module.get("child_modules", [])],
        }

    root = ((plan.get("prior_state") or {}).get("values") or {}).get("root_module", {})
    return {"address": prefix.rstrip("."), **under(root)}


def policy_changes(
    before: Tree, after: Tree, comparison: Comparison, ui: Ui
) -> tuple[list[scan.Finding], list[scan.Finding]]:
    """Return the policy findings that the head adds to those of the base, and those that it mends.

    What is found in a base is kept under all that it follows from.
    """
    plans = {
        side: scan.Planned(as_creation(plan), tree.folder, tree.root)
        for side, plan, tree in (("base", comparison.base_plan, before), ("head", comparison.head_plan, after))
        if plan["resource_changes"]
    }
    kept = planning.kept_folder() / f"findings-{judged_by(before, comparison.base_plan)[:24]}.json"
    found: dict[str, list[scan.Finding]] = {}
    if "base" in plans and kept.exists():
        found["base"] = [scan.Finding(**each) for each in json.loads(kept.read_text())]
    missing = {side: plan for side, plan in plans.items() if side not in found}
    if missing:
        found |= dict(zip(missing, scan.findings(list(missing.values()), ui), strict=True))
    if "base" in missing:
        planning.write_json(kept, [asdict(each) for each in found["base"]])
    return scan.delta(found.get("base", []), found.get("head", []))


def judged_by(tree: Tree, plan: Mapping[str, Any]) -> str:
    """Return a hash of all that the findings in a tree's plan follow from: its stacks, the policies, what runs them."""
    calls = plan["configuration"]["root_module"].get("module_calls", {})
    stacks = [each for each in tree.stacks.values() if each.module in calls]
    files = [tree.root / "stacks" / each.id / name for each in stacks for name in ("stack.py", "stack.toml")]
    files += [ROOT / "infra" / f"{name}.py" for name in ("scan", "enrich", "checkov_main")]
    files += [ROOT / ".checkov.yaml", ROOT / "requirements" / "scan.txt"]
    files += [each for each in sorted(POLICIES.rglob("*")) if each.suffix in (".py", ".toml", ".yaml", ".yml")]
    hashes = [hashlib.sha256(each.read_bytes()).hexdigest() for each in files]
    return hashlib.sha256(json.dumps([[each.fingerprint for each in stacks], hashes]).encode()).hexdigest()


def as_creation(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan as one that creates all that is there after it: checkov skips what a plan leaves alone."""
    changes = [
        {**each, "change": {**each["change"], "actions": ["create"], "before": None}}
        for each in plan["resource_changes"]
        if each["change"]["after"] is not None
    ]
    return {**plan, "resource_changes": changes}


def tags_of(tree: Tree, stacks: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Return the default tags of those of a tree's stacks that could be built."""
    return {name: tree.stacks[name].tags for name in stacks if name in tree.stacks and not tree.stacks[name].error}


def tag_changes(before: Tree, after: Tree, stacks: Sequence[str]) -> list[str]:
    """Return a line for each default tag that changes: it stands on everything that the stack deploys."""
    found = []
    for name in stacks:
        if name in before.stacks and name in after.stacks:
            old, new = before.stacks[name].tags, after.stacks[name].tags
            for tag in sorted(old.keys() | new.keys()):
                if old.get(tag) != new.get(tag):
                    found.append(f"{name}: {tag} {old.get(tag)!r} → {new.get(tag)!r}, on everything that it deploys")
    return found


def write(made: model.Review, out: Path) -> dict[str, Path]:
    """Write a review's three forms into a folder and return the files.

    Raises
    ------
    OrreryError
        The folder can't be written.
    """
    files = {"markdown": out / "review.md", "json": out / "review.json", "svg": out / "review.svg"}
    texts = {"markdown": markdown.render(made), "json": document.render(made), "svg": svg.render(made)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for form, file in files.items():
            file.write_text(texts[form])
    except OSError as error:
        raise OrreryError(
            f"cannot write to {out}: {error.strerror}", next_step="name another folder: --out DIR"
        ) from error
    return files
