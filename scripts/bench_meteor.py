r"""Measure the loader of 01_meteor beside raw COPY and to_sql, in one run, and write docs/benchmarks.md.

``python scripts/bench_meteor.py`` starts the local PostgreSQL; ``--dsn`` takes any other, with an empty
schema to work in. It needs pandas, psycopg and SQLAlchemy, and psql on the PATH for the raw ``\copy``
(psycopg's COPY stands in for it).

What is compared, each in a process of its own that is warm (modules imported, connected) when its clock
starts:

* raw: the clean rows, keys included, as COPY text into an empty table with all constraints and indexes of
  ``meteor.launches``: ``LIKE ... INCLUDING ALL``;
* meteor: the CSV from disk to the commit, cleaning, staging, merge and ledger included, into an empty table;
* to_sql: the clean rows as a typed DataFrame into such a table, with the default settings of pandas and
  SQLAlchemy (driver psycopg2).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "stacks" / "01_meteor" / "src")]

from meteor.generate import generate  # noqa: E402
from meteor.load import load, prepare  # noqa: E402

from infra.docs import write_section  # noqa: E402
from jobs.database import Connection, connect  # noqa: E402 (the path comes first)
from jobs.quarantine import FolderQuarantine  # noqa: E402
from jobs.source import open_path  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
SIZES = (10_000, 100_000, 1_000_000)
TO_SQL_LIMIT = 100_000  # beyond, a run takes minutes and its time per row stays as it is
GOALS = (
    "Goals: at least 0.35 × raw COPY, at least 8 × to_sql, time per row flat from 10,000 to 1,000,000 rows,"
    " below 300 MB."
)


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, CPU seconds of client and server, peak memory of the client."""

    seconds: float
    client_cpu: float
    server_cpu: float
    rss_mb: int


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dsn", default="", help="a PostgreSQL database to work in (default: the local cloud's)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each, of which the median counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="rows")
    parser.add_argument("--gigabyte", action="store_true", help="also load one file of 1 GB, for its memory")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_RUNS[given.one[0]](given.dsn, Path(given.one[1])).__dict__))
        return 0
    dsn = given.dsn or _local_database()
    with tempfile.TemporaryDirectory(prefix="bench_meteor_") as folder:
        text = _report(dsn, Path(folder), given)
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_meteor", text)
    return 0


def _local_database() -> str:
    from psycopg.conninfo import make_conninfo

    from infra.local import Cloud

    cloud = Cloud(ROOT / ".orrery")
    cloud.up(["postgres"])
    found = cloud.provision_database("bench_meteor")
    return make_conninfo(
        host=found.host, port=found.port, dbname=found.database, user=found.user, password=found.password
    )


# -- what is measured
# ------------------------------------------------------------------------------------------


def run_meteor(dsn: str, path: Path) -> Measured:
    """Load a CSV file with 01_meteor into an empty table."""
    with connect(dsn) as connection, tempfile.TemporaryDirectory() as folder:
        _empty(connection)
        with _clock(connection) as measured:
            delivery, chunks = open_path(path)
            result = load(connection, delivery, chunks, FolderQuarantine(Path(folder)))
        if result.status != "loaded":
            raise SystemExit(f"the loader answered {result.status}: {result.error}")
        return measured()


def run_raw(dsn: str, path: Path) -> Measured:
    r"""Copy the rows that a load of ``path`` made, with ``psql \copy`` where there is psql."""
    rows = path.with_suffix(".copy")
    with connect(dsn) as connection:
        _empty(connection)
        if shutil.which("psql"):
            return _psql(dsn, rows)
        with (
            _clock(connection) as measured,
            rows.open("rb") as file,
            connection.cursor() as cursor,
            cursor.copy("COPY bench.raw FROM STDIN") as copy,
        ):
            while chunk := file.read(1 << 20):
                copy.write(chunk)
        return measured()


