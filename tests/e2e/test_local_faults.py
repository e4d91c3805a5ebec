"""Faults in a local cloud that runs: boto3 and psycopg meet them, and they end with whoever set them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.response import ResponseStreamingError

from infra.errors import OrreryError
from infra.local import Cloud, faults
from infra.local.fault_client import FaultClient
from infra.local.faults import Fault, Latency
from infra.local.service import Program, is_free
from infra.paths import ROOT
from tests.support.local_aws import LocalAws, allow, until

pytestmark = pytest.mark.e2e

HERE, THERE = "eu-west-1", "us-east-1"


@pytest.fixture(scope="module")
def cloud(local_cloud: Cloud) -> Cloud:
    local_cloud.up(["aws", "postgres"])
    return local_cloud


@pytest.fixture
def client(cloud: Cloud) -> Iterator[FaultClient]:
    """The faults of the local cloud, of which none is left."""
    found = cloud.faults()
    yield found
    found.clear()


def through(cloud: Cloud, service: str, region: str = HERE, port: str = "", **settings: Any) -> Any:
    """Return a client that goes through a region's port, its own by default, and asks once."""
    config = {"retries": {"max_attempts": 0}, "s3": {"addressing_style": "path"}, "proxies": {}}
    return boto3.client(  # type: ignore[call-overload]  # its stubs want literal names
        service,
        endpoint_url=cloud.endpoint("aws").region_urls[port or region],
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**(config | settings)),
    )


def seconds(call: Any, **arguments: Any) -> float:
    started = time.monotonic()
    call(**arguments)
    return time.monotonic() - started


