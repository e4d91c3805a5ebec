"""The runtime of the CDK: which Node.js it takes, and which package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra import cdk
from infra.errors import OrreryError
from infra.paths import ROOT


def node(folder: Path, script: str) -> None:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_no_node_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(OrreryError) as caught:
        cdk.check_node()
    assert "no node on the PATH" in caught.value.what
    assert "18 or newer" in caught.value.next_step


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo v16.20.2", "Node.js v16.20.2 is too old"),
        ("exit 1", "does not run"),
        ("echo what", "does not run"),
    ],
)
def test_a_node_that_will_not_do_is_named(path: Path, script: str, complaint: str) -> None:
    node(path, script)
    with pytest.raises(OrreryError, match=complaint):
        cdk.check_node()


@pytest.mark.parametrize("version", ["v18.0.0", "v24.1.0"])
def test_a_new_one_will_do(path: Path, version: str) -> None:
    node(path, f"echo {version}")
    cdk.check_node()


def test_a_package_that_is_not_there_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdk, "PACKAGE", "cdkto")
    with pytest.raises(OrreryError) as caught:
        cdk.load()
    assert "'cdkto'" in caught.value.what and "ORRERY_CDK" in caught.value.next_step


WAIT = "import time; from infra import cdk; cdk.load(); print('loaded', flush=True); time.sleep(30)"


def test_ctrl_c_does_not_reach_its_process_and_leaves_no_traceback_of_it() -> None:
    run = subprocess.Popen(
        [sys.executable, "-P", "-c", WAIT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout and run.stdout.readline() == "loaded\n"
    os.killpg(run.pid, signal.SIGINT)
    _, error = run.communicate(timeout=30)
    assert error.strip().endswith("KeyboardInterrupt")
    assert "atexit" not in error and "BrokenPipe" not in error
