"""A file into the operational database: exactly once, all or nothing, whatever the file."""

from __future__ import annotations

import csv
import gzip
import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from comet.generate import HEADERS, generate
from comet.land import land, prepare

from jobs.database import Connection, connect
from jobs.load import Result
from jobs.quarantine import FolderQuarantine
from jobs.source import open_path

pytestmark = pytest.mark.e2e

TABLES = ("systems", "stars", "planets", "publications", "solutions", "measurements", "quarantine", "files")
GOOD = {
    "pl_name": "11 Com b",
    "hostname": "11 Com",
    "default_flag": "1",
    "discoverymethod": "Radial Velocity",
    "disc_year": "2007",
    "disc_facility": "Xinglong Station",
    "soltype": "Published Confirmed",
    "pl_controv_flag": "0",
    "pl_refname": "<a refstr=LIU_ET_AL__2008 href=https://example.org/2008/abstract target=ref>Liu et al. 2008</a>",
    "pl_orbper": "326.03",
    "pl_orbpererr1": "0.32",
    "pl_orbpererr2": "-0.32",
    "pl_orbperlim": "0",
    "st_teff": "4742",
    "st_tefflim": "1",
    "pl_pubdate": "2008-01",
    "rowupdate": "2014-05-14",
}


@pytest.fixture
def connection(databases: Any) -> Any:
    with connect(**databases[0]) as connection:
        prepare(connection)
        yield connection