@pytest.fixture(scope="module")
def table(cloud: Cloud) -> str:
    for region in (HERE, THERE):
        through(cloud, "dynamodb", region).create_table(
            TableName="struck",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return "struck"


def test_one_operation_of_one_service_in_one_region_is_slow(cloud: Cloud, client: FaultClient, table: str) -> None:
    near, far = through(cloud, "dynamodb"), through(cloud, "dynamodb", THERE, HERE)
    get = {"TableName": table, "Key": {"id": {"S": "1"}}}
    for one in (near, far):
        one.get_item(**get)
    client.set("test", [Fault("delay", HERE, "dynamodb", "GetItem", latency=Latency("constant", 1500))])
    assert seconds(near.get_item, **get) >= 1.5
    assert seconds(near.put_item, TableName=table, Item={"id": {"S": "1"}}) < 1.5
    assert seconds(far.get_item, **get) < 1.5, "the same call to another region, through the same port"
    assert seconds(LocalAws(cloud).client("dynamodb", HERE).get_item, **get) < 1.5, "the operator's door"
    assert [(one["met"], one["struck"]) for one in client.list()[0]["faults"]] == [(1, 1)]


def test_a_share_of_the_calls_fails_and_the_seed_replays_it(cloud: Cloud, client: FaultClient) -> None:
    s3 = through(cloud, "s3")
    s3.create_bucket(Bucket="struck", CreateBucketConfiguration={"LocationConstraint": HERE})

    def failures() -> list[str]:
        seen = []
        client.set("test", [Fault("error", HERE, "s3", "PutObject", share=0.4, seed=11, code="SlowDown")])
        for number in range(30):
            try:
                s3.put_object(Bucket="struck", Key=str(number), Body=b"x" * 200_000)
                seen.append("")
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
                seen.append(error.response["Error"]["Code"])
            s3.list_objects_v2(Bucket="struck")  # another operation, which counts for nothing
        return seen

    first = failures()
    assert set(first) == {"", "SlowDown"} and 5 <= first.count("SlowDown") <= 20
    assert failures() == first


def test_a_hang_is_a_read_timeout_and_nothing_is_executed(cloud: Cloud, client: FaultClient) -> None:
    client.set("test", [Fault("hang", HERE, "sqs", "CreateQueue")])
    sqs = through(cloud, "sqs", read_timeout=1)
    with pytest.raises(ReadTimeoutError):
        sqs.create_queue(QueueName="never")
    assert "never" not in str(sqs.list_queues())


def test_an_answer_breaks_off_in_its_middle(cloud: Cloud, client: FaultClient) -> None:
    s3, body = through(cloud, "s3", THERE), os.urandom(3_000_000)
    s3.create_bucket(Bucket="broken")
    s3.put_object(Bucket="broken", Key="k", Body=body)
    client.set("test", [Fault("drop", THERE, "s3", "GetObject", after_bytes=1_000_000)])
    stream, got = s3.get_object(Bucket="broken", Key="k")["Body"], b""
    with pytest.raises(ResponseStreamingError):
        while piece := stream.read(50_000):
            got += piece
    assert got == body[: len(got)] and 900_000 <= len(got) <= 1_000_000
    client.clear("test")
    assert s3.get_object(Bucket="broken", Key="k")["Body"].read() == body


def test_a_lost_answer_is_of_a_call_that_was_executed(cloud: Cloud, client: FaultClient) -> None:
    sqs = through(cloud, "sqs")
    client.set("test", [Fault("drop", HERE, "sqs", "CreateQueue", after_bytes=0)])
    with pytest.raises(ConnectionClosedError):
        sqs.create_queue(QueueName="made-unheard")
    assert "made-unheard" in str(sqs.list_queues())


def test_bandwidth_is_limited(cloud: Cloud, client: FaultClient) -> None:
    s3 = through(cloud, "s3", THERE)
    s3.create_bucket(Bucket="narrow")
    client.set("test", [Fault("throttle", THERE, "s3", bytes_per_s=400_000)])
    assert seconds(s3.put_object, Bucket="narrow", Key="k", Body=b"x" * 400_000) >= 0.9
    assert seconds(lambda: s3.get_object(Bucket="narrow", Key="k")["Body"].read()) >= 0.9


CALL = """
import boto3
from botocore.config import Config
def handler(event, context):
    once = Config(retries={"total_max_attempts": 1})
    try:
        return boto3.client("s3", config=once).list_buckets()["ResponseMetadata"]["HTTPStatusCode"]
    except Exception as error:
        return str(error)
"""


def test_the_code_of_a_function_meets_its_regions_faults(cloud: Cloud, client: FaultClient) -> None:
    aws = LocalAws(cloud)
    aws.function("struck", CALL, aws.role("struck", allow("s3:ListAllMyBuckets")), HERE, Timeout=30)
    assert aws.call("struck", region=HERE) == 200
    client.set("test", [Fault("error", HERE, "s3", status=500)])
    assert "InternalError" in aws.call("struck", region=HERE)


# ---------------------------------------------------------------------------------- how they end


def refuses(cloud: Cloud, region: str = HERE) -> bool:
    try:
        through(cloud, "sqs", region).list_queues()
    except (EndpointConnectionError, ConnectionClosedError):
        return True
    return False


def test_a_fault_ends_with_its_lease(cloud: Cloud, client: FaultClient) -> None:
    client.set("test", [Fault("refuse", HERE)], lease_s=1)
    assert refuses(cloud)
    until(lambda: not refuses(cloud), 10, "the end of the lease")
    assert client.list() == []


HOLD = """
import sys, time
from infra.local.fault_client import FaultClient
from infra.local.faults import Fault
with FaultClient(sys.argv[1]).held([Fault("refuse", "eu-west-1")], lease_s=2):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_drill_removes_its_faults(cloud: Cloud, client: FaultClient, number: signal.Signals) -> None:
    command = [sys.executable, "-P", "-c", HOLD, client.url]
    drill = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert drill.stdout and drill.stderr
    assert drill.stdout.readline() == "held\n", drill.stderr.read()
    until(lambda: client.list()[0]["ends_in_s"] < 1.8, 5, "some time to pass")
    until(lambda: client.list()[0]["ends_in_s"] > 1.8, 5, "the drill to renew its lease")
    assert refuses(cloud)
    drill.send_signal(number)
    assert drill.wait(10) == {signal.SIGTERM: 143, signal.SIGINT: -2, signal.SIGKILL: -9}[number]
    if number != signal.SIGKILL:
        assert client.list() == [], "gone before the process is"
    until(lambda: client.list() == [], 5, "the end of the lease")
    assert not refuses(cloud)


def test_a_drill_changes_its_faults_and_is_told_when_they_were_ended(cloud: Cloud, client: FaultClient) -> None:
    with client.held([]) as drill:
        assert not refuses(cloud)
        for _ in range(2):  # a region that flaps
            drill.set([Fault("refuse", HERE)])
            assert refuses(cloud) and not refuses(cloud, THERE)
            drill.set([])
            assert not refuses(cloud)
    with pytest.raises(OrreryError, match="ended while they were needed"), client.held([], lease_s=0.4) as drill:
        client.clear()
        assert drill.lost.wait(10)


def test_faults_and_cuts_outlive_a_gateway_that_is_killed(cloud: Cloud, client: FaultClient) -> None:
    with client.held([Fault("refuse", HERE)], lease_s=30) as drill:
        before = next(one.pid for one in cloud.status() if one.name == "aws")
        assert before
        os.kill(before, signal.SIGKILL)
        until(
            lambda: any(one.name == "aws" and one.pid != before and one.state == "running" for one in cloud.status()),
            60,
            "its restart",
        )
        assert refuses(cloud)
        drill.check()
    assert not refuses(cloud)


def test_a_region_that_a_drill_holds_is_not_said_to_be_restored(cloud: Cloud, client: FaultClient) -> None:
    with client.held([Fault("refuse", HERE)], "my-drill"), pytest.raises(OrreryError, match="a fault of my-drill"):
        cloud.restore_region(HERE)
    cloud.restore_region(HERE)


def test_a_web_page_cannot_set_faults(cloud: Cloud, client: FaultClient) -> None:
    body = json.dumps({"faults": [{"kind": "refuse"}]}).encode()
    request = urllib.request.Request(
        client.url + faults.ADDRESS + "/page", body, {"Origin": "https://example.com"}, method="PUT"
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=5)


# ------------------------------------------------------------------------------- the command line


def test_the_command_line_sets_shows_and_ends_faults(
    orrery: Any, cloud: Cloud, client: FaultClient, tmp_path: Path
) -> None:
    file = tmp_path / "drill.toml"
    file.write_text('[[fault]]\nkind = "error"\nregion = "eu-west-1"\nservice = "sqs"\nstatus = 500\n')
    said = orrery.ok("fault", "set", str(file), "--for", "60", "--owner", "night")
    assert said == "night: error region=eu-west-1 service=sqs status=500 for 60 s\n"
    options = ["--kind", "delay", "--service", "s3", "--latency-ms", "median=100,p95=400"]
    assert orrery.ok("fault", "set", *options) == "cli: delay service=s3 latency_ms=median=100,p95=400\n"
    with pytest.raises(ClientError):
        through(cloud, "sqs").list_queues()
    rows = [line.split("\t") for line in orrery.ok("fault", "list").splitlines()[1:]]
    assert [row[:2] + row[4:] for row in rows] == [["cli", "delay", "0", "0"], ["night", "error", "1", "1"]]
    assert orrery.ok("fault", "clear", "night") == "ended: night\n"
    assert orrery.ok("fault", "clear") == "ended: cli\n"
    assert orrery.ok("fault", "clear") == "no faults were set\n"


def test_bad_definitions_are_refused_before_anything_is_set(orrery: Any, client: FaultClient, tmp_path: Path) -> None:
    file = tmp_path / "drill.toml"
    file.write_text('[[fault]]\nkind = "refuse"\nregion = "eu-west-1"\n\n[[fault]]\nkind = "hang"\nshare = 2\n')
    done = orrery.run("fault", "set", str(file))
    assert done.returncode == 1 and done.stderr.startswith(f"error: {file}:7: share is a number above 0")
    done = orrery.run("fault", "set", "--kind", "delay", "--latency-ms", "soon")
    assert done.returncode == 1 and done.stderr.startswith("error: --latency-ms: latency_ms is a number")
    assert orrery.run("fault", "set").returncode == 1
    assert client.list() == []


# ------------------------------------------------------------------------------ not only HTTP


@pytest.fixture
def proxy(cloud: Cloud, tmp_path: Path) -> Iterator[tuple[FaultClient, int]]:
    """A proxy in front of PostgreSQL that the supervisor keeps alive, as a later stack would have it."""
    control, port = (next(p for p in range(base, base + 999) if is_free(p)) for base in (24_000, 25_000))
    upstream = {"postgres": {"port": port, "upstream": cloud.endpoint("postgres").port}}
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"control": control, "memory": str(tmp_path / "faults.json"), "proxies": upstream}))
    from infra.local.cloud import interpreter

    python = interpreter("local", lambda line: None)
    cloud.supervisor.apply("struck-postgres", Program([str(python), "-P", faults.__file__, str(settings)]))
    try:
        until(lambda: not is_free(port) and not is_free(control), 20, "the proxy")
        yield FaultClient(f"http://{faults.HOST}:{control}"), port
    finally:
        cloud.supervisor.remove("struck-postgres")


def test_a_database_is_struck_through_a_proxy(
    orrery: Any, cloud: Cloud, proxy: tuple[FaultClient, int], tmp_path: Path
) -> None:
    struck, port = proxy
    database = cloud.provision_database("struck")

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=database.host,
            port=port,
            dbname=database.database,
            user=database.user,
            password=database.password,
            connect_timeout=3,
            autocommit=True,
        )

    with connect() as connection:
        connection.execute("select 1")
        struck.set("test", [Fault("delay", service="postgres", latency=Latency("constant", 400))])
        assert seconds(connection.execute, query="select 1") >= 0.4
        struck.set("test", [Fault("drop", after_bytes=100_000)])
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select repeat('x', 1000000)")
    struck.set("test", [Fault("hang")])
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        connect()
    assert orrery.ok("fault", "set", "--kind", "refuse", "--at", struck.url, "--owner", "test") == "test: refuse\n"
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect()
    done = orrery.run("fault", "set", "--kind", "error", "--at", struck.url)
    assert done.returncode == 1 and "only HTTP has errors" in done.stderr
    struck.clear()
    with connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    cloud.drop_database("struck")
