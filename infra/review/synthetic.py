"""A state made of a plan: what Terraform would know, had the plan been applied.

A plan against nothing only shows creations. Put the base's planned values into a state, with plausible ids and ARNs
where only AWS could know them, plan the base against it until it has nothing left to do, and the head's plan against
that state says what a change does to a running system: the real provider tells update from replace.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.enrich import without_indexes
from infra.review.references import References

Address = str
Types = Mapping[str, tuple[int, Mapping[str, str]]]
"""By resource type: the schema's version, and the kinds of its attributes.

``string``, ``given`` (a text that is left to the provider where the configuration says nothing: most are empty then),
``list``, ``set``, ``map``, and ``objects:a,b`` for a list of objects with the texts a and b.
"""

PARTITION = "aws"
LONGEST_CHAIN = 4
"""How many resources hand a value on from one to the next at most; what is longer takes a round of planning more."""
ARNS = {
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_cloudwatch_metric_alarm": "cloudwatch:{region}:{account}:alarm:{alarm_name}",
    "aws_dynamodb_table": "dynamodb:{region}:{account}:table/{name}",
    "aws_iam_policy": "iam::{account}:policy/{name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_kms_key": "kms:{region}:{account}:key/{key_id}",
    "aws_kms_replica_key": "kms:{region}:{account}:key/{key_id}",
    "aws_lambda_function": "lambda:{region}:{account}:function:{function_name}",
    "aws_msk_cluster": "kafka:{region}:{account}:cluster/{cluster_name}/{short}",
    "aws_msk_serverless_cluster": "kafka:{region}:{account}:cluster/{cluster_name}/{short}",
    "aws_s3_bucket": "s3:::{bucket}",
    "aws_secretsmanager_secret": "secretsmanager:{region}:{account}:secret:{name}-{short}",
    "aws_sns_topic": "sns:{region}:{account}:{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
}
"""How the ARNs look that reviewers read; every other type gets one of the general form."""
IDS = {
    "aws_cloudwatch_log_group": "{name}",
    "aws_dynamodb_table": "{name}",
    "aws_iam_role": "{name}",
    "aws_kms_key": "{key_id}",
    "aws_kms_replica_key": "{key_id}",
    "aws_lambda_function": "{function_name}",
    "aws_s3_bucket": "{bucket}",
    "aws_secretsmanager_secret": "{arn}",
    "aws_sns_topic": "{arn}",
    "aws_sqs_queue": "https://sqs.{region}.amazonaws.com/{account}/{name}",
}

NUMBERS = {
    "aws_msk_configuration": {"latest_revision": 1},
    "aws_mskconnect_custom_plugin": {"latest_revision": 1},
    "aws_mskconnect_worker_configuration": {"latest_revision": 1},
}
"""Numbers that only AWS knows and that another resource can't do without: a plan would fail where it needs them."""


