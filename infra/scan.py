"""Policy checks by checkov and by the project's own policies: over the modules as written, and over plans.

The modules show the line of a mistake; the plan shows what a stack makes of them. The plan is the merged root of
all stacks, for AWS, offline, with what policies need to know beside it (`infra.enrich`). All runs share one process.

A skip that stands in a module beside its resource, with its reason, counts for that resource in the plan too. What a
stack decides against a check's advice stands in its ``stack.toml`` under ``[[accepted]]``, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from infra import envs, reports
from infra.enrich import Configuration, Source, enrich, without_indexes
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import MODULES, ROOT
from infra.plan import MERGED, merged_plan, module_of
from infra.policies import SETTINGS

Accepted = Mapping[tuple[str, str], str]


@dataclass(frozen=True, order=True)
class Finding:
    """One check's answer about one resource.

    Parameters
    ----------
    check_id, title : str
        Such as ``ORR_6`` and what it wants.
    severity : str
        low, medium, high or critical; empty for checkov's own checks, which have none.
    address : str
        Of the resource: in the plan, or within its module.
    file : str
        Where it is written, relative to the checkout.
    line : int
        Where its block begins; 0 where that isn't known.
    guideline : str
        Where a reader finds more; may be empty.
    last_line : int
        Where its block ends.
    state : {"failed", "passed", "skipped"}
        What was found.
    suppressed : {"", "inSource", "external"}
        Where a skip stands: in the ``.tf`` file, or in the ``stack.toml``.
    reason : str
        Why it is skipped.
    """

    check_id: str
    title: str
    severity: str
    address: str
    file: str
    line: int
    guideline: str
    last_line: int = 0
    state: Literal["failed", "passed", "skipped"] = "failed"
    suppressed: Literal["", "inSource", "external"] = ""
    reason: str = ""


@dataclass(frozen=True)
class Planned:
    """A plan to judge.

    Parameters
    ----------
    plan : dict
        A merged root's plan in Terraform's JSON form.
    folder : Path
        Where it was planned; the sources of its modules are relative to that.
    checkout : Path
        The checkout whose files it was made of: this one, or that of a base branch.
    """

    plan: dict[str, Any]
    folder: Path = MERGED
    checkout: Path = ROOT


@dataclass(frozen=True)
class Result:
    """All answers of one run, sorted."""

    framework: str
    passed: tuple[Finding, ...] = ()
    failed: tuple[Finding, ...] = ()
    skipped: tuple[Finding, ...] = ()


def scan(ui: Ui, folder: Path | None = None, *, sarif: Path | None = None, junit: Path | None = None) -> None:
    """Scan the modules and the plans of all stacks, or one folder of Terraform files.

    Parameters
    ----------
    ui : Ui
        Where to print.
    folder : Path, optional
        Scan only this folder, as written, without a plan.
    sarif, junit : Path, optional
        Write the answers to these files too; they are written before findings fail the command.

    Raises
    ------
    OrreryError
        Something was found, or nothing was checked at all (a scan that sees no resource must not look clean).
    """
    results = judge([folder], [], ui) if folder else judge([MODULES], [Planned(merged_plan(ui))], ui)
    for file, report in ((sarif, reports.sarif), (junit, reports.junit)):
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(report(results))
    _report(results, ui)


def findings(plans: Sequence[Planned], ui: Ui) -> list[list[Finding]]:
    """Return what is wrong in each plan, without what is skipped or accepted; one process judges them all.

    Parameters
    ----------
    plans : sequence of Planned
        Such as the merged roots of a base branch and of the head.
    ui : Ui
        Where to show progress.
    """
    return [list(result.failed) for result in judge([], plans, ui)]


def delta(base: Iterable[Finding], head: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Return the findings that the head adds, and those of the base that it mends; lines may have moved."""
    was = {(each.check_id, each.address): each for each in base}
    now = {(each.check_id, each.address): each for each in head}
    added = [now[key] for key in sorted(now.keys() - was.keys())]
    return added, [was[key] for key in sorted(was.keys() - now.keys())]


def judge(folders: Sequence[Path], plans: Sequence[Planned], ui: Ui) -> list[Result]:
    """Run all checks over folders as written and over plans; return the answers of each, in this order.

    Raises
    ------
    OrreryError
        checkov failed, could not run a check or read a file, or found nothing to check.
    """
    known = [_Known(each) for each in plans]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = [{"folder": str(folder)} for folder in folders]
        for number, each in enumerate(known):
            file = Path(scratch) / str(number) / "tfplan.json"
            file.parent.mkdir()
            file.write_text(json.dumps(enrich(each.planned.plan, each.configuration), indent=1))
            wanted.append({"plan": str(file)})
        answers = _checkov(wanted, ui)
    places: list[Callable[[Finding], Finding]] = [_in_folder for _ in folders]
    places += [each.placed for each in known]
    return [_result(answer, place) for answer, place in zip(answers, places, strict=True)]


def _result(answer: Mapping[str, Any], place: Callable[[Finding], Finding]) -> Result:
    by_state: dict[str, list[Finding]] = {"passed": [], "failed": [], "skipped": []}
    for record in answer["records"]:
        first, last = (*record.pop("lines"), 0, 0)[:2]
        finding = place(Finding(**record, line=first, last_line=last))
        if finding.state == "skipped" and len(finding.reason) < SETTINGS["reason_letters"]:
            finding = replace(finding, state="failed", suppressed="", reason="")  # a skip without a reason is none
        by_state[finding.state].append(finding)
    return Result(answer["framework"], **{state: tuple(sorted(found)) for state, found in by_state.items()})


