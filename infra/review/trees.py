"""The two trees that a review compares: the base, taken out of git, and the head, which is the checkout as it is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import OrreryError
from infra.paths import ROOT, STATE
from infra.terraform import module_calls

PARTS = ("infra", "jobs", "lambdas", "modules", "requirements", "stacks")
"""The folders that decide what a stack's configuration is."""
FOLDER = STATE / "review"
SYNTHESISE = Path(__file__).with_name("synthesise.py")


@dataclass(frozen=True)
class Synthesised:
    """One stack of one tree.

    Parameters
    ----------
    id : str
        Such as ``14_blackhole``.
    configuration : mapping
        Its Terraform configuration; empty where it could not be built.
    tags : mapping
        The tags on everything that it deploys.
    error : str
        Why it could not be built.
    accepted : sequence of mapping
        The policy findings that its ``stack.toml`` accepts.
    fingerprint : str
        Of the configuration and of the modules' files: equal where no plan can differ. The code of functions is in it
        by the hash of their packages, which stands in the configuration.
    """

    id: str
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    error: str = ""
    accepted: Sequence[Mapping[str, str]] = ()
    fingerprint: str = ""

    @property
    def module(self) -> str:
        """Its module's name in the merged root."""
        return module_of(self.id)


@dataclass(frozen=True)
class Tree:
    """A tree whose stacks are synthesised.

    Parameters
    ----------
    label : str
        As the review names it: a commit's short hash, or ``working tree``.
    root : Path
        Where the tree lies.
    folder : Path
        Where its merged root lies; module sources are relative to it.
    stacks : mapping
        By stack id.
    """

    label: str
    root: Path
    folder: Path
    stacks: Mapping[str, Synthesised]


def module_of(stack_id: str) -> str:
    """Return a stack's module name in the merged root."""
    return "stack_" + re.sub(r"[^a-z0-9]+", "_", stack_id.lower())


def base_commit(name: str = "") -> str:
    """Return the commit that the checkout is compared with: where its branch left the base branch.

    Parameters
    ----------
    name : str
        A branch, tag or commit; ``origin/main``, else ``main``, unless given.

    Raises
    ------
    OrreryError
        There is no git, no repository, or no such branch.
    """
    if not shutil.which("git"):
        raise OrreryError("a review compares with a base branch, and there is no git", next_step="install git")
    if _git("rev-parse", "--git-dir").returncode:
        raise OrreryError(
            "a review compares with a base branch, and this is no git repository",
            next_step="clone the repository instead of unpacking it, or plan against nothing: ./orrery plan STACK",
        )
    for each in [name] if name else ["origin/main", "main"]:
        if _git("rev-parse", "--verify", "--quiet", f"{each}^{{commit}}").returncode == 0:
            found = _git("merge-base", "HEAD", each)
            if found.returncode:
                raise OrreryError(
                    f"HEAD and {each} have no commit in common",
                    next_step="fetch more history (git fetch --unshallow), or name another base: BASE=…",
                )
            return found.stdout.strip()
    raise OrreryError(
        f"there is no branch or commit {name or 'main'!r}",
        next_step="name the base that you mean: BASE=origin/main",
    )


def base(commit: str) -> Tree:
    """Take a commit's tree out of git and synthesise its stacks; what an earlier review took out is used again."""
    folder = FOLDER / "base" / commit[:12]
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _extract(commit, folder / "tree")
        _synthesise(folder / "tree", folder / "root", [])
        (folder / "complete").touch()
        for older in (FOLDER / "base").iterdir():
            if older != folder:
                shutil.rmtree(older, ignore_errors=True)
    return _read(commit[:9], folder / "tree", folder / "root")


