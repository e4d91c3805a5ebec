"""ORR_1: data above the class public is encrypted with a customer key."""

from __future__ import annotations

from infra.policies import SETTINGS
from infra.policies.base import Policy, Resource, block, blocks, mapping, planned, text

OPEN_CLASS = SETTINGS["data_classes"][0]

# Where each type that keeps data takes the key: the blocks on the way, then the argument.
KEYS: dict[str, tuple[str, ...]] = {
    "aws_backup_vault": ("kms_key_arn",),
    "aws_cloudtrail": ("kms_key_id",),
    "aws_cloudwatch_log_group": ("kms_key_id",),
    "aws_db_instance": ("kms_key_id",),
    "aws_dms_replication_instance": ("kms_key_arn",),
    "aws_docdb_cluster": ("kms_key_id",),
    "aws_dynamodb_table": ("server_side_encryption", "kms_key_arn"),
    "aws_dynamodb_table_replica": ("kms_key_arn",),
    "aws_ebs_volume": ("kms_key_id",),
    "aws_ecr_repository": ("encryption_configuration", "kms_key"),
    "aws_efs_file_system": ("kms_key_id",),
    "aws_elasticache_replication_group": ("kms_key_id",),
    "aws_kinesis_firehose_delivery_stream": ("server_side_encryption", "key_arn"),
    "aws_kinesis_stream": ("kms_key_id",),
    "aws_memorydb_cluster": ("kms_key_arn",),
    "aws_msk_cluster": ("encryption_info", "encryption_at_rest_kms_key_arn"),
    "aws_mwaa_environment": ("kms_key",),
    "aws_neptune_cluster": ("kms_key_arn",),
    "aws_opensearch_domain": ("encrypt_at_rest", "kms_key_id"),
    "aws_rds_cluster": ("kms_key_id",),
    "aws_redshift_cluster": ("kms_key_id",),
    "aws_redshiftserverless_namespace": ("kms_key_id",),
    "aws_secretsmanager_secret": ("kms_key_id",),
    "aws_sns_topic": ("kms_master_key_id",),
    "aws_sqs_queue": ("kms_master_key_id",),
    "aws_timestreamwrite_database": ("kms_key_id",),
}
REPLICA_KEYS = {"aws_dynamodb_table": "kms_key_arn", "aws_secretsmanager_secret": "kms_key_id"}


class CustomerKey(Policy):
    """A key of the service, or one that AWS manages for the account, is not a customer key."""

    policy = "ORR_1"
    types = ("aws_lambda_function", "aws_s3_bucket", *KEYS)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the key of a resource, unless its stack says that all may see its data."""
        if not planned(resource) or mapping(resource, "tags_all").get("data-class") == OPEN_CLASS:
            return None
        if self.entity_type == "aws_s3_bucket":
            kind = "aws_s3_bucket_server_side_encryption_configuration"
            rules = [rule for each in self.attached(resource, kind, "bucket") for rule in blocks(each, "rule")]
            return bool(rules) and all(_bucket_key(rule) for rule in rules)
        if self.entity_type == "aws_lambda_function":
            return _is_customers(resource, "kms_key_arn") if blocks(resource, "environment") else None
        *way, argument = KEYS[self.entity_type]
        replicas = blocks(resource, "replica") if self.entity_type in REPLICA_KEYS else []
        return _is_customers(block(resource, *way), argument) and all(
            _is_customers(each, REPLICA_KEYS[self.entity_type]) for each in replicas
        )


def _bucket_key(rule: Resource) -> bool:
    encryption = block(rule, "apply_server_side_encryption_by_default")
    return text(encryption, "sse_algorithm").startswith("aws:kms") and _is_customers(encryption, "kms_master_key_id")


def _is_customers(resource: Resource, argument: str) -> bool:
    key = text(resource, argument)
    return bool(key) and "alias/aws/" not in key


CHECK = CustomerKey()
