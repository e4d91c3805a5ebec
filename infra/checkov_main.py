"""checkov's checks of Terraform in one process: imported once, run over folders and plans one after another.

Runs in an environment of its own (``requirements/scan.txt``). Reads the runs from stdin as JSON, a list of
``{"folder": …}`` and ``{"plan": …}``, and writes what was found in each to stdout. checkov's own command line
imports all of its frameworks and starts anew for each of the two that are used here.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with checkov, in another environment than mypy
from checkov.common.models.enums import CheckResult
from checkov.runner_filter import RunnerFilter
from checkov.terraform.checks.data.registry import data_registry
from checkov.terraform.checks.resource.registry import resource_registry
from checkov.terraform.checks.utils.base_cloudsplaining_iam_scanner import BaseTerraformCloudsplainingIAMScanner
from checkov.terraform.plan_runner import Runner as PlanRunner
from checkov.terraform.runner import Runner as FolderRunner

from infra.paths import ROOT

STATES = {CheckResult.PASSED: "passed", CheckResult.FAILED: "failed", CheckResult.SKIPPED: "skipped"}


class _Trouble(logging.Handler):
    """Keeps what checkov only logs: a check that fails to run counts nowhere, and the scan would look clean."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


def judge_each_document_by_itself(registry: Any) -> None:
    """Make checkov forget the IAM document that it judged before.

    It keeps them by file, type and name. A plan is one file, so all documents of a name, in whatever module, would be
    judged by the first of them.
    """
    scan = registry.scan

    def scan_anew(*arguments: Any, **named: Any) -> Any:
        BaseTerraformCloudsplainingIAMScanner.policy_document_cache.clear()
        return scan(*arguments, **named)

    registry.scan = scan_anew


def run(wanted: dict[str, str], config: dict[str, Any]) -> dict[str, Any]:
    """Run all checks over one folder or plan; return each answer."""
    framework = "terraform" if "folder" in wanted else "terraform_plan"
    chosen = RunnerFilter(
        framework=[framework],
        skip_checks=config.get("skip-check"),
        excluded_paths=config.get("skip-path"),
        show_progress_bar=False,
    )
    if "folder" in wanted:
        report = FolderRunner().run(root_folder=wanted["folder"], runner_filter=chosen)
    else:
        report = PlanRunner().run(root_folder=None, files=[wanted["plan"]], runner_filter=chosen)
    records = [*report.passed_checks, *report.failed_checks, *report.skipped_checks]
    return {"framework": framework, "unread": sorted(report.parsing_errors), "records": [as_plain(r) for r in records]}


def as_plain(record: Any) -> dict[str, Any]:
    """Return what the engine needs of one answer."""
    return {
        "check_id": record.check_id,
        "title": record.check_name,
        "severity": record.severity.name.lower() if record.severity else "",
        "guideline": record.guideline or "",
        "address": record.resource,
        "file": str(record.file_abs_path),
        "lines": list(record.file_line_range or []),
        "state": STATES[record.check_result["result"]],
        "reason": (record.check_result.get("suppress_comment") or "").strip(),
    }


def main() -> int:
    """Do what stdin asks for; return the exit code."""
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing that a check prints gets between the answers
    trouble = _Trouble()
    logging.getLogger().addHandler(trouble)
    config = yaml.safe_load((ROOT / ".checkov.yaml").read_text())
    for folder in config.get("external-checks-dir", []):
        resource_registry.load_external_checks(str(ROOT / folder))
    judge_each_document_by_itself(resource_registry)
    judge_each_document_by_itself(data_registry)
    results = [run(wanted, config) for wanted in json.load(sys.stdin)]
    answers.write(json.dumps({"trouble": trouble.messages, "results": results}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
