"""What is added to a plan before policies judge it: what counts as set, where it comes from, tags, outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra import enrich
from infra.enrich import LATER, Configuration

MODULE = "module.stack_x.module.a."
KEY = {"references": ["var.key_arn"]}


def plan(
    kind: str,
    expressions: dict[str, Any],
    values: dict[str, Any],
    unknown: dict[str, Any],
    *,
    inputs: dict[str, Any] | None = None,
    variables: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a plan of one resource in one module of one stack, and of the key that another module makes."""
    address, local = f"{MODULE}{kind}.this[0]", f"{kind}.this"
    inner = {"resources": [{"address": local, "type": kind, "name": "this", "expressions": expressions}]}
    key = {
        "resources": [{"address": "aws_kms_key.this", "type": "aws_kms_key", "name": "this"}],
        "outputs": {"arn": {"expression": {"references": ["aws_kms_key.this.arn", "aws_kms_key.this"]}}},
    }
    given = {"key_arn": {"references": ["module.key.arn", "module.key"]}} if inputs is None else inputs
    calls = {
        "a": {"source": "../a", "expressions": given, "module": {**inner, "variables": variables or {"key_arn": {}}}},
        "key": {"source": "../key", "module": key},
    }
    stack = {"module_calls": calls, "outputs": outputs or {}}
    children = [{"child_modules": [{"resources": [{"address": address, "type": kind, "values": dict(values)}]}]}]
    return {
        "configuration": {"root_module": {"module_calls": {"stack_x": {"source": "./stack_x", "module": stack}}}},
        "planned_values": {"root_module": {"child_modules": children}},
        "resource_changes": [{"address": address, "change": {"after": dict(values), "after_unknown": unknown}}],
        "variables": {"stack_tags": {"value": {"stack_x": {"data-class": "personal", "owner": "me"}}}},
    }


def enriched(found: dict[str, Any], folder: Path, text: str = "") -> dict[str, Any]:
    """Return the resource's values after `enrich`, with its source written below the folder."""
    (folder / "a").mkdir()
    kind = found["resource_changes"][0]["address"].split(".")[-2]
    (folder / "a" / "main.tf").write_text(f'resource "{kind}" "this" {{\n{text}}}\n')
    done = enrich.enrich(found, Configuration(found, folder))
    values: dict[str, Any] = done["planned_values"]["root_module"]["child_modules"][0]["child_modules"][0]["resources"][
        0
    ]["values"]
    return values


def test_a_key_made_in_the_same_plan_counts_as_set_and_is_named(tmp_path: Path) -> None:
    found = plan("aws_x", {"kms_key_id": KEY}, {"name": "x"}, {"kms_key_id": True, "arn": True})
    wanted = f"{LATER}:module.stack_x.module.key.aws_kms_key.this.arn"
    assert enriched(found, tmp_path) == {"name": "x", "kms_key_id": wanted}


def test_a_key_that_nobody_set_stays_missing(tmp_path: Path) -> None:
    assert enriched(plan("aws_x", {}, {"name": "x"}, {"kms_key_id": True}), tmp_path) == {"name": "x"}


@pytest.mark.parametrize("variables", [{"key_arn": {}}, {"key_arn": {"default": None}}])
def test_a_variable_that_the_caller_left_out_sets_nothing(variables: dict[str, Any], tmp_path: Path) -> None:
    found = plan("aws_x", {"kms_key_id": KEY}, {"name": "x"}, {"kms_key_id": True}, inputs={}, variables=variables)
    assert enriched(found, tmp_path) == {"name": "x"}


def test_a_local_value_counts_as_set_although_a_plan_does_not_say_what_it_is(tmp_path: Path) -> None:
    found = plan("aws_x", {"kms_key_id": {"references": ["local.key"]}}, {}, {"kms_key_id": True})
    assert enriched(found, tmp_path) == {"kms_key_id": LATER}


REPLICA = """\
  dynamic "replica" {
    for_each = var.replicas

    content {
      region_name = replica.key
      %s
    }
  }
"""


@pytest.mark.parametrize(
    ("line", "replica"),
    [
        ("kms_key_arn = replica.value", {"region_name": "eu-west-1", "kms_key_arn": LATER}),
        ("propagate_tags = true", {"region_name": "eu-west-1"}),
    ],
)
def test_in_a_dynamic_block_the_source_says_what_is_set(line: str, replica: dict[str, Any], tmp_path: Path) -> None:
    unknown = {"replica": [{"arn": True, "kms_key_arn": True}]}
    found = plan("aws_x", {}, {"replica": [{"region_name": "eu-west-1"}]}, unknown)
    assert enriched(found, tmp_path, REPLICA % line) == {"replica": [replica]}


def test_a_block_in_a_block_is_found_there(tmp_path: Path) -> None:
    text = "  target {\n    dead_letter {\n      arn = aws_sqs_queue.this.arn\n    }\n  }\n"
    found = plan("aws_x", {}, {"target": [{"dead_letter": [{}]}]}, {"target": [{"dead_letter": [{"arn": True}]}]})
    assert enriched(found, tmp_path, text) == {"target": [{"dead_letter": [{"arn": LATER}]}]}


