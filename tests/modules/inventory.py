"""What each module's examples would create, planned offline and kept as one JSON file per example.

All examples are planned together, as children of one root: starting the AWS provider costs seconds, a resource almost
nothing. AWS is planned by its real provider. The other clouds' providers are schema-only, so ``mock_provider`` stands
for what they would compute; what a module sets is planned just the same. ``terraform test`` does both in one plan.

An inventory holds the number of resources by type, every value known while planning, and the outputs of the modules, so
that whatever a change to a module does stands in its diff. ``<unknown>`` marks what is set, and known only after the
apply. To write them anew::

    python -m tests.modules.inventory --write [module ...]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.paths import MODULES
from infra.stack import PROVIDERS
from tests.modules.terraform_cli import copy_of_modules, run

INVENTORIES = Path(__file__).parent / "inventories"
HOME_REGION = "us-east-1"
UNKNOWN = "<unknown>"
OFFLINE_PROVIDER = {
    "skip_credentials_validation": True,
    "skip_metadata_api_check": "true",
    "skip_requesting_account_id": True,
    "max_retries": 1,
}
_ALIASES = re.compile(r"configuration_aliases\s*=\s*\[([^\]]*)\]")
_CALLS = re.compile(r'^module "(\w+)"', re.MULTILINE)
_VARIABLES = re.compile(r'^variable "(\w+)"', re.MULTILINE)

Inventory = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """One folder ``modules/<module>/examples/<case>``."""

    module: str
    case: str

    @property
    def key(self) -> str:
        """The name of its inventory, and of its call in the merged root."""
        return f"{self.module}_{self.case}"

    @property
    def inventory(self) -> Path:
        """The file with what it is expected to create."""
        return INVENTORIES / f"{self.key}.json"

    @property
    def provider(self) -> str:
        """The provider that its module is written for."""
        facts = tomllib.loads((MODULES / self.module / "module.toml").read_text())
        return str(facts.get("provider", "aws"))

    def folder(self, modules: Path) -> Path:
        """Return its folder in a copy of the modules."""
        return modules / self.module / "examples" / self.case

    def text(self, modules: Path) -> str:
        """Return how it is written in a copy of the modules."""
        return (self.folder(modules) / "main.tf").read_text()

    def aliases(self, modules: Path) -> list[str]:
        """Return the provider aliases that it declares; an alias is a region with underscores."""
        declared = _ALIASES.search(self.text(modules))
        return re.findall(r"aws\.(\w+)", declared[1]) if declared else []


def examples() -> list[Example]:
    """Return all examples."""
    found = (Example(path.parts[-4], path.parts[-2]) for path in MODULES.glob("*/examples/*/main.tf"))
    return sorted(found, key=lambda example: example.key)


Placed = Mapping[str, tuple[Example, Path]]
"""By the name of its call in the merged root: an example, and the copy of the modules that it is planned with."""


def merged_root(placed: Placed, folder: Path) -> dict[str, Any]:
    """Return a configuration in a folder with each example as a child module, and its outputs."""
    chosen = [example for example, _ in placed.values()]
    aliases = sorted({alias for example, modules in placed.values() for alias in example.aliases(modules)})
    providers = sorted({example.provider for example in chosen})
    calls = {key: call(example, modules, folder) for key, (example, modules) in placed.items()}
    root: dict[str, Any] = {
        "terraform": {"required_providers": {name: PROVIDERS[name] for name in providers}},
        "module": calls,
        "output": {key: {"value": f"${{module.{key}}}", "sensitive": True} for key in calls},
    }
    if "aws" in providers:
        regional = [{"alias": alias, "region": alias.replace("_", "-")} for alias in aliases]
        root["provider"] = {
            "aws": [OFFLINE_PROVIDER | {"region": HOME_REGION}, *(OFFLINE_PROVIDER | r for r in regional)]
        }
    return root


def call(example: Example, modules: Path, folder: Path) -> dict[str, Any]:
    """Return the block that calls an example from a configuration in a folder."""
    found: dict[str, Any] = {"source": f"./{example.folder(modules).relative_to(folder)}"}
    found |= dict.fromkeys(_VARIABLES.findall(example.text(modules)), "asked-for")
    if aliases := example.aliases(modules):
        found["providers"] = {"aws": "aws", **{f"aws.{alias}": f"aws.{alias}" for alias in aliases}}
    return found


def plan(chosen: Iterable[Example], folder: Path) -> dict[str, Inventory]:
    """Plan examples against the copy of the modules in ``folder``; return an inventory by `Example.key`."""
    return plan_placed({example.key: (example, folder / "modules") for example in chosen}, folder)


def plan_placed(placed: Placed, folder: Path) -> dict[str, Inventory]:
    """Plan examples, each against its own copy of the modules below ``folder``; return an inventory by name.

    Raises
    ------
    TerraformError
        They can't be planned.
    """
    for example, modules in placed.values():
        called = _CALLS.findall(example.text(modules))
        outputs = {name: {"value": f"${{module.{name}}}", "sensitive": True} for name in called}
        (example.folder(modules) / "outputs_of_modules.tf.json").write_text(json.dumps({"output": outputs}))
    root = merged_root(placed, folder)
    (folder / "main.tf.json").write_text(json.dumps(root))
    mocked = "".join(
        f'mock_provider "{name}" {{}}\n' for name in root["terraform"]["required_providers"] if name != "aws"
    )
    (folder / "examples.tftest.hcl").write_text(mocked + 'run "examples" {\n  command = plan\n}\n')
    run(folder, "init", "-backend=false", "-input=false", "-no-color")
    events = map(json.loads, run(folder, "test", "-json", "-verbose").splitlines())
    planned = next(event["test_plan"] for event in events if "test_plan" in event)
    return {key: take_inventory(planned, key) for key in placed}


def take_inventory(planned: Mapping[str, Any], key: str) -> Inventory:
    """Return what one example of a plan is: counts by type, known values by address, outputs by module call."""
    prefix = f"module.{key}."
    values, counts = {}, Counter[str]()
    for one in planned["resource_changes"]:
        if one["address"].startswith(prefix) and one["mode"] == "managed":
            schema = planned["provider_schemas"][one["provider_name"]]["resource_schemas"][one["type"]]
            after = mark_unknown(one["change"]["after"], one["change"]["after_unknown"], schema["block"])
            values[one["address"].removeprefix(prefix)] = known(after)
            counts[one["type"]] += 1
    outputs = planned["output_changes"][key]
    return {
        "resources": dict(sorted(counts.items())),
        "values": dict(sorted(values.items())),
        "outputs": known(fill(outputs["after"], outputs["after_unknown"])),
    }


def mark_unknown(value: Any, unknown: Any, block: Mapping[str, Any]) -> Any:
    """Return a block's planned value with `UNKNOWN` where an argument is set to something known only after the apply.

    What the provider computes is unknown as well, and says nothing: it gets no mark, and so doesn't an argument that the
    provider would also compute by itself.
    """
    marked = dict(value)
    for name, state in unknown.items():
        attribute, inner = block.get("attributes", {}).get(name), block.get("block_types", {}).get(name)
        if inner and isinstance(state, list):
            pairs = zip(marked.get(name) or [], state, strict=False)
            marked[name] = [mark_unknown(each, its, inner["block"]) for each, its in pairs]
        elif inner and isinstance(state, dict) and marked.get(name):
            marked[name] = mark_unknown(marked[name], state, inner["block"])
        elif attribute and (state is not True or not attribute.get("computed")):
            marked[name] = fill(marked.get(name), state)
    return marked


def fill(value: Any, unknown: Any) -> Any:
    """Return a value with `UNKNOWN` wherever it is unknown."""
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, dict) and unknown:
        return {**(value or {}), **{name: fill((value or {}).get(name), state) for name, state in unknown.items()}}
    if isinstance(unknown, list) and isinstance(value, list):
        return [fill(each, state) for each, state in zip(value, unknown, strict=False)]
    return value


def known(value: Any) -> Any:
    """Return a planned value without what says nothing (null, empty), and with JSON documents opened."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return known(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict):
        opened = {name: known(item) for name, item in sorted(value.items()) if name != "tags_all"}
        return {name: item for name, item in opened.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [known(item) for item in value]
    return value


def differences(expected: Any, planned: Any, where: str = "") -> list[str]:
    """Return a line for each value in which two inventories differ, with its path."""
    if isinstance(expected, dict) and isinstance(planned, dict):
        names = sorted(expected.keys() | planned.keys())
        return [
            line
            for name in names
            for line in differences(expected.get(name), planned.get(name), f"{where}.{name}" if where else name)
        ]
    if isinstance(expected, list) and isinstance(planned, list) and len(expected) == len(planned):
        pairs = enumerate(zip(expected, planned, strict=True))
        return [line for index, (was, now) in pairs for line in differences(was, now, f"{where}[{index}]")]
    return [] if expected == planned else [f"{where}: expected {short(expected)}, planned {short(planned)}"]


def short(value: Any) -> str:
    """Return a value as JSON that fits on a line."""
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def write(inventories: Mapping[str, Inventory], chosen: Iterable[Example]) -> list[Path]:
    """Write the examples' inventories, and return the files whose content changed."""
    changed = []
    INVENTORIES.mkdir(exist_ok=True)
    for example in chosen:
        text = json.dumps(inventories[example.key], indent=2, ensure_ascii=False) + "\n"
        if not example.inventory.exists() or example.inventory.read_text() != text:
            example.inventory.write_text(text)
            changed.append(example.inventory)
    return changed


def main(arguments: list[str]) -> int:
    """Compare the inventories with a plan, or write them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.modules.inventory", description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the inventories instead of comparing them")
    parser.add_argument("modules", nargs="*", help="only these modules' examples")
    wanted = parser.parse_args(arguments)
    chosen = [example for example in examples() if not wanted.modules or example.module in wanted.modules]
    if not chosen:
        parser.error(f"no examples for {', '.join(wanted.modules)}")
    with tempfile.TemporaryDirectory() as folder:
        copy_of_modules(Path(folder))
        planned = plan(chosen, Path(folder))
    if wanted.write:
        for path in write(planned, chosen):
            print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
        return 0
    lines = [line for example in chosen for line in compare(example, planned[example.key])]
    print("\n".join(lines) or "the inventories are up to date")
    return 1 if lines else 0


def compare(example: Example, planned: Inventory) -> list[str]:
    """Return how a planned example differs from its inventory."""
    if not example.inventory.exists():
        return [f"{example.key}: no inventory; write it with: python -m tests.modules.inventory --write"]
    expected = json.loads(example.inventory.read_text())
    return [f"{example.key}: {line}" for line in differences(expected, planned)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
