"""Measure 07_nebula's history and its facts on DuckDB and PostgreSQL, and write docs/benchmarks.md.

``python scripts/bench_nebula.py`` runs in the environment ``test``, starts the local PostgreSQL and works in a database
of its own there; what it measures runs in the environment ``nebula``. What is compared, on the wall clock:

* merge: the model ``dim_customer`` of a run that brings changes of one customer in a hundred, as dbt reports it;
* rebuild: the same model with ``--full-refresh``, which works out all versions anew;
* by hand: two updates and an insert in one transaction, into a copy of the dimension with the same indexes. They can do
  less: their changes must come in order, each customer once. The rows must come out the same, or the script ends;
* sales: the model ``fact_sales`` on all lines but those of the last day, then with that last hundredth.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "stacks" / "07_nebula" / "src")]

PAGE = ROOT / "docs" / "benchmarks.md"
TARGETS = ("duckdb", "postgres")
REBUILD_LIMIT, HAND_LIMIT, LINEAR_LIMIT = 10.0, 3.0, 1.5
SEGMENTS = ("consumer", "small business", "corporate", "wholesale")

HAND = """
update bench.by_hand set valid_to = told.changed_at, is_current = false
from nebula_core.customer_changes as told
where told.batch_id = {batch} and by_hand.customer_id = told.customer_id and by_hand.is_current
    and (by_hand.is_inferred or by_hand.country <> told.country or by_hand.city <> told.city
        or by_hand.segment <> told.segment);
insert into bench.by_hand
select {key}, {durable}, told.customer_id, last.version_number + 1, told.changed_at,
    cast('9999-12-31' as timestamp), true, false, false, told.country, told.city, told.segment, told.segment, told.name,
    told.email
from nebula_core.customer_changes as told
inner join bench.by_hand as last on last.customer_id = told.customer_id and last.valid_to = told.changed_at
where told.batch_id = {batch};
update bench.by_hand set name = told.name, email = told.email, current_segment = told.segment
from nebula_core.customer_changes as told
where told.batch_id = {batch} and by_hand.customer_id = told.customer_id
    and (by_hand.name <> told.name or by_hand.email <> told.email or by_hand.current_segment <> told.segment)
