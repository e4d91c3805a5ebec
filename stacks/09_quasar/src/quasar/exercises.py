"""How each exercise of the README is checked: queries of the store that find nothing when it is solved."""

from __future__ import annotations

from infra.exercises import Question, same

HOTTEST = """
SELECT DISTINCT ON (kind) kind, window_start, temperature_max
FROM quasar.minutes ORDER BY kind, temperature_max DESC, window_start
"""
LATE = """
SELECT kind, sum(late) AS late, sum(events) AS events FROM quasar.batch_windows GROUP BY kind
"""
HOURS = """
SELECT date_trunc('hour', window_start) AS hour, kind, sum(events) AS events, sum(temperature_sum) AS temperature_sum,
    sum(voltage_sum) AS voltage_sum
FROM quasar.minutes GROUP BY 1, 2
"""
QUARTERS = """
SELECT at AS window_start, kind, sum(events) AS events, sum(temperature_sum) AS temperature_sum
FROM quasar.minutes
CROSS JOIN LATERAL generate_series(
    date_bin('5 minutes', window_start, timestamptz '2000-01-01 00:00+00') - interval '10 minutes',
    date_bin('5 minutes', window_start, timestamptz '2000-01-01 00:00+00'), interval '5 minutes'
) AS at
GROUP BY 1, 2
"""
CAUSES = """
SELECT (window_start AT TIME ZONE 'UTC')::date AS day, sum(batch_events) AS batch, sum(speed_events) AS speed,
    sum(late) AS late, sum(duplicates) AS duplicates, coalesce(max(m.messages), 0) AS malformed
FROM quasar.reconciliation r
LEFT JOIN (SELECT day, sum(messages) AS messages FROM quasar.batch_malformed GROUP BY day) AS m
    ON m.day = (r.window_start AT TIME ZONE 'UTC')::date
GROUP BY 1
"""

EXERCISES: dict[int, list[Question]] = {
    1: [
        (
            "quasar.hottest says what the minutes say",
            same(HOTTEST, "kind::text, window_start::timestamptz, temperature_max::bigint", "quasar.hottest"),
            "{0} the row {1}",
        ),
    ],
    2: [
        (
            "quasar.lateness says what the batch layer found",
            same(LATE, "kind::text, late::bigint, events::bigint", "quasar.lateness"),
            "{0} the row {1}",
        ),
        (
            "its late events are those of the reconciliation",
            "SELECT (SELECT sum(late) FROM quasar.lateness), sum(late) FROM quasar.reconciliation"
            " HAVING sum(late) <> (SELECT sum(late) FROM quasar.lateness)",
            "quasar.lateness adds up to {0}, the reconciliation to {1}",
        ),
    ],
    3: [
        (
            "quasar.hours is made of the layer that knows more, minute by minute",
            same(
                HOURS,
                "hour::timestamptz, kind::text, events::bigint, temperature_sum::numeric, voltage_sum::numeric",
                "quasar.hours",
            ),
            "{0} the row {1}",
        ),
    ],
    4: [
        (
            "quasar.quarters has every window of a quarter of an hour, each five minutes",
            same(
                QUARTERS,
                "window_start::timestamptz, kind::text, events::bigint, temperature_sum::numeric",
                "quasar.quarters",
            ),
            "{0} the row {1}",
        ),
        (
            "each event is in three of them",
            "SELECT (SELECT sum(events) FROM quasar.quarters), 3 * sum(events) FROM quasar.minutes"
            " HAVING 3 * sum(events) <> (SELECT sum(events) FROM quasar.quarters)",
            "they hold {0} events, not {1}",
        ),
    ],
    5: [
        (
            "quasar.causes has a row a day, as both layers and the archive say",
            same(
                CAUSES,
                "day::date, batch::bigint, speed::bigint, late::bigint, duplicates::bigint, malformed::bigint",
                "quasar.causes",
            ),
            "{0} the row {1}",
        ),
        (
            "what batch has more than speed is what came late",
            "SELECT day, batch - speed, late FROM quasar.causes WHERE batch - speed <> late",
            "on {0} the difference is {1}, late are {2}",
        ),
    ],
}
