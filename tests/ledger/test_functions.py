"""Functions and what calls them: events, schedules, an HTTP API; and how they are watched."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra import targets
from infra.live import Live
from infra.output import Ui
from tests.support.local_aws import ACCOUNT, HERE, LocalAws, Queue, allow, deny, never, until, works_now

pytestmark = pytest.mark.e2e


# --------------------------------------------------------------------------------------------- functions

DOES_AS_TOLD = """
import os, time

import boto3


def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if "fail" in event:
        raise RuntimeError(event["fail"])
    held = bytearray(event.get("megabytes", 0) << 20)
    return {"setting": os.environ["SETTING"], "as": boto3.client("sts").get_caller_identity()["Arn"], "held": len(held)}
"""


def test_a_function_runs_its_code_as_its_role_within_its_time(aws: LocalAws, name: str) -> None:
    settings = {"Environment": {"Variables": {"SETTING": "given"}}, "Timeout": 3}
    aws.function(name, DOES_AS_TOLD, aws.role(name), **settings)
    told = aws.call(name)
    assert told["setting"] == "given"
    assert told["as"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{name}"
    assert aws.call(name, {"fail": "as told"})["errorMessage"] == "as told"
    assert "timed out" in aws.call(name, {"sleep": 6})["errorMessage"]
    aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        aws.call(name)


def test_a_function_may_hold_more_than_its_memory(aws: LocalAws, name: str) -> None:
    settings = {"Environment": {"Variables": {"SETTING": ""}}, "MemorySize": 128}
    aws.function(name, DOES_AS_TOLD, aws.role(name), **settings)
    works_now("held" not in aws.call(name, {"megabytes": 300}), "memory is limited")


def test_an_event_that_fails_for_good_arrives_at_its_destination(aws: LocalAws, name: str) -> None:
    failed = aws.queue(name)
    role = aws.role(name, allow("sqs:SendMessage", on=failed.arn))
    aws.function(name, "def handler(event, context): raise RuntimeError('for good')", role)
    fail_to(aws, name, failed.arn)
    kept = json.loads(aws.message(failed))
    assert kept["requestPayload"] == {"number": 7}
    assert kept["responsePayload"]["errorMessage"] == "for good"


def test_a_destination_asks_no_role(aws: LocalAws, name: str) -> None:
    failed = aws.queue(name)
    aws.function(name, "def handler(event, context): raise RuntimeError", aws.role(name, deny("sqs:*")))
    fail_to(aws, name, failed.arn)
    aws.message(failed, what="a destination that asks no role; it asks now, so raise the claim")


def fail_to(aws: LocalAws, function: str, destination: str) -> None:
    """Send an event to a function whose failures go to a destination at once."""
    client = aws.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    client.invoke(FunctionName=function, InvocationType="Event", Payload=b'{"number": 7}')


def test_a_service_calls_a_function_that_permits_it_nothing(aws: LocalAws, name: str) -> None:
    function = aws.function(name, "def handler(event, context): print('called', event)", aws.role(name))
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    aws.client("sns").publish(TopicArn=topic, Message="unasked")
    until(lambda: aws.said(name, "unasked"), 20, "the call: permissions count now, so raise the claim")


# --------------------------------------------------------------------------------------------- schedules


@pytest.fixture(scope="module")
def called(aws: LocalAws) -> dict[str, Queue]:
    """Three schedules that fire at the same moment, because the local Scheduler looks only every ten seconds.

    One has its grant, one has none, and one calls a queue that isn't there and has a dead-letter queue.
    """
    queues = {each: aws.queue(f"schedule-{each}") for each in ("granted", "ungranted", "dead-letter")}
    granted = aws.role("schedule-granted", allow("sqs:SendMessage"), service="scheduler")
    ungranted = aws.role("schedule-ungranted", deny("sqs:*"), service="scheduler")
    nowhere = queues["granted"].arn.replace("granted", "nowhere")
    missed = {"DeadLetterConfig": {"Arn": queues["dead-letter"].arn}, "RetryPolicy": {"MaximumRetryAttempts": 0}}
    calls: dict[str, dict[str, Any]] = {
        "missed": {"Arn": nowhere, "RoleArn": granted, **missed},
        "ungranted": {"Arn": queues["ungranted"].arn, "RoleArn": ungranted},
        "granted": {"Arn": queues["granted"].arn, "RoleArn": granted},
    }
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for name, target in calls.items():
        aws.client("scheduler").create_schedule(
            Name=f"schedule-{name}",
            ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={**target, "Input": json.dumps({"sweep": True})},
        )
    return queues


def test_a_schedule_calls_its_target_with_its_input(aws: LocalAws, called: dict[str, Queue]) -> None:
    assert aws.message(called["granted"], 60) == '{"sweep": true}'


def test_a_schedule_asks_no_role_and_keeps_no_failed_call(aws: LocalAws, called: dict[str, Queue]) -> None:
    aws.message(called["ungranted"], 60, "a schedule that asks no role; it asks now, so raise the claim")
    never(lambda: aws.received(called["dead-letter"]), 1, "a call that failed is kept")


# --------------------------------------------------------------------------------------------- the HTTP API

ANSWERS = """
def handler(event, context):
    return {"statusCode": 200, "body": event["routeKey"] + " " + (event.get("pathParameters") or {}).get("id", "")}