@dataclass
class Synthetic:
    """What is pretended to exist.

    Parameters
    ----------
    resources : dict
        By address: how the resource is called (module, type, name, index, provider) and its attributes.
    unsettled : tuple of str
        Addresses that the base's own plan still wants to change: what is said of them is not certain.
    """

    resources: dict[Address, dict[str, Any]] = field(default_factory=dict)
    unsettled: tuple[Address, ...] = ()

    def follow(self, plan: Mapping[str, Any], types: Types, account: str, root: Path = Path()) -> Synthetic:
        """Return the state after a plan: its values, and for what only AWS knows what was pretended before or is now.

        Parameters
        ----------
        plan : mapping
            A plan in Terraform's JSON form.
        types : mapping
            What `attribute_types` made of the providers' schemas.
        account : str
            The account id that ARNs carry.
        root : Path
            The folder that was planned; the local values of its modules are read there.
        """
        regions, found = regions_of(plan["configuration"]), {}
        for change in plan["resource_changes"]:
            if change["mode"] != "managed" or change["change"]["after"] is None:
                continue
            address = change["address"]
            before = self.resources.get(address, {}).get("attributes", {})
            region = regions.get(without_indexes(address), "us-east-1")
            found[address] = {
                "module": change.get("module_address", ""),
                "type": change["type"],
                "name": change["name"],
                "index": change.get("index"),
                "provider": change["provider_name"],
                "sensitive": sorted(_marked(change["change"].get("after_sensitive"))),
                "attributes": _known(change, before, types, {"region": region, "account": account}),
            }
        self._refer(plan, found, types, root)
        return Synthetic(found)

    def _refer(self, plan: Mapping[str, Any], found: dict[Address, dict[str, Any]], types: Types, root: Path) -> None:
        """Put what a reference leads to in the place of what was pretended for it; a reference may lead to another."""
        references, open_ = References(plan, root, found), []
        for change in plan["resource_changes"]:
            known = self.resources.get(change["address"], {}).get("attributes", {})
            kinds = types.get(change["type"], (0, {}))[1]
            for name, state in sorted((change["change"]["after_unknown"] or {}).items()):
                text = change["address"] in found and kinds.get(name) in ("string", "given")
                if state is True and text and known.get(name) is None:
                    origins = references.origins(change["address"], name)
                    open_ += [(found[change["address"]]["attributes"], name, origins)] if origins else []
        for _ in range(LONGEST_CHAIN):
            for attributes, name, origins in open_:
                values = {found[address]["attributes"].get(origin) for address, origin in origins if address in found}
                if len(values) == 1 and isinstance(value := values.pop(), str):
                    attributes[name] = value

    def state(self, types: Types, providers: Mapping[str, str]) -> dict[str, Any]:
        """Return it in the format of Terraform's state files, version 4.

        Parameters
        ----------
        types : mapping
            For the schemas' versions.
        providers : mapping
            A provider's source address to a configuration of it in the root, for what is in no configuration any more.
        """
        grouped: dict[tuple[str, str, str], dict[str, Any]] = {}
        for each in self.resources.values():
            key = (each["module"], each["type"], each["name"])
            entry: dict[str, Any] = grouped.setdefault(
                key,
                {
                    **({"module": each["module"]} if each["module"] else {}),
                    "mode": "managed",
                    "type": each["type"],
                    "name": each["name"],
                    "provider": providers[each["provider"]],
                    "instances": [],
                },
            )
            instance = {
                "schema_version": types[each["type"]][0] if each["type"] in types else 0,
                "attributes": each["attributes"],
                "sensitive_attributes": [[{"type": "get_attr", "value": name}] for name in each["sensitive"]],
            }
            entry["instances"].append(instance | ({"index_key": each["index"]} if each["index"] is not None else {}))
        return {
            "version": 4,
            "terraform_version": "1.11.0",
            "serial": 1,
            "lineage": str(uuid.UUID(int=0)),
            "outputs": {},
            "resources": [grouped[key] for key in sorted(grouped)],
            "check_results": None,
        }


def attribute_types(schemas: Mapping[str, Any]) -> dict[str, tuple[int, dict[str, str]]]:
    """Return what is needed of ``terraform providers schema -json``, which is a hundred times as large."""
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for provider in schemas.get("provider_schemas", {}).values():
        for name, schema in provider.get("resource_schemas", {}).items():
            attributes = schema["block"].get("attributes", {})
            kinds = {key: _kind(body) for key, body in attributes.items() if "type" in body}
            if "id" in kinds:
                kinds["id"] = "string"
            found[name] = (schema["version"], {key: kind for key, kind in kinds.items() if kind})
    return found


def _kind(attribute: Mapping[str, Any]) -> str:
    kind, left_to_provider = attribute["type"], attribute.get("computed") and attribute.get("optional")
    if isinstance(kind, str):
        return ("given" if left_to_provider else "string") if kind == "string" else ""
    if kind[0] == "list" and kind[1][0] == "object" and not left_to_provider:
        return "objects:" + ",".join(key for key, inner in kind[1][1].items() if inner == "string")
    return str(kind[0]) if kind[0] in ("list", "map", "set") else ""


