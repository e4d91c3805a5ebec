"""ORR_2: no statement allows wildcard actions on all resources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from infra.policies.base import DataPolicy, Policy, Resource, as_list, blocks, document, strings, text

ARGUMENTS = ("access_policies", "access_policy", "inline_policy", "policy", "policy_document", "resource_policy")
_ALL = re.compile(r"\*|arn:[^:]*:(?!s3:)[^:]*:[^:]*:[^:]*:[a-z-]+[:/]\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*")


def too_wide(allow: bool, actions: Iterable[Any], not_actions: object, on: Iterable[Any], not_on: object) -> bool:
    """Tell whether one statement allows wildcard actions on all resources of a kind."""
    any_action = bool(not_actions) or any("*" in str(each) for each in actions)
    everywhere = bool(not_on) or any(_ALL.fullmatch(str(each)) for each in on)
    return allow and any_action and everywhere


def _in_json(statement: Any) -> bool:
    if not isinstance(statement, dict):
        return False
    part = {key: as_list(statement.get(key)) for key in ("Action", "NotAction", "Resource", "NotResource")}
    return too_wide(
        statement.get("Effect") == "Allow", part["Action"], part["NotAction"], part["Resource"], part["NotResource"]
    )


class JsonDocuments(Policy):
    """Policies as JSON, in whatever argument a resource takes them."""

    policy = "ORR_2"
    types = ("aws_*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge each statement that is known."""
        if self.entity_type.startswith("aws_kms_"):
            return None  # in a key's policy "*" is that one key
        documents = [document(each, "policy") for each in blocks(resource, "inline_policy")]
        documents += [document(resource, each) for each in ARGUMENTS]
        statements = [one for each in documents for one in as_list(each.get("Statement"))]
        return not any(map(_in_json, statements)) if statements else None


class DocumentData(DataPolicy):
    """Policies as Terraform writes them; also those of which a part is known only after the apply."""

    policy = "ORR_2"
    types = ("aws_iam_policy_document",)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge each statement."""
        return not any(
            too_wide(
                text(each, "effect") != "Deny",
                strings(each, "actions"),
                strings(each, "not_actions"),
                strings(each, "resources"),
                strings(each, "not_resources"),
            )
            for each in blocks(resource, "statement")
        )


CHECKS = (JsonDocuments(), DocumentData())