def head(stacks: Iterable[str] = (), chosen: Mapping[str, Mapping[str, Any]] | None = None) -> Tree:
    """Synthesise the stacks of the checkout, all of them unless some are named, with the settings chosen for each."""
    folder = FOLDER / "head"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.stack.json"):
        left.unlink()
    _synthesise(ROOT, folder, [*([f"--chosen={json.dumps(chosen)}"] if chosen else []), *stacks])
    return _read("working tree", ROOT, folder)


def changed(one: Tree, other: Tree) -> list[str]:
    """Return the ids of the stacks that differ between two trees, or stand in one of them only."""
    names = sorted(one.stacks.keys() | other.stacks.keys())
    return [name for name in names if _print_of(one.stacks.get(name)) != _print_of(other.stacks.get(name))]


def unchanged(one: Tree, other: Tree, names: Sequence[str]) -> list[str]:
    """Return which of some stacks are the same in two trees, so that no plan can differ; none that can't be built."""
    differ = set(changed(one, other))
    return [name for name in names if name not in differ and not one.stacks[name].error]


def _print_of(stack: Synthesised | None) -> tuple[str, str, str] | None:
    """Return what decides a stack's plan and what is said of it by policies."""
    return (stack.fingerprint, stack.error, json.dumps(list(stack.accepted), sort_keys=True)) if stack else None


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)


def _extract(commit: str, folder: Path) -> None:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "--", *_present(commit)], capture_output=True
    )
    if done.returncode:
        raise OrreryError(f"git could not read {commit[:9]}", details=done.stderr.decode(errors="replace"))
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def _present(commit: str) -> list[str]:
    """Return which of `PARTS` a commit has; git archive refuses to name others."""
    return _git("ls-tree", "--name-only", commit, *PARTS).stdout.split()


def _synthesise(root: Path, folder: Path, arguments: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(root), "ORRERY_STATE": str(STATE)}
    done = subprocess.run(
        [sys.executable, "-P", str(SYNTHESISE), str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise OrreryError(
            f"the stacks of {root} could not be synthesised: {(done.stderr.strip().splitlines() or ['?'])[-1]}",
            next_step="--verbose shows the traceback",
            details=done.stderr,
        )


def _read(label: str, root: Path, folder: Path) -> Tree:
    stacks: dict[str, Synthesised] = {}
    hashes: dict[Path, str] = {}
    for file in sorted(folder.glob("*.stack.json")):
        data = json.loads(file.read_text())
        configuration = data.get("configuration", {})
        stacks[data["id"]] = Synthesised(
            data["id"],
            configuration,
            data.get("tags", {}),
            data.get("error", ""),
            data.get("accepted", ()),
            _fingerprint(configuration, data.get("tags", {}), root, folder / module_of(data["id"]), hashes),
        )
    return Tree(label, root, folder, stacks)


def _fingerprint(
    configuration: Mapping[str, Any], tags: Mapping[str, str], root: Path, folder: Path, hashes: dict[Path, str]
) -> str:
    """Hash a configuration with what is in its modules' folders; where the tree lies makes no difference."""
    used: dict[str, str] = {}
    copied: dict[str, Any] = json.loads(json.dumps(configuration))
    for name, block in copied.get("module", {}).items():
        source = (folder / block["source"]).resolve()
        if source not in hashes:
            hashes[source] = _folder_hash(source)
        block["source"] = os.path.relpath(source, root.resolve())
        used[name] = hashes[source]
    text = json.dumps([copied, used, dict(tags)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _folder_hash(folder: Path) -> str:
    """Hash a module: its files, those below it, and the modules beside it that it calls; not what only documents it."""
    digest = hashlib.sha256()
    folders = {folder} | {(folder / where / source).resolve() for where, _, source in module_calls(folder)}
    for each in sorted(folders):
        for file in sorted(each.rglob("*")):
            parts = file.relative_to(each).parts
            read = file.is_file() and file.suffix != ".md" and not {"examples", "tests", ".terraform"} & set(parts)
            if read and file.name != "module.toml":
                name = os.path.relpath(file, folder)
                digest.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
