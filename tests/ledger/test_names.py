"""Names: Route 53 keeps zones, records and checks, and does nothing with them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import HERE, LocalAws, works_now

pytestmark = pytest.mark.e2e


@pytest.fixture
def zone(aws: LocalAws, name: str) -> str:
    made = aws.client("route53").create_hosted_zone(Name=f"{name}.example.com", CallerReference=name)
    return str(made["HostedZone"]["Id"])


def served(call: Any) -> bool:
    """Return whether the local AWS has an operation at all."""
    try:
        call()
    except ClientError as error:
        assert "Unknown Route53 endpoint" in str(error), error
        return False
    return True


def test_no_name_of_a_zone_is_answered(aws: LocalAws, name: str, zone: str) -> None:
    """Route 53 tells by TestDNSAnswer what its name servers would say. Here is none that could be asked."""
    route53, record = aws.client("route53"), f"users.{name}.example.com"
    entry = {
        "Name": record,
        "Type": "CNAME",
        "TTL": 60,
        "SetIdentifier": HERE,
        "Region": HERE,
        "ResourceRecords": [{"Value": "here.example.com"}],
    }
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": entry}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    kept = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert record in [each["Name"].rstrip(".") for each in kept]
    ask = {"HostedZoneId": zone, "RecordName": record, "RecordType": "CNAME"}
    works_now(served(lambda: route53.test_dns_answer(**ask)), "Route 53 answers for a zone")


def test_no_health_check_is_run(aws: LocalAws, name: str) -> None:
    route53 = aws.client("route53")
    config = {"Type": "HTTPS", "FullyQualifiedDomainName": "localhost", "Port": 443, "RequestInterval": 10}
    made = route53.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]["Id"]
    works_now(served(lambda: route53.get_health_check_status(HealthCheckId=made)), "a health check has a status")


def test_a_zone_logs_no_queries(aws: LocalAws, name: str, zone: str) -> None:
    group = f"/aws/route53/{name}"
    aws.client("logs").create_log_group(logGroupName=group)
    arn = aws.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["arn"]
    to = {"HostedZoneId": zone, "CloudWatchLogsLogGroupArn": arn.removesuffix(":*")}
    works_now(served(lambda: aws.client("route53").create_query_logging_config(**to)), "a zone logs its queries")
