"""Policy checks by checkov: over the modules as written, and over the plan of every stack.

The modules show the line of a mistake; the plan shows what a stack makes of them. The plan is the merged root of
all stacks, for AWS, offline. Two things are done to it, so that its findings are true ones:

- A value that is set, but known only after the apply (the ARN of a key in the same plan), counts as set.
- A skip that stands in a module beside its resource, with its reason, counts for that resource in the plan too. What
  a stack decides against a check's advice stands in its ``stack.toml`` under ``[[accepted]]``, with the reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from infra import catalog, envs
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import MODULES, ROOT, STATE
from infra.plan import merged_plan, module_name


def scan(ui: Ui, folder: Path | None = None) -> None:
    """Scan the modules and the plans of all stacks, or one folder of Terraform files.

    Parameters
    ----------
    ui : Ui
        Where to print.
    folder : Path, optional
        Scan only this folder.

    Raises
    ------
    OrreryError
        checkov found something, or checked nothing at all (a scan that sees no resource must not look clean).
    """
    checkov = envs.ensure("scan", say=ui.note).with_name("checkov")
    if folder:
        _report([_checkov(checkov, ["--directory", str(folder), "--framework", "terraform"], ui)], ui)
        return
    modules = _checkov(checkov, ["--directory", str(MODULES), "--framework", "terraform"], ui)
    plan = merged_plan(ui)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "tfplan.json"
        file.write_text(json.dumps(fill_unknowns(plan), indent=1))
        plans = _checkov(checkov, ["--file", str(file), "--framework", "terraform_plan"], ui)
    _report([modules, without_accepted(plans, sources(plan), accepted_by_stacks())], ui)


Address = str
Source = dict[str, Any]


def _walk(module: dict[str, Any], folder: Path, prefix: str) -> Iterator[tuple[Address, Source]]:
    """Yield each resource of a plan's configuration: its address without indexes, its folder and its expressions."""
    for resource in module.get("resources", []):
        yield prefix + resource["address"], {**resource, "folder": folder}
    for name, call in module.get("module_calls", {}).items():
        inner = (folder / call["source"]).resolve()
        yield from _walk(call["module"], inner, f"{prefix}module.{name}.")


def sources(plan: dict[str, Any]) -> dict[Address, Source]:
    """Return where each resource of the merged plan is written: folder, type, name, expressions."""
    root = STATE / "stacks" / "_merged"
    return dict(_walk(plan["configuration"]["root_module"], root, ""))


def fill_unknowns(plan: dict[str, Any]) -> dict[str, Any]:
    """Give each attribute that refers to something else a value, where the value is known only after the apply.

    Attributes that nobody set stay unknown: they are what a check should see.
    """
    filled: dict[str, Any] = json.loads(json.dumps(plan))
    written = sources(plan)
    changes = {change["address"]: change["change"] for change in filled["resource_changes"]}

    def fill(module: dict[str, Any]) -> None:
        for resource in module.get("resources", []):
            source, change = written.get(without_indexes(resource["address"])), changes.get(resource["address"])
            if source and change:
                expressions = source.get("expressions", {})
                _fill(resource.get("values") or {}, change.get("after_unknown") or {}, expressions)
                _fill(change["after"] or {}, change.get("after_unknown") or {}, expressions)
        for child in module.get("child_modules", []):
            fill(child)

    fill(filled["planned_values"]["root_module"])
    return filled


def _fill(values: dict[str, Any], unknown: dict[str, Any], expressions: dict[str, Any]) -> None:
    for name, state in unknown.items():
        expression = expressions.get(name)
        if state is True and isinstance(expression, dict) and expression.get("references"):
            values[name] = "known-after-apply"
        elif isinstance(state, list) and isinstance(expression, list) and isinstance(values.get(name), list):
            for value, inner, block in zip(values[name], state, expression, strict=False):
                if isinstance(value, dict) and isinstance(inner, dict) and isinstance(block, dict):
                    _fill(value, inner, block)


