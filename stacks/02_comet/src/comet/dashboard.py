"""What 02_comet's dashboard shows: four questions to the star schema, and how their answers are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from infra.dashboard import Chart, Dashboard, Figure

Rows = list[dict[str, Any]]

MOST_POINTS = 2000
UNKNOWN, OTHERS = "Unknown", "Other methods"

# The five methods that found most are shown by their names, and so is the unknown member: colours are few.
METHODS = f"""
WITH shown_method AS (
    SELECT method_key,
        CASE WHEN method_key = -1 THEN '{UNKNOWN}' WHEN place <= 5 THEN name ELSE '{OTHERS}' END AS method
    FROM (
        SELECT m.method_key, m.name,
            rank() OVER (ORDER BY m.method_key = -1, count(d.planet_id) DESC, m.name) AS place
        FROM star.dim_method m LEFT JOIN star.fact_discovery d USING (method_key) GROUP BY 1, 2
    ) AS counted
)
"""
# A planet's own value: of the archive's default solution, else of its composite one; a limit is no value.
OWN = """
SELECT DISTINCT ON (planet_key) planet_key, value FROM star.fact_measurement
WHERE parameter = '{}' AND bound = 0 AND (is_default OR kind = 'Composite') AND planet_key <> -1 AND value > 0
ORDER BY planet_key, is_default DESC, solution_id
"""
QUERIES = {
    "discoveries": f"""
{METHODS}
SELECT coalesce(y.year::text, '{UNKNOWN}') AS year, method, count(*) AS planets
FROM star.fact_discovery d JOIN star.dim_date y ON y.date_key = d.discovered_key JOIN shown_method USING (method_key)
GROUP BY 1, 2 ORDER BY 1, 2
""",
    "facilities": """
SELECT CASE WHEN place <= 10 THEN name ELSE 'All others' END AS facility, sum(planets)::bigint AS planets
FROM (
    SELECT f.name, count(*) AS planets, rank() OVER (ORDER BY count(*) DESC, f.name) AS place
    FROM star.fact_discovery d JOIN star.dim_facility f USING (facility_key) GROUP BY f.facility_key, f.name
) AS counted
GROUP BY 1 ORDER BY min(place)
""",
    "orbits": f"""
{METHODS}
SELECT p.name AS planet, coalesce(s.method, '{UNKNOWN}') AS method, o.value AS period_days, r.value AS radius_earths
FROM ({OWN.format("pl_orbper")}) AS o JOIN ({OWN.format("pl_rade")}) AS r USING (planet_key)
JOIN star.dim_planet p USING (planet_key) LEFT JOIN star.fact_discovery d USING (planet_key)
LEFT JOIN shown_method s USING (method_key)
ORDER BY md5(p.name), p.name
""",
    "errors": """
SELECT quantity, count(*) AS measurements, percentile_cont(0.25) WITHIN GROUP (ORDER BY error) AS lower_quarter_percent,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY error) AS median_percent,
    percentile_cont(0.75) WITHIN GROUP (ORDER BY error) AS upper_quarter_percent
FROM (
    SELECT quantity, 100 * (err_plus - err_minus) / 2 / value AS error
    FROM star.fact_measurement JOIN (VALUES
        ('pl_orbper', 'Orbital period'), ('pl_orbsmax', 'Size of the orbit'), ('pl_rade', 'Radius of the planet'),
        ('pl_bmasse', 'Mass of the planet'), ('st_teff', 'Temperature of the star'), ('st_rad', 'Radius of the star'),
        ('st_mass', 'Mass of the star')
    ) AS named (parameter, quantity) USING (parameter)
    WHERE bound = 0 AND value > 0 AND err_plus - err_minus > 0
) AS measured
GROUP BY 1 ORDER BY median_percent, quantity
""",
    "totals": """
