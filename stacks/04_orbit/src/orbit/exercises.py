"""How each exercise of the README is checked: the rows of the user's model against those that the layers below give.

An entry is what is checked, a query of the model, and a query that gives the right rows; all of them in a SQL that the
three warehouses share.
"""

from __future__ import annotations

EXERCISES: dict[int, tuple[str, str, str]] = {
    1: (
        "orbit_marts.moon_passers has who passed within the Moon's distance",
        "select spkid, passes, nearest_ld from orbit_marts.moon_passers",
        "select spkid, count(*) as passes, min(miss_distance_ld) as nearest_ld from orbit_marts.close_approaches"
        " where is_within_moon group by spkid",
    ),
    2: (
        "orbit_marts.rejections counts the quarantine",
        "select source_table, reject_reason, records from orbit_marts.rejections",
        "select source_table, reject_reason, count(*) as records from orbit_core.rejected"
        " group by source_table, reject_reason",
    ),
    3: (
        "orbit_core.solutions counts what was ever said of each body",
        "select spkid, solutions from orbit_core.solutions",
        "select spkid, count(distinct facts) as solutions from orbit_staging.stg_small_bodies"
        " where reject_reason is null group by spkid",
    ),
}
