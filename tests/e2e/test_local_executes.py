"""What infra/ledger.toml calls executed, where no stack's own test shows it: keys, topics, schedules."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import Cloud

pytestmark = pytest.mark.e2e
HERE, THERE = "us-east-1", "eu-west-1"


@pytest.fixture
def client(local_cloud: Cloud) -> Any:
    """Return a maker of clients for a region of the local cloud."""
    local_cloud.up(["aws"])

    def make(service: str, region: str = HERE) -> Any:
        facts = local_cloud.aws_environment(region)
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=facts["AWS_ENDPOINT_URL"],
            aws_access_key_id=facts["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=facts["AWS_SECRET_ACCESS_KEY"],
        )

    return make


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
    return value


def received(sqs: Any, url: str) -> list[str]:
    """Take the messages that wait in a queue."""
    return [each["Body"] for each in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])]


def test_what_a_key_encrypts_its_replica_decrypts_and_a_disabled_key_does_not(client: Any) -> None:
    kms, away = client("kms"), client("kms", THERE)
    key = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=key, ReplicaRegion=THERE)
    secret = kms.encrypt(KeyId=key, Plaintext=b"orrery")["CiphertextBlob"]
    assert b"orrery" not in secret
    assert away.decrypt(KeyId=key, CiphertextBlob=secret)["Plaintext"] == b"orrery"
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.decrypt(KeyId=key, CiphertextBlob=secret)


def test_a_topic_delivers_to_its_queue(client: Any) -> None:
    sqs, sns = client("sqs"), client("sns")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="it works")
    assert until(lambda: received(sqs, url), 20, "the message") == ["it works"]


def test_a_schedule_calls_its_target_with_its_input(client: Any) -> None:
    sqs, scheduler = client("sqs"), client("scheduler")
    url = sqs.create_queue(QueueName="called")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    soon = datetime.now(UTC) + timedelta(seconds=2)
    scheduler.create_schedule(
        Name="once",
        ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/caller", "Input": json.dumps({"sweep": True})},
    )
    assert until(lambda: received(sqs, url), 90, "the schedule to fire") == ['{"sweep": true}']


def test_a_call_whose_answer_was_lost_is_not_executed_twice(client: Any) -> None:
    """An SDK repeats it under the same invocation id; a new call for the same secret is refused as on AWS."""
    secrets = client("secretsmanager")
    same = {"amz-sdk-invocation-id": "5b1c0a1e-0000-4000-8000-000000000001"}
    secrets.meta.events.register_last("before-send.*", lambda request, **_: request.headers.update(same))
    first = secrets.create_secret(Name="sent-twice", SecretString="x")
    assert secrets.create_secret(Name="sent-twice", SecretString="x")["ARN"] == first["ARN"]
    with pytest.raises(ClientError, match="ResourceExistsException"):
        client("secretsmanager").create_secret(Name="sent-twice", SecretString="x")