def _in_folder(finding: Finding) -> Finding:
    """Finish a finding in HCL: checkov knows the file and the comments in it."""
    suppressed: Literal["", "inSource"] = "inSource" if finding.state == "skipped" else ""
    return replace(finding, file=_relative(Path(finding.file), ROOT), suppressed=suppressed)


def _relative(path: Path, checkout: Path) -> str:
    return path.relative_to(checkout).as_posix() if path.is_relative_to(checkout) else str(path)


@dataclass
class _Known:
    """What is known about a plan when its findings come back."""

    planned: Planned
    configuration: Configuration = field(init=False)
    stacks: dict[str, Path] = field(init=False)
    accepted: Accepted = field(init=False)

    def __post_init__(self) -> None:
        self.configuration = Configuration(self.planned.plan, self.planned.folder)
        self.stacks = _stacks(self.planned.checkout)
        self.accepted = accepted_by_stacks(self.planned.checkout)

    def placed(self, finding: Finding) -> Finding:
        """Say where a finding is written, and whether a module or a stack skips it."""
        address = without_indexes(finding.address)
        source = self.configuration.sources.get(address) or self._stack_file(finding.address)
        finding = replace(
            finding, file=_relative(source.file, self.planned.checkout), line=source.first, last_line=source.last
        )
        if finding.state != "failed":
            return finding
        if finding.check_id in source.skips:
            return replace(finding, state="skipped", suppressed="inSource", reason=source.skips[finding.check_id])
        for (prefix, check), reason in self.accepted.items():
            if check == finding.check_id and address.startswith(prefix):
                return replace(finding, state="skipped", suppressed="external", reason=reason)
        return finding

    def _stack_file(self, address: str) -> Source:
        """Return the place of what has no block of its own: a stack's output, or the provider of a region."""
        user = address if address.startswith("module.") else self.configuration.user_of(address)
        folder = self.stacks.get(user.split(".")[1] if user else "")
        if folder is None:
            return Source(self.planned.folder)
        file, name = folder / "stack.py", address.rpartition(".")[2]
        lines = file.read_text().splitlines()
        marks = (f'"{name}"', "regions =") if user is address else (f'"{name.replace("_", "-")}"', "regions =")
        found = [number for mark in marks for number, line in enumerate(lines, 1) if mark in line]
        first = found[0] if found else 1
        return Source(file, first, first)


def _stacks(checkout: Path) -> dict[str, Path]:
    """Return the folders of a checkout's stacks by their module names in the merged root."""
    base = checkout / "stacks"
    return {
        module_of(file.parent.relative_to(base).as_posix()): file.parent for file in sorted(base.rglob("stack.toml"))
    }


def accepted_by_stacks(checkout: Path = ROOT) -> dict[tuple[str, str], str]:
    """Return what the stacks of a checkout accept: (module address prefix, check id) to the reason.

    Raises
    ------
    OrreryError
        An entry has no reason.
    """
    found: dict[tuple[str, str], str] = {}
    for module, folder in _stacks(checkout).items():
        for entry in tomllib.loads((folder / "stack.toml").read_text()).get("accepted", ()):
            reason = entry.get("reason", "").strip()
            if len(reason) < SETTINGS["reason_letters"]:
                raise OrreryError(
                    f"{_relative(folder / 'stack.toml', checkout)} accepts {entry.get('check')} without a reason",
                    next_step="write down why, so that a reviewer can agree or not",
                )
            found[f"module.{module}.module.{entry['module']}.", entry["check"]] = reason
    return found


def _checkov(wanted: Sequence[Mapping[str, str]], ui: Ui) -> list[dict[str, Any]]:
    """Let `infra.checkov_main` do the runs in the scan environment; return its answers."""
    command = [str(envs.ensure("scan", say=ui.note)), "-P", "-m", "infra.checkov_main"]
    ui.command(command)
    with ui.step("checking policies"):
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise OrreryError("checkov failed", next_step="--verbose shows what it said", details=done.stderr) from error
    unread = [file for each in answer["results"] for file in each["unread"]]
    if answer["trouble"] or unread:
        raise OrreryError(
            "checkov could not check everything",
            next_step="--verbose shows which check failed, or which file it could not read",
            details="\n".join([*answer["trouble"], *unread]),
        )
    for each, run in zip(answer["results"], wanted, strict=True):
        if not each["records"]:
            raise OrreryError(
                f"checkov checked nothing in {run.get('folder', 'the plan')}", next_step="is there Terraform in it?"
            )
    results: list[dict[str, Any]] = answer["results"]
    return results


def _report(results: Sequence[Result], ui: Ui) -> None:
    failed = 0
    for result in results:
        counts = f"{len(result.passed)} passed, {len(result.failed)} failed, {len(result.skipped)} skipped"
        ui.say(f"checkov {result.framework}: {counts}")
        failed += len(result.failed)
        for each in result.failed:
            where = f"{each.file}:{each.line}" if each.line else each.file
            ui.say(f"  {each.check_id} {each.address}: {each.title} ({where})")
    if failed:
        raise OrreryError(
            f"checkov has {failed} findings",
            next_step="mend them, or skip one beside its resource with a reason that a reviewer would accept",
        )
