"""Land files in a warehouse and build everything from them: ``python -m orbit.pipeline run --target duckdb …``.

Runs in the environment ``orbit``. Files come from ``ORBIT_BUCKET``, below ``incoming/``, or are named. dbt is started
once, in this process; where the warehouse is, is said by the variables that dbt/profiles.yml names. Each step writes
one JSON object as a line; what dbt prints stands between them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from jobs import deliveries
from jobs.balance import Balance, Imbalance
from jobs.dbt import DbtFailed, run_dbt
from jobs.errors import FileRejected
from jobs.faults import fault_point
from jobs.metrics import log
from jobs.quarantine import FolderQuarantine, Quarantine, S3Quarantine
from jobs.source import Content, Delivery, listed_object, open_object, open_path
from orbit import access, files, warehouses
from orbit.warehouses import RAW, Warehouse

LANDING, QUARANTINE = "incoming/", "quarantine/"
MARTS = ("close_approaches", "discovery_trends", "hazard_by_family", "size_estimates")
PROJECT = Path(__file__).resolve().parents[2] / "dbt"
BUILT = {
    "small_bodies": ("orbit_staging.stg_small_bodies", "orbit_core.bodies", "spkid"),
    "approaches": ("orbit_staging.stg_approaches", "orbit_core.earth_approaches", "approach_id"),
}
"""For each raw table: its records with types, what they become, and the key of that."""


# ------------------------------------------------------------------------------------------------------ landing


def identity(delivery: Delivery) -> str:
    """Return a short name for one arrival of a file, without what would need quotes in SQL."""
    return hashlib.sha256(delivery.identity.encode()).hexdigest()[:32]


def arrivals(
    s3: Any, bucket: str, named: Sequence[Path], known: set[str]
) -> Iterator[tuple[Delivery, Iterable[bytes]]]:
    """Yield the files that are named, and those of the bucket that are not done, oldest first."""
    for path in named:
        yield open_path(path)
    if not bucket:
        return
    found: list[Delivery] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LANDING):
        found += [listed_object(bucket, each) for each in page.get("Contents", []) if not each["Key"].endswith("/")]
    for each in sorted(found, key=lambda one: (one.modified_at, one.key)):
        if identity(each) not in known:
            yield open_object(s3, bucket, each.key)


def land(warehouse: Warehouse, s3: Any, bucket: str, named: Sequence[Path], quarantine: Quarantine) -> None:
    """Bring each file that is not done into the raw tables, whole, or into quarantine, whole.

    A file that is refused is an outcome: the next one is landed, and the log says so as an error.
    """
    warehouses.make_tables(warehouse)
    done = warehouse.query(f"select object, file from {RAW}.deliveries")
    known, recorded = {row[0] for row in done}, {row[1] for row in done}
    for delivery, chunks in arrivals(s3, bucket, named, known):
        arrival = identity(delivery)
        with tempfile.TemporaryDirectory(prefix="orbit-") as folder:
            try:
                made, name = _load(warehouse, delivery, chunks, quarantine, Path(folder))
                status, code = "known" if name in recorded else "landed", ""
                log("info", "file", key=delivery.key, file=name, status=status, table=made.table, records=made.rows)
                if status == "known":
                    _tell_again(warehouse, name)
                row = (arrival, name, made.table, status, code, made.rows)
            except FileRejected as refusal:
                log("error", "refused", key=delivery.key, code=refusal.code, error=refusal.message)
                row = (arrival, "", "", "refused", refusal.code, 0)
        if arrival not in known:
            warehouses.insert(warehouse, "deliveries", [row])
        known.add(arrival)
        recorded.add(row[1])
        fault_point("landed")


def _tell_again(warehouse: Warehouse, name: str) -> None:
    """Say what a file's content came to when it was delivered before; nothing where it is still to be built."""
    listed = ", ".join(warehouses.BALANCES[1:])
    for row in warehouse.query(f"select {listed} from {RAW}.balances where file = '{name}'"):
        facts: dict[str, Any] = {**Balance(*map(int, row)).as_dict()}
        log("info", "known", file=name, **facts)


