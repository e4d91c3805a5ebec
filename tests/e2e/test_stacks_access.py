"""Least privilege, for real: each function does its work with its grants, and is denied whatever it has none for.

Calls are made by a probe that runs under the function's own role, in its region, with the credentials that the local
Lambda gives it. The smoke checks of the deployments, which every run of the tests looks at, show that the grants suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import catalog, targets
from infra.live import Live
from infra.local import Cloud
from infra.output import Ui
from tests.support.local_aws import HERE, REFUSALS, THERE, LocalAws, deny, policy, until

pytestmark = pytest.mark.e2e

STACKS = ("01_meteor", "14_blackhole")
LOADER, API_US, API_EU = "orrery-01-meteor-loader", "orrery-14-blackhole-api-us", "orrery-14-blackhole-api-eu"
FUNCTIONS = {LOADER: HERE, API_US: HERE, API_EU: THERE}

Call = tuple[str, str, dict[str, Any]]
"""A service, an operation in boto3's spelling, its arguments."""

PROBE = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PLAIN = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})


def handler(event, context):
    codes = []
    for service, operation, arguments in event["calls"]:
        region = arguments.pop("region", None)
        try:
            getattr(boto3.client(service, region_name=region, config=PLAIN), operation)(**arguments)
            codes.append("")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    return codes
