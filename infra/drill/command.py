"""``orrery drill``: what is asked for is checked, then the drill runs in its own environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra import deploy, envs
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.live import Live
from infra.output import Ui
from infra.paths import ROOT
from infra.stack import Stack

OUT = ROOT / "drills"
CLIENTS = {"data": 12, "api": 4}
WRITES_PER_S = {"data": 50.0, "api": 4.0}
"""What the local cloud carries with headroom on two cores; ``--writes`` sets the data plane's rate."""


def drill(
    info: StackInfo,
    ui: Ui,
    *,
    experiment: str = "",
    seed: int = 1,
    hurry: float = 1.0,
    writes: float = 0.0,
    out: Path = OUT,
) -> Path:
    """Run one experiment of a deployed stack; return the folder of its report.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    ui : Ui
        Where to print.
    experiment : str
        Its file's name in the stack's ``chaos`` folder, without ``.json``; the first unless given.
    seed : int
        Decides what the clients do; the same seed does the same.
    hurry : float
        Divides the times of the experiment and of the public name.
    writes : float
        Writes a second straight at the data plane; 0 takes the default.
    out : Path
        Below this folder the report gets one of its own.

    Raises
    ------
    OrreryError
        The stack has no drill (as it is set), is not deployed, there is no such experiment, or an invariant broke.
    """
    facts = settings_of(info)
    file = chosen(info, experiment)
    with deploy.session(info, "local", ui) as at:
        live = at.live()
        check_stack(at.stack)
        folder = out.resolve() / info.id / f"{file.stem}-{seed}-{time.strftime('%Y%m%dT%H%M%S')}"
        folder.mkdir(parents=True)
        title = json.loads(file.read_text()).get("title", file.stem) if _is_json(file) else file.stem
        rates = WRITES_PER_S | ({"data": writes} if writes else {})
        settings = {
            "stack": info.id,
            "source": str(info.path / "src"),
            "workload": facts["workload"],
            "name": live.outputs[facts["name"]],
            "zone": live.outputs[facts["zone"]],
            "experiment": str(file),
            "title": title,
            "out": str(folder),
            "faults": live.target.environment["AWS_ENDPOINT_URL"],
            "seed": seed,
            "hurry": hurry,
            "writes_per_s": rates,
            "clients": CLIENTS,
            "context": context(live, at.stack.regions),
        }
        answer = _started(settings, folder, ui, title)
    for name, value in answer["rows"]:
        ui.say(f"{name:55} {value}")
    ui.say(f"report: {os.path.relpath(folder)}/report.md")
    if answer["broken"]:
        raise OrreryError(
            f"{info.id} broke under {file.stem}, seed {seed}: {'; '.join(answer['broken'])}",
            next_step=f"the report names what; the same again: ./orrery drill {info.id} {file.stem} --seed {seed}",
        )
    return folder


def check_target(name: str) -> None:
    """Refuse every target but the local cloud: faults are set in front of that alone.

    Raises
    ------
    OrreryError
        It is another one.
    """
    if name != "local":
        raise OrreryError(
            f"drills run on the local cloud only, not on {name}",
            next_step="for AWS there is the Fault Injection Service; docs/drills.md says what a local drill can't tell",
        )


def check_stack(stack: Stack) -> None:
    """Refuse a stack that has nothing to drill as it is set.

    Raises
    ------
    OrreryError
        The stack says why, and what to do next.
    """
    if stack.no_drill:
        reason, next_step = stack.no_drill
        raise OrreryError(f"{stack.info.id} has nothing to drill: {reason}", next_step=next_step)


def settings_of(info: StackInfo) -> Mapping[str, str]:
    """Return what a stack's ``[drill]`` says: its workload, and the outputs with the public name and its zone."""
    found = info.settings.get("drill")
    if not found:
        raise OrreryError(f"{info.id} has no drill", next_step="stacks with one have a [drill] table in stack.toml")
    missing = {"workload", "name", "zone"} - found.keys()
    if missing:
        raise OrreryError(
            f"{info.id}: [drill] in stack.toml lacks {', '.join(sorted(missing))}", next_step="see docs/drills.md"
        )
    return dict(found)


def experiments(info: StackInfo) -> list[Path]:
    """Return the experiments of a stack."""
    return sorted((info.path / "chaos").glob("*.json"))


def chosen(info: StackInfo, name: str) -> Path:
    """Return the experiment of a name, or the first."""
    found = {each.stem: each for each in experiments(info)}
    if not found:
        raise OrreryError(f"{info.id} has no experiments", next_step=f"write one into stacks/{info.id}/chaos")
    if name and name not in found:
        raise OrreryError(f"{info.id} has no experiment {name!r}", next_step=f"there are: {', '.join(found)}")
    return found[name] if name else next(iter(found.values()))


def context(live: Live, regions: Any) -> dict[str, Any]:
    """Return what a workload may know of the deployed stack."""
    environment = live.target.environment
    return {
        "outputs": dict(live.outputs),
        "regions": list(regions),
        "urls": dict(live.target.region_urls),
        "door": environment["AWS_ENDPOINT_URL"],
        "access_key": environment["AWS_ACCESS_KEY_ID"],
        "secret_key": environment["AWS_SECRET_ACCESS_KEY"],
    }


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text()), dict)
    except ValueError:
        return False


def _started(settings: Mapping[str, Any], out: Path, ui: Ui, title: str) -> dict[str, Any]:
    """Run the drill in its environment and return what it says at the end."""
    file = out / "settings.json"
    file.write_text(json.dumps(settings, indent=1))
    command = [str(envs.ensure("drill", say=ui.note)), "-P", "-m", "infra.drill.main", str(file)]
    ui.command(command)
    with ui.step(f"drilling: {title}"), (out / "drill.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        try:
            said, _ = process.communicate()
        except KeyboardInterrupt:
            process.communicate()  # it got the signal too, and removes its faults
            raise
    try:
        answer: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        text = (out / "drill.log").read_text()
        last = next((line for line in reversed(text.splitlines()) if re.search(r"\w", line)), "it said nothing")
        raise OrreryError(
            f"the drill failed: {last}", next_step=f"see {out.name}/drill.log, or --verbose", details=text
        ) from error
    if "error" in answer:
        raise OrreryError(answer["error"], next_step=answer["next_step"])
    return answer
