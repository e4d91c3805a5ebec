"""Land files in a warehouse and build everything from them: ``python -m orbit.pipeline --target duckdb …``.

Runs in the environment ``orbit``. dbt is started once, in this process; where the warehouse is, is said by the
variables that dbt/profiles.yml names.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from jobs.dbt import DbtFailed, run_dbt
from orbit import files, warehouses

MARTS = ("close_approaches", "discovery_trends", "hazard_by_family", "size_estimates")
PROJECT = Path(__file__).resolve().parents[2] / "dbt"


class Failed(Exception):
    """The records of the warehouse don't add up."""


def land(target: str, bodies: list[Path], approaches: list[Path], folder: Path) -> dict[str, int]:
    """Check all files, then load those whose content is not there yet; return the rows that each brought."""
    deliveries = [files.bodies(each, folder) for each in bodies]
    deliveries += [files.approaches(each, folder) for each in approaches]
    warehouse = warehouses.WAREHOUSES[target]()
    try:
        return warehouses.land(warehouse, deliveries)
    finally:
        warehouse.close()


def balance(target: str) -> dict[str, int]:
    """Count the raw records of bodies by what became of them.

    Returns
    -------
    dict
        ``read``, ``current`` (the newest of a body), ``superseded`` (an older or repeated one) and ``quarantined``.

    Raises
    ------
    Failed
        They don't add up: a record is lost, or there twice.
    """
    warehouse = warehouses.WAREHOUSES[target]()
    try:
        counts = {
            name: int(warehouse.query(statement)[0][0])
            for name, statement in {
                "read": f"select count(*) from {warehouses.RAW}.small_bodies",
                "current": "select count(*) from orbit_core.bodies",
                "usable": "select count(*) from orbit_staging.stg_small_bodies where reject_reason is null",
                "quarantined": "select count(*) from orbit_core.rejected where source_table = 'small_bodies'",
            }.items()
        }
    finally:
        warehouse.close()
    usable = counts.pop("usable")
    counts["superseded"] = usable - counts["current"]
    if counts["superseded"] < 0 or counts["read"] != usable + counts["quarantined"]:
        raise Failed(f"the records of {target} don't add up: {counts}")
    return counts


def export(target: str, path: Path) -> None:
    """Write the rows of all marts as JSON, the same text from each warehouse: rows in order, numbers as numbers."""
    warehouse = warehouses.WAREHOUSES[target]()
    try:
        found = {mart: warehouse.query(f"select * from orbit_marts.{mart}") for mart in MARTS}
    finally:
        warehouse.close()
    document = {
        mart: sorted(([_plain(value) for value in row] for row in rows), key=json.dumps) for mart, rows in found.items()
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def main(arguments: list[str] | None = None) -> int:
    """Run the pipeline as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=sorted(warehouses.WAREHOUSES), required=True)
    parser.add_argument("--bodies", type=Path, action="append", default=[])
    parser.add_argument("--approaches", type=Path, action="append", default=[])
    parser.add_argument("--work", type=Path, required=True, help="dbt's own folder: manifest, results, logs")
    parser.add_argument("--export", type=Path, help="write the marts there as JSON")
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    summary: dict[str, Any] = {"target": chosen.target}
    try:
        with tempfile.TemporaryDirectory(prefix="orbit-") as folder:
            summary["landed"] = land(chosen.target, chosen.bodies, chosen.approaches, Path(folder))
        run_dbt(PROJECT, chosen.target, chosen.work, ["source", "freshness"], ["build"])
        summary["bodies"] = balance(chosen.target)
        if chosen.export:
            export(chosen.target, chosen.export)
    except (files.Refused, DbtFailed, Failed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
