"""The SQL of a load: it depends on which of the archive's columns a file has, so it is put together here.

Names of columns come from `comet.contract.KNOWN`, never from the file itself: nothing foreign gets into a statement.
"""

from __future__ import annotations

from collections.abc import Iterator

from comet.contract import OPTIONAL, PARAMETERS, POSITIVE, SUFFIXES, Layout

COMPOSITE = "NASA Exoplanet Archive, composite"

_NUMBER = r"[-+]?([0-9]{1,18}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][-+]?[0-9]{1,2})?"
_NUMBERS = f"^({_NUMBER}( {_NUMBER})*)?$"
_MONTH = "^[12][0-9]{3}(-(0?[0-9]|1[0-2])(-[0-9]{1,2})?)?$"
_DAY = "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


def staging(layout: Layout) -> str:
    """Return the table that takes a file as it comes."""
    columns = ", ".join(f'"{name}" text' for name in layout.header)
    return f"CREATE TEMPORARY TABLE staging (line bigint, reason text, raw text, {columns}) ON COMMIT DROP"


def copy_staging(layout: Layout) -> str:
    """Return the COPY that fills it."""
    columns = ", ".join(f'"{name}"' for name in layout.header)
    return f"COPY staging (line, reason, raw, {columns}) FROM STDIN WITH (FORMAT csv, FORCE_NULL ({columns}))"


def judge(layout: Layout) -> str:
    """Return the statement that gives each record that can't be taken its reason: the first that fits."""
    tests = "\n        ".join(f"WHEN {test} THEN '{reason}'" for reason, test in _tests(layout))
    return f"""
UPDATE staging SET reason = judged.reason
FROM (
    SELECT line, CASE
        {tests}
        END AS reason
    FROM staging WHERE reason IS NULL
) AS judged
WHERE staging.line = judged.line AND judged.reason IS NOT NULL
"""


def _tests(layout: Layout) -> Iterator[tuple[str, str]]:
    has = set(layout.header).__contains__
    measured = [name for name in PARAMETERS if has(name)]
    bars = [name for name in (*measured, "sy_dist") if has(f"{name}err1") and has(f"{name}err2")]
    numbers = [name for name in ("disc_year", "sy_snum", "sy_pnum", "ra", "dec", "sy_plx", "sy_vmag") if has(name)]
    numbers += [name + suffix for name in measured for suffix in ("", *SUFFIXES)]
    numbers += [name for name in ("sy_dist", "sy_disterr1", "sy_disterr2") if has(name)]
    yield "repeated_header", "pl_name = 'pl_name'"
    yield "missing_planet", "coalesce(btrim(pl_name), '') = ''"
    yield "missing_host", "coalesce(btrim(hostname), '') = ''"
    if layout.shape == "ps":
        yield "missing_reference", "coalesce(btrim(pl_refname), '') = ''"
        yield "bad_flag", "coalesce(default_flag, '') NOT IN ('0', '1')"
    yield "bad_flag", "coalesce(pl_controv_flag, '0') NOT IN ('0', '1')"
    # One look at all numbers at once: a look at each of sixty would cost ten times as much.
    columns = ", ".join(f"btrim({name})" for name in numbers)
    yield "bad_number", f"concat_ws(' ', {columns}) !~ '{_NUMBERS}' OR concat_ws('', {columns}) ~ ' '"
    # Beyond this line every number can be cast: CASE looks at its branches in order.
    yield "bad_limit_flag", _any(f"{name}lim NOT IN ('-1', '0', '1')" for name in measured)
    wrong = [f"{name}err1::float8 < 0 OR {name}err2::float8 > 0" for name in bars]
    yield "bad_error_bar", _any(wrong)
    yield "not_positive", _any(f"{name}::float8 <= 0" for name in POSITIVE if has(name))
    if has("sy_plx"):
        yield "negative_parallax", "coalesce(sy_plx::float8 < 0, false)"
    counts = [f"{name} !~ '^[1-9][0-9]?$'" for name in ("sy_snum", "sy_pnum") if has(name)]
    if counts:
        yield "bad_count", _any(counts)
    yield "bad_year", "coalesce(disc_year !~ '^(19[89][0-9]|20[0-9][0-9])$', false)"
    months = [f"{name} !~ '{_MONTH}'" for name in ("disc_pubdate", "pl_pubdate") if has(name)]
    days = [f"{name} !~ '{_DAY}'" for name in ("rowupdate",) if has(name)]
    if months or days:
        yield "bad_date", _any([*months, *days])