def _psql(dsn: str, rows: Path) -> Measured:
    script = f"\\timing on\n\\copy bench.raw from '{rows}'\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["psql", "-X", "-q", dsn], input=script, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"Time: ([\d.]+) ms", done.stdout)
    if not found or done.stderr:
        raise SystemExit(f"psql: {done.stdout} {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(float(found[1]) / 1000, cpu, float("nan"), after.ru_maxrss >> 10)


def run_to_sql(dsn: str, path: Path) -> Measured:
    """Write the rows that a load of ``path`` made with ``DataFrame.to_sql``."""
    import pandas as pd
    from psycopg.conninfo import conninfo_to_dict
    from sqlalchemy import URL, Time, create_engine
    from sqlalchemy.dialects.postgresql import UUID

    facts = conninfo_to_dict(dsn)
    url = URL.create(
        "postgresql",  # SQLAlchemy's default driver, psycopg2
        username=str(facts["user"]),
        password=str(facts["password"]) if "password" in facts else None,
        host=str(facts["host"]),
        port=int(facts["port"] or 5432),
        database=str(facts["dbname"]),
    )
    with connect(dsn) as connection:
        _empty(connection)
        columns = connection.execute("SELECT * FROM bench.raw LIMIT 0").description or []
    names = [column.name for column in columns]
    frame = pd.read_csv(path.with_suffix(".copy"), sep="\t", names=names, na_values=["\\N"], quoting=3)
    frame["launched_on"] = pd.to_datetime(frame["launched_on"]).dt.date
    frame["launched_time"] = pd.to_datetime(frame["launched_time"], format="%H:%M:%S").dt.time
    frame["delivered_at"] = pd.to_datetime(frame["delivered_at"])
    engine = create_engine(url)
    with engine.begin() as target:
        server = int(target.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        started, cpu, their = time.perf_counter(), time.process_time(), _cpu_of(server)
        types = {"launch_key": UUID(as_uuid=False), "launched_time": Time()}
        frame.to_sql("raw", target, schema="bench", if_exists="append", index=False, dtype=types)
        target.commit()
        seconds = time.perf_counter() - started
        return Measured(seconds, time.process_time() - cpu, _cpu_of(server) - their, _rss_mb())


_RUNS: dict[str, Callable[[str, Path], Measured]] = {
    "raw": run_raw,
    "meteor": run_meteor,
    "to_sql": run_to_sql,
}


def _empty(connection: Connection) -> None:
    """Make both tables, empty, and settle the server, so that no run pays for the one before."""
    prepare(connection)
    connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    connection.execute("CREATE TABLE IF NOT EXISTS bench.raw (LIKE meteor.launches INCLUDING ALL)")
    connection.execute("TRUNCATE bench.raw, meteor.launches, meteor.quarantine, meteor.deliveries, meteor.files")
    with suppress(Exception):  # only a superuser, or pg_checkpoint's member, may
        connection.execute("CHECKPOINT")


@contextmanager
def _clock(connection: Connection) -> Iterator[Callable[[], Measured]]:
    server = connection.info.backend_pid
    started, cpu, their = time.perf_counter(), time.process_time(), _cpu_of(server)
    found: list[Measured] = []
    yield lambda: found[0]
    seconds = time.perf_counter() - started
    found.append(Measured(seconds, time.process_time() - cpu, _cpu_of(server) - their, _rss_mb()))


def _cpu_of(process: int) -> float:
    """Return the CPU seconds of a process on this machine; not a number where it can't be seen."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


# -- putting it together
# ---------------------------------------------------------------------------------------


def _report(dsn: str, folder: Path, given: Any) -> str:
    lines = [
        "| rows | | rows/s | µs/row | client CPU s | server CPU s | peak MB | meteor against it |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for rows in given.sizes:
        clean, dirty = folder / f"{rows}.csv", folder / f"{rows}-dirty.csv"
        generate(clean, rows=rows, dirty=0)
        generate(dirty, rows=rows)
        _export(dsn, clean)
        whats = [("raw", clean), ("meteor", clean), ("meteor", dirty)]
        whats += [("to_sql", clean)] if rows <= TO_SQL_LIMIT else []
        runs: dict[str, list[Measured]] = {}
        for _ in range(given.repeat):  # in turns, so that a busy minute of the machine hits all of them
            for what, path in whats:
                name = f"{what}, 2 % dirty" if path == dirty else what
                runs.setdefault(name, []).append(_one(what, path, dsn))
                print(f"{rows:>9,} {name:<18} {runs[name][-1].seconds:8.2f} s", file=sys.stderr, flush=True)
        ours = statistics.median(run.seconds for run in runs["meteor"])
        lines += [_line(rows, name, found, ours) for name, found in runs.items()]
        for path in (clean, dirty, clean.with_suffix(".copy")):
            path.unlink()
    text = "\n".join([_conditions(dsn, given.repeat), "", *lines, "", GOALS])
    return text + ("\n\n" + _gigabyte(dsn, folder) if given.gigabyte else "")


def _one(what: str, path: Path, dsn: str) -> Measured:
    command = [sys.executable, __file__, "--dsn", dsn, "--one", what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{what} failed:\n{done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout))


def _export(dsn: str, path: Path) -> None:
    """Write the rows that a load of ``path`` makes, in the order of the file."""
    _one("meteor", path, dsn)
    query = "COPY (SELECT * FROM meteor.launches ORDER BY line) TO STDOUT"
    with (
        connect(dsn) as connection,
        path.with_suffix(".copy").open("wb") as file,
        connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        file.writelines(copy)


def _line(rows: int, name: str, runs: list[Measured], ours: float) -> str:
    def middle(values: list[float]) -> float:
        return statistics.median(values)

    seconds = middle([run.seconds for run in runs])
    server = middle([run.server_cpu for run in runs])
    cells = [
        f"{rows:,}",
        name,
        f"{rows / seconds:,.0f}",
        f"{seconds / rows * 1e6:.1f}",
        f"{middle([run.client_cpu for run in runs]):.2f}",
        "" if server != server else f"{server:.2f}",
        f"{max(run.rss_mb for run in runs)}",
        "" if name.startswith("meteor") else f"{seconds / ours:.2f} ×",
    ]
    return f"| {' | '.join(cells)} |"


def _gigabyte(dsn: str, folder: Path) -> str:
    path = folder / "gigabyte.csv"
    truth = generate(path, rows=8_100_000, dirty=0.02)
    run = _one("meteor", path, dsn)
    path.unlink()
    return (
        f"`--gigabyte`: one file of {truth.bytes / 1e9:.2f} GB, {truth.rows:,} rows, 2 % dirty: {run.seconds:,.0f} s,"
        f" {run.seconds / truth.rows * 1e6:.1f} µs/row, {run.client_cpu:,.0f} CPU s in the loader,"
        f" peak {run.rss_mb} MB."
    )


def _conditions(dsn: str, repeat: int) -> str:
    import numpy as np
    import pandas as pd
    import psycopg

    with connect(dsn) as connection:
        row = connection.execute("SHOW server_version").fetchone()
        size = (connection.execute("SHOW shared_buffers").fetchone() or ("?",))[0]
    return (
        f"{date.today().isoformat()}, {os.cpu_count()} cores shared by client and server, Python"
        f" {platform.python_version()}, pandas {pd.__version__}, numpy {np.__version__},"
        f" psycopg {psycopg.__version__}, PostgreSQL {str((row or ('?',))[0]).split()[0]}"
        f" (shared_buffers {size}). Shape (a). Medians of {repeat};"
        f" load average {os.getloadavg()[0]:.1f} at the end. `python scripts/bench_meteor.py`"
    )


if __name__ == "__main__":
    sys.exit(main())
