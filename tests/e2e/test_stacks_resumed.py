"""What goes wrong while a stack is deployed: each time nothing is lost, and the same command goes on.

The stack is a small one, planted in a copy of the checkout: real modules, and a fraction of the time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import Cloud
from infra.paths import ROOT

pytestmark = pytest.mark.e2e

TOML = """\
track = 1
title = "A planted stack"
domain = "Testing"
level = "Beginner"
summary = "What the tests need"
components = ["nothing"]
services = ["aws"]
"""
CODE = '''
from infra.live import Check
from infra.stack import Stack

ELSEWHERE = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"


class Quasar(Stack):
    """A key, which the provider watches for some ten seconds until it calls it made, and quick things beside it."""

    def build(self):
        self.module(
            "key", "key", account_id=self.target.account_id, name=self.physical("data"), description="All.",
            deletion_window_days=7,
        )
        for part in ("one", "two"):
            self.module("topic_" + part, "topic", name=self.physical("topic-" + part), kms_key_arn=ELSEWHERE)
            self.module(
                "secret_" + part, "secret", name=self.physical("secret-" + part), kms_key_arn=ELSEWHERE,
                description="Drawn.", recovery_window_days=0,
            )
        table = self.module(
            "table", "table", name=self.physical("jets"), attributes={"id": "S"}, hash_key="id",
            kms_key_arn=ELSEWHERE, deletion_protection=False,
        )
        self.output("table", table.name, "The table.")

    def smoke(self, live):
        table, key = live.client("dynamodb", "us-east-1"), {"id": {"S": "smoke"}}
        table.put_item(TableName=live.outputs["table"], Item=key)
        item = table.get_item(TableName=live.outputs["table"], Key=key).get("Item")
        yield Check("the table keeps an item", item is not None)
'''
QUICK = 9
"""Two topics with policies, two secrets with versions, a table: all but the key and its alias."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, in which stacks can be planted."""
    copy = tmp_path_factory.mktemp("copy") / "checkout"
    for name in ("infra", "stacks"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for name in ("modules", "requirements", "lambdas", "jobs", ".venv"):
        (copy / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "orrery", copy / "orrery")
    return copy


@dataclass(frozen=True)
class Quasar:
    """The small stack under a name of its own: what one test leaves behind is no other test's trouble."""

    name: str
    orrery: Any

    @property
    def slug(self) -> str:
        return self.name.replace("_", "-")

    def start(self, command: str = "deploy") -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = self.orrery.start(command, self.name)
        return process

    def goes_on(self) -> None:
        """Check that the same command brings the stack to its end, and that nothing is left to do then."""
        out = self.orrery.ok("deploy", self.name)
        assert "ok  the table keeps an item" in out
        assert self.orrery.ok("plan", self.name, "--target", "local").startswith(f"{self.name} on local: no change")

    def made(self) -> int:
        return int(self.orrery.resources(self.slug))

    def in_the_middle(self, run: subprocess.Popen[str]) -> None:
        """Wait until the quick resources are made and Terraform watches the key: no call is on its way then.

        A call that is cut off on its way may be done by AWS and known to nobody; no tool can undo that.
        """
        self.orrery.in_the_middle(self.slug, run, resources=QUICK)


@pytest.fixture
def quasar(orrery: Any, checkout: Path) -> Quasar:
    """The small stack, not deployed, under a name that no other test uses."""
    number = 70 + sum(1 for _ in (checkout / "stacks").glob("7?_quasar*"))
    name = f"{number}_quasar{number}"
    folder = checkout / "stacks" / name
    folder.mkdir()
    (folder / "stack.toml").write_text(TOML)
    (folder / "stack.py").write_text(CODE)
    return Quasar(name, type(orrery)(checkout / "orrery", orrery.state))


def closing_lines(error: str) -> tuple[str, str]:
    """Return the two lines that a failed command ends with."""
    what, step = error.strip().splitlines()[-2:]
    assert what.startswith("error: ") and step.startswith("next: "), error
    assert "Traceback" not in error
    return what, step


def test_ctrl_c_ends_with_130_and_the_next_deployment_goes_on(quasar: Quasar) -> None:
    run = quasar.start()
    quasar.in_the_middle(run)
    os.killpg(run.pid, signal.SIGINT)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 130, error
    assert "saves its state" in error and "Traceback" not in error
    made = quasar.made()
    assert made >= QUICK
    quasar.orrery.no_terraform_is_left(quasar.slug)
    quasar.goes_on()
    assert quasar.made() > made


def test_a_killed_run_leaves_no_orphan_no_lock_and_no_lost_resource(quasar: Quasar) -> None:
    run = quasar.start()
    quasar.in_the_middle(run)
    os.kill(run.pid, signal.SIGKILL)
    quasar.goes_on()  # at once: it waits for the dying terraform, which saves its state
    run.communicate()
    quasar.orrery.no_terraform_is_left(quasar.slug)


def test_an_emulator_that_dies_during_apply_is_named_and_the_next_deployment_goes_on(
    quasar: Quasar, local_cloud: Cloud
) -> None:
    run = quasar.start()
    quasar.in_the_middle(run)
    deadline = time.monotonic() + 120
    while run.poll() is None:  # it comes back at once; terraform must not get through in between
        assert time.monotonic() < deadline, "the command does not end"
        pid = next((one.pid for one in local_cloud.status() if one.name == "aws"), None)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    _, error = run.communicate()
    assert run.returncode == 1, error
    what, step = closing_lines(error)
    assert "failed" in what
    assert "make status" in step or "run the same command again" in step
    quasar.orrery.no_terraform_is_left(quasar.slug)
    quasar.goes_on()


def test_of_two_deployments_at_once_the_second_is_told_to_try_later(quasar: Quasar) -> None:
    first = quasar.start()
    quasar.in_the_middle(first)
    second = quasar.orrery.run("deploy", quasar.name)
    assert second.returncode == 75
    assert second.stdout == ""
    what, step = closing_lines(second.stderr)
    holder = (quasar.orrery.folder(quasar.slug) / "lock").read_text()
    assert what == f"error: another run works on {quasar.name} right now (process {holder})"
    assert psutil.pid_exists(int(holder)), "the holder works on"
    assert "run the command again" in step
    out, error = first.communicate(timeout=120)
    assert first.returncode == 0, out + error


def test_a_full_disk_stops_before_anything_is_made(quasar: Quasar, local_cloud: Cloud) -> None:
    """The stack's state lies on a disk with a few MB left."""
    small = quasar.orrery.folder(quasar.slug).parent
    small.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        done = quasar.orrery.run("deploy", quasar.name)
        assert done.returncode == 1, done.stdout
        what, step = closing_lines(done.stderr)
        assert "MB are free where the state is kept" in what
        assert "disk space" in step
        assert local_cloud.leftovers(quasar.slug, ["us-east-1"]) == []
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_whatever_happened_before_destroying_it_leaves_nothing(orrery: Any, checkout: Path, local_cloud: Cloud) -> None:
    there = type(orrery)(checkout / "orrery", orrery.state)
    names = sorted(folder.name for folder in (checkout / "stacks").glob("7?_quasar*"))
    if not names:
        pytest.skip("the tests that break deployments are not part of this run")
    for name, done in there.together("destroy", names).items():
        slug = name.replace("_", "-")
        assert f"{name} is gone; nothing of it is left in the local cloud." in done.stdout, done.stderr
        assert local_cloud.leftovers(slug, ["us-east-1"]) == []
        there.no_terraform_is_left(slug)
