"""The generator's files look like JPL's."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

from orbit import generate


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate.write_bodies(tmp_path / name, generate.bodies(50, seed=3, bad=0.2))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    generate.write_bodies(tmp_path / "c", generate.bodies(50, seed=4, bad=0.2))
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_quirks_of_the_public_file_are_there() -> None:
    rows = list(generate.bodies(3000))
    assert all(tuple(row) == generate.COLUMNS for row in rows)
    assert len({row["spkid"] for row in rows}) == len(rows)
    assert all(not row[name] for row in rows for name in ("GM", "IR", "two_body", "A3", "DT"))
    assert all(re.match(r"\d+\.|\.", row["e"]) and not row["e"].startswith("0.") for row in rows)
    assert any("E-" in row["moid"] for row in rows) and any(row["K1"] == "15." for row in rows)
    assert sum(row["full_name"].startswith(" ") for row in rows) > 2500
    assert 0 < sum(row["H"] == "" for row in rows) < 30
    assert 50 < sum(row["diameter"] != "" for row in rows) < 250
    shares = Counter(row["class"] for row in rows)
    assert shares["APO"] > shares["AMO"] > shares["ATE"] > shares["IEO"] > 0


def test_orbits_are_of_the_class_that_they_name() -> None:
    for row in generate.bodies(500):
        a, e, q, ad, period = (float(row[name]) for name in ("a", "e", "q", "ad", "per_y"))
        assert math.isclose(q, a * (1 - e), rel_tol=1e-9) and math.isclose(ad, a * (1 + e), rel_tol=1e-9)
        assert math.isclose(period, a**1.5, rel_tol=1e-3)  # Kepler's third law
        fits = {"APO": a > 1 and q < 1.017, "AMO": 1.017 < q < 1.3, "ATE": a < 1 < ad + 0.02, "IEO": ad < 0.983}
        assert fits.get(row["class"], q < 1.3), row
        if row["pha"]:
            assert (row["pha"] == "Y") == (float(row["H"]) <= 22 and float(row["moid"]) <= 0.05) or "." in row["H"][-2:]


def test_each_kind_of_bad_row_is_made() -> None:
    good, bad = generate.bodies(400), generate.bodies(400, bad=0.1)
    changed = [(a, b) for a, b in zip(good, bad, strict=True) if a != b]
    fields = Counter(next(name for name in a if a[name] != b[name]) for a, b in changed)
    assert set(fields) == {"spkid", "e", "class", "first_obs", "H", "albedo"}


def test_a_later_solution_is_observed_later() -> None:
    for old, new in zip(generate.bodies(30), generate.bodies(30, solution=2), strict=True):
        assert new["spkid"] == old["spkid"] and new["last_obs"] > old["last_obs"] and new["orbit_id"] == "JPL 2"


def test_the_feed_has_the_shape_of_neows() -> None:
    feed = generate.approaches(60)
    passes = [each for day in feed["near_earth_objects"].values() for each in day]
    assert len(passes) == feed["element_count"] > 50
    for day, each in ((day, each) for day, found in feed["near_earth_objects"].items() for each in found):
        data = each["close_approach_data"][0]
        assert data["close_approach_date"] == day
        assert isinstance(data["miss_distance"]["astronomical"], str)
