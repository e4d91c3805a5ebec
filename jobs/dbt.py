"""Run dbt in this process: started once and the project read once, however many commands follow.

Only an environment with dbt can use it (`requirements/orbit.in`, `requirements/nebula.in`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.faults import fault_point


class DbtFailed(Exception):
    """dbt did not do what was asked; its own lines, printed before, say why."""


def run_dbt(
    project: Path,
    target: str,
    work: Path,
    *commands: Sequence[str],
    variables: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Run dbt's commands one after the other in one process.

    Parameters
    ----------
    project : Path
        The folder with ``dbt_project.yml`` and ``profiles.yml``.
    target : str
        One of the profile's outputs.
    work : Path
        dbt's own folder: manifest, results and logs go there, and nothing is written beside the project.
    *commands : sequence of str
        Such as ``["source", "freshness"]``, ``["build"]``.
    variables : mapping, optional
        What ``--vars`` takes.

    Returns
    -------
    list
        What each command gave: an object of dbt's own, most have `results`.

    Raises
    ------
    DbtFailed
        One of them failed, and why; those after it did not run.
    """
    from dbt.cli.main import dbtRunner

    common = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", target]
    common += ["--target-path", str(work / "target"), "--log-path", str(work / "logs"), "--no-use-colors"]
    if variables:
        common += ["--vars", json.dumps(dict(variables))]
    # The project is read once, and what was read is handed on: it takes longer than most models.
    manifest, given = None, []
    for command in [["parse"], *commands]:
        done = dbtRunner(manifest=manifest, callbacks=[_at_node]).invoke([*command, *common])
        if not done.success:
            why = done.exception or _first_failure(done.result)
            raise DbtFailed(f"dbt {' '.join(command)} failed on {target}{f': {why}' if why else ''}")
        if manifest is None:
            manifest = done.result
        else:
            given.append(done.result)
    return given


def _at_node(event: Any) -> None:
    """Let a test crash the job at a model: ``dbt_started_bodies``, ``dbt_finished_bodies``."""
    moment = {"NodeStart": "started", "NodeFinished": "finished"}.get(event.info.name)
    if moment:
        fault_point(f"dbt_{moment}_{event.data.node_info.node_name}")


def _first_failure(result: Any) -> str:
    """Return the first node that failed, with what it said in one line."""
    for each in getattr(result, "results", ()):
        if str(each.status) in ("error", "fail", "runtime error"):
            said = " ".join(str(each.message or each.status).split())
            return f"{each.node.name}: {said[:600]}"
    return ""
