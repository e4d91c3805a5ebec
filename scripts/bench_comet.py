"""Measure the nightly load of 02_comet beside a plain INSERT … SELECT, in one run, and write docs/benchmarks.md.

``python scripts/bench_comet.py`` starts the local PostgreSQL and works in two databases of its own there. It runs in
the environment ``test``. What is compared, on the wall clock:

* full: ``bin/nightly`` on an empty warehouse, from the first line of bash to the last, reconciliation included;
* plain: ``INSERT INTO … SELECT`` of the very rows that this made in ``fact_measurement``, surrogate keys and all,
  within the warehouse, into a table with the same constraints: ``LIKE … INCLUDING ALL`` and the same foreign keys;
* 1 %: ``bin/nightly`` again, after the values of one solution in a hundred changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "stacks" / "02_comet" / "src")]

from comet.generate import generate  # noqa: E402
from comet.land import land, prepare  # noqa: E402

from infra.docs import write_section  # noqa: E402
from infra.local import Cloud  # noqa: E402
from infra.local.service import Database  # noqa: E402
from jobs.database import Connection, connect  # noqa: E402 (the path comes first)
from jobs.quarantine import FolderQuarantine  # noqa: E402
from jobs.source import open_path  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
SIZES = (10_000, 100_000, 1_000_000)
PER_RECORD = 8.07  # measurements in a generated record
FULL_LIMIT, INCREMENT_LIMIT, LINEAR_LIMIT = 1.5, 0.04, 1.5
PLAIN = """
CREATE TABLE bench.plain (LIKE star.fact_measurement INCLUDING ALL,
    FOREIGN KEY (planet_key) REFERENCES star.dim_planet,
    FOREIGN KEY (star_key) REFERENCES star.dim_star,
    FOREIGN KEY (published_key) REFERENCES star.dim_date)
