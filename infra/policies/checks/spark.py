"""ORR_17: Spark on EMR Serverless is in a private network, and has an end and a limit."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, block, planned, strings, text, value


class Bounded(Policy):
    """The maximum and the end are AWS's own when they are left out: none, and fifteen minutes that may change."""

    policy = "ORR_17"
    types = ("aws_emrserverless_application",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for subnets, for a maximum of processors and memory, and for the end of an idle application."""
        if not planned(resource):
            return None
        maximum = block(resource, "maximum_capacity")
        return (
            bool(strings(block(resource, "network_configuration"), "subnet_ids"))
            and bool(text(maximum, "cpu"))
            and bool(text(maximum, "memory"))
            and value(block(resource, "auto_stop_configuration"), "enabled") is True
        )


CHECK = Bounded()
