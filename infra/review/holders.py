"""What holds data, what protects it, and what of that is missing: the data-loss watch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.review.planning import Delta
from infra.terraform import DATA_HOLDERS

Values = Mapping[str, Any]
Neighbours = Mapping[str, tuple[str, Values]]
"""By address: type and attributes of what is there before the change."""
Protection = Callable[[Values, list[tuple[str, Values]]], bool]


@dataclass(frozen=True)
class Loss:
    """Something that holds data and is to go, or to leave Terraform's care.

    Parameters
    ----------
    stack, address, type : str
        The resource.
    action : str
        delete, replace, forget (it stays in the cloud), or move (nothing is lost).
    because : tuple of str
        The attributes that force a replacement.
    protected, missing : tuple of str
        What protects the data, and what could and doesn't.
    """

    stack: str
    address: str
    type: str
    action: str
    because: tuple[str, ...]
    protected: tuple[str, ...]
    missing: tuple[str, ...]


def losses(deltas: Iterable[Delta], neighbours: Mapping[str, Neighbours]) -> list[Loss]:
    """Return every destruction, replacement, removal from the state and move of what holds data.

    Parameters
    ----------
    deltas : iterable of Delta
        The changes.
    neighbours : mapping
        By stack: what is there before, for protections that are resources of their own.
    """
    found = []
    for delta in deltas:
        if delta.action not in ("delete", "replace", "forget", "move") or delta.type not in DATA_HOLDERS:
            continue
        module = delta.address.rpartition(f"{delta.type}.")[0]
        near = [each for address, each in neighbours.get(delta.stack, {}).items() if address.startswith(module)]
        protections = {name: test(delta.before or {}, near) for name, test in PROTECTIONS.get(delta.type, {}).items()}
        found.append(
            Loss(
                delta.stack,
                delta.address,
                delta.type,
                delta.action,
                tuple(sorted({".".join(map(str, path)) for path in delta.replace_paths})),
                tuple(name for name, there in protections.items() if there),
                tuple(name for name, there in protections.items() if not there),
            )
        )
    return sorted(found, key=lambda each: (ORDER[each.action], each.stack, each.address))


ORDER = {"delete": 0, "replace": 1, "forget": 2, "move": 3}


def _flag(name: str) -> Protection:
    return lambda values, near: bool(values.get(name))


def _block(name: str, key: str) -> Protection:
    return lambda values, near: any(bool(each.get(key)) for each in values.get(name) or [])


def _beside(kind: str, test: Callable[[Values], bool]) -> Protection:
    """Look for another resource about the same bucket."""

    def found(values: Values, near: list[tuple[str, Values]]) -> bool:
        bucket = values.get("bucket")
        return any(type_ == kind and other.get("bucket") == bucket and test(other) for type_, other in near)

    return found


def _versioned(values: Values) -> bool:
    return any(each.get("status") == "Enabled" for each in values.get("versioning_configuration") or [])


PROTECTIONS: Mapping[str, Mapping[str, Protection]] = {
    "aws_cloudwatch_log_group": {"kept when destroyed (skip_destroy)": _flag("skip_destroy")},
    "aws_db_instance": {
        "deletion protection": _flag("deletion_protection"),
        "final snapshot": lambda values, near: not values.get("skip_final_snapshot"),
        "backups": _flag("backup_retention_period"),
        "backups outlive it": lambda values, near: values.get("delete_automated_backups") is False,
    },
    "aws_dynamodb_table": {
        "deletion protection": _flag("deletion_protection_enabled"),
        "point-in-time recovery": _block("point_in_time_recovery", "enabled"),
        "a replica in another region": _flag("replica"),
    },
    "aws_kms_key": {
        "a waiting time before it is deleted": _flag("deletion_window_in_days"),
        "multi-region": _flag("multi_region"),
    },
    "aws_kms_replica_key": {"a waiting time before it is deleted": _flag("deletion_window_in_days")},
    "aws_rds_cluster": {
        "deletion protection": _flag("deletion_protection"),
        "final snapshot": lambda values, near: not values.get("skip_final_snapshot"),
        "backups": _flag("backup_retention_period"),
    },
    "aws_s3_bucket": {
        "not destroyed while it holds objects": lambda values, near: not values.get("force_destroy"),
        "versioning": _beside("aws_s3_bucket_versioning", _versioned),
        "replication": _beside("aws_s3_bucket_replication_configuration", bool),
        "object lock": _flag("object_lock_enabled"),
    },
    "aws_secretsmanager_secret": {
        "a waiting time before it is deleted": _flag("recovery_window_in_days"),
        "a replica in another region": _flag("replica"),
    },
    "aws_sns_topic": {},
    "aws_sqs_queue": {},
    "google_bigquery_dataset": {
        "not destroyed while it holds tables": lambda values, near: not values.get("delete_contents_on_destroy"),
    },
    "google_bigquery_table": {"deletion protection": _flag("deletion_protection")},
    "google_firestore_database": {
        "deletion protection": lambda values, near: (
            values.get("delete_protection_state") == "DELETE_PROTECTION_ENABLED"
        ),
        "point-in-time recovery": lambda values, near: (
            values.get("point_in_time_recovery_enablement") == "POINT_IN_TIME_RECOVERY_ENABLED"
        ),
    },
    "google_secret_manager_secret": {"deletion protection": _flag("deletion_protection")},
    "google_storage_bucket": {
        "not destroyed while it holds objects": lambda values, near: not values.get("force_destroy"),
        "versioning": _block("versioning", "enabled"),
        "soft delete": _block("soft_delete_policy", "retention_duration_seconds"),
    },
    "snowflake_database": {"time travel": _flag("data_retention_time_in_days")},
    "snowflake_schema": {"time travel": _flag("data_retention_time_in_days")},
    "snowflake_table": {"time travel": _flag("data_retention_time_in_days")},
}
"""By type: what can protect its data, and how to see whether it does. Each is documented under the attribute's name."""
