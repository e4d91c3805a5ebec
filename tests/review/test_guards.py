"""What guards data and is weakened stands in the review, whatever resource it is an attribute of."""

from __future__ import annotations

from typing import Any

import pytest

from infra.review import markdown, model
from infra.review.guards import lowered, lowered_classes
from tests.review.plans import comparison, delta

LOGS, TABLE = "module.f.aws_cloudwatch_log_group.this", "module.t.aws_dynamodb_table.this"
QUEUE, ALARM = "module.q.aws_sqs_queue.this", "module.a.aws_cloudwatch_metric_alarm.this"
COPIES = "module.r.aws_s3_bucket_replication_configuration.this"
MERGE = 'module.p.snowflake_task.this["MERGE"]'


def found(address: str, before: Any, after: Any, **more: Any) -> list[tuple[str, str]]:
    """Return what is lowered by an update."""
    return [(each.attribute, each.text) for each in lowered([delta(address, "update", before, after, **more)])]


@pytest.mark.parametrize(
    ("address", "before", "after", "expected"),
    [
        (LOGS, {"retention_in_days": 365}, {"retention_in_days": 1}, ("retention_in_days", "365 → 1")),
        (LOGS, {"retention_in_days": 0}, {"retention_in_days": 30}, ("retention_in_days", "0 → 30")),
        (LOGS, {"kms_key_id": "k"}, {"kms_key_id": None}, ("kms_key_id", '"k" → nothing')),
        (
            TABLE,
            {"point_in_time_recovery": [{"enabled": True}]},
            {"point_in_time_recovery": [{"enabled": False}]},
            ("enabled", "true → false"),
        ),
        (TABLE, {"replica": [{"region_name": "a"}]}, {"replica": []}, ("replica", '{"region_name": "a"} → nothing')),
        (
            COPIES,
            {"rule": [{"status": "Enabled", "destination": [{}]}]},
            {"rule": [{"status": "Disabled", "destination": [{}]}]},
            ("status", '"Enabled" → "Disabled"'),
        ),
        (
            ALARM,
            {"threshold": 3, "comparison_operator": "GreaterThanThreshold"},
            {"threshold": 900, "comparison_operator": "GreaterThanThreshold"},
            ("threshold", "3 → 900"),
        ),
        (
            ALARM,
            {"threshold": 1, "comparison_operator": "LessThanThreshold"},
            {"threshold": 0, "comparison_operator": "LessThanThreshold"},
            ("threshold", "1 → 0"),
        ),
        (
            "module.d.aws_db_parameter_group.this",
            {"parameter": [{"name": "rds.force_ssl", "value": "1"}]},
            {"parameter": [{"name": "rds.force_ssl", "value": "0"}]},
            ("rds.force_ssl", '"1" → "0"'),
        ),
        (
            "module.b.aws_s3_bucket.this",
            {"force_destroy": False},
            {"force_destroy": True},
            ("force_destroy", "false → true"),
        ),
        (MERGE, {"started": True}, {"started": False}, ("started", "true → false")),
        (MERGE, {"error_integration": "A"}, {"error_integration": None}, ("error_integration", '"A" → nothing')),
        (
            "module.p.snowflake_schema.landing",
            {"data_retention_time_in_days": 7},
            {"data_retention_time_in_days": 1},
            ("data_retention_time_in_days", "7 → 1"),
        ),
    ],
)
def test_a_weaker_guard_is_named(address: str, before: Any, after: Any, expected: tuple[str, str]) -> None:
    assert found(address, before, after) == [expected]


@pytest.mark.parametrize(
    ("address", "before", "after"),
    [
        (LOGS, {"retention_in_days": 30}, {"retention_in_days": 0}),
        (LOGS, {"retention_in_days": 30}, {"retention_in_days": 365}),
        (LOGS, {"kms_key_id": "one"}, {"kms_key_id": "another"}),
        (TABLE, {"deletion_protection_enabled": False}, {"deletion_protection_enabled": True}),
        (
            ALARM,
            {"threshold": 9, "comparison_operator": "GreaterThanThreshold"},
            {"threshold": 3, "comparison_operator": "GreaterThanThreshold"},
        ),
    ],
)
def test_a_stronger_or_equal_one_is_not(address: str, before: Any, after: Any) -> None:
    assert found(address, before, after) == []


def test_what_is_known_after_the_apply_counts_as_set() -> None:
    before, after = {"kms_master_key_id": "key"}, {"kms_master_key_id": None}
    assert found(QUEUE, before, after, unknown={"kms_master_key_id": True}) == []
    nested = {"rule": [{"destination": [{"encryption_configuration": [{"replica_kms_key_id": "k"}]}]}]}
    emptied = {"rule": [{"destination": [{"encryption_configuration": [{"replica_kms_key_id": None}]}]}]}
    mark = {"rule": [{"destination": [{"encryption_configuration": [{"replica_kms_key_id": True}]}]}]}
    assert found(COPIES, nested, emptied, unknown=mark) == []
    assert [name for name, _ in found(COPIES, nested, emptied)] == ["replica_kms_key_id"]


def test_the_review_says_so_and_judges_it() -> None:
    change = delta(LOGS, "update", {"retention_in_days": 365}, {"retention_in_days": 1})
    made = model.build(comparison(change), "main", "working tree", ["01_meteor"])
    assert made.level == "medium" and "guard-lowered" in {each.rule for each in made.reasons}
    assert "guards less: `retention_in_days` `365 → 1`" in markdown.render(made)


def test_data_that_is_called_more_open_is_told() -> None:
    before, after = {"a": {"data-class": "personal"}, "b": {"data-class": "public"}}, {"a": {"data-class": "public"}}
    (one,) = lowered_classes(before, after)
    assert (one.stack, one.attribute, one.text) == ("a", "data-class", "personal → public")
    assert lowered_classes(after, {"a": {"data-class": "confidential"}}) == []
    made = model.build(comparison(), "main", "working tree", ["a"], classes=[one])
    assert made.level == "medium" and "`data-class` `personal → public`" in markdown.render(made)
