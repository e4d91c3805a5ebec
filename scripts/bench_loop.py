"""Measure the budgets of the everyday loop and write them into docs/benchmarks.md.

Whole processes, as a user starts them: wall time and CPU time (of the process and all its children), median of five.
Each command is run once before, so that environments, packages and Terraform's provider links are there. The ratio is
to an empty ``python3 -c pass`` of the same run, so that a slow machine can be told from a slow command.

Usage: ``make bench`` (deploys 01_meteor on a local cloud of its own, below the state folder's ``bench``).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.docs import write_section
from infra.paths import ROOT, STATE

ORRERY = str(ROOT / "orrery")


@dataclass(frozen=True)
class Budget:
    """What a command may take: wall seconds or CPU seconds."""

    name: str
    command: Sequence[str]
    seconds: float
    of: str


HEADER = ("| command | wall s | CPU s | × empty python | budget | kept |", "|---|---|---|---|---|---|")
BUDGETS = (
    Budget("`orrery --help`", [ORRERY, "--help"], 0.4, "wall"),
    Budget("`orrery list`", [ORRERY, "list"], 0.4, "wall"),
    Budget("`orrery plan 01_meteor`", [ORRERY, "plan", "01_meteor"], 10, "cpu"),
    Budget("`orrery plan 14_blackhole`", [ORRERY, "plan", "14_blackhole"], 10, "cpu"),
    Budget("second `orrery deploy 01_meteor`", [ORRERY, "deploy", "01_meteor"], 12, "wall"),
)


def measure(command: Sequence[str], environment: Mapping[str, str], runs: int) -> tuple[float, float]:
    """Run a command several times; return the medians of its wall and CPU time in seconds."""
    wall, cpu = [], []
    for _ in range(runs):
        before, started = os.times(), time.monotonic()
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
        after = os.times()
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        wall.append(time.monotonic() - started)
        cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(wall), statistics.median(cpu)


def measure_all(
    budgets: Sequence[Budget], environment: Mapping[str, str], runs: int, empty: float
) -> tuple[list[str], list[str]]:
    """Measure commands, after one run of each that doesn't count; return table rows, and what is over its budget."""
    rows, broken = [], []
    for budget in budgets:
        subprocess.run(budget.command, env=dict(environment), capture_output=True)
        wall, cpu = measure(budget.command, environment, runs)
        took = wall if budget.of == "wall" else cpu
        rows.append(
            f"| {budget.name} | {wall:.2f} | {cpu:.2f} | {wall / empty:.0f} | ≤ {budget.seconds:g} s {budget.of} | "
            f"{'yes' if took <= budget.seconds else 'no'} |"
        )
        broken += [budget.name] if took > budget.seconds else []
    return rows, broken


def one_root(environment: Mapping[str, str], runs: int, copies: int) -> tuple[float, float, int]:
    """Plan the built stacks as one root, so many times each (0: until there are forty); return wall, CPU, resources."""
    program = (
        "import sys; from infra.plan import plan_many; from infra.output import Ui; "
        "print(sum(map(len, plan_many(Ui(), copies=int(sys.argv[1])).values())))"
    )
    from infra import catalog

    built = sum(info.built for info in catalog.load().values())
    python = subprocess.run([ORRERY, "env", "engine"], capture_output=True, text=True, check=True).stdout.strip()
    command = [python, "-P", "-c", program, str(copies or -(-40 // built))]
    inside = {**environment, "PYTHONPATH": str(ROOT)}
    first = subprocess.run(command, env=inside, capture_output=True, text=True)
    if first.returncode:
        raise SystemExit(first.stderr)
    return (*measure(command, inside, runs), int(first.stdout.split()[-1]))


def main() -> int:
    """Measure all budgets, write the table, and fail when one is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="runs per command (default: %(default)s)")
    runs = parser.parse_args().runs
    environment = {**os.environ, "ORRERY_STATE": str(STATE / "bench"), "NO_COLOR": "1"}
    (STATE / "bench").mkdir(parents=True, exist_ok=True)
    if not (STATE / "bench" / "envs").exists():
        (STATE / "bench" / "envs").symlink_to(STATE / "envs")  # the same environments; only the state is its own
    empty, _ = measure(["python3", "-c", "pass"], environment, runs)
    try:
        rows, broken = measure_all(BUDGETS, environment, runs, empty)
        for copies, what in ((1, "all built stacks"), (0, "forty stacks (copies of the built ones)")):
            wall, cpu, resources = one_root(environment, runs if copies else min(runs, 3), copies)
            name = f"plan of {what} as one root, {resources:,} resources"
            kept = "yes" if cpu <= 20 else "no"
            rows.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {wall / empty:.0f} | ≤ 20 s cpu | {kept} |")
            broken += [name] if cpu > 20 else []
    finally:
        subprocess.run([ORRERY, "reset", "--yes"], env=environment, capture_output=True)
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    counted = f"Median of {runs} (forty stacks: of {min(runs, 3)}). {time.strftime('%Y-%m-%d')}, {where}."
    text = "\n".join([*HEADER, *rows, "", counted])
    write_section(ROOT / "docs" / "benchmarks.md", "bench_loop", text)
    print(text)
    if broken:
        print(f"over budget: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
