"""AWS Backup: vaults, plans and selections are kept, and no backup ever lies in a vault."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.local_aws import HERE, THERE, LocalAws, failure, until, works_now

pytestmark = pytest.mark.e2e

NOBODY = "arn:aws:iam::000000000000:role/nobody-has-this-name"


@pytest.fixture
def backup(aws: LocalAws) -> Any:
    return aws.client("backup")


@pytest.fixture
def table(aws: LocalAws, name: str) -> str:
    """The ARN of a table with an item in it."""
    dynamodb = aws.client("dynamodb")
    made = dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName=name, Item={"k": {"S": "v"}})
    return str(made["TableDescription"]["TableArn"])


@pytest.fixture
def vault(aws: LocalAws, backup: Any, name: str) -> str:
    """The name of a vault that is there in two regions."""
    backup.create_backup_vault(BackupVaultName=name)
    aws.client("backup", THERE).create_backup_vault(BackupVaultName=name)
    return name


def planned(backup: Any, vault: str, schedule: str) -> str:
    """Make a plan that copies to the other region's vault, and return its id."""
    copy = {"DestinationBackupVaultArn": f"arn:aws:backup:{THERE}:000000000000:backup-vault:{vault}"}
    rule = {
        "RuleName": "often",
        "TargetBackupVaultName": vault,
        "ScheduleExpression": schedule,
        "StartWindowMinutes": 60,
        "CopyActions": [copy],
    }
    made = backup.create_backup_plan(BackupPlan={"BackupPlanName": vault, "Rules": [rule]})
    return str(made["BackupPlanId"])


def kept(client: Any, vault: str) -> list[Any]:
    return list(client.list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"])


def test_a_job_leaves_no_backup_in_its_vault(aws: LocalAws, backup: Any, vault: str, table: str) -> None:
    """Not even a job that is started by hand, and that says of itself that it is done, leaves anything to restore."""
    job = backup.start_backup_job(BackupVaultName=vault, ResourceArn=table, IamRoleArn=NOBODY)["BackupJobId"]
    until(lambda: backup.describe_backup_job(BackupJobId=job)["State"] not in ("CREATED", "RUNNING"), 10, "the job")
    works_now(kept(backup, vault), "a backup is kept")
    works_now(kept(aws.client("backup", THERE), vault), "a backup is copied")


def test_a_plan_whose_time_comes_starts_no_job(backup: Any, vault: str, table: str) -> None:
    """It is due each minute, and a minute is over within one."""
    plan = planned(backup, vault, "cron(* * * * ? *)")
    selection = {"SelectionName": "all", "IamRoleArn": NOBODY, "Resources": [table]}
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    begun = time.time() // 60
    until(lambda: time.time() // 60 > begun and time.time() % 60 > 2, 65, "the minute to be over")
    works_now(backup.list_backup_jobs(ByResourceArn=table)["BackupJobs"], "a plan starts a job")


def test_a_selection_asks_no_role(backup: Any, vault: str, table: str) -> None:
    """AWS refuses a role that isn't there, or that AWS Backup may not take."""
    plan = planned(backup, vault, "cron(0 3 * * ? *)")
    selection = {"SelectionName": "all", "IamRoleArn": NOBODY, "Resources": [table]}
    works_now(
        failure(lambda: backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)),
        "a role that is not there is refused",
    )
    found = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert [each["SelectionName"] for each in found] == ["all"]


def test_a_vault_takes_no_lock(backup: Any, vault: str) -> None:
    works_now(
        not failure(lambda: backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=7)),
        f"a vault in {HERE} is locked",
    )