def _load(
    warehouse: Warehouse, delivery: Delivery, chunks: Iterable[bytes], quarantine: Quarantine, folder: Path
) -> tuple[deliveries.Delivery, str]:
    """Load one file; return it, and the name under which its content is in the raw table."""
    content = Content(chunks)
    try:
        unpacked = files.unpack(delivery.key, content, folder)
        made = files.prepare(delivery.key, unpacked, content.finish(), folder)
    except FileRejected:
        quarantine.put_file(content.finish(), delivery)
        fault_point("quarantined")
        raise
    fault_point("prepared")
    return made, warehouses.load_once(warehouse, made)


# ------------------------------------------------------------------------------------------------------ balance


def balance(warehouse: Warehouse) -> dict[str, Balance]:
    """Count what became of the records of the files that were built for the first time, and remember it.

    ``loaded`` are records that brought a new body (or approach), ``updated`` those that replaced what was known of
    one, ``duplicate`` those that changed nothing: the same again, or older than what is known.

    Returns
    -------
    dict
        A balance for each file.

    Raises
    ------
    Imbalance
        They don't add up: a record is lost, or there twice.
    """
    found: dict[str, Balance] = {}
    for table in BUILT:
        found |= _balance(warehouse, table)
    rows: list[list[str | int]] = [[name, *each.as_dict().values()] for name, each in found.items()]
    warehouses.insert(warehouse, "balances", rows)
    return found


def _balance(warehouse: Warehouse, table: str) -> dict[str, Balance]:
    staged, core, key = BUILT[table]
    waiting = f"select file from {RAW}.deliveries where status = 'landed' and source_table = '{table}'"
    waiting += f" and file not in (select file from {RAW}.balances)"
    records = dict(warehouse.query(f"select file, records from {RAW}.deliveries where file in ({waiting})"))
    counted = warehouse.query(
        f"select file_name, count(*), count(reject_reason) from {staged} where file_name in ({waiting}) group by 1"
    )
    # What is current now, by whether an earlier file knew of it; and what is not current, though it is usable.
    current = warehouse.query(
        f"select c.file_name, count(*) - count(e.known), count(e.known) from {core} as c"
        f" left join (select distinct {key} as known from {staged} where reject_reason is null"
        f" and file_name not in ({waiting})) as e on c.{key} = e.known where c.file_name in ({waiting}) group by 1"
    )
    passed = warehouse.query(
        f"select s.file_name, count(*) from {staged} as s left join {core} as c on s.file_name = c.file_name"
        f" and s.line_number = c.line_number where s.reject_reason is null and c.{key} is null"
        f" and s.file_name in ({waiting}) group by 1"
    )
    changed = {name: (int(new), int(replaced)) for name, new, replaced in current}
    same = {name: int(count) for name, count in passed}
    rejected = {name: (int(read), int(bad)) for name, read, bad in counted}
    found = {}
    for name in records:
        read, bad = rejected.get(name, (0, 0))
        if read != int(records[name]):
            raise Imbalance(f"{name} had {int(records[name]):,} records, and {read:,} are in {staged}")
        new, replaced = changed.get(name, (0, 0))
        found[name] = Balance(read, new, replaced, same.get(name, 0), bad)
    return found


def reasons(warehouse: Warehouse, name: str) -> dict[str, int]:
    """Return why records of a file are in quarantine, with how many there are."""
    statement = f"select reject_reason, count(*) from orbit_core.rejected where file_name = '{name}' group by 1"
    return {reason: int(count) for reason, count in warehouse.query(statement)}


# -------------------------------------------------------------------------------------------------------- build


def project() -> Path:
    """Return the folder of the dbt project: the stack's own, or a copy that ``ORBIT_PROJECT`` names."""
    return Path(access.setting("ORBIT_PROJECT") or PROJECT)


def build(target: str, work: Path, *, full: bool = False) -> None:
    """Let dbt build and test everything, and say which models it built, and which source is stale."""
    results = run_dbt(
        project(), target, work, ["source", "freshness"], ["build", *(["--full-refresh"] if full else [])]
    )
    for each in results[0].results:
        empty = each.max_loaded_at.year == 1  # dbt's word for a source that never had a record
        stale = str(each.status) != "pass" and not empty
        log("error" if stale else "info", "stale" if stale else "empty" if empty else "fresh", source=each.node.name)
    tests = 0
    for each in results[1].results:
        kind, tests = each.node.resource_type, tests + (each.node.resource_type in ("test", "unit_test"))
        if kind == "model":
            how, ms = str(each.node.config.materialized), round(each.execution_time * 1000)
            log("info", "model", name=each.node.name, how=how, ms=ms)
    log("info", "tested", tests=tests)


