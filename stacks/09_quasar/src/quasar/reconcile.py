"""Speed against batch, window by window, and why they differ: ``python -m quasar.reconcile`` writes it down and says.

Batch is right by construction; the speed layer leaves out what came too late. The batch layer has told for each event
whether it was (`quasar.batch`), from offsets and watermarks, without looking at the speed layer's counts. So the
difference has to be the late ones; what is left over is a mistake of one of them, and an alarm.
"""

from __future__ import annotations

import sys
from typing import Any

from jobs.database import Connection
from jobs.metrics import log
from quasar.metrics import measure
from quasar.store import TAKE_TURN, Store

# A window is settled when the speed layer can't add to it any more, or has read all that batch has. Where a stream that
# lost its checkpoint has read everything of a window again, and all of it was late by then, what the one before it had
# counted still stands in the store: the newer stream made nothing of it, and that is what is compared.
RECONCILE = """
INSERT INTO quasar.reconciliation (
    window_start, kind, settled, speed_events, batch_events, difference, late, unexplained,
    temperature_difference, voltage_difference, temperature_unexplained, voltage_unexplained, duplicates
)
SELECT
    window_start,
    kind,
    settled,
    speed_events,
    batch_events,
    batch_events - speed_events,
    late,
    batch_events - speed_events - late,
    temperature,
    voltage,
    temperature - late_temperature,
    voltage - late_voltage,
    duplicates
FROM (
    SELECT
        window_start,
        kind,
        window_start + interval '1 minute' <= d.late_before
            OR coalesce(b.pending, 0) = 0 AND d.speed_ends = newest.ends AS settled,
        own.counts * coalesce(s.events, 0) AS speed_events,
        coalesce(b.events, 0) AS batch_events,
        coalesce(b.late, 0) AS late,
        coalesce(b.temperature_sum, 0) - own.counts * coalesce(s.temperature_sum, 0) AS temperature,
        coalesce(b.voltage_sum, 0) - own.counts * coalesce(s.voltage_sum, 0) AS voltage,
        coalesce(b.late_temperature_sum, 0) AS late_temperature,
        coalesce(b.late_voltage_sum, 0) AS late_voltage,
        coalesce(b.duplicates, 0) AS duplicates
    FROM quasar.batch_windows b
    FULL JOIN quasar.speed_windows s USING (window_start, kind)
    JOIN quasar.batch_days d ON d.day = (window_start AT TIME ZONE 'UTC')::date
    LEFT JOIN (
        SELECT generation, ends FROM quasar.speed_batches ORDER BY generation DESC, batch_id DESC LIMIT 1
    ) AS newest ON true
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.generation < newest.generation AND b.late = b.events THEN 0 ELSE 1 END AS counts
    ) AS own
    WHERE d.day = ANY(%(days)s::date[])
) AS both_layers
"""
# The days that were worked out since, and those that wait for a layer.
DAYS = """
SELECT d.day
FROM quasar.batch_days d
LEFT JOIN (
    SELECT (window_start AT TIME ZONE 'UTC')::date AS day, min(reconciled_at) AS at, bool_and(settled) AS settled
    FROM quasar.reconciliation GROUP BY 1
) AS last USING (day)
WHERE last.at IS NULL OR last.at < d.computed_at OR last.settled IS NOT TRUE
"""
TOTALS = """
SELECT
    (SELECT coalesce(sum(messages), 0) FROM quasar.batch_days)
        + (SELECT coalesce(sum(messages), 0) FROM quasar.batch_malformed) AS messages,
    (SELECT coalesce(sum(loaded), 0) FROM quasar.batch_days) AS loaded,
    (SELECT coalesce(sum(duplicates), 0) FROM quasar.batch_days) AS duplicates,
    (SELECT coalesce(sum(events), 0) FROM quasar.speed_windows) AS speed,
    count(*) AS windows,
    count(*) FILTER (WHERE NOT settled) AS waiting,
    count(*) FILTER (WHERE settled AND difference <> 0) AS differing,
    coalesce(sum(difference) FILTER (WHERE settled), 0) AS difference,
    coalesce(sum(late) FILTER (WHERE settled), 0) AS late,
    count(*) FILTER (
        WHERE settled AND (unexplained <> 0 OR temperature_unexplained <> 0 OR voltage_unexplained <> 0)
    ) AS unexplained
FROM quasar.reconciliation
"""

# Of the days of one run: what alarms are about, so that an old mistake hides no new one.
OF_DAYS = """
SELECT
    coalesce(sum(batch_events) FILTER (WHERE settled), 0),
    coalesce(sum(abs(difference)) FILTER (WHERE settled), 0),
    coalesce(sum(late) FILTER (WHERE settled), 0),
    count(*) FILTER (
        WHERE settled AND (unexplained <> 0 OR temperature_unexplained <> 0 OR voltage_unexplained <> 0)
    ),
    (SELECT count(*) FROM quasar.reconciliation WHERE NOT settled AND window_start < now() - interval '1 day')
FROM quasar.reconciliation
WHERE (window_start AT TIME ZONE 'UTC')::date = ANY(%(days)s::date[])
"""


def reconcile(connection: Connection) -> dict[str, Any]:
    """Compare both layers on the days that changed, write the table, and return its totals.

    Parameters
    ----------
    connection : Connection
        In a transaction. Others that compare or write days wait until it ends.

    Returns
    -------
    dict
        ``messages`` = ``loaded`` + ``duplicates`` + what ``malformed`` has by reason; ``unexplained`` counts settled
        windows whose difference is not made of late events alone, ``waiting`` those that can't be compared yet.
    """
    connection.execute(TAKE_TURN)
    days = [row[0] for row in connection.execute(DAYS)]
    query = "DELETE FROM quasar.reconciliation WHERE (window_start AT TIME ZONE 'UTC')::date = ANY(%s::date[])"
    connection.execute(query, (days,))
    connection.execute(RECONCILE, {"days": days})
    cursor = connection.execute(TOTALS)
    row = cursor.fetchone()
    assert row is not None and cursor.description is not None
    totals = {column.name: int(value) for column, value in zip(cursor.description, row, strict=True)}
    reasons = connection.execute("SELECT reason, sum(messages) FROM quasar.batch_malformed GROUP BY 1 ORDER BY 2 DESC")
    found: dict[str, Any] = {**totals, "malformed": {reason: int(count) for reason, count in reasons}}
    row = connection.execute(OF_DAYS, {"days": days}).fetchone()
    assert row is not None
    events, difference, late, unexplained, waiting = map(int, row)
    measure(
        "reconcile",
        {
            "quasar.reconciliation.late": late,
            "quasar.reconciliation.unexplained": unexplained,
            "quasar.reconciliation.difference": 100 * difference / max(1, events),
            "quasar.reconciliation.waiting": waiting,
        },
    )
    return found


def main() -> int:
    """Reconcile once more; 0 is done, 1 an error, 3 that something can't be explained."""
    try:
        store = Store.from_environment()
    except KeyError as error:
        log("error", "failed", error=f"{error.args[0]} is not set")
        return 1
    found = store.patiently(reconcile)
    log("info", "reconciled", **found)
    return 3 if found["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
