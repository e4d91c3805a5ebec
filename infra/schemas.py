"""The schemas of topics, in ``stacks/*/schemas/*.json``: each may follow all that it has been on the base branch.

What was written by any of them may lie in the topic still, so the newest must be able to read it: what Confluent's
registry calls ``BACKWARD_TRANSITIVE``. A change that can't is a new topic, with a schema file of its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.errors import OrreryError
from infra.paths import ROOT
from infra.review.trees import base_commit
from jobs.schemas import incompatibilities

FILES = ("stacks/*/schemas/*.json", "stacks/signals/*/schemas/*.json")


@dataclass(frozen=True)
class Compared:
    """One schema beside what it has been.

    Parameters
    ----------
    file : str
        Its path in the repository.
    versions : int
        How many earlier ones it was compared with.
    problems : tuple of str
        What those allow and it does not, with the commit of each.
    """

    file: str
    versions: int
    problems: tuple[str, ...]


def compare(base: str = "") -> list[Compared]:
    """Compare each topic's schema with all versions of it on the base branch.

    Parameters
    ----------
    base : str
        A branch or commit; ``origin/main``, else ``main``, unless given.

    Raises
    ------
    OrreryError
        There is no git, no such branch, or a schema is no JSON.
    """
    commit = base_commit(base)
    files = sorted(str(each.relative_to(ROOT)) for pattern in FILES for each in ROOT.glob(pattern))
    return [_compared(file, commit) for file in files]


def _compared(file: str, commit: str) -> Compared:
    new = _parsed((ROOT / file).read_text(), file)
    problems: list[str] = []
    versions = 0
    for when, text in _versions(file, commit):
        versions += 1
        found = incompatibilities(_parsed(text, f"{file} of {when}"), new)
        problems += [f"{each} (it was {when}'s)" for each in found if not any(p.startswith(each) for p in problems)]
    return Compared(file, versions, tuple(problems))


def _versions(file: str, commit: str) -> Iterator[tuple[str, str]]:
    """Yield what the file has been on the branch, newest first: not on the branches that were merged into it."""
    listed = _git("log", "--first-parent", "--diff-filter=AM", "--format=%h", commit, "--", file)
    for short in listed.split():
        yield short, _git("show", f"{short}:{file}")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OrreryError(
            "git could not read the schemas' history", next_step="git fetch --unshallow", details=done.stderr
        )
    return done.stdout


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise OrreryError(f"{name} is no JSON: {error}", next_step="mend it") from error
    if not isinstance(schema, dict):
        raise OrreryError(f"{name} is no JSON object", next_step="write a JSON Schema")
    return schema
