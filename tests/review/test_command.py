"""``orrery review`` as a reviewer has it: in a clone with a change that is not committed yet."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import catalog
from infra.paths import ROOT, STATE

BUILT = sum(info.built for info in catalog.load().values())

pytestmark = [pytest.mark.terraform, pytest.mark.xdist_group("review-command")]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the checkout as it is, with a state folder of its own; environments and caches are shared."""
    folder = tmp_path_factory.mktemp("clone") / "orrery"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-mo", "--exclude-standard", "-z"], check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["add", "-A"], [*identity, "commit", "-q", "--allow-empty", "-m", "as it is"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".orrery").mkdir()
    for name in ("envs", "cache"):
        (folder / ".orrery" / name).symlink_to(STATE / name)
    return folder


@pytest.fixture(scope="module")
def run(clone: Path) -> Run:
    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ORRERY_STATE": str(clone / ".orrery")}
        command = [str(clone / "orrery"), "review", "--base", "HEAD", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)

    return start


@pytest.fixture
def edit(clone: Path) -> Any:
    """Edit a file of the clone; it is put back at the end."""
    before: dict[Path, str] = {}

    def replace(name: str, old: str, new: str) -> None:
        file = clone / name
        before.setdefault(file, file.read_text())
        assert old in file.read_text(), f"nothing to edit in {name}"
        file.write_text(file.read_text().replace(old, new))

    yield replace
    for file, text in before.items():
        file.write_text(text)


def test_an_unchanged_checkout_changes_nothing(run: Run) -> None:
    done = run("--all")
    assert done.returncode == 0, done.stderr
    assert "## Nothing changes." in done.stdout
    assert f"{BUILT} stacks compared, {BUILT} of them unchanged" in done.stdout


def test_a_change_is_judged_in_all_three_forms_and_twice_alike(run: Run, edit: Any, clone: Path) -> None:
    edit("stacks/14_blackhole/stack.py", 'name=self.physical("users")', 'name=self.physical("people")')
    edit("stacks/14_blackhole/stack.py", '"DeleteItem", "GetItem"', '"DeleteItem", "Scan", "GetItem"')
    done = run()
    assert done.returncode == 0, done.stderr
    assert "1 stack compared" in done.stdout, "01_meteor does not differ"
    assert "Risk: high. Something that holds data is destroyed or replaced." in done.stdout
    assert "`module.users.aws_dynamodb_table.this` (14_blackhole) **is replaced** because of `name`" in done.stdout
    assert "point-in-time recovery" in done.stdout
    out = clone / ".orrery" / "review" / "out"
    written = {file.name: file.read_bytes() for file in out.iterdir()}
    review = json.loads(written["review.json"])
    added = " ".join(line for change in review["access"] for line in change["added"])
    assert "dynamodb:Scan on arn:aws:dynamodb:eu-west-1:123456789012:table/orrery-14-blackhole-users" in added
    assert run().returncode == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == written


def test_a_stack_that_is_broken_is_named_and_the_others_are_reviewed(run: Run, edit: Any) -> None:
    edit("stacks/01_meteor/stack.py", "class ", "raise ValueError('broken on purpose')\n\n\nclass ")
    edit("stacks/14_blackhole/stack.py", "timeout_s=10", "timeout_s=12")
    done = run()
    assert done.returncode == 1
    assert "**01_meteor**: stacks/01_meteor/stack.py" in done.stdout and "broken on purpose" in done.stdout
    assert "timeout: `10` → `12`" in done.stdout
    assert "could not be planned: 01_meteor" in done.stderr


def test_a_stack_that_terraform_refuses_is_named_and_the_others_are_reviewed(run: Run, edit: Any) -> None:
    edit("stacks/14_blackhole/stack.py", "timeout_s=10", "timeout_s=10_000")
    done = run("--all")
    assert done.returncode == 1
    assert "**14_blackhole**: terraform plan failed: Invalid value for variable" in done.stdout
    assert "**01_meteor**" not in done.stdout


def test_a_module_that_is_no_terraform_is_told_for_the_stacks_that_use_it(run: Run, edit: Any) -> None:
    edit("modules/bucket_replication/main.tf", "    filter {}\n", "    filter {\n")
    done = run("--all")
    assert done.returncode == 1
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("- **14_blackhole**: ")]
    assert "Unclosed configuration block" in told and told.endswith(" in modules/bucket_replication/main.tf")
    assert "**01_meteor**" not in done.stdout


def test_a_finding_that_a_change_adds_is_told_alone(run: Run, edit: Any) -> None:
    edit("modules/object_store/main.tf", 'var.versioning ? "Enabled"', 'var.versioning ? "Suspended"')
    done = run("01_meteor")
    assert done.returncode == 0, done.stderr
    assert "A policy has a finding that it didn't have before. (policy-broken:" in done.stdout
    added = [line for line in done.stdout.splitlines() if line.startswith("- **added** ")]
    assert added and all("aws_s3_bucket" in line for line in added), done.stdout
    assert any("modules/object_store/main.tf:" in line for line in added)
    assert run("01_meteor").stdout == done.stdout, "the base's findings are kept now"


def test_a_functions_code_makes_its_stacks_differ(run: Run, edit: Any, clone: Path) -> None:
    used = 'self.package("identity_api"'
    assert used in (clone / "stacks/14_blackhole/stack.py").read_text()
    edit("lambdas/identity_api/handler.py", "from __future__", "# one line more\nfrom __future__")
    done = run("--all")
    assert done.returncode == 0, done.stderr
    assert f"{BUILT} stacks compared, {BUILT - 1} of them unchanged" in done.stdout
    assert "source_code_hash" in done.stdout


def test_a_finding_that_is_no_longer_accepted_is_told_although_nothing_is_planned(run: Run, edit: Any) -> None:
    edit("stacks/01_meteor/stack.toml", 'check = "CKV_AWS_157"', 'check = "CKV_AWS_1"')
    done = run()
    assert done.returncode == 0, done.stderr
    assert "1 stack compared" in done.stdout
    assert "- **added** CKV_AWS_157" in done.stdout


def test_a_module_more_in_a_stack_is_planned_too(run: Run, edit: Any) -> None:
    more = """self.module(
            "backlog", "queue", name=self.physical("backlog"), kms_key_arn=keys[HOME].arn
        )
        users = self.module("""
    edit("stacks/14_blackhole/stack.py", "users = self.module(", more)
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "**14_blackhole** `module.backlog`: 2 to create" in done.stdout