"""


@dataclass
class Round:
    """One full load, the plain insert of its rows, and one increment: rows and seconds."""

    rows: int
    full: float
    plain: float
    changed: int
    increment: float


class Bench:
    """Two databases, and the script between them."""

    def __init__(self, folder: Path) -> None:
        cloud = Cloud(ROOT / ".orrery")
        cloud.up(["postgres"])
        databases = [cloud.provision_database(f"bench_comet_{name}") for name in ("oltp", "olap")]
        self.oltp, self.olap = map(_connect, databases)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text("".join(f"*:*:{each.database}:*:{each.password}\n" for each in databases))
        self.folder = folder
        self.environment = {
            "PATH": os.pathsep.join([str(cloud.programs()), os.environ.get("PATH", os.defpath)]),
            "PGPASSFILE": str(passwords),
            "COMET_LOCKS": str(folder),
            "COMET_OLTP": _where(databases[0]),
            "COMET_OLAP": _where(databases[1]),
        }

    def land(self, measurements: int) -> None:
        """Fill the operational database, as if it were yesterday."""
        _drop(self.oltp, "archive")
        prepare(self.oltp)
        path = self.folder / "planets.csv"
        generate(path, rows=round(measurements / PER_RECORD), seed=3)
        result = land(self.oltp, *open_path(path), FolderQuarantine(self.folder))
        if result.status != "loaded":
            raise SystemExit(f"the file was {result.status}: {result.error}")
        path.unlink()
        for table in ("systems", "stars", "planets", "solutions"):
            self.oltp.execute(f"UPDATE archive.{table} SET changed_at = now() - interval '1 day'".encode())
        for table in ("systems", "stars", "planets", "publications", "solutions", "measurements"):
            self.oltp.execute(f"VACUUM ANALYZE archive.{table}".encode())

    def round(self, number: int) -> Round:
        """Measure once."""
        for schema in ("bench", "star", "etl"):
            _drop(self.olap, schema)
        # What the round before changed is yesterday's, or the overlap would take it once more.
        self.oltp.execute(
            "UPDATE archive.solutions SET changed_at = now() - interval '1 day'"
            " WHERE changed_at > now() - interval '2 h'"
        )
        self.oltp.execute(b"VACUUM ANALYZE archive.solutions, archive.measurements")
        full, loaded = self._nightly()
        self.olap.execute("CREATE SCHEMA bench")
        self.olap.execute(PLAIN.encode())
        started = time.perf_counter()
        rows = self.olap.execute("INSERT INTO bench.plain SELECT * FROM star.fact_measurement").rowcount
        plain = time.perf_counter() - started
        if rows != loaded:
            raise SystemExit(f"{loaded} rows were loaded, and {rows} are there")
        self.olap.execute("VACUUM ANALYZE star.fact_measurement")
        changed = self._change(number)
        increment, read = self._nightly()
        if read != changed:
            raise SystemExit(f"{changed} rows changed, and {read} were read")
        return Round(rows, full, plain, changed, increment)

    def _nightly(self) -> tuple[float, int]:
        """Run the script; return its seconds and the measurements that it read."""
        command = [str(ROOT / "stacks" / "02_comet" / "bin" / "nightly")]
        started = time.perf_counter()
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"nightly failed with {done.returncode}:\n{done.stderr}")
        for line in map(json.loads, done.stderr.splitlines()):
            if line["event"] == "loaded" and line["step"] == "fact_measurement":
                return seconds, int(line["read"])
        raise SystemExit(f"nightly loaded no measurements:\n{done.stderr}")

    def _change(self, number: int) -> int:
        """Change all values of one solution in a hundred, as a corrected file would; another one each time."""
        with self.oltp.transaction():
            chosen = f"solution_id % 100 = {number}"
            done = self.oltp.execute(f"UPDATE archive.measurements SET value = value * 1.01 WHERE {chosen}".encode())
            self.oltp.execute(f"UPDATE archive.solutions SET changed_at = clock_timestamp() WHERE {chosen}".encode())
        return done.rowcount


def _connect(database: Database) -> Connection:
    return connect(
        host=database.host,
        port=database.port,
        dbname=database.database,
        user=database.user,
        password=database.password,
    )


def _where(database: Database) -> str:
    return f"host={database.host} port={database.port} dbname={database.database} user={database.user}"


def _drop(connection: Connection, schema: str) -> None:
    connection.execute("SET client_min_messages = warning")
    connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


def report(found: dict[int, list[Round]], version: str) -> str:
    """Return the section: a table, what was measured, and which goals were kept."""
    lines = [
        "| measurements | full, s | µs/row | plain, s | full / plain | rows changed | 1 %, s | 1 % / full |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    per_row = []
    for rounds in found.values():
        rows = rounds[0].rows
        full = statistics.median(each.full for each in rounds)
        plain = statistics.median(each.plain for each in rounds)
        increment = statistics.median(each.increment for each in rounds)
        per_row.append(full / rows)
        cells = [f"{rows:,}", f"{full:.2f}", f"{full / rows * 1e6:.1f}", f"{plain:.2f}", f"{full / plain:.2f}"]
        cells += [f"{rounds[0].changed:,}", f"{increment:.2f}", f"{increment / full:.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
    goals = [
        (f"full ≤ {FULL_LIMIT} × plain", full / plain <= FULL_LIMIT),
        (f"1 % ≤ {INCREMENT_LIMIT:.0%} of full", increment / full <= INCREMENT_LIMIT),
        (
            f"µs/row at most {LINEAR_LIMIT} × from the second size to the last",
            per_row[-1] <= LINEAR_LIMIT * per_row[-2],
        ),
    ]
    kept = "; ".join(f"{goal}: {'kept' if held else 'not kept'}" for goal, held in goals)
    rounds_of_each = len(next(iter(found.values())))
    return "\n".join(
        [
            *lines,
            "",
            f"Goals at the last size: {kept}.",
            "",
            f"Medians of {rounds_of_each}. {date.today().isoformat()}, {os.cpu_count()} cores shared by both sides,"
            f" PostgreSQL {version}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end."
            " At the first size most is the start of a dozen psql. `python scripts/bench_comet.py`",
        ]
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=3, help="rounds of each size, of which the median counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="measurements; at least two sizes")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    given = parser.parse_args()
    found: dict[int, list[Round]] = {}
    with tempfile.TemporaryDirectory(prefix="bench_comet_") as folder:
        bench = Bench(Path(folder))
        for size in given.sizes:
            bench.land(size)
            for number in range(given.repeat):
                found.setdefault(size, []).append(bench.round(number))
                print(f"{size:>9,} {found[size][-1]}", file=sys.stderr, flush=True)
        row = bench.olap.execute("SHOW server_version").fetchone()
    text = report(found, str((row or ("?",))[0]).split()[0])
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_comet", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
