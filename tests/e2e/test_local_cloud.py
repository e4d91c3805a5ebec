"""The local cloud as a user has it: started on demand, killed, cut, restarted, stopped. Nothing is mocked."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from infra.errors import OrreryError
from infra.local import Cloud, Database, postgres, users
from infra.local.service import is_free
from tests.support.local_aws import LocalAws, allow

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ANY: Any = boto3  # its stubs want literal service names


def until(condition: Callable[[], Any], seconds: float = 90) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def keep_away_from_the_usual_ports(cloud: Cloud) -> None:
    """Give a cloud ports of its own, so that the developer's cloud keeps its ports while the tests run."""
    ports: dict[str, dict[str, int]] = {}
    for one in cloud.services.values():
        while True:
            base = random.randrange(20_000, 30_000)
            chosen = {label: base + number for number, label in enumerate(one.preferred_ports)}
            if all(map(is_free, chosen.values())):
                break
        ports[one.name] = chosen
    cloud.place.home.mkdir(parents=True)
    (cloud.place.home / "state.json").write_text(json.dumps({"ports": ports}))


def new_cloud(root: Path) -> Iterator[Cloud]:
    made = Cloud(root)
    keep_away_from_the_usual_ports(made)
    try:
        yield made
    finally:
        made.erase()
        assert made.supervisor.orphans() == []
        assert not made.place.home.exists()
        assert not users.outside_root(made.place.home).exists()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud with both services for the tests that leave it as they found it."""
    for made in new_cloud(tmp_path_factory.mktemp("cloud")):
        made.up(["aws", "postgres"])
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud that a test may stop and break."""
    yield from new_cloud(tmp_path / "a folder with spaces")


def client(cloud: Cloud, service: str, region: str = "us-east-1", through: str = "") -> Any:
    """Return a boto3 client; ``through`` names the region whose port it uses, the main port by default."""
    endpoint = cloud.endpoint("aws")
    return ANY.client(
        service,
        endpoint_url=endpoint.region_urls[through] if through else endpoint.url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, proxies={}),
    )


def health(cloud: Cloud) -> dict[str, Any]:
    with urllib.request.urlopen(cloud.endpoint("aws").url + "/_orrery/health", timeout=5) as response:
        return dict(json.load(response))


def wait_until_saved(cloud: Cloud) -> None:
    until(lambda: (saver := health(cloud)["saver"])["saved"] >= saver["changes"])


def deploy(cloud: Cloud, region: str, name: str, code: str) -> None:
    aws = LocalAws(cloud)
    aws.function(name, code, aws.role("lists-buckets", allow("s3:ListAllMyBuckets")), region, Timeout=50)


def invoke(cloud: Cloud, region: str, name: str) -> Any:
    return LocalAws(cloud).call(name, region=region)


def connect(database: Database) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=database.database,
        user=database.user,
        password=database.password,
        connect_timeout=5,
        autocommit=True,
    )


def pid_of(cloud: Cloud, name: str) -> int:
    return next(one.pid for one in cloud.status() if one.name == name and one.pid)


def restarted(cloud: Cloud, name: str, old: int) -> bool:
    return any(one.name == name and one.state == "running" and one.pid != old for one in cloud.status())


# ------------------------------------------------------------------------------------- as it starts


def test_status_shows_what_runs(shared: Cloud) -> None:
    found = {one.name: one for one in shared.status()}
    for name in ("aws", "postgres"):
        one = found[name]
        assert one.state == "running"
        assert one.endpoint == shared.endpoint(name)
        assert one.rss_mb > 1
        assert one.log.exists()


def test_a_second_up_changes_nothing(shared: Cloud) -> None:
    said: list[str] = []
    before = {one.name: one.pid for one in shared.status()}
    shared.up(["aws", "postgres"], said.append)
    assert {one.name: one.pid for one in shared.status()} == before
    assert said == []


def test_everything_listens_on_loopback_only(shared: Cloud) -> None:
    listening = [
        connection
        for process in shared.supervisor.orphans()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or connection.type.name == "SOCK_DGRAM"
    ]
    assert {one.laddr.port for one in listening} >= {
        shared.endpoint("aws").port,
        shared.endpoint("postgres").port,
    }
    assert {one.laddr.ip for one in listening} <= {"127.0.0.1", "::1"}


def test_no_service_of_the_database_runs_as_root(shared: Cloud) -> None:
    assert psutil.Process(pid_of(shared, "postgres")).uids().effective != 0


