"""Land files in a warehouse and build everything from them: ``python -m nebula.pipeline --target duckdb …``.

Runs in the environment ``nebula``. Where the warehouse is, is said by the variables that dbt/profiles.yml names.
Progress goes to stderr; the last line of stdout is a summary as JSON: the balance of the sales lines of this run, what
each file brought, the versions that were opened and closed, and the seconds of each step.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobs.balance import Balance
from jobs.dbt import DbtFailed, run_dbt
from jobs.deliveries import Delivery
from jobs.errors import FileRejected
from jobs.faults import fault_point
from nebula import feeds, warehouses
from nebula.warehouses import PENDING, RAW, Warehouse

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
COUNTS = ("opened", "closed", "removed")
HISTORIES = ("dim_customer", "dim_product")
MARTS = (
    *HISTORIES,
    "dim_promotion",
    "bridge_order_promotion",
    "fact_sales",
    "fact_order_fulfilment",
    "fact_inventory_daily",
)


class Steps:
    """The steps of a run with their seconds, told on stderr."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a step."""
        print(f"{name} …", file=sys.stderr, flush=True)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


@contextlib.contextmanager
def opened(target: str) -> Iterator[Warehouse]:
    """Open a warehouse for a while."""
    warehouse = warehouses.WAREHOUSES[target]()
    try:
        yield warehouse
    finally:
        warehouse.close()


def land(warehouse: Warehouse, data: Sequence[Path], folder: Path) -> tuple[dict[str, int], Balance]:
    """Check all files, then load those whose content is not there yet.

    Returns
    -------
    dict, Balance
        The rows that each file brought, none where its content was there; and the sales lines of files that were
        built before, all of them duplicates.

    Raises
    ------
    FileRejected
        A file is not what it should be. Then nothing of any is loaded.
    """
    warehouses.make_raw(warehouse)
    known, first = warehouses.known(warehouse), warehouses.next_batch(warehouse)
    new: list[Delivery] = []
    brought: dict[str, int] = {}
    seen: set[str] = set()
    again = 0
    for place, source in enumerate(feeds.files(data)):
        own = folder / str(place)  # the same file may be named twice
        own.mkdir()
        try:
            delivery = feeds.prepare(source, own, first + len(new))
        except FileRejected as refusal:
            raise FileRejected(refusal.code, f"{source.name}: {refusal.message}") from refusal
        repeated = delivery.digest in seen or known.get(delivery.digest, False)
        if delivery.table == "sales_lines" and repeated:
            again += delivery.rows
        if delivery.digest in known or delivery.digest in seen:
            brought.setdefault(delivery.name, 0)
            delivery.path.unlink(missing_ok=True)
        else:
            new.append(delivery)
            brought[delivery.name] = delivery.rows
        seen.add(delivery.digest)
    fault_point("checked")
    warehouses.land(warehouse, new, first)
    fault_point("landed")
    return brought, Balance(read=again, duplicate=again)


def balance(warehouse: Warehouse) -> Balance:
    """Count the sales lines of the pending batches by what became of them.

    The first record of a line is loaded; one that says something else of it (who bought, what it is called) updates it;
    one that repeats what another said is a duplicate. Raises ``jobs.balance.Imbalance`` where they don't add up.
    """
    read = _one(warehouse, f"select count(*) from {RAW}.sales_lines where _batch in ({PENDING})")
    quarantined = _one(
        warehouse,
        "select count(*) from nebula_staging.stg_sales_lines"
        f" where reject_reason is not null and batch_id in ({PENDING})",
    )
    found = warehouse.query(
        f"""
        with ranked as (
            select
                batch_id,
                row_number() over (partition by line_id order by batch_id, line_number) as nth,
                row_number() over (partition by line_id, content_id order by batch_id, line_number) as nth_alike
            from nebula_core.sales_lines
            where line_id in (select line_id from nebula_core.sales_lines where batch_id in ({PENDING}))
        )
        select
            coalesce(sum(case when nth = 1 then 1 else 0 end), 0),
            coalesce(sum(case when nth > 1 and nth_alike = 1 then 1 else 0 end), 0),
            coalesce(sum(case when nth_alike > 1 then 1 else 0 end), 0)
        from ranked
        where batch_id in ({PENDING})
        """
    )[0]
    loaded, updated, duplicate = map(int, found)
    return Balance(read, loaded, updated, duplicate, quarantined)


def reasons(warehouse: Warehouse) -> dict[str, dict[str, int]]:
    """Count the pending batches' records in quarantine, by feed and reason."""
    counts: dict[str, dict[str, int]] = {}
    for feed, reason, count in warehouse.query(
        f"select feed, reject_reason, count(*) from nebula_core.rejected where batch_id in ({PENDING})"
        " group by feed, reject_reason order by feed, reject_reason"
    ):
        counts.setdefault(feed, {})[reason] = int(count)
    return counts


