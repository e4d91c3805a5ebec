"""The function's handler: which files it takes from an event, and what it does when one of them fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote_plus

import boto3
import pytest
from meteor.load import Result

from jobs.balance import Balance
from jobs.ledger import Ledger
from jobs.source import Content, Delivery

BUCKET = "landing"


class FakeConnection:
    """A database that is there, and nothing else."""

    closed = False

    def __enter__(self) -> FakeConnection:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FakeLedger(Ledger):
    """A ledger that knows the deliveries of some keys."""

    done: ClassVar[set[str]] = set()

    def __init__(self, connection: object, schema: str) -> None:
        pass

    def unknown(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        return [delivery for delivery in deliveries if delivery.key not in self.done]


@pytest.fixture
def loader(aws: None, handler_module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return the handler with S3 and Secrets Manager by moto, and a load that only notes what it gets."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    secret = boto3.client("secretsmanager").create_secret(
        Name="database", SecretString=json.dumps({"username": "meteor", "password": "secret"})
    )
    for name, value in {
        "LANDING_BUCKET": BUCKET,
        "DB_HOST": "127.0.0.1",
        "DB_NAME": "meteor",
        "DB_SECRET_ARN": secret["ARN"],
        "DB_SSLMODE": "disable",
    }.items():
        monkeypatch.setenv(name, value)
    taken: list[tuple[str, bytes]] = []
    trouble: dict[str, Exception] = {}
    connection = FakeConnection()

    def load(_: object, delivery: Delivery, chunks: Iterable[bytes], *args: object, **options: object) -> Result:
        if error := trouble.get(delivery.key):
            raise error
        content = b"".join(Content(chunks))
        taken.append((delivery.key, content))
        rows = content.count(b"\n")
        return Result("loaded", delivery, "0" * 64, Balance(read=rows, loaded=rows))

    monkeypatch.setattr(handler_module, "load", load)
    monkeypatch.setattr(handler_module, "prepare", lambda _: [])
    monkeypatch.setattr(handler_module, "connect_with_secret", lambda *_: connection)
    monkeypatch.setattr(handler_module, "Ledger", FakeLedger)
    monkeypatch.setattr(FakeLedger, "done", set())
    call: Callable[..., dict[str, Any]] = handler_module.handler
    return SimpleNamespace(
        s3=s3,
        call=call,
        taken=taken,
        trouble=trouble,
        failed=handler_module.SomeFailed,
        connection=connection,
    )


def event(*keys: str, bucket: str = BUCKET, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {
        "Records": [
            {"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}}} for key in keys
        ]
    }


def put(loader: SimpleNamespace, key: str, body: bytes = b"row\n") -> None:
    loader.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def test_all_files_of_an_event_are_loaded_whatever_their_names(loader: SimpleNamespace) -> None:
    keys = ["incoming/a b+c.csv", "incoming/été/100%.csv.gz"]
    for key in keys:
        put(loader, key, key.encode())
    answer = loader.call(event(*keys, keys[0]), None)
    assert loader.taken == [(key, key.encode()) for key in keys]
    assert [file["status"] for file in answer["files"]] == ["loaded", "loaded"]
    json.dumps(answer)


@pytest.mark.parametrize(
    "other",
    [
        event("quarantine/rows/x.jsonl"),
        event("incoming/"),
        event("incoming/x.csv", bucket="somewhere-else"),
        event("incoming/x.csv", name="ObjectRemoved:Delete"),
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
        {},
    ],
)
def test_what_is_no_delivery_is_ignored(loader: SimpleNamespace, other: dict[str, Any]) -> None:
    put(loader, "incoming/x.csv")
    assert loader.call(other, None)["files"] == []
    assert loader.taken == []


def test_a_file_that_was_deleted_meanwhile_is_no_failure(loader: SimpleNamespace) -> None:
    put(loader, "incoming/there.csv")
    answer = loader.call(event("incoming/gone.csv", "incoming/there.csv"), None)
    assert answer["ignored"] == [f"gone {BUCKET}/incoming/gone.csv"]
    assert [key for key, _ in loader.taken] == ["incoming/there.csv"]


def test_a_failing_file_lets_the_others_through_and_the_event_come_again(
    loader: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("incoming/1.csv", "incoming/2.csv", "incoming/3.csv"):
        put(loader, key)
    loader.trouble["incoming/2.csv"] = ConnectionError("the server went away")
    with pytest.raises(loader.failed, match=r"1 of 3 files failed.*incoming/2\.csv.*the server went away"):
        loader.call(event("incoming/1.csv", "incoming/2.csv", "incoming/3.csv"), None)
    assert [key for key, _ in loader.taken] == ["incoming/1.csv", "incoming/3.csv"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {name: line[name] for line in lines for name in line if name == "FilesFailed"} == {"FilesFailed": 1}


def test_a_lost_connection_ends_the_event_and_names_what_was_not_tried(loader: SimpleNamespace) -> None:
    for key in ("incoming/1.csv", "incoming/2.csv"):
        put(loader, key)
    loader.trouble["incoming/1.csv"] = ConnectionError("gone")
    loader.connection.closed = True
    with pytest.raises(loader.failed, match="2 of 2 files failed"):
        loader.call(event("incoming/1.csv", "incoming/2.csv"), None)
    assert loader.taken == []


def test_the_sweep_loads_what_no_event_delivered(loader: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("incoming/known.csv", "incoming/lost.csv", "quarantine/rows/x.jsonl", "elsewhere.csv"):
        put(loader, key)
    loader.s3.put_object(Bucket=BUCKET, Key="incoming/folder/")
    monkeypatch.setattr(FakeLedger, "done", {"incoming/known.csv"})
    answer = loader.call({"sweep": True}, None)
    assert [key for key, _ in loader.taken] == ["incoming/lost.csv"]
    assert answer["totals"]["read"] == 1


def test_the_sweep_takes_the_oldest_first(loader: SimpleNamespace, handler_module: ModuleType) -> None:
    from moto.s3.models import s3_backends

    for key in ("incoming/b.csv", "incoming/a.csv"):
        put(loader, key)
    backend = s3_backends["123456789012"]["aws"]
    for day, key in enumerate(("incoming/b.csv", "incoming/a.csv"), start=1):
        backend.buckets[BUCKET].keys[key].last_modified = datetime(2026, 1, day, tzinfo=UTC)
    loader.call({"sweep": True}, None)
    assert [key for key, _ in loader.taken] == ["incoming/b.csv", "incoming/a.csv"]


def test_the_sweep_stops_in_time_and_says_what_is_left(loader: SimpleNamespace) -> None:
    for number in range(3):
        put(loader, f"incoming/{number}.csv")
    left = iter([90_000, 61_000, 59_000])
    answer = loader.call({"sweep": True}, SimpleNamespace(get_remaining_time_in_millis=lambda: next(left)))
    assert len(loader.taken) == 2
    assert answer["remaining"] == ["incoming/2.csv"]


def test_logs_and_metrics_are_json_lines(loader: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    put(loader, "incoming/x.csv", b"1\n2\n")
    loader.call(event("incoming/x.csv"), None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (file,) = [line for line in lines if line.get("event") == "file"]
    assert file["read"] == file["loaded"] + file["updated"] + file["duplicate"] + file["quarantined"] == 2
    (metrics,) = [line for line in lines if "_aws" in line]
    directive = metrics["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == "Orrery/Meteor"
    assert {metric["Name"] for metric in directive["Metrics"]} <= set(metrics)
    assert metrics["RowsRead"] == 2
