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
    broken : bool
        Whether the fault has begun and not ended.
    """

    set: Callable[[Sequence[Fault]], None]
    note: Callable[[str, str], None]
    served: Callable[[], float]
    broken: bool = False


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
        RUN.broken = True
        RUN.note("fault begins" if wanted else "fault pauses", wanted[0].region if wanted else "")
    else:
        _client().set(ALONE, wanted, lease_s)
    return [str(each) for each in wanted]


def end() -> bool:
    """End all faults of the experiment; nothing happens where there are none."""
    if RUN:
        RUN.set([])
        if RUN.broken:  # a rollback after the last step has nothing to end
            RUN.broken = False
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


def served() -> float:
    """Return the share of the clients' last calls that were acknowledged; without clients, 1."""
    return RUN.served() if RUN else 1.0


def _client() -> fault_client.FaultClient:
    from infra.local import Cloud

    return Cloud(Path(os.environ.get("ORRERY_STATE", STATE))).faults()
