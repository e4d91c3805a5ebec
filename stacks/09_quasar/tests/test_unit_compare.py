"""The comparison with what was sent: equal is silent, and each planted difference is told."""

from __future__ import annotations

from typing import Any

import pytest
from quasar.compare import difference
from quasar.generate import Plan
from quasar.truth import truth

TRUTH = truth(Plan(seed=3, base_ms=1_764_500_000_000), 4000)
MINUTES: list[list[Any]] = [[start, kind, *values] for (start, kind), values in sorted(TRUTH.windows.items())]
TOTALS = [["duplicates", TRUTH.duplicates], *([reason, count] for reason, count in TRUTH.malformed.items())]


def test_what_is_served_as_it_was_sent_differs_in_nothing() -> None:
    assert difference(TRUTH, MINUTES, TOTALS) == ""


@pytest.mark.parametrize("column", range(2, 9))
def test_each_number_of_a_window_counts(column: int) -> None:
    rows = [list(row) for row in MINUTES]
    rows[7][column] += 1
    start, kind = rows[7][:2]
    assert difference(TRUTH, rows, TOTALS).startswith(f"{kind} at {start} ms:")


def test_a_window_too_few_or_too_many_is_told() -> None:
    assert "None served" in difference(TRUTH, MINUTES[1:], TOTALS)
    assert "None sent" in difference(TRUTH, [*MINUTES, [5, "meter", *[1] * 7]], TOTALS)


def test_a_copy_or_a_broken_message_too_few_is_told() -> None:
    assert difference(TRUTH, MINUTES, [["duplicates", TRUTH.duplicates - 1], *TOTALS[1:]]).startswith("duplicates:")
    assert difference(TRUTH, MINUTES, TOTALS[:-1]).startswith(f"{TOTALS[-1][0]}: 0 served")
    assert difference(TRUTH, MINUTES, [*TOTALS, ["teapot", 1]]) == "teapot: 1 served, 0 sent"
