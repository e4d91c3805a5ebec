"""The policy scan: where a finding is written, what counts as skipped, and that nothing hides behind either."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import scan
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import ROOT
from infra.scan import Finding, Planned

REASON = "it holds nothing but the names of public files"
GROUP = "aws_cloudwatch_log_group"
STACK_TOML = """
[[accepted]]
check = "CKV_AWS_158"
module = "database"
reason = "{reason}"
"""


def record(address: str, check: str = "CKV_AWS_158", state: str = "failed", **more: Any) -> dict[str, Any]:
    """Return one answer as `infra.checkov_main` gives it."""
    plain = {"check_id": check, "title": f"What {check} wants", "severity": "", "guideline": "", "address": address}
    return {**plain, "file": "/tmp/tfplan.json", "lines": [1, 2], "state": state, "reason": "", **more}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a module ``logs`` of two groups, and a stack ``02_comet`` that accepts something."""
    (tmp_path / "modules" / "logs").mkdir(parents=True)
    (tmp_path / "modules" / "logs" / "main.tf").write_text(
        f'resource "{GROUP}" "open" {{\n  # checkov:skip=CKV_AWS_158:{REASON}\n}}\n\nresource "{GROUP}" "other" {{\n}}\n'
    )
    (tmp_path / "stacks" / "02_comet").mkdir(parents=True)
    (tmp_path / "stacks" / "02_comet" / "stack.toml").write_text(STACK_TOML.format(reason=REASON))
    (tmp_path / "stacks" / "02_comet" / "stack.py").write_text(
        'class Comet(Stack):\n    regions = ("us-east-1", "eu-west-1")\n\n'
        '    def build(self):\n        self.output("key", "x", "A key.")\n'
    )
    return tmp_path


def planned(checkout: Path, *instances: str) -> Planned:
    """Return a plan of a stack with instances of the module ``logs``."""
    groups = [{"address": f"{GROUP}.{name}", "provider_config_key": "aws.eu_west_1"} for name in ("open", "other")]
    calls = {each: {"source": "../../modules/logs", "module": {"resources": groups}} for each in instances or ["a"]}
    stack = {"source": "./stack_02_comet", "module": {"module_calls": calls}}
    plan = {
        "configuration": {"root_module": {"module_calls": {"stack_02_comet": stack}}},
        "planned_values": {"root_module": {}},
        "resource_changes": [],
    }
    return Planned(plan, checkout / "merged", checkout)


