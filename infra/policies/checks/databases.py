"""ORR_16: a database takes connections over TLS only."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, blocks, planned, text, value

# By type: the blocks that hold parameters, what name and value are called in them, the parameter and what it may be.
DEMANDS = {
    "aws_db_parameter_group": ("parameter", "name", "value", "", ("1", "on", "true")),
    "aws_redshiftserverless_workgroup": (
        "config_parameter",
        "parameter_key",
        "parameter_value",
        "require_ssl",
        ("true",),
    ),
}
OF_FAMILY = {"postgres": "rds.force_ssl", "mysql": "require_secure_transport", "mariadb": "require_secure_transport"}
"""How the families of RDS's parameter groups begin, and which parameter demands TLS there."""


class TlsOnly(Policy):
    """What a version of the engine takes by default is no decision: the parameter has to be there."""

    policy = "ORR_16"
    types = tuple(DEMANDS)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the parameter that demands TLS; other engines have others, which nobody has written down here."""
        if not planned(resource):
            return None
        kind, name, holds, demand, states = DEMANDS[self.entity_type]
        if self.entity_type == "aws_db_parameter_group":
            family = text(resource, "family")
            demand = next((known for engine, known in OF_FAMILY.items() if family.startswith(engine)), "")
            if not demand:
                return None
        given = {text(each, name): value(each, holds) for each in blocks(resource, kind)}
        return str(given.get(demand)).lower() in states  # checkov makes a boolean of "true"


CHECKS = (TlsOnly(),)
