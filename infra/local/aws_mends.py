"""Mends for MiniStack 1.5.33: what it forgets although the request said it, so that a second plan is empty; and a wait.

Each mend says what goes wrong without it; tests/e2e/test_local_mends.py shows each at work. Delete one when a newer
MiniStack does without. Runs inside the gateway's process (environment ``local``), before the first request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FunctionType
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape


def apply() -> None:
    """Put the mends into MiniStack's modules."""
    alarms_in_xml()
    alarms_that_look()
    replica_keys()
    secret_replicas()
    encoded_versions()
    log_group_keys()
    changes_without_waiting()


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
        status, _, body = describe(params, wanted, False, True)
        if status != 200:
            return describe(params, data, False, False)
        found = json.loads(body)
        for alarm in found.get("MetricAlarms", []):
            if alarm.get("ExtendedStatistic"):
                alarm.pop("Statistic", None)  # AWS shows a percentile instead of a statistic, not beside it
        result = f"<DescribeAlarmsResult>{to_xml(found)}</DescribeAlarmsResult>"
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
        return "".join(
            f"<{name}>{to_xml(item, name)}</{name}>" for name, item in value.items() if item not in (None, "")
        )
    if isinstance(value, list):
        return "".join(f"<member>{to_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if key.endswith("Timestamp") and isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return escape(str(value))


def alarms_that_look() -> None:
    """Let an alarm look at its own dimensions, and also when a service of AWS writes its metric.

    Without it one function's error sets off the alarms of all functions, and only once somebody else writes a metric.
    """
    from ministack.services import cloudwatch

    evaluate, record = cloudwatch._evaluate_alarm, cloudwatch.record_metric

    def evaluate_its_own(alarm: dict[str, Any]) -> None:
        wanted = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
        own = {key: points for key, points in cloudwatch._metrics.items() if key[2] == wanted}
        # The same code with other metrics before its eyes: the module's own are written to meanwhile.
        FunctionType(evaluate.__code__, {**vars(cloudwatch), "_metrics": own})(alarm)

    def record_and_look(namespace: str, metric_name: str, *more: Any, **named: Any) -> None:
        record(namespace, metric_name, *more, **named)
        for alarm in list(cloudwatch._alarms.values()):
            if (alarm.get("Namespace"), alarm.get("MetricName")) == (namespace, metric_name):
                evaluate_its_own(alarm)

    cloudwatch._evaluate_alarm, cloudwatch.record_metric = evaluate_its_own, record_and_look


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


def secret_replicas() -> None:
    """Create a secret with its replicas, and serve RemoveRegionsFromReplication.

    Without it a new replicated secret has no replica, and one that has can't be destroyed.
    """
    from ministack.services import secretsmanager

    create, handle = secretsmanager._create_secret, secretsmanager.handle_request

    def create_with_replicas(data: dict[str, Any]) -> Any:
        answer = create(data)
        if answer[0] != 200 or not data.get("AddReplicaRegions"):
            return answer
        created = json.loads(answer[2])
        replicated = secretsmanager._replicate_secret_to_regions({**data, "SecretId": created["ARN"]})
        if replicated[0] != 200:
            secretsmanager._secrets.pop(data["Name"], None)
            return replicated
        status = json.loads(replicated[2])["ReplicationStatus"]
        return secretsmanager.json_response({**created, "ReplicationStatus": status})

    def remove_regions(wanted: dict[str, Any]) -> Any:
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

    async def handle_removal(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        if headers.get("x-amz-target", "").endswith(".RemoveRegionsFromReplication"):
            return remove_regions(json.loads(body or b"{}"))
        return await handle(method, path, headers, body, query)

    secretsmanager._create_secret = create_with_replicas
    secretsmanager.handle_request = handle_removal


def encoded_versions() -> None:
    """Encode the keys that ListObjectVersions lists, where the caller asks for it.

    Without it the provider decodes keys that were never encoded, and empties a bucket for ever in which a key holds
    a plus or a percent sign: ``destroy`` hangs.
    """
    from ministack.services import s3

    listed = s3._list_object_versions
    names = {f"{{{s3.S3_NS}}}{name}" for name in ("Delimiter", "Key", "KeyMarker", "NextKeyMarker", "Prefix")}

    def list_encoded(bucket: str, query: Any) -> Any:
        status, headers, body = listed(bucket, query)
        if status != 200 or s3._qp(query, "encoding-type", "") != "url":
            return status, headers, body
        ElementTree.register_namespace("", s3.S3_NS)
        root = ElementTree.fromstring(body)
        for element in root.iter():
            if element.text and element.tag in names:
                element.text = quote(element.text, safe="/")
        ElementTree.SubElement(root, f"{{{s3.S3_NS}}}EncodingType").text = "url"
        return status, headers, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)

    s3._list_object_versions = list_encoded


def log_group_keys() -> None:
    """Serve AssociateKmsKey and DisassociateKmsKey; without them a log group can't be given another key."""
    from ministack.services import cloudwatch_logs as logs

    handle = logs.handle_request

    async def handle_keys(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        if headers.get("x-amz-target", "").rpartition(".")[2] not in ("AssociateKmsKey", "DisassociateKmsKey"):
            return await handle(method, path, headers, body, query)
        wanted = json.loads(body or b"{}")
        group = logs._log_groups.get(wanted.get("logGroupName"))
        if group is None:
            return logs.error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)
        group["kmsKeyId"] = wanted.get("kmsKeyId")
        return logs.json_response({})

    logs.handle_request = handle_keys


def changes_without_waiting() -> None:
    """Tell Terraform of no change that it could wait for: a zone or record is there when Route 53 has answered.

    Without it the provider waits half a minute before it first asks whether a change has reached all name servers of
    AWS, for a zone and then for its records, and does so again to destroy them. Other callers get the change.
    """
    from ministack.services import route53

    handle = route53.handle_request

    async def handle_at_once(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        status, answered, answer = await handle(method, path, headers, body, query)
        if method == "GET" or "terraform" not in str(headers.get("user-agent", "")).lower() or not answer:
            return status, answered, answer
        root = ElementTree.fromstring(answer)
        namespace = root.tag.partition("}")[0].removeprefix("{")
        for change in root.findall(f"{{{namespace}}}ChangeInfo"):
            root.remove(change)
        ElementTree.register_namespace("", namespace)
        return status, answered, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)

    route53.handle_request = handle_at_once
