"""How each exercise of the README is checked: queries of the warehouse that find nothing when it is solved."""

from __future__ import annotations

from infra.exercises import Question, same

QUICK = """
SELECT m.name AS method, f.name AS facility, count(DISTINCT d.planet_key) AS planets
FROM star.fact_discovery d JOIN star.dim_method m USING (method_key) JOIN star.dim_facility f USING (facility_key)
WHERE EXISTS (
    SELECT FROM star.fact_measurement x WHERE x.planet_key = d.planet_key AND x.parameter = 'pl_orbper'
    AND x.value < 1 AND x.bound = 0 AND (x.is_default OR x.kind = 'Composite'))
GROUP BY 1, 2
"""
DECADES = """
SELECT y.year / 10 * 10 AS decade, count(*) AS planets
FROM star.fact_discovery d JOIN star.dim_date y ON y.date_key = d.discovered_key GROUP BY 1
"""
BY_YEAR = """
SELECT m.name AS method, y.year, count(*) AS planets
FROM star.fact_discovery d JOIN star.dim_method m USING (method_key)
JOIN star.dim_date y ON y.date_key = d.discovered_key GROUP BY 1, 2
"""


EXERCISES: dict[int, list[Question]] = {
    1: [
        (
            "star.quick_planets counts what the facts say",
            same(QUICK, "method::text, facility::text, planets::bigint", "star.quick_planets"),
            "{0} the row {1}",
        ),
    ],
    2: [
        (
            "star.discoveries_by_decade counts what the facts say",
            same(DECADES, "decade::integer, planets::bigint", "star.discoveries_by_decade"),
            "{0} the row {1}",
        ),
    ],
    3: [
        (
            "star.dim_star_history has one row of now for each star",
            """
SELECT s.star_id, count(h.star_id) FROM star.dim_star s
LEFT JOIN star.dim_star_history h ON h.star_id = s.star_id AND h.valid_to IS NULL AND h.name = s.name
WHERE s.star_id IS NOT NULL GROUP BY 1 HAVING count(h.star_id) <> 1 LIMIT 1
""",
            "star {0} has {1} rows under its present name with valid_to NULL",
        ),
        (
            "no two of a star's rows overlap",
            """
SELECT a.star_id FROM star.dim_star_history a JOIN star.dim_star_history b
ON a.star_id = b.star_id AND a.ctid < b.ctid
AND tstzrange(a.valid_from, a.valid_to) && tstzrange(b.valid_from, b.valid_to) LIMIT 1
""",
            "two rows of star {0} are valid at once",
        ),
    ],
    4: [
        (
            "star.agg_method_year counts what the facts say",
            same(BY_YEAR, "method::text, year::integer, planets::bigint", "star.agg_method_year"),
            "{0} the row {1}",
        ),
        (
            "the last night had a step agg_method_year",
            """
SELECT run_id FROM (SELECT max(run_id) AS run_id FROM etl.runs WHERE status = 'done') AS last
WHERE NOT EXISTS (SELECT FROM etl.steps s WHERE s.run_id = last.run_id AND s.step = 'agg_method_year')
""",
            "run {0} has none",
        ),
    ],
}
