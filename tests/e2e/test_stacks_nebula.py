"""07_nebula as a user has it: deliveries are dropped, taken whole or refused whole, and built into facts and histories."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nebula.exercises import MONTH_ENDS, SEGMENTS, STOCK
from nebula.generate import Shop

from infra import envs, targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui
from infra.paths import ROOT

pytestmark = pytest.mark.e2e

STACK = "07_nebula"
SLUG = "07-nebula"
REGION = "us-east-1"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def live(deployed: str, orrery: Any, local_cloud: Cloud) -> Live:
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    return Live(target, orrery.outputs(SLUG), Ui())


@pytest.fixture
def warehouse(live: Live) -> Iterator[psycopg.Connection[Any]]:
    """The stack's warehouse, with the password that its secret holds."""
    answer = live.client("secretsmanager", REGION).get_secret_value(SecretId=live.outputs["warehouse_secret"])
    secret = json.loads(answer["SecretString"])
    with psycopg.connect(
        host=live.outputs["warehouse_host"],
        port=live.outputs["warehouse_port"],
        dbname=live.outputs["warehouse_name"],
        user=secret["username"],
        password=secret["password"],
        autocommit=True,
    ) as connection:
        yield connection


def keys(live: Live, prefix: str) -> list[str]:
    """Return the keys of the landing bucket below a prefix."""
    pages = live.client("s3", REGION).get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=live.outputs["landing_bucket"], Prefix=prefix)
    return [entry["Key"] for page in found for entry in page.get("Contents", [])]


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert "4 read = 2 loaded + 0 updated + 1 duplicate + 1 quarantined" in deployed
    assert "ok  each purchase is at the segment of its time: consumer, then corporate" in deployed
    assert "1 module stood in for (postgres), 2 cloud-only (network, nightly (scheduled_task))" in deployed
    assert "FAILED" not in deployed


def test_a_second_deployment_changes_nothing(deployed: str, orrery: Any) -> None:
    again = orrery.ok("deploy", "nebula")
    assert again.startswith("07_nebula on local: no change"), again


