"""One dbt project, three warehouses, the same marts: DuckDB, and the local Snowflake and BigQuery by dbt's adapters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from orbit import generate

from infra import envs
from infra.local import Cloud
from infra.local.cloud import without_proxy
from infra.local.service import is_free
from infra.paths import ROOT

pytestmark = pytest.mark.e2e
TARGETS = ("duckdb", "snowflake", "bigquery")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(tmp_path_factory.mktemp("orbit") / ".orrery")
    ports: dict[str, dict[str, int]] = {}
    base = next(base for base in range(21_000, 29_000, 10) if all(map(is_free, range(base, base + 3))))
    ports = {"snowflake": {"main": base}, "bigquery": {"main": base + 1, "grpc": base + 2}}
    made.place.home.mkdir(parents=True)
    (made.place.home / "state.json").write_text(json.dumps({"ports": ports}))
    try:
        made.up(["snowflake", "bigquery"])
        yield made
    finally:
        made.erase()


def command(cloud: Cloud, folder: Path, target: str, *arguments: object) -> dict[str, Any]:
    """Return how the pipeline is started, for `subprocess`."""
    snowflake = cloud.endpoint("snowflake")
    environment = {
        **os.environ,
        **without_proxy(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "stacks" / "04_orbit" / "src")]),
        "ORBIT_DATABASE": "orbit",
        "ORBIT_DUCKDB_PATH": str(folder / "orbit.duckdb"),
        "ORBIT_SNOWFLAKE_HOST": snowflake.host,
        "ORBIT_SNOWFLAKE_PORT": str(snowflake.port),
        "ORBIT_SNOWFLAKE_PASSWORD": "any",
        "ORBIT_SNOWFLAKE_PROTOCOL": "http",
        "ORBIT_BIGQUERY_ENDPOINT": cloud.endpoint("bigquery").url,
        "ORBIT_BIGQUERY_METHOD": "oauth-secrets",
        "ORBIT_BIGQUERY_TOKEN": "any",
    }
    started = [str(envs.ensure("orbit")), "-P", "-u", "-m", "orbit.pipeline", "run", "--target", target]
    return {"args": [*started, "--work", str(folder / target), *map(str, arguments)], "env": environment}


def run(cloud: Cloud, folder: Path, target: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    started = command(cloud, folder, target, *arguments)
    return subprocess.run(**started, capture_output=True, text=True, timeout=240)


def build(cloud: Cloud, folder: Path, target: str, *arguments: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the pipeline; return its summary and the marts."""
    marts = folder / f"{target}.json"
    done = run(cloud, folder, target, *arguments, "--export", marts)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), json.loads(marts.read_text())


def test_all_targets_give_the_same_marts_row_for_row(cloud: Cloud, delivered: SimpleNamespace, tmp_path: Path) -> None:
    first = {
        target: build(cloud, tmp_path, target, "--file", delivered.first, "--file", delivered.feed)
        for target in TARGETS
    }
    spoiled = sum(a != b for a, b in zip(generate.bodies(120), generate.bodies(120, bad=0.1), strict=True))
    assert spoiled > 5
    for target, (summary, marts) in first.items():
        assert summary["bodies"] == {"read": 120, "current": 120 - spoiled, "quarantined": spoiled, "superseded": 0}
        assert marts == first["duckdb"][1], f"{target} differs"
    # The second delivery is merged into what is there; the first, sent again, is known.
    second = {
        target: build(cloud, tmp_path, target, "--file", delivered.first, "--file", delivered.second)
        for target in TARGETS
    }
    for target, (summary, marts) in second.items():
        assert sorted(summary["landed"].values()) == [0, 60]
        assert summary["bodies"]["read"] == 180
        assert marts == second["duckdb"][1], f"{target} differs"
    check_marts(second["duckdb"][1], delivered)


def check_marts(marts: dict[str, Any], delivered: SimpleNamespace) -> None:
    """Compare the marts with what plain Python makes of the same records."""
    newest = {row["spkid"]: row for row in generate.bodies(120, bad=0.1) if row in list(generate.bodies(120))}
    newest |= {row["spkid"]: row for row in generate.bodies(60, start=90, solution=2)}
    families = {row[0]: row for row in marts["hazard_by_family"]}
    assert {name: row[2] for name, row in families.items()} == Counter(row["class"] for row in newest.values())
    hazardous = Counter(row["class"] for row in newest.values() if row["pha"] == "Y")
    assert {name: row[3] for name, row in families.items()} == {name: hazardous[name] for name in families}
    years = Counter((int(row["first_obs"][:4]), row["class"]) for row in newest.values())
    assert {(row[0], row[1]): row[2] for row in marts["discovery_trends"]} == years
    for spkid, _, h, albedo, method, diameter, low, high, _ in marts["size_estimates"]:
        record = newest[spkid]
        if method == "measured":
            assert diameter == float(record["diameter"])
        else:
            assert diameter == pytest.approx(1329 / (albedo or 0.14) ** 0.5 * 10 ** (-h / 5), abs=2e-6)
        assert low is None or low < high
    feed = json.loads(delivered.feed.read_text())["near_earth_objects"]
    assert len(marts["close_approaches"]) == sum(map(len, feed.values()))
    nearest = min(
        float(each["close_approach_data"][0]["miss_distance"]["astronomical"]) for day in feed.values() for each in day
    )
    assert min(row[5] for row in marts["close_approaches"]) == pytest.approx(nearest, abs=1e-8)


def test_a_changed_file_replaces_nothing(cloud: Cloud, delivered: SimpleNamespace, tmp_path: Path) -> None:
    _, before = build(cloud, tmp_path, "duckdb", "--file", delivered.first, "--file", delivered.feed)
    changed = tmp_path / "changed.csv"
    changed.write_text(delivered.second.read_text().replace("moid,", "earth_moid,", 1))
    done = run(cloud, tmp_path, "duckdb", "--file", delivered.second, "--file", changed)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: changed.csv: its columns changed: missing moid; new earth_moid"
    summary, after = build(cloud, tmp_path, "duckdb")
    assert after == before and summary["bodies"]["read"] == 120


@pytest.mark.parametrize(
    "moment", ["Running with dbt", "START sql incremental model orbit_core.bodies", "START sql table model orbit_marts"]
)
def test_a_killed_run_is_made_good_by_the_next(
    cloud: Cloud, delivered: SimpleNamespace, tmp_path: Path, moment: str
) -> None:
    files = ("--file", delivered.first, "--file", delivered.feed)
    (tmp_path / "whole").mkdir()
    _, undisturbed = build(cloud, tmp_path / "whole", "duckdb", *files)
    with subprocess.Popen(**command(cloud, tmp_path, "duckdb", *files), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(moment in line for line in process.stdout), "it ended before that moment"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    summary, marts = build(cloud, tmp_path, "duckdb", *files)
    assert marts == undisturbed
    assert summary["bodies"]["read"] == 120