def _known(
    change: Mapping[str, Any], before: Mapping[str, Any], types: Types, facts: Mapping[str, str]
) -> dict[str, Any]:
    """Return a resource's planned attributes, with those filled in that are known only after an apply."""
    values = dict(change["change"]["after"])
    unknown = change["change"]["after_unknown"] or {}
    kinds = types.get(change["type"], (0, {}))[1]
    # The id may be made of the ARN, and both of the key's id: these come first.
    for name in sorted(unknown, key=lambda each: (each == "id", each == "arn", each)):
        if unknown[name] is not True:
            values[name] = _merged(values.get(name), before.get(name))
        elif before.get(name) is not None:
            values[name] = before[name]
        else:
            values[name] = _pretended(change, name, kinds.get(name, ""), {**facts, **_texts(values)})
    for name, number in NUMBERS.get(change["type"], {}).items():
        if values.get(name) is None:
            values[name] = number
    return values


def _marked(sensitive: Any) -> list[str]:
    """Return the attributes that are sensitive as a whole; a state without these marks would look changed."""
    return [name for name, mark in sensitive.items() if mark is True] if isinstance(sensitive, dict) else []


def _merged(planned: Any, before: Any) -> Any:
    """Fill what is missing inside a partly known block from what was there before."""
    if isinstance(planned, dict) and isinstance(before, dict):
        return {key: _merged(planned.get(key), before.get(key)) for key in planned.keys() | before.keys()}
    if isinstance(planned, list) and isinstance(before, list) and len(planned) == len(before):
        return [_merged(one, other) for one, other in zip(planned, before, strict=True)]
    return before if planned is None else planned


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _pretended(change: Mapping[str, Any], name: str, kind: str, facts: Mapping[str, str]) -> Any:
    """Return a plausible value for a text that only AWS knows; lists and maps are empty, numbers and switches unknown.

    It follows from the address alone, so the same resource has the same one in every review.
    """
    if kind.startswith("objects:"):  # such as the one secret of a database that manages its password
        return [{key: _pretended(change, key, "string", facts) for key in kind.removeprefix("objects:").split(",")}]
    if kind != "string":
        return {"list": [], "map": {}, "set": []}.get(kind)
    seed = hashlib.sha256(f"{change['address']}.{name}".encode()).hexdigest()
    type_, short = change["type"], seed[:6]
    pattern = {"arn": ARNS, "id": IDS}.get(name, {}).get(type_)
    if pattern:
        try:
            text = pattern.format(**facts, short=short)
        except KeyError:  # it has no name yet either
            pattern = None
        else:
            return f"arn:{PARTITION}:{text}" if name == "arn" else text
    # Of a password that another service keeps, or of a secret that is not known yet: modules read a name in it.
    if name == "secret_arn" or (name == "arn" and type_ == "aws_secretsmanager_secret_version"):
        return f"arn:{PARTITION}:secretsmanager:{facts['region']}:{facts['account']}:secret:{seed[:16]}-{short}"
    if name == "arn" or name.endswith("_arn"):
        service = type_.split("_")[1]
        return f"arn:{PARTITION}:{service}:{facts['region']}:{facts['account']}:{type_}/{seed[:16]}"
    if name == "key_id" and type_ in ("aws_kms_key", "aws_kms_replica_key"):
        shared = type_ == "aws_kms_replica_key" or change["change"]["after"].get("multi_region")
        return f"mrk-{seed[:32]}" if shared else str(uuid.UUID(seed[:32]))
    return {"account_id": facts["account"], "owner_id": facts["account"], "region": facts["region"]}.get(
        name, seed[:16]
    )


def regions_of(configuration: Mapping[str, Any]) -> dict[Address, str]:
    """Return each resource's region by its address without indexes, as far as the providers say it in plain text."""
    regions = {
        key: block.get("expressions", {}).get("region", {}).get("constant_value")
        for key, block in configuration.get("provider_config", {}).items()
    }

    def walk(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[Address, str]]:
        for resource in module.get("resources", []):
            region = regions.get(resource.get("provider_config_key", ""))
            if region:
                yield prefix + resource["address"], region
        for name, call in module.get("module_calls", {}).items():
            yield from walk(call["module"], f"{prefix}module.{name}.")

    return dict(walk(configuration["root_module"], ""))


def as_text(state: Mapping[str, Any]) -> str:
    """Return a state file's text."""
    return json.dumps(state, indent=1, sort_keys=True)
