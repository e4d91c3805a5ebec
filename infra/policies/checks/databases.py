"""ORR_16: a database takes connections over TLS only."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, blocks, planned, text, value

# By type: the blocks that hold parameters, what name and value are called in them, the parameter and its value.
DEMANDS = {
    "aws_db_parameter_group": ("parameter", "name", "value", "rds.force_ssl", "1"),
    "aws_redshiftserverless_workgroup": (
        "config_parameter",
        "parameter_key",
        "parameter_value",
        "require_ssl",
        "true",
    ),
}


class TlsOnly(Policy):
    """What a version of the engine takes by default is no decision: the parameter has to be there."""

    policy = "ORR_16"
    types = tuple(DEMANDS)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the parameter that demands TLS; engines other than PostgreSQL have others."""
        if not planned(resource):
            return None
        if self.entity_type == "aws_db_parameter_group" and not text(resource, "family").startswith("postgres"):
            return None
        kind, name, holds, demand, state = DEMANDS[self.entity_type]
        given = {text(each, name): value(each, holds) for each in blocks(resource, kind)}
        return str(given.get(demand)).lower() == state  # checkov makes a boolean of "true"


CHECKS = (TlsOnly(),)