@pytest.fixture
def checkov(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Let checkov answer what a test says; return what it was asked to run."""
    asked: list[Any] = []

    def answers(
        *results: list[dict[str, Any]], trouble: tuple[str, ...] = (), unread: tuple[str, ...] = ()
    ) -> list[Any]:
        def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
            asked.append(json.loads(how["input"]))
            said = [{"framework": "terraform_plan", "unread": list(unread), "records": each} for each in results]
            text = json.dumps({"trouble": list(trouble), "results": said})
            return subprocess.CompletedProcess(command, 0, text, "")

        monkeypatch.setattr(scan.envs, "ensure", lambda name, say=None: Path("/python"))
        monkeypatch.setattr(scan.subprocess, "run", run)
        return asked

    return answers


def address(name: str, module: str = "a") -> str:
    return f"module.stack_02_comet.module.{module}.{GROUP}.{name}"


def test_a_finding_in_a_plan_is_where_its_block_is(checkout: Path, checkov: Any) -> None:
    asked = checkov([record(f"{address('other')}[0]", severity="high", guideline="docs/policies.md#orr_1")])
    (found,) = scan.findings([planned(checkout)], Ui())
    assert found == [
        Finding(
            "CKV_AWS_158",
            "What CKV_AWS_158 wants",
            "high",
            f"{address('other')}[0]",
            "modules/logs/main.tf",
            5,
            "docs/policies.md#orr_1",
            last_line=6,
        )
    ]
    assert [list(each) for each in asked[0]] == [["plan"]]


def test_two_plans_are_judged_by_one_process(checkout: Path, checkov: Any) -> None:
    asked = checkov([record(address("other"))], [record(address("other"), check="CKV_AWS_338")])
    base, head = scan.findings([planned(checkout), planned(checkout)], Ui())
    assert [each.check_id for each in (*base, *head)] == ["CKV_AWS_158", "CKV_AWS_338"]
    assert len(asked) == 1 and len(asked[0]) == 2


def test_a_skip_counts_only_for_the_resource_that_it_stands_in(checkout: Path, checkov: Any) -> None:
    checkov([record(address("open")), record(address("other"))])
    (result,) = scan.judge([], [planned(checkout)], Ui())
    assert [each.address for each in result.failed] == [address("other")]
    assert [(each.address, each.suppressed, each.reason) for each in result.skipped] == [
        (address("open"), "inSource", REASON)
    ]


def test_what_a_stack_accepts_counts_for_that_module_and_check_only(checkout: Path, checkov: Any) -> None:
    accepted, others = address("other", "database"), [address("other", "database_two"), address("other")]
    checkov([record(each) for each in (accepted, *others)] + [record(accepted, check="CKV_AWS_338")])
    (result,) = scan.judge([], [planned(checkout, "a", "database", "database_two")], Ui())
    assert [(each.address, each.suppressed, each.reason) for each in result.skipped] == [(accepted, "external", REASON)]
    assert {(each.check_id, each.address) for each in result.failed} == {
        ("CKV_AWS_338", accepted),
        *(("CKV_AWS_158", each) for each in others),
    }


def test_a_skip_in_hcl_without_a_reason_is_none(checkov: Any) -> None:
    checkov([record("a.b", state="skipped", reason="No comment"), record("a.c", state="skipped", reason=REASON)])
    (result,) = scan.judge([ROOT / "modules"], [], Ui())
    assert [each.address for each in result.failed] == ["a.b"]
    assert [(each.address, each.suppressed) for each in result.skipped] == [("a.c", "inSource")]


def test_an_output_and_a_region_are_found_in_the_stack(checkout: Path, checkov: Any) -> None:
    checkov([record("module.stack_02_comet.output.key"), record("aws.eu_west_1")])
    (found,) = scan.findings([planned(checkout)], Ui())
    assert [(each.address, each.file, each.line) for each in found] == [
        ("aws.eu_west_1", "stacks/02_comet/stack.py", 2),
        ("module.stack_02_comet.output.key", "stacks/02_comet/stack.py", 5),
    ]


def test_a_stack_must_say_why(checkout: Path) -> None:
    (checkout / "stacks" / "02_comet" / "stack.toml").write_text(STACK_TOML.format(reason="cheap"))
    with pytest.raises(OrreryError, match=r"stacks/02_comet/stack.toml accepts CKV_AWS_158 without a reason"):
        scan.accepted_by_stacks(checkout)


def test_the_difference_of_two_plans_is_what_is_added_and_what_is_mended() -> None:
    stays, added, mended = (Finding(f"ORR_{number}", "t", "low", "a.b", "main.tf", 1, "") for number in (1, 2, 3))
    moved = replace(stays, line=7)
    assert scan.delta([stays, mended], [moved, added]) == ([added], [mended])


@pytest.mark.parametrize(("trouble", "unread"), [(("Failed to run check ORR_1",), ()), ((), ("main.tf",))])
def test_a_check_that_did_not_run_is_no_clean_scan(
    checkout: Path, checkov: Any, trouble: tuple[str, ...], unread: tuple[str, ...]
) -> None:
    checkov([record(address("other"), state="passed")], trouble=trouble, unread=unread)
    with pytest.raises(OrreryError, match="could not check everything") as error:
        scan.findings([planned(checkout)], Ui())
    assert (*trouble, *unread)[0] in error.value.details


def test_a_scan_that_sees_nothing_is_no_clean_scan(checkout: Path, checkov: Any) -> None:
    checkov([])
    with pytest.raises(OrreryError, match="checked nothing in the plan"):
        scan.findings([planned(checkout)], Ui())


def test_the_reports_are_written_before_the_findings_fail_the_command(tmp_path: Path, checkov: Any) -> None:
    checkov([record("a.b", file=str(ROOT / "modules/key/main.tf"))])
    with pytest.raises(OrreryError, match="1 findings"):
        scan.scan(Ui(), tmp_path, sarif=tmp_path / "out" / "s.json", junit=tmp_path / "j.xml")
    assert json.loads((tmp_path / "out" / "s.json").read_text())["version"] == "2.1.0"
    assert (tmp_path / "j.xml").read_text().startswith("<?xml")
