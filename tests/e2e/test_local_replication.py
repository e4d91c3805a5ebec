"""Replication between the regions of a local cloud that runs: it takes its time, waits for its link, and agrees."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local import Cloud
from infra.local.fault_client import FaultClient
from infra.local.faults import Fault
from infra.local.replication import PACES, Pace
from infra.local.replication_client import ReplicationClient
from tests.e2e.conftest import Orrery
from tests.support.local_aws import HERE, THERE, LocalAws, allow, until

pytestmark = pytest.mark.e2e

DOWN = [Fault("hang", THERE, "replication")]


@pytest.fixture(scope="module")
def aws(local_cloud: Cloud) -> LocalAws:
    local_cloud.up(["aws"])
    return LocalAws(local_cloud)


@pytest.fixture
def replication(aws: LocalAws) -> Iterator[ReplicationClient]:
    """Replication that is at once unless a test slows it, and at the end the usual again."""
    found = aws.cloud.replication()
    found.set(PACES["off"])
    yield found
    aws.cloud.faults().clear()
    found.settle()
    found.reset()


@pytest.fixture
def faults(aws: LocalAws, replication: ReplicationClient) -> FaultClient:
    return aws.cloud.faults()


class Table:
    """A global table in two regions."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self.name = name
        self.clients = {region: aws.client("dynamodb", region) for region in (HERE, THERE)}
        self.clients[HERE].create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.clients[HERE].update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": THERE}}])

    def put(self, region: str, key: str, value: str) -> None:
        self.clients[region].put_item(TableName=self.name, Item={"id": {"S": key}, "v": {"S": value}})

    def delete(self, region: str, key: str) -> None:
        self.clients[region].delete_item(TableName=self.name, Key={"id": {"S": key}})

    def get(self, region: str, key: str) -> str | None:
        item = self.clients[region].get_item(TableName=self.name, Key={"id": {"S": key}}).get("Item")
        return str(item["v"]["S"]) if item else None


class Buckets:
    """Two buckets that are replicated both ways."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self.names = {HERE: f"{name}-here", THERE: f"{name}-there"}
        self.clients = {region: aws.client("s3", region) for region in (HERE, THERE)}
        self.clients[HERE].create_bucket(Bucket=self.names[HERE])
        self.clients[THERE].create_bucket(
            Bucket=self.names[THERE], CreateBucketConfiguration={"LocationConstraint": THERE}
        )
        role, minutes = aws.role(name, allow("s3:*"), service="s3"), {"Minutes": 15}
        for region, client in self.clients.items():
            client.put_bucket_versioning(Bucket=self.names[region], VersioningConfiguration={"Status": "Enabled"})
        for region, other in ((HERE, THERE), (THERE, HERE)):
            rule = {
                "ID": "all",
                "Priority": 0,
                "Status": "Enabled",
                "Filter": {},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "Destination": {
                    "Bucket": f"arn:aws:s3:::{self.names[other]}",
                    "Metrics": {"Status": "Enabled", "EventThreshold": minutes},
                    "ReplicationTime": {"Status": "Enabled", "Time": minutes},
                },
            }
            self.clients[region].put_bucket_replication(
                Bucket=self.names[region], ReplicationConfiguration={"Role": role, "Rules": [rule]}
            )

    def put(self, region: str, key: str, value: str, **more: str) -> None:
        self.clients[region].put_object(Bucket=self.names[region], Key=key, Body=value.encode(), **more)

    def delete(self, region: str, key: str) -> None:
        self.clients[region].delete_object(Bucket=self.names[region], Key=key)

    def get(self, region: str, key: str) -> str | None:
        try:
            found = self.clients[region].get_object(Bucket=self.names[region], Key=key)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey", error
            return None
        return str(found["Body"].read().decode())

    def status(self, region: str, key: str) -> str:
        head = self.clients[region].head_object(Bucket=self.names[region], Key=key)
        return str(head.get("ReplicationStatus"))

    def versions(self, region: str, key: str) -> list[str]:
        """Return what a key's versions hold, the newest first."""
        found = self.clients[region].list_object_versions(Bucket=self.names[region], Prefix=key)
        read = self.clients[region].get_object
        return [
            read(Bucket=self.names[region], Key=key, VersionId=each["VersionId"])["Body"].read().decode()
            for each in found.get("Versions", [])
        ]


Store = Table | Buckets


@pytest.fixture(scope="module")
def table(aws: LocalAws) -> Table:
    return Table(aws, "traveller")


@pytest.fixture(scope="module")
def buckets(aws: LocalAws) -> Buckets:
    return Buckets(aws, "traveller")


@pytest.fixture(params=["table", "buckets"])
def store(request: pytest.FixtureRequest) -> Store:
    """What holds for tables and buckets alike is tested with both."""
    found: Store = request.getfixturevalue(request.param)
    return found


