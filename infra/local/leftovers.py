"""What a destroyed stack left in the local AWS, found by its tag and by its names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.cloud import Cloud


@dataclass(frozen=True)
class Listing:
    """One call that lists resources, and where their names and states are in the answer."""

    service: str
    call: str
    items: str
    name: str
    arguments: tuple[tuple[str, Any], ...] = ()
    gone: str = ""
    """The field that says, when set, that the resource only waits for its deletion."""


EVERYWHERE = (
    Listing("iam", "list_roles", "Roles", "RoleName"),
    Listing("iam", "list_policies", "Policies", "PolicyName", (("Scope", "Local"),)),
    Listing("iam", "list_users", "Users", "UserName"),
    Listing("route53", "list_hosted_zones", "HostedZones", "Name"),
    Listing("route53", "list_health_checks", "HealthChecks", "CallerReference"),
    Listing("s3", "list_buckets", "Buckets", "Name"),
)
PER_REGION = (
    Listing("apigatewayv2", "get_apis", "Items", "Name"),
    Listing("backup", "list_backup_plans", "BackupPlansList", "BackupPlanName"),
    Listing("backup", "list_backup_vaults", "BackupVaultList", "BackupVaultName"),
    Listing("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    Listing("cloudwatch", "describe_alarms", "CompositeAlarms", "AlarmName"),
    Listing("dynamodb", "list_tables", "TableNames", ""),
    Listing("ec2", "describe_flow_logs", "FlowLogs", "LogGroupName"),
    Listing("events", "list_rules", "Rules", "Name"),
    Listing("kms", "list_aliases", "Aliases", "AliasName"),
    Listing("lambda", "list_event_source_mappings", "EventSourceMappings", "FunctionArn"),
    Listing("lambda", "list_functions", "Functions", "FunctionName"),
    Listing("lambda", "list_layers", "Layers", "LayerName"),
    Listing("logs", "describe_log_groups", "logGroups", "logGroupName"),
    Listing("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    Listing("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
    Listing("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    Listing("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    Listing("scheduler", "list_schedules", "Schedules", "Name"),
    Listing("secretsmanager", "list_secrets", "SecretList", "Name", gone="DeletedDate"),
    Listing("sns", "list_topics", "Topics", "TopicArn"),
    Listing("sqs", "list_queues", "QueueUrls", ""),
)
TAGGED_IN_EC2 = (
    Listing("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    Listing("ec2", "describe_subnets", "Subnets", "SubnetId"),
    Listing("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    Listing("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    Listing("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
)


def find(cloud: Cloud, stack: str, regions: list[str]) -> list[str]:
    """Return one line for each resource that carries the stack's tag or a name of its own, sorted.

    A key that waits for its deletion and a secret in its recovery window are no leftovers: that is what
    destroying them means on AWS too.
    """
    found: set[str] = set()
    for position, region in enumerate(regions):
        clients = Clients(cloud, region)
        mine = named_after(stack)
        for listing in (*(EVERYWHERE if position == 0 else ()), *PER_REGION):
            found.update(by_name(clients, listing, mine))
        found.update(by_tag(clients, stack))
    return sorted(found)


class Clients:
    """boto3 clients for one region of the local AWS, each made once."""

    def __init__(self, cloud: Cloud, region: str) -> None:
        import boto3
        from botocore.config import Config

        facts = cloud.aws_environment(region)
        self.region = region
        self.session = boto3.Session(
            aws_access_key_id=facts["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=facts["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        self.options: dict[str, Any] = {
            "endpoint_url": facts["AWS_ENDPOINT_URL"],
            "config": Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=20, proxies={}),
        }
        self.made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        """Return the client of a service."""
        if service not in self.made:
            self.made[service] = self.session.client(service, **self.options)
        return self.made[service]

    def ask(self, listing: Listing, **arguments: Any) -> Iterator[Any]:
        """List all pages' items."""
        client = self[listing.service]
        arguments = {**dict(listing.arguments), **arguments}
        if client.can_paginate(listing.call):
            for page in client.get_paginator(listing.call).paginate(**arguments):
                yield from page.get(listing.items) or ()
        else:
            yield from getattr(client, listing.call)(**arguments).get(listing.items) or ()


def named_after(stack: str) -> re.Pattern[str]:
    """Return what the names of a stack's resources look like, in ARNs, addresses and paths too."""
    return re.compile(rf"(?<![a-z0-9-])orrery-{re.escape(stack.lower().replace('_', '-'))}(?![a-z0-9])")


def by_name(clients: Clients, listing: Listing, mine: re.Pattern[str]) -> Iterator[str]:
    """Find resources by their names."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for item in clients.ask(listing):
            name = str(item.get(listing.name, "")) if listing.name else str(item)
            if mine.search(name) and not (listing.gone and item.get(listing.gone)):
                where = "" if listing in EVERYWHERE else f" in {clients.region}"
                yield f"{listing.service} {listing.items}: {name}{where}"
    except (BotoCoreError, ClientError) as error:
        yield f"could not be checked: {listing.service} {listing.call} in {clients.region} ({error})"


def by_tag(clients: Clients, stack: str) -> Iterator[str]:
    """Find resources by the tag ``stack`` that every resource of a stack carries."""
    from botocore.exceptions import BotoCoreError, ClientError

    values = sorted({stack, stack.replace("_", "-"), stack.replace("-", "_", 1)})
    everything = Listing(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        "ResourceARN",
        (("TagFilters", [{"Key": "stack", "Values": values}]),),
    )
    try:
        for item in clients.ask(everything):
            if not waits_for_deletion(clients, item["ResourceARN"]):
                yield f"tagged: {item['ResourceARN']}"
        for listing in TAGGED_IN_EC2:
            for item in clients.ask(listing, Filters=[{"Name": "tag:stack", "Values": values}]):
                # Asked for a tag, the emulator lists some types whole.
                tagged = any(tag["Key"] == "stack" and tag["Value"] in values for tag in item.get("Tags", []))
                if tagged and item.get("State") != "deleted":
                    yield f"tagged: {item[listing.name]} in {clients.region}"
    except (BotoCoreError, ClientError) as error:
        yield f"could not be checked: tags in {clients.region} ({error})"


def waits_for_deletion(clients: Clients, arn: str) -> bool:
    """Tell whether a key or a secret is scheduled for deletion, or a resource is of another region."""
    service, region = arn.split(":")[2:4]
    if region and region != clients.region:
        return True
    if service == "kms":
        return bool(clients["kms"].describe_key(KeyId=arn)["KeyMetadata"].get("DeletionDate"))
    if service == "secretsmanager":
        return bool(clients["secretsmanager"].describe_secret(SecretId=arn).get("DeletedDate"))
    return False
