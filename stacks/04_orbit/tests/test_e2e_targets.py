"""One dbt project, three warehouses, the same marts; and whatever comes in or breaks, never a half-loaded one."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
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
HOME = ROOT / "stacks" / "04_orbit"


class Pipeline:
    """The pipeline as the task starts it, in the environment that it has; dbt is loaded once for all tests."""

    def __init__(self, cloud: Cloud, work: Path) -> None:
        self.work = work  # what dbt has read of the project is kept there, for all tests
        snowflake = cloud.endpoint("snowflake")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **without_proxy(),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HOME / "src")]),
            "ORBIT_DATABASE": "orbit",
            "ORBIT_SNOWFLAKE_HOST": snowflake.host,
            "ORBIT_SNOWFLAKE_PORT": str(snowflake.port),
            "ORBIT_SNOWFLAKE_PASSWORD": "any",
            "ORBIT_SNOWFLAKE_PROTOCOL": "http",
            "ORBIT_BIGQUERY_ENDPOINT": cloud.endpoint("bigquery").url,
            "ORBIT_BIGQUERY_METHOD": "oauth-secrets",
            "ORBIT_BIGQUERY_TOKEN": "any",
        }
        command = [str(envs.ensure("orbit")), "-P", str(HOME / "tests" / "warm.py")]
        self.process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(
        self, folder: Path, target: str, *arguments: object, fault: str = "", command: str = "run", **more: str
    ) -> SimpleNamespace:
        """Run it once; return its exit code, its log lines by event, and all that it said."""
        assert self.process.stdin and self.process.stdout
        log = folder / "log"
        environment = {"ORBIT_DUCKDB_PATH": str(folder / "orbit.duckdb"), "JOBS_FAULT": fault, **more}
        given = [command, "--target", target, "--work", str(self.work / target), *map(str, arguments)]
        wanted = {"arguments": given, "environment": environment, "log": str(log)}
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        said = log.read_text()
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        events: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            events.setdefault(line["event"], []).append(line)
        return SimpleNamespace(code=code, events=events, said=said)

    def build(self, folder: Path, target: str, *arguments: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Run it; return the balances of the files, and the marts."""
        marts = folder / f"{target}.json"
        done = self(folder, target, *arguments, "--export", marts)
        assert done.code == 0, done.said[-4000:]
        return done.events.get("balance", []), json.loads(marts.read_text())

    def ask(self, folder: Path, target: str, query: str) -> list[list[Any]]:
        """Return the rows of a query, or of whatever statement it is."""
        done = self(folder, target, "--ask", query, command="ask")
        assert done.code == 0 and "rows" in done.events["asked"][0], done.said
        rows: list[list[Any]] = done.events["asked"][0]["rows"]
        return rows


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    cloud = Cloud(tmp_path_factory.mktemp("orbit") / ".orrery")
    base = next(base for base in range(21_000, 29_000, 10) if all(map(is_free, range(base, base + 3))))
    ports = {"snowflake": {"main": base}, "bigquery": {"main": base + 1, "grpc": base + 2}}
    cloud.place.home.mkdir(parents=True)
    (cloud.place.home / "state.json").write_text(json.dumps({"ports": ports}))
    try:
        cloud.up(["snowflake", "bigquery"])
        made = Pipeline(cloud, tmp_path_factory.mktemp("work"))
        yield made
        made.process.communicate()
    finally:
        cloud.erase()


def files(*paths: Path) -> list[object]:
    return [each for path in paths for each in ("--file", path)]


# ------------------------------------------------------------------------------------------------ three warehouses