def write_docs(target: str, work: Path, path: Path) -> None:
    """Write the documentation of the project as one HTML file."""
    command = ["docs", "generate", "--static"]
    if access.setting("ORBIT_BIGQUERY_ENDPOINT") and target == "bigquery":
        command.append(
            "--empty-catalog"
        )  # bqemulator has no __TABLES__: sizes and the warehouse's own types are missing
    run_dbt(project(), target, work, command)
    shutil.copyfile(work / "target" / "static_index.html", path)


def export(warehouse: Warehouse, path: Path) -> None:
    """Write the rows of all marts as JSON, the same text from each warehouse: rows in order, numbers as numbers."""
    found = {mart: warehouse.query(f"select * from orbit_marts.{mart}") for mart in MARTS}
    document = {
        mart: sorted(([plain(value) for value in row] for row in rows), key=json.dumps) for mart, rows in found.items()
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float, str)) else float(value)


def run(chosen: argparse.Namespace) -> None:
    """Land, build, balance, and answer what is asked."""
    s3 = access.s3() if chosen.bucket else None
    quarantine: Quarantine = FolderQuarantine(chosen.work / "quarantine")
    if s3:
        quarantine = S3Quarantine(s3, chosen.bucket, QUARANTINE)
    with access.opened(chosen.target) as warehouse:
        land(warehouse, s3, chosen.bucket, chosen.file, quarantine)
    fault_point("before_dbt")
    build(chosen.target, chosen.work, full=chosen.full)
    fault_point("built")
    with access.opened(chosen.target) as warehouse:
        for name, found in balance(warehouse).items():
            facts: dict[str, Any] = {"reasons": reasons(warehouse, name), **found.as_dict()}
            log("info", "balance", file=name, **facts)
        ask(warehouse, chosen.ask)
        if chosen.export:
            export(warehouse, chosen.export)
    fault_point("balanced")


def ask(warehouse: Warehouse, statements: Iterable[str]) -> None:
    """Write the rows that each query finds, or why it can't be answered, as one line."""
    for statement in statements:
        try:
            rows = warehouse.query(statement)
        except Exception as error:  # whatever a warehouse's client raises is what is to be told
            log("warning", "asked", error=next(iter(str(error).splitlines()), type(error).__name__))
        else:
            log("info", "asked", rows=[[plain(value) for value in row] for row in rows])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "ask", "docs", "clear"], help="clear empties the warehouse")
    parser.add_argument("--target", choices=sorted(warehouses.WAREHOUSES), default=access.setting("ORBIT_TARGET"))
    parser.add_argument("--bucket", default=access.setting("ORBIT_BUCKET"), help="land what is below incoming/ in it")
    parser.add_argument("--file", type=Path, action="append", default=[], help="land this file; once for each")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "orbit", help="dbt's own folder")
    parser.add_argument("--full", action="store_true", help="decide core anew from all of the raw layer")
    parser.add_argument("--ask", action="append", default=[], help="write the rows of this query; once for each")
    parser.add_argument("--export", type=Path, help="write the marts there as JSON")
    parser.add_argument("--out", type=Path, default=Path("docs.html"), help="where docs writes its page")
    chosen = parser.parse_args(arguments)
    if not chosen.target:
        parser.error("say which --target")
    chosen.work.mkdir(parents=True, exist_ok=True)
    try:
        with access.entered(chosen.target, chosen.bucket, write=chosen.command in ("run", "clear")):
            if chosen.command == "run":
                run(chosen)
            elif chosen.command == "docs":
                write_docs(chosen.target, chosen.work, chosen.out)
            else:
                with access.opened(chosen.target) as warehouse:
                    if chosen.command == "clear":
                        warehouse.clear()
                    ask(warehouse, chosen.ask)
    except (access.NoAccess, DbtFailed, Imbalance) as error:
        log("error", "failed", error=str(error))
        return 1
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}"[:900])
        return 1
    log("info", "finished", target=chosen.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