"""

GRANTED_TO_NOBODY: list[Call] = [
    ("cloudwatch", "put_metric_data", {"Namespace": "Probe", "MetricData": [{"MetricName": "M", "Value": 1}]}),
    ("dynamodb", "list_tables", {}),
    ("ec2", "describe_instances", {}),
    ("events", "put_events", {"Entries": [{"Source": "probe", "DetailType": "probe", "Detail": "{}"}]}),
    ("iam", "list_roles", {}),
    ("kms", "create_key", {}),
    ("lambda", "list_functions", {}),
    ("logs", "describe_log_groups", {}),
    ("route53", "list_hosted_zones", {}),
    ("s3", "list_buckets", {}),
    ("scheduler", "list_schedules", {}),
    ("secretsmanager", "list_secrets", {}),
    ("sns", "list_topics", {}),
    ("sqs", "list_queues", {}),
]


@pytest.fixture(scope="module")
def deployed(deployments: dict[str, Any]) -> None:
    """Both stacks, deployed, with their smoke checks passed."""
    for name in STACKS:
        done = deployments[name]
        assert done.returncode == 0, done.stdout + done.stderr
        assert "  ok  " in done.stdout and "FAILED" not in done.stdout


@pytest.fixture(scope="module")
def aws(deployed: None, local_cloud: Cloud) -> LocalAws:
    return LocalAws(local_cloud)


def key_of(aws: LocalAws, function: str) -> str:
    """Return the ARN of the key that a function is made with."""
    found = aws.client("lambda", FUNCTIONS[function]).get_function_configuration(FunctionName=function)
    return str(found["KMSKeyArn"])


def role_of(aws: LocalAws, function: str) -> str:
    found = aws.client("lambda", FUNCTIONS[function]).get_function_configuration(FunctionName=function)
    return str(found["Role"])


def of_the_loader(aws: LocalAws, outputs: dict[str, Any]) -> tuple[list[Call], list[Call]]:
    """Return what the loader may do, and what it must not."""
    bucket, secret, key = outputs["landing_bucket"], outputs["database_secret"], key_of(aws, LOADER)
    granted: list[Call] = [
        ("s3", "list_objects_v2", {"Bucket": bucket}),
        ("s3", "get_object", {"Bucket": bucket, "Key": "incoming/none"}),
        ("s3", "put_object", {"Bucket": bucket, "Key": "quarantine/probe", "Body": "x"}),
        ("secretsmanager", "get_secret_value", {"SecretId": secret}),
        ("kms", "generate_data_key", {"KeyId": key, "KeySpec": "AES_256"}),
    ]
    denied: list[Call] = [
        ("s3", "get_object", {"Bucket": bucket, "Key": "quarantine/probe"}),
        ("s3", "put_object", {"Bucket": bucket, "Key": "incoming/probe", "Body": "x"}),
        ("s3", "delete_object", {"Bucket": bucket, "Key": "incoming/none"}),
        (
            "s3",
            "put_object",
            {"Bucket": bucket, "Key": "quarantine/plain", "Body": "x", "ServerSideEncryption": "AES256"},
        ),
        ("s3", "list_objects_v2", {"Bucket": f"{bucket}-logs"}),
        ("s3", "get_bucket_policy", {"Bucket": bucket}),
        ("secretsmanager", "put_secret_value", {"SecretId": secret, "SecretString": "x"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "orrery-14-blackhole-email-pepper-key"}),
        ("kms", "encrypt", {"KeyId": key, "Plaintext": "x"}),
        ("kms", "generate_data_key", {"KeyId": key_of(aws, API_US), "KeySpec": "AES_256"}),
        ("sqs", "receive_message", {"QueueUrl": outputs["loader_dlq"]}),
        ("sns", "publish", {"TopicArn": outputs["alerts"], "Message": "x"}),
        ("lambda", "invoke", {"FunctionName": LOADER}),
        ("sts", "assume_role", {"RoleArn": role_of(aws, API_US), "RoleSessionName": "probe"}),
        ("dynamodb", "get_item", {"TableName": "orrery-14-blackhole-users", "Key": {"user_id": {"S": "x"}}}),
    ]
    return granted, denied


def of_an_api(aws: LocalAws, function: str, outputs: dict[str, Any]) -> tuple[list[Call], list[Call]]:
    """Return what an API's function may do, and what it must not: the other region's data among it."""
    here = FUNCTIONS[function]
    there = THERE if here == HERE else HERE
    key, other = key_of(aws, function), key_of(aws, API_EU if function == API_US else API_US)
    table, secret = {"TableName": outputs["users_table"]}, {"SecretId": outputs["pepper_secret"]}
    user = {**table, "Key": {"user_id": {"S": "probe"}}}
    by_email = {"IndexName": "by-email", "KeyConditionExpression": "email_hash = :h"}
    bucket = outputs[f"avatars_{here.replace('-', '_')}"]
    granted: list[Call] = [
        ("dynamodb", "put_item", {**table, "Item": {"user_id": {"S": "probe"}}}),
        ("dynamodb", "get_item", user),
        ("dynamodb", "query", {**table, **by_email, "ExpressionAttributeValues": {":h": {"S": "x"}}}),
        ("dynamodb", "delete_item", user),
        ("secretsmanager", "get_secret_value", secret),
        ("kms", "generate_data_key", {"KeyId": key, "KeySpec": "AES_256"}),
    ]
    denied: list[Call] = [
        ("dynamodb", "scan", table),
        ("dynamodb", "describe_table", table),
        ("dynamodb", "get_item", {**user, "region": there}),
        ("dynamodb", "put_item", {**table, "Item": {"user_id": {"S": "probe"}}, "region": there}),
        ("secretsmanager", "get_secret_value", {**secret, "region": there}),
        ("secretsmanager", "put_secret_value", {**secret, "SecretString": "x"}),
        ("kms", "encrypt", {"KeyId": key, "Plaintext": "x"}),
        ("kms", "generate_data_key", {"KeyId": other, "KeySpec": "AES_256", "region": there}),
        ("s3", "list_objects_v2", {"Bucket": bucket}),
        ("s3", "get_object", {"Bucket": bucket, "Key": "none"}),
        ("lambda", "invoke", {"FunctionName": function}),
        ("sts", "assume_role", {"RoleArn": role_of(aws, LOADER), "RoleSessionName": "probe"}),
    ]
    return granted, denied


def test_every_function_of_every_stack_has_its_probe(aws: LocalAws) -> None:
    without = {"02_comet", "04_orbit", "07_nebula", "09_quasar", "10_nova"}  # their work is done by containers or Spark
    assert {info.id for info in catalog.load().values() if info.built} - without == set(STACKS)
    regions = sorted(set(FUNCTIONS.values()))
    found = [
        each["FunctionName"]
        for region in regions
        for each in aws.client("lambda", region).list_functions()["Functions"]
    ]
    assert {name for name in found if name.startswith(("orrery-01-", "orrery-14-"))} == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_it_is_granted_and_nothing_else(aws: LocalAws, orrery: Any, function: str) -> None:
    outputs = orrery.outputs("01-meteor" if function == LOADER else "14-blackhole")
    granted, denied = of_the_loader(aws, outputs) if function == LOADER else of_an_api(aws, function, outputs)
    denied += GRANTED_TO_NOBODY
    name, region = f"probe-{function}", FUNCTIONS[function]
    aws.function(name, PROBE, role_of(aws, function), region, Timeout=60)
    try:
        codes = aws.call(name, {"calls": [*granted, *denied]}, region)
    finally:
        aws.client("lambda", region).delete_function(FunctionName=name)
    assert isinstance(codes, list), codes
    refused = [code in REFUSALS for code in codes]
    assert [call for call, no in zip(granted, refused, strict=False) if no] == [], "granted, and denied"
    assert [call for call, no in zip(denied, refused[len(granted) :], strict=True) if not no] == [], (
        "allowed without a grant"
    )


@contextmanager
def denied(aws: LocalAws, function: str, action: str) -> Iterator[None]:
    """Take an action from the role of a deployed function for a while."""
    iam, role = aws.client("iam"), role_of(aws, function).rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="probe", PolicyDocument=policy(deny(action)))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="probe")


@pytest.mark.parametrize(
    ("function", "action"), [(LOADER, "secretsmanager:GetSecretValue"), (API_US, "dynamodb:*"), (API_EU, "dynamodb:*")]
)
def test_a_deployed_function_works_with_its_roles_grants_and_fails_without(
    aws: LocalAws, orrery: Any, function: str, action: str
) -> None:
    target = targets.local(aws.cloud.aws_environment(), aws.cloud.endpoint("aws").region_urls)
    live, region = Live(target, orrery.outputs("14-blackhole"), Ui()), FUNCTIONS[function]

    def loads() -> bool:
        return "totals" in aws.call(LOADER, {"report": "incoming/none"})

    def answers() -> bool:
        return live.http("GET", live.outputs[f"api_{region.replace('-', '_')}"] + "/ready", region).status == 200

    works: Callable[[], bool] = loads if function == LOADER else answers
    assert works()
    with denied(aws, function, action):
        assert not works()
    until(works, 20, "the function to work again")
