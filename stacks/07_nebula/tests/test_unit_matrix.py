"""The bus matrix in the README is what the dbt project's metadata says, and the metadata is held by tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from nebula import matrix

from conftest import HOME

MODELS = HOME / "dbt" / "models" / "marts"


def test_the_readme_is_up_to_date_and_nothing_is_promised_that_no_test_holds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert matrix.main([]) == 0, capsys.readouterr().err


def test_the_matrix_says_how_facts_are_joined() -> None:
    text = matrix.as_markdown(matrix.load())
    (sales,) = [line for line in text.splitlines() if line.startswith("| Sales |")]
    assert sales == "| Sales | `fact_sales` | transaction | ✓ | ✓ | ✓ | ✓ | over the bridge |"
    assert "placed, paid, picked, shipped, delivered, returned" in text


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("_facts.yml", "grain: one row for each order\n", "grain: ''\n", "fact_order_fulfilment states no grain"),
        (
            "_facts.yml",
            "grain_columns: [line_id]",
            "grain_columns: [invoice_no]",
            "no test says that invoice_no is unique",
        ),
        (
            "_facts.yml",
            "data_tests: [not_null, relationships: {arguments: {to: ref('dim_line_profile'), field: line_profile_key}}]",
            "data_tests: [not_null]",
            "fact_sales.line_profile_key has no relationships test",
        ),
        ("_facts.yml", 'bridge_order_promotion: "by order_no"', "bridge_orders: x", "bridge_orders, which is no table"),
        (
            "_dimensions.yml",
            "columns: [order_no, promotion_key]}}\n",
            "columns: [order_no]}}\n",
            "bridge_order_promotion: no test",
        ),
    ],
)
def test_what_is_promised_without_a_test_is_found(tmp_path: Path, file: str, old: str, new: str, problem: str) -> None:
    for path in MODELS.glob("*.yml"):
        text = path.read_text()
        assert path.name != file or old in text
        (tmp_path / path.name).write_text(text.replace(old, new, 1) if path.name == file else text)
    assert any(problem in each for each in matrix.problems(matrix.load(tmp_path))), matrix.problems(
        matrix.load(tmp_path)
    )
    assert not matrix.problems(matrix.load(MODELS))
