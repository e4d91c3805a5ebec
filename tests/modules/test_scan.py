"""`make scan` bites: a planted mistake is found, named and fails the command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
resource "aws_security_group_rule" "open" {
  type              = "ingress"
  description       = "everybody"
  security_group_id = "sg-1"
  from_port         = 22
  to_port           = 22
  protocol          = "tcp"
  cidr_blocks       = ["0.0.0.0/0"]
}
"""


def scan(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "orrery"), "scan", "--path", str(folder)]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=300)


@pytest.mark.terraform
def test_a_planted_mistake_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN)
    done = scan(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CKV_AWS_24 aws_security_group_rule.open" in done.stdout
    assert "findings" in done.stderr and "next: mend them" in done.stderr


@pytest.mark.terraform
def test_without_the_mistake_it_passes(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN.replace("0.0.0.0/0", "10.0.0.0/8"))
    done = scan(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


@pytest.mark.terraform
def test_a_scan_that_sees_nothing_is_no_clean_scan(tmp_path: Path) -> None:
    done = scan(tmp_path)
    assert done.returncode == 1 and "checked nothing" in done.stderr
