"""The pipeline on DuckDB and PostgreSQL: the same marts, whatever is sent in which order, killed, refused or sent twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import HOME, Pipeline
from infra import envs
from jobs.database import connect

pytestmark = pytest.mark.e2e
Marts = dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one place of the DuckDB file and of dbt's folder, so that dbt reads the project once."""
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def fresh(place: Path) -> Callable[[], Pipeline]:
    """Return what makes an empty DuckDB, and the pipeline on it."""

    def make() -> Pipeline:
        (place / "n.duckdb").unlink(missing_ok=True)
        (place / "n.duckdb.wal").unlink(missing_ok=True)
        return Pipeline(place)

    return make


@pytest.fixture(scope="module")
def undisturbed(fresh: Callable[[], Pipeline], deliveries: Path) -> tuple[dict[str, Any], Marts]:
    """One run over all deliveries, with all tests of the dbt project."""
    return fresh().marts("--data", deliveries)


def test_every_line_is_accounted_for(undisturbed: tuple[dict[str, Any], Marts], deliveries: Path) -> None:
    summary, marts = undisturbed
    lines = summary["sales_lines"]
    assert lines["read"] == sum(len(path.read_text().splitlines()) - 1 for path in deliveries.glob("*sales_lines.csv"))
    assert lines["read"] == lines["loaded"] + lines["updated"] + lines["duplicate"] + lines["quarantined"]
    assert lines["loaded"] == len(marts["fact_sales"])
    assert min(lines.values()) > 0, "the shop has all of them"
    assert sum(summary["quarantined"]["sales_lines"].values()) == lines["quarantined"]
    assert summary["versions"]["dim_customer"]["opened"] == len(marts["dim_customer"]) - 1


