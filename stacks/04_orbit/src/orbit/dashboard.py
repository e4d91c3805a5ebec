"""What 04_orbit's dashboard shows: four questions to the marts, in a SQL that the three warehouses share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.dashboard import Chart, Dashboard, Figure

Rows = list[dict[str, Any]]

MOST_POINTS = 1500
COLUMNS = {
    "passes": ("body", "date", "miss_distance_ld", "diameter_m", "velocity_km_s", "hazard"),
    "years": ("year", "family", "bodies"),
    "families": ("family", "hazard", "bodies"),
    "sizes": ("size", "method", "bodies", "mean_diameter_m", "dark_surface_m", "bright_surface_m"),
    "totals": ("bodies", "hazardous", "approaches", "within_moon"),
}
QUERIES = {
    "passes": """
select full_name, cast(approach_date as {text}), miss_distance_ld, 1000 * diameter_km, velocity_km_s,
    case when is_hazardous then 'Potentially hazardous' when is_hazardous is null then 'Undecided' else 'Harmless' end
from orbit_marts.close_approaches where diameter_km is not null and miss_distance_ld > 0
order by miss_distance_ld, approach_id
""",
    "years": """
select t.discovery_year, f.family, sum(t.discovered) from orbit_marts.discovery_trends as t
join orbit_marts.hazard_by_family as f on t.orbit_class = f.orbit_class group by 1, 2 order by 1, 2
""",
    "families": """
select family, 'Potentially hazardous', sum(hazardous) from orbit_marts.hazard_by_family group by 1
union all
select family, 'Undecided', sum(undecided) from orbit_marts.hazard_by_family group by 1
union all
select family, 'Harmless', sum(bodies - hazardous - undecided) from orbit_marts.hazard_by_family group by 1
""",
    "sizes": """
select size_class, method, count(*), 1000 * avg(diameter_km), 1000 * avg(diameter_high_km), 1000 * avg(diameter_low_km)
from orbit_marts.size_estimates group by 1, 2
""",
    "totals": """
