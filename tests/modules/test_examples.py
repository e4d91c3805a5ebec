"""Each example creates on AWS what its inventory says: planned offline, all examples in one run."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def without_statement(sid: str) -> Callable[[str], str]:
    """Return an edit that takes the statement with this Sid out of a policy document."""
    return lambda text: re.sub(rf'\n  statement {{\n    sid += "{sid}".*?\n  }}\n', "\n", text, flags=re.S)


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that replaces a piece of text."""
    return lambda text: text.replace(old, new)


MISTAKES = {
    "the bucket policy no longer demands TLS": (
        "object_store/policy.tf",
        without_statement("DenyWithoutTls"),
        "object_store_basic: values.module.landing.aws_s3_bucket_policy.this.policy.Statement",
    ),
    "versioning is off": (
        "object_store/main.tf",
        replaced('var.versioning ? "Enabled"', 'var.versioning ? "Suspended"'),
        "object_store_basic: values.module.landing.aws_s3_bucket_versioning.this.versioning_configuration[0].status: "
        'expected "Enabled", planned "Suspended"',
    ),
    "public policies are possible": (
        "object_store/main.tf",
        replaced("restrict_public_buckets = true", "restrict_public_buckets = false"),
        "object_store_basic: values.module.landing.aws_s3_bucket_public_access_block.this.restrict_public_buckets: "
        "expected true, planned false",
    ),
    "a key no longer rotates": (
        "key/main.tf",
        replaced("enable_key_rotation     = true", "enable_key_rotation     = false"),
        "key_basic: values.module.key.aws_kms_key.primary[0].enable_key_rotation: expected true, planned false",
    ),
    "a table lost its protection": (
        "table/main.tf",
        replaced("= var.deletion_protection", "= false"),
        "table_basic: values.module.users.aws_dynamodb_table.this.deletion_protection_enabled: "
        "expected true, planned false",
    ),
    "one direction is no longer replicated": (
        "bucket_replication/main.tf",
        lambda text: re.sub(r'\nresource "aws_s3_bucket_replication_configuration" "b_to_a" {.*?\n}\n', "\n", text, flags=re.S),
        "bucket_replication_basic: resources.aws_s3_bucket_replication_configuration: expected 2, planned 1",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the comparison says about a copy of the modules that holds all of `MISTAKES`: one plan for them all."""
    folder = tmp_path_factory.mktemp("mistakes")
    modules = copy_of_modules(folder)
    for mistake, (file, edit, _) in MISTAKES.items():
        before = (modules / file).read_text()
        (modules / file).write_text(edit(before))
        assert (modules / file).read_text() != before, f"{mistake}: nothing to edit in {file}"
    # The output that names the direction taken away goes with it.
    outputs = modules / "bucket_replication" / "outputs.tf"
    outputs.write_text(re.sub(r'\noutput "rule_ids" {.*?\n}\n', "\n", outputs.read_text(), flags=re.S))
    touched = {file.split("/")[0] for file, _, _ in MISTAKES.values()}
    chosen = [example for example in inventory.examples() if example.module in touched]
    planned = inventory.plan(chosen, folder)
    return [line for example in chosen for line in inventory.compare(example, planned[example.key])]


@pytest.mark.xdist_group("planted-mistakes")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str, found: list[str]) -> None:
    expected = MISTAKES[mistake][2]
    assert any(line.startswith(expected) for line in found), "\n".join(found)