def test_the_control_socket_is_for_its_owner_only(shared: Cloud) -> None:
    assert shared.supervisor.socket.stat().st_mode & 0o077 == 0
    assert shared.supervisor.socket.parent.stat().st_mode & 0o077 == 0


# ------------------------------------------------------------------------------------ the local AWS


def test_objects_and_items_go_to_the_emulator_that_executes(shared: Cloud) -> None:
    client(shared, "s3").create_bucket(Bucket="routed-one")
    client(shared, "s3").put_object(Bucket="routed-one", Key="a b/ü", Body=b"x" * 3_000_000)
    assert len(client(shared, "s3").get_object(Bucket="routed-one", Key="a b/ü")["Body"].read()) == 3_000_000
    make_table(shared, "routed-one")
    assert any("/s3/" in str(path) for path in (shared.aws.data / "s3").rglob("*"))


def test_services_that_only_moto_has_are_answered_by_moto(shared: Cloud) -> None:
    lake = client(shared, "lakeformation")
    lake.register_resource(ResourceArn="arn:aws:s3:::lake", RoleArn="arn:aws:iam::000000000000:role/any")
    assert [one["ResourceArn"] for one in lake.list_resources()["ResourceInfoList"]] == ["arn:aws:s3:::lake"]
    assert client(shared, "redshift").describe_clusters()["Clusters"] == []
    assert health(shared)["moto_loaded"]


def test_an_operation_that_only_moto_has_is_answered_by_moto(shared: Cloud) -> None:
    made = client(shared, "glue").create_registry(RegistryName="events")
    assert made["RegistryArn"].endswith("registry/events")


def test_what_neither_has_is_an_error_and_no_success(shared: Cloud) -> None:
    with pytest.raises(ClientError):
        client(shared, "gamelift").list_fleets()


def test_a_call_whose_answer_was_lost_is_not_executed_twice(shared: Cloud) -> None:
    """An SDK repeats it under the same invocation id; a new call for the same secret is refused as on AWS."""
    secrets = client(shared, "secretsmanager")
    same = {"amz-sdk-invocation-id": "5b1c0a1e-0000-4000-8000-000000000001"}
    secrets.meta.events.register_last("before-send.*", lambda request, **_: request.headers.update(same))
    first = secrets.create_secret(Name="sent-twice", SecretString="x")
    assert secrets.create_secret(Name="sent-twice", SecretString="x")["ARN"] == first["ARN"]
    with pytest.raises(ClientError, match="ResourceExistsException"):
        client(shared, "secretsmanager").create_secret(Name="sent-twice", SecretString="x")


def test_a_presigned_address_works_and_keeps_its_region(shared: Cloud) -> None:
    client(shared, "s3").create_bucket(Bucket="presigned-one")
    url = client(shared, "s3", "eu-west-1").generate_presigned_url(
        "put_object", {"Bucket": "presigned-one", "Key": "k"}
    )
    urllib.request.urlopen(urllib.request.Request(url, data=b"hello", method="PUT"), timeout=10).close()
    assert client(shared, "s3").get_object(Bucket="presigned-one", Key="k")["Body"].read() == b"hello"


def test_it_serves_as_the_proxy_for_host_names_that_do_not_resolve(shared: Cloud) -> None:
    endpoint = shared.endpoint("aws")
    proxied = ANY.client(
        "s3",
        endpoint_url=f"http://prefix.{endpoint.host}:{endpoint.port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={"http": endpoint.url}, s3={"addressing_style": "path"}),
    )
    proxied.create_bucket(Bucket="through-proxy")
    assert "through-proxy" in [one["Name"] for one in client(shared, "s3").list_buckets()["Buckets"]]


def test_a_web_page_cannot_wipe_the_state(shared: Cloud) -> None:
    request = urllib.request.Request(
        shared.endpoint("aws").url + "/_ministack/reset",
        method="POST",
        headers={"Origin": "https://example.com"},
    )
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=5)


ASK_AWS = """
import os, boto3
from botocore.config import Config
def handler(event, context):
    s3 = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
    names = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    return {"region": os.environ["AWS_REGION"], "url": os.environ["AWS_ENDPOINT_URL"], "buckets": names}
"""


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_function_runs_its_zip_and_calls_aws_through_its_own_regions_port(shared: Cloud, region: str) -> None:
    client(shared, "s3").create_bucket(Bucket=f"seen-from-{region}")
    deploy(shared, region, "asks", ASK_AWS)
    told = invoke(shared, region, "asks")
    assert told["region"] == region
    assert told["url"] == shared.endpoint("aws").region_urls[region]
    assert f"seen-from-{region}" in told["buckets"]