def test_postgres_has_the_same_marts_from_halves_in_the_wrong_order(
    postgres: Mapping[str, str], undisturbed: tuple[dict[str, Any], Marts], deliveries: Path, tmp_path: Path
) -> None:
    pipeline = Pipeline(tmp_path, "postgres", postgres)
    files = sorted(deliveries.glob("*.csv"))
    late, early = files[len(files) // 2 :], files[: len(files) // 2]
    first = pipeline.ok(*(part for path in late for part in ("--data", path)))
    second, marts = pipeline.marts(*(part for path in [*early, late[0]] for part in ("--data", path)))
    assert marts == undisturbed[1]
    assert first["sales_lines"]["loaded"] + second["sales_lines"]["loaded"] == len(marts["fact_sales"])
    assert second["landed"].popitem()[1] == 0, "the first of the late ones was there"
    # While one run holds the database, another ends at once.
    parameters = {
        "host": postgres["NEBULA_HOST"],
        "port": postgres["NEBULA_PORT"],
        "dbname": postgres["NEBULA_DATABASE"],
        "user": postgres["NEBULA_USER"],
        "password": postgres["NEBULA_PASSWORD"],
    }
    with connect(**parameters) as other:
        other.execute("select pg_advisory_lock(hashtext('nebula.pipeline'))")
        done = pipeline.run("--data", deliveries)
    assert done.returncode == 1 and done.stderr.strip().endswith(
        "another run of the pipeline works on this database: wait for its end"
    )


def test_the_projects_own_unit_tests_pass(place: Path, undisturbed: tuple[dict[str, Any], Marts]) -> None:
    pipeline = Pipeline(place)
    started = pipeline.start()
    arguments = ["test", "--select", "test_type:unit", "--project-dir", HOME / "dbt", "--profiles-dir", HOME / "dbt"]
    arguments += ["--target-path", pipeline.folder / "work" / "target", "--log-path", pipeline.folder / "work" / "logs"]
    done = subprocess.run(
        [str(envs.ensure("nebula")), "-P", "-c", "from dbt.cli.main import cli; cli()", *map(str, arguments)],
        env=started["env"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and "PASS=3 " in done.stdout, done.stdout[-3000:]


@pytest.fixture(scope="module")
def half_built(fresh: Callable[[], Pipeline], deliveries: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every other delivery."""
    folder, pipeline = tmp_path_factory.mktemp("half"), fresh()
    for path in sorted(deliveries.glob("*.csv"))[::2]:
        shutil.copy(path, folder)
    pipeline.ok("--no-tests", "--data", folder)
    return Path(shutil.copy(pipeline.folder / "n.duckdb", folder))


def test_runs_killed_between_their_steps_are_made_good_by_the_next(
    fresh: Callable[[], Pipeline], undisturbed: tuple[dict[str, Any], Marts], deliveries: Path
) -> None:
    pipeline = fresh()
    for fault in ("checked", "landing:5", "landed", "built"):
        done = pipeline.run("--no-tests", "--data", deliveries, JOBS_FAULT=fault)
        assert done.returncode == -signal.SIGKILL, done.stderr
    summary, marts = pipeline.marts("--no-tests", "--data", deliveries)
    assert marts == undisturbed[1] and summary["sales_lines"] == undisturbed[0]["sales_lines"]


def test_runs_killed_within_dbt_are_made_good_by_the_next(
    fresh: Callable[[], Pipeline],
    undisturbed: tuple[dict[str, Any], Marts],
    deliveries: Path,
    half_built: Path,
) -> None:
    pipeline = fresh()
    shutil.copy(half_built, pipeline.folder)
    for model in ("core.sales_lines", "marts.dim_customer", "marts.fact_sales"):
        started = pipeline.start("--no-tests", "--data", deliveries)
        with subprocess.Popen(**started, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            wanted = f"START sql incremental model nebula_{model}"
            assert any(wanted in line for line in process.stderr), "it ended before that moment"
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert pipeline.marts("--no-tests", "--data", deliveries)[1] == undisturbed[1]


def test_a_refused_file_leaves_everything_as_it_was(
    fresh: Callable[[], Pipeline], undisturbed: tuple[dict[str, Any], Marts], deliveries: Path, tmp_path: Path
) -> None:
    pipeline = fresh()
    before = pipeline.marts("--no-tests", "--data", deliveries)[1]
    good, bad = tmp_path / "good.csv", tmp_path / "renamed.csv"
    text = sorted(deliveries.glob("*sales_lines.csv"))[0].read_text()
    good.write_text(text.replace("2024-01-01", "2024-01-02"))
    bad.write_text(text.replace("UnitPrice", "Price", 1))
    done = pipeline.run("--data", good, "--data", bad)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: renamed.csv: its columns changed: missing UnitPrice; new Price"
    summary, after = pipeline.marts("--data", deliveries)
    assert after == before, "nothing of the good one was loaded either"
    assert summary["sales_lines"]["duplicate"] == summary["sales_lines"]["read"] and "build" not in summary["steps"]


def test_a_file_of_uci_works_by_itself(fresh: Callable[[], Pipeline], tmp_path: Path) -> None:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    by_day, published = tmp_path / "2010-12-01.csv", tmp_path / "data.csv"
    by_day.write_text(
        f"{header}\n"
        "536365,22776,SWEETHEART CAKESTAND 3 TIER,6,2010-12-01 08:26:00,2.55,12370.0,Cyprus\n"
        "536365,22776,SWEETHEART CAKESTAND 3 TIER,6,2010-12-01 08:26:00,2.55,12370.0,Cyprus\n"
        "536414,22776,,56,2010-12-01 11:52:00,0.0,,United Kingdom\n"
        "536415,22776,damages,-3,2010-12-01 12:00:00,0.0,,United Kingdom\n"
    )
    published.write_bytes(
        f"{header}\r\n"
        "536365,22776,SWEETHEART CAKESTAND 3 TIER,6,12/1/2010 8:26,2.55,12370,Cyprus\r\n"
        '536591,22776,"CAKESTAND, 3 TIER, £ HEART",1,12/9/2010 16:58,9.95,12370,Austria\r\n'
        'C536700,22776,"CAKESTAND, 3 TIER, £ HEART",-1,12/10/2010 9:00,9.95,12370,Austria\r\n'
        "536800,22776,AN IMPOSSIBLE DAY,1,2/30/2011 9:00,9.95,12370,Austria\r\n".encode("cp1252")
    )
    summary, marts = fresh().marts("--no-tests", "--data", by_day, "--data", published)
    assert summary["sales_lines"] == {"read": 8, "loaded": 5, "updated": 0, "duplicate": 2, "quarantined": 1}
    assert summary["quarantined"] == {"sales_lines": {"bad_date": 1}}
    customers = [row[4:10] for row in marts["dim_customer"] if row[2] == "12370"]
    assert sorted(customers) == [
        ["1900-01-01T00:00:00", "2010-12-09T16:58:00", False, True, False, "Cyprus"],
        ["2010-12-09T16:58:00", "9999-12-31T00:00:00", True, True, False, "Austria"],
    ]
    names = sorted(row[9] for row in marts["dim_product"] if row[2] == "22776")
    assert names == ["CAKESTAND, 3 TIER, £ HEART", "SWEETHEART CAKESTAND 3 TIER"], "notes without a price don't count"


def test_a_missing_variable_and_a_silent_database_are_one_line_each(tmp_path: Path) -> None:
    bare = Pipeline(tmp_path, "postgres", {name: "" for name in os.environ if name.startswith("NEBULA_")})
    done = bare.run()
    assert done.returncode == 1 and "the variable NEBULA_HOST is not set" in done.stderr.splitlines()[-1]
    where = {
        "NEBULA_HOST": "127.0.0.1",
        "NEBULA_PORT": "9",
        **dict.fromkeys(("NEBULA_DATABASE", "NEBULA_USER", "NEBULA_PASSWORD"), "x"),
    }
    done = Pipeline(tmp_path, "postgres", where).run()
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: PostgreSQL does not answer")