SELECT (SELECT count(*) FROM star.fact_discovery) AS planets,
    (SELECT count(DISTINCT star_key) FROM star.fact_discovery WHERE star_key <> -1) AS stars,
    (SELECT count(DISTINCT method_key) FROM star.fact_discovery WHERE method_key <> -1) AS methods,
    (SELECT count(*) FROM star.fact_measurement) AS measurements,
    (SELECT to_char(max(high) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM etl.mark) AS mark
""",
}


def read(connection: psycopg.Connection[Any]) -> Dashboard:
    """Read the dashboard from the warehouse.

    Parameters
    ----------
    connection : psycopg.Connection
        Of the warehouse, with no transaction under way; all is read in one that sees one moment and writes nothing.

    Returns
    -------
    Dashboard
        With charts that have no rows, where no load has been.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        there = cursor.execute("SELECT to_regclass('star.fact_measurement') IS NOT NULL AS loaded").fetchone()
        if not there or not there["loaded"]:
            return shown({name: [] for name in QUERIES})
        return shown({name: cursor.execute(query.encode()).fetchall() for name, query in QUERIES.items()})


def shown(found: Mapping[str, Rows]) -> Dashboard:
    """Return the dashboard of what the queries found, by their names."""
    totals = found["totals"][0] if found["totals"] else {}
    counted = {name: totals.get(name, 0) for name in ("planets", "stars", "methods", "measurements")}
    return Dashboard(
        "Planets of other stars",
        "What the night's load has put into the star schema: who found which planets, when and how, and how well they"
        " are known.",
        [
            _discoveries(found["discoveries"], found["orbits"]),
            _facilities(found["facilities"]),
            _orbits(found["orbits"], found["discoveries"]),
            _errors(found["errors"]),
        ],
        [
            Figure("planets", counted["planets"]),
            Figure("stars that have them", counted["stars"]),
            Figure("methods", counted["methods"]),
            Figure("measurements", counted["measurements"]),
            Figure("loaded up to (UTC)", totals.get("mark") or "never"),
        ],
        {"star.fact_discovery": counted["planets"], "star.fact_measurement": counted["measurements"]},
    )


def _colour(*several: Rows) -> dict[str, Any]:
    """Return the encoding that gives a method the same colour in each chart: the most frequent first, the rest last."""
    planets: dict[str, int] = {}
    for row in several[0]:
        planets[row["method"]] = planets.get(row["method"], 0) + row["planets"]
    names = sorted(planets, key=lambda name: (name == UNKNOWN, name == OTHERS, -planets[name], name))
    names += sorted({row["method"] for rows in several[1:] for row in rows} - set(names))
    return {"field": "method", "type": "nominal", "scale": {"domain": names}, "title": None}


def _discoveries(rows: Rows, orbits: Rows) -> Chart:
    years: dict[str, int] = {}
    for row in rows:
        years[row["year"]] = years.get(row["year"], 0) + row["planets"]
    known = sorted(year for year in years if year != UNKNOWN)
    # Years in which nothing was found are years too.
    domain = [str(year) for year in range(int(known[0]), int(known[-1]) + 1)] if known else []
    labels = [year for year in domain if int(year) % 5 == 0 or len(domain) <= 8]
    if UNKNOWN in years:
        domain, labels = [*domain, UNKNOWN], [*labels, UNKNOWN]
    best = max(known, key=lambda year: years[year], default="")
    sentence = (
        f"Most planets were found in {best}: {years[best]:,}." if best else "No planet's year of discovery is known."
    )
    x = {"field": "year", "type": "ordinal", "scale": {"domain": domain}, "title": None}
    return Chart(
        "Discoveries per year, by method",
        sentence,
        rows,
        {
            "mark": "bar",
            "encoding": {
                "x": {**x, "axis": {"values": labels, "labelAngle": 0, "labelOverlap": False}},
                "y": {"field": "planets", "type": "quantitative", "title": "planets"},
                "color": _colour(rows, orbits),
            },
        },
    )


def _facilities(rows: Rows) -> Chart:
    total, most = sum(row["planets"] for row in rows), max((row["planets"] for row in rows), default=0)
    first = rows[0] if rows else {"facility": "", "planets": 0}
    share = f", {first['planets'] / total:.0%} of all" if total else ""
    bars = {
        "y": {"field": "facility", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}},
        # Room for the longest bar's number.
        "x": {"field": "planets", "type": "quantitative", "scale": {"domainMax": 1.12 * most}, "title": "planets"},
    }
    label = {
        "mark": {"type": "text", "align": "left", "dx": 4},
        "encoding": {"text": {"field": "planets", "format": ","}},
    }
    return Chart(
        "Planets per facility",
        f"{first['facility']} found {first['planets']:,} planets{share}." if rows else "Who found most planets.",
        rows,
        {"encoding": bars, "layer": [{"mark": "bar"}, label]},
    )


def _orbits(rows: Rows, discoveries: Rows) -> Chart:
    points = rows[:MOST_POINTS]
    fast = sum(row["period_days"] < 10 for row in rows)
    part = f" A random {len(points):,} of {len(rows):,} are drawn." if len(points) < len(rows) else ""
    share = f"{fast / len(rows):.0%} of them orbit in less than ten days." if rows else ""

    def logarithmic(field: str, title: str) -> dict[str, Any]:
        scale = {"type": "log", "nice": False, "padding": 6}
        axis = {"tickCount": 5, "format": ",.2~f", "labelOverlap": True}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, "title": title}

    return Chart(
        "Orbit and size",
        f"Planets whose period and radius are both known: {len(rows):,}. {share}{part}",
        points,
        {
            "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.6},
            "encoding": {
                "x": logarithmic("period_days", "orbital period, days"),
                "y": logarithmic("radius_earths", "radius, Earth = 1"),
                "color": _colour(discoveries, rows),
            },
        },
    )


def _errors(rows: Rows) -> Chart:
    sentence = "How well each quantity is known."
    if rows:
        best, worst = rows[0], rows[-1]
        sentence = (
            f"{best['quantity']}: half of the values are known to {best['median_percent']:.2g} % or better."
            f" {worst['quantity']}: to {worst['median_percent']:.2g} %. The lines are the middle half."
        )
    y = {"field": "quantity", "type": "nominal", "sort": None, "title": None}
    scale: Mapping[str, Any] = {"type": "log", "nice": False, "padding": 8}

    def x(field: str) -> dict[str, Any]:
        axis = {"format": "~g", "tickCount": 5, "labelOverlap": True}
        return {
            "field": field,
            "type": "quantitative",
            "scale": scale,
            "axis": axis,
            "title": "relative error, percent",
        }

    ends = {"x": x("lower_quarter_percent"), "x2": {"field": "upper_quarter_percent"}}
    layers: Sequence[Mapping[str, Any]] = [
        {"mark": {"type": "rule", "strokeWidth": 3}, "encoding": ends},
        {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": {"x": x("median_percent")}},
    ]
    return Chart("How well it is known", sentence, rows, {"encoding": {"y": y}, "layer": layers})