"""


@pytest.fixture
def api(aws: LocalAws, name: str) -> str:
    """An API with an open route, one for signed requests, a throttle and an access log; return its address."""
    client = aws.client("apigatewayv2")
    function = aws.function(name, ANSWERS, aws.role(name, allow("sqs:ListQueues")))
    cors = {"AllowOrigins": ["https://here.example"], "AllowMethods": ["GET"]}
    made = client.create_api(Name=name, ProtocolType="HTTP", CorsConfiguration=cors)
    integration = client.create_integration(
        ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    for route, how in (("GET /open/{id}", "NONE"), ("GET /signed", "AWS_IAM")):
        client.create_route(
            ApiId=made["ApiId"], RouteKey=route, Target=f"integrations/{integration}", AuthorizationType=how
        )
    aws.client("logs").create_log_group(logGroupName=f"/api/{name}")
    client.create_stage(
        ApiId=made["ApiId"],
        StageName="$default",
        AutoDeploy=True,
        DefaultRouteSettings={"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 1.0},
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:{HERE}:{ACCOUNT}:log-group:/api/{name}",
            "Format": '{"status": "$context.status"}',
        },
    )
    return str(made["ApiEndpoint"])


def live(aws: LocalAws) -> Live:
    target = targets.local(aws.cloud.aws_environment(), aws.cloud.endpoint("aws").region_urls)
    return Live(target, {}, Ui())


def unsigned(aws: LocalAws, api: str, path: str, method: str = "GET", **headers: str) -> int:
    """Return the status that a request without a signature gets."""
    import http.client
    from urllib.parse import urlsplit

    there = aws.cloud.endpoint("aws")
    connection = http.client.HTTPConnection(there.host, there.port, timeout=10)
    connection.request(method, path, headers={"Host": urlsplit(api).netloc, **headers})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_route_calls_its_function_and_only_for_those_who_may(aws: LocalAws, name: str, api: str) -> None:
    seen = live(aws)
    opened, signed = (seen.http("GET", api + path, HERE) for path in ("/open/7", "/signed"))
    assert (opened.status, opened.body) == (200, "GET /open/{id} 7")
    assert (signed.status, signed.body) == (200, "GET /signed ")
    assert unsigned(aws, api, "/open/7") == 200
    assert unsigned(aws, api, "/signed") == 403
    assert unsigned(aws, api, "/none") == 404
    given = aws.assume(f"arn:aws:iam::{ACCOUNT}:role/{name}")
    assert as_role(aws, given, api + "/signed") == 403, "the role has no execute-api:Invoke"


def as_role(aws: LocalAws, given: Any, url: str) -> int:
    """Return the status that a role gets for a signed request."""
    from urllib.parse import urlsplit

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=url, data="", headers={"Host": urlsplit(url).netloc})
    keys = (given["aws_access_key_id"], given["aws_secret_access_key"], given["aws_session_token"])
    SigV4Auth(Credentials(*keys), "execute-api", HERE).add_auth(request)
    return unsigned(aws, url, urlsplit(url).path, **dict(request.headers.items()))


def test_an_api_answers_a_browser_of_an_allowed_origin_only(aws: LocalAws, api: str) -> None:
    ask = {"Access-Control-Request-Method": "GET"}
    assert unsigned(aws, api, "/open/7", "OPTIONS", Origin="https://here.example", **ask) == 204
    assert unsigned(aws, api, "/open/7", "OPTIONS", Origin="https://there.example", **ask) == 403


def test_a_stage_neither_throttles_nor_logs_access(aws: LocalAws, name: str, api: str) -> None:
    statuses = [unsigned(aws, api, "/open/7") for _ in range(10)]
    works_now(429 in statuses, "a stage throttles")
    logged = aws.client("logs").filter_log_events(logGroupName=f"/api/{name}")["events"]
    works_now(logged, "a stage logs access")


# ------------------------------------------------------------------------------------------ logs and alarms


def test_what_a_function_says_is_in_its_log_group(aws: LocalAws, name: str) -> None:
    aws.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    aws.function(name, "def handler(event, context): print('loud and clear')", aws.role(name))
    aws.call(name)
    until(lambda: aws.said(name, "loud and clear"), 20, "the line")


def test_a_log_group_keeps_what_is_older_than_its_retention(aws: LocalAws, name: str) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    old = int((datetime.now(UTC) - timedelta(days=3)).timestamp() * 1000)
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=[{"timestamp": old, "message": "old"}])
    kept = logs.filter_log_events(logGroupName=name)["events"]
    works_now(not kept, "an event that is older than the retention is refused or gone")


def alarm(aws: LocalAws, name: str, tells: str, **more: Any) -> None:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[tells],
        **{"Statistic": "Sum", "Period": 60, **more},
    )


def test_a_functions_error_sets_off_its_alarm_which_tells_a_topic(aws: LocalAws, name: str) -> None:
    heard = aws.open_queue(name, "sns")
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard.arn)
    for function in (name, f"{name}-other"):
        dimensions = [{"Name": "FunctionName", "Value": function}]
        alarm(aws, function, topic, Namespace="AWS/Lambda", MetricName="Errors", Dimensions=dimensions, Period=300)
    aws.function(name, "def handler(event, context): return 1 / event['divisor']", aws.role(name))
    assert aws.call(name, {"divisor": 1}) == 1
    assert aws.call(name, {"divisor": 0})["errorType"]
    told = json.loads(json.loads(aws.message(heard))["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == (name, "ALARM")
    (other,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[f"{name}-other"])["MetricAlarms"]
    assert other["StateValue"] == "INSUFFICIENT_DATA"


def test_no_service_but_lambda_writes_metrics_of_its_own(aws: LocalAws, name: str) -> None:
    """Replication writes what it measures, and drills write the health that they see; other tests leave some behind."""
    queue = aws.queue(name)
    aws.client("sqs").send_message(QueueUrl=queue.url, MessageBody="waits")
    aws.client("s3").create_bucket(Bucket=name)
    metrics = aws.client("cloudwatch")
    for namespace in ("ApiGateway", "DynamoDB", "Route53", "S3", "SNS", "SQS", "Scheduler"):
        found = metrics.list_metrics(Namespace=f"AWS/{namespace}")["Metrics"]
        own = [each for each in found if not re.search("Replication|HealthCheckStatus", each["MetricName"])]
        works_now(own, f"{namespace} writes metrics")


def test_missing_data_sets_off_no_alarm(aws: LocalAws, name: str) -> None:
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    alarm(aws, name, topic, Namespace="Nobody", MetricName="Writes", TreatMissingData="breaching")
    client = aws.client("cloudwatch")

    def state() -> str:
        return str(client.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])

    never(lambda: state() == "ALARM", 1, "missing data counts")
