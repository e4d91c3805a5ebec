"""04_orbit as a user has it: files are dropped, dbt builds the marts on the local Snowflake, and its pages show them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from orbit import generate
from orbit.exercises import EXERCISES

from infra import envs
from infra.local import Cloud
from infra.paths import ROOT
from tests.support.browser import View, open_pages, read_dashboard

pytestmark = pytest.mark.e2e

STACK = "04_orbit"
SLUG = "04-orbit"


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert "3 read = 1 loaded + 0 updated + 1 duplicate + 1 quarantined" in deployed
    assert re.search(r"ok  dbt builds the marts on snowflake and its tests pass: \d+ tests", deployed)
    assert "ok  its body is in a mart: magnitude 22.1" in deployed and "FAILED" not in deployed
    assert "3 cloud-only (network, warehouse (snowflake_warehouse), nightly (scheduled_task))" in deployed


def test_files_are_landed_built_and_counted_once(deployed: str, orrery: Any) -> None:
    out = orrery.ok("run", STACK)
    bad = sum(a != b for a, b in zip(generate.bodies(1000, 7), generate.bodies(1000, 7, bad=0.02), strict=True))
    passes = generate.approaches(1000, 7)["element_count"]
    assert f"1,000 read = {1000 - bad} loaded + 0 updated + 0 duplicate + {bad} quarantined" in out, out
    assert f"{passes:,} read = {passes:,} loaded + 0 updated + 0 duplicate + 0 quarantined" in out
    assert "bodies\tincremental" in out and re.search(r"\d+ tests passed", out)
    again = orrery.ok("run", STACK)
    assert again.count("Nothing to do: this content was delivered before.") == 2


def test_a_users_own_file_that_changed_is_refused_with_its_reason(deployed: str, orrery: Any, tmp_path: Path) -> None:
    changed = tmp_path / "changed.csv"
    generate.write_bodies(changed, generate.bodies(5))
    changed.write_text(changed.read_text().replace("moid,", "earth_moid,", 1))
    out = orrery.ok("run", STACK, "--data", str(changed))
    assert "refused as a whole: unknown_columns: its columns changed: missing moid; new earth_moid" in out


def ask(orrery: Any, cloud: Cloud, *statements: str) -> list[list[list[Any]]]:
    """Return what the stack's warehouse answers to each statement."""
    endpoint = cloud.endpoint("snowflake")
    environment = {
        **os.environ,
        **cloud.aws_environment(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "stacks" / STACK / "src")]),
        "ORBIT_TARGET": "snowflake",
        "ORBIT_DATABASE": "orbit",
        "ORBIT_SECRET_ARN": orrery.outputs(SLUG)["secret"],
        "ORBIT_SNOWFLAKE_HOST": endpoint.host,
        "ORBIT_SNOWFLAKE_PORT": str(endpoint.port),
        "ORBIT_SNOWFLAKE_PROTOCOL": "http",
    }
    arguments = [each for statement in statements for each in ("--ask", statement)]
    command = [str(envs.ensure("orbit")), "-P", "-m", "orbit.pipeline", "ask", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["rows"] for line in lines if line["event"] == "asked"]


def test_the_dashboard_shows_what_the_marts_hold(
    deployed: str, orrery: Any, local_cloud: Cloud, tmp_path: Path
) -> None:
    file = tmp_path / "orbit.html"
    assert orrery.ok("dashboard", STACK, "--output", str(file)) == f"written: {file}\n"
    figures, tables = read_dashboard(file, charts=4)
    families, years = ask(
        orrery,
        local_cloud,
        "select sum(bodies), sum(hazardous) from orbit_marts.hazard_by_family",
        "select discovery_year, sum(discovered) from orbit_marts.discovery_trends group by 1",
    )
    bodies, hazardous = (int(each) for each in families[0])
    assert figures["bodies"] == f"{bodies:,}" and figures["potentially hazardous"] == f"{hazardous:,}" and bodies > 150
    shown: dict[str, int] = {}
    for year, _, count in tables["First observations per year"][1:]:
        shown[year] = shown.get(year, 0) + int(count)
    assert shown == {str(int(year)): int(count) for year, count in years}
    assert sum(int(row[2]) for row in tables["Hazard by family of orbits"][1:]) == bodies


def test_the_documentation_site_opens_in_a_browser_and_shows_models_tests_and_lineage(
    deployed: str, orrery: Any, tmp_path: Path
) -> None:
    written = orrery.ok("docs", STACK)
    file = Path(written.removeprefix("written: ").strip())
    assert file == orrery.state / "docs" / f"{SLUG}.html"
    ask = {"text": "document.body.innerText", "title": "document.title"}
    at = f"{file.as_uri()}#!/"
    model, source, exposure = open_pages(
        [
            View(f"{at}model/model.orbit.size_estimates", ask=ask),
            View(f"{at}source/source.orbit.orbit_raw.small_bodies", ask=ask),
            View(f"{at}exposure/exposure.orbit.near_earth_report", ask=ask),
        ]
    )
    for seen in (
        model,
        source,
        exposure,
    ):  # dbt's page asks for pictures beside itself that are none, and for no server
        assert {each.partition(":")[0] for each in seen.requests} <= {"file", "data", "blob"}
    assert "size_estimates" in model.answers["text"] and "diameter_low_km" in model.answers["text"]
    assert "The diameter of each body, measured or estimated" in model.answers["text"]
    assert "Records of JPL's small-body database query" in source.answers["text"]
    assert "near_earth_report" in exposure.answers["text"]


def test_an_exercise_says_what_is_wrong_until_it_is_right(deployed: str, orrery: Any, local_cloud: Cloud) -> None:
    """A user's models are tables; made here by hand, one of them without its rows."""
    nothing = orrery.run("check", STACK, "3")
    assert nothing.returncode == 1 and "does not exist" in nothing.stdout
    tables = {number: (mine.rpartition(" from ")[2], right) for number, (_, mine, right) in EXERCISES.items()}
    last, right = tables[3]
    others = [f"create table {table} as {query}" for number, (table, query) in tables.items() if number != 3]
    ask(orrery, local_cloud, f"create table {last} as select * from ({right}) as given where solutions < 0", *others)
    wrong = orrery.run("check", STACK, "3")
    assert wrong.returncode == 1 and "it lacks the row" in wrong.stdout
    ask(orrery, local_cloud, f"insert into {last} {right}")
    for number in tables:
        assert f"Exercise {number} of {STACK} is solved." in orrery.ok("check", STACK, str(number))
    assert "has no exercise 4 that can be checked" in orrery.run("check", STACK, "4").stderr
