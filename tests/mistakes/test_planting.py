"""Mistakes are made from the sources as they are: each rule finds a place, and what it leaves is still Terraform."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from scripts.plant_mistakes import report
from tests.mistakes.judging import Caught
from tests.mistakes.planting import Mutant, Rule, mutants, replace, sample, without, without_resource
from tests.mistakes.rules import RULES

MODULE = """\
resource "aws_s3_bucket" "this" {
  bucket        = var.name
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid     = "Read"
    actions = ["s3:GetObject"]
  }

  statement {
    sid     = "Never"
    effect  = "Deny"
    actions = ["s3:PutObject"]
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
"""


def planted(rule: Rule, folder: Path) -> list[Mutant]:
    """Return the mutants of one rule in a module with `MODULE`."""
    (folder / "modules" / "store").mkdir(parents=True)
    (folder / "modules" / "store" / "main.tf").write_text(MODULE)
    (folder / "stacks").mkdir()
    return mutants({rule.name: rule}, folder / "modules", folder / "stacks")


def test_every_rule_finds_a_place_in_the_live_sources() -> None:
    found = Counter(each.rule for each in mutants(RULES))
    assert [name for name in RULES if not found[name]] == []


def test_there_are_at_least_forty_and_each_changes_something() -> None:
    chosen = sample(mutants(RULES))
    assert len(chosen) >= 40
    assert len({each.key for each in chosen}) == len(chosen)
    assert all(each.texts for each in chosen)
    assert len({(each.rule, each.owner) for each in chosen}) == len(chosen)


def test_what_is_planted_in_a_stack_is_still_python() -> None:
    """Else the mistake would be found by anything that reads the file."""
    for mutant in mutants(RULES):
        for file, text in mutant.texts.items():
            if file.endswith(".py"):
                compile(text, f"{mutant.rule} in {file}", "exec", ast.PyCF_ONLY_AST)


def test_an_argument_is_replaced_where_it_stands(tmp_path: Path) -> None:
    rule = Rule("r", replace(r"(force_destroy =) .*$", r"\1 true", within='resource "aws_s3_bucket"'))
    (one,) = planted(rule, tmp_path)
    assert (one.place, one.texts) == (
        "modules/store/main.tf:3",
        {"store/main.tf": MODULE.replace("force_destroy = var.force_destroy", "force_destroy = true")},
    )


def test_a_statement_that_denies_is_left_alone(tmp_path: Path) -> None:
    (one,) = planted(Rule("r", replace(r"(actions =) .*$", r'\1 ["*"]', allowing=True)), tmp_path)
    assert one.texts["store/main.tf"] == MODULE.replace('["s3:GetObject"]', '["*"]')


def test_a_block_is_taken_out_to_its_end(tmp_path: Path) -> None:
    (one,) = planted(Rule("r", without('statement {\n    sid     = "Never"')), tmp_path)
    kept = MODULE.replace(
        '  statement {\n    sid     = "Never"\n    effect  = "Deny"\n    actions = ["s3:PutObject"]\n  }\n', ""
    )
    assert one.texts["store/main.tf"] == kept


def test_a_resource_is_taken_out_of_depends_on_too(tmp_path: Path) -> None:
    (one,) = planted(Rule("r", without_resource("aws_s3_bucket_versioning")), tmp_path)
    assert "versioning" not in one.texts["store/main.tf"]
    assert "depends_on = []" in one.texts["store/main.tf"]


def test_a_resource_that_others_are_made_of_stays(tmp_path: Path) -> None:
    assert planted(Rule("r", without_resource("aws_s3_bucket")), tmp_path) == []


@pytest.mark.parametrize("finder", ["planning", "inventory", "policies", "review", ""])
def test_the_report_names_what_escaped(finder: str) -> None:
    mutant = Mutant(0, "bucket-opened", "object_store", "object_store/main.tf", 3, {})
    told = {"planning": "", "inventory": (), "policies": (), "review": ()}
    if finder:
        told[finder] = "it is broken" if finder == "planning" else ("something",)
    text = report([Caught(mutant, **told)], 1)  # type: ignore[arg-type]
    assert ("ESCAPED" in text) == (not finder)
    expected = "Escaped: none" if finder else "Escaped: bucket-opened at modules/object_store/main.tf:3"
    assert text.endswith(expected)
