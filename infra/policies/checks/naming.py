"""ORR_10 and ORR_11: names and tags."""

from __future__ import annotations

from infra.enrich import LATER
from infra.policies import SETTINGS
from infra.policies.base import Policy, Resource, mapping, planned, text

NAMES = (
    "alarm_name",
    "bucket",
    "bucket_prefix",
    "cluster_identifier",
    "function_name",
    "identifier",
    "name",
    "name_prefix",
    "replication_group_id",
)
# The name is somebody else's to give: DNS, the API's "$default", the bucket that an object lies in.
NAMED_BY_OTHERS = ("aws_api_gateway_stage", "aws_apigatewayv2_stage", "aws_route53_zone", "aws_s3_object")


class Name(Policy):
    """Names with a path (log groups, parameters) have the beginning in one of its parts."""

    policy = "ORR_10"
    types = ("aws_*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look at the names of a resource that says in its tags which stack it belongs to."""
        stack = mapping(resource, "tags_all").get("stack")
        names = [found for each in NAMES if (found := text(resource, each)) and not found.startswith(LATER)]
        if not planned(resource) or not stack or not names or self.entity_type in NAMED_BY_OTHERS:
            return None
        return all(any(part.startswith(f"orrery-{stack}") for part in each.split("/")) for each in names)


class Tags(Policy):
    """Resources that take no tags are left alone."""

    policy = "ORR_11"
    types = ("aws_*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for each required tag, and for a data class that there is."""
        if not planned(resource) or "tags_all" not in resource:
            return None
        tags = mapping(resource, "tags_all")
        present = all(tags.get(each) for each in SETTINGS["required_tags"])
        return present and tags["data-class"] in SETTINGS["data_classes"]


CHECKS = (Name(), Tags())
