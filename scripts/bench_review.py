"""Measure the budgets of a review (what is asked of a pull request) and write them into docs/benchmarks.md.

Whole processes, with all their children, after one run that makes environments and links; median of three.
A new row is a new `Budget`.

Usage: ``.venv/bin/python -P scripts/bench_review.py``; `make bench` calls it too.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.docs import write_section
from infra.paths import ROOT
from scripts.bench_loop import HEADER, ORRERY, Budget, measure, measure_all

BUDGETS = (Budget("`orrery scan`, all modules and the plan of all built stacks", [ORRERY, "scan"], 60, "cpu"),)


def main() -> int:
    """Measure all budgets, write the table, and fail when one is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="runs per command (default: %(default)s)")
    runs = parser.parse_args().runs
    environment = {**os.environ, "NO_COLOR": "1"}
    empty, _ = measure(["python3", "-c", "pass"], environment, runs)
    rows, broken = measure_all(BUDGETS, environment, runs, empty)
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join([*HEADER, *rows, "", f"Median of {runs}. {time.strftime('%Y-%m-%d')}, {where}."])
    write_section(ROOT / "docs" / "benchmarks.md", "bench_review", text)
    print(text)
    if broken:
        print(f"over budget: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
