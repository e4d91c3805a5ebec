"""What experiments call: the providers of their actions and probes, in the Chaos Toolkit's terms.

They work inside ``orrery drill``, which sets `RUN`, and by ``chaos run`` alone: then faults are set with a lease, and
the local cloud is that of ``ORRERY_STATE``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import fault_client
from infra.local.faults import Fault
from infra.paths import STATE

ALONE = "experiment"
"""Who owns the faults of an experiment that runs by itself."""


@dataclass
class Run:
    """The drill that an experiment is part of.

    Parameters
    ----------
    set : callable
        Replaces the faults.
    note : callable
        Writes an event into the journal: what, and in which region.
    served : callable
        Returns the share of the last calls that were acknowledged, from 0 to 1.
    runbook : callable
        Gives a region up, or takes it back, as the stack's runbook says; returns what the steps said.
    probe : callable
        Sends a write to a region straight away; returns ``ok``, or why it was not acknowledged.
    broken : bool
        Whether the fault has begun and not ended.
    active : bool
        Whether something is set at this moment.
    """

    set: Callable[[Sequence[Fault]], None]
    note: Callable[[str, str], None]
    served: Callable[[], float]
    runbook: Callable[[str, bool], list[str]]
    probe: Callable[[str], str]
    broken: bool = False
    active: bool = False


RUN: Run | None = None


def begin(faults: Sequence[Mapping[str, Any]], lease_s: float = 120.0) -> list[str]:
    """Set faults, in place of those of an earlier step.

    Parameters
    ----------
    faults : sequence of mapping
        As docs/faults.md has them.
    lease_s : float
        When they end by themselves, where nobody renews them.

    Returns
    -------
    list of str
        What was set, for the Chaos Toolkit's own journal.
    """
    wanted = [fault_client.from_options(dict(each)) for each in faults]
    if RUN:
        RUN.set(wanted)
        what = ("fault changes" if RUN.active else "fault begins") if wanted else "fault pauses"
        RUN.broken, RUN.active = True, bool(wanted)
        RUN.note(what, wanted[0].region if wanted else "")
    else:
        _client().set(ALONE, wanted, lease_s)
    return [str(each) for each in wanted]


def end() -> bool:
    """End all faults of the experiment; nothing happens where there are none."""
    if RUN:
        RUN.set([])
        if RUN.broken:  # a rollback after the last step has nothing to end
            RUN.broken = RUN.active = False
            RUN.note("fault ends", "")
    else:
        _client().clear(ALONE)
    return True


def flap(faults: Sequence[Mapping[str, Any]], times: int, on_s: float, off_s: float) -> int:
    """Let faults begin and end again and again."""
    for _ in range(times):
        begin(faults, on_s + off_s)
        time.sleep(on_s)  # the fault itself: how long it lasts is the experiment
        begin([])
        time.sleep(off_s)
    return times


def give_up(region: str) -> list[str]:
    """Let an operator give a region up by the stack's runbook, as ``orrery failover`` does.

    Parameters
    ----------
    region : str
        The one that is lost.

    Returns
    -------
    list of str
        What the steps said.
    """
    return _operate(region, back=False)


def take_back(region: str) -> list[str]:
    """Let an operator take a region back, as ``orrery failover --back`` does, which waits until it has all."""
    return _operate(region, back=True)


def try_fenced(region: str) -> str:
    """Try to write in a region that is fenced, as a client would that asks for no name; it must be refused.

    Returns
    -------
    str
        Why it was; ``ok`` is a write that got through, and breaks the drill.
    """
    if not RUN:
        raise RuntimeError("only a drill has clients: ./orrery drill …")
    answer = RUN.probe(region)
    RUN.note("fenced write accepted" if answer == "ok" else f"fenced write refused: {answer}", region)
    return answer


def _operate(region: str, *, back: bool) -> list[str]:
    if not RUN:
        raise RuntimeError("only a drill knows the stack: ./orrery drill …, or ./orrery failover")
    said = RUN.runbook(region, back)
    RUN.note("taken back" if back else "given up", region)
    return said


def served() -> float:
    """Return the share of the clients' last calls that were acknowledged; without clients, 1."""
    return RUN.served() if RUN else 1.0


def _client() -> fault_client.FaultClient:
    from infra.local import Cloud

    return Cloud(Path(os.environ.get("ORRERY_STATE", STATE))).faults()
