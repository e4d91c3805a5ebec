"""ORR_12 to ORR_14: no secret in arguments, in a function's environment, in outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from infra.enrich import OUTPUT
from infra.policies.base import Policy, Resource, block, mapping, strings, text, value

# Making one of these puts a secret into the state, whatever its arguments are.
SECRET_BY_TYPE = ("aws_iam_access_key", "aws_iam_service_specific_credential", "random_password", "tls_private_key")
_ARGUMENT = re.compile(
    r"(?:.*_)?(?:password|passwd|secret_string|secret_binary|secret_key|private_key|auth_token|access_token|api_key)"
)
_NAME = re.compile(r"password|passwd|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:^|[_.])(?:arn|id|name|url|uri|path|prefix|region|version|ttl|hours|days|s)$", re.IGNORECASE)
_LOOKS_SECRET = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN|://[^/\s:@]+:[^/\s@$]+@")


def _arguments(resource: Any) -> Iterator[tuple[str, Any]]:
    """Yield all arguments with their values, those within blocks too, without tags and what is write-only."""
    if isinstance(resource, list):
        for each in resource:
            yield from _arguments(each)
    elif isinstance(resource, dict):
        for name, found in resource.items():
            if name not in ("tags", "tags_all") and not name.endswith("_wo"):
                yield name, value(resource, name)
                yield from _arguments(found)


class Argument(Policy):
    """A write-only argument has another name (``…_wo``), and a switch is no secret."""

    policy = "ORR_12"
    types = ("*",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for arguments that are secrets by their names."""
        if self.entity_type == OUTPUT:
            return None
        if self.entity_type in SECRET_BY_TYPE:
            return False
        if self.entity_type == "aws_ssm_parameter" and text(resource, "type") == "SecureString":
            return not text(resource, "value")
        return not any(
            isinstance(found, str) and found and _ARGUMENT.fullmatch(name) for name, found in _arguments(dict(resource))
        )


class Environment(Policy):
    """A variable may hold the ARN, name or ID of a secret."""

    policy = "ORR_13"
    types = ("aws_lambda_function",)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge each variable by its name and by what its value looks like."""
        variables = mapping(block(resource, "environment"), "variables")
        secrets = [value(each, "name") for each in self.near(resource, "aws_secretsmanager_secret")]
        return not any(found not in secrets and _is_secret(name, str(found or "")) for name, found in variables.items())


def _is_secret(name: str, found: str) -> bool:
    if not found or _LOOKS_SECRET.search(found):
        return bool(found)
    points = found.startswith("arn:") or _HARMLESS.search(found.rstrip("}"))
    return bool(_NAME.search(name)) and not _HARMLESS.search(name) and not points


class Output(Policy):
    """The outputs of a stack, as `infra.enrich` puts them into the plan."""

    policy = "ORR_14"
    types = (OUTPUT,)

    def keeps(self, resource: Resource) -> bool | None:
        """Judge an output by the attributes that it comes from; by its name where they are not known."""
        told = strings(resource, "sources") or [text(resource, "name")]
        secret = any(
            (_NAME.search(each.rpartition(".")[2]) and not _HARMLESS.search(each))
            or any(f"{kind}." in each for kind in SECRET_BY_TYPE)
            for each in told
        )
        return value(resource, "sensitive") is True or not secret


CHECKS = (Argument(), Environment(), Output())
