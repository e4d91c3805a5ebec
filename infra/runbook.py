"""``orrery failover``: the runbook of a lost region as code, with a dry run.

An operator in an emergency has no time to read and no calm to type, so a stack writes down its steps as functions. Each
step looks before it acts. A dry run looks only, and says what it would do.

A stack names its runbook in ``stack.toml``: ``[settings.failover] runbook = "blackhole.runbook"``, a module in its
``src/`` with two functions, ``failover`` and ``failback``; see `Runbook`.

It needs neither Terraform nor its state, which may lie in the region that is lost: `deploy` keeps the outputs.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.live import Live
from infra.output import Ui
from infra.paths import STATE
from infra.targets import Target

KEPT = "outputs.json"
"""The file beside a stack's state in which `deploy` keeps what a runbook needs."""


@dataclass(frozen=True)
class Step:
    """One step of a runbook.

    Parameters
    ----------
    name : str
        What it does, or what it looks at.
    look : callable
        Changes nothing, and returns what it saw; raises `OrreryError` where going on would do harm.
    act : callable, optional
        Changes something, makes sure that it worked, and returns what it saw then. None for a step that only looks.
    """

    name: str
    look: Callable[[], str]
    act: Callable[[], str] | None = None


class Runbook(Protocol):
    """What a stack's runbook module has."""

    def failover(self, live: Live, regions: Sequence[str], lost: str) -> Iterable[Step]:
        """Return the steps that lead clients away from a region, for good."""

    def failback(self, live: Live, regions: Sequence[str], lost: str) -> Iterable[Step]:
        """Return the steps that let a region serve again, once it has all that it missed."""


def perform(steps: Iterable[Step], say: Callable[[str], None], *, dry: bool = False) -> None:
    """Take steps in their order; the first that raises ends the runbook, and nothing after it is done.

    Parameters
    ----------
    steps : iterable of Step
        Of a runbook.
    say : callable
        Hears a line for each step.
    dry : bool
        Look only, and say what would be done.

    Raises
    ------
    OrreryError
        What a step found; steps before it stay done, and a runbook can be run again.
    """
    for step in steps:
        seen = step.look()
        if step.act is None:
            say(f"  ok     {step.name}: {seen}")
        elif dry:
            say(f"  would  {step.name}{f' ({seen})' if seen else ''}")
        else:
            say(f"  done   {step.name}: {step.act()}")


def failover(
    info: StackInfo,
    region: str,
    target: str,
    ui: Ui,
    *,
    back: bool = False,
    dry: bool = False,
    outputs: Path | None = None,
) -> None:
    """Lead clients away from a region, or back to it.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    region : str
        The region that is lost, or that comes back.
    target : str
        local or aws.
    ui : Ui
        Where to print.
    back : bool
        The way back.
    dry : bool
        Say what would be done, and do nothing.
    outputs : Path, optional
        The stack's outputs, as `deploy` kept them on another machine, or as ``terraform output -json`` prints them.

    Raises
    ------
    OrreryError
        The stack has no runbook, is not deployed, has no such region, or a step found what forbids the next.
    """
    book = of(info)
    regions = _regions(info)
    if region not in regions:
        raise OrreryError(f"{info.id} has no region {region!r}", next_step=f"its regions are: {', '.join(regions)}")
    others = [each for each in regions if each != region]
    live = Live(_target(target, others), _outputs(info, target, outputs), ui)
    steps = book.failback(live, regions, region) if back else book.failover(live, regions, region)
    ui.say(f"{info.id}: {region} {'comes back' if back else 'is given up'}{', dry run' if dry else ''}")
    perform(steps, ui.say, dry=dry)
    if dry:
        ui.say("Nothing was changed.")
    elif not back:
        ui.say(f"Next, once {region} is well: ./orrery failover {info.id} {region} --back")


def of(info: StackInfo) -> Runbook:
    """Return a stack's runbook.

    Raises
    ------
    OrreryError
        It has none.
    """
    name = module_of(info)
    if not name:
        raise OrreryError(f"{info.id} has no failover runbook", next_step="stacks of several regions may have one")
    return load(str(info.path / "src"), name)


def module_of(info: StackInfo) -> str:
    """Return the name of a stack's runbook module; empty where it has none."""
    return str(info.settings.get("failover", {}).get("runbook", ""))


def load(source: str, name: str) -> Runbook:
    """Import a runbook from a stack's source folder."""
    if source not in sys.path:
        sys.path.insert(0, source)
    return cast("Runbook", importlib.import_module(name))


def keep(folder: Path, outputs: Mapping[str, Any]) -> None:
    """Keep a deployment's outputs beside its state, for the day on which the state can't be read."""
    temporary = folder / f".{KEPT}.new"
    temporary.write_text(json.dumps(dict(outputs), indent=1, sort_keys=True))
    temporary.chmod(0o600)
    temporary.replace(folder / KEPT)


def forget(folder: Path) -> None:
    """Drop what was kept: the deployment is gone."""
    (folder / KEPT).unlink(missing_ok=True)


def _outputs(info: StackInfo, target: str, given: Path | None) -> Mapping[str, Any]:
    file = given or STATE / "stacks" / info.slug / target / KEPT
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise OrreryError(
            f"{info.id} was not deployed on {target} from here" if given is None else f"there is no file {file}",
            next_step=f"make deploy STACK={info.id}, or name a copy: --outputs FILE (terraform output -json)",
        ) from error
    except (OSError, ValueError) as error:
        raise OrreryError(f"{file}: {error}", next_step="name another copy: --outputs FILE") from error
    if not isinstance(found, dict):
        raise OrreryError(f"{file} holds no outputs", next_step="it is what terraform output -json prints")
    # Terraform prints each with its type; what is kept has only the values.
    return {key: each["value"] if isinstance(each, dict) and "value" in each else each for key, each in found.items()}


def _regions(info: StackInfo) -> Sequence[str]:
    from infra import stack as stacks

    return stacks.load_class(info).regions


def _target(name: str, others: Sequence[str]) -> Target:
    from infra import targets

    if name == "aws":
        return targets.aws(others[0])  # who we are is asked where somebody is left to answer
    from infra import deploy

    cloud = deploy.cloud()
    return targets.local(cloud.aws_environment(), cloud.endpoint("aws").region_urls)
