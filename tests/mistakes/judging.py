"""Who finds a planted mistake: the inventories, the policies, or the review, each on all mistakes in one run.

A mistake in a module is judged on the module's examples, one in a stack on the stack. Both are what a review calls a
stack: the sources as they are make the base, those with the mistake the head.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra import scan, targets
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import MODULES, ROOT, STACKS
from infra.plan import module_of
from infra.review import model, planning, trees
from infra.review.access import access_changes
from infra.review.guards import lowered, lowered_classes
from infra.review.holders import losses
from infra.review.trees import Synthesised, Tree
from tests.mistakes.planting import Mutant
from tests.modules import inventory
from tests.modules.inventory import Example
from tests.modules.terraform_cli import TerraformError

TAGS = {
    "stack": "example",
    "owner": "nobody",
    "data-class": "personal",
    "cost-centre": "examples",
    "managed-by": "orrery",
}
"""What an example is tagged with while policies judge it: as if it held data that must be encrypted."""
_SIBLINGS = re.compile(r'source\s*=\s*"\.\./(\w+)"')


@dataclass(frozen=True)
class Caught:
    """What found one mistake.

    Parameters
    ----------
    mutant : Mutant
        The mistake.
    planning : str
        Why it can't be planned at all; empty where it can.
    inventory : tuple of str
        Lines in which an inventory differs.
    policies : tuple of str
        The checks that fail and didn't before.
    review : tuple of str
        The review's rules of the levels medium and high that it meets; those that only repeat the policies don't count.
    """

    mutant: Mutant
    planning: str
    inventory: tuple[str, ...]
    policies: tuple[str, ...]
    review: tuple[str, ...]

    @property
    def escaped(self) -> bool:
        """Whether nothing found it."""
        return not (self.planning or self.inventory or self.policies or self.review)


def judge(mutants: Sequence[Mutant], folder: Path, ui: Ui) -> list[Caught]:
    """Plant each mistake in a copy of its own below a folder, and let all judges look at them."""
    folder = folder.resolve()
    roots = {mutant.key: plant(mutant, folder / "planted" / mutant.key) for mutant in mutants}
    differing, unplanned = by_inventories(mutants, roots, folder / "inventories", ui)
    units = [unit for mutant in mutants for unit in units_of(mutant, roots[mutant.key], folder / "head")]
    comparison, bases = compared(units, folder, ui)
    findings = by_policies(units, comparison.failed, folder, ui)
    unplanned |= {_mutant_of(name): why for name, why in comparison.failed.items()}
    rules = by_rules(comparison, units, bases)
    by_mutant = {mutant.key: [unit.name for unit in units if _mutant_of(unit.name) == mutant.key] for mutant in mutants}
    return [
        Caught(
            mutant,
            unplanned.get(mutant.key, ""),
            tuple(differing.get(mutant.key, ())),
            _together(findings, by_mutant[mutant.key]),
            _together(rules, by_mutant[mutant.key]),
        )
        for mutant in mutants
    ]


def _together(found: Mapping[str, Iterable[str]], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({each for name in names for each in found.get(name, ())}))


def _mutant_of(unit: str) -> str:
    return unit.partition("_")[0]


# ------------------------------------------------------------------------------------------------ planting


def plant(mutant: Mutant, folder: Path) -> Path:
    """Write the sources that a mutant needs, with its mistake, into a folder; return it."""
    if mutant.in_stack:
        for part in trees.PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        for module in closure(mutant.owner):
            ignored = shutil.ignore_patterns(".terraform*", "tests", "standin", "README.md")
            shutil.copytree(MODULES / module, folder / "modules" / module, ignore=ignored)
    for file, text in mutant.texts.items():
        (folder / ("stacks" if mutant.in_stack else "modules") / file).write_text(text)
    return folder


def closure(module: str) -> list[str]:
    """Return a module and those beside it that it is made of."""
    found, waiting = [], [module]
    while waiting:
        name = waiting.pop()
        found.append(name)
        texts = [file.read_text() for file in sorted((MODULES / name).glob("*.tf"))]
        waiting += [each for text in texts for each in _SIBLINGS.findall(text) if each not in found]
    return found


# ----------------------------------------------------------------------------------------------- inventories


def by_inventories(
    mutants: Sequence[Mutant], roots: Mapping[str, Path], folder: Path, ui: Ui
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return, by mutant, the lines in which inventories differ, and why some can't be planned."""
    placed: dict[str, tuple[Example, Path]] = {}
    for mutant in mutants:
        if not mutant.in_stack:
            copied = shutil.copytree(roots[mutant.key] / "modules", folder / mutant.key / "modules")
            for example in inventory.examples():
                if example.module == mutant.owner:
                    placed[f"{mutant.key}_{example.key}"] = (example, Path(copied))
    found: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    with ui.step("comparing with the inventories"):
        while placed:
            try:
                planned = inventory.plan_placed(placed, folder)
                break
            except TerraformError as error:
                broken = {_mutant_of(key) for key in placed} & set(re.findall(r"\b(m\d+)[_/]", str(error)))
                if not broken:
                    raise
                failed |= {key: _reason(str(error), key) for key in broken}
                placed = {key: each for key, each in placed.items() if _mutant_of(key) not in failed}
    for key, (example, _) in placed.items():
        found.setdefault(_mutant_of(key), []).extend(inventory.compare(example, planned[key]))
    return found, failed