def test_a_write_arrives_after_its_time_and_not_before(store: Store, replication: ReplicationClient) -> None:
    replication.set({"dynamodb": Pace(1500, 1500), "s3": Pace(1500, 1500)})
    before = time.monotonic()
    store.put(HERE, "timed", "a")
    written = time.monotonic()
    assert store.get(THERE, "timed") is None and store.get(HERE, "timed") == "a"
    (link,) = replication.show()["links"]
    assert (link["source"], link["target"], link["writes"], link["link_down"]) == (HERE, THERE, 1, False)
    until(lambda: store.get(THERE, "timed") == "a", 10, "the write to arrive")
    assert time.monotonic() - before >= 1.5 and time.monotonic() - written < 5
    store.delete(THERE, "timed")
    assert store.get(HERE, "timed") == "a"
    until(lambda: store.get(HERE, "timed") is None, 10, "the deletion to arrive")


def test_a_link_that_is_down_holds_what_is_written_and_then_lets_it_go(
    store: Store, replication: ReplicationClient, faults: FaultClient
) -> None:
    with faults.held(DOWN):
        for number in range(3):
            store.put(HERE, "held", f"{number}")
        store.put(THERE, "held back", "b")
        until(lambda: sum(each["struck"] for each in faults.list()[0]["faults"]) == 4, 10, "the writes to be held")
        assert store.get(THERE, "held") is None and store.get(HERE, "held back") is None
        assert sorted(each["key"] for each in replication.pending() if each["source"] == THERE) in (
            ["held back"],
            ['{"id": {"S": "held back"}}'],
        )
        assert all(each["link_down"] for each in replication.show()["links"])
    until(lambda: store.get(THERE, "held") == "2" and store.get(HERE, "held back") == "b", 10, "what was held")


def test_a_split_brain_heals_to_the_same_in_both_regions(
    store: Store, replication: ReplicationClient, faults: FaultClient
) -> None:
    for key in ("us last", "eu last", "gone"):
        store.put(HERE, key, "before")
    replication.settle()
    with faults.held(DOWN):
        for key, order in (("us last", (THERE, HERE)), ("eu last", (HERE, THERE)), ("gone", (HERE,))):
            for region in order:
                store.put(region, key, f"from {region}")
        store.delete(THERE, "gone")
        assert store.get(HERE, "us last") != store.get(THERE, "us last")
    replication.settle()
    for region in (HERE, THERE):
        assert store.get(region, "us last") == f"from {HERE}"
        assert store.get(region, "eu last") == f"from {THERE}"
        assert store.get(region, "gone") is None


def test_a_bucket_keeps_the_version_that_lost(
    buckets: Buckets, replication: ReplicationClient, faults: FaultClient
) -> None:
    with faults.held(DOWN):
        buckets.put(HERE, "both", "older")
        buckets.put(THERE, "both", "newer")
    replication.settle()
    for region in (HERE, THERE):
        assert buckets.versions(region, "both") == ["newer", "older"]
        assert buckets.get(region, "both") == "newer"


def test_an_object_is_pending_until_its_copy_is_there(
    buckets: Buckets, replication: ReplicationClient, faults: FaultClient
) -> None:
    with faults.held(DOWN):
        buckets.put(HERE, "told", "a", Tagging="colour=red")
        assert buckets.status(HERE, "told") == "PENDING"
    replication.settle()
    assert (buckets.status(HERE, "told"), buckets.status(THERE, "told")) == ("COMPLETED", "REPLICA")
    source, copy = (buckets.clients[each].head_object(Bucket=buckets.names[each], Key="told") for each in (HERE, THERE))
    assert (source["VersionId"], source["LastModified"]) == (copy["VersionId"], copy["LastModified"])
    tags = buckets.clients[THERE].get_object_tagging(Bucket=buckets.names[THERE], Key="told")["TagSet"]
    assert tags == [{"Key": "colour", "Value": "red"}]


def test_a_region_that_was_cut_receives_what_it_missed(
    aws: LocalAws, store: Store, replication: ReplicationClient
) -> None:
    aws.cloud.cut_region(THERE)
    store.put(HERE, "missed", "a")
    store.put(HERE, "missed", "b")
    until(lambda: replication.show()["links"][0]["oldest_s"] > 0.5, 10, "some time to pass")
    assert store.get(THERE, "missed") is None, "seen through the operator's door"
    aws.cloud.restore_region(THERE)
    until(lambda: store.get(THERE, "missed") == "b", 10, "what it missed")


def killed(aws: LocalAws) -> None:
    """Kill the gateway as a crash does, and wait for the next one."""

    def process() -> Any:
        return next(one for one in aws.cloud.status() if one.name == "aws")

    before = process().pid
    os.kill(before, signal.SIGKILL)
    until(lambda: process().pid != before and process().state == "running", 60, "its restart")


