"""Edits whose real action is known from the provider's documentation: "forces new resource", or changed in place.

Each is a stack of its own with the fewest resources that the edit needs. The same table is planned offline against a
synthetic state (``test_actions.py``) and against what is really deployed on the local cloud (``tests/e2e``).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Resources = dict[str, dict[str, Any]]
"""``type.name`` to arguments; values may refer to other resources."""


@dataclass(frozen=True)
class Edit:
    """One edit of a small stack.

    Parameters
    ----------
    name : str
        What is done, as a stack id: lower case and underscores.
    base : mapping
        The resources before.
    change : callable
        Changes a copy of them in place; may add ``moved`` and ``removed`` blocks under these names.
    expected : mapping
        ``type.name`` to the action; what isn't named must not change.
    local : bool
        False where deploying it takes the local cloud too long (a zone and its record: two minutes); it is compared
        offline only.
    """

    name: str
    base: Mapping[str, Any]
    change: Callable[[dict[str, Any]], None]
    expected: Mapping[str, str]
    local: bool = True

    def configurations(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the Terraform configurations before and after, without provider and backend."""
        after = copy.deepcopy(dict(self.base))
        self.change(after)
        return nested(dict(self.base)), nested(after)


def nested(resources: dict[str, Any]) -> dict[str, Any]:
    """Return resources as Terraform JSON."""
    found: dict[str, Any] = {}
    for key, body in resources.items():
        if key in ("moved", "removed"):
            found[key] = body
        else:
            kind, _, name = key.partition(".")
            found.setdefault("resource", {}).setdefault(kind, {})[name] = body
    return found


def sets(key: str, **arguments: Any) -> Callable[[dict[str, Any]], None]:
    """Return an edit that sets arguments of one resource."""

    def change(resources: dict[str, Any]) -> None:
        resources[key].update(arguments)

    return change


