"""Measure the budgets of a review (what is asked of a pull request) and write them into docs/benchmarks.md.

Whole processes, with all their children, after one run that makes environments and links; median of three.
A new row is a new `Budget`.

Usage: ``.venv/bin/python -P scripts/bench_review.py``; `make bench` calls it too.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.docs import write_section
from infra.paths import ROOT, STATE
from scripts.bench_loop import HEADER, ORRERY, Budget, measure, measure_all

BUDGETS = (Budget("`orrery scan`, all modules and the plan of all built stacks", [ORRERY, "scan"], 60, "cpu"),)


def changed_clone(folder: Path) -> Path:
    """Clone the checkout's last commit and change one stack in it: a function's time limit, and a right more.

    Its state is its own; environments and caches are the checkout's, but for what reviews keep.
    """
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    stack = folder / "stacks" / "14_blackhole" / "stack.py"
    text = stack.read_text().replace("timeout_s=10", "timeout_s=12").replace('"GetItem",', '"GetItem", "Scan",')
    stack.write_text(text)
    (folder / ".orrery" / "cache").mkdir(parents=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".orrery" / "envs").symlink_to(STATE / "envs")
    for each in (STATE / "cache").iterdir():
        if each.name != "review":
            (folder / ".orrery" / "cache" / each.name).symlink_to(each)
    return folder


def forty(folder: Path) -> Path:
    """Clone the checkout with all forty stacks built: each that is to come is a copy of a built one, under its own id.

    The copies' resources have names of their own, as those of any stack have. They are the clone's last commit.
    """
    changed_clone(folder)
    stacks = folder / "stacks"
    _git(folder, "checkout", "--quiet", ".")
    entries = tomllib.loads((stacks / "catalog.toml").read_text())["stack"]
    built = sorted(file.parent for file in stacks.rglob("stack.toml"))
    for number, entry in enumerate(entries):
        shutil.copytree(built[number % len(built)], stacks / entry["id"])
        description = stacks / entry["id"] / "stack.toml"
        description.write_text(re.sub(r"(?m)^track = \d", f"track = {entry['track']}", description.read_text()))
    (stacks / "catalog.toml").write_text("stack = []\n")
    _git(folder, "add", "stacks")
    _git(folder, "-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "-m", "Forty")
    return folder


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "commit.gpgsign=false", *arguments], check=True)


def of_reviews(clone: Path) -> tuple[Budget, ...]:
    """Return the budgets of reviews in a changed clone."""
    review = f"exec {clone / 'orrery'} review 14_blackhole --base HEAD"
    state = clone / ".orrery"
    forget = f"rm -rf {state / 'cache' / 'review'}/*-*/ {state / 'review'}; "  # what is kept of bases, not of providers
    return (
        Budget("review of 14_blackhole, one change", ["sh", "-c", review], 12, "cpu"),
        Budget("the first one, against a base not seen before", ["sh", "-c", forget + review], 12, "cpu"),
    )


EDITS = (
    ("modules/function/alarms.tf", "evaluation_periods  = 1", "evaluation_periods  = 2", "a module that all forty use"),
    ("stacks/14_blackhole/stack.py", "timeout_s=10", "timeout_s=12", "one of them"),
)
"""What is changed in a clone of forty stacks: a file, the text before and after, and what that is to them."""


def measure_forty(clone: Path, environment: Mapping[str, str], runs: int, empty: float) -> tuple[list[str], list[str]]:
    """Measure reviews of all stacks in a clone with forty, each with another change; the big one once.

    The base is known to each: the first change settles all of it, in a run that doesn't count.
    """
    rows: list[str] = []
    broken: list[str] = []
    for file, before, after, what in EDITS:
        edited, text = clone / file, (clone / file).read_text()
        if before not in text:
            raise SystemExit(f"there is no {before!r} in {file}")
        edited.write_text(text.replace(before, after, 1))
        command = [str(clone / "orrery"), "review", "--all", "--base", "HEAD"]
        budget = Budget(f"review of all, forty stacks: {what} changed", command, 30, "cpu")
        found = measure_all([budget], environment, runs if "stacks" in file else 1, empty)
        rows, broken = rows + found[0], broken + found[1]
        edited.write_text(text)
    return rows, broken


def main() -> int:
    """Measure all budgets, write the table, and fail when one is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="runs per command (default: %(default)s)")
    runs = parser.parse_args().runs
    environment = {**os.environ, "NO_COLOR": "1"}
    empty, _ = measure(["python3", "-c", "pass"], environment, runs)
    clone = changed_clone(STATE / "bench" / "clone")
    rows, broken = measure_all(BUDGETS, environment, runs, empty)
    reviews = {**environment, "ORRERY_STATE": str(clone / ".orrery")}
    for found, into in zip(measure_all(of_reviews(clone), reviews, runs, empty), (rows, broken), strict=True):
        into += found
    shutil.rmtree(clone)
    clone = forty(clone)
    for found, into in zip(measure_forty(clone, reviews, runs, empty), (rows, broken), strict=True):
        into += found
    shutil.rmtree(clone)
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join(
        [
            *HEADER,
            *rows,
            "",
            f"Median of {runs} (a module of all forty: one run). {time.strftime('%Y-%m-%d')}, {where}.",
        ]
    )
    write_section(ROOT / "docs" / "benchmarks.md", "bench_review", text)
    print(text)
    if broken:
        print(f"over budget: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