"""
COLUMNS = (
    "customer_key, customer_durable_key, customer_id, version_number, valid_from, valid_to, is_current, is_inferred,"
    " is_deleted, country, city, segment, current_segment, name, email"
)


class Bench:
    """One warehouse, measured in the environment nebula."""

    def __init__(self, target: str, folder: Path) -> None:
        from nebula import warehouses

        self.target, self.folder, self.work = target, folder, folder / "work"
        self.open = warehouses.WAREHOUSES[target]

    def pipeline(self, *data: Path) -> dict[str, float]:
        """Run the pipeline without the tests; return the seconds of its steps, and of dbt's models by name."""
        from nebula.pipeline import run

        with contextlib.redirect_stderr(open(self.folder / "log", "a")):
            summary = run(self.target, data, self.work, tests=False)
        return dict(summary["steps"]) | self.models()

    def models(self) -> dict[str, float]:
        """Return the seconds of each model in dbt's last run."""
        results = json.loads((self.work / "target" / "run_results.json").read_text())["results"]
        names = {each["unique_id"].rpartition(".")[2]: each["execution_time"] for each in results}
        return {name: names[name] for name in ("dim_customer", "fact_sales", "fact_inventory_daily") if name in names}

    def query(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements; return the rows of the last."""
        warehouse = self.open()
        try:
            return [warehouse.query(statement) for statement in statements][-1]
        finally:
            warehouse.close()

    def clear(self) -> None:
        """Throw away all that the pipeline made."""
        schemas = ("bench", "nebula_marts", "nebula_core", "nebula_staging", "nebula_raw")
        self.query(*(f"drop schema if exists {name} cascade" for name in schemas))

    def history(self, customers: int, rounds: int) -> dict[str, Any]:
        """Measure merges of one change in a hundred, by hand too, and a rebuild after each."""
        from nebula.pipeline import PROJECT

        from jobs.dbt import run_dbt

        self.clear()
        self.pipeline(self._changes(0, range(customers)))
        indexes = ["create unique index by_hand_key on bench.by_hand (customer_key)"]
        indexes += ["create index by_hand_id on bench.by_hand (customer_id)", "analyze bench.by_hand"]
        self.query(
            "create schema bench",
            f"create table bench.by_hand as select {COLUMNS} from nebula_marts.dim_customer",
            *(indexes if self.target == "postgres" else ()),
            "select 1",
        )
        found: dict[str, Any] = {"customers": customers, "merge": [], "rebuild": [], "hand": []}
        for number in range(1, rounds + 1):
            changed = range(number, customers, 100)
            found["merge"].append(self.pipeline(self._changes(number, changed))["dim_customer"])
            found["hand"].append(self._by_hand())
            with contextlib.redirect_stdout(open(self.folder / "log", "a")):
                run_dbt(PROJECT, self.target, self.work, ["run", "--full-refresh", "--select", "dim_customer"])
            found["rebuild"].append(self.models()["dim_customer"])
        found["changed"] = len(changed)
        found["versions"] = int(self.query("select count(*) from nebula_marts.dim_customer")[0][0])
        return found

    def _by_hand(self) -> float:
        batch = int(self.query("select max(batch_id) from nebula_raw.batches")[0][0])
        if self.target == "duckdb":
            keys = "cast(('0x' || substr(md5({}), 1, 15)) as bigint)"
        else:
            keys = "cast(cast(('x0' || substr(md5({}), 1, 15)) as bit(64)) as bigint)"
        text = HAND.format(
            batch=batch,
            key=keys.format("told.customer_id || '|' || cast(told.changed_at as varchar(30))"),
            durable=keys.format("told.customer_id"),
        )
        warehouse = self.open()
        try:
            warehouse.query("select 1")
            started = time.perf_counter()
            for statement in ["begin", *text.split(";"), "commit"]:
                warehouse.query(statement)
            seconds = time.perf_counter() - started
            kept = f"select {COLUMNS} from nebula_marts.dim_customer"
            made = f"select {COLUMNS} from bench.by_hand"
            other = warehouse.query(
                f"select count(*) from (({kept} except {made}) union all ({made} except {kept})) as d"
            )
        finally:
            warehouse.close()
        if other[0][0]:
            raise SystemExit(f"{other[0][0]} rows differ between the merge and the one by hand")
        return seconds

    def _changes(self, number: int, customers: range) -> Path:
        from nebula.feeds import FEEDS

        draw = random.Random(number).random
        path = self.folder / f"customers-{number}.csv"
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(FEEDS["customer_changes"])
            for each in customers:
                segment = SEGMENTS[(each + number) % 4]
                mail = f"c{each}@example.com" if draw() < 0.9 else f"c{each}.{number}@example.com"
                image = [f"Customer {each}", mail, "France", "Lyon", segment]
                writer.writerow([100_000 + each, f"2024-01-{1 + number:02} 08:00:00", number, "false", *image])
        return path

    def sales(self, lines: int) -> dict[str, Any]:
        """Measure `fact_sales` on all days but the last, then with the last; and the whole runs."""
        from nebula.generate import Shop

        self.clear()
        folder = self.folder / f"lines-{lines}"
        Shop(folder, lines=round(lines * 1.01), days=101).write()
        files = sorted(folder.glob("*.csv"))
        last = [path for path in files if path.name[:10] == files[-1].name[:10]]
        cpu = time.process_time()
        full = self.pipeline(*(path for path in files if path not in last))
        cpu = time.process_time() - cpu
        loaded = int(self.query("select count(*) from nebula_marts.fact_sales")[0][0])
        increment = self.pipeline(*last)
        more = int(self.query("select count(*) from nebula_marts.fact_sales")[0][0]) - loaded
        for path in files:
            path.unlink()
        return {"rows": loaded, "more": more, "full": full, "increment": increment, "cpu": cpu}


def inner(given: argparse.Namespace) -> int:
    """Measure one warehouse and print what was found as one line of JSON."""
    with tempfile.TemporaryDirectory(prefix="bench_nebula_") as name:
        folder = Path(name)
        os.environ["NEBULA_DUCKDB_PATH"] = str(folder / "warehouse.duckdb")
        bench = Bench(given.inner, folder)
        found: dict[str, Any] = {"history": bench.history(given.customers, given.repeat)}
        print(json.dumps(found), file=sys.stderr, flush=True)
        found["sales"] = []
        for lines in given.lines:
            found["sales"].append(bench.sales(lines))
            print(json.dumps(found["sales"][-1]), file=sys.stderr, flush=True)
        bench.clear()
    print(json.dumps(found))
    return 0


def measure(target: str, given: argparse.Namespace) -> dict[str, Any]:
    """Start the half that runs in the environment nebula, on a warehouse of its own."""
    from infra import envs
    from infra.local import Cloud

    environment = {**os.environ}
    if target == "postgres":
        cloud = Cloud(ROOT / ".orrery")
        cloud.up(["postgres"])
        made = cloud.provision_database("bench_nebula")
        environment |= {
            "NEBULA_HOST": made.host,
            "NEBULA_PORT": str(made.port),
            "NEBULA_DATABASE": made.database,
            "NEBULA_USER": made.user,
            "NEBULA_PASSWORD": made.password,
            "NEBULA_SSLMODE": "disable",
        }
    lines = given.lines if target == "duckdb" else given.postgres_lines
    command = [str(envs.ensure("nebula")), "-P", __file__, "--inner", target, "--repeat", str(given.repeat)]
    command += ["--customers", str(given.customers), "--lines", *map(str, lines)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"the measurements on {target} failed with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(found: dict[str, dict[str, Any]], repeat: int) -> str:
    """Return the section: two tables, what was measured, and which goals were kept."""
    lines = [
        "| | customers | versions | changed | merge, s | rebuild, s | by hand, s | rebuild / merge | merge / by hand |"
    ]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    goals: list[tuple[str, bool]] = []
    for target, each in found.items():
        history = each["history"]
        merge, rebuild, hand = (statistics.median(history[name]) for name in ("merge", "rebuild", "hand"))
        cells = [f"{history[name]:,}" for name in ("customers", "versions", "changed")]
        cells += [f"{merge:.2f}", f"{rebuild:.2f}", f"{hand:.2f}", f"{rebuild / merge:.1f}", f"{merge / hand:.2f}"]
        lines.append(f"| {target} | {' | '.join(cells)} |")
        goals.append((f"{target}: rebuild ≥ {REBUILD_LIMIT:.0f} × merge", rebuild >= REBUILD_LIMIT * merge))
        goals.append((f"{target}: merge ≤ {HAND_LIMIT:.0f} × by hand", merge <= HAND_LIMIT * hand))
    heads = ["lines", "`fact_sales` in full, s", "µs/line", "whole run, s", "µs/line", "CPU µs/line, client"]
    heads += ["lines of an increment", "`fact_sales` of it, s", "of full", "whole run of it, s"]
    lines += ["", f"| | {' | '.join(heads)} |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for target, each in found.items():
        per_line = []
        for sales in each["sales"]:
            rows, full, part = sales["rows"], sales["full"], sales["increment"]
            whole = [sum(run[name] for name in ("land", "build", "count")) for run in (full, part)]
            # DuckDB works in the client's process: its CPU time is not disturbed by what else runs on the machine.
            per_line.append((sales["cpu"] if target == "duckdb" else whole[0]) / rows)
            cells = [f"{rows:,}", f"{full['fact_sales']:.2f}", f"{full['fact_sales'] / rows * 1e6:.2f}"]
            cells += [
                f"{whole[0]:.1f}",
                f"{whole[0] / rows * 1e6:.1f}",
                f"{sales['cpu'] / rows * 1e6:.1f}",
                f"{sales['more']:,}",
            ]
            cells += [f"{part['fact_sales']:.2f}", f"{part['fact_sales'] / full['fact_sales']:.0%}", f"{whole[1]:.1f}"]
            lines.append(f"| {target} | {' | '.join(cells)} |")
        flat = per_line[-1] <= LINEAR_LIMIT * per_line[0]
        clock = "CPU µs/line" if target == "duckdb" else "µs/line"
        goals.append((f"{target}: {clock} of the whole run flat within {LINEAR_LIMIT}", flat))
    kept = "; ".join(f"{goal}: {'kept' if held else 'not kept'}" for goal, held in goals)
    return "\n".join(
        [
            *lines,
            "",
            f"Goals: {kept}.",
            "",
            f"Merge, rebuild and by hand are medians of {repeat}, the rest was measured once."
            f" {date.today().isoformat()}, {os.cpu_count()} cores shared by both sides, Python"
            f" {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end. `python scripts/bench_nebula.py`",
        ]
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=3, help="merges, rebuilds and merges by hand; the median counts")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument(
        "--lines", type=int, nargs="+", default=[1_000_000, 10_000_000], help="on DuckDB, small to large"
    )
    parser.add_argument("--postgres-lines", type=int, nargs="+", default=[100_000, 1_000_000], help="on PostgreSQL")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    parser.add_argument("--inner", choices=TARGETS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        return inner(given)
    from infra.docs import write_section

    text = report({target: measure(target, given) for target in given.targets}, given.repeat)
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_nebula", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