def policy(*actions: str, principal: str = "") -> str:
    """Return a policy document with one statement."""
    who = {"Principal": {"Service": principal}} if principal else {"Resource": "arn:aws:s3:::somewhere/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), **who}]})


def small(key: str, **arguments: Any) -> dict[str, Any]:
    """Return one resource."""
    return {key: arguments}


def bucket(name: str) -> dict[str, Any]:
    """Return a bucket with versioning, and the latter's reference to it."""
    return {
        "aws_s3_bucket.b": {"bucket": f"orrery-edit-{name}", "tags": {"owner": "a"}},
        "aws_s3_bucket_versioning.v": {
            "bucket": "${aws_s3_bucket.b.id}",
            "versioning_configuration": [{"status": "Enabled"}],
        },
    }


def table(name: str) -> dict[str, Any]:
    """Return a table with a hash key."""
    return small(
        "aws_dynamodb_table.t",
        name=f"orrery-edit-{name}",
        billing_mode="PAY_PER_REQUEST",
        hash_key="id",
        attribute=[{"name": "id", "type": "S"}],
    )


def key(**arguments: Any) -> dict[str, Any]:
    """Return a key with an alias."""
    return {
        "aws_kms_key.k": {"description": "one", "deletion_window_in_days": 7, **arguments},
    }


def role(name: str) -> dict[str, Any]:
    """Return a role with a policy of its own."""
    return {
        "aws_iam_role.r": {
            "name": f"orrery-edit-{name}",
            "assume_role_policy": policy("sts:AssumeRole", principal="lambda.amazonaws.com"),
        },
        "aws_iam_role_policy.p": {
            "name": "p",
            "role": "${aws_iam_role.r.id}",
            "policy": policy("s3:GetObject"),
        },
    }


def queue(name: str) -> dict[str, Any]:
    """Return a queue."""
    return small("aws_sqs_queue.q", name=f"orrery-edit-{name}", visibility_timeout_seconds=30)


def logs(name: str) -> dict[str, Any]:
    """Return a log group."""
    return small("aws_cloudwatch_log_group.l", name=f"/orrery/edit/{name}", retention_in_days=30)


def secret(name: str) -> dict[str, Any]:
    """Return a secret."""
    return small("aws_secretsmanager_secret.s", name=f"orrery-edit-{name}", recovery_window_in_days=0)


def alarm(name: str) -> dict[str, Any]:
    """Return an alarm."""
    return small(
        "aws_cloudwatch_metric_alarm.a",
        alarm_name=f"orrery-edit-{name}",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        metric_name="M",
        namespace="N",
        period=60,
        statistic="Sum",
        threshold=1,
    )


def network(name: str) -> dict[str, Any]:
    """Return a network with a subnet and a security group with a rule."""
    return {
        "aws_vpc.v": {"cidr_block": "10.9.0.0/16"},
        "aws_subnet.s": {"vpc_id": "${aws_vpc.v.id}", "cidr_block": "10.9.1.0/24"},
        "aws_security_group.g": {"name": f"orrery-edit-{name}", "description": "one", "vpc_id": "${aws_vpc.v.id}"},
    }


def zone(name: str) -> dict[str, Any]:
    """Return a hosted zone with a record."""
    return {
        "aws_route53_zone.z": {"name": f"{name.replace('_', '-')}.example.com", "comment": "one"},
        "aws_route53_record.r": {
            "zone_id": "${aws_route53_zone.z.zone_id}",
            "name": "www",
            "type": "A",
            "ttl": 60,
            "records": ["192.0.2.1"],
        },
    }


def schedule(name: str) -> dict[str, Any]:
    """Return a schedule that sends to a queue."""
    return small(
        "aws_scheduler_schedule.s",
        name=f"orrery-edit-{name}",
        schedule_expression="rate(1 day)",
        flexible_time_window=[{"mode": "OFF"}],
        target=[{"arn": "arn:aws:sqs:us-east-1:123456789012:q", "role_arn": "arn:aws:iam::123456789012:role/r"}],
    )


def _moved(resources: dict[str, Any]) -> None:
    resources["aws_sqs_queue.renamed"] = resources.pop("aws_sqs_queue.q")
    resources["moved"] = [{"from": "aws_sqs_queue.q", "to": "aws_sqs_queue.renamed"}]


def _forgotten(resources: dict[str, Any]) -> None:
    del resources["aws_sqs_queue.q"]
    resources["removed"] = [{"from": "aws_sqs_queue.q", "lifecycle": [{"destroy": False}]}]


TYPES = [{"name": "id", "type": "S"}, {"name": "at", "type": "N"}]
INDEX = [{"name": "by-at", "hash_key": "at", "projection_type": "ALL"}]

EDITS: tuple[Edit, ...] = (
    Edit(
        "bucket_renamed",
        bucket("renamed"),
        sets("aws_s3_bucket.b", bucket="orrery-edit-other"),
        {"aws_s3_bucket.b": "replace", "aws_s3_bucket_versioning.v": "replace"},
    ),
    Edit("bucket_tag", bucket("tag"), sets("aws_s3_bucket.b", tags={"owner": "b"}), {"aws_s3_bucket.b": "update"}),
    Edit(
        "bucket_force_destroy",
        bucket("force"),
        sets("aws_s3_bucket.b", force_destroy=True),
        {"aws_s3_bucket.b": "update"},
    ),
    Edit(
        "bucket_object_lock",
        bucket("lock"),
        sets("aws_s3_bucket.b", object_lock_enabled=True),
        {"aws_s3_bucket.b": "replace", "aws_s3_bucket_versioning.v": "replace"},
    ),
    Edit(
        "bucket_versioning_suspended",
        bucket("suspended"),
        sets("aws_s3_bucket_versioning.v", versioning_configuration=[{"status": "Suspended"}]),
        {"aws_s3_bucket_versioning.v": "update"},
    ),
    Edit(
        "table_hash_key",
        table("hash"),
        sets("aws_dynamodb_table.t", hash_key="at", attribute=[{"name": "at", "type": "N"}]),
        {"aws_dynamodb_table.t": "replace"},
    ),
    Edit(
        "table_range_key",
        table("range"),
        sets("aws_dynamodb_table.t", range_key="at", attribute=TYPES),
        {"aws_dynamodb_table.t": "replace"},
    ),
    Edit(
        "table_renamed",
        table("name"),
        sets("aws_dynamodb_table.t", name="orrery-edit-other-table"),
        {"aws_dynamodb_table.t": "replace"},
    ),
    Edit(
        "table_ttl",
        table("ttl"),
        sets("aws_dynamodb_table.t", ttl=[{"attribute_name": "until", "enabled": True}]),
        {"aws_dynamodb_table.t": "update"},
    ),
    Edit(
        "table_recovery",
        table("recovery"),
        sets("aws_dynamodb_table.t", point_in_time_recovery=[{"enabled": True}]),
        {"aws_dynamodb_table.t": "update"},
    ),
    Edit(
        "table_index",
        table("index"),
        sets("aws_dynamodb_table.t", attribute=TYPES, global_secondary_index=INDEX),
        {"aws_dynamodb_table.t": "update"},
    ),
    Edit(
        "table_capacity",
        table("capacity"),
        sets("aws_dynamodb_table.t", billing_mode="PROVISIONED", read_capacity=1, write_capacity=1),
        {"aws_dynamodb_table.t": "update"},
    ),
    Edit(
        "table_protected",
        table("protected"),
        sets("aws_dynamodb_table.t", deletion_protection_enabled=True),
        {"aws_dynamodb_table.t": "update"},
    ),
    Edit("key_description", key(), sets("aws_kms_key.k", description="two"), {"aws_kms_key.k": "update"}),
    Edit("key_multi_region", key(), sets("aws_kms_key.k", multi_region=True), {"aws_kms_key.k": "replace"}),
    Edit("key_rotation", key(), sets("aws_kms_key.k", enable_key_rotation=True), {"aws_kms_key.k": "update"}),
    Edit(
        "alias_renamed",
        {**key(), "aws_kms_alias.a": {"name": "alias/orrery-edit", "target_key_id": "${aws_kms_key.k.key_id}"}},
        sets("aws_kms_alias.a", name="alias/orrery-edit-other"),
        {"aws_kms_alias.a": "replace"},
    ),
    Edit(
        "queue_timeout",
        queue("timeout"),
        sets("aws_sqs_queue.q", visibility_timeout_seconds=60),
        {"aws_sqs_queue.q": "update"},
    ),
    Edit(
        "queue_renamed",
        queue("name"),
        sets("aws_sqs_queue.q", name="orrery-edit-other"),
        {"aws_sqs_queue.q": "replace"},
    ),
    Edit(
        "queue_fifo",
        queue("fifo"),
        sets("aws_sqs_queue.q", name="orrery-edit-fifo.fifo", fifo_queue=True),
        {"aws_sqs_queue.q": "replace"},
    ),
    Edit("queue_moved", queue("moved"), _moved, {"aws_sqs_queue.renamed": "move"}),
    Edit("queue_forgotten", queue("forgotten"), _forgotten, {"aws_sqs_queue.q": "forget"}),
    Edit("queue_removed", queue("removed"), lambda all_: all_.clear(), {"aws_sqs_queue.q": "delete"}),
    Edit("queue_added", {}, lambda all_: all_.update(queue("added")), {"aws_sqs_queue.q": "create"}),
    Edit(
        "topic_display_name",
        small("aws_sns_topic.t", name="orrery-edit-display"),
        sets("aws_sns_topic.t", display_name="two"),
        {"aws_sns_topic.t": "update"},
    ),
    Edit(
        "topic_renamed",
        small("aws_sns_topic.t", name="orrery-edit-topic"),
        sets("aws_sns_topic.t", name="orrery-edit-topic-other"),
        {"aws_sns_topic.t": "replace"},
    ),
    Edit(
        "logs_retention",
        logs("retention"),
        sets("aws_cloudwatch_log_group.l", retention_in_days=7),
        {"aws_cloudwatch_log_group.l": "update"},
    ),
    Edit(
        "logs_renamed",
        logs("name"),
        sets("aws_cloudwatch_log_group.l", name="/orrery/edit/other"),
        {"aws_cloudwatch_log_group.l": "replace"},
    ),
    Edit(
        "logs_class",
        logs("class"),
        sets("aws_cloudwatch_log_group.l", log_group_class="INFREQUENT_ACCESS"),
        {"aws_cloudwatch_log_group.l": "replace"},
    ),
    Edit(
        "role_trust",
        role("trust"),
        sets("aws_iam_role.r", assume_role_policy=policy("sts:AssumeRole", principal="ec2.amazonaws.com")),
        {"aws_iam_role.r": "update"},
    ),
    Edit(
        "role_renamed",
        role("name"),
        sets("aws_iam_role.r", name="orrery-edit-role-other"),
        {"aws_iam_role.r": "replace", "aws_iam_role_policy.p": "replace"},
    ),
    Edit(
        "role_path",
        role("path"),
        sets("aws_iam_role.r", path="/orrery/"),
        {"aws_iam_role.r": "replace", "aws_iam_role_policy.p": "replace"},
    ),
    Edit(
        "role_policy",
        role("policy"),
        sets("aws_iam_role_policy.p", policy=policy("s3:*")),
        {"aws_iam_role_policy.p": "update"},
    ),
    Edit(
        "secret_description",
        secret("description"),
        sets("aws_secretsmanager_secret.s", description="two"),
        {"aws_secretsmanager_secret.s": "update"},
    ),
    Edit(
        "secret_renamed",
        secret("name"),
        sets("aws_secretsmanager_secret.s", name="orrery-edit-secret-other"),
        {"aws_secretsmanager_secret.s": "replace"},
    ),
    Edit(
        "alarm_threshold",
        alarm("threshold"),
        sets("aws_cloudwatch_metric_alarm.a", threshold=2),
        {"aws_cloudwatch_metric_alarm.a": "update"},
    ),
    Edit(
        "alarm_renamed",
        alarm("name"),
        sets("aws_cloudwatch_metric_alarm.a", alarm_name="orrery-edit-other"),
        {"aws_cloudwatch_metric_alarm.a": "replace"},
    ),
    Edit(
        "schedule_rate",
        schedule("rate"),
        sets("aws_scheduler_schedule.s", schedule_expression="rate(2 days)"),
        {"aws_scheduler_schedule.s": "update"},
    ),
    Edit(
        "schedule_renamed",
        schedule("name"),
        sets("aws_scheduler_schedule.s", name="orrery-edit-other"),
        {"aws_scheduler_schedule.s": "replace"},
    ),
    Edit(
        "group_description",
        network("description"),
        sets("aws_security_group.g", description="two"),
        {"aws_security_group.g": "replace"},
    ),
    Edit(
        "subnet_moved", network("subnet"), sets("aws_subnet.s", cidr_block="10.9.2.0/24"), {"aws_subnet.s": "replace"}
    ),
    Edit("network_names", network("names"), sets("aws_vpc.v", enable_dns_hostnames=True), {"aws_vpc.v": "update"}),
    Edit(
        "network_replaced",
        network("replaced"),
        sets("aws_vpc.v", cidr_block="10.8.0.0/16"),
        {"aws_vpc.v": "replace", "aws_subnet.s": "replace", "aws_security_group.g": "replace"},
    ),
    Edit(
        "record_ttl",
        zone("ttl"),
        sets("aws_route53_record.r", ttl=300),
        {"aws_route53_record.r": "update"},
        local=False,
    ),
    Edit(
        "zone_comment",
        zone("comment"),
        sets("aws_route53_zone.z", comment="two"),
        {"aws_route53_zone.z": "update"},
        local=False,
    ),
    Edit(
        "zone_renamed",
        zone("name"),
        sets("aws_route53_zone.z", name="other.example.com"),
        {"aws_route53_zone.z": "replace", "aws_route53_record.r": "replace"},
        local=False,
    ),
    Edit(
        "parameter_value",
        small("aws_ssm_parameter.p", name="/orrery/edit", type="String", value="one"),
        sets("aws_ssm_parameter.p", value="two"),
        {"aws_ssm_parameter.p": "update"},
    ),
)
