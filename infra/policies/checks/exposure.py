"""ORR_9: what is public says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.policies import SETTINGS
from infra.policies.base import (
    DataPolicy,
    Policy,
    Resource,
    as_list,
    block,
    blocks,
    document,
    mapping,
    means,
    planned,
    strings,
    text,
    value,
)

EVERYBODY = ("0.0.0.0/0", "::/0")
PUBLIC_ACCESS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")


def _from_everywhere(resource: Resource) -> bool:
    names = ("cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6")
    return any(each in EVERYBODY for name in names for each in strings(resource, name))


def _is(argument: str, *states: Any) -> Callable[[Resource], bool]:
    return lambda resource: value(resource, argument) in states


def _eks(resource: Resource) -> bool:
    vpc = block(resource, "vpc_config")
    networks = strings(vpc, "public_access_cidrs") or EVERYBODY
    return value(vpc, "endpoint_public_access") is not False and any(each in EVERYBODY for each in networks)


# What makes a resource public, by its type.
OPEN: dict[str, Callable[[Resource], bool]] = {
    "aws_api_gateway_method": _is("authorization", None, "NONE"),
    "aws_apigatewayv2_route": _is("authorization_type", None, "NONE"),
    "aws_cloudfront_distribution": _is("enabled", True),
    "aws_db_instance": _is("publicly_accessible", True),
    "aws_dms_replication_instance": _is("publicly_accessible", True),
    "aws_eks_cluster": _eks,
    "aws_instance": _is("associate_public_ip_address", True),
    "aws_lambda_function_url": _is("authorization_type", "NONE"),
    "aws_lambda_permission": _is("principal", "*"),
    "aws_lb": _is("internal", None, False),
    "aws_mwaa_environment": _is("webserver_access_mode", "PUBLIC_ONLY"),
    "aws_rds_cluster_instance": _is("publicly_accessible", True),
    "aws_redshift_cluster": _is("publicly_accessible", True),
    "aws_redshiftserverless_workgroup": _is("publicly_accessible", True),
    "aws_s3_bucket_acl": _is("acl", "public-read", "public-read-write", "authenticated-read"),
    "aws_s3_bucket_public_access_block": lambda r: not all(value(r, each) is True for each in PUBLIC_ACCESS),
    "aws_security_group": lambda r: any(map(_from_everywhere, blocks(r, "ingress"))),
    "aws_security_group_rule": lambda r: text(r, "type") == "ingress" and _from_everywhere(r),
    "aws_subnet": _is("map_public_ip_on_launch", True),
    "aws_vpc_security_group_ingress_rule": _from_everywhere,
}

# To what a rule, route or policy belongs: argument and type. That is where the tag may stand.
OWNERS = {
    "api_id": "aws_apigatewayv2_api",
    "arn": "aws_sns_topic",
    "bucket": "aws_s3_bucket",
    "function_name": "aws_lambda_function",
    "key_id": "aws_kms_key",
    "queue_url": "aws_sqs_queue",
    "repository": "aws_ecr_repository",
    "rest_api_id": "aws_api_gateway_rest_api",
    "secret_arn": "aws_secretsmanager_secret",
    "security_group_id": "aws_security_group",
}


def has_reason(resource: Resource) -> bool:
    """Tell whether a resource says in its tag why it is public."""
    found = {**mapping(resource, "tags"), **mapping(resource, "tags_all")}.get(SETTINGS["public_tag"])
    letters: int = SETTINGS["reason_letters"]
    return len(str(found or "").strip()) >= letters


def _lets_everybody(statement: Any) -> bool:
    if not isinstance(statement, dict) or statement.get("Effect") != "Allow" or statement.get("Condition"):
        return False
    principal = statement.get("Principal")
    kinds = principal.values() if isinstance(principal, dict) else [principal]
    named = [one for each in kinds for one in as_list(each)]
    return "*" in named or "NotPrincipal" in statement


class Exposure(Policy):
    """By its type, or by a policy that lets everybody in without a condition."""

    policy = "ORR_9"
    types = ("aws_*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Find out whether a resource is public, and then whether it or its owner says why."""
        if not planned(resource):
            return None
        statements = as_list(document(resource, "policy").get("Statement"))
        judge = OPEN.get(self.entity_type)
        if judge is None and not statements:
            return None
        if not (judge and judge(resource)) and not any(map(_lets_everybody, statements)):
            return True
        return has_reason(resource) or any(map(has_reason, self._owners(resource)))

    def _owners(self, resource: Resource) -> list[Resource]:
        return [
            each
            for argument, kind in OWNERS.items()
            for each in self.near(resource, kind)
            if means(value(resource, argument), each)
        ]


class ExposureByDocument(DataPolicy):
    """A policy of which a part is known only after the apply; it has no tag, so it has to be narrower."""

    policy = "ORR_9"
    types = ("aws_iam_policy_document",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for a statement that lets everybody in without a condition."""
        return not any(
            "*" in [one for each in blocks(statement, "principals") for one in strings(each, "identifiers")]
            for statement in blocks(resource, "statement")
            if text(statement, "effect") != "Deny" and not blocks(statement, "condition")
        )


CHECKS = (Exposure(), ExposureByDocument())