def test_a_folder_of_deliveries_is_built_once(
    deployed: str, orrery: Any, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    counts = Shop(tmp_path / "shop", lines=400, days=3, seed=21, dirty=0.03).write()
    read = counts["sales_lines"]
    out = orrery.ok("run", STACK, "--data", str(tmp_path / "shop"))
    assert f"{read:,} read = " in out and "bad_date" in out, out
    assert "Revenue by category: as a product was when it was sold, and as it is today" in out
    before = warehouse.execute("SELECT count(*), sum(amount) FROM nebula_marts.fact_sales").fetchone()
    again = orrery.ok("run", STACK, "--data", str(tmp_path / "shop"))
    assert f"{read:,} read = 0 loaded + 0 updated + {read:,} duplicate + 0 quarantined" in again, again
    assert warehouse.execute("SELECT count(*), sum(amount) FROM nebula_marts.fact_sales").fetchone() == before


def test_a_day_of_ucis_has_inferred_members_and_a_refused_file_keeps_it_not_out(
    deployed: str, orrery: Any, live: Live, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    lines = (
        "536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n"
        "C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\n"
        "536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom\n"
    )
    (tmp_path / "2010-12-01.csv").write_text(HEADER + lines)
    (tmp_path / "semicolons.csv").write_text((HEADER + lines).replace(",", ";"))
    out = orrery.ok("run", STACK, "--data", str(tmp_path))
    assert "3 read = 3 loaded + 0 updated + 0 duplicate + 0 quarantined" in out, out
    found = warehouse.execute(
        "SELECT c.is_inferred, c.country, p.description, s.amount FROM nebula_marts.fact_sales s"
        " JOIN nebula_marts.dim_customer c USING (customer_key) JOIN nebula_marts.dim_product p USING (product_key)"
        " WHERE s.invoice_no = '536365'"
    ).fetchall()
    assert found == [(True, "United Kingdom", "WHITE HANGING HEART T-LIGHT HOLDER", Decimal("15.3000"))]
    assert "refused as a whole: semicolons.csv: its header is one column" in out, out
    assert [key for key in keys(live, "quarantine/") if key.endswith("/semicolons.csv")]
    untaken = {key.removeprefix("incoming/") for key in keys(live, "incoming/")}
    untaken -= {key.removeprefix("taken/").rpartition("/")[0] for key in keys(live, "taken/")}
    assert untaken == set(), "what became of them is written down, also of what was refused"


def test_a_run_that_is_killed_is_made_good_by_the_next(
    deployed: str,
    orrery: Any,
    warehouse: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Killed when the marts are built, and of two files one is marked as taken; the pipeline's own tests kill it before."""
    for number, part in enumerate("abc"):
        line = f"910001,2000{part},KILLED,{2 + number},2024-01-05 10:00:00,1.25,12001,Germany\n"
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{part}.csv").write_text(HEADER + line)
    (tmp_path / "b" / "b.csv").rename(tmp_path / "a" / "b.csv")
    monkeypatch.setenv("JOBS_FAULT", "marked")
    killed = orrery.run("run", STACK, "--data", str(tmp_path / "a"))
    assert killed.returncode == 1 and "the task failed with -9" in killed.stderr, killed.stdout + killed.stderr
    monkeypatch.delenv("JOBS_FAULT")
    out = orrery.ok("run", STACK, "--data", str(tmp_path / "c"))
    assert "2 read = 1 loaded + 0 updated + 1 duplicate + 0 quarantined" in out, out
    found = warehouse.execute("SELECT count(*), sum(quantity) FROM nebula_marts.fact_sales WHERE invoice_no = '910001'")
    assert found.fetchone() == (3, 9), "each line once"


def test_what_was_built_in_many_runs_is_what_one_undisturbed_run_builds(
    deployed: str, orrery: Any, live: Live, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """All that was ever taken, killed runs among it, once into a DuckDB: the keys of its rows are the same."""
    s3, refused = live.client("s3", REGION), {key.rpartition("/")[2] for key in keys(live, "quarantine/")}
    given = tmp_path / "given"
    given.mkdir()
    for number, key in enumerate(keys(live, "incoming/")):
        if key.rpartition("/")[2] not in refused:
            s3.download_file(live.outputs["landing_bucket"], key, str(given / f"{number:04}.csv"))
    command = [str(envs.ensure("nebula")), "-P", "-m", "nebula.pipeline", "--target", "duckdb", "--no-tests"]
    command += ["--data", str(given), "--work", str(tmp_path / "work"), "--export", str(tmp_path / "marts.json")]
    path = os.pathsep.join([str(ROOT), str(ROOT / "stacks" / STACK / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "NEBULA_DUCKDB_PATH": str(tmp_path / "marts.duckdb")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = json.loads((tmp_path / "marts.json").read_text())
    for mart, key in {
        "dim_customer": "customer_key",
        "dim_product": "product_key",
        "fact_sales": "line_id",
        "fact_inventory_daily": "inventory_id",
    }.items():
        found = warehouse.execute(f"SELECT count(*), sum({key}) FROM nebula_marts.{mart}".encode()).fetchone()
        assert found == (len(expected[mart]), sum(row[0] for row in expected[mart])), mart


def test_each_exercise_says_what_is_wrong_until_it_is_right(orrery: Any, warehouse: psycopg.Connection[Any]) -> None:
    nothing = orrery.run("check", STACK, "2")
    assert nothing.returncode == 1 and "does not exist" in nothing.stdout
    names = {1: "revenue_by_segment", 2: "customers_at_month_end", 3: "stock_at_month_end"}
    for number, query in {1: SEGMENTS, 2: MONTH_ENDS, 3: STOCK}.items():
        warehouse.execute(f"CREATE VIEW nebula_marts.{names[number]} AS {query}".encode())
        assert f"Exercise {number} of 07_nebula is solved." in orrery.ok("check", STACK, str(number))
    wrong = f"CREATE OR REPLACE VIEW nebula_marts.customers_at_month_end AS {MONTH_ENDS} HAVING count(*) > 99999"
    warehouse.execute(wrong.encode())
    assert "it lacks the row (" in orrery.run("check", STACK, "2").stdout
    for name in names.values():
        warehouse.execute(f"DROP VIEW nebula_marts.{name}".encode())


def test_its_dashboard_is_one_page(deployed: str, orrery: Any, tmp_path: Path) -> None:
    page = tmp_path / "nebula.html"
    assert f"written: {page}" in orrery.ok("dashboard", STACK, "--output", str(page))
    text = page.read_text()
    for title in ("Revenue by day and category", "Revenue as it was and as it is", "How long orders take", "Stock"):
        assert title in text
