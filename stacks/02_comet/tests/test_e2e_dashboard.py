"""What the dashboard reads from a star schema: unknown members are shown as such, and limits are no values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from comet.dashboard import read

from infra.dashboard import draw
from infra.output import Ui

pytestmark = pytest.mark.e2e

STAR = Path(__file__).resolve().parents[1] / "sql" / "migrations" / "001_star.sql"
HOSTILE = "<script>alert(1)</script>"
FACTS = f"""
INSERT INTO star.dim_method (method_key, method_id, name)
SELECT n, n, (ARRAY['Transit', 'Radial Velocity', 'Imaging', 'Astrometry', 'Microlensing', 'Disk', 'Pulsar'])[n]
FROM generate_series(1, 7) n;
INSERT INTO star.dim_facility (facility_key, facility_id, name) SELECT n, n, 'Place ' || n FROM generate_series(1, 14) n;
INSERT INTO star.dim_planet (planet_key, planet_id, name) SELECT n, n, 'Planet ' || n FROM generate_series(1, 40) n;
UPDATE star.dim_planet SET name = '{HOSTILE}' WHERE planet_key = 1;
INSERT INTO star.fact_discovery
SELECT n, n, -1, CASE WHEN n <= 20 THEN 1 WHEN n <= 30 THEN 2 + n % 6 WHEN n = 31 THEN -1 ELSE 2 END,
    CASE WHEN n = 40 THEN -1 ELSE n % 14 + 1 END, CASE WHEN n = 40 THEN -1 WHEN n < 20 THEN 19950101 ELSE 20000101 END,
    'year', 'Somebody 2000'
FROM generate_series(1, 40) n;
-- solution, parameter, planet, star, published, reference, kind, default, value, errors, bound
INSERT INTO star.fact_measurement VALUES
    (1, 'pl_orbper', 1, -1, -1, 'A', 'Composite', false, 9, 0.9, -0.9, 0),
    (2, 'pl_orbper', 1, -1, -1, 'B', 'Published', true, 3, 0.3, -0.3, 0),
    (3, 'pl_orbper', 1, -1, -1, 'C', 'Published', false, 5, NULL, NULL, 0),
    (2, 'pl_rade', 1, -1, -1, 'B', 'Published', true, 2, 0.5, -0.3, 0),
    (4, 'pl_orbper', 2, -1, -1, 'A', 'Composite', false, 12, NULL, NULL, 0),
    (4, 'pl_rade', 2, -1, -1, 'A', 'Composite', false, 4, NULL, NULL, 0),
    (5, 'pl_orbper', 3, -1, -1, 'A', 'Composite', false, 7, NULL, NULL, 0),
    (5, 'pl_rade', 3, -1, -1, 'A', 'Composite', false, 4, 1, -1, 1),
    (6, 'pl_orbper', -1, -1, -1, 'A', 'Composite', false, 7, NULL, NULL, 0),
    (6, 'pl_rade', -1, -1, -1, 'A', 'Composite', false, 4, NULL, NULL, 0);
"""


@pytest.fixture
def warehouse(databases: tuple[dict[str, str], dict[str, str]]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(**databases[1], autocommit=True) as connection:  # type: ignore[arg-type]
        yield connection


def test_an_empty_warehouse_is_shown_as_empty(warehouse: psycopg.Connection) -> None:
    for prepare in ("", "CREATE SCHEMA etl", STAR.read_text()):
        warehouse.read_only = None
        warehouse.execute(prepare.encode())
        found = read(warehouse)
        assert [list(chart.rows) for chart in found.charts] == [[], [], [], []]
        assert draw.draw(found, Ui()) == [{}, {}, {}, {}]
        assert found.sources == {"star.fact_discovery": 0, "star.fact_measurement": 0}


def test_unknown_members_are_shown_and_limits_are_no_values(warehouse: psycopg.Connection) -> None:
    warehouse.execute(b"CREATE SCHEMA etl")
    warehouse.execute(STAR.read_bytes())
    warehouse.execute(FACTS.encode())
    found = read(warehouse)
    years, facilities, orbits, errors = ([tuple(row.values()) for row in chart.rows] for chart in found.charts)
    assert sum(count for *_, count in years) == 40
    assert ("Unknown", "Radial Velocity", 1) in years and ("2000", "Unknown", 1) in years
    methods = {name: sum(count for _, method, count in years if method == name) for _, name, _ in years}
    # Imaging and Astrometry found one planet each.
    known = {"Transit": 20, "Radial Velocity": 11, "Microlensing": 2, "Disk": 2, "Pulsar": 2}
    assert methods == {**known, "Other methods": 2, "Unknown": 1}
    assert len(facilities) == 11 and facilities[-1][0] == "All others"
    assert sum(count for _, count in facilities) == 40
    assert sorted(orbits) == sorted([(HOSTILE, "Transit", 3.0, 2.0), ("Planet 2", "Transit", 12.0, 4.0)])
    assert [(name, count, round(median, 6)) for name, count, _, median, _ in errors] == [
        ("Orbital period", 2, 10.0),
        ("Radius of the planet", 1, 20.0),
    ]
    domain = found.charts[0].spec["encoding"]["x"]["scale"]["domain"]
    assert domain == ["1995", "1996", "1997", "1998", "1999", "2000", "Unknown"]
    colours = [found.charts[n].spec["encoding"]["color"]["scale"]["domain"] for n in (0, 2)]
    assert colours[0] == colours[1] and colours[0][0] == "Transit" and colours[0][-1] == "Unknown"
    assert all(draw.draw(found, Ui()))
