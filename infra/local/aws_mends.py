"""Mends for MiniStack 1.5.33: what it forgets although the request said it, so that a second plan is empty.

Each mend says what goes wrong without it; tests/e2e/test_local_mends.py shows each at work. Delete one when a newer
MiniStack does without. Runs inside the gateway's process (environment ``local``), before the first request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape


def apply() -> None:
    """Put the mends into MiniStack's modules."""
    security_group_prefix_lists()
    alarms_in_xml()
    replica_keys()
    secret_replicas_removed()


def security_group_prefix_lists() -> None:
    """Keep the prefix lists of security group rules.

    Without it two rules to different gateway endpoints become one, and the provider stops at the next plan.
    """
    from ministack.services import ec2

    parse, describe = ec2._parse_ip_permissions, ec2._sg_rule_xml

    def parse_with_prefix_lists(params: Any, prefix: str) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = parse(params, prefix)
        for number, rule in enumerate(rules, start=1):
            rule["PrefixListIds"] = list(_prefix_lists(ec2, params, f"{prefix}.{number}.PrefixListIds"))
        return rules

    def describe_with_prefix_lists(group: str, rule: dict[str, Any], is_egress: bool = False) -> str:
        xml: str = describe(group, rule, is_egress)
        lists = [each["PrefixListId"] for each in rule.get("PrefixListIds", [])]
        if not lists:
            return xml
        others = any(rule.get(key) for key in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs"))
        # Only rules without any other peer have the bare item that the prefix list belongs into.
        if others:
            return xml
        return "".join(xml.replace("</item>", f"<prefixListId>{each}</prefixListId></item>") for each in lists)

    ec2._parse_ip_permissions = parse_with_prefix_lists
    ec2._sg_rule_xml = describe_with_prefix_lists


def _prefix_lists(ec2: Any, params: Any, base: str) -> Iterator[dict[str, str]]:
    number = 1
    while identifier := ec2._p(params, f"{base}.{number}.PrefixListId"):
        description = ec2._p(params, f"{base}.{number}.Description")
        yield {"PrefixListId": identifier} | ({"Description": description} if description else {})
        number += 1


def alarms_in_xml() -> None:
    """Answer DescribeAlarms in the query protocol with all fields, as it does in JSON.

    Without it the provider reads alarms without actions, dimensions and period, and plans to update them for ever.
    """
    from ministack.services import cloudwatch

    describe = cloudwatch._describe_alarms

    def describe_in_full(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return describe(params, data, is_cbor, is_json)
        wanted = {
            "AlarmNames": list(_members(cloudwatch, params, "AlarmNames")),
            "AlarmTypes": list(_members(cloudwatch, params, "AlarmTypes")),
            "AlarmNamePrefix": cloudwatch._p(params, "AlarmNamePrefix"),
            "StateValue": cloudwatch._p(params, "StateValue"),
            "MaxRecords": cloudwatch._p(params, "MaxRecords"),
            "NextToken": cloudwatch._p(params, "NextToken"),
        }
        status, headers, body = describe(params, wanted, False, True)
        if status != 200:
            return describe(params, data, False, False)
        result = f"<DescribeAlarmsResult>{to_xml(json.loads(body))}</DescribeAlarmsResult>"
        return cloudwatch._xml(200, "DescribeAlarmsResponse", result)

    cloudwatch._describe_alarms = describe_in_full


def _members(cloudwatch: Any, params: Any, name: str) -> Iterator[str]:
    number = 1
    while value := cloudwatch._p(params, f"{name}.member.{number}"):
        yield value
        number += 1


def to_xml(value: Any, key: str = "") -> str:
    """Write plain data as the query protocol does: fields as elements, list entries as ``member``."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{to_xml(item, name)}</{name}>" for name, item in value.items() if item is not None)
    if isinstance(value, list):
        return "".join(f"<member>{to_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if key.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return escape(str(value))


def replica_keys() -> None:
    """Keep the key that a replica of a global table was given, and drop a removed replica's tags.

    Without it each replica shows the first region's key, and the provider plans to make the replica again; and a
    destroyed stack seems to have left a table.
    """
    from ministack.services import dynamodb

    update = dynamodb._apply_replica_updates

    def update_with_keys(name: str, table: dict[str, Any], updates: list[dict[str, Any]]) -> Any:
        refused = update(name, table, updates)
        if refused is None:
            account = dynamodb.get_account_id()
            for change in updates:
                for action, body in change.items():
                    if action == "Delete":
                        arn = f"arn:aws:dynamodb:{body['RegionName']}:{account}:table/{name}"
                        dynamodb._tags.pop_scoped(account, body["RegionName"], arn, None)
                    replica = dynamodb._tables.get_scoped(account, body["RegionName"], name)
                    key = body.get("KMSMasterKeyId")
                    if action in ("Create", "Update") and key and replica is not None:
                        sse = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
                        replica["SSEDescription"] = {**(replica.get("SSEDescription") or {}), **sse}
        return refused

    dynamodb._apply_replica_updates = update_with_keys


def secret_replicas_removed() -> None:
    """Serve RemoveRegionsFromReplication.

    Without it a replicated secret can't be destroyed: the provider takes its replicas away first.
    """
    from ministack.services import secretsmanager

    handle = secretsmanager.handle_request

    async def handle_removal(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        if not headers.get("x-amz-target", "").endswith(".RemoveRegionsFromReplication"):
            return await handle(method, path, headers, body, query)
        wanted = json.loads(body or b"{}")
        _, secret = secretsmanager._resolve(wanted.get("SecretId"))
        if secret is None:
            code, what = "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            return secretsmanager.error_response_json(code, what, 400)
        gone = set(wanted.get("RemoveReplicaRegions", []))
        status = secret.get("ReplicationStatus", [])
        secretsmanager._delete_replicas({**secret, "ReplicationStatus": [s for s in status if s["Region"] in gone]})
        secret["ReplicationStatus"] = [s for s in status if s["Region"] not in gone]
        answer = {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}
        return secretsmanager.json_response(answer)

    secretsmanager.handle_request = handle_removal