def _any(tests: Iterator[str] | list[str]) -> str:
    return f"coalesce({' OR '.join(f'({test})' for test in tests)}, false)"


def merge(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield each statement of a merge with its name, in order; ``loaded`` and ``updated`` count solutions."""
    yield "typed", _typed(layout)
    yield "analysed", "ANALYZE typed (planet, reference, star, system, line)"
    yield (
        "publications",
        """
INSERT INTO archive.publications (reference, title, url)
SELECT DISTINCT ON (reference) reference, title, url
FROM (
    SELECT reference, title, url, line FROM typed
    UNION ALL
    SELECT discovery_reference, discovery_title, discovery_url, line FROM typed WHERE discovery_reference IS NOT NULL
) AS named
ORDER BY reference, line
ON CONFLICT (reference) DO NOTHING
""",
    )
    for table, column in (("methods", "method"), ("facilities", "facility")):
        yield (
            table,
            f"INSERT INTO archive.{table} (name) SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL"
            " ORDER BY 1 ON CONFLICT (name) DO NOTHING",
        )
    yield from _dimension("systems", "system", _SYSTEMS)
    # Without fresh statistics the first loads would be joined row by row.
    yield "systems_analysed", "ANALYZE archive.systems (name)"
    yield from _dimension("stars", "star", _STARS, _SYSTEM_OF_STAR)
    yield "stars_analysed", "ANALYZE archive.stars (name)"
    yield "moved", _MOVED
    yield from _dimension("planets", "planet", _PLANETS, _AROUND_PLANET)
    yield "dimensions_analysed", "ANALYZE archive.publications (reference), archive.planets (name)"
    yield "known", _KNOWN
    yield "updated", _UPDATED
    yield "withdrawn", "DELETE FROM archive.measurements AS m USING known AS k WHERE m.solution_id = k.solution_id"
    yield "loaded", _LOADED
    yield "solutions_analysed", "ANALYZE archive.solutions (planet_id, publication_id, file_id)"
    yield "measurements", _measurements(layout)


def _typed(layout: Layout) -> str:
    """Return the good records as what they mean; of several for one planet and publication the last one counts."""
    columns = dict(_meanings(layout))
    named = ",\n        ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return f"""
CREATE TEMPORARY TABLE typed ON COMMIT DROP AS
SELECT last.*, md5(row({", ".join(f"last.{name}" for name in columns)})::text)::uuid AS content FROM (
    SELECT DISTINCT ON (planet, reference)
        staging.line,
        {named}
    FROM staging WHERE reason IS NULL
    ORDER BY planet, reference, staging.line DESC
) AS last
"""


def _meanings(layout: Layout) -> Iterator[tuple[str, str]]:
    has = set(layout.header).__contains__

    def text(name: str) -> str:
        return f"nullif(btrim({name}), '')" if name not in OPTIONAL or has(name) else "NULL::text"

    def number(name: str) -> str:
        return f"{name}::float8" if has(name) else "NULL::float8"

    ps, nothing = layout.shape == "ps", ("NULL::text",) * 3
    default = "default_flag = '1'"
    yield "planet", "btrim(pl_name)"
    yield "star", "btrim(hostname)"
    yield "system", "regexp_replace(btrim(hostname), ' [A-D]$', '')"
    yield "method", text("discoverymethod")
    yield "facility", text("disc_facility")
    announced_on = _month(text("disc_pubdate"))
    yield "discovered", f"coalesce({announced_on}, make_date(disc_year::int, 1, 1))"
    yield "precision", f"CASE WHEN {announced_on} IS NOT NULL THEN 'month' WHEN disc_year IS NOT NULL THEN 'year' END"
    yield "controversial", "coalesce(pl_controv_flag = '1', false)"
    yield "is_default", default if ps else "false"
    yield "leads", default if ps else "true"
    yield "kind", f"coalesce({text('soltype')}, 'Published')" if ps else "'Composite'"
    yield "published", _month(text("pl_pubdate"))
    reference = _reference("pl_refname") if ps else (f"'{COMPOSITE}'", f"'{COMPOSITE}'", "NULL::text")
    yield from zip(("reference", "title", "url"), reference, strict=True)
    announced = _reference("disc_refname") if has("disc_refname") else nothing
    yield from zip(("discovery_reference", "discovery_title", "discovery_url"), announced, strict=True)
    yield "spectral_type", text("st_spectype")
    yield "stars", f"{text('sy_snum')}::smallint"
    yield "planets", f"{text('sy_pnum')}::smallint"
    for name, column in (("ra", "ra"), ("dec", "dec"), ("distance_pc", "sy_dist"), ("vmag", "sy_vmag")):
        yield name, number(column)
    for name in (name for name in PARAMETERS if has(name)):
        yield from ((name + suffix, f"{name}{suffix}::float8") for suffix in ("", "err1", "err2"))
        yield f"{name}lim", f"coalesce({name}lim::smallint, 0)"


def _reference(name: str) -> tuple[str, str, str]:
    """Return key, text and address of ``<a refstr=KEY href=ADDRESS target=ref>Text</a>``, or of plain text."""
    plain = f"btrim(regexp_replace({name}, '<[^>]*>', '', 'g'))"
    key = f"coalesce(substring({name} from 'refstr=\"?([^ \">]+)'), {plain})"
    return key, plain, f"substring({name} from 'href=\"?([^ \">]+)')"


def _month(text: str) -> str:
    """Return the first day of the month in ``2008-01``; where the month is unknown, of January."""
    year, month = f"split_part({text}, '-', 1)::int", f"coalesce(nullif(split_part({text}, '-', 2), ''), '1')::int"
    return f"CASE WHEN {text} IS NOT NULL THEN make_date({year}, greatest({month}, 1), 1) END"


# Facts about a system, a star or a planet are taken from the row that leads: the default one, or the composite one.
# Others only make what is missing. Empty means unknown, so it does not erase what is known.
def _dimension(table: str, key: str, columns: dict[str, str], source: str = "") -> Iterator[tuple[str, str]]:
    names = ", ".join(columns)
    chosen = f"""
SELECT DISTINCT ON ({key}) {key} AS name, {", ".join(f"{value} AS {name}" for name, value in columns.items())}
FROM typed {source} {{where}}
ORDER BY {key}, leads DESC, typed.line DESC"""
    yield (
        f"new_{table}",
        f"""
INSERT INTO archive.{table} (name, {names}, delivered_at, changed_at)
SELECT found.*, %(delivered_at)s, clock_timestamp() FROM ({chosen.format(where="")}) AS found
WHERE NOT EXISTS (SELECT FROM archive.{table} AS known WHERE known.name = found.name)
""",
    )
    old = ", ".join(f"old.{name}" for name in columns)
    new = ", ".join(f"coalesce(found.{name}, old.{name})" for name in columns)
    yield (
        f"changed_{table}",
        f"""
UPDATE archive.{table} AS old
SET ({names}, delivered_at, changed_at) = ROW ({new}, %(delivered_at)s, clock_timestamp())
FROM ({chosen.format(where="WHERE leads")}) AS found
WHERE old.name = found.name AND old.delivered_at <= %(delivered_at)s AND ({old}) IS DISTINCT FROM ({new})
""",
    )


_SYSTEMS = {name: f"typed.{name}" for name in ("stars", "planets", "ra", "dec", "distance_pc", "vmag")}
_STARS = {"system_id": "system.system_id", "spectral_type": "typed.spectral_type"}
_PLANETS = {
    "star_id": "star.star_id",
    "method_id": "method.method_id",
    "facility_id": "facility.facility_id",
    "publication_id": "announced.publication_id",
    "discovered": "typed.discovered",
    "precision": "typed.precision",
    "controversial": "typed.controversial",
}
_SYSTEM_OF_STAR = "JOIN archive.systems AS system ON system.name = typed.system"
_AROUND_PLANET = """
JOIN archive.stars AS star ON star.name = typed.star
LEFT JOIN archive.methods AS method ON method.name = typed.method
LEFT JOIN archive.facilities AS facility ON facility.name = typed.facility
LEFT JOIN archive.publications AS announced ON announced.reference = typed.discovery_reference"""

# A planet that gets another star takes its other solutions along: the warehouse has the star beside each measurement.
_MOVED = f"""
UPDATE archive.solutions AS s SET changed_at = clock_timestamp()
FROM (
    SELECT DISTINCT ON (planet) planet AS name, star.star_id FROM typed {_AROUND_PLANET} WHERE leads
    ORDER BY planet, typed.line DESC
) AS found
JOIN archive.planets AS p USING (name)
WHERE s.planet_id = p.planet_id AND p.star_id <> found.star_id AND p.delivered_at <= %(delivered_at)s
"""

_KNOWN = """
CREATE TEMPORARY TABLE known ON COMMIT DROP AS
SELECT s.solution_id, t.*
FROM typed AS t
JOIN archive.planets AS p ON p.name = t.planet
JOIN archive.publications AS b ON b.reference = t.reference
JOIN archive.solutions AS s ON s.planet_id = p.planet_id AND s.publication_id = b.publication_id
WHERE s.content <> t.content AND s.delivered_at <= %(delivered_at)s
"""

_UPDATED = """
UPDATE archive.solutions AS s
SET kind = k.kind, is_default = k.is_default, published = k.published, content = k.content, file_id = %(file_id)s,
    line = k.line, delivered_at = %(delivered_at)s, changed_at = clock_timestamp()
FROM known AS k WHERE k.solution_id = s.solution_id
"""

_LOADED = """
INSERT INTO archive.solutions (
    planet_id, publication_id, kind, is_default, published, content, file_id, line, delivered_at, changed_at)
SELECT p.planet_id, b.publication_id, t.kind, t.is_default, t.published, t.content, %(file_id)s, t.line,
    %(delivered_at)s, clock_timestamp()
FROM typed AS t
JOIN archive.planets AS p ON p.name = t.planet
JOIN archive.publications AS b ON b.reference = t.reference
WHERE NOT EXISTS (
    SELECT FROM archive.solutions AS s WHERE s.planet_id = p.planet_id AND s.publication_id = b.publication_id)
ORDER BY t.line
"""


def _measurements(layout: Layout) -> str:
    """Return the statement that writes the measurements of all solutions that this file made or changed."""
    tall = ", ".join(
        f"('{name}', t.{name}, t.{name}err1, t.{name}err2, t.{name}lim)" for name in PARAMETERS if name in layout.header
    )
    return f"""
INSERT INTO archive.measurements (solution_id, parameter, value, err_plus, err_minus, bound)
SELECT s.solution_id, m.parameter, m.value, m.err_plus, m.err_minus, m.bound
FROM typed AS t
JOIN archive.planets AS p ON p.name = t.planet
JOIN archive.publications AS b ON b.reference = t.reference
JOIN archive.solutions AS s
    ON s.planet_id = p.planet_id AND s.publication_id = b.publication_id AND s.file_id = %(file_id)s
CROSS JOIN LATERAL (VALUES {tall}) AS m (parameter, value, err_plus, err_minus, bound)
WHERE m.value IS NOT NULL
"""