def _reason(text: str, key: str) -> str:
    """Return the error that names a mutant, in one line; Terraform tells it as JSON or, while it reads, as text."""
    found = re.search(rf'"detail":"((?:[^"\\]|\\.)*)"[^\n]*\b{key}[_/]', text)
    if found:
        return str(json.loads(f'"{found[1]}"'))
    found = re.search(rf"Error: ([^\n]+)\n(?:(?!Error: ).)*?\b{key}[_/]", text, re.DOTALL)
    return found[1].strip() if found else "it can't be planned"


# -------------------------------------------------------------------------------------- policies and review


@dataclass(frozen=True)
class Unit:
    """An example or a stack with one mistake, as a review compares it.

    Parameters
    ----------
    name : str
        Its name in both merged roots.
    template : str
        The name under which the base knows it without the mistake.
    after : Synthesised
        With the mistake.
    """

    name: str
    template: str
    after: Synthesised


def units_of(mutant: Mutant, root: Path, head: Path) -> list[Unit]:
    """Return what a mutant is judged on; nothing where it is on a cloud whose provider can't be had here."""
    if mutant.in_stack:
        name = f"{mutant.key}_{module_of(mutant.owner)}"
        return [Unit(name, f"base_{mutant.owner}", stack_of(mutant.owner, root, head, name))]
    found = []
    for example in inventory.examples():
        if example.module == mutant.owner and example.provider == "aws":
            name = f"{mutant.key}_{example.key}"
            found.append(Unit(name, example.key, example_of(example, root / "modules", head, name)))
    return found


def example_of(example: Example, modules: Path, folder: Path, name: str) -> Synthesised:
    """Return an example as a stack that calls it, for a merged root in a folder."""
    block = inventory.call(example, modules, modules.parent)
    block["source"] = os.path.relpath(example.folder(modules), folder / name)
    regions = [inventory.HOME_REGION, *(alias.replace("_", "-") for alias in example.aliases(modules))]
    offline = targets.offline()
    providers = [
        ({"alias": region.replace("-", "_")} if number else {}) | offline.provider(region, TAGS)
        for number, region in enumerate(regions)
    ]
    sources = {
        str(file.relative_to(modules)): file.read_text()
        for module in closure(example.module)
        for file in sorted((modules / module).rglob("*.tf"))
    }
    digest = hashlib.sha256(json.dumps([sources, providers, block | {"source": ""}], sort_keys=True).encode())
    configuration = {"provider": {"aws": providers}, "module": {"example": block}}
    return Synthesised(name, configuration, TAGS, fingerprint=digest.hexdigest())


