"""Exercises are checked by queries that find nothing when one is solved."""

from __future__ import annotations

from typing import Any

from infra.exercises import Question, checked, same

QUESTIONS: list[Question] = [
    ("the view counts", "SELECT 1", "row {0} has {1}"),
    ("its sums agree", "SELECT 2", "{0} is too much"),
]


def test_a_question_that_finds_nothing_is_answered() -> None:
    assert [(each.name, each.ok, each.seen) for each in checked(QUESTIONS, lambda query: [])] == [
        ("the view counts", True, ""),
        ("its sums agree", True, ""),
    ]


def test_the_first_row_that_is_found_is_told() -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {"SELECT 1": [("a", 3), ("b", 4)], "SELECT 2": []}
    first, second = checked(QUESTIONS, rows.__getitem__)
    assert (first.ok, first.seen) == (False, "row a has 3") and second.ok


def test_what_cannot_be_asked_is_told_and_ends_it() -> None:
    def ask(query: str) -> list[tuple[Any, ...]]:
        raise LookupError("the view does not exist\nLINE 1")

    (only,) = checked(QUESTIONS, ask)
    assert (only.ok, only.seen) == (False, "the view does not exist")


def test_both_sides_are_compared_in_both_directions() -> None:
    query = same("SELECT 1 AS n", "n::bigint", "mine")
    assert query.count("EXCEPT ALL") == 2 and query.count("SELECT n::bigint FROM mine") == 2
