"""What each module's examples would create on AWS, planned offline and kept as one JSON file per example.

All examples are planned together, as children of one root: starting the provider costs seconds, a resource
almost nothing. An inventory holds the number of resources by type and every value known while planning,
so that whatever a change to a module does to AWS stands in its diff. To write them anew::

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
from tests.modules.terraform_cli import copy_of_modules, run

INVENTORIES = Path(__file__).parent / "inventories"
HOME_REGION = "us-east-1"
OFFLINE_PROVIDER = {
    "skip_credentials_validation": True,
    "skip_metadata_api_check": "true",
    "skip_requesting_account_id": True,
    "max_retries": 1,
}
PROVIDER_VERSION = "5.100.0"
_ALIASES = re.compile(r"configuration_aliases\s*=\s*\[([^\]]*)\]")

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

    def aliases(self, modules: Path) -> list[str]:
        """Return the provider aliases that it declares; an alias is a region with underscores."""
        declared = _ALIASES.search((modules / self.module / "examples" / self.case / "main.tf").read_text())
        return re.findall(r"aws\.(\w+)", declared[1]) if declared else []


def examples() -> list[Example]:
    """Return all examples written for the AWS provider; others have no provider to plan with offline."""
    found = (Example(path.parts[-4], path.parts[-2]) for path in MODULES.glob("*/examples/*/main.tf"))
    return sorted(filter(is_for_aws, found), key=lambda example: example.key)


def is_for_aws(example: Example) -> bool:
    """Tell whether the module's ``module.toml`` names no other provider."""
    facts = tomllib.loads((MODULES / example.module / "module.toml").read_text())
    return bool(facts.get("provider", "aws") == "aws")


def merged_root(chosen: Iterable[Example], modules: Path) -> dict[str, Any]:
    """Return a configuration with each example as a child module."""
    chosen = list(chosen)
    aliases = sorted({alias for example in chosen for alias in example.aliases(modules)})
    calls: dict[str, Any] = {}
    for example in chosen:
        calls[example.key] = {"source": f"./modules/{example.module}/examples/{example.case}"}
        if example.aliases(modules):
            passed = {f"aws.{alias}": f"aws.{alias}" for alias in example.aliases(modules)}
            calls[example.key]["providers"] = {"aws": "aws", **passed}
    regional = [{"alias": alias, "region": alias.replace("_", "-")} for alias in aliases]
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": PROVIDER_VERSION}}},
        "provider": {"aws": [OFFLINE_PROVIDER | {"region": HOME_REGION}, *(OFFLINE_PROVIDER | r for r in regional)]},
        "module": calls,
    }


def plan(chosen: Iterable[Example], folder: Path) -> dict[str, Inventory]:
    """Plan examples against the copy of the modules in ``folder``; return an inventory by `Example.key`."""
    chosen = list(chosen)
    (folder / "main.tf.json").write_text(json.dumps(merged_root(chosen, folder / "modules")))
    run(folder, "init", "-backend=false", "-input=false", "-no-color")
    run(folder, "plan", "-input=false", "-no-color", "-lock=false", "-out=saved.tfplan")
    shown = json.loads(run(folder, "show", "-json", "saved.tfplan"))
    return {example.key: take_inventory(shown["resource_changes"], f"module.{example.key}.") for example in chosen}


def take_inventory(changes: Iterable[Mapping[str, Any]], prefix: str) -> Inventory:
    """Return what the resources below a module address are: counts by type, and known values by address."""
    mine = [change for change in changes if change["address"].startswith(prefix) and change["mode"] == "managed"]
    values = {change["address"].removeprefix(prefix): known(change["change"]["after"]) for change in mine}
    return {
        "resources": dict(sorted(Counter(change["type"] for change in mine).items())),
        "values": dict(sorted(values.items())),
    }


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