def write(path: Path, *rows: dict[str, str], delimiter: str = ",", names: list[str] | None = None) -> Path:
    text = io.StringIO()
    header = names or HEADERS["ps"]
    writer = csv.DictWriter(text, header, restval="", delimiter=delimiter, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
    return path


def land_path(connection: Connection, path: Path, later: float = 0.0) -> Result:
    delivery, chunks = open_path(path)
    delivery = replace(delivery, modified_at=delivery.modified_at + timedelta(seconds=later))
    return land(connection, delivery, chunks, FolderQuarantine(path.parent / "quarantine"), block_bytes=40_000)


def counts(connection: Connection) -> dict[str, int]:
    found = {}
    for table in TABLES:
        row = connection.execute(f"SELECT count(*) FROM archive.{table}".encode()).fetchone()
        found[table] = int(row[0]) if row else 0
    return found


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("shape", ["ps", "pscomppars"])
def test_a_dirty_file_is_loaded_to_the_last_row(connection: Connection, tmp_path: Path, shape: str) -> None:
    path = tmp_path / "planets.csv"
    truth = generate(path, rows=3000, seed=4, shape=shape, dirty=0.05)
    result = land_path(connection, path)
    assert (result.status, result.shape) == ("loaded", shape)
    names = ("read", "loaded", "updated", "duplicate", "quarantined")
    assert result.balance.as_dict() == {name: getattr(truth, name) for name in names}
    assert result.reasons == truth.reasons
    found = counts(connection)
    assert (found["planets"], found["stars"]) == (truth.planets, truth.stars)
    assert (found["measurements"], found["solutions"]) == (truth.measurements, truth.loaded)
    assert found["quarantine"] == truth.quarantined
    lines = path.read_text().splitlines()
    kept = rows(connection, "SELECT line, raw FROM archive.quarantine")
    assert all(lines[line - 1] == raw for line, raw in kept), "quarantine points at the lines of the file"


def test_a_row_becomes_what_it_means(connection: Connection, tmp_path: Path) -> None:
    land_path(connection, write(tmp_path / "one.csv", GOOD))
    assert rows(connection, "SELECT reference, title, url FROM archive.publications") == [
        ("LIU_ET_AL__2008", "Liu et al. 2008", "https://example.org/2008/abstract")
    ]
    measured = "SELECT parameter, value, err_plus, err_minus, bound FROM archive.measurements ORDER BY 1"
    assert rows(connection, measured) == [
        ("pl_orbper", 326.03, 0.32, -0.32, 0),
        ("st_teff", 4742.0, None, None, 1),
    ]
    assert rows(connection, "SELECT discovered::text, precision, controversial FROM archive.planets") == [
        ("2007-01-01", "year", False)
    ]
    assert rows(connection, "SELECT published::text, is_default FROM archive.solutions") == [("2008-01-01", True)]


def test_the_components_of_a_double_star_share_its_system(connection: Connection, tmp_path: Path) -> None:
    other = GOOD | {"pl_name": "16 Cyg B b", "hostname": "16 Cyg B"}
    third = GOOD | {"pl_name": "16 Cyg A b", "hostname": "16 Cyg A"}
    land_path(connection, write(tmp_path / "double.csv", GOOD, other, third))
    assert rows(connection, "SELECT name FROM archive.systems ORDER BY 1") == [("11 Com",), ("16 Cyg",)]


def test_the_same_content_again_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "planets.csv"
    generate(path, rows=500)
    land_path(connection, path)
    before = counts(connection)
    assert land_path(connection, path, later=5).status == "already_loaded"
    assert counts(connection) == before


def test_a_correction_updates_and_an_older_file_does_not_undo_it(connection: Connection, tmp_path: Path) -> None:
    land_path(connection, write(tmp_path / "first.csv", GOOD))
    changed = GOOD | {"pl_orbper": "323.21", "st_teff": "", "st_tefflim": "", "disc_year": "2008"}
    assert land_path(connection, write(tmp_path / "second.csv", changed), later=10).balance.updated == 1
    # The value that was taken back is gone, the corrected one and the planet's year are there.
    assert rows(connection, "SELECT parameter, value FROM archive.measurements") == [("pl_orbper", 323.21)]
    assert rows(connection, "SELECT discovered::text FROM archive.planets") == [("2008-01-01",)]
    older = GOOD | {"pl_orbper": "1.0", "disc_year": "1999"}
    late = land_path(connection, write(tmp_path / "third.csv", older), later=-10)
    assert late.balance.as_dict() == {"read": 1, "loaded": 0, "updated": 0, "duplicate": 1, "quarantined": 0}
    assert rows(connection, "SELECT value FROM archive.measurements") == [(323.21,)]
    assert rows(connection, "SELECT discovered::text FROM archive.planets") == [("2008-01-01",)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"disc_year": "0000"}, "bad_year"),
        ({"pl_pubdate": "0000-01"}, "bad_date"),
        ({"rowupdate": "2014-02-32"}, "bad_date"),
        ({"pl_orbper": "1 2"}, "bad_number"),
        ({"pl_orbper": "NaN"}, "bad_number"),
        ({"pl_orbper": "1e999"}, "bad_number"),
        ({"st_teff": "-4742"}, "not_positive"),
        ({"sy_plx": "-0.4"}, "negative_parallax"),
        ({"pl_refname": ""}, "missing_reference"),
        ({"sy_snum": "0"}, "bad_count"),
    ],
)
def test_what_cannot_be_true_is_quarantined_and_the_rest_loads(
    connection: Connection, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    names = [*HEADERS["ps"], "sy_plx"]
    result = land_path(connection, write(tmp_path / "bad.csv", GOOD | change, GOOD, names=names))
    assert (result.balance.loaded, result.reasons) == (1, {reason: 1})


def test_mixed_encodings_end_as_the_same_text(connection: Connection, tmp_path: Path) -> None:
    path = write(tmp_path / "mixed.csv", GOOD, GOOD | {"pl_name": "11 Com c", "disc_facility": "Observatório"})
    text = path.read_text()
    extra = text.splitlines()[2].replace("11 Com c", "11 Com d") + "\n"
    path.write_bytes(text.encode() + extra.encode("latin-1"))
    assert land_path(connection, path).balance.loaded == 3
    assert rows(connection, "SELECT name FROM archive.facilities WHERE name LIKE 'O%'") == [("Observatório",)]


@pytest.mark.parametrize(
    ("name", "code"),
    [("wrong", "wrong_delimiter"), ("cut", "gzip_truncated"), ("empty", "empty_file"), ("only", "no_records")],
)
def test_a_file_that_is_none_is_refused_whole(connection: Connection, tmp_path: Path, name: str, code: str) -> None:
    path = tmp_path / f"{name}.csv"
    generate(path, rows=200, compress=True)
    content = gzip.decompress(path.read_bytes())
    if name == "wrong":
        path.write_bytes(content.replace(b",", b";"))
    elif name == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif name == "empty":
        path.write_bytes(b"# nothing but a comment\n")
    else:
        write(path)
    result = land_path(connection, path)
    assert (result.status, result.error_code) == ("rejected", code)
    found = counts(connection)
    assert found.pop("files") == 1 and not any(found.values())


LANDER = """
import sys
from pathlib import Path
from comet.land import land, prepare
from jobs.database import connect
from jobs.quarantine import FolderQuarantine
from jobs.source import open_path
with connect(sys.argv[1]) as connection:
    prepare(connection)
    delivery, chunks = open_path(Path(sys.argv[2]))
    land(connection, delivery, chunks, FolderQuarantine(Path(sys.argv[3])), block_bytes=40_000)
"""


@pytest.mark.parametrize(
    "point", ["block:3", "judged", "staged", "new_planets", "loaded", "measurements", "before_commit"]
)
def test_killed_at_any_point_the_next_run_does_the_whole_work(databases: Any, tmp_path: Path, point: str) -> None:
    from psycopg.conninfo import make_conninfo

    path = tmp_path / "planets.csv"
    truth = generate(path, rows=1500, seed=8, dirty=0.05)
    command = [sys.executable, "-c", LANDER, make_conninfo(**databases[0]), str(path), str(tmp_path / "quarantine")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "JOBS_FAULT": point}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with connect(**databases[0]) as connection:
        assert not any(counts(connection).values())
        result = land_path(connection, path)
        assert result.balance.loaded == truth.loaded
        assert counts(connection)["measurements"] == truth.measurements
