"""The policy scan: what counts as set, what counts as skipped, and that nothing hides behind either."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, scan
from infra.errors import OrreryError

REFERENCE = {"kms_key_id": {"references": ["var.kms_key_arn"]}}


def plan(expressions: dict[str, Any], unknown: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a plan of one log group in one module of one stack."""
    address = "module.stack_x.module.a.aws_cloudwatch_log_group.this[0]"
    group = {"address": "aws_cloudwatch_log_group.this", "type": "aws_cloudwatch_log_group", "name": "this"}
    module = {"resources": [{**group, "expressions": expressions}]}
    inner = {"source": "../../../../modules/a", "module": module}
    outer = {"source": "./stack_x", "module": {"module_calls": {"a": inner}}}
    resources = [{"address": address, "values": dict(values)}]
    children = [{"child_modules": [{"resources": resources}]}]
    return {
        "configuration": {"root_module": {"module_calls": {"stack_x": outer}}},
        "planned_values": {"root_module": {"child_modules": children}},
        "resource_changes": [{"address": address, "change": {"after": dict(values), "after_unknown": unknown}}],
    }


def seen(filled: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = filled["planned_values"]["root_module"]["child_modules"][0]["child_modules"][0]
    return found["resources"][0]["values"]  # type: ignore[no-any-return]  # plain data


def test_a_key_made_in_the_same_plan_counts_as_set() -> None:
    filled = scan.fill_unknowns(plan(REFERENCE, {"kms_key_id": True, "arn": True}, {"name": "x"}))
    assert seen(filled) == {"name": "x", "kms_key_id": "known-after-apply"}
    assert filled["resource_changes"][0]["change"]["after"]["kms_key_id"] == "known-after-apply"


def test_a_key_that_nobody_set_stays_missing() -> None:
    assert seen(scan.fill_unknowns(plan({}, {"kms_key_id": True}, {"name": "x"}))) == {"name": "x"}


def test_what_is_set_within_a_block_is_found_there() -> None:
    expressions = {"encryption": [{"key": {"references": ["var.k"]}}, {}]}
    unknown, values = {"encryption": [{"key": True}, {"key": True}]}, {"encryption": [{}, {}]}
    filled = scan.fill_unknowns(plan(expressions, unknown, values))
    assert seen(filled)["encryption"] == [{"key": "known-after-apply"}, {}]


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("module.a.aws_sqs_queue.q[0]", "module.a.aws_sqs_queue.q"),
        ('module.a["x.y"].aws_sqs_queue.q["p\\"]q"]', "module.a.aws_sqs_queue.q"),
        ("aws_sqs_queue.q", "aws_sqs_queue.q"),
    ],
)
def test_indexes_are_dropped_from_addresses(address: str, plain: str) -> None:
    assert scan.without_indexes(address) == plain


def result(*resources: str) -> dict[str, Any]:
    checks = [{"check_id": "CKV_AWS_158", "resource": each, "file_path": "x"} for each in resources]
    return {"summary": {"passed": 1, "failed": len(checks), "skipped": 0}, "results": {"failed_checks": checks}}


def test_a_skip_counts_only_for_the_resource_that_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "aws_cloudwatch_log_group" "open" {\n'
        "  # checkov:skip=CKV_AWS_158:it holds nothing but the names of public files\n"
        "}\n\n"
        'resource "aws_cloudwatch_log_group" "other" {\n}\n'
    )
    written = {
        f"module.s.module.a.aws_cloudwatch_log_group.{name}": {
            "folder": tmp_path,
            "type": "aws_cloudwatch_log_group",
            "name": name,
        }
        for name in ("open", "other")
    }
    found = scan.without_accepted(result(*written), written, {})
    assert [each["resource"] for each in found["results"]["failed_checks"]] == [list(written)[1]]
    assert found["summary"] == {"passed": 1, "failed": 1, "skipped": 1}


def test_a_skip_without_a_reason_is_none(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "a" "b" {\n  # checkov:skip=CKV_AWS_158\n  # checkov:skip=CKV_AWS_1:\n}\n'
    )
    assert scan.skips(tmp_path, "a", "b") == {}


def test_what_a_stack_accepts_counts_for_that_module_and_check_only() -> None:
    accepted = {("module.s.module.database.", "CKV_AWS_158"): "because"}
    found = scan.without_accepted(
        result("module.s.module.database.aws_x.this", "module.s.module.database_two.aws_x.this"), {}, accepted
    )
    assert [each["resource"] for each in found["results"]["failed_checks"]] == [
        "module.s.module.database_two.aws_x.this"
    ]


def test_a_stack_must_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"check": "CKV_AWS_157", "module": "database", "reason": "cheap"}
    info = replace(catalog.resolve("01_meteor"), accepted=(entry,))
    monkeypatch.setattr(catalog, "load", lambda: {info.id: info})
    with pytest.raises(OrreryError, match="accepts CKV_AWS_157 without a reason"):
        scan.accepted_by_stacks()
