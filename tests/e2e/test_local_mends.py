"""The mends of the emulator: each works, and each is still needed with the pinned release."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

MENDS = Path(__file__).resolve().parents[2] / "infra" / "local" / "aws_mends.py"

# Runs in the emulator's environment, without a server: the services' handlers are plain functions.
PROBE = """
import asyncio, json, sys, urllib.parse
from pathlib import Path

if sys.argv[1] == "mended":
    namespace = {"__name__": "aws_mends"}
    exec(compile(Path(sys.argv[2]).read_text(), sys.argv[2], "exec"), namespace)
    namespace["apply"]()

from ministack.services import cloudwatch, cloudwatch_logs, dynamodb, route53, s3, secretsmanager


def ask(service, target, **data):
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    status, _, body = asyncio.run(service.handle_request("POST", "/", headers, json.dumps(data).encode(), {}))
    return json.loads(body) if body else {}


def form(**fields):
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = cloudwatch.handle_request("POST", "/", headers, urllib.parse.urlencode(fields).encode(), {})
    return asyncio.run(answer)[2].decode()


form(**{"Action": "PutMetricAlarm", "AlarmName": "a<b", "Namespace": "N", "MetricName": "M", "Period": "300",
        "ExtendedStatistic": "p99", "EvaluationPeriods": "2", "Threshold": "1", "TreatMissingData": "breaching",
        "ComparisonOperator": "GreaterThanThreshold", "AlarmActions.member.1": "arn:aws:sns:us-east-1:0:t",
        "Dimensions.member.1.Name": "D", "Dimensions.member.1.Value": "V"})
alarms = form(Action="DescribeAlarms", **{"AlarmNames.member.1": "a<b"})

alarm = {"Action": "PutMetricAlarm", "Namespace": "N", "Period": "300", "Statistic": "Sum",
         "EvaluationPeriods": "1", "Threshold": "1", "ComparisonOperator": "GreaterThanThreshold",
         "Dimensions.member.1.Name": "D"}
for who, metric in (("one", "E"), ("two", "E"), ("three", "F")):
    form(**{**alarm, "AlarmName": who, "MetricName": metric, "Dimensions.member.1.Value": who})
form(Action="PutMetricData", Namespace="N", **{"MetricData.member.1.MetricName": "E", "MetricData.member.1.Value": "9",
     "MetricData.member.1.Dimensions.member.1.Name": "D", "MetricData.member.1.Dimensions.member.1.Value": "one"})
cloudwatch.record_metric("N", "F", 9, "Count", {"D": "three"})
states = [cloudwatch._alarms[who]["StateValue"] for who in ("one", "two", "three")]

secret = "secretsmanager."
ask(secretsmanager, secret + "CreateSecret", Name="s", SecretString="v",
    AddReplicaRegions=[{"Region": "eu-west-1", "KmsKeyId": "k"}])
replicas = ask(secretsmanager, secret + "DescribeSecret", SecretId="s").get("ReplicationStatus", [])
ask(secretsmanager, secret + "RemoveRegionsFromReplication", SecretId="s", RemoveReplicaRegions=["eu-west-1"])
left = ask(secretsmanager, secret + "DescribeSecret", SecretId="s").get("ReplicationStatus", [])

table = "DynamoDB_20120810."
ask(dynamodb, table + "CreateTable", TableName="users", BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "key-us"})
ask(dynamodb, table + "UpdateTable", TableName="users",
    ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1", "KMSMasterKeyId": "key-eu"}}])
replica = dynamodb._tables.get_scoped(dynamodb.get_account_id(), "eu-west-1", "users")

logs = "Logs_20140328."
ask(cloudwatch_logs, logs + "CreateLogGroup", logGroupName="g")
ask(cloudwatch_logs, logs + "AssociateKmsKey", logGroupName="g", kmsKeyId="key-2")
group = ask(cloudwatch_logs, logs + "DescribeLogGroups", logGroupNamePrefix="g")["logGroups"][0]

s3._buckets["b"] = {"created": "2026-01-01T00:00:00.000Z", "objects": {}, "region": "us-east-1"}
asyncio.run(s3.handle_request("PUT", "/b", {"host": "127.0.0.1"}, b"", {}))
asyncio.run(s3.handle_request("PUT", "/b/a+b", {"host": "127.0.0.1"}, b"x", {}))
versions = s3._list_object_versions("b", {"versions": [""], "encoding-type": ["url"]})[2].decode()

def zone(name, agent):
    wanted = f"<CreateHostedZoneRequest><Name>{name}</Name><CallerReference>{name}</CallerReference></CreateHostedZoneRequest>"
    made = route53.handle_request("POST", "/2013-04-01/hostedzone", {"user-agent": agent}, wanted.encode(), {})
    return asyncio.run(made)[2].decode()


by_terraform, by_others = zone("a.example", "APN/1.0 HashiCorp/1.0 Terraform/1.11.4"), zone("b.example", "Boto3/1.43")
assert "<Name>b.example.</Name>" in by_others and "<ChangeInfo>" in by_others
assert "<Name>a.example.</Name>" in by_terraform, by_terraform

print(json.dumps({
    "terraform has no change to wait for": "<ChangeInfo>" not in by_terraform,
    "log group has its new key": group.get("kmsKeyId") == "key-2",
    "listed versions are encoded": "a%2Bb" in versions,
    "alarm period": "<Period>300</Period>" in alarms,
    "alarm dimensions": "<Name>D</Name><Value>V</Value>" in alarms,
    "alarm actions": "<AlarmActions><member>arn:aws:sns:us-east-1:0:t</member></AlarmActions>" in alarms,
    "alarm percentile": "<ExtendedStatistic>p99</ExtendedStatistic>" in alarms and "<Statistic>" not in alarms,
    "alarm name escaped": "a&lt;b" in alarms,
    "alarms look at their own dimensions": states[:2] == ["ALARM", "INSUFFICIENT_DATA"],
    "alarms look when a service writes": states[2] == "ALARM",
    "secret created with a replica": [status["Region"] for status in replicas] == ["eu-west-1"],
    "secret replica removed": len(replicas) > len(left) == 0,
    "table replica has its own key": replica["SSEDescription"]["KMSMasterKeyArn"] == "key-eu",
}))
"""


def probe(how: str) -> dict[str, bool]:
    interpreter = os.environ.get("ORRERY_ENV_LOCAL")
    if not interpreter:
        from infra import envs

        interpreter = str(envs.ensure("local"))
    command = [interpreter, "-P", "-c", PROBE, how, str(MENDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.e2e
def test_mends_work() -> None:
    assert [what for what, right in probe("mended").items() if not right] == []


@pytest.mark.e2e
def test_mends_are_still_needed() -> None:
    assert [what for what, right in probe("as it is").items() if right] == []