def test_unknown_elements_of_lists_and_maps_count_as_set(tmp_path: Path) -> None:
    expressions = {"subnets": {"references": ["var.subnets"]}, "tags": {"references": ["var.tags"]}}
    unknown = {"subnets": [True, False], "tags": {"key": True}}
    found = plan("aws_x", expressions, {"subnets": [None, "subnet-1"], "tags": {}}, unknown)
    assert enriched(found, tmp_path) == {"subnets": [LATER, "subnet-1"], "tags": {"key": LATER}}


def test_of_a_map_that_is_unknown_as_a_whole_the_stacks_own_words_are_taken(tmp_path: Path) -> None:
    text = '  dynamic "environment" {\n    content {\n      variables = var.environment\n    }\n  }\n'
    written = {"DB_PASSWORD": "hunter2", "DB_HOST": "${module.database.host}"}
    found = plan(
        "aws_lambda_function",
        {},
        {"environment": [{}]},
        {"environment": [{"variables": True}]},
        inputs={"environment": {"constant_value": written, "references": ["module.database.host"]}},
    )
    assert enriched(found, tmp_path, text) == {"environment": [{"variables": written}]}


def test_the_tags_of_the_stack_are_added_and_a_resources_own_win(tmp_path: Path) -> None:
    values = {"tags": {"owner": "you"}, "tags_all": {"owner": "you", "managed-by": "orrery"}}
    assert enriched(plan("aws_x", {}, values, {}), tmp_path)["tags_all"] == {
        "data-class": "personal",
        "managed-by": "orrery",
        "owner": "you",
    }


def test_tags_that_are_not_known_yet_are_those_of_the_stack(tmp_path: Path) -> None:
    found = plan("aws_x", {}, {"tags": {"owner": ""}}, {"tags_all": True})
    assert enriched(found, tmp_path)["tags_all"] == {"data-class": "personal", "owner": ""}


@pytest.mark.parametrize("tags", [None, {}])
def test_what_takes_no_tags_gets_none(tags: dict[str, str] | None, tmp_path: Path) -> None:
    assert enriched(plan("aws_x", {}, {"tags_all": tags}, {}), tmp_path) == {"tags_all": tags}


def test_an_iam_statement_is_left_without_what_checkov_stumbles_over(tmp_path: Path) -> None:
    statement = {"actions": ["s3:*"], "condition": [], "effect": None, "resources": ["*"], "principals": []}
    found = plan("aws_iam_policy_document", {}, {"statement": [statement]}, {})
    assert enriched(found, tmp_path) == {"statement": [{"actions": ["s3:*"], "resources": ["*"]}]}


def test_outputs_become_resources_that_say_where_they_come_from(tmp_path: Path) -> None:
    outputs = {
        "key": {"expression": {"references": ["module.key.arn", "module.key"]}},
        "word": {"expression": {"constant_value": "x"}, "sensitive": True},
    }
    found = plan("aws_x", {}, {}, {}, outputs=outputs)
    (tmp_path / "a").mkdir()
    made = enrich.enrich(found, Configuration(found, tmp_path))["planned_values"]["root_module"]["resources"]
    assert [(each["address"], each["values"]) for each in made] == [
        (
            "module.stack_x.output.key",
            {"name": "key", "sensitive": False, "sources": ["module.stack_x.module.key.aws_kms_key.this.arn"]},
        ),
        ("module.stack_x.output.word", {"name": "word", "sensitive": True, "sources": []}),
    ]


def test_the_plan_itself_is_left_as_it_is(tmp_path: Path) -> None:
    found = plan("aws_x", {"kms_key_id": KEY}, {}, {"kms_key_id": True})
    enriched(found, tmp_path)
    assert found == plan("aws_x", {"kms_key_id": KEY}, {}, {"kms_key_id": True})


def test_a_plan_without_a_version_is_still_known_as_one(tmp_path: Path) -> None:
    found = plan("aws_x", {}, {}, {})
    (tmp_path / "a").mkdir()
    assert set(enrich.enrich(found, Configuration(found, tmp_path))) == {
        "configuration",
        "planned_values",
        "resource_changes",
        "terraform_version",
    }


def test_a_source_has_its_lines_and_its_skips(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "a" "b" {\n}\n\n'
        'data "a" "b" {\n'
        "  # checkov:skip=CKV_AWS_158:it holds nothing but the names of public files\n"
        "  # checkov:skip=CKV_AWS_1\n"
        "  # checkov:skip=CKV_AWS_2:\n"
        "}\n"
    )
    found = enrich.blocks(tmp_path)
    assert [(each.first, each.last) for each in found.values()] == [(1, 2), (4, 8)]
    assert found["a.b"].skips == {}
    assert found["data.a.b"].skips == {"CKV_AWS_158": "it holds nothing but the names of public files"}


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("module.a.aws_sqs_queue.q[0]", "module.a.aws_sqs_queue.q"),
        ('module.a["x.y"].aws_sqs_queue.q["p\\"]q"]', "module.a.aws_sqs_queue.q"),
        ("aws_sqs_queue.q", "aws_sqs_queue.q"),
    ],
)
def test_indexes_are_dropped_from_addresses(address: str, plain: str) -> None:
    assert enrich.without_indexes(address) == plain
