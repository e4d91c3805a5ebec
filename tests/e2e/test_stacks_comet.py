"""02_comet as a user has it: a file is dropped, landed and loaded, and the crontab does the same while nobody looks."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from comet.exercises import BY_YEAR, DECADES, QUICK
from comet.generate import generate

from infra import targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui
from jobs.crontab import parse
from tests.support.browser import read_dashboard
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

STACK = "02_comet"
SLUG = "02-comet"
REGION = "us-east-1"


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert "3 read = 1 loaded + 0 updated + 1 duplicate + 1 quarantined" in deployed
    assert "ok  the nightly load reconciles: fact_discovery 1, fact_measurement 1" in deployed
    assert "2 modules stood in for (postgres), 2 cloud-only (network, nightly (scheduled_task))" in deployed
    assert "FAILED" not in deployed


def test_a_second_deployment_changes_nothing(deployed: str, orrery: Any) -> None:
    again = orrery.ok("deploy", "comet")
    assert again.startswith("02_comet on local: no change"), again


def test_a_users_own_file_is_landed_loaded_and_counted(deployed: str, orrery: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    truth = generate(file, rows=600, seed=21, dirty=0.03)
    out = orrery.ok("run", STACK, "--data", str(file))
    balance = f"{truth.read} read = {truth.loaded} loaded + 0 updated + {truth.duplicate} duplicate"
    assert f"{balance} + {truth.quarantined} quarantined" in out, out
    assert f"fact_measurement: {truth.measurements + 1:,} expected, {truth.measurements + 1:,} found" in out
    again = orrery.ok("run", STACK, "--data", str(file))
    assert "Nothing to do: this content was delivered before." in again


def test_the_dashboard_shows_what_the_star_schema_holds(
    orrery: Any, warehouse: psycopg.Connection[Any], tmp_path: Path
) -> None:
    orrery.ok("run", STACK)
    file = tmp_path / "comet.html"
    assert orrery.ok("dashboard", STACK, "--output", str(file)) == f"written: {file}\n"
    figures, tables = read_dashboard(file, charts=4)

    def asked(query: str) -> list[tuple[Any, ...]]:
        return warehouse.execute(query.encode()).fetchall()

    ((planets, facilities),) = asked("SELECT count(*), count(DISTINCT facility_key) FROM star.fact_discovery")
    assert figures["planets"] == f"{planets:,}" and planets > 800
    years = tables["Discoveries per year, by method"]
    assert years[0] == ["year", "method", "planets"]
    named = {row[1] for row in years[1:]} - {"Other methods"}
    truth = [[str(year), method, str(count)] for method, year, count in asked(BY_YEAR) if method in named]
    assert sorted(row for row in years[1:] if row[1] in named) == sorted(truth)
    assert sum(int(row[2]) for row in years[1:]) == planets
    per_facility = tables["Planets per facility"][1:]
    assert sum(int(row[1]) for row in per_facility) == planets and len(per_facility) == facilities
    errors = asked(
        "SELECT 100 * (err_plus - err_minus) / 2 / value FROM star.fact_measurement"
        " WHERE parameter = 'pl_rade' AND bound = 0 AND err_plus > err_minus"
    )
    shown = {row[0]: row[1:] for row in tables["How well it is known"]}["Radius of the planet"]
    assert shown[0] == str(len(errors))
    assert float(shown[2]) == pytest.approx(statistics.median(error for (error,) in errors), rel=1e-5)


def test_a_file_of_another_kind_is_refused_with_its_reason(deployed: str, orrery: Any, tmp_path: Path) -> None:
    file = tmp_path / "semicolons.csv"
    generate(file, rows=50)
    file.write_text(file.read_text().replace(",", ";"))
    assert "refused as a whole: wrong_delimiter" in orrery.ok("run", STACK, "--data", str(file))


def test_the_crontab_lands_what_was_dropped_while_nobody_looked(
    deployed: str, orrery: Any, local_cloud: Cloud, tmp_path: Path
) -> None:
    """The night is brought about by a run that was missed; the file is dropped, and nothing else is called."""
    local_cloud.up(["cron"])
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    live = Live(target, orrery.outputs(SLUG), Ui())
    file = tmp_path / "dropped.csv"
    truth = generate(file, rows=100, seed=22, shape="pscomppars")
    live.client("s3", REGION).upload_file(str(file), live.outputs["landing_bucket"], "incoming/dropped.csv")

    cron = local_cloud.cron
    known = until(lambda: cron.status(local_cloud._ports("cron"))["crontabs"].get(SLUG), 30, "the crontab")
    assert [each["next"][11:16] for each in known] == ["02:15", "02:45"]
    told = json.loads((cron.data / "crontabs" / f"{SLUG}.json").read_text())
    land, load = parse(Path(told["file"]).read_text())
    for number, entry in enumerate((land, load)):
        (cron.data / "runs" / SLUG / f"{entry.key}.json").write_text(json.dumps({"last": "2020-01-01T00:00:00+00:00"}))
        until(
            lambda n=number: (
                not cron.status(local_cloud._ports("cron"))["crontabs"][SLUG][n]["last"].startswith("2020")
            ),  # type: ignore[misc]  # the default binds the loop's number
            120,
            f"{entry.command} to end",
        )
    log = [json.loads(line) for line in local_cloud.log_path("cron").read_text().splitlines() if line.startswith("{")]
    landed = [line for line in log if line["event"] == "file" and line["key"] == "incoming/dropped.csv"]
    assert [line["loaded"] for line in landed] == [truth.loaded]
    assert [line["event"] for line in log if line["event"] in ("finished", "failed", "differs")][-1] == "finished"


@pytest.fixture
def warehouse(deployed: str, orrery: Any, local_cloud: Cloud) -> Iterator[psycopg.Connection[Any]]:
    """The stack's warehouse, with the password that its secret holds."""
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    live = Live(target, orrery.outputs(SLUG), Ui())
    answer = live.client("secretsmanager", REGION).get_secret_value(SecretId=live.outputs["olap_secret"])
    secret = json.loads(answer["SecretString"])
    with psycopg.connect(
        host=live.outputs["olap_host"],
        port=live.outputs["olap_port"],
        dbname=live.outputs["olap_name"],
        user=secret["username"],
        password=secret["password"],
        autocommit=True,
    ) as connection:
        yield connection