def test_a_function_sees_nothing_private_of_the_user(own: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-real-one")
    monkeypatch.setenv("GITHUB_TOKEN", "a-real-one")
    own.up(["aws"])
    deploy(own, "us-east-1", "looks", "import os\ndef handler(e, c): return sorted(os.environ.values())")
    assert "a-real-one" not in invoke(own, "us-east-1", "looks")


# ------------------------------------------------------------------------------------------ regions


def test_a_region_can_be_cut_off_and_restored(shared: Cloud) -> None:
    europe, america = (client(shared, "sqs", region, through=region) for region in ("eu-west-1", "us-east-1"))
    europe.create_queue(QueueName="in-europe")
    deploy(shared, "eu-west-1", "in-cut-region", ASK_AWS)
    shared.cut_region("eu-west-1")
    try:
        with pytest.raises(BotoCoreError):  # the open connection is reset
            europe.list_queues()
        with pytest.raises(EndpointConnectionError):  # a new one is refused, not slow
            client(shared, "sqs", "eu-west-1", through="eu-west-1").list_queues()
        america.list_queues()
        with pytest.raises(Exception, match=r"[Cc]onnection"):  # nor from another region's port
            client(shared, "sqs", "eu-west-1", through="us-east-1").list_queues()
        assert "in-europe" in str(client(shared, "sqs", "eu-west-1").list_queues())  # the operator's door
        assert "Could not connect" in invoke(shared, "eu-west-1", "in-cut-region")["errorMessage"]
        shared.cut_region("eu-west-1")  # twice is fine
    finally:
        shared.restore_region("eu-west-1")
    shared.restore_region("eu-west-1")
    assert "in-europe" in str(europe.list_queues())
    assert invoke(shared, "eu-west-1", "in-cut-region")["region"] == "eu-west-1"


def test_a_cut_region_stays_cut_when_the_emulator_dies(own: Cloud) -> None:
    own.up(["aws"])
    own.cut_region("eu-west-1")
    pid = pid_of(own, "aws")
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(own, "aws", pid))
    with pytest.raises(EndpointConnectionError):
        client(own, "sqs", "eu-west-1", through="eu-west-1").list_queues()
    own.restore_region("eu-west-1")
    client(own, "sqs", "eu-west-1", through="eu-west-1").list_queues()


# ------------------------------------------------------------------------------- killed and stopped


def make_table(cloud: Cloud, name: str) -> None:
    client(cloud, "dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.mark.parametrize("how", ["kill -9", "clean"])
def test_the_local_aws_keeps_its_data(own: Cloud, how: str) -> None:
    own.up(["aws"])
    client(own, "s3").create_bucket(Bucket="kept-bucket")
    client(own, "s3").put_bucket_versioning(Bucket="kept-bucket", VersioningConfiguration={"Status": "Enabled"})
    client(own, "s3").put_object(Bucket="kept-bucket", Key="deep/key", Body=b"one", Metadata={"a": "b"})
    client(own, "s3").put_object(Bucket="kept-bucket", Key="deep/key", Body=b"two")
    make_table(own, "kept-table")
    client(own, "dynamodb").put_item(TableName="kept-table", Item={"id": {"S": "1"}, "n": {"N": "1.50"}})
    client(own, "secretsmanager", "eu-west-1").create_secret(Name="kept", SecretString="s")
    deploy(own, "eu-west-1", "kept", "def handler(event, context): return 'ran'")
    wait_until_saved(own)
    ports, pid = own.endpoint("aws"), pid_of(own, "aws")
    if how == "clean":
        own.down()
        own.up(["aws"])
    else:
        os.kill(pid, signal.SIGKILL)
        until(lambda: restarted(own, "aws", pid))
        assert [one.restarts for one in own.status() if one.name == "aws"] == [1]
    assert own.endpoint("aws") == ports
    assert client(own, "s3").get_object(Bucket="kept-bucket", Key="deep/key")["Body"].read() == b"two"
    assert len(client(own, "s3").list_object_versions(Bucket="kept-bucket")["Versions"]) == 2
    item = client(own, "dynamodb").get_item(TableName="kept-table", Key={"id": {"S": "1"}})["Item"]
    assert item["n"]["N"] in ("1.5", "1.50")
    assert client(own, "secretsmanager", "eu-west-1").get_secret_value(SecretId="kept")["SecretString"] == "s"
    assert invoke(own, "eu-west-1", "kept") == "ran"


def test_what_was_answered_a_second_ago_survives_kill_9(own: Cloud) -> None:
    own.up(["aws"])
    make_table(own, "durable")
    pid = pid_of(own, "aws")
    written: list[float] = []
    table = client(own, "dynamodb")
    stop = time.monotonic() + 4
    while time.monotonic() < stop:
        table.put_item(TableName="durable", Item={"id": {"S": str(len(written))}})
        written.append(time.monotonic())
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: restarted(own, "aws", pid))
    found = {
        item["id"]["S"]
        for page in client(own, "dynamodb").get_paginator("scan").paginate(TableName="durable")
        for item in page["Items"]
    }
    lost = [killed - when for number, when in enumerate(written) if str(number) not in found]
    assert max(lost, default=0) < 3, "the newest items may be lost, not these"