def versions(warehouse: Warehouse) -> dict[str, dict[str, int]]:
    """Return how many versions the run opened, closed and removed, for each dimension with a history."""
    counts: dict[str, dict[str, int]] = {}
    for name in HISTORIES:
        found = warehouse.query(
            "select sum(opened), sum(closed), sum(removed) from nebula_core.versions_written"
            f" where dimension = '{name}' having count(*) > 0"
        ) or warehouse.query(  # a dimension that was made by this run has nothing to compare with
            "select count(*), coalesce(sum(case when is_current then 0 else 1 end), 0), 0"
            f" from nebula_marts.{name} where version_hash <> md5('unknown')"
        )
        counts[name] = dict(zip(COUNTS, map(int, found[0]), strict=True))
    return counts


def run(
    target: str, data: Sequence[Path], work: Path, *, full_refresh: bool = False, tests: bool = True
) -> dict[str, Any]:
    """Land what is new and build from it; return the summary.

    Parameters
    ----------
    target : str
        ``duckdb``, ``postgres`` or ``redshift``.
    data : sequence of Path
        Files and folders of them.
    work : Path
        dbt's own folder.
    full_refresh : bool
        Build everything anew from the raw layer.
    tests : bool
        Run the tests of the dbt project with it; only benchmarks leave them out.

    Raises
    ------
    FileRejected, DbtFailed, warehouses.Unusable
        A file is not what it should be; a model or a test failed; another run is at work.
    """
    work.mkdir(parents=True, exist_ok=True)
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="nebula-") as folder, opened(target) as warehouse:
        with steps("land"):
            landed, repeated = land(warehouse, data, Path(folder))
            is_new = _one(warehouse, f"select count(*) from {RAW}.batches where built_at is not null") == 0
            is_pending = _one(warehouse, f"select count(*) from {RAW}.batches where built_at is null") > 0
        summary: dict[str, Any] = {"target": target, "landed": landed}
        found, kept, changed = Balance(), {}, {name: dict.fromkeys(COUNTS, 0) for name in HISTORIES}
        if is_pending or is_new or full_refresh:
            warehouse.step_aside()
            with steps("build"), contextlib.redirect_stdout(sys.stderr):
                flags = ["--full-refresh"] if full_refresh else []
                # Unit tests try the code, not the data: they belong to a change of the code.
                command = ["build", "--exclude-resource-type", "unit_test"] if tests else ["run"]
                freshness = [["source", "freshness"]] if is_pending else []  # an empty warehouse is not stale
                run_dbt(PROJECT, target, work, *freshness, [*command, *flags])
            fault_point("built")
            with steps("count"):
                found, kept, changed = balance(warehouse), reasons(warehouse), versions(warehouse)
                warehouses.mark_built(warehouse)
    summary["sales_lines"] = (found + repeated).as_dict()
    summary |= {"quarantined": kept, "versions": changed, "steps": steps.seconds}
    return summary


def export(target: str, path: Path) -> None:
    """Write the rows of all marts as JSON, the same text from each warehouse: rows in order, numbers as numbers."""
    with opened(target) as warehouse:
        found = {mart: warehouse.query(f"select * from nebula_marts.{mart}") for mart in MARTS}
    document = {
        mart: sorted(([_plain(value) for value in row] for row in rows), key=json.dumps) for mart, rows in found.items()
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if isinstance(value, date) else value


def _one(warehouse: Warehouse, statement: str) -> int:
    return int(warehouse.query(statement)[0][0])


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=sorted(warehouses.WAREHOUSES), required=True)
    parser.add_argument("--data", type=Path, action="append", default=[], help="a file, or a folder of *.csv")
    parser.add_argument("--work", type=Path, required=True, help="dbt's own folder: manifest, results, logs")
    parser.add_argument("--export", type=Path, help="write the marts there as JSON")
    parser.add_argument("--full-refresh", action="store_true", help="build everything anew from the raw tables")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests of the dbt project out")
    chosen = parser.parse_args(arguments)
    try:
        summary = run(
            chosen.target, chosen.data, chosen.work, full_refresh=chosen.full_refresh, tests=not chosen.no_tests
        )
        if chosen.export:
            export(chosen.target, chosen.export)
    except (FileRejected, DbtFailed, warehouses.Unusable) as error:
        what = error.message if isinstance(error, FileRejected) else error
        print(f"error: {what}", file=sys.stderr)
        return 1
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