def test_an_exercise_says_what_is_wrong_until_it_is_right(orrery: Any, warehouse: psycopg.Connection[Any]) -> None:
    nothing = orrery.run("check", STACK, "2")
    assert nothing.returncode == 1 and "does not exist" in nothing.stdout
    view = f"CREATE OR REPLACE VIEW star.discoveries_by_decade AS {DECADES}"
    warehouse.execute(f"{view} HAVING false".encode())
    wrong = orrery.run("check", STACK, "2")
    assert wrong.returncode == 1 and "it lacks the row (" in wrong.stdout
    assert "exercise 2 of 02_comet is not solved yet" in wrong.stderr
    warehouse.execute(view.encode())
    assert "Exercise 2 of 02_comet is solved." in orrery.ok("check", STACK, "2")


def test_each_exercise_can_be_solved(orrery: Any, warehouse: psycopg.Connection[Any]) -> None:
    warehouse.execute(f"CREATE VIEW star.quick_planets AS {QUICK}".encode())
    warehouse.execute(f"CREATE TABLE star.agg_method_year AS {BY_YEAR}".encode())
    warehouse.execute(
        "CREATE TABLE star.dim_star_history AS SELECT star_id, name, now() AS valid_from, NULL::timestamptz AS valid_to"
        " FROM star.dim_star WHERE star_id IS NOT NULL"
    )
    warehouse.execute(
        "INSERT INTO etl.steps (run_id, step, read) SELECT max(run_id), 'agg_method_year', 0 FROM etl.runs"
    )
    for number in (1, 3, 4):
        orrery.ok("check", STACK, str(number))
    warehouse.execute(
        "INSERT INTO star.dim_star_history SELECT star_id, 'Old', now(), NULL FROM star.dim_star_history LIMIT 1"
    )
    assert "are valid at once" in orrery.run("check", STACK, "3").stdout
    assert "has no exercise 5 that can be checked" in orrery.run("check", STACK, "5").stderr
