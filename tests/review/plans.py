"""Small reviews for tests, made by hand."""

from __future__ import annotations

import json
from typing import Any

from infra.review.planning import Comparison, Delta

STACK = "01_meteor"


def delta(address: str, action: str, before: Any = None, after: Any = None, **more: Any) -> Delta:
    """Return a change of one resource; its type is read from its address."""
    kind = address.rpartition(".")[0].rpartition(".")[2]
    unknown, sensitive = more.pop("unknown", {}), more.pop("sensitive", {})
    return Delta(more.pop("stack", STACK), address, kind, action, before, after, unknown, sensitive, **more)


def document(*statements: dict[str, Any]) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "", principal: Any = None, **more: Any) -> dict[str, Any]:
    """Return a statement."""
    found: dict[str, Any] = {"Effect": "Allow", "Action": action, **more}
    if resource:
        found["Resource"] = resource
    if principal:
        found["Principal"] = principal
    return found


def comparison(*deltas: Delta, **more: Any) -> Comparison:
    """Return a comparison with an empty configuration."""
    plan = {"configuration": {"root_module": {}}, "planned_values": {}, "prior_state": {}}
    given: dict[str, Any] = {"base_plan": plan, "head_plan": plan, "unsettled": (), "failed": {}} | more
    return Comparison(tuple(deltas), **given)