def stack_of(stack: str, root: Path, folder: Path, name: str) -> Synthesised:
    """Synthesise a stack of a checkout, under another name, for a merged root in a folder."""
    built = folder.parent / "synthesised" / name
    trees._synthesise(root, built, [stack])
    made = trees._read("head", root, built).stacks[stack]
    configuration = json.loads(json.dumps(made.configuration))
    for block in configuration.get("module", {}).values():
        block["source"] = os.path.relpath((built / module_of(stack) / block["source"]).resolve(), folder / name)
    return replace(made, id=name, configuration=configuration)


def compared(units: Sequence[Unit], folder: Path, ui: Ui) -> tuple[planning.Comparison, dict[str, Synthesised]]:
    """Compare all units with their bases in one plan; return the comparison, and the bases by unit.

    The base is settled once for each example and stack, however many mistakes are made in it.
    """
    before, after = folder / "base", folder / "head"
    templates = {name: base_of(name, before) for name in sorted({unit.template for unit in units})}
    tree = Tree("base", ROOT, before, templates)
    if failed := planning.compare(tree, tree, list(templates), ui).failed:
        name, why = min(failed.items())
        raise OrreryError(
            f"{name} can't be settled without a mistake: {why}", next_step="see infra/review/synthetic.py"
        )
    clones = {unit.name: replace(templates[unit.template], id=unit.name) for unit in units}
    base = Tree("base", ROOT, before, clones)
    for unit in units:
        planning.keep_as(tree, unit.template, base, unit.name)
    head = Tree("head", folder, after, {unit.name: unit.after for unit in units})
    return planning.compare(base, head, [unit.name for unit in units], ui), clones


def by_policies(units: Sequence[Unit], failed: Container[str], folder: Path, ui: Ui) -> dict[str, list[str]]:
    """Return, by unit, the checks that fail and don't without the mistake, on plans from nothing as a scan has them."""
    planned = [unit for unit in units if unit.name not in failed]
    if not planned:
        return {}
    before, after = folder / "base", folder / "head"
    templates = {name: base_of(name, before) for name in sorted({unit.template for unit in planned})}
    trees_ = (
        Tree("base", ROOT, before, templates),
        Tree("head", folder, after, {unit.name: unit.after for unit in planned}),
    )
    plans = [scan.Planned(planning.creation(each, list(each.stacks), ui), each.folder, ROOT) for each in trees_]
    old, new = (_by_unit(each) for each in scan.findings(plans, ui))
    return {
        unit.name: sorted(
            check for check, _ in new.get(module_of(unit.name), set()) - old.get(module_of(unit.template), set())
        )
        for unit in planned
    }


def base_of(name: str, folder: Path) -> Synthesised:
    """Return an example or a stack as it is."""
    for example in inventory.examples():
        if example.key == name:
            return example_of(example, MODULES, folder, name)
    return stack_of(name.removeprefix("base_"), STACKS.parent, folder, name)


def _by_unit(findings: Iterable[scan.Finding]) -> dict[str, set[tuple[str, str]]]:
    """Return (check, address within the unit) by the unit's module in the merged root."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in findings:
        match = re.match(r"module\.(\w+)\.(.*)", each.address)
        if match:
            found.setdefault(match[1], set()).add((each.check_id, match[2]))
    return found


def by_rules(
    comparison: planning.Comparison, units: Sequence[Unit], bases: Mapping[str, Synthesised]
) -> dict[str, list[str]]:
    """Return by unit which of the review's rules it meets, of those that are more than an ordinary change."""
    names = [unit.name for unit in units]
    deltas = sorted(comparison.deltas, key=lambda each: (each.stack, each.address))
    lost = losses(deltas, model.neighbours(comparison, names))
    access = access_changes(deltas, model.within_stacks(comparison.expected, names))
    tags = {unit.name: unit.after.tags for unit in units}
    guards = [*lowered(deltas), *lowered_classes({name: base.tags for name, base in bases.items()}, tags)]
    found = {}
    for name in names:
        reasons = model.judge(
            _of(deltas, name), _of(lost, name), _of(guards, name), _of(access, name), failed={}, unsettled=()
        )
        found[name] = [each.rule for each in reasons if each.level in ("medium", "high")]
    return found


def _of(found: Iterable[Any], stack: str) -> list[Any]:
    return [each for each in found if each.stack == stack]
