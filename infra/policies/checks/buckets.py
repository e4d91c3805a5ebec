"""ORR_6 and ORR_7: a bucket keeps versions and has a lifecycle."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, block, blocks, planned, text


class Versioning(Policy):
    """A bucket without the rule, and one in which it is suspended, keep no versions."""

    policy = "ORR_6"
    types = ("aws_s3_bucket",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the bucket's versioning."""
        if not planned(resource):
            return None
        found = self.attached(resource, "aws_s3_bucket_versioning", "bucket")
        return any(text(block(each, "versioning_configuration"), "status") == "Enabled" for each in found)


class Lifecycle(Policy):
    """At least one rule is switched on."""

    policy = "ORR_7"
    types = ("aws_s3_bucket",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the bucket's rules."""
        if not planned(resource):
            return None
        found = self.attached(resource, "aws_s3_bucket_lifecycle_configuration", "bucket")
        return any(text(rule, "status") == "Enabled" for each in found for rule in blocks(each, "rule"))


CHECKS = (Versioning(), Lifecycle())
