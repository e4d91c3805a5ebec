"""The generator writes what the archive publishes, the same for the same seed, and knows what it wrote."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from comet.contract import PARAMETERS, recognise
from comet.generate import generate


def records(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@pytest.mark.parametrize("shape", ["ps", "pscomppars"])
def test_the_same_seed_writes_the_same_file(tmp_path: Path, shape: str) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    truth = generate(first, rows=300, seed=5, shape=shape, dirty=0.1)
    assert generate(second, rows=300, seed=5, shape=shape, dirty=0.1) == truth
    generate(other, rows=300, seed=6, shape=shape, dirty=0.1)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("comments", [True, False])
def test_it_has_the_quirks_of_the_real_files(tmp_path: Path, comments: bool) -> None:
    path = tmp_path / "planets.csv.gz"
    truth = generate(path, rows=2000, comments=comments, compress=True)
    found = records(path)
    assert recognise(list(found[0])).shape == "ps"
    assert gzip.decompress(path.read_bytes()).startswith(b"#") == comments
    assert len(found) == truth.read == truth.loaded == 2000
    measured = [(row[name], row[f"{name}err1"], row[f"{name}lim"]) for row in found for name in PARAMETERS if row[name]]
    assert truth.measurements == len(measured)
    assert {"0", "1", "-1"} == {limit for _, _, limit in measured}
    assert any(not bar for _, bar, _ in measured) and any(bar for _, bar, _ in measured)
    assert all(row["pl_refname"].startswith("<a refstr=") for row in found)
    by_planet: dict[str, list[str]] = {}
    for row in found:
        by_planet.setdefault(row["pl_name"], []).append(row["default_flag"])
    assert len(by_planet) == truth.planets and max(map(len, by_planet.values())) > 5
    assert all(flags.count("1") == 1 for flags in list(by_planet.values())[:-1])


def test_what_is_dirty_is_counted(tmp_path: Path) -> None:
    truth = generate(tmp_path / "dirty.csv", rows=2000, dirty=0.1)
    assert truth.read == truth.loaded + truth.duplicate + truth.quarantined == 2000
    assert truth.quarantined == sum(truth.reasons.values()) > 100 and truth.duplicate > 50
