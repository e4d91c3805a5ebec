"""What a plan changes in who may do what: statements of policies, trust, and what is open to the public."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.review.planning import Delta

POLICIES = {
    "aws_dynamodb_resource_policy": ("policy", "resource policy"),
    "aws_iam_policy": ("policy", "permission"),
    "aws_iam_role": ("assume_role_policy", "trust"),
    "aws_iam_role_policy": ("policy", "permission"),
    "aws_kms_key": ("policy", "resource policy"),
    "aws_kms_key_policy": ("policy", "resource policy"),
    "aws_kms_replica_key": ("policy", "resource policy"),
    "aws_s3_bucket_policy": ("policy", "resource policy"),
    "aws_secretsmanager_secret_policy": ("policy", "resource policy"),
    "aws_sns_topic_policy": ("policy", "resource policy"),
    "aws_sqs_queue": ("policy", "resource policy"),
    "aws_sqs_queue_policy": ("policy", "resource policy"),
    "aws_vpc_endpoint": ("policy", "resource policy"),
}
"""Resource types that carry a policy: the attribute, and what kind of rights it gives."""

SWITCHES: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "aws_apigatewayv2_route": {"authorization_type": ("NONE", "a route that anybody may call")},
    "aws_db_instance": {"publicly_accessible": (True, "a database with a public address")},
    "aws_lambda_function_url": {"authorization_type": ("NONE", "a function that anybody may call")},
    "aws_rds_cluster_instance": {"publicly_accessible": (True, "a database with a public address")},
    "aws_redshiftserverless_workgroup": {"publicly_accessible": (True, "a warehouse with a public address")},
    "aws_s3_bucket_public_access_block": {
        name: (False, f"a bucket without {name.replace('_', ' ')}")
        for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    },
    "aws_subnet": {"map_public_ip_on_launch": (True, "a subnet that gives out public addresses")},
}
"""Attributes that open something to the public: the value that does, and what that means."""

RULES = ("aws_security_group_rule", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")
EVERYBODY = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, order=True)
class Right:
    """One statement of a policy, for one principal, action and resource.

    Parameters
    ----------
    effect : str
        Allow or Deny.
    principal : str
        Who; empty where the policy belongs to a role.
    action, resource : str
        What, on what.
    condition : str
        As JSON; empty for none.
    """

    effect: str
    principal: str
    action: str
    resource: str
    condition: str = ""

    @property
    def public(self) -> bool:
        """Whether it lets everybody in, without a condition."""
        return self.effect == "Allow" and self.principal == "*" and not self.condition

    @property
    def wild(self) -> bool:
        """Whether it allows any action of a service on everything."""
        return self.effect == "Allow" and self.resource == "*" and self.action.endswith("*") and self.principal == ""


@dataclass(frozen=True)
class AccessChange:
    """What one resource's change adds to or takes from the rights.

    Parameters
    ----------
    stack, address : str
        The resource.
    kind : str
        permission, trust, resource policy, public, or network.
    added, removed : tuple of str
        Statements, each in one line.
    widens : bool
        Whether somebody may do more than before.
    public : bool
        Whether it opens something to everybody.
    wild : bool
        Whether it allows every action of a service on everything.
    note : str
        What could not be told.
    """

    stack: str
    address: str
    kind: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    widens: bool = False
    public: bool = False
    wild: bool = False
    note: str = ""


def access_changes(
    deltas: Iterable[Delta], expected: Mapping[tuple[str, str], Mapping[str, Any]] | None = None
) -> list[AccessChange]:
    """Return what changes of rights and exposure, resource by resource.

    Parameters
    ----------
    deltas : iterable of Delta
        The changes.
    expected : mapping, optional
        By (stack, address): the attributes once the plan is applied, for what the plan doesn't know yet.
    """
    found = []
    for delta in (_known(each, expected or {}) for each in deltas):
        if delta.action in ("move", "forget"):
            continue
        for each in (*_of_policies(delta), *_of_permissions(delta), *_of_switches(delta), *_of_rules(delta)):
            if each.added or each.removed or each.note:
                found.append(each)
    return sorted(found, key=lambda each: (each.stack, each.address, each.kind))


def _known(delta: Delta, expected: Mapping[tuple[str, str], Mapping[str, Any]]) -> Delta:
    """Fill in what the plan doesn't know yet, where it is known what that will be."""
    later = expected.get((delta.stack, delta.address))
    if not later or delta.after is None:
        return delta
    filled = {name: later[name] for name, mark in delta.unknown.items() if mark is True and later.get(name) is not None}
    unknown = {name: mark for name, mark in delta.unknown.items() if name not in filled}
    return replace(delta, after={**delta.after, **filled}, unknown=unknown)


def rights(policy: Any) -> set[Right]:
    """Return the statements of a policy document, one for each principal, action and resource.

    Parameters
    ----------
    policy : str or mapping or None
        The document, as text or opened; what is no policy has no statements.
    """
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return set()
    if not isinstance(policy, Mapping):
        return set()
    return {right for statement in _listed(policy.get("Statement")) for right in _of_statement(statement)}


