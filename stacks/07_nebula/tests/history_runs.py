"""Runs the SQL that dbt ran, without dbt, again and again: a child of test_e2e_history.py, in the environment nebula.

``history_runs.py DATABASE RUN_FOLDER`` reads one example a line from stdin and answers with its tables. An example is a
list of runs, each with batches of raw records, the models after which it is killed (null: it isn't), and mistakes
to plant in the SQL. Each example happens in a transaction that is rolled back.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import duckdb

MODELS = (
    "core/customer_changes",
    "core/product_changes",
    "core/sales_lines",
    "core/order_events",
    "marts/dim_customer",
    "marts/dim_product",
    "core/touched_customers",
    "core/touched_products",
    "marts/fact_order_fulfilment",
    "marts/fact_sales",
)
"""The models that histories go through, in the order in which dbt builds them."""

ANSWERS = {
    "customers": "select customer_key, customer_id, cast(valid_from as varchar), cast(valid_to as varchar), is_inferred,"
    " is_deleted, country, city, segment, current_segment, email from nebula_marts.dim_customer where customer_key <> -1"
    " order by customer_id, valid_from",
    "products": "select product_key, stock_code, cast(valid_from as varchar), cast(valid_to as varchar), is_inferred,"
    " is_deleted, description, category, current_category, supplier from nebula_marts.dim_product where product_key <> -1"
    " order by stock_code, valid_from",
    "sales": "select invoice_no, cast(ordered_at as varchar), customer_key, product_key from nebula_marts.fact_sales order by all",
    "orders": "select order_no, customer_key from nebula_marts.fact_order_fulfilment order by all",
}


def statements(model: str, folder: Path, mistakes: list[list[str]]) -> list[str]:
    """Return what dbt ran for a model, its temporary table made from the compiled model first."""
    name = model.rpartition("/")[2]
    ran = (folder / "run" / "nebula" / "models" / f"{model}.sql").read_text()
    compiled = (folder / "compiled" / "nebula" / "models" / f"{model}.sql").read_text()
    for where, old, new in mistakes:
        if where == model:
            assert old in ran + compiled, f"{model} has no {old!r}"
            ran, compiled = ran.replace(old, new), compiled.replace(old, new)
    temporary = re.search(rf'"({name}__dbt_tmp\d+)"', ran)
    if temporary:
        return [f'create or replace temp table "{temporary[1]}" as {compiled}', ran]
    return [f"create or replace table nebula_core.{name} as {compiled}"]


class Runs:
    """A database, and the SQL by model and planted mistakes."""

    def __init__(self, database: Path, folder: Path) -> None:
        self.connection: Any = duckdb.connect(str(database), config={"threads": 1})
        self.folder = folder
        self.prepared: dict[str, list[tuple[str, list[str]]]] = {}

    def answer(self, example: dict[str, Any]) -> dict[str, Any]:
        """Do an example's runs, one after the other, and return the tables."""
        mistakes = example["mistakes"]
        models = self.prepared.setdefault(
            json.dumps(mistakes), [(model, statements(model, self.folder, mistakes)) for model in MODELS]
        )
        self.connection.execute("begin")
        try:
            for run in example["runs"]:
                self.run(run, models)
            return {name: self.connection.execute(query).fetchall() for name, query in ANSWERS.items()}
        finally:
            self.connection.execute("rollback")

    def run(self, run: dict[str, Any], models: list[tuple[str, list[str]]]) -> None:
        """Land batches and build; a run that is killed leaves them pending."""
        for batch, feeds in run["batches"]:
            self.connection.execute("insert into nebula_raw.batches (batch_id) values (?)", [batch])
            for feed, rows in feeds.items():
                values = [[*row, f"b{batch}", line, batch] for line, row in enumerate(rows, 1)]
                marks = ", ".join(f"({', '.join('?' * len(row))})" for row in values)
                flat = [value for row in values for value in row]
                self.connection.execute(f"insert into nebula_raw.{feed} values {marks}", flat)
        for count, (model, parts) in enumerate(models, 1):
            if model.startswith("core/") and "touched" not in model:
                self.connection.execute(
                    f"delete from nebula_{model.replace('/', '.')} where batch_id in"
                    " (select batch_id from nebula_raw.batches where built_at is null)"
                )
            for part in parts:
                self.connection.execute(part)
            if count == run["killed_after"]:
                return
        self.connection.execute(
            "update nebula_raw.batches set built_at = timestamp '2024-01-01' where built_at is null"
        )


def main() -> None:
    """Answer one example after the other."""
    runs = Runs(Path(sys.argv[1]), Path(sys.argv[2]))
    for line in sys.stdin:
        print(json.dumps(runs.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