select b.bodies, b.hazardous, a.approaches, a.within_moon from
(select sum(bodies) as bodies, sum(hazardous) as hazardous from orbit_marts.hazard_by_family) as b cross join
(select count(*) as approaches, sum(case when is_within_moon then 1 else 0 end) as within_moon
from orbit_marts.close_approaches) as a
""",
}
FAMILIES = ("Apollo", "Amor", "Aten", "Atira", "Comet")
HAZARDS = ("Potentially hazardous", "Undecided", "Harmless")
SIZES = ("below 20 m", "20 m to 140 m", "140 m to 1 km", "1 km and more")


def queries(warehouse: str) -> list[str]:
    """Return the queries of the dashboard, in the order of `COLUMNS`."""
    text = "string" if warehouse == "bigquery" else "varchar"
    return [QUERIES[name].replace("{text}", text) for name in COLUMNS]


def named(found: list[list[list[Any]]]) -> dict[str, Rows]:
    """Give the columns of the answers their names; whole numbers come as such from each warehouse."""

    def whole(value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    answers = zip(COLUMNS.items(), found, strict=True)
    return {
        name: [{key: whole(value) for key, value in zip(keys, row, strict=True)} for row in rows]
        for (name, keys), rows in answers
    }


def shown(found: Mapping[str, Rows], warehouse: str) -> Dashboard:
    """Return the dashboard of what the queries found, by their names."""
    totals = {key: value or 0 for key, value in (found["totals"] or [{}])[0].items()}
    return Dashboard(
        "Near-Earth objects",
        f"What dbt has made of JPL's and NASA's files, read from the marts on {warehouse}.",
        [_passes(found["passes"]), _years(found["years"]), _families(found["families"]), _sizes(found["sizes"])],
        [
            Figure("bodies", totals.get("bodies", 0)),
            Figure("potentially hazardous", totals.get("hazardous", 0)),
            Figure("approaches to the Earth", totals.get("approaches", 0)),
            Figure("within the Moon's distance", totals.get("within_moon", 0)),
        ],
        {
            "orbit_marts.size_estimates": sum(row["bodies"] for row in found["sizes"]),
            "orbit_marts.close_approaches": totals.get("approaches", 0),
        },
    )


def _logarithmic(field: str, title: str) -> dict[str, Any]:
    scale = {"type": "log", "nice": False, "padding": 6}
    axis = {"tickCount": 5, "format": ",.2~f", "labelOverlap": True}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, "title": title}


def _colour(field: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {"field": field, "type": "nominal", "scale": {"domain": list(names)}, "title": None}


def _passes(rows: Rows) -> Chart:
    points = rows[:MOST_POINTS]
    part = f" The nearest {len(points):,} of {len(rows):,} are drawn." if len(points) < len(rows) else ""
    near = (
        f"The nearest, {rows[0]['body']}, passed at {rows[0]['miss_distance_ld']:.2f} times the Moon's distance."
        if rows
        else ""
    )
    return Chart(
        "Approaches: how near, and how large",
        near + part,
        points,
        {
            "mark": {"type": "point", "filled": True, "size": 16, "opacity": 0.6},
            "encoding": {
                "x": _logarithmic("miss_distance_ld", "distance, Moon = 1"),
                "y": _logarithmic("diameter_m", "diameter, metres"),
                "color": _colour("hazard", HAZARDS),
            },
        },
    )


def _years(rows: Rows) -> Chart:
    years: dict[int, int] = {}
    for row in rows:
        years[row["year"]] = years.get(row["year"], 0) + row["bodies"]
    domain = [str(year) for year in range(min(years), max(years) + 1)] if years else []
    best = max(years, key=lambda year: (years[year], year), default=0)
    x = {"field": "year", "type": "ordinal", "scale": {"domain": domain}, "title": None}
    step = 20 if len(domain) > 60 else 5
    return Chart(
        "First observations per year",
        f"Most bodies were first observed in {best}: {years[best]:,}." if years else "",
        [{**row, "year": str(row["year"])} for row in rows],
        {
            "mark": "bar",
            "encoding": {
                "x": {
                    **x,
                    "axis": {
                        "values": [y for y in domain if int(y) % step == 0],
                        "labelAngle": 0,
                        "labelOverlap": False,
                    },
                },
                "y": {"field": "bodies", "type": "quantitative", "title": "bodies"},
                "color": _colour("family", FAMILIES),
            },
        },
    )


def _families(rows: Rows) -> Chart:
    total: dict[str, int] = {}
    for row in rows:
        total[row["family"]] = total.get(row["family"], 0) + row["bodies"]
    bad = {row["family"]: row["bodies"] for row in rows if row["hazard"] == HAZARDS[0]}
    worst = max((name for name in total if total[name]), key=lambda name: (bad.get(name, 0), name), default="")
    order = [name for name in FAMILIES if name in total]
    ordered = sorted(rows, key=lambda row: (FAMILIES.index(row["family"]), HAZARDS.index(row["hazard"])))
    return Chart(
        "Hazard by family of orbits",
        f"Most potentially hazardous bodies are of the family {worst}: {bad[worst]:,} of {total[worst]:,}."
        if worst
        else "",
        ordered,
        {
            "mark": "bar",
            "encoding": {
                "y": {"field": "family", "type": "nominal", "sort": order, "title": None, "axis": {"ticks": False}},
                "x": {"field": "bodies", "type": "quantitative", "title": "bodies"},
                "color": _colour("hazard", HAZARDS),
            },
        },
    )


def _sizes(rows: Rows) -> Chart:
    measured = sum(row["bodies"] for row in rows if row["method"] == "measured")
    total = sum(row["bodies"] for row in rows)
    ordered = sorted(rows, key=lambda row: (SIZES.index(row["size"]), row["method"]))
    estimated = [row for row in ordered if row["method"] == "magnitude"]
    y = {"field": "size", "type": "nominal", "sort": list(reversed(SIZES)), "title": None}
    ends = {
        "x": _logarithmic("bright_surface_m", "mean diameter, metres"),
        "x2": {"field": "dark_surface_m"},
    }
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 3}, "encoding": ends},
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {"x": _logarithmic("mean_diameter_m", "mean diameter, metres")},
        },
    ]
    return Chart(
        "Sizes, and what the brightness leaves open",
        f"{measured:,} of {total:,} were measured. The others are estimated by their brightness: the lines reach from a"
        " bright surface (albedo 0.25) to a dark one (0.05)."
        if rows
        else "",
        estimated,
        {"encoding": {"y": y}, "layer": layers},
    )
