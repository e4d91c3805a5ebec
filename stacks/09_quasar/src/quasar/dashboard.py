"""What 09_quasar's dashboard shows: the telemetry as it is served, and why the two layers differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from infra.dashboard import Chart, Dashboard, Figure

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
Rows = list[dict[str, Any]]

HOURS_SHOWN = 3

# By minute where that is not too much to look at, else by five: the last hours, with what came late for them.
RECENT = f"""
SELECT to_char(date_bin('5 minutes', window_start, timestamptz '2000-01-01 00:00+00') AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS') AS at, layer, sum(events)
FROM quasar.minutes
WHERE window_start > (SELECT max(window_start) - interval '{HOURS_SHOWN} hours' FROM quasar.minutes)
GROUP BY 1, 2 ORDER BY 1, 2
"""
KINDS = """
SELECT kind, round(sum(temperature_sum) / sum(events) / 1000000, 3), min(temperature_min) / 1000000.0,
    max(temperature_max) / 1000000.0
FROM quasar.minutes GROUP BY kind ORDER BY kind
"""
FATES = """
SELECT fate, messages FROM (
    SELECT 2 AS place, 'late' AS fate, sum(late) AS messages FROM quasar.batch_windows
    UNION ALL SELECT 3, 'copy', sum(duplicates) FROM quasar.batch_days
    UNION ALL SELECT 4, 'malformed: ' || reason, sum(messages) FROM quasar.batch_malformed GROUP BY reason
) AS fates WHERE messages > 0 ORDER BY place, messages DESC
"""
DIFFERENCES = """
SELECT behind, sum(late) AS late FROM (
    SELECT late, newest, window_start, CASE
        WHEN newest - window_start < interval '30 minutes' THEN 'under half an hour'
        WHEN newest - window_start < interval '1 hour' THEN 'under an hour'
        WHEN newest - window_start < interval '6 hours' THEN 'under six hours'
        ELSE 'longer' END AS behind
    FROM quasar.reconciliation, (SELECT max(window_start) AS newest FROM quasar.minutes) AS n
) AS windows GROUP BY 1 HAVING sum(late) > 0 ORDER BY min(newest - window_start)
"""
TOTALS = """
SELECT (SELECT coalesce(sum(events), 0) FROM quasar.minutes),
    (SELECT count(*) FROM quasar.minutes),
    (SELECT coalesce(sum(difference), 0) FROM quasar.reconciliation WHERE settled),
    (SELECT count(*) FROM quasar.reconciliation
        WHERE settled AND (unexplained <> 0 OR temperature_unexplained <> 0 OR voltage_unexplained <> 0))
"""
TABLES = ("speed_windows", "batch_windows", "batch_files", "reconciliation")


def read(ask: Ask) -> Dashboard:
    """Read the dashboard from the store.

    Parameters
    ----------
    ask : callable
        Runs a query in the store and returns its rows.
    """

    def rows(query: str, *columns: str) -> Rows:
        return [dict(zip(columns, map(_plain, row), strict=True)) for row in ask(query)]

    events, windows, difference, unexplained = map(int, ask(TOTALS)[0])
    return Dashboard(
        title="Telemetry, fast and exact",
        lead="The speed layer shows what devices measure within seconds; every night the batch layer works out the days"
        " exactly. What is served is the one that knows more.",
        charts=[
            recent(rows(RECENT, "at", "layer", "events")),
            kinds(rows(KINDS, "kind", "mean", "least", "greatest")),
            fates(events, rows(FATES, "fate", "messages")),
            differences(rows(DIFFERENCES, "behind", "late")),
        ],
        figures=[
            Figure("events served", events),
            Figure("windows of a minute", windows),
            Figure("events that only batch has", difference),
            Figure("windows unexplained", unexplained),
        ],
        sources={table: int(ask(f"SELECT count(*) FROM quasar.{table}")[0][0]) for table in TABLES},
    )


def recent(rows: Rows) -> Chart:
    """Show how many events there were over time, by the layer that serves them."""
    by_layer = {layer: sum(row["events"] for row in rows if row["layer"] == layer) for layer in ("batch", "speed")}
    sentence = (
        f"Events by five minutes of their own time, the last {HOURS_SHOWN} hours:"
        f" {by_layer['batch']:,.0f} served by batch, {by_layer['speed']:,.0f} by speed, before their night has come."
    )
    spec = {
        "mark": "bar",
        "encoding": {
            "x": {"field": "at", "type": "temporal", "title": None},
            "y": {"field": "events", "type": "quantitative", "title": "events"},
            "color": {"field": "layer", "type": "nominal", "title": None},
        },
    }
    return Chart("Events over time", sentence, rows, spec)


def kinds(rows: Rows) -> Chart:
    """Show the mean temperature of each kind of device."""
    warmest = max(rows, key=lambda row: row["mean"], default=None)
    sentence = (
        f"The mean temperature of each kind of device; {warmest['kind']} is the warmest, with {warmest['mean']:.3f} °C."
        if warmest
        else "Nothing was measured."
    )
    spec = {
        "mark": "bar",
        "encoding": {
            "y": {"field": "kind", "type": "nominal", "title": None},
            "x": {"field": "mean", "type": "quantitative", "title": "mean temperature, °C"},
        },
    }
    return Chart("Temperature by kind", sentence, rows, spec)


def fates(events: int, rows: Rows) -> Chart:
    """Show what became of the messages that were not simply an event in time."""
    lost = sum(row["messages"] for row in rows if row["fate"].startswith("malformed"))
    late = sum(row["messages"] for row in rows if row["fate"] == "late")
    sentence = (
        f"Beside {events - late:,.0f} events in time: those that came late, copies, and {lost:,.0f} messages that could"
        " not be used and wait as dead letters."
    )
    spec = {
        "mark": "bar",
        "encoding": {
            "y": {"field": "fate", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "messages", "type": "quantitative", "title": "messages"},
        },
    }
    return Chart("Late, copied, malformed", sentence, rows, spec)


def differences(rows: Rows) -> Chart:
    """Show how old the windows are for which events came too late."""
    total = sum(row["late"] for row in rows)
    sentence = (
        f"{total:,.0f} events came too late for the speed layer; by how long before the newest window theirs lies."
    )
    spec = {
        "mark": "bar",
        "encoding": {
            "y": {"field": "behind", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "late", "type": "quantitative", "title": "events"},
        },
    }
    return Chart("What speed left out", sentence, rows, spec)


def _plain(value: Any) -> Any:
    """Return a number as one that JSON has."""
    return float(value) if type(value).__name__ == "Decimal" else value
