"""Each example creates what its inventory says: planned offline, all examples in one run."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.paths import MODULES
from tests.modules import inventory
from tests.modules.inventory import Example, Inventory
from tests.modules.terraform_cli import copy_of_modules

pytestmark = pytest.mark.terraform


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one of the test processes work in a folder while the others wait for it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Inventory]:
    """All examples as planned, once per run however many processes share it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "examples"
    with only_one(shared):
        result = shared / "planned.json"
        if not result.exists():
            copy_of_modules(shared)
            result.write_text(json.dumps(inventory.plan(inventory.examples(), shared)))
    return json.loads(result.read_text())


@pytest.mark.parametrize("example", inventory.examples(), ids=lambda example: example.key)
def test_example_matches_its_inventory(example: Example, planned: dict[str, Inventory]) -> None:
    assert inventory.compare(example, planned[example.key]) == []


def test_no_inventory_without_an_example() -> None:
    known = {example.inventory for example in inventory.examples()}
    assert sorted(set(inventory.INVENTORIES.glob("*")) - known) == []


def test_every_module_has_a_basic_example() -> None:
    modules = {path.parent.name for path in MODULES.glob("*/variables.tf")}
    assert {path.parts[-4] for path in MODULES.glob("*/examples/basic/main.tf")} == modules


# ------------------------------------------------------------------------------------------- planted mistakes


def without(beginning: str, end: str) -> Callable[[str], str]:
    """Return an edit that takes out a block, from how it begins to the line that ends it."""

    def edit(text: str) -> str:
        first = text.index(beginning)
        return text[:first] + text[text.index("\n" + end, first) + 1 + len(end) :]

    return edit


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that replaces a piece of text."""
    return lambda text: text.replace(old, new)


@dataclass(frozen=True)
class Mistake:
    """An edit of a module, and how the line begins that must report it."""

    file: str
    edit: Callable[[str], str]
    report: str


LANDING = "object_store_basic: values.module.landing"
MISTAKES = {
    "the bucket policy no longer demands TLS": Mistake(
        "object_store/policy.tf",
        without('  statement {\n    sid       = "DenyWithoutTls"', "  }\n"),
        f"{LANDING}.aws_s3_bucket_policy.this.policy.Statement",
    ),
    "versioning is off": Mistake(
        "object_store/main.tf",
        replaced('var.versioning ? "Enabled"', 'var.versioning ? "Suspended"'),
        f'{LANDING}.aws_s3_bucket_versioning.this.versioning_configuration[0].status: expected "Enabled"',
    ),
    "the bucket may be made public": Mistake(
        "object_store/main.tf",
        replaced("restrict_public_buckets = true", "restrict_public_buckets = false"),
        f"{LANDING}.aws_s3_bucket_public_access_block.this.restrict_public_buckets: expected true",
    ),
    "a key no longer rotates": Mistake(
        "key/main.tf",
        replaced("enable_key_rotation     = true", "enable_key_rotation     = false"),
        "key_basic: values.module.key.aws_kms_key.primary[0].enable_key_rotation: expected true",
    ),
    "a table has lost its protection": Mistake(
        "table/main.tf",
        replaced("= var.deletion_protection", "= false"),
        "table_basic: values.module.users.aws_dynamodb_table.this.deletion_protection_enabled: expected true",
    ),
    "a role may do more than it did": Mistake(
        "bucket_replication/roles.tf",
        replaced('"s3:ReplicateDelete"', '"s3:*"'),
        "bucket_replication_basic: values.module.replication.aws_iam_role_policy.a_to_b.policy.Statement",
    ),
    "a reference no longer leads to its resource": Mistake(
        "secret/main.tf",
        replaced("= aws_secretsmanager_secret.this.id\n", "= var.name\n"),
        'secret_basic: values.module.secret.aws_secretsmanager_secret_version.this.secret_id: expected "<unknown>"',
    ),
    "an output is gone": Mistake(
        "queue/outputs.tf",
        without('output "url"', "}\n"),
        'queue_basic: outputs.orders.url: expected "<unknown>", planned null',
    ),
    "a bucket on Google Cloud may be made public": Mistake(
        "gcs_replica/main.tf",
        replaced('"enforced"', '"inherited"'),
        "gcs_replica_basic: values.module.landing.google_storage_bucket.this.public_access_prevention: expected",
    ),
    "a lake on Azure is open to all networks": Mistake(
        "adls_container/main.tf",
        replaced('"Deny"', '"Allow"'),
        "adls_container_basic: values.module.lake.azurerm_storage_account.this.network_rules[0].default_action: expected",
    ),
    "a warehouse has no limit on its credits": Mistake(
        "snowflake_warehouse/main.tf",
        replaced("  resource_monitor    = snowflake_resource_monitor.this.name\n", ""),
        "snowflake_warehouse_basic: values.module.warehouse.snowflake_warehouse.this.resource_monitor: expected",
    ),
    "a loader may change what has landed": Mistake(
        "snowflake_pipeline/roles.tf",
        replaced('privileges = ["INSERT"] } },', 'privileges = ["DELETE", "INSERT"] } },'),
        'snowflake_pipeline_basic: values.module.pipeline.snowflake_grant_privileges_to_account_role.objects["LOADER MESSAGES"]'
        ".privileges",
    ),
    "a task's failures are told to nobody": Mistake(
        "snowflake_pipeline/tasks.tf",
        replaced("  error_integration               = one(snowflake_notification_integration.this[*].name)\n", ""),
        'snowflake_pipeline_basic: values.module.pipeline.snowflake_task.this["MERGE"].error_integration: expected',
    ),
    "a failing task keeps what it did before": Mistake(
        "snowflake_pipeline/tasks.tf",
        replaced('"ROLLBACK;", ', ""),
        'snowflake_pipeline_basic: values.module.pipeline.snowflake_task.this["MERGE"].sql_statement: expected',
    ),
    "a job's cluster follows no policy": Mistake(
        "databricks_job/main.tf",
        replaced("      policy_id          = databricks_cluster_policy.this.id\n", ""),
        "databricks_job_basic: values.module.orders.databricks_job.this.job_cluster[0].new_cluster[0].policy_id: expected",
    ),
    "a resource is gone": Mistake(
        "dns/main.tf",
        without('resource "aws_route53_record" "latency"', "}\n"),
        "dns_basic: resources.aws_route53_record: expected 2, planned null",
    ),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the comparison says about a copy of the modules with all `MISTAKES`: one plan for them all."""
    folder = tmp_path_factory.mktemp("mistakes")
    modules = copy_of_modules(folder)
    for name, mistake in MISTAKES.items():
        before = (modules / mistake.file).read_text()
        (modules / mistake.file).write_text(mistake.edit(before))
        assert (modules / mistake.file).read_text() != before, f"{name}: nothing to edit in {mistake.file}"
    touched = {mistake.file.split("/")[0] for mistake in MISTAKES.values()}
    chosen = [example for example in inventory.examples() if example.module in touched]
    planned = inventory.plan(chosen, folder)
    return [line for example in chosen for line in inventory.compare(example, planned[example.key])]


@pytest.mark.xdist_group("planted-mistakes")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(name: str, found: list[str]) -> None:
    assert any(line.startswith(MISTAKES[name].report) for line in found), "\n".join(found)