def test_postgres_keeps_its_data_when_killed(shared: Cloud) -> None:
    database = shared.provision_database("killed")
    with connect(database) as connection:
        connection.execute("create table kept (n int); insert into kept select generate_series(1, 1000)")
    pid, port = pid_of(shared, "postgres"), shared.endpoint("postgres").port
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(shared, "postgres", pid))
    assert shared.endpoint("postgres").port == port
    with connect(database) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    shared.drop_database("killed")


def test_a_hung_service_is_noticed_and_up_brings_it_back(own: Cloud) -> None:
    own.up(["aws"])
    pid = pid_of(own, "aws")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: any(one.name == "aws" and one.state == "unhealthy" for one in own.status()))
    own.up(["aws"])
    assert pid_of(own, "aws") != pid
    client(own, "s3").list_buckets()


def test_up_takes_back_what_a_killed_supervisor_left(own: Cloud) -> None:
    three = ["aws", "postgres", "cron"]
    own.up(three)
    client(own, "s3").create_bucket(Bucket="before-the-kill")
    database = own.provision_database("orphaned")
    before, endpoints = own.supervisor.orphans(), own.up(three)
    os.kill(int((own.supervisor.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    until(lambda: not own.supervisor.is_running())
    assert {one.name: one.state for one in own.status() if one.state != "stopped"} == dict.fromkeys(
        three, "unsupervised"
    )
    assert own.up(three) == endpoints
    assert not [process for process in before if process.is_running() and process.status() != "zombie"]
    assert {one.name: one.state for one in own.status() if one.state != "stopped"} == dict.fromkeys(three, "running")
    assert "before-the-kill" in str(client(own, "s3").list_buckets()["Buckets"])
    connect(database).close()


def test_down_leaves_no_process_and_up_finds_the_data(own: Cloud) -> None:
    own.up(["aws", "postgres"])
    database = own.provision_database("kept")
    deploy(own, "us-east-1", "warm", "def handler(event, context): return 1")
    invoke(own, "us-east-1", "warm")
    endpoint = own.endpoint("aws")
    ours = own.supervisor.orphans()
    ours += [child for process in ours for child in process.children(recursive=True)]
    assert len(ours) >= 4
    own.down(["postgres"])
    assert [one.name for one in own.status() if one.state == "running"] == ["aws"]
    own.down()
    # A function's process may still be on its way out: it ends because its emulator did.
    until(lambda: not [one for one in ours if one.is_running() and one.status() != "zombie"], 5)
    assert not own.supervisor.socket.exists()
    own.up(["postgres"])
    connect(database).close()
    assert own.endpoint("aws") == endpoint
    own.down()


# ------------------------------------------------------------------------------ two at once, Ctrl-C

UP = """
import sys
from pathlib import Path
from infra.local import Cloud
print(sorted((name, one.port) for name, one in Cloud(Path(sys.argv[1])).up(sys.argv[2:]).items()), flush=True)
"""


def start_up(cloud: Cloud, *names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", UP, str(cloud.place.home.parent), *names],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_commands_that_start_at_once_share_the_services(own: Cloud) -> None:
    commands = [start_up(own, "aws", "postgres"), start_up(own, "postgres", "aws")]
    outputs = [command.communicate(timeout=180) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert sum("supervisor.supervisord" in process.cmdline() for process in own.supervisor.orphans()) == 1


def test_ctrl_c_while_it_starts_leaves_nothing_half_held(own: Cloud) -> None:
    command = start_up(own, "aws", "postgres")
    until(lambda: (own.supervisor.folder / "services" / "aws.conf").exists())
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=180)
    assert command.returncode != 0
    until(lambda: own.supervisor.orphans() == [])
    own.up(["aws", "postgres"])
    client(own, "s3").list_buckets()


def test_services_outlive_the_command_that_started_them(own: Cloud) -> None:
    output, errors = start_up(own, "aws").communicate(timeout=180)
    assert str(own.endpoint("aws").port) in output, errors
    client(own, "s3").list_buckets()


def test_a_port_that_somebody_took_meanwhile_is_replaced(own: Cloud) -> None:
    import socket

    own.up(["aws"])
    client(own, "s3").create_bucket(Bucket="moves-along")
    old = own.endpoint("aws")
    own.down()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((old.host, old.port))
        squatter.listen()
        own.up(["aws"])
        assert own.endpoint("aws").port != old.port
        assert "moves-along" in str(client(own, "s3").list_buckets()["Buckets"])


# ---------------------------------------------------------------------------------------- databases


def test_a_database_belongs_to_its_stack(shared: Cloud) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(shared.provision_database, ["first", "second", "first", "first"]))
    assert made[0] == made[2] == made[3]
    with connect(made[0]) as connection:
        connection.execute("create schema mine; create table mine.t (n int)")
        assert connection.execute("show wal_level").fetchone() == ("logical",)
    for wrong in (
        Database(made[0].host, made[0].port, "first", "second", made[1].password),
        Database(made[0].host, made[0].port, "first", "first", "guessed"),
    ):
        with pytest.raises(psycopg.OperationalError):
            connect(wrong)
    holding = connect(made[0])
    shared.drop_database("first")  # although somebody is connected
    shared.drop_database("first")
    shared.drop_database("second")
    holding.close()
    with pytest.raises(psycopg.OperationalError):
        connect(made[0])


def test_the_packaged_server_works_where_none_is_installed(own: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "DEBIAN", Path("/nonexistent"))
    own.up(["postgres"])
    database = own.provision_database("packaged")
    with connect(database) as connection:
        assert "PostgreSQL 18" in str(connection.execute("select version()").fetchone())
    own.down()


# -------------------------------------------------------------------------- leftovers, doctor, disk


def test_leftovers_are_found_by_name_and_by_tag(shared: Cloud) -> None:
    regions = ["us-east-1", "eu-west-1"]
    assert shared.leftovers("99-comet", regions) == []
    client(shared, "s3").create_bucket(Bucket="orrery-99-comet-landing")
    client(shared, "sqs", "eu-west-1").create_queue(QueueName="orrery-99-comet-jobs")
    client(shared, "sqs").create_queue(QueueName="orrery-99-comets-of-others")
    kms = client(shared, "kms")
    tags = [{"TagKey": "stack", "TagValue": "99-comet"}]
    kept, gone = (kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.schedule_key_deletion(KeyId=gone, PendingWindowInDays=7)
    found = shared.leftovers("99-comet", regions)
    assert len(found) == 3, found
    for part in ("orrery-99-comet-landing", "orrery-99-comet-jobs", kept):
        assert any(part in line for line in found)


def test_the_doctor_is_content_with_a_running_cloud(shared: Cloud) -> None:
    found = {check.name: check for check in shared.doctor()}
    assert found["port of aws"].ok and "in use by aws" in found["port of aws"].message
    assert "aws" not in found and "postgres" not in found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[Cloud]:
    """A cloud on a disk of 2 MB."""
    yield from new_cloud(small_disk / "state")


def fill(folder: Path) -> None:
    """Leave no room on a small disk."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(b"x" * 4096):
            pass


def test_a_full_disk_is_one_clear_error(cramped: Cloud, small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(OrreryError) as caught:
        cramped.up(["postgres"])
    assert "\n" not in caught.value.what
    assert "disk" in caught.value.next_step
    assert cramped.supervisor.orphans() == []
    (small_disk / "ballast").unlink()


def test_a_disk_that_fills_up_loses_nothing(cramped: Cloud, small_disk: Path) -> None:
    cramped.up(["aws"])
    pid = pid_of(cramped, "aws")
    fill(small_disk)
    client(cramped, "sqs").create_queue(QueueName="while-it-was-full")
    until(lambda: any("No space left" in one.note for one in cramped.status()))
    with pytest.raises(OrreryError, match="cannot save its state") as caught:
        cramped.up(["aws"])
    assert "free some space" in caught.value.next_step
    assert pid_of(cramped, "aws") == pid, "a restart would have lost the queue"
    (small_disk / "ballast").unlink()
    wait_until_saved(cramped)
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(cramped, "aws", pid))
    assert "while-it-was-full" in str(client(cramped, "sqs").list_queues())
