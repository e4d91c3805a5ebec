"""Places where a test may crash a job. Inert unless ``JOBS_FAULT`` names one."""

from __future__ import annotations

import os
import signal


def fault_point(name: str) -> None:
    """Kill this process, as ``kill -9`` would, when ``JOBS_FAULT`` is ``name`` (``name:3``: third visit)."""
    wanted = os.environ.get("JOBS_FAULT")
    if not wanted:
        return
    point, _, visit = wanted.partition(":")
    if point != name:
        return
    _visits[name] = _visits.get(name, 0) + 1
    if _visits[name] >= int(visit or 1):
        os.kill(os.getpid(), signal.SIGKILL)


_visits: dict[str, int] = {}
