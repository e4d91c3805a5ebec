"""09_quasar as a user has it: telemetry through both layers, reconciled, and what is served is what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from quasar.exercises import CAUSES, HOTTEST, HOURS, LATE, QUARTERS

from infra import targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui
from tests.support.browser import read_dashboard

pytestmark = pytest.mark.e2e

STACK = "09_quasar"
SLUG = "09-quasar"
EQUAL = "Every count and sum is as the journal of what was sent has it."


@pytest.fixture
def deployed(deployments: dict[str, Any]) -> str:
    """What the first deployment printed."""
    done = deployments[STACK]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture
def store(deployed: str, orrery: Any, local_cloud: Cloud) -> Iterator[psycopg.Connection[Any]]:
    """The stack's store, with the password that its secret holds."""
    target = targets.local(local_cloud.aws_environment(), local_cloud.endpoint("aws").region_urls)
    live = Live(target, orrery.outputs(SLUG), Ui())
    secrets = live.client("secretsmanager", "us-east-1")
    secret = json.loads(secrets.get_secret_value(SecretId=live.outputs["store_secret"])["SecretString"])
    with psycopg.connect(
        host=live.outputs["store_host"],
        port=live.outputs["store_port"],
        dbname=live.outputs["store_name"],
        user=secret["username"],
        password=secret["password"],
        autocommit=True,
    ) as connection:
        yield connection


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert "ok  every message is loaded, a copy or malformed: 600 messages = " in deployed
    assert "ok  every window is as the journal of what was sent has it" in deployed
    assert "ok  speed and batch differ by nothing unexplained" in deployed
    assert "2 modules stood in for (kafka, postgres), 2 cloud-only (network, layers (spark_job))" in deployed
    assert "FAILED" not in deployed


def test_a_second_deployment_changes_nothing_and_goes_on(deployed: str, orrery: Any) -> None:
    again = orrery.ok("deploy", "quasar")
    assert again.startswith("09_quasar on local: no change"), again
    assert "1,200 messages = " in again


def test_a_run_accounts_for_every_message(deployed: str, orrery: Any, store: Any) -> None:
    said = orrery.ok("run", STACK)
    assert "60,000 messages sent" in said and "unexplained." in said and "+ 0 unexplained" in said
    assert EQUAL in said
    (loaded,) = store.execute("SELECT sum(events)::bigint FROM quasar.windows WHERE minutes = 1").fetchone()
    assert f"= {loaded:,} loaded" in said
    (five,) = store.execute("SELECT sum(events)::bigint FROM quasar.windows WHERE minutes = 5").fetchone()
    assert five == 5 * loaded, "each event is in five windows of five minutes"


def test_the_exercises_are_checked_one_by_one(store: Any, orrery: Any) -> None:
    names = {1: "hottest", 2: "lateness", 3: "hours", 4: "quarters", 5: "causes"}
    right = {1: HOTTEST, 2: LATE, 3: HOURS, 4: QUARTERS, 5: CAUSES}
    assert orrery.run("check", STACK, "1").returncode == 1
    for number, query in right.items():
        store.execute(f"CREATE VIEW quasar.{names[number]} AS {query}".encode())
        assert f"Exercise {number} of 09_quasar is solved." in orrery.ok("check", STACK, str(number))
    store.execute(
        b"CREATE OR REPLACE VIEW quasar.lateness AS SELECT kind, sum(late) + 1 AS late, sum(events) AS events"
        b" FROM quasar.batch_windows GROUP BY kind"
    )
    assert orrery.run("check", STACK, "2").returncode == 1
    for name in names.values():
        store.execute(f"DROP VIEW quasar.{name}".encode())


def test_the_dashboard_shows_what_the_store_has(store: Any, orrery: Any, tmp_path: Path) -> None:
    page = tmp_path / "quasar.html"
    orrery.ok("dashboard", STACK, "--output", str(page))
    figures, tables = read_dashboard(page, charts=4)
    (events,) = store.execute("SELECT sum(events)::bigint FROM quasar.minutes").fetchone()
    assert figures["events served"] == f"{events:,}"
    assert figures["windows unexplained"] == "0"
    kinds = store.execute("SELECT count(DISTINCT kind) FROM quasar.minutes").fetchone()
    assert len(tables["Temperature by kind"]) == 1 + kinds[0]


def test_messages_of_ones_own_are_counted_and_the_broken_ones_told(store: Any, orrery: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    mine = {
        "event_id": "ffffffff-000000000001",
        "device_id": "device-000001",
        "kind": "meter",
        "measured_at": 1767225600000,
        "sent_at": 1767225600000,
        "sequence": 1,
        "temperature_ucelsius": 1,
        "voltage_uv": 2,
        "firmware": "1.0.0",
    }
    file.write_text(json.dumps(mine) + "\nhello\n" + json.dumps(mine) + "\n")
    (before,) = store.execute(
        "SELECT sum(messages)::bigint FROM quasar.batch_malformed WHERE reason = 'not_json'"
    ).fetchone()
    said = orrery.ok("run", STACK, "--data", str(file))
    assert "3 messages sent" in said and "the journal can't tell all" in said
    shown = said.partition("Set aside meanwhile")[2].partition("Batch:")[0].splitlines()[2:]
    assert [line.split()[0] for line in shown] == ["not_json"] and "not one flat JSON object" in shown[0], shown
    file.write_text("")
    refused = orrery.run("run", STACK, "--data", str(file))
    assert refused.returncode == 1 and f"error: {file} is empty" in refused.stderr
    (after,) = store.execute(
        "SELECT sum(messages)::bigint FROM quasar.batch_malformed WHERE reason = 'not_json'"
    ).fetchone()
    assert after == before + 1
    found = store.execute(
        "SELECT events, duplicates FROM quasar.batch_windows WHERE window_start = to_timestamp(1767225600)"
    ).fetchone()
    assert found == (1, 1)