def saved_all(aws: LocalAws) -> bool:
    """Tell whether the emulator has saved all that changed."""
    with urllib.request.urlopen(f"{aws.cloud.endpoint('aws').url}/_orrery/health") as answer:
        saver = json.loads(answer.read())["saver"]
    return bool(saver["saved"] == saver["changes"])


def test_what_is_on_its_way_outlives_a_gateway_that_is_killed(
    aws: LocalAws, table: Table, buckets: Buckets, replication: ReplicationClient, faults: FaultClient
) -> None:
    buckets.put(HERE, "deleted", "a")
    replication.settle()
    with faults.held(DOWN, lease_s=60):
        replication.set({"dynamodb": Pace(50, 100, seed=4), "s3": Pace(0, 0)})
        table.put(HERE, "survivor", "older")
        table.put(HERE, "survivor", "newer")
        table.put(THERE, "back", "b")
        for value in ("older", "newer"):
            buckets.put(HERE, "survivor", value, Tagging=f"is={value}")
        buckets.delete(HERE, "deleted")
        until(lambda: saved_all(aws), 30, "the state to be saved")
        killed(aws)
        assert (table.get(THERE, "survivor"), buckets.get(THERE, "survivor")) == (None, None)
        assert (buckets.get(THERE, "deleted"), buckets.status(HERE, "survivor")) == ("a", "PENDING")
        assert len(replication.pending()) == 6
        assert replication.show()["paces"]["dynamodb"]["seed"] == 4
    replication.settle()
    assert (table.get(THERE, "survivor"), table.get(HERE, "back")) == ("newer", "b")
    assert buckets.versions(THERE, "survivor") == ["newer", "older"]
    assert (buckets.get(THERE, "deleted"), buckets.status(HERE, "survivor")) == (None, "COMPLETED")
    tags = buckets.clients[THERE].get_object_tagging(Bucket=buckets.names[THERE], Key="survivor")["TagSet"]
    assert tags == [{"Key": "is", "Value": "newer"}]


def test_a_stop_in_between_loses_nothing(
    aws: LocalAws, store: Store, replication: ReplicationClient, faults: FaultClient
) -> None:
    faults.set("test", DOWN)
    store.put(HERE, "slept", "a")
    aws.cloud.down(["aws"])
    aws.cloud.up(["aws"])
    until(lambda: store.get(THERE, "slept") == "a", 20, "it to arrive: a stop ends all faults")


def state_of(aws: LocalAws, name: str) -> str:
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found[0]["StateValue"])


def test_alarms_on_the_lag_fire_while_the_link_is_down_and_clear_after_it(
    aws: LocalAws, table: Table, buckets: Buckets, replication: ReplicationClient, faults: FaultClient
) -> None:
    bucket_pair = {"SourceBucket": buckets.names[HERE], "DestinationBucket": buckets.names[THERE], "RuleId": "all"}
    for name, space, metric, dimensions, threshold in (
        ("items", "AWS/DynamoDB", "ReplicationLatency", {"TableName": table.name, "ReceivingRegion": THERE}, 1500),
        ("objects", "AWS/S3", "ReplicationLatency", bucket_pair, 2),
        ("count", "AWS/S3", "OperationsPendingReplication", bucket_pair, 0),
    ):
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace=space,
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            Statistic="Average" if name == "items" else "Maximum",
            Period=10,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
        )
    with faults.held(DOWN, lease_s=60):
        table.put(HERE, "late", "a")
        buckets.put(HERE, "late", "a")
        for name in ("items", "objects", "count"):
            until(lambda name=name: state_of(aws, name) == "ALARM", 40, f"the alarm {name}")
    for name in ("items", "objects", "count"):
        until(lambda name=name: state_of(aws, name) == "OK", 40, f"the end of the alarm {name}")


def test_the_command_line_shows_and_sets(
    aws: LocalAws, orrery: Orrery, table: Table, replication: ReplicationClient, faults: FaultClient
) -> None:
    assert "dynamodb: half within 500 ms, 95 of 100 within 1000 ms" in orrery.ok("replication", "set", "public")
    orrery.ok("replication", "set", "--service", "s3", "--median-ms", "40", "--p95-ms", "90", "--seed", "8")
    paces = replication.show()["paces"]
    assert paces["s3"] == {"median_ms": 40, "p95_ms": 90, "seed": 8} and paces["dynamodb"]["median_ms"] == 500
    orrery.ok("fault", "set", "--kind", "hang", "--service", "replication", "--region", THERE)
    table.put(HERE, "shown", "a")
    until(lambda: "down" in orrery.ok("replication", "show"), 20, "the link to be shown as down")
    assert "shown" in orrery.ok("replication", "show", "--pending")
    for wrong in (("slow",), (), ("fast", "--median-ms", "5"), ("--median-ms", "9", "--p95-ms", "5")):
        assert orrery.run("replication", "set", *wrong).returncode == 1
