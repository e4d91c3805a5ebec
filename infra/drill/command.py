"""``orrery drill``: what is asked for is checked, then the drill runs in its own environment."""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra import deploy, envs, runbook
from infra.catalog import StackInfo
from infra.drill import account
from infra.drill.workload import planned
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import ROOT
from infra.stack import Stack
from infra.targets import Target

OUT = ROOT / "drills"


def drill(
    info: StackInfo,
    ui: Ui,
    *,
    experiment: str = "",
    seed: int = 1,
    hurry: float = 1.0,
    rates: Mapping[str, float] | None = None,
    out: Path = OUT,
    target: str = "local",
    yes: bool = False,
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
        Divides the times of the experiment and of the public name; 1 on AWS, where they are what they are.
    rates : mapping, optional
        Writes a second, by path; else what the stack wants, or less where this machine carries less.
    out : Path
        Below this folder the report gets one of its own.
    target : str
        local or aws.
    yes : bool
        Don't ask before something is broken in an account.

    Raises
    ------
    OrreryError
        The stack has no drill (as it is set), is not deployed, there is no such experiment, AWS can't do its faults,
        nobody said yes, or an invariant broke.
    """
    wanted = Wanted(settings_of(info), out.resolve(), hurry, checked_rates(info, rates or {}), target)
    file = chosen(info, experiment)
    if target == "aws":
        account.check(info, file, hurry)
    with deploy.session(info, target, ui) as at:
        check_stack(at.stack)
        if target == "aws":
            account.confirm(at, planned(seed, at.stack.regions, wanted.facts["load"], wanted.rates), file, yes=yes)
        try:
            done = _one(at, wanted, file, seed)
        finally:
            if target == "aws":
                account.tidy(at)
    for name, value in done.rows:
        ui.say(f"{name:58} {value}")
    ui.say(f"report: {os.path.relpath(done.folder)}/report.md")
    if done.broken:
        raise OrreryError(
            f"{info.id} broke under {file.stem}, seed {seed}: {'; '.join(done.broken)}",
            next_step=f"the report names what; the same again: {done.again}",
        )
    return done.folder


def drill_all(
    info: StackInfo,
    ui: Ui,
    *,
    seeds: int,
    hurry: float,
    rates: Mapping[str, float] | None = None,
    order: int = 1,
    out: Path = OUT,
) -> Path:
    """Run all experiments of a deployed stack with many seeds, in a shuffled order; return the table of results.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    ui : Ui
        Where to print, a line for each drill as it ends.
    seeds : int
        Each experiment runs with the seeds from 1 to this.
    hurry, rates, out
        As of `drill`.
    order : int
        Decides the order; the same number gives the same.

    Raises
    ------
    OrreryError
        The stack has no drill or is not deployed, or some of the drills broke; the others ran all the same.
    """
    wanted = Wanted(settings_of(info), out.resolve(), hurry, checked_rates(info, rates or {}))
    todo = [(file, seed) for file in experiments(info) for seed in range(1, seeds + 1)]
    random.Random(order).shuffle(todo)
    table = wanted.out / info.id / f"all-{time.strftime('%Y%m%dT%H%M%S')}.md"
    done: list[Done] = []
    with deploy.session(info, "local", ui) as at:
        check_stack(at.stack)
        for number, (file, seed) in enumerate(todo, 1):
            try:
                one = _one(at, wanted, file, seed)
            except OrreryError as error:  # one drill that could not be run says nothing about the others
                one = Done(file.stem, seed, wanted.again(info, file, seed), broken=(error.what,))
            done.append(one)
            said = f"broke: {'; '.join(one.broken)}; again: {one.again}" if one.broken else one.line
            ui.say(f"[{number}/{len(todo)}] {file.stem}, seed {seed}: {said}")
            table.write_text(report_all(info, done, len(todo), hurry))
    ui.say(f"table: {os.path.relpath(table)}")
    broken = [each for each in done if each.broken]
    if broken:
        raise OrreryError(
            f"{len(broken)} of {len(done)} drills broke: "
            + ", ".join(f"{each.experiment} seed {each.seed}" for each in broken[:5]),
            next_step=f"the first again: {broken[0].again}",
        )
    return table


@dataclass(frozen=True)
class Wanted:
    """What all drills of one command have in common; see `drill`."""

    facts: Mapping[str, Any]
    out: Path
    hurry: float
    rates: Mapping[str, float]
    target: str = "local"

    def again(self, info: StackInfo, file: Path, seed: int) -> str:
        """Return the command that does the same."""
        hurry = f" --hurry {self.hurry:g}" if self.hurry != 1 else ""
        rates = f" --rates {','.join(f'{path}={rate:g}' for path, rate in self.rates.items())}" if self.rates else ""
        target = f" --target {self.target}" if self.target != "local" else ""
        return f"./orrery drill {info.id} {file.stem} --seed {seed}{hurry}{rates}{target}"


@dataclass(frozen=True)
class Done:
    """What became of one drill."""

    experiment: str
    seed: int
    again: str
    folder: Path = OUT
    rows: Sequence[tuple[str, str]] = ()
    broken: Sequence[str] = ()
    line: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)


def _one(at: deploy.Session, wanted: Wanted, file: Path, seed: int) -> Done:
    """Run one experiment with one seed."""
    info, live = at.stack.info, at.live()
    check_stack(at.stack)
    folder = wanted.out / info.id / f"{file.stem}-{seed}-{time.strftime('%Y%m%dT%H%M%S')}"
    folder.mkdir(parents=True)
    title = json.loads(file.read_text()).get("title", file.stem) if _is_json(file) else file.stem
    settings = {
        "stack": info.id,
        "source": str(info.path / "src"),
        "workload": wanted.facts["workload"],
        "name": live.outputs[wanted.facts["name"]],
        "zone": live.outputs[wanted.facts["zone"]],
        "experiment": str(file),
        "title": title,
        "out": str(folder),
        "seed": seed,
        "hurry": wanted.hurry,
        "load": wanted.facts["load"],
        "rates": wanted.rates,
        "runbook": runbook.module_of(info),
        "prefix": at.stack.physical(""),
        "outputs": dict(live.outputs),
        "regions": list(at.stack.regions),
        "target": told(live.target) if live.target.local else account.told(at),
    }
    answer = _started(settings, folder, at.ui, title)
    # The rates were measured; the same again needs the same.
    same = replace(wanted, rates=answer["rates"])
    return Done(
        file.stem,
        seed,
        same.again(info, file, seed),
        folder,
        [(name, value) for name, value in answer["rows"]],
        answer["broken"],
        answer["line"],
        json.loads((folder / "measures.json").read_text()),
    )


def report_all(info: StackInfo, done: Sequence[Done], count: int, hurry: float) -> str:
    """Return the table of many drills as Markdown: by experiment, the middle and the worst of all seeds."""
    lines = [
        f"# {info.id}: {len(done)} of {count} drills",
        "",
        f"All times divided by {hurry:g}; in seconds: the median, and the worst."
        if hurry != 1
        else "In seconds: the median, and the worst.",
        "",
        "| experiment | seeds | broke | detection | RTO | RPO | lost | written twice | back in time |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in sorted({each.experiment for each in done}):
        own = [each for each in done if each.experiment == name]
        times = [_middle(own, each) for each in ("detection_s", "rto_s", "rpo_s")]
        keys = [
            str(sum(len(one.measures.get(each, ())) for one in own)) for each in ("lost", "doubled", "back_in_time")
        ]
        broke = sum(bool(each.broken) for each in own)
        lines.append(f"| {name} | {len(own)} | {broke} | {' | '.join([*times, *keys])} |")
    broken = [each for each in done if each.broken]
    if broken:
        lines += ["", "## What broke", ""]
        lines += [f"- {each.experiment}, seed {each.seed}: {'; '.join(each.broken)}. `{each.again}`" for each in broken]
    return "\n".join(lines) + "\n"


def _middle(done: Sequence[Done], name: str) -> str:
    values = sorted(float(each.measures[name]) for each in done if each.measures.get(name) is not None)
    return f"{statistics.median(values):.1f}, {values[-1]:.1f}" if values else "never"


def rates_from(text: str) -> dict[str, float]:
    """Return the rates of a command line: ``data=50,api=3``.

    Raises
    ------
    OrreryError
        It is not of that form.
    """
    try:
        pairs = [each.split("=") for each in text.split(",") if each]
        return {path.strip(): float(rate) for path, rate in pairs}
    except ValueError as error:
        raise OrreryError(f"--rates: {text!r} is no list of rates", next_step="such as data=50,api=3") from error


def checked_rates(info: StackInfo, rates: Mapping[str, float]) -> Mapping[str, float]:
    """Return the rates that were asked for; those that were not are what the stack wants.

    Raises
    ------
    OrreryError
        There is no such path, or no write a second.
    """
    load = settings_of(info)["load"]
    if not rates:
        return {}
    unknown = [path for path in rates if path not in load]
    if unknown or any(rate <= 0 for rate in rates.values()):
        what = f"no path {unknown[0]!r}" if unknown else "no rate of 0"
        raise OrreryError(f"the drill of {info.id} has {what}", next_step=f"its paths are: {', '.join(load)}")
    return {path: float(each["writes_per_s"]) for path, each in load.items()} | dict(rates)


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


def settings_of(info: StackInfo) -> Mapping[str, Any]:
    """Return what a stack's ``[drill]`` says: workload, load, and the outputs with the public name and its zone."""
    found = info.settings.get("drill")
    if not found:
        raise OrreryError(f"{info.id} has no drill", next_step="stacks with one have a [drill] table in stack.toml")
    missing = {"workload", "name", "zone", "load"} - found.keys()
    if missing:
        raise OrreryError(
            f"{info.id}: [drill] in stack.toml lacks {', '.join(sorted(missing))}", next_step="see docs/drills.md"
        )
    for path, each in found["load"].items():
        if not each.get("what") or not all(each.get(key, 0) > 0 for key in ("clients", "writes_per_s")):
            raise OrreryError(
                f"{info.id}: [drill.load.{path}] in stack.toml needs clients, writes_per_s and what",
                next_step="see docs/drills.md",
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


def told(target: Target) -> dict[str, Any]:
    """Return what the drill's own process has to know of the local cloud."""
    keys = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = {key: target.environment[key] for key in keys}
    return {"name": target.name, "environment": environment, "urls": dict(target.region_urls)}


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