def _of_statement(statement: Mapping[str, Any]) -> Iterator[Right]:
    condition = json.dumps(statement["Condition"], sort_keys=True) if statement.get("Condition") else ""
    actions = _listed(statement.get("Action")) + [f"not {each}" for each in _listed(statement.get("NotAction"))]
    resources = _listed(statement.get("Resource")) + [f"not {each}" for each in _listed(statement.get("NotResource"))]
    for principal in _principals(statement):
        for action in actions or [""]:
            for resource in resources or [""]:
                yield Right(statement.get("Effect", "Allow"), principal, action, resource, condition)


def _principals(statement: Mapping[str, Any]) -> list[str]:
    given = statement.get("Principal", statement.get("NotPrincipal"))
    if given is None:
        return [""]
    mark = "not " if "NotPrincipal" in statement else ""
    if isinstance(given, str):
        return [mark + given]
    found = [
        each if each == "*" and kind == "AWS" else f"{kind} {each}"
        for kind, names in sorted(given.items())
        for each in _listed(names)
    ]
    return [mark + each for each in found]


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def lines(found: Iterable[Right]) -> tuple[str, ...]:
    """Write statements for people: the actions of the same principal on the same resource in one line."""
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for right in sorted(found):
        key = (right.effect, right.principal, right.resource, right.condition)
        grouped.setdefault(key, []).append(right.action)
    out = []
    for (effect, principal, resource, condition), actions in sorted(grouped.items()):
        who = f" {'everybody' if principal == '*' else principal}:" if principal else ""
        on = f" on {resource}" if resource else ""
        out.append(f"{effect}{who} {', '.join(actions)}{on}{f' if {condition}' if condition else ''}")
    return tuple(out)


def _of_policies(delta: Delta) -> Iterator[AccessChange]:
    if delta.type not in POLICIES:
        return
    attribute, kind = POLICIES[delta.type]
    if delta.unknown.get(attribute) is True and delta.action != "delete":
        yield AccessChange(delta.stack, delta.address, kind, note="its statements are known only after the apply")
        return
    before, after = (rights((each or {}).get(attribute)) for each in (delta.before, delta.after))
    yield _change(delta, kind, after - before, before - after)


def _change(delta: Delta, kind: str, added: set[Right], removed: set[Right]) -> AccessChange:
    return AccessChange(
        delta.stack,
        delta.address,
        kind,
        lines(added),
        lines(removed),
        any(each.effect == "Allow" for each in added) or any(each.effect == "Deny" for each in removed),
        any(each.public for each in added),
        any(each.wild for each in added),
    )


def _of_permissions(delta: Delta) -> Iterator[AccessChange]:
    """Read who may call a function, and managed policies that are attached to roles."""
    sides = []
    for values in (delta.before, delta.after):
        one: set[Right] = set()
        if values and delta.type == "aws_lambda_permission":
            condition = values.get("source_arn") or values.get("source_account") or ""
            one = {Right("Allow", values["principal"], values["action"], values["function_name"], condition)}
        elif values and delta.type == "aws_iam_role_policy_attachment":
            one = {Right("Allow", str(values.get("role")), "all that it says", str(values.get("policy_arn")))}
        sides.append(one)
    before, after = sides
    if before | after:
        yield _change(delta, "permission", after - before, before - after)


def _of_switches(delta: Delta) -> Iterator[AccessChange]:
    before, after = delta.before or {}, delta.after or {}
    for attribute, (opens, meaning) in SWITCHES.get(delta.type, {}).items():
        was, becomes = (bool(side) and side.get(attribute) == opens for side in (before, after))
        if delta.type == "aws_s3_bucket_public_access_block":  # no such block at all is open, too
            was, becomes = before.get(attribute) is not True, after.get(attribute) is not True
            if delta.action == "create":
                was = False  # a new bucket was not open before
        if was != becomes:
            added, removed = ((meaning,), ()) if becomes else ((), (meaning,))
            yield AccessChange(delta.stack, delta.address, "public", added, removed, becomes, becomes)


def _of_rules(delta: Delta) -> Iterator[AccessChange]:
    if delta.type not in RULES:
        return
    was, becomes = (_rule(delta.type, each) for each in (delta.before, delta.after))
    if was == becomes:
        return
    added, removed = (((each,) if each else ()) for each in (becomes, was))
    inward = bool(delta.after) and ("ingress" in delta.type or (delta.after or {}).get("type") == "ingress")
    opened = inward and any(each in becomes for each in EVERYBODY)
    yield AccessChange(delta.stack, delta.address, "network", added, removed, bool(becomes), opened)


def _rule(kind: str, values: Mapping[str, Any] | None) -> str:
    """Write a security group's rule in one line."""
    if not values:
        return ""
    direction = values.get("type") or ("ingress" if "ingress" in kind else "egress")
    peers = [
        *_listed(values.get("cidr_blocks")),
        *_listed(values.get("ipv6_cidr_blocks")),
        *(values[name] for name in ("cidr_ipv4", "cidr_ipv6", "prefix_list_id") if values.get(name)),
        *(values[name] for name in ("referenced_security_group_id", "source_security_group_id") if values.get(name)),
    ]
    protocol = values.get("protocol") or values.get("ip_protocol")
    first, last = values.get("from_port"), values.get("to_port")
    ports = "" if first is None else f" {first}" if first == last else f" {first}-{last}"
    who = ", ".join(map(str, peers)) or "peer not known yet"
    return f"{direction} {'all' if protocol == '-1' else protocol}{ports}, {who}"
