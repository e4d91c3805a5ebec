"""The mistakes that are planted: what people get wrong in a pull request."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.planting import Rule, replace, without, without_resource

DOCUMENT = 'data "aws_iam_policy_document"'
KEY_ARGUMENTS = r"(?:admin_password_secret_kms_key_id|kms_key_id|kms_master_key_id|kms_key_arn|replica_kms_key_id|performance_insights_kms_key_id)"

_MODULES = (
    # -- open to the world
    Rule(
        "bucket-opened",
        replace(
            r"((?:block_public_acls|block_public_policy|ignore_public_acls|restrict_public_buckets) +=) true",
            r"\1 false",
        ),
    ),
    Rule("public-access-block-removed", without_resource("aws_s3_bucket_public_access_block")),
    Rule(
        "port-opened",
        replace(
            r"referenced_security_group_id = .*$",
            'cidr_ipv4                    = "0.0.0.0/0"',
            within='resource "aws_vpc_security_group_ingress_rule"',
        ),
    ),
    Rule("database-made-public", replace(r"(publicly_accessible +=) false", r"\1 true")),
    Rule("subnet-made-public", replace(r"(map_public_ip_on_launch +=) false", r"\1 true")),
    Rule("default-group-left-open", without_resource("aws_default_security_group")),
    Rule("route-opened", replace(r'each\.value\.public \? "NONE" : var\.authorization', '"NONE"')),
    # -- rights
    Rule("action-widened", replace(r"^(    actions   = )\[.*\]$", r'\1["*"]', within=DOCUMENT, allowing=True)),
    Rule("resource-widened", replace(r"^(    resources = )\[.*\]$", r'\1["*"]', within=DOCUMENT, allowing=True)),
    Rule(
        "trust-widened",
        replace(
            r'^(      type        = )"Service"\n      identifiers = .*$',
            r'\1"AWS"\n      identifiers = ["*"]',
            within='data "aws_iam_policy_document" ".*(?:assume|trust)"',
        ),
    ),
    Rule("condition-dropped", without("condition {", within=DOCUMENT, allowing=True)),
    Rule("caller-not-checked", without("source_arn +=", within='resource "aws_lambda_permission"')),
    Rule("denial-turned-round", replace(r'((?:effect|Effect) += )"Deny"', r'\1"Allow"')),
    # -- encryption
    Rule("customer-key-dropped", without(rf"{KEY_ARGUMENTS} +=", within='resource "aws_')),
    Rule("encryption-removed", without_resource("aws_s3_bucket_server_side_encryption_configuration")),
    Rule("storage-not-encrypted", replace(r"(storage_encrypted +=) true", r"\1 false")),
    Rule("plain-connections", replace(r'(name  = "rds.force_ssl"\n +value =) "1"', r'\1 "0"')),
    Rule("plain-queries", replace(r'(require_ssl +=) "true"', r'\1 "false"')),
    Rule("key-not-rotated", replace(r"(enable_key_rotation +=) true", r"\1 false")),
    Rule("tls-not-demanded", without('statement {\n    sid       = "DenyWithoutTls"', within=DOCUMENT)),
    # -- what undoes a mistake
    Rule(
        "versioning-suspended",
        replace(
            r'(?<=status = )(?:var\.versioning \? )?"Enabled"(?: : "Suspended")?',
            '"Suspended"',
            within='resource "aws_s3_bucket_versioning"',
        ),
    ),
    Rule("lifecycle-removed", without_resource("aws_s3_bucket_lifecycle_configuration")),
    Rule("recovery-off", replace(r"(enabled|point_in_time_recovery)( +=) var\.pitr", r"\1\2 false")),
    Rule("protection-off", replace(r"(deletion_protection(?:_enabled)? +=) var\.deletion_protection", r"\1 false")),
    Rule(
        "destroyed-while-full",
        replace(
            r"(force_destroy +=) var\.force_destroy", r"\1 true", within='resource "aws_(?:s3_bucket|backup_vault)"'
        ),
    ),
    Rule("no-last-snapshot", replace(r"(skip_final_snapshot +=) .*$", r"\1 true")),
    Rule("backup-not-copied", without("copy_action {")),
    Rule("backups-thrown-away", replace(r"(delete_after =) .*$", r"\1 1")),
    Rule("backup-lock-removed", without_resource("aws_backup_vault_lock_configuration")),
    Rule("backups-off", replace(r"(backup_retention_period +=) .*$", r"\1 0")),
    Rule("log-retention-shortened", replace(r"(retention_in_days +=) .*$", r"\1 1")),
    Rule("dead-letters-shortened", replace(r"(message_retention_seconds +=) 1209600", r"\1 60")),
    Rule("versions-thrown-away", replace(r"(noncurrent_days +=) .*$", r"\1 1")),
    Rule("key-deleted-at-once", replace(r"(deletion_window_in_days +=) .*$", r"\1 7")),
    Rule("secret-deleted-at-once", replace(r"(recovery_window_in_days +=) .*$", r"\1 0")),
    # -- what must not get lost
    Rule("dead-letters-removed", without(r'dynamic "(?:destination_config|dead_letter_config)" {')),
    Rule("redrive-removed", without(r"redrive_policy = jsonencode\(")),
    Rule("replication-paused", replace(r'(priority = 0\n +status   =) "Enabled"', r'\1 "Disabled"')),
    Rule("replicas-without-a-promise", without("replication_time {")),
    Rule("replica-removed", without('dynamic "replica" {')),
    # -- what people see
    Rule("access-log-removed", without("access_log_settings {")),
    Rule("bucket-log-removed", without_resource("aws_s3_bucket_logging")),
    Rule("flow-log-removed", without_resource("aws_flow_log")),
    Rule("alarm-removed", without_resource("aws_cloudwatch_metric_alarm")),
    Rule("alarm-tells-nobody", replace(r"(alarm_actions +=) .*$", r"\1 []")),
    Rule("failover-turned-round", replace('"PRIMARY" : "SECONDARY"', '"SECONDARY" : "PRIMARY"')),
    Rule("health-not-checked", replace(r"^  health_check_id = .*$\n", "")),
    Rule("log-group-not-used", without("log_group  =", within='resource "aws_lambda_function"')),
    Rule("timeout-dropped", without("timeout +=", within='resource "aws_lambda_function"')),
    # -- secrets
    Rule(
        "password-in-code",
        replace(
            r"manage_master_user_password +=.*$\n.*master_user_secret_kms_key_id.*$", 'password = "correct-horse-9"'
        ),
    ),
    Rule(
        "admin-password-in-code",
        replace(
            r"manage_admin_password +=.*$\n.*admin_password_secret_kms_key_id.*$",
            'admin_user_password = "correct-horse-9"',
        ),
    ),
    Rule(
        "secret-in-state",
        replace(r"^  secret_string_wo +=.*$\n  secret_string_wo_version.*$", '  secret_string = "correct-horse-9"'),
    ),
    # -- other clouds
    Rule("google-bucket-opened", replace(r'"enforced"', '"inherited"')),
    Rule("azure-network-opened", replace(r'(default_action +=) "Deny"', r'\1 "Allow"')),
    Rule("limit-stops-nothing", replace(r"(breach_action +=) .*$", r'\1 "log"')),
    Rule("credits-not-limited", replace(r"^ +resource_monitor +=.*\n", "")),
)

_STACKS = tuple(
    Rule(name, edit, stacks=True)
    for name, edit in {
        "region-moved": replace(r'"eu-west-1"$', '"ap-southeast-1"'),
        "grant-widened": replace(r'("actions": \["[\w-]+):[^\]\n]*\]', r'\1:*"]'),
        "grant-on-everything": replace(r'("resources": )\[.*\]', r'\1["*"]'),
        "secret-in-environment": replace(r"environment=(?=\{)", 'environment={"DB_PASSWORD": "correct-horse-9"} | '),
        "open-without-a-reason": replace(r"^ +public_because=.*\n", ""),
        "route-opened-by-a-stack": replace(r"\{route: target for", '{route: {**target, "public": True} for'),
        "table-unprotected": replace(r"(deletion_protection=).*(?=,$)", r"\1False"),
        "bucket-destroyed-while-full": replace(r"(force_destroy=)self\.target\.disposable", r"\1True"),
        "key-waits-a-week": replace(r'(deletion_window_days(?:=|": )).*(?=,$)', r"\g<1>7"),
        "secret-goes-at-once": replace(r"(recovery_window_days=).*(?=,$)", r"\g<1>0"),
        "second-copy-dropped": replace(r"^ +replicas=\{.*\n", ""),
        "missed-runs-forgotten": replace(r"^ +dead_letter=\{.*\n", ""),
        "alarms-left-out": replace(r"^ +self\._(?:health_)?alarms?\((?!region).*\)\n", ""),
        "alarm-made-deaf": replace(r'("threshold": )(?:[2-9]|\d[\d_]+),', r"\g<1>9_999_999,"),
        "concurrency-without-limit": replace(r"(reserved_concurrency=)\d+", r"\1-1"),
        "data-called-public": replace(r'^data_class = "(?!public).*"', 'data_class = "public"'),
    }.items()
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in (*_MODULES, *_STACKS)}
