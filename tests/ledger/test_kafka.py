"""What the local broker does in MSK's place, and what it lacks."""

from __future__ import annotations

import pytest

from infra.local import Cloud
from tests.support.kafka import run
from tests.support.local_aws import LocalAws, until, works_now

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def kafka(local_cloud: Cloud) -> Cloud:
    local_cloud.up(["kafka"])
    return local_cloud


def pid_of(cloud: Cloud) -> int | None:
    return next(one.pid if one.state == "running" else None for one in cloud.status() if one.name == "kafka")


def test_what_is_acknowledged_is_there_after_a_kill(kafka: Cloud, name: str) -> None:
    pid = pid_of(kafka)
    assert pid
    code = """
import os, signal
make(sys.argv[2])
send(sys.argv[2], *map(str, range(1000)))
os.kill(int(sys.argv[3]), signal.SIGKILL)
say(0)
"""
    run(kafka, code, name, str(pid))
    until(lambda: pid_of(kafka) not in (None, pid), 20, "the broker comes back")
    assert run(kafka, "say(len(read(sys.argv[2])))", name) == 1000


def test_records_older_than_the_retention_go(kafka: Cloud, name: str) -> None:
    code = """
make(sys.argv[2], retention_ms="60000")
send(sys.argv[2], "old", timestamp=int(time.time() * 1000) - 3_600_000)
end = time.monotonic() + 20
while (found := read(sys.argv[2])) and time.monotonic() < end:
    time.sleep(0.1)
send(sys.argv[2], "new")
say([[offset, value] for _, offset, _, value in read(sys.argv[2])])
"""
    assert run(kafka, code, name) == [[1, "new"]]


def test_a_second_copy_is_refused(kafka: Cloud, name: str) -> None:
    code = """
try:
    make(sys.argv[2], 1, 2)
    say("made")
except KafkaException as error:
    say(error.args[0].name())
"""
    seen = run(kafka, code, name)
    works_now(seen != "INVALID_REPLICATION_FACTOR", f"a topic with two copies: {seen}")


def test_it_speaks_no_tls_and_knows_no_rights(kafka: Cloud, name: str) -> None:
    code = """
import socket, ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
host, port = bootstrap.split(":")
try:
    context.wrap_socket(socket.create_connection((host, int(port)), timeout=5))
    tls = True
except (OSError, ssl.SSLError):
    tls = False
from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
)
rule = AclBinding(ResourceType.TOPIC, "any", ResourcePatternType.LITERAL, "User:any", "*", AclOperation.READ, AclPermissionType.DENY)
try:
    [answer.result(10) for answer in admin.create_acls([rule]).values()]
    rights = True
except KafkaException:
    rights = False
say([tls, rights])
"""
    tls, rights = run(kafka, code)
    works_now(tls, "TLS")
    works_now(rights, "rules about rights")


def test_compaction_removes_nothing(kafka: Cloud, name: str) -> None:
    code = """
make(sys.argv[2], cleanup_policy="compact", segment_ms="1", min_cleanable_dirty_ratio="0.0")
for number in range(5):
    send(sys.argv[2], str(number), key="the same")
    time.sleep(0.01)
end = time.monotonic() + 2.5  # the broker looks at what it keeps each second
while len(found := read(sys.argv[2])) == 5 and time.monotonic() < end:
    time.sleep(0.1)
say(len(found))
"""
    works_now(run(kafka, code, name) != 5, "compaction")


def test_a_search_by_time_finds_the_start_of_a_batch(kafka: Cloud, name: str) -> None:
    code = """
make(sys.argv[2])
by = producer(linger_ms=500)
for moment in (1000, 2000, 3000):
    by.produce(sys.argv[2], str(moment), timestamp=int(time.time()) * 1000 + moment)
by.flush(20)
asked = TopicPartition(sys.argv[2], 0, int(time.time()) * 1000 + 2500)
say(consumer("seeker").offsets_for_times([asked], timeout=10)[0].offset)
"""
    works_now(run(kafka, code, name) == 2, "a search by time")


def test_it_writes_no_metrics(kafka: Cloud, aws: LocalAws) -> None:
    found = aws.client("cloudwatch").list_metrics(Namespace="AWS/Kafka")["Metrics"]
    works_now(found, "metrics of Kafka")
