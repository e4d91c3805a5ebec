"""01_meteor as a user has it: a file is dropped and its rows are in PostgreSQL, once, whatever the file."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from meteor.generate import generate

from infra import targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui

pytestmark = pytest.mark.e2e

STACK = "01_meteor"
SLUG = "01-meteor"
REGION = "us-east-1"
COUNTS = ("read", "loaded", "updated", "duplicate", "quarantined")


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
def database(live: Live, local_cloud: Cloud) -> Iterator[psycopg.Connection[Any]]:
    """The stack's own database, reached as the function reaches it."""
    secrets = live.client("secretsmanager", REGION)
    secret = json.loads(secrets.get_secret_value(SecretId=live.outputs["database_secret"])["SecretString"])
    with psycopg.connect(
        host=live.outputs["database_host"],
        port=live.outputs["database_port"],
        dbname=live.outputs["database_name"],
        user=secret["username"],
        password=secret["password"],
        autocommit=True,
    ) as connection:
        yield connection


def count(database: psycopg.Connection[Any], query: str, *values: Any) -> int:
    row = database.execute(query.encode(), values).fetchone()
    assert row
    return int(row[0])


def drop(live: Live, key: str, content: bytes) -> str:
    live.client("s3", REGION).put_object(Bucket=live.outputs["landing_bucket"], Key=key, Body=content)
    return key


def ask(live: Live, payload: dict[str, Any]) -> dict[str, Any]:
    client = live.client("lambda", REGION)
    answer = client.invoke(FunctionName=live.outputs["loader"], Payload=json.dumps(payload).encode())
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def outcome(live: Live, key: str) -> dict[str, Any]:
    found: dict[str, Any] = live.wait(f"{key} to be tried", lambda: ask(live, {"report": key})["file"], timeout_s=60)
    return found


def launches(*missions: str) -> bytes:
    head = "Company,Location,Date,Time,Rocket,Mission,RocketStatus,Price,MissionStatus\n"
    rows = (f"Orrery,Pad 1,10/4/1957,19:28:00,R-7,{mission},Retired,,Success\n" for mission in missions)
    return (head + "".join(rows)).encode()


def test_a_deployment_from_nothing_proves_that_it_works(deployed: str) -> None:
    assert "ok  a dropped file is loaded by its event: loaded" in deployed
    assert "ok  its balance adds up: 3 read = 1 loaded + 0 updated + 1 duplicate + 1 quarantined" in deployed
    assert "1 module stood in for (postgres)" in deployed
    assert "FAILED" not in deployed


def test_a_second_deployment_changes_nothing(deployed: str, orrery: Any) -> None:
    again = orrery.ok("deploy", "meteor")
    assert again.startswith("01_meteor on local: no change"), again


@pytest.mark.parametrize("shape", ["a", "b"])
def test_what_is_in_a_dropped_file_is_in_the_database(
    live: Live, database: psycopg.Connection[Any], tmp_path: Path, shape: str
) -> None:
    file = tmp_path / f"launches-{shape}.csv"
    truth = generate(file, rows=2000, seed=11 if shape == "a" else 12, shape=shape)
    before = count(database, "SELECT count(*) FROM meteor.launches")
    found = outcome(live, drop(live, f"incoming/e2e/{file.name}", file.read_bytes()))
    assert found["status"] == "loaded"
    assert {name: found[name] for name in COUNTS} == {name: getattr(truth, name) for name in COUNTS}
    assert found["reasons"] == truth.reasons
    assert count(database, "SELECT count(*) FROM meteor.launches") == before + truth.loaded
    rejected = "SELECT count(*) FROM meteor.quarantine WHERE file_id = %s"
    assert count(database, rejected, found["file_id"]) == truth.quarantined


def test_the_same_content_again_changes_nothing(live: Live, database: psycopg.Connection[Any]) -> None:
    content = launches("Twice 1", "Twice 2")
    outcome(live, drop(live, "incoming/e2e/first.csv", content))
    before = count(database, "SELECT count(*) FROM meteor.launches")
    again = outcome(live, drop(live, "incoming/e2e/second.csv", content))
    assert again["status"] == "already_loaded"
    assert count(database, "SELECT count(*) FROM meteor.launches") == before


def test_the_sweep_loads_what_no_event_delivered(live: Live, database: psycopg.Connection[Any]) -> None:
    """The event is lost for real: the bucket tells nobody while the file arrives."""
    s3, bucket = live.client("s3", REGION), live.outputs["landing_bucket"]
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        key = drop(live, "incoming/e2e/unheard.csv", launches(f"Unheard {time.time_ns()}"))
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    heard = drop(live, "incoming/e2e/heard.csv", launches(f"Heard {time.time_ns()}"))
    assert outcome(live, heard)["status"] == "loaded"
    assert ask(live, {"report": key})["file"] is None, "an event delivered it after all"
    swept = ask(live, {"sweep": True})
    assert swept["totals"]["loaded"] == 1 and swept["remaining"] == []
    assert ask(live, {"report": key})["file"]["status"] == "loaded"
    assert count(database, "SELECT count(*) FROM meteor.launches WHERE mission LIKE 'Unheard%%'") == 1
    assert ask(live, {"sweep": True})["files"] == [], "the next sweep finds nothing to do"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("cut.csv.gz", gzip.compress(launches("x") * 200, mtime=0)[:-20], "gzip_truncated"),
        ("bomb.csv.gz", gzip.compress(launches("Zeros") + (b"0" * 999 + b"\n") * (64 << 10), mtime=0), "gzip_bomb"),
        ("endless.csv.gz", gzip.compress(b"0" * (64 << 20), mtime=0), "line_too_long"),
        ("empty.csv", b"", "empty"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, ""),
    ],
    ids=["truncated", "bomb", "endless", "empty", "picture"],
)
def test_a_bad_file_goes_to_quarantine_and_the_next_one_loads(live: Live, name: str, content: bytes, code: str) -> None:
    found = outcome(live, drop(live, f"incoming/e2e/{name}", content))
    assert found["status"] == "rejected" and found["error"]
    assert code in found["error_code"]
    s3, bucket = live.client("s3", REGION), live.outputs["landing_bucket"]
    kept = s3.list_objects_v2(Bucket=bucket, Prefix="quarantine/")["Contents"]
    assert any(found["content_hash"] in each["Key"] or name in each["Key"] for each in kept), kept
    after = outcome(live, drop(live, f"incoming/e2e/after-{name}.csv", launches(f"After {name} {time.time_ns()}")))
    assert (after["status"], after["loaded"]) == ("loaded", 1)


def test_nothing_ended_in_the_dead_letter_queue(live: Live) -> None:
    """A bad file is an outcome, not a failure of the function."""
    attributes = live.client("sqs", REGION).get_queue_attributes(
        QueueUrl=live.outputs["loader_dlq"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_a_users_own_file_is_run_and_its_balance_printed(deployed: str, orrery: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    truth = generate(file, rows=300, seed=13)
    out = orrery.ok("run", "01_meteor", "--data", str(file))
    balance = (
        f"{truth.read} read = {truth.loaded} loaded + 0 updated + {truth.duplicate} duplicate + {truth.quarantined}"
    )
    assert balance in out, out
