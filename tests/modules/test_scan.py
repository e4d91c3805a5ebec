"""`make scan` bites: a planted mistake is found, named and fails the command. The repository itself has none."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

pytestmark = pytest.mark.terraform

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


def scan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "orrery"), "scan", *map(str, arguments)]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=300)


def test_a_planted_mistake_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN)
    done = scan("--path", tmp_path, "--sarif", tmp_path / "out.sarif", "--junit", tmp_path / "out.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "CKV_AWS_24 aws_security_group_rule.open" in done.stdout and "main.tf:2)" in done.stdout
    assert "findings" in done.stderr and "next: mend them" in done.stderr
    results = json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"]
    assert [each["level"] for each in results if each["ruleId"] == "CKV_AWS_24"] == ["error"]
    failures = [each.get("message") for each in Xml.parse(tmp_path / "out.xml").iter("failure")]
    assert any("port 22" in (each or "") for each in failures)


def test_without_the_mistake_it_passes(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN.replace("0.0.0.0/0", "10.0.0.0/8"))
    done = scan("--path", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_a_skip_without_a_reason_counts_for_nothing(tmp_path: Path) -> None:
    skip, reason = "# checkov:skip=CKV_AWS_24", ":this rule is a test of the scan"
    (tmp_path / "main.tf").write_text(OPEN.replace("  type ", f"  {skip}\n  type ", 1))
    assert "CKV_AWS_24" in scan("--path", tmp_path).stdout
    (tmp_path / "main.tf").write_text(OPEN.replace("  type ", f"  {skip}{reason}\n  type ", 1))
    assert "CKV_AWS_24" not in scan("--path", tmp_path).stdout


def test_a_scan_that_sees_nothing_is_no_clean_scan(tmp_path: Path) -> None:
    done = scan("--path", tmp_path)
    assert done.returncode == 1 and "checked nothing" in done.stderr


def test_what_it_cannot_read_is_no_clean_scan(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN)
    (tmp_path / "broken.tf").write_text('resource "a" "b" {')
    done = scan("--path", tmp_path)
    assert done.returncode == 1 and "could not check everything" in done.stderr, done.stdout + done.stderr


def test_modules_and_stacks_have_no_finding_and_each_skip_has_its_reason(tmp_path: Path) -> None:
    done = scan("--sarif", tmp_path / "out.sarif", "--junit", tmp_path / "out.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("0 failed") == 2
    results = json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"]
    kinds = Counter(suppression["kind"] for each in results for suppression in each["suppressions"])
    assert kinds["inSource"] > 50 and kinds["external"] >= 3
    for each in results:
        (place,) = [place["physicalLocation"] for place in each["locations"]]
        file, region = ROOT / place["artifactLocation"]["uri"], place["region"]
        block = file.read_text().splitlines()[region["startLine"] - 1 : region["endLine"]]
        (suppression,) = each["suppressions"]
        if suppression["kind"] == "inSource":  # it stands within the lines that the report names
            assert f"checkov:skip={each['ruleId']}:" in "\n".join(block).replace("skip= ", "skip="), each
        assert len(suppression["justification"]) >= 20
    suites = Xml.parse(tmp_path / "out.xml").getroot()
    assert [each.get("failures") for each in suites] == ["0", "0"]
