"""The workflows: pinned, with the least rights, and thin calls of commands that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$")
MAY_WRITE = {"id-token", "issues", "pull-requests", "security-events"}


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version(file: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in file.read_text().splitlines() if "uses: " in line]
    assert used and [line for line in used if not PINNED.search(line)] == []


def test_an_action_by_its_tag_would_be_seen() -> None:
    assert not PINNED.search("uses: actions/checkout@v4")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_read_and_its_jobs_write_only_what_they_say(file: Path) -> None:
    workflow = load(file)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        writes = {name for name, right in job.get("permissions", {}).items() if right == "write"}
        assert writes <= MAY_WRITE
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_step_puts_an_expression_into_a_script(file: Path) -> None:
    """What somebody else wrote (a branch's name) reaches a shell through the environment only."""
    scripts = [step["run"] for job in load(file)["jobs"].values() for step in job["steps"] if "run" in step]
    assert scripts and not any("${{" in script for script in scripts)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_steps_call_rules_and_commands_that_exist(file: Path) -> None:
    scripts = [step["run"] for job in load(file)["jobs"].values() for step in job["steps"] if "run" in step]
    rules = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = set(re.findall(r"^def (\w+)\(", (ROOT / "infra" / "cli.py").read_text(), re.M))
    for script in scripts:
        for rule in re.findall(r"make ([a-z-]+)", script):
            assert rule in rules
        for command in re.findall(r"\./orrery ([a-z]+)", script):
            assert command in commands
        for name in re.findall(r"^(scripts/\S+)", script, re.M):
            assert os.access(ROOT / name, os.X_OK)


def report(tmp_path: Path, answers: dict[str, int]) -> tuple[int, str]:
    """Run the drift report with a command line that answers as told."""
    fake = tmp_path / "orrery"
    cases = "".join(f"{stack}) echo 'drift of {stack}'; exit {code};;\n" for stack, code in answers.items())
    fake.write_text(f'#!/bin/sh\ncase "$2" in\n{cases}esac\n')
    fake.chmod(0o755)
    environment = {**os.environ, "STACKS": " ".join(answers), "ORRERY": str(fake)}
    done = subprocess.run([str(ROOT / "scripts" / "drift_report.sh"), str(tmp_path / "out.md")], env=environment)
    return done.returncode, (tmp_path / "out.md").read_text()


def test_the_drift_report_holds_what_drifted(tmp_path: Path) -> None:
    code, text = report(tmp_path, {"01_meteor": 0, "14_blackhole": 3})
    assert code == 0
    assert text == "## 14_blackhole\n\n~~~\ndrift of 14_blackhole\n~~~\n\n"


def test_a_stack_that_could_not_be_looked_at_is_no_clean_report(tmp_path: Path) -> None:
    assert report(tmp_path, {"01_meteor": 1, "14_blackhole": 0}) == (1, "")
