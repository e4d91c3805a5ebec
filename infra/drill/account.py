"""``orrery drill … --target aws``: what is checked, said and asked before anything is broken in an account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra import deploy, targets
from infra import stack as stacks
from infra.catalog import StackInfo
from infra.drill import aws, estimate
from infra.drill.experiment import checked_faults
from infra.drill.ground import Context
from infra.drill.workload import Plan
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import STATE


def check(info: StackInfo, file: Path, hurry: float) -> None:
    """Refuse what can't be done in an account, before anybody is asked for credentials.

    Raises
    ------
    OrreryError
        The drill is in a hurry, the stack says nothing of AWS, or an experiment has faults that AWS can't do.
    """
    if hurry != 1:
        raise OrreryError(
            "--hurry divides times, and on AWS they are what they are", next_step="leave it out, or drill locally"
        )
    wanted = _settings(info)
    functions = dict(wanted["functions"])
    role = "to come" if info.settings.get("drill_role") else ""
    parts = aws.Parts(info.slug, "", functions, wanted["table"], wanted["buckets"], {}, role)
    aws.refuse(read(file), file, parts)


def confirm(at: deploy.Session, plan: Plan, file: Path, *, yes: bool) -> None:
    """Say what will be done and what it costs, and go on only when somebody says yes; then mend what is left.

    Raises
    ------
    OrreryError
        Nobody said yes, or what a killed drill left could not be undone.
    """
    info, ui, experiment = at.stack.info, at.ui, read(file)
    parts, undo = parts_of(at), aws.Undo(at.terraform.folder / aws.FILE)
    strikes, left = aws.refuse(experiment, file, parts), undo.read()
    rows = estimate.rows(info.settings["drill"], plan, experiment, strikes, parts)
    title = f"{info.id} in account {parts.account}, {file.stem}"
    for line in estimate.text(title, rows, plan, experiment, strikes, left):
        ui.say(line)
    if not yes:
        deploy.ask(f"This breaks {info.id} in account {parts.account} on purpose, and costs money.")
    tidy(at)


def tidy(at: deploy.Session) -> None:
    """Undo what the drill's own process left, where it was killed and this one was not.

    Raises
    ------
    OrreryError
        Something could not be undone.
    """
    undo = aws.Undo(at.terraform.folder / aws.FILE)
    if undo.read():
        aws.mend(undo, _clients(at.target, at.stack.regions), at.target.account_id, at.ui.say)


def mend(info: StackInfo, target: str, ui: Ui) -> None:
    """Undo what a drill that was killed left in an account; needs neither Terraform nor its state.

    Raises
    ------
    OrreryError
        It is not about AWS, or something could not be undone.
    """
    if target != "aws":
        raise OrreryError(
            "local faults end by themselves: a drill that is killed loses them with their lease",
            next_step="--mend is for --target aws",
        )
    folder = STATE / "stacks" / info.slug / target
    with deploy.lock(folder, info.id):
        undo = aws.Undo(folder / aws.FILE)
        if undo.read():
            there = targets.aws()
            aws.mend(undo, _clients(there, stacks.load_class(info).regions), there.account_id, ui.say)
        ui.say(f"{info.id}: no drill of this checkout has left anything broken")


def told(at: deploy.Session) -> dict[str, Any]:
    """Return what the drill's own process has to know of the account; credentials it finds itself."""
    parts = parts_of(at)
    file = str(at.terraform.folder / aws.FILE)
    return {"name": "aws", "account": parts.account, "parts": asdict(parts), "faults": file}


def parts_of(at: deploy.Session) -> aws.Parts:
    """Return the parts of a deployed stack that a drill strikes."""
    info, outputs, wanted = at.stack.info, at.live().outputs, _settings(at.stack.info)
    return aws.Parts(
        info.slug,
        at.target.account_id,
        {region: at.stack.physical(name) for region, name in wanted["functions"].items()},
        str(outputs[wanted["table"]]),
        {region: str(outputs[name]) for region, name in wanted["buckets"].items()},
        {"stack": at.stack.tags["stack"], **wanted.get("tags", {})},
        str(outputs.get(wanted["role"], "")),
        dict(wanted.get("homes", {})),
    )


def read(file: Path) -> dict[str, Any]:
    """Return an experiment whose faults are whole.

    Raises
    ------
    OrreryError
        It is none: with file and line.
    """
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        checked_faults(found, file)
    except json.JSONDecodeError as error:
        raise OrreryError(f"{file.name}:{error.lineno}: {error}", next_step="mend the experiment") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise OrreryError(
            f"{file.name} is no experiment: {error!r}", next_step="mend it; docs/drills.md has the form"
        ) from error
    return found


def _settings(info: StackInfo) -> Mapping[str, Any]:
    found: Mapping[str, Any] = info.settings["drill"].get("aws", {})
    missing = {"functions", "table", "buckets", "role", "uses"} - found.keys()
    if missing:
        raise OrreryError(
            f"{info.id} says not what a drill on AWS strikes: [settings.drill.aws] lacks {', '.join(sorted(missing))}",
            next_step="see docs/drills.md, On AWS",
        )
    return found


def _clients(target: targets.Target, regions: Any) -> aws.Clients:
    return aws.operator(Context(target, {}, regions))
