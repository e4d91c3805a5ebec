"""Run dbt in this process: started once and the project read once, however many commands follow.

Only an environment with dbt can use it (`requirements/orbit.in`, `requirements/nebula.in`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class DbtFailed(Exception):
    """dbt did not do what was asked; its own lines, printed before, say why."""


def run_dbt(
    project: Path,
    target: str,
    work: Path,
    *commands: Sequence[str],
    variables: Mapping[str, Any] | None = None,
) -> None:
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

    Raises
    ------
    DbtFailed
        One of them failed; those after it did not run.
    """
    from dbt.cli.main import dbtRunner

    common = ["--project-dir", str(project), "--profiles-dir", str(project), "--target", target]
    common += ["--target-path", str(work / "target"), "--log-path", str(work / "logs"), "--no-use-colors"]
    if variables:
        common += ["--vars", json.dumps(dict(variables))]
    # The project is read once, and what was read is handed on: it takes longer than most models.
    manifest = None
    for command in [["parse"], *commands]:
        done = dbtRunner(manifest=manifest).invoke([*command, *common])
        if not done.success:
            why = f": {done.exception}" if done.exception else ""
            raise DbtFailed(f"dbt {' '.join(command)} failed on {target}{why}")
        manifest = done.result if manifest is None else manifest