def test_all_targets_give_the_same_marts_row_for_row(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    first = {target: pipeline.build(tmp_path, target, *files(delivered.first, delivered.feed)) for target in TARGETS}
    spoiled = sum(a != b for a, b in zip(generate.bodies(120), generate.bodies(120, bad=0.1), strict=True))
    assert spoiled > 5
    for target, (balances, marts) in first.items():
        bodies = next(each for each in balances if each["file"].endswith("first.csv"))
        assert [bodies[name] for name in ("read", "loaded", "quarantined")] == [120, 120 - spoiled, spoiled]
        assert sum(bodies["reasons"].values()) == spoiled
        assert marts == first["duckdb"][1], f"{target} differs"
    # The second delivery is merged into what is there; the first, sent again, is known.
    second = {target: pipeline.build(tmp_path, target, *files(delivered.first, delivered.second)) for target in TARGETS}
    known = {row["spkid"] for row in generate.bodies(120, bad=0.1) if row in list(generate.bodies(120))}
    again = len(known & {row["spkid"] for row in generate.bodies(60, start=90, solution=2)})
    for target, (balances, marts) in second.items():
        (bodies,) = balances
        assert bodies["file"].endswith("second.csv")
        assert [bodies[name] for name in ("read", "loaded", "updated")] == [60, 60 - again, again]
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


# -------------------------------------------------------------------------------------------------- on DuckDB alone


def test_a_second_run_decides_anew_only_what_was_delivered(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    """Rows of core are marked by hand: those of the second delivery are written over, the others stay."""
    pipeline.build(tmp_path, "duckdb", *files(delivered.first))
    pipeline.ask(tmp_path, "duckdb", "update orbit_core.bodies set full_name = 'marked'")
    pipeline.build(tmp_path, "duckdb", *files(delivered.first, delivered.second))
    found = pipeline.ask(tmp_path, "duckdb", "select spkid from orbit_core.bodies where full_name <> 'marked'")
    assert {row[0] for row in found} == {row["spkid"] for row in generate.bodies(60, start=90, solution=2)}
    pipeline.build(tmp_path, "duckdb", "--full")
    assert not pipeline.ask(tmp_path, "duckdb", "select spkid from orbit_core.bodies where full_name = 'marked'")


def test_older_and_equal_solutions_are_duplicates(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    newer, older, equal = (tmp_path / f"{name}.csv" for name in ("newer", "older", "equal"))
    generate.write_bodies(newer, generate.bodies(20, solution=2))
    generate.write_bodies(older, generate.bodies(20))
    generate.write_bodies(equal, reversed(list(generate.bodies(20, solution=2))))  # type: ignore[arg-type]
    balances, marts = pipeline.build(tmp_path, "duckdb", *files(newer))
    assert balances[0]["loaded"] == 20
    balances, after = pipeline.build(tmp_path, "duckdb", *files(older, equal))
    assert [each["duplicate"] for each in balances] == [20, 20] and after == marts


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "wrong delimiter": (lambda data: data.replace(b",", b";"), "wrong_delimiter"),
    "truncated": (lambda data: data[:-40], "column_count"),
    "new column": (lambda data: data.replace(b",DT\n", b",DT,extra\n", 1), "unknown_columns"),
    "renamed column": (lambda data: data.replace(b"moid,", b"earth_moid,", 1), "unknown_columns"),
    "mixed encodings": (lambda data: data.replace(b"Otto Matic", b"Ott\xf3 Matic", 1), "bad_encoding"),
    "packed and cut": (lambda data: gzip.compress(data)[:-9], "gzip_truncated"),
}


def test_a_bad_file_is_refused_whole_and_the_next_is_landed(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    paths = []
    for name, (spoil, _) in BAD.items():
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_bytes(spoil(delivered.second.read_bytes()))
    done = pipeline(tmp_path, "duckdb", *files(*paths, delivered.first), "--export", tmp_path / "marts")
    assert done.code == 0
    refused = {Path(line["key"]).stem: line["code"] for line in done.events["refused"]}
    assert refused == {name: code for name, (_, code) in BAD.items()}
    assert "its columns changed: missing moid; new earth_moid" in done.said
    (balance,) = done.events["balance"]
    assert balance["read"] == 120
    (tmp_path / "alone").mkdir()
    _, alone = pipeline.build(tmp_path / "alone", "duckdb", *files(delivered.first))
    assert json.loads((tmp_path / "marts").read_text()) == alone, "nothing of the others is in a mart"


def test_a_record_of_the_year_0_is_in_quarantine(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "year-0.csv"
    good = generate.row(1, 1)
    generate.write_bodies(path, iter([good, {**good, "spkid": "1", "first_obs": "0000-01-01"}]))
    balances, marts = pipeline.build(tmp_path, "duckdb", *files(path))
    assert balances[0]["reasons"] == {"bad_date": 1} and balances[0]["loaded"] == 1
    assert len(marts["size_estimates"]) == 1
    # Nothing came for a while: it is told as an error, and built all the same. A source that never had anything is not late.
    pipeline.ask(tmp_path, "duckdb", "update orbit_raw.small_bodies set _loaded_at = '2020-01-01 00:00:00'")
    done = pipeline(tmp_path, "duckdb")
    assert done.code == 0 and [line["source"] for line in done.events["stale"]] == ["small_bodies"]
    assert [line["source"] for line in done.events["empty"]] == ["approaches"]


def test_a_changed_column_upstream_stops_before_anything_is_replaced(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    pipeline.build(tmp_path, "duckdb", *files(delivered.first))
    everything = "select * from orbit_marts.size_estimates order by spkid"
    before = pipeline.ask(tmp_path, "duckdb", everything)
    pipeline.ask(tmp_path, "duckdb", "drop view orbit_core.rejected")
    pipeline.ask(tmp_path, "duckdb", "drop view orbit_staging.stg_small_bodies")
    pipeline.ask(tmp_path, "duckdb", "alter table orbit_raw.small_bodies rename column moid to earth_moid")
    done = pipeline(tmp_path, "duckdb")
    assert done.code == 1
    (failed,) = done.events["failed"]
    assert "stg_small_bodies" in failed["error"] and "moid" in failed["error"]
    assert pipeline.ask(tmp_path, "duckdb", everything) == before
    built = {line["name"] for line in done.events.get("model", [])}
    assert not built, "no model says that it was built"


def test_a_model_that_breaks_its_contract_is_told_with_the_column(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path
) -> None:
    """The models are changed in a copy of the project: a column that is a text from now on."""
    shutil.copytree(HOME, tmp_path / "stack", ignore=shutil.ignore_patterns("__pycache__"))
    pipeline.build(tmp_path, "duckdb", *files(delivered.first))
    before = pipeline.ask(tmp_path, "duckdb", "select * from orbit_marts.size_estimates order by spkid")
    model = tmp_path / "stack" / "dbt" / "models" / "staging" / "stg_small_bodies.sql"
    model.write_text(model.read_text().replace("{{ to_number('q') }} as perihelion_au", "q as perihelion_au"))
    done = pipeline(tmp_path, "duckdb", ORBIT_PROJECT=str(tmp_path / "stack" / "dbt"))
    (failed,) = done.events["failed"]
    assert done.code == 1 and "stg_small_bodies" in failed["error"]
    assert "contract" in failed["error"] and "perihelion_au" in failed["error"] and "DOUBLE" in failed["error"]
    assert pipeline.ask(tmp_path, "duckdb", "select * from orbit_marts.size_estimates order by spkid") == before


LANDING = ("prepared", "loaded", "landed", "before_dbt")
BUILDING = ("dbt_finished_bodies", "dbt_started_size_estimates", "built")


@pytest.fixture(scope="module")
def undisturbed(pipeline: Pipeline, delivered: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The balances and the marts of a first run and of a second that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    first = pipeline.build(folder, "duckdb", *files(delivered.first, delivered.feed))
    return first, pipeline.build(folder, "duckdb", *files(delivered.second))


def without_names(balances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({k: v for k, v in each.items() if k != "file"} for each in balances), key=json.dumps)


def test_runs_that_are_killed_in_each_phase_are_made_good_by_the_next(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path, undisturbed: Any
) -> None:
    """Each run goes on where the one before was killed; at the end, balances and marts are as if none had been."""
    deliveries = (files(delivered.first, delivered.feed), files(delivered.second))
    for arguments, phases, (balances, marts) in zip(
        deliveries, ((*LANDING, *BUILDING), (LANDING[1], BUILDING[0])), undisturbed, strict=True
    ):
        for phase in phases:
            killed = pipeline(tmp_path, "duckdb", *arguments, fault=phase)
            assert killed.code == -signal.SIGKILL, (phase, killed.said[-2000:])
        found = pipeline.build(tmp_path, "duckdb", *arguments)
        assert found[1] == marts and without_names(found[0]) == without_names(balances)
    killed = pipeline(tmp_path, "duckdb", fault="balanced")
    assert killed.code == -signal.SIGKILL
    found = pipeline.build(tmp_path, "duckdb", *deliveries[1])
    assert found == ([], undisturbed[1][1]), "what was told once is not told again"


def test_a_killed_run_on_snowflake_is_made_good_by_the_next(
    pipeline: Pipeline, delivered: SimpleNamespace, tmp_path: Path, undisturbed: Any
) -> None:
    pipeline(tmp_path, "snowflake", command="clear")
    killed = pipeline(tmp_path, "snowflake", *files(delivered.first, delivered.feed), fault="loaded")
    assert killed.code == -signal.SIGKILL
    killed = pipeline(tmp_path, "snowflake", *files(delivered.first, delivered.feed), fault="dbt_finished_bodies")
    assert killed.code == -signal.SIGKILL
    balances, marts = pipeline.build(tmp_path, "snowflake", *files(delivered.first, delivered.feed))
    assert marts == undisturbed[0][1] and without_names(balances) == without_names(undisturbed[0][0])
