"""What the tests of 04_orbit share: files made from a seed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from orbit import generate


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Two deliveries of bodies, the second with later solutions of some and with new ones, and a feed."""
    folder = tmp_path_factory.mktemp("delivered")
    made = SimpleNamespace(first=folder / "first.csv", second=folder / "second.csv", feed=folder / "feed.json")
    generate.write_bodies(made.first, generate.bodies(120, bad=0.1))
    generate.write_bodies(made.second, generate.bodies(60, start=90, solution=2))
    feed = generate.approaches(130)
    first = next(iter(feed["near_earth_objects"].values()))[0]
    # Halfway between two numbers of eight digits: warehouses disagree on where such a one is rounded to.
    first["close_approach_data"][0]["miss_distance"]["astronomical"] = "0.0825021250"
    Path(made.feed).write_text(json.dumps(feed))
    return made
