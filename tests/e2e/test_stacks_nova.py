"""10_nova as a user has it: the shop works, the warehouse has all of it, and the dashboard shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import read_dashboard

pytestmark = pytest.mark.e2e

STACK = "10_nova"
TABLES = ("customers", "order_lines", "orders", "payments")


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert re.search(r"ok  the warehouse has what the shop committed: level after \d+\.\d s", deployed)
    for table in TABLES:
        assert re.search(rf"ok  {table}: versions as in the shop: [\d,]+ versions, all the same", deployed), deployed
    assert "3 modules stood in for (debezium, kafka, mysql)" in deployed and "FAILED" not in deployed


def test_a_second_deployment_changes_nothing(deployed: str, orrery: Any) -> None:
    assert "10_nova on local: no change" in orrery.ok("deploy", STACK)


def test_a_run_goes_on_where_the_last_stopped_and_its_dashboard_shows_it(
    deployed: str, orrery: Any, tmp_path: Path
) -> None:
    out = orrery.ok("run", STACK)
    done = re.search(r"([\d,]+) changes of rows in ([\d,]+) transactions", out)
    assert done and int(done[1].replace(",", "")) >= 6_000, out
    assert re.search(r"From the change in the shop to the warehouse: \d+\.\d\d s \(median\)", out)
    rows = dict(re.findall(r"^(\w+)\t(\d+)\t\d+$", out, re.MULTILINE))
    assert rows.keys() == set(TABLES)
    for table in TABLES:
        assert f"{table}: rows as in the shop: {int(rows[table]):,} rows, all the same" in out

    file = tmp_path / "nova.html"
    assert orrery.ok("dashboard", STACK, "--output", str(file)) == f"written: {file}\n"
    figures, tables = read_dashboard(file, charts=4)
    assert figures["rows now"] == f"{sum(map(int, rows.values())):,}"
    shown = {row[0]: row[2] for row in tables["Rows now, and versions ever"][1:] if row[1] == "rows now"}
    assert {table: int(count.replace(",", "")) for table, count in shown.items()} == {
        k: int(v) for k, v in rows.items()
    }


def test_a_file_of_ones_own_is_refused(deployed: str, orrery: Any, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("id\n1\n")
    done = orrery.run("run", STACK, "--data", str(file))
    assert done.returncode == 1 and "10_nova takes no file: its data are the changes of a database" in done.stderr
