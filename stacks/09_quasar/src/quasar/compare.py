"""What is served against what was sent, which follows from the journal: every number has to be equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from quasar.truth import Truth

MINUTES = (
    "SELECT (extract(epoch FROM window_start) * 1000)::bigint, kind, events, temperature_sum, temperature_min,"
    " temperature_max, voltage_sum, voltage_min, voltage_max FROM quasar.minutes"
)
TOTALS = (
    "SELECT 'duplicates', coalesce(sum(duplicates), 0)::bigint FROM quasar.batch_days"
    " UNION ALL SELECT reason, sum(messages)::bigint FROM quasar.batch_malformed GROUP BY reason"
)


def difference(truth: Truth, minutes: Iterable[Sequence[Any]], totals: Iterable[Sequence[Any]]) -> str:
    """Return the first thing that differs, in words; nothing when all is as it was sent.

    Parameters
    ----------
    truth : Truth
    minutes, totals : iterable
        Rows of the queries `MINUTES` and `TOTALS`.
    """
    served = {(int(row[0]), str(row[1])): tuple(map(int, row[2:])) for row in minutes}
    for window in sorted({*served, *truth.windows}):
        if served.get(window) != truth.windows.get(window):
            start, kind = window
            return f"{kind} at {start} ms: {served.get(window)} served, {truth.windows.get(window)} sent"
    counts = {str(row[0]): int(row[1]) for row in totals}
    wanted = {"duplicates": truth.duplicates, **truth.malformed}
    for name in sorted({*counts, *wanted}):
        if counts.get(name, 0) != wanted.get(name, 0):
            return f"{name}: {counts.get(name, 0)} served, {wanted.get(name, 0)} sent"
    return ""
