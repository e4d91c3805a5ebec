"""The project's own policies: each lets its passing sample be and catches its failing one, and so in finer cases.

All samples are planned as one root and judged in one run. The cases are in ``policy_cases/<id>.tf``: what is named
``fail…`` must be found there by that policy, what is named ``pass…`` must not.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra import scan
from infra.output import Ui
from infra.paths import ROOT
from infra.policies import POLICIES, SAMPLES
from infra.scan import Finding, Planned
from infra.stack import PROVIDERS
from tests.modules.inventory import HOME_REGION, OFFLINE_PROVIDER
from tests.modules.terraform_cli import run

pytestmark = [pytest.mark.terraform, pytest.mark.xdist_group("policies")]

CASES = Path(__file__).parent / "policy_cases"
TAGS = {
    "stack": "sample",
    "owner": "data-platform",
    "data-class": "internal",
    "cost-centre": "orrery",
    "managed-by": "orrery",
}
ELSEWHERE = {"alias": "elsewhere", "region": "ap-south-1"}


def make_plan(folder: Path, sources: dict[str, Path]) -> dict[str, Any]:
    """Plan folders as modules of one root, as `infra.plan` does with the stacks."""
    root = {
        "terraform": {"required_providers": {"aws": PROVIDERS["aws"]}},
        "provider": {
            "aws": [
                OFFLINE_PROVIDER | {"default_tags": [{"tags": {"managed-by": "orrery"}}]} | place
                for place in ({"region": HOME_REGION}, ELSEWHERE)
            ]
        },
        "module": {
            name: {"source": f"./{os.path.relpath(source, folder)}", "providers": {"aws": provider_of(name)}}
            for name, source in sources.items()
        },
        "variable": {"stack_tags": {"default": {name: TAGS for name in sources}}},
    }
    (folder / "main.tf.json").write_text(json.dumps(root, indent=1))
    run(folder, "init", "-backend=false", "-input=false", "-no-color")
    run(folder, "plan", "-input=false", "-no-color", "-lock=false", "-out=saved.tfplan")
    shown: dict[str, Any] = json.loads(run(folder, "show", "-json", "saved.tfplan"))
    return shown


def provider_of(name: str) -> str:
    return "aws.elsewhere" if name == "elsewhere" else "aws"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[scan.Result]:
    """What is said about the samples and cases: as written, and planned."""
    folder = tmp_path_factory.mktemp("policies").resolve()
    sources = {f"{each.parent.name}_{each.name}": each for each in SAMPLES.glob("*/*")}
    for case in CASES.glob("*.tf"):
        sources[case.stem] = folder / "cases" / case.stem
        sources[case.stem].mkdir(parents=True)
        (sources[case.stem] / "main.tf").write_text(case.read_text())
    (folder / "elsewhere").mkdir()
    sources["elsewhere"] = folder / "elsewhere"
    (folder / "elsewhere" / "main.tf").write_text('resource "aws_sns_topic" "far" {\n  name = "orrery-sample-far"\n}\n')
    return scan.judge([SAMPLES], [Planned(make_plan(folder, sources), folder)], Ui())


def own(findings: tuple[Finding, ...]) -> list[Finding]:
    return [each for each in findings if each.check_id in POLICIES]


def test_each_policy_has_samples() -> None:
    assert sorted(POLICIES) == sorted(path.name for path in SAMPLES.iterdir())
    assert all((SAMPLES / name / kind / "main.tf").exists() for name in POLICIES for kind in ("pass", "fail"))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_failing_sample_is_caught_by_its_policy_alone(policy: str, answers: list[scan.Result]) -> None:
    prefix, file = f"module.{policy}_fail.", f"infra/policies/samples/{policy}/fail/main.tf"
    planned = [each for each in own(answers[1].failed) if each.address.startswith(prefix)]
    assert {each.check_id for each in planned} == {policy}
    assert {each.file for each in planned} == {file} or policy == "ORR_14"
    facts = POLICIES[policy]
    assert {(each.title, each.severity, each.guideline) for each in planned} == {
        (facts.title, facts.severity, facts.guideline)
    }
    assert {each.check_id for each in own(answers[0].failed) if each.file == file} <= {policy}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_passing_sample_is_let_be(policy: str, answers: list[scan.Result]) -> None:
    prefix, file = f"module.{policy}_pass.", f"infra/policies/samples/{policy}/pass/main.tf"
    assert [each for each in own(answers[1].failed) if each.address.startswith(prefix)] == []
    assert [each for each in own(answers[0].failed) if each.file == file] == []
    assert any(each.address.startswith(prefix) and each.check_id == policy for each in answers[1].passed)


@pytest.mark.parametrize("policy", ["ORR_2", "ORR_4", "ORR_8", "ORR_12", "ORR_13"])
def test_what_is_seen_without_a_plan_is_found_there_too(policy: str, answers: list[scan.Result]) -> None:
    file = f"infra/policies/samples/{policy}/fail/main.tf"
    assert {each.check_id for each in own(answers[0].failed) if each.file == file} == {policy}


def expected(address: str) -> str:
    """Return what a resource of the cases is there for, by its name or key: pass, fail or nothing."""
    name = address.rpartition(".")[2]
    found = re.search(r"\b(pass|fail)(?![a-z])", name)
    return found[1] if found else ""


@pytest.mark.parametrize("policy", sorted(each.stem for each in CASES.glob("*.tf")))
def test_the_cases_of_a_policy_are_told_apart(policy: str, answers: list[scan.Result]) -> None:
    found = {
        each.address: each.state[:4]
        for each in (*answers[1].failed, *answers[1].passed)
        if each.check_id == policy and each.address.startswith(f"module.{policy}.") and expected(each.address)
    }
    assert found == {address: expected(address) for address in found}
    wanted = set(
        re.findall(r'^\s*(?:(?:resource|data) "\w+"|output) "((?:pass|fail)(?:_\w+)?)"', text_of(policy), re.MULTILINE)
    )
    wanted |= set(re.findall(r'^\s*"?((?:pass|fail)(?:_\w+)?)"?\s*=', text_of(policy), re.MULTILINE))
    assert {name for name in wanted if not any(name in address for address in found)} == set(), "nothing was said of it"


def text_of(policy: str) -> str:
    return (CASES / f"{policy}.tf").read_text()


def test_a_provider_of_another_region_is_found(answers: list[scan.Result]) -> None:
    assert [each.address for each in own(answers[1].failed) if not each.address.startswith("module.")] == [
        "aws.elsewhere"
    ]


def test_a_finding_in_a_plan_has_the_lines_of_its_block(answers: list[scan.Result]) -> None:
    (found,) = [each for each in own(answers[1].failed) if each.address.startswith("module.ORR_5_fail.")]
    lines = (ROOT / found.file).read_text().splitlines()[found.line - 1 : found.last_line]
    assert lines[0] == 'resource "aws_lambda_function" "loader" {' and lines[-1] == "}"


def test_documents_of_the_same_name_are_judged_each_by_itself(answers: list[scan.Result]) -> None:
    """Two modules of this plan have a document of the name "fail": checkov alone judges both by the first."""
    # CKV_AWS_111: write access without constraints. Only one of the documents has it.
    failed = {each.address for each in answers[1].failed if each.check_id == "CKV_AWS_111"}
    assert "module.ORR_2.data.aws_iam_policy_document.fail" in failed
    assert "module.ORR_9.data.aws_iam_policy_document.fail" not in failed


def test_checkovs_own_command_line_finds_the_policies_too() -> None:
    from infra import envs

    checkov = envs.ensure("scan").with_name("checkov")
    command = [checkov, "--directory", SAMPLES / "ORR_12" / "fail", "--framework", "terraform", "--skip-download"]
    done = subprocess.run(
        [str(each) for each in [*command, "--check", "ORR_12", "--config-file", ".checkov.yaml"]],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "ORR_12" in done.stdout, done.stdout + done.stderr