def without_indexes(address: Address) -> Address:
    """Drop ``[0]`` and ``["key"]`` from an address."""
    return re.sub(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]', "", address)


def accepted_by_stacks() -> dict[tuple[str, str], str]:
    """Return what stacks accept: (module address prefix, check id) to the reason.

    Raises
    ------
    OrreryError
        An entry has no reason.
    """
    found: dict[tuple[str, str], str] = {}
    for info in catalog.load().values():
        for entry in info.accepted:
            if len(entry.get("reason", "")) < 20:
                raise OrreryError(
                    f"stacks/{info.id}/stack.toml accepts {entry.get('check')} without a reason",
                    next_step="write down why, so that a reviewer can agree or not",
                )
            found[f"module.{module_name(info)}.module.{entry['module']}.", entry["check"]] = entry["reason"]
    return found


def without_accepted(
    result: dict[str, Any], written: dict[Address, Source], accepted: dict[tuple[str, str], str]
) -> dict[str, Any]:
    """Move the findings that a module or a stack skips with a reason from the failed to the skipped ones."""
    kept = []
    for finding in result["results"]["failed_checks"]:
        address = without_indexes(finding["resource"])
        source, check = written.get(address), finding["check_id"]
        skipped = source is not None and check in skips(source["folder"], source["type"], source["name"])
        if skipped or any(address.startswith(where) and check == which for where, which in accepted):
            result["summary"]["failed"] -= 1
            result["summary"]["skipped"] += 1
            continue
        if source is not None:
            finding = {**finding, "file_path": os.path.relpath(source["folder"], ROOT), "file_line_range": []}
        kept.append(finding)
    result["results"]["failed_checks"] = kept
    return result


@cache
def skips(folder: Path, kind: str, name: str) -> dict[str, str]:
    """Return the checks that a resource skips, by comments within its block: check id to reason."""
    opening = re.compile(rf'^resource "{re.escape(kind)}" "{re.escape(name)}" {{$(.*?)^}}$', re.MULTILINE | re.DOTALL)
    for file in sorted(folder.glob("*.tf")):
        block = opening.search(file.read_text())
        if block:
            return dict(re.findall(r"#\s*checkov:skip=(\w+):\s*(\S.*)", block[1]))
    return {}


def _checkov(checkov: Path, arguments: Sequence[str], ui: Ui) -> dict[str, Any]:
    command = [
        str(checkov),
        *arguments,
        "--skip-download",
        "--output",
        "json",
        "--config-file",
        str(ROOT / ".checkov.yaml"),
    ]
    ui.command(command)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with ui.step(f"scanning {arguments[1]}"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    try:
        result = json.loads(done.stdout)
    except ValueError as error:
        raise OrreryError("checkov failed", next_step="--verbose shows what it said", details=done.stderr) from error
    found: dict[str, Any] = result[0] if isinstance(result, list) else result
    if not found.get("summary", {}).get("passed"):
        raise OrreryError(
            f"checkov checked nothing in {arguments[1]}", next_step="is there Terraform in it?", details=done.stderr
        )
    return found


def _report(results: Sequence[dict[str, Any]], ui: Ui) -> None:
    failed = 0
    for result in results:
        summary, checks = result["summary"], result["results"]["failed_checks"]
        kind = result["check_type"]
        ui.say(f"checkov {kind}: {summary['passed']} passed, {summary['failed']} failed, {summary['skipped']} skipped")
        failed += summary["failed"]
        for each in checks:
            where = ":".join([each["file_path"], *map(str, each["file_line_range"][:1])])
            ui.say(f"  {each['check_id']} {each['resource']}: {each['check_name']} ({where})")
    if failed:
        raise OrreryError(
            f"checkov has {failed} findings",
            next_step="mend them, or skip one beside its resource with a reason that a reviewer would accept",
        )
